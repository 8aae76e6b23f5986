"""Is a frame, with our echo taken off as far as it goes, the caller or what is left of us? Pure.

Once the filter is trained: by how much is usually left of an echo on this line. Before that: by the levels that an
echo can have, and, where a caller could be an echo by its level, by whether the filter finds in it what we said.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from core.media.echo_filter import Filtered

LIKE = 0.7
"""Likeness of a frame to the echo expected in it from which on it is echo for the most part. Measured: 0.8 to 1 of
frames with echo alone, under 0.4 for half of the frames in which the caller speaks, too."""
ALIKE = 0.9
"""From here on it is echo and no more, also between the caller's words."""
TRUST_FRAMES, MATURE_FRAMES = 15, 80
"""So many frames that were alike, and the filter is believed where it finds an echo; and after so many where it finds
none. Until then the levels are."""
USUAL_DB = -2.0
"""What is left of an echo by a filter that knows nothing yet. Later -30 to -20 dB, -12 to -4 after speech codecs."""
QUANTILE, QUANTILE_STEP_DB = 0.9, 2.0
STEP_DB = 4.0
"""A caller stands so far above what 90 % of echoes stay below."""
LEVEL_STEP = 40.0
"""Power, 16 dB: how far the levels of an echo lie above the lowest that was seen at their delay (99.5 %)."""
DECAY = 0.7
"""A frame: how fast an echo fades in a room."""
OPEN_FRAMES, SURE_FRAMES = 6, 3
"""After so many of the caller's frames the next few are taken for theirs, too: a word has soft sounds in it."""
FAINT_POWER = 6e-7
"""-62 dBFS: quieter frames are never speech (core.media.vad)."""
DOUBT_FRAMES, FORGET_FRAMES = 8, 15
"""Frames that may be either, looked at together; after so many quiet ones in between they are others."""
DOUBT_MEMORY = 0.95
DOUBT_POWER = 3e-6
"""-55 dBFS: noise of a line says nothing."""
UNLIKE = 0.2
"""Likeness of all of them. Measured over the first 8 to 20 frames: echoes 0.25 to 0.8 (95 %), callers under 0.2
(80 to 95 %)."""


class Source(StrEnum):
    """Whose a frame is."""

    CALLER = "caller"
    ECHO = "echo"
    DOUBT = "doubt"  # a caller's or an echo's, nobody can tell yet


@dataclass(slots=True)
class EchoJudge:
    """One call's, or since the path of the echo changed."""

    like_frames: int = 0
    usual_db: float = USUAL_DB
    _echo_power: float = 0.0
    _near_frames: int = 0
    _open_frames: int = 0
    _doubts: int = 0
    _quiet_frames: int = 0
    _both: float = 0.0
    _heard: float = 0.0
    _echo: float = 0.0

    @property
    def trained(self) -> bool:
        """There is an echo, and the filter knows it."""
        return self.like_frames >= TRUST_FRAMES

    def judge(self, found: Filtered, *, explained: bool = False) -> Source:
        """The next frame. explained: it is known to be of ours for another reason."""
        if found.heard < FAINT_POWER:
            self.rest()
            return Source.CALLER
        self._echo_power = max(found.echo, DECAY * self._echo_power)
        if found.likeness > LIKE:
            self._learn(found)
        source = self._by_filter(found) if self.trained else self._by_level(found)
        near = source is Source.CALLER and not explained
        self._near_frames = self._near_frames + 1 if near else 0
        if self._near_frames >= SURE_FRAMES:
            self._open_frames = OPEN_FRAMES
        elif not near and self._open_frames:
            self._open_frames -= 1
        if near or (self._open_frames and found.likeness < ALIKE):
            return Source.CALLER
        return Source.ECHO if explained else source

    def stands_out(self, found: Filtered) -> bool:
        """More is left of it than of an echo."""
        return found.left > self._echo_power * 10 ** ((self.usual_db + STEP_DB) / 10)

    def _learn(self, found: Filtered) -> None:
        self.like_frames += 1
        left_db = 10 * math.log10(max(1e-4, found.left / max(1e-10, self._echo_power)))
        self.usual_db += QUANTILE_STEP_DB * (QUANTILE if left_db > self.usual_db else QUANTILE - 1)

    def _by_filter(self, found: Filtered) -> Source:
        if not self.stands_out(found):
            return Source.ECHO
        return Source.CALLER if self.like_frames >= MATURE_FRAMES else self._by_level(found)

    def _by_level(self, found: Filtered) -> Source:
        if found.likeness > LIKE:
            return Source.ECHO
        if found.heard > LEVEL_STEP * found.most:
            return Source.CALLER
        return self._by_likeness(found)

    def _by_likeness(self, found: Filtered) -> Source:
        """All frames in doubt together: an echo soon resembles what the filter makes of our words, a caller never."""
        if found.heard < DOUBT_POWER:
            self.rest()
            return Source.DOUBT
        self._quiet_frames = 0
        self._doubts += 1
        self._both *= DOUBT_MEMORY
        self._heard *= DOUBT_MEMORY
        self._echo *= DOUBT_MEMORY
        self._both += found.likeness * math.sqrt(found.heard * found.echo)
        self._heard += found.heard
        self._echo += found.echo
        if self._doubts < DOUBT_FRAMES or self._both > UNLIKE * math.sqrt(self._heard * self._echo):
            return Source.DOUBT
        return Source.CALLER

    def rest(self) -> None:
        """A frame was too quiet to be anybody's."""
        self._quiet_frames += 1
        if self._quiet_frames == FORGET_FRAMES:
            self._doubts, self._both, self._heard, self._echo = 0, 0.0, 0.0, 0.0
