"""What a TP-ST means (TS 23.040 §9.2.3.15)."""

from dataclasses import dataclass

from core.events import Outcome


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """code: TP-ST, 0 to 255; text: the specification's words."""

    outcome: Outcome
    text: str
    code: int


_DONE = {
    0x00: "received by the recipient",
    0x01: "forwarded to the recipient, delivery not confirmed",
    0x02: "replaced by the service centre",
}

_TROUBLE = {
    0x00: "congestion",
    0x01: "recipient busy",
    0x02: "no response from the recipient",
    0x03: "service rejected",
    0x04: "quality of service not available",
    0x05: "error in the recipient",
}

_PERMANENT = {
    0x40: "remote procedure error",
    0x41: "incompatible destination",
    0x42: "connection rejected by the recipient",
    0x43: "not obtainable",
    0x44: "quality of service not available",
    0x45: "no interworking available",
    0x46: "validity period expired",
    0x47: "deleted by the sender",
    0x48: "deleted by the service centre",
    0x49: "message does not exist",
}

_SPECIFIC = "service centre's own code"
_RESERVED = "reserved code, read as service rejected"


def status_of(tp_st: int) -> ReportStatus:
    """For 0 to 255. A message replaced by a later one is done with, but was not delivered."""
    low = tp_st & 0x1F
    match tp_st >> 5:
        case 0:
            outcome = Outcome.FAILED if tp_st == 0x02 or 0x02 < low < 0x10 else Outcome.DELIVERED
            return ReportStatus(outcome, _text(_DONE.get(tp_st), low), tp_st)
        case 1:
            text = _text(_TROUBLE.get(low), low)
            return ReportStatus(Outcome.PENDING, f"{text}, still trying", tp_st)
        case 2:
            return ReportStatus(Outcome.FAILED, _text(_PERMANENT.get(tp_st), low), tp_st)
        case 3:
            text = _text(_TROUBLE.get(low), low)
            return ReportStatus(Outcome.FAILED, f"{text}, given up", tp_st)
        case _:
            return ReportStatus(Outcome.FAILED, _RESERVED, tp_st)


def _text(known: str | None, low: int) -> str:
    return known or (_SPECIFIC if low >= 0x10 else _RESERVED)
