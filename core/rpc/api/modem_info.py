"""What modem.status and modem.signal show of a line, and to whom."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field, structs

from core.clock import rfc3339
from core.line import LineInfo, LineReport, LineSignal, LineState
from core.modem_reports import DatedReport

Percent = Annotated[int, Meta(ge=0, le=100, description="rssi_dbm on the scale of AT+CSQ: 0 to 31")]

PERSONAL = ("imei", "imsi", "iccid", "area", "cell")
"""Who it is and where it is: for admin. So are the addresses of contexts."""


class ModemContext(Struct, frozen=True, kw_only=True):
    """One packet data context."""

    cid: int
    kind: Annotated[str, Meta(description="IP, IPV6 or IPV4V6")]
    apn: str
    active: bool
    address: str | None = None


class ModemMemory(Struct, frozen=True, kw_only=True):
    name: str
    used: int
    total: int


class ModemCarrierName(Struct, frozen=True, kw_only=True):
    """See modem.carrier for the rest."""

    name: str | None
    mcc_mnc: str


class ModemSignalInfo(Struct, frozen=True, kw_only=True):
    line: str
    state: LineState
    operator: str | None = None
    registration: str | None = None
    access_technology: str | None = None
    rssi_dbm: int | None = None
    signal_percent: Percent | None = None
    rsrp_dbm: Annotated[float | None, Meta(description="LTE only, as the two below")] = None
    rsrq_db: float | None = None
    sinr_db: float | None = None


class ModemStatus(Struct, frozen=True, kw_only=True):
    """asked_at: when the modem said what only asking tells; null when it was not to be asked."""

    line: str
    state: LineState
    reason: str | None = None
    asked_at: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    revision: Annotated[str | None, Meta(description="Its firmware")] = None
    imei: Annotated[str | None, Meta(description="Admin only, as all that stands in redacted")] = None
    sim: Annotated[str | None, Meta(description="READY, SIM PIN, SIM PUK, ABSENT, BUSY, FAILURE …")] = None
    pin_tries_left: int | None = None
    imsi: str | None = None
    iccid: str | None = None
    smsc: str | None = None
    memories: list[ModemMemory] = field(default_factory=list)
    carrier: ModemCarrierName | None = None
    operator: str | None = None
    mcc_mnc: Annotated[str | None, Meta(description="Of the network that it is in, such as 234-15")] = None
    registration: Annotated[str | None, Meta(description="The best of the three below")] = None
    creg: Annotated[str | None, Meta(description="Calls in 2G and 3G")] = None
    cgreg: Annotated[str | None, Meta(description="Data in 2G and 3G")] = None
    cereg: Annotated[str | None, Meta(description="LTE")] = None
    access_technology: str | None = None
    band: str | None = None
    area: Annotated[str | None, Meta(description="Hexadecimal")] = None
    cell: Annotated[str | None, Meta(description="Hexadecimal")] = None
    rssi_dbm: int | None = None
    signal_percent: Percent | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    contexts: list[ModemContext] = field(default_factory=list)
    volte: Annotated[bool | None, Meta(description="Its sign: LTE, and an active context of the IMS")] = None
    voltage_v: float | None = None
    temperature_c: float | None = None
    network_time: Annotated[
        str | None, Meta(description="With the zone of the place; offered, never set anywhere. null: never told")
    ] = None
    composition: Annotated[str | None, Meta(description="USB product id")] = None
    usb_path: str | None = None
    ports: Annotated[dict[str, str], Meta(description="Role to path")] = field(default_factory=dict)
    resets_last_hour: int = 0
    audio: Annotated[str | None, Meta(description="Verdict of the last call's audio")] = None
    redacted: Annotated[list[str], Meta(description="Fields that your scopes don't show")] = field(default_factory=list)


def status_of(info: LineInfo, found: DatedReport | None, *, clear: bool) -> ModemStatus:
    """clear: whoever asks may see who and where it is."""
    report = found.report if found is not None else LineReport()
    signal = info.signal or LineSignal(info.rssi_dbm)
    shown = ModemStatus(
        line=info.name,
        asked_at=rfc3339(found.asked_unix_s) if found is not None else None,
        memories=[ModemMemory(name=one.name, used=one.used, total=one.total) for one in info.memories],
        carrier=_carrier(report),
        contexts=[
            ModemContext(cid=one.cid, kind=one.kind, apn=one.apn, active=one.active, address=one.address)
            for one in report.contexts
        ],
        signal_percent=percent(info.rssi_dbm),
        ports=dict(report.ports),
        rsrp_dbm=signal.rsrp_dbm if report.rsrp_dbm is None else report.rsrp_dbm,
        rsrq_db=signal.rsrq_db if report.rsrq_db is None else report.rsrq_db,
        sinr_db=signal.sinr_db if report.sinr_db is None else report.sinr_db,
        access_technology=report.access_technology or signal.access_technology,
        **_same(info, _OF_INFO),
        **_same(report, _OF_REPORT),
    )
    return shown if clear else _redacted(shown)


def signal_of(info: LineInfo) -> ModemSignalInfo:
    signal = info.signal or LineSignal(info.rssi_dbm)
    return ModemSignalInfo(
        line=info.name, state=info.state, operator=info.operator, registration=info.registration,
        access_technology=signal.access_technology, rssi_dbm=signal.rssi_dbm, signal_percent=percent(signal.rssi_dbm),
        rsrp_dbm=signal.rsrp_dbm, rsrq_db=signal.rsrq_db, sinr_db=signal.sinr_db,
    )  # fmt: skip


def percent(rssi_dbm: int | None) -> int | None:
    """As the bars of a phone: -113 dBm is 0, -51 dBm is 100."""
    return None if rssi_dbm is None else max(0, min(100, round((rssi_dbm + 113) / 62 * 100)))


_OF_INFO = (
    "state", "reason", "manufacturer", "model", "revision", "imei", "imsi", "iccid", "sim", "smsc", "operator",
    "registration", "rssi_dbm",
)  # fmt: skip
_OF_REPORT = (
    "pin_tries_left", "mcc_mnc", "creg", "cgreg", "cereg", "band", "area", "cell", "volte", "voltage_v",
    "temperature_c", "network_time", "composition", "usb_path", "resets_last_hour", "audio",
)  # fmt: skip


def _same(source: LineInfo | LineReport, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _carrier(report: LineReport) -> ModemCarrierName | None:
    known = report.carrier
    return ModemCarrierName(name=known.name, mcc_mnc=known.mcc_mnc) if known is not None else None


def _redacted(shown: ModemStatus) -> ModemStatus:
    hidden = [name for name in PERSONAL if getattr(shown, name) is not None]
    contexts = [structs.replace(one, address=None) for one in shown.contexts]
    if contexts != shown.contexts:
        hidden.append("contexts.address")
    return structs.replace(shown, contexts=contexts, redacted=hidden, **dict.fromkeys(PERSONAL))
