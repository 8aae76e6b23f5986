"""Is there speech in a frame: a detector behind a gate that follows the noise of the line.

WebRTC's detector alone takes steady noise for speech once it is loud enough. Measured on 20 s of it at 8 kHz, mode 3:
band-limited pink noise at -30 dBFS 94 % of frames, white noise at -20 dBFS 100 %, 50 Hz hum at -20 dBFS 100 %; and it
does not learn. So a frame counts only when it also stands out of the noise floor, whatever the detector.
"""

from collections import deque
from typing import Any, Protocol

from core.audio import PTIME_MS, PcmFormat
from core.media.level import FLOOR_DBFS, dbfs

GATE_DB = 4.0
"""How far speech must stand above a loud floor. Frames of 20 ms of steady noise stay within 3 dB of it."""
QUIET_GATE_DB = 1.0
LOUD_FLOOR_DBFS = -42.0
"""Below this floor the detector itself is not fooled (no noise at -40 dBFS or less was), and a stricter gate would only
lose quiet callers: of speech 14 dB above such noise it cost a tenth of the frames."""
QUIETEST_FLOOR_DBFS = -62.0
"""A line can't be quieter than this for the gate, so nothing under -61 dBFS is ever speech."""
WINDOW_MS = 3200
"""The floor is the lowest level of this time (minimum statistics, R. Martin 2001): speech has a gap in it, always."""
STEADY_MS = 700
STEADY_RANGE_DB = 5.0
"""A sound that stays within this range for this long is noise or a tone; a spoken syllable rises and falls."""

_PARTS = 8


class Vad(Protocol):
    """One call's detector; frames come in order, every one of them."""

    def is_speech(self, frame: bytes) -> bool:
        """Whether this frame of 20 ms holds speech. ValueError for a frame of another length."""


class Detector(Protocol):
    """The sound alone, without the gate. One per call, fed with every frame."""

    def hears(self, frame: bytes) -> bool:
        """Whether this frame of 20 ms sounds like speech."""


class NoiseFloor:
    """Follows the level of a line's own noise, in dBFS: down at once, up only after a whole window or a steady sound.

    Until it knows better it believes in a quiet line, so that a caller who speaks first is heard from the first frame.
    Frames of digital silence are no measurement: they stand for what the modem did not send.
    """

    def __init__(self, ptime_ms: int = PTIME_MS) -> None:
        self._part_frames = max(1, WINDOW_MS // _PARTS // ptime_ms)
        self._parts = deque([QUIETEST_FLOOR_DBFS] * _PARTS, maxlen=_PARTS)
        self._past_dbfs = QUIETEST_FLOOR_DBFS
        self._lowest_dbfs = 0.0
        self._frames = 0
        self._steady_frames = STEADY_MS // ptime_ms
        self._run_frames = 0
        self._run_low_dbfs = self._run_high_dbfs = 0.0
        self.dbfs = QUIETEST_FLOOR_DBFS

    def feed(self, level_dbfs: float) -> float:
        """Takes the level of one frame, gives the floor. 0.4 us."""
        if level_dbfs <= FLOOR_DBFS:
            return self.dbfs
        self._steady(level_dbfs)
        self._lowest_dbfs = min(self._lowest_dbfs, level_dbfs)
        self._frames += 1
        if self._frames >= self._part_frames:
            self._parts.append(self._lowest_dbfs)
            self._past_dbfs = min(self._parts)
            self._frames, self._lowest_dbfs = 0, 0.0
        self.dbfs = max(QUIETEST_FLOOR_DBFS, min(self._past_dbfs, self._lowest_dbfs))
        return self.dbfs

    def _steady(self, level_dbfs: float) -> None:
        """A steady sound becomes the floor without waiting for the window to pass."""
        low, high = min(self._run_low_dbfs, level_dbfs), max(self._run_high_dbfs, level_dbfs)
        if self._run_frames == 0 or high - low > STEADY_RANGE_DB:
            self._run_frames, self._run_low_dbfs, self._run_high_dbfs = 1, level_dbfs, level_dbfs
            return
        self._run_low_dbfs, self._run_high_dbfs = low, high
        self._run_frames += 1
        if self._run_frames >= self._steady_frames:
            self._parts.extend([low] * _PARTS)
            self._past_dbfs = self._lowest_dbfs = low
            self._frames = self._run_frames = 0


class GatedVad:
    """A detector behind the gate. rate_hz: the line's."""

    def __init__(self, detector: Detector, rate_hz: int) -> None:
        self._detector = detector
        self._frame_bytes = PcmFormat(rate_hz).frame_bytes
        self._floor = NoiseFloor()

    @property
    def floor_dbfs(self) -> float:
        """What the noise of this line is held to be."""
        return self._floor.dbfs

    def is_speech(self, frame: bytes) -> bool:
        if len(frame) != self._frame_bytes:
            raise ValueError(f"a frame has {self._frame_bytes} bytes, not {len(frame)}")
        level_dbfs = dbfs(frame)
        floor_dbfs = self._floor.feed(level_dbfs)
        stands_out = level_dbfs >= floor_dbfs + (GATE_DB if floor_dbfs >= LOUD_FLOOR_DBFS else QUIET_GATE_DB)
        # The detector learns from every frame, so it must see those below the gate as well.
        return self._detector.hears(frame) and stands_out


class WebRtcDetector:
    """rate_hz: 8000, 16000, 32000 or 48000. mode: 0 takes most for speech, 3 least. 3 us a frame."""

    def __init__(self, rate_hz: int, mode: int = 3) -> None:
        if rate_hz not in (8000, 16000, 32000, 48000):
            raise ValueError(f"the detector does not work at {rate_hz} Hz")
        if not 0 <= mode <= 3:
            raise ValueError(f"mode {mode} is not 0 to 3")
        self._rate_hz = rate_hz
        self._detector = _detector(mode)

    def hears(self, frame: bytes) -> bool:
        return bool(self._detector.is_speech(frame, self._rate_hz))


class WebRtcVad(GatedVad):
    """WebRTC's detector behind the gate. 5 us a frame."""

    def __init__(self, rate_hz: int, mode: int = 3) -> None:
        super().__init__(WebRtcDetector(rate_hz, mode), rate_hz)


def _detector(mode: int) -> Any:
    import webrtcvad  # here, so that a core without a call doesn't load it

    return webrtcvad.Vad(mode)
