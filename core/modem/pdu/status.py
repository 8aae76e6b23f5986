"""What a TP-ST means (TS 23.040 §9.2.3.15)."""

from dataclasses import dataclass

from core.events import Outcome


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """code: TP-ST, 0 to 255; text: what it means, in English."""

    outcome: Outcome
    text: str
    code: int


_REPLACED = 0x02

_DONE = {
    0x00: "received by the recipient",
    0x01: "forwarded to the recipient, delivery not confirmed",
    _REPLACED: "replaced by a later message",
}

_TROUBLE = {
    0x00: "congestion",
    0x01: "recipient busy",
    0x02: "no response from the recipient",
    0x03: "service rejected",
    0x04: "quality of service not available",
    0x05: "error at the recipient",
}

_PERMANENT = {
    0x00: "remote procedure error",
    0x01: "incompatible destination",
    0x02: "connection rejected by the recipient",
    0x03: "not obtainable",
    0x04: "quality of service not available",
    0x05: "no interworking available",
    0x06: "validity period expired",
    0x07: "deleted by the sender",
    0x08: "deleted by the service centre",
    0x09: "the message does not exist",
}

_GROUPS: tuple[tuple[Outcome, str, dict[int, str]], ...] = (
    (Outcome.DELIVERED, "", _DONE),
    (Outcome.PENDING, ", still trying", _TROUBLE),
    (Outcome.FAILED, "", _PERMANENT),
    (Outcome.FAILED, ", given up", _TROUBLE),
)
"""By bits 6 and 5: outcome, what follows each text, texts by bits 4 to 0. 10 to 1F of each are the centre's own."""


def status_of(tp_st: int) -> ReportStatus:
    """For 0 to 255. Reserved values count as "service rejected", which is final.

    A message that a later one replaced is done with, but was not delivered: that is a failure here, unlike in the
    specification's groups.
    """
    outcome, ending, known = _GROUPS[tp_st >> 5 & 3]
    low = tp_st & 0x1F
    if tp_st >= 0x80 or (low < 0x10 and low not in known):
        return ReportStatus(Outcome.FAILED, "reserved code, read as service rejected", tp_st)
    text = known.get(low, "the service centre's own code")
    return ReportStatus(Outcome.FAILED if tp_st == _REPLACED else outcome, text + ending, tp_st)
