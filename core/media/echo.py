"""Our own voice kept out of what we hear, so that it never interrupts us, while a caller who speaks over it does.

Frame by frame: an adaptive filter takes our echo off (core.media.echo_filter); what is left is the caller, or it is
residue (phone networks code speech, so no filter takes off everything), and then nothing is heard. Which of the two is
told by how much is usually left of an echo on this line; before that is known, by the levels that an echo can have.
Pure; 0.1 ms a frame at 8 kHz while we speak and 0.7 s after it, a hundredth of that otherwise.
"""

import math
from collections import deque

import numpy as np

from core.audio import PcmFormat
from core.media.echo_filter import TAIL_MS, EchoFilter, Filtered, Floats

FULL_SCALE = 32768.0
LIKE = 0.7
"""Likeness of a frame to the echo expected in it from which on it is echo for the most part. Measured: 0.8 to 1 of
frames with echo alone, under 0.4 for half of the frames in which the caller speaks, too."""
ALIKE = 0.9
"""From here on it is echo and no more, also between the caller's words."""
TRUST_FRAMES = 15
"""So many such frames, and the filter is believed; until then the levels are."""
USUAL_DB = -2.0
"""What is left of an echo that no filter was trained on by speech codecs: -12 to -6 dB after one."""
STEP_DB = 4.0
QUANTILE, QUANTILE_STEP_DB = 0.9, 2.0
"""A caller stands so far above what is usually left: 98 % of echoes stay within 8 dB of it."""
LEVEL_STEP = 40.0
"""Power, 16 dB: how far the levels of an echo lie above the lowest that was seen at their delay."""
DECAY = 0.7
"""A frame: how fast an echo fades in a room."""
OPEN_FRAMES, SURE_FRAMES = 6, 3
"""After so many of the caller's frames the next few are taken for theirs, too: a word has soft sounds in it."""
SLIPPED_FRAMES = 3
WORSE, WORSE_MEMORY = 1.4, 0.96
"""Power: where the filter adds so much to what it should make less, on the mean of half a second, it begins anew."""
FAINT_POWER = 6e-7
"""-62 dBFS: quieter frames are never speech (core.media.vad)."""


class EchoCanceller:
    """One call's. subtract: frames come without the echo found in them; else as they were, or silent."""

    def __init__(self, pcm_format: PcmFormat, *, subtract: bool = True) -> None:
        self._format = pcm_format
        self._subtract = subtract
        self._filter = EchoFilter(pcm_format)
        self._like_frames = 0
        self._unknown: deque[bool] = deque(maxlen=TAIL_MS // pcm_format.ptime_ms)  # which ticks were lost, newest first
        self._heard_power = self._left_power = 0.0
        self._forget()

    def _forget(self) -> None:
        self._filter.reset(delays=self._like_frames >= TRUST_FRAMES)
        self._like_frames = 0
        self._usual_db = USUAL_DB
        self._echo_power = 0.0
        self._near_frames = self._open_frames = 0
        self._slip, self._slip_frames = 0, 0
        self._before = self._after = 1e-9

    @property
    def trained(self) -> bool:
        """There is an echo, and the filter knows it."""
        return self._like_frames >= TRUST_FRAMES

    @property
    def delay_ms(self) -> int | None:
        """Of the echo; None while none is known."""
        return self._filter.delay_frames * self._format.ptime_ms if self.trained else None

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
        """What the far end said, without us. s16le frames of one tick; None: nothing came."""
        self._filter.sent(_samples(uplink))
        self._unknown.appendleft(False)
        if downlink is None:
            return self._format.silence
        if self._filter.quiet:
            return downlink
        heard = _samples(downlink)
        found = self._filter.filter(heard)
        if not self._is_caller(found, heard):
            return self._format.silence
        if not self._subtract or found.left > found.heard:
            return downlink
        return _pcm(found.rest)

    def _is_caller(self, found: Filtered, heard: Floats) -> bool:
        if found.heard < FAINT_POWER:
            return True
        self._echo_power = max(found.echo, DECAY * self._echo_power)
        self._watch(found)
        near = self._stands_out(found) and not self._is_of_lost() and not self._has_slipped(found, heard)
        self._near_frames = self._near_frames + 1 if near else 0
        if self._near_frames >= SURE_FRAMES:
            self._open_frames = OPEN_FRAMES
        elif not near and self._open_frames:
            self._open_frames -= 1
        return near or (self._open_frames > 0 and found.likeness < ALIKE)

    def _stands_out(self, found: Filtered) -> bool:
        if not self.trained:
            return found.heard > LEVEL_STEP * found.most and found.likeness < LIKE
        return found.left > self._echo_power * 10 ** ((self._usual_db + STEP_DB) / 10)

    def _is_of_lost(self) -> bool:
        """The echo in this frame is of ticks that were lost, so that the filter can't know it."""
        if not self.trained or not any(self._unknown):
            return False
        delay = self._filter.delay_frames
        return any(self._unknown[place] for place in range(max(0, delay - 1), min(len(self._unknown), delay + 3)))

    def _watch(self, found: Filtered) -> None:
        """What is usual on this line, and whether the filter does more good than harm."""
        if found.likeness > LIKE:
            self._like_frames += 1
            self._heard_power += found.heard
            self._left_power += found.left
            left_db = 10 * math.log10(max(1e-4, found.left / max(1e-10, self._echo_power)))
            self._usual_db += QUANTILE_STEP_DB * (QUANTILE if left_db > self._usual_db else QUANTILE - 1)
        self._before = WORSE_MEMORY * self._before + found.heard
        self._after = WORSE_MEMORY * self._after + found.left
        if self._after > WORSE * self._before:
            self._forget()

    def _has_slipped(self, found: Filtered, heard: Floats) -> bool:
        """The echo comes some frames earlier or later than it did; then the filter follows."""
        if not self.trained or found.echo < found.heard / 20:
            return False
        slip = self._filter.slipped(heard)
        self._slip_frames = self._slip_frames + 1 if slip and slip == self._slip else int(slip != 0)
        self._slip = slip
        if self._slip_frames >= SLIPPED_FRAMES:
            self._filter.move(slip)
            self._slip_frames = 0
        return slip != 0


def _samples(frame: bytes) -> Floats:
    samples: Floats = np.frombuffer(frame, "<i2").astype(np.float32)
    samples /= FULL_SCALE
    return samples


def _pcm(samples: Floats) -> bytes:
    frame: bytes = np.clip(np.rint(samples * FULL_SCALE), -32768, 32767).astype("<i2").tobytes()
    return frame
