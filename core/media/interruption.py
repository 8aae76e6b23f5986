"""Was it an interruption? Pure: frames and words in, a verdict out.

A caller's voice stops our words at once. What it was shows later: a cough or a door never becomes a turn; a turn may
hold nothing that anybody understands, or no more than "uh-huh". Then our words go on.
"""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_MS = 60_000
"""After this nobody remembers what we were saying."""
SURE_FRAMES = 2
"""One frame of speech alone is a click."""


class Verdict(StrEnum):
    WAIT = "wait"
    GO_ON = "go_on"  # it was none: say the rest
    OVER = "over"  # the caller has the floor


@dataclass(slots=True)
class Interruption:
    """One of them. go_on_after_ms: of silence of the caller, at the least."""

    go_on_after_ms: int
    ptime_ms: int
    _quiet_ms: int = 0
    _loud_frames: int = 0
    _waited_ms: int = 0
    _turns: int = 0
    _empty_turns: int = 0
    _over: bool = False

    def turn_started(self) -> None:
        """The caller said enough for a turn."""
        self._turns += 1

    def words(self, *, meant: bool) -> None:
        """The words of a turn, or of a part of it. meant: they are for us."""
        if meant:
            self._over = True
        else:
            self._empty_turns += 1

    def frame(self, *, speech: bool, busy: bool) -> Verdict:
        """20 ms passed. busy: the caller is in a turn, or its words are awaited."""
        self._waited_ms += self.ptime_ms
        self._loud_frames = self._loud_frames + 1 if speech else 0
        self._quiet_ms = 0 if self._loud_frames >= SURE_FRAMES else self._quiet_ms + self.ptime_ms
        if self._over or self._waited_ms >= LONGEST_MS:
            return Verdict.OVER
        if busy or self._quiet_ms < self.go_on_after_ms:
            return Verdict.WAIT
        return Verdict.GO_ON if self._empty_turns >= self._turns else Verdict.OVER
