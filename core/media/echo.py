"""Our own voice kept out of what we hear, so that it never interrupts us, while a caller who speaks over it does.

Frame by frame: an adaptive filter takes our echo off (core.media.echo_filter); what is left is the caller, or it is
residue (phone networks code speech, so no filter takes off everything), and then nothing is heard. Which of the two is
told by how much is usually left of an echo on this line; before that is known, by the levels that an echo can have.
Pure; 0.1 ms a frame at 8 kHz while we speak and 0.6 s after it, a hundredth of that otherwise.
"""

import math
from collections import deque
from typing import TYPE_CHECKING

from core.audio import PcmFormat
from core.media.echo_filter import TAIL_MS, EchoFilter, Filtered
from core.media.echo_judge import FAINT_POWER, LIKE, EchoJudge, Source

if TYPE_CHECKING:
    import numpy as np

    from core.media.echo_filter import Floats
else:
    from core.lazy import np

FULL_SCALE = 32768.0
SLIPPED_FRAMES = 3
WORSE, WORSE_MEMORY = 1.4, 0.96
"""Power: where the filter adds so much to what it should make less, on the mean of half a second, it begins anew."""


class EchoCanceller:
    """One call's. subtract: frames come without the echo found in them; else as they were, or silent."""

    def __init__(self, pcm_format: PcmFormat, *, subtract: bool = True) -> None:
        self._format = pcm_format
        self._subtract = subtract
        self._filter = EchoFilter(pcm_format)
        self._judge = EchoJudge()
        self.doubtful = False
        self._unknown: deque[bool] = deque(maxlen=TAIL_MS // pcm_format.ptime_ms)  # which ticks were lost, newest first
        self._heard_power = self._left_power = 0.0
        self._forget()

    def _forget(self) -> None:
        self._filter.reset(delays=self._judge.trained)
        self._judge = EchoJudge()
        self._slip, self._slip_frames = 0, 0
        self._before = self._after = 1e-9

    @property
    def delay_ms(self) -> int | None:
        """Of the echo; None while none is known."""
        return self._filter.delay_frames * self._format.ptime_ms if self._judge.trained else None

    @property
    def reduction_db(self) -> float:
        """By how much frames that were echo for the most part became quieter in the mean (ERLE)."""
        if not self._left_power:
            return 0.0
        return 10 * math.log10(self._heard_power / self._left_power)

    def lost(self) -> bytes:
        """A tick of which nothing is known: time goes on."""
        self._filter.sent(np.zeros(self._format.frame_samples, np.float32))
        self._unknown.appendleft(True)
        return self._format.silence

    def clean(self, downlink: bytes | None, uplink: bytes) -> bytes:
        """What the far end said, without us. s16le frames of one tick; None: nothing came.

        Sets `doubtful`: the frame may be of ours, and is no ground to interrupt us.
        """
        self.doubtful = False
        self._filter.sent(_samples(uplink))
        self._unknown.appendleft(False)
        if downlink is None:
            return self._format.silence
        if self._filter.quiet:
            return downlink
        heard = _samples(downlink)
        if not self._judge.trained and float(heard @ heard) < FAINT_POWER * len(heard):
            self._filter.note(heard)
            self._judge.rest()
            return downlink
        found = self._filter.filter(heard)
        source = self._judge.judge(found, explained=self._is_explained(found, heard))
        self._watch(found)
        if source is Source.ECHO:
            return self._format.silence
        self.doubtful = source is Source.DOUBT
        if not self._subtract or found.left > found.heard:
            return downlink
        return _pcm(found.rest)

    def _is_explained(self, found: Filtered, heard: "Floats") -> bool:
        """What looks like a caller comes of ticks that were lost, or of an echo that slipped."""
        if not self._judge.trained or not self._judge.stands_out(found):
            return False
        return self._is_of_lost() or self._has_slipped(found, heard)

    def _is_of_lost(self) -> bool:
        """The echo in this frame is of ticks that were lost, so that the filter can't know it."""
        if not any(self._unknown):
            return False
        delay = self._filter.delay_frames
        return any(self._unknown[place] for place in range(max(0, delay - 1), min(len(self._unknown), delay + 3)))

    def _watch(self, found: Filtered) -> None:
        """Whether the filter does more good than harm."""
        if found.likeness > LIKE:
            self._heard_power += found.heard
            self._left_power += found.left
        self._before = WORSE_MEMORY * self._before + found.heard
        self._after = WORSE_MEMORY * self._after + found.left
        if self._after > WORSE * self._before:
            self._forget()

    def _has_slipped(self, found: Filtered, heard: "Floats") -> bool:
        """The echo comes some frames earlier or later than it did; then the filter follows."""
        if found.echo < found.heard / 20:
            return False
        slip = self._filter.slipped(heard)
        self._slip_frames = self._slip_frames + 1 if slip and slip == self._slip else int(slip != 0)
        self._slip = slip
        if self._slip_frames >= SLIPPED_FRAMES:
            self._filter.move(slip)
            self._slip_frames = 0
        return slip != 0


def _samples(frame: bytes) -> "Floats":
    samples: Floats = np.frombuffer(frame, "<i2").astype(np.float32)
    samples /= FULL_SCALE
    return samples


def _pcm(samples: "Floats") -> bytes:
    frame: bytes = np.clip(np.rint(samples * FULL_SCALE), -32768, 32767).astype("<i2").tobytes()
    return frame
