"""What a line tells of its calls and of its modem."""

from dataclasses import dataclass

from core.line.words import CallState, EndReason, LineState


@dataclass(frozen=True, slots=True)
class LineIncoming:
    """A new call wants in. number is None when withheld; waiting: it came while another call was up."""

    handle: int
    number: str | None
    withheld: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class LineCaller:
    """The number came after the first ring."""

    handle: int
    number: str | None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class LineRing:
    """One ring of the network, numbered from 1. The same RING on two ports is one ring."""

    handle: int
    ring: int


@dataclass(frozen=True, slots=True)
class LineProgress:
    """An existing call changed to dialing, alerting, active or held."""

    handle: int
    state: CallState


@dataclass(frozen=True, slots=True)
class LineReleased:
    """A call is gone. duration_s: the modem's own END field, None where it gave none."""

    handle: int
    reason: EndReason
    network_text: str | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class LineDtmf:
    """The far end pressed a key: one of 0-9 * # A-D. handle is that of the active call."""

    handle: int
    digit: str


@dataclass(frozen=True, slots=True)
class LineStatus:
    """The line itself changed state. lost: True once the grace of 20 s is over (modem.lost)."""

    state: LineState
    reason: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class LineSignal:
    """Strength, quality or access technology changed by more than the hysteresis. None: unknown.

    rsrp_dbm, rsrq_db, sinr_db: of LTE only. access_technology: gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte.
    """

    rssi_dbm: int | None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    access_technology: str | None = None


@dataclass(frozen=True, slots=True)
class LineRecovery:
    """One rung of the recovery ladder began or is over; fields as in modem.recovery."""

    rung: str
    state: str
    reason: str
    attempt: int = 1
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class LineFix:
    """One position. latitude and longitude in degrees north and east, WGS 84; None without a fix. fixed_unix_s: UTC."""

    latitude: float | None
    longitude: float | None
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    fixed_unix_s: float | None = None


LineCallEvent = LineIncoming | LineCaller | LineRing | LineProgress | LineReleased | LineDtmf


LineModemEvent = LineStatus | LineSignal | LineRecovery | LineFix


LineEvent = LineCallEvent | LineModemEvent
