"""What is known of a line's modem, SIM and network."""

from dataclasses import dataclass, field

from core.line.facts import LineSignal
from core.line.words import LineState


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """One message memory of modem or SIM (TS 27.005 §3.2.2): "ME", "SM" and how many of its places are taken."""

    name: str
    used: int
    total: int


@dataclass(frozen=True, slots=True)
class LineInfo:
    """For status and modem.status. Identity is personal data (scope admin); the rest is not.

    signal: rssi_dbm and all else that is known of it without asking the modem.
    """

    name: str
    state: LineState
    reason: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    revision: str | None = None
    imei: str | None = None
    imsi: str | None = None
    iccid: str | None = None
    sim: str | None = None
    operator: str | None = None
    registration: str | None = None
    rssi_dbm: int | None = None
    signal: LineSignal | None = None
    smsc: str | None = None
    memories: tuple[MemoryUse, ...] = ()
    restarting_s: float | None = None
    """While the line heals its modem by restarting it: about how long that still takes. No calls and messages then."""


@dataclass(frozen=True, slots=True)
class PacketContext:
    """One PDP context (TS 27.007 §10.1.1, §10.1.10)."""

    cid: int
    kind: str  # IP, IPV6, IPV4V6
    apn: str
    active: bool
    address: str | None = None


@dataclass(frozen=True, slots=True)
class LineCarrier:
    """The network operator that the SIM belongs to, as far as its IMSI tells, and what it takes to use it."""

    name: str | None
    country: str | None
    mcc_mnc: str
    apn: str
    ims_apn: str
    volte: bool | None
    source: str


@dataclass(frozen=True, slots=True)
class LineReport:
    """Everything a modem says of itself when asked, for modem.status. Fields are None where it does not say.

    Powers in dBm, qualities in dB; registrations in words of TS 27.007 §7.2; network_time as the modem shows it, with
    its zone. ports: role ("at", "voice", "pcm", "nmea", "diag", "qmi", "net") to path.
    """

    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    creg: str | None = None
    cgreg: str | None = None
    cereg: str | None = None
    mcc_mnc: str | None = None
    access_technology: str | None = None
    band: str | None = None
    area: str | None = None
    cell: str | None = None
    contexts: tuple[PacketContext, ...] = ()
    volte: bool | None = None
    voltage_v: float | None = None
    temperature_c: float | None = None
    network_time: str | None = None
    pin_tries_left: int | None = None
    composition: str | None = None
    usb_path: str | None = None
    ports: tuple[tuple[str, str], ...] = ()
    carrier: LineCarrier | None = None
    resets_last_hour: int = 0
    audio: str | None = None


@dataclass(frozen=True, slots=True)
class LineData:
    """What data over this line's SIM takes, and where its modem is, as far as it is known without asking. auth: none,
    pap or chap. ports: role to path, as in LineReport; usb_path None: its ports were given by name."""

    apn: str | None
    auth: str = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    usb_path: str | None = None
    ports: tuple[tuple[str, str], ...] = ()
