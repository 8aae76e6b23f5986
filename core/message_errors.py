"""What a refused short message means for it and for its neighbours in the queue. Pure data.

Numbers below 128 are RP causes (TS 24.011 §8.2.5.4, table E-2), 128 to 255 TP failure causes (TS 23.040 §9.2.3.22),
from 300 on those of the modem itself (TS 27.005 §3.2.5). What is in no table is taken as temporary for this recipient:
nothing is lost by another try, and the queue goes on.
"""

from enum import StrEnum


class Refusal(StrEnum):
    PERMANENT = "permanent"  # never again: another try would say the same
    RECIPIENT = "recipient"  # later, and the other messages to this recipient wait with it
    LINE = "line"  # nothing of this line goes out for now
    UNCERTAIN = "uncertain"  # the network did not answer: it may have been taken


_PERMANENT = (
    {1, 8, 10, 11, 21, 28, 29, 30, 50, 69, 81, 95, 96, 97, 98, 99, 111}
    | set(range(0x80, 0xC0))  # TP-PID, TP-DCS, TP-Command
    | {0xC3, 0xC4, 0xC5, 0xC6, 0xC7}
    | {302, 303, 304, 305, 342}
)
_LINE = {17, 22, 38, 41, 42, 47} | {0xC0, 0xC1, 0xC2} | set(range(310, 319)) | {300, 301, 320, 330, 331, 500, 512, 513}
_UNCERTAIN = {332}
"""+CMS ERROR 332, network time-out: no acknowledgement came back, so nobody knows what became of it."""

ADVICE = {
    310: "sim_absent", 311: "sim_pin", 312: "sim_pin", 313: "sim_failure", 314: "sim_busy", 315: "sim_failure",
    316: "sim_puk", 317: "sim_pin", 318: "sim_puk", 330: "smsc_missing", 331: "no_network",
}  # fmt: skip
"""Reasons that have a word of their own; all others are network_refused or modem_refused."""


def refusal(cms: int | None) -> Refusal:
    """The class of a +CMS ERROR. None is a bare ERROR: the modem did not like it, which may pass."""
    if cms in _PERMANENT:
        return Refusal.PERMANENT
    if cms in _LINE:
        return Refusal.LINE
    if cms in _UNCERTAIN:
        return Refusal.UNCERTAIN
    return Refusal.RECIPIENT


def reason(cms: int | None) -> str:
    """The stable word for sms.status."""
    if cms in ADVICE:
        return ADVICE[cms]
    return "network_refused" if cms is not None and cms < 256 else "modem_refused"
