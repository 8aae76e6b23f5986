"""One press of a key, one event: the modem's own detector and ours both report it, at different times. Pure."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

SAME_PRESS_S = 0.6
"""A modem may be that much quicker than we are, who need 40 ms of the tone."""
LATE_URC_S = 3.0
"""It may be much slower: its report waits behind the answer to a command, and on VoLTE behind RTP events that are sent
again until the key is let go. Ours had heard the press, so that it would have heard a new one, too."""
REPORTS_KEPT = 64
ECHO_S = 1.0
"""How long after tones of ours the far end's echo of them may come back."""


class DtmfSource(StrEnum):
    URC = "urc"
    INBAND = "inband"


@dataclass(frozen=True, slots=True)
class _Report:
    call_id: str
    digit: str
    source: DtmfSource
    at_s: float


@dataclass(frozen=True, slots=True)
class _Sent:
    call_id: str
    digits: str
    until_s: float


class KeyPresses:
    """All calls'. The first report of a press counts at once; the other detector's later one finds it and is dropped.

    Each report finds at most one of the other source, so that a key pressed twice is two presses, however close.
    """

    def __init__(self) -> None:
        self._alone: deque[_Report] = deque(maxlen=REPORTS_KEPT)
        self._sent: deque[_Sent] = deque(maxlen=REPORTS_KEPT)

    def is_new(self, call_id: str, digit: str, source: DtmfSource, now_s: float) -> bool:
        """False for the second report of one press, and for the echo of a key that we send. now_s never goes back."""
        if any(each.call_id == call_id and digit in each.digits and now_s < each.until_s for each in self._sent):
            return False
        within_s = LATE_URC_S if source is DtmfSource.URC else SAME_PRESS_S
        for report in self._alone:  # the oldest that fits: both detectors keep the order
            same = report.call_id == call_id and report.digit == digit and report.source is not source
            if same and now_s - report.at_s < within_s:
                self._alone.remove(report)
                return False
        self._alone.append(_Report(call_id, digit, source, now_s))
        return True

    def sent(self, call_id: str, digits: str, now_s: float, lasting_s: float) -> None:
        """We send these keys as tones."""
        self._sent.append(_Sent(call_id, digits, now_s + lasting_s + ECHO_S))
