"""What an attached client hears and sends: rate, coding and mix of its stream, and the frames of the line in it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES, PcmFormat
from core.media import g711
from core.media.resample import StreamResampler
from core.taps import CallFrame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.int16]


class Coding(StrEnum):
    """Samples on the socket."""

    PCM_S16LE = "pcm_s16le"
    ULAW = "ulaw"
    ALAW = "alaw"


class Mix(StrEnum):
    """downlink: the far end. uplink: what it is given. stereo: both, far end left. mixed: both in one channel."""

    DOWNLINK = "downlink"
    UPLINK = "uplink"
    STEREO = "stereo"
    MIXED = "mixed"


class WhenFull(StrEnum):
    """What becomes of audio that a talker sends faster than the line takes it.

    wait: it stays in the socket, so that the line sets the pace of the writer. drop: the oldest goes, so that a live
    source is never more than 200 ms behind.
    """

    WAIT = "wait"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What a client asked for. talker: it may send; keep_hearing: the core goes on with turns while it is there."""

    talker: bool = True
    receives: bool = True
    sends: bool = True
    rate_hz: int = 8000
    coding: Coding = Coding.PCM_S16LE
    mix: Mix = Mix.DOWNLINK
    keep_hearing: bool = False
    when_full: WhenFull = WhenFull.WAIT

    @property
    def channels(self) -> int:
        return 2 if self.mix is Mix.STEREO else 1

    def frame_bytes(self, ptime_ms: int, *, channels: int) -> int:
        """One ptime of the stream."""
        sample_bytes = SAMPLE_BYTES if self.coding is Coding.PCM_S16LE else 1
        return self.rate_hz * ptime_ms // 1000 * sample_bytes * channels


class Outlets:
    """Frames of one call to bytes, each once for all clients that want the same."""

    def __init__(self, line: PcmFormat) -> None:
        self._line = line
        self._resamplers: dict[tuple[int, Mix], list[StreamResampler]] = {}
        self._frame: CallFrame | None = None
        self._made: dict[tuple[int, Mix, Coding], bytes] = {}

    def encode(self, spec: StreamSpec, frame: CallFrame) -> bytes:
        """20 ms as such clients want them."""
        if frame is not self._frame:
            self._frame = frame
            self._made.clear()
        wanted = (spec.rate_hz, spec.mix, spec.coding)
        data = self._made.get(wanted)
        if data is None:
            data = self._made[wanted] = self._encode(spec, frame)
        return data

    def _encode(self, spec: StreamSpec, frame: CallFrame) -> bytes:
        import numpy as np

        # Two codings of one mix share their samples: a stream must pass its resampler once.
        key = (spec.rate_hz, spec.mix)
        if (plain := self._made.get((*key, Coding.PCM_S16LE))) is not None:
            samples = np.frombuffer(plain, dtype="<i2")
        else:
            samples = self._mixed(key, frame)
            self._made[*key, Coding.PCM_S16LE] = samples.astype("<i2", copy=False).tobytes()
        match spec.coding:
            case Coding.PCM_S16LE:
                return self._made[*key, Coding.PCM_S16LE]
            case Coding.ULAW:
                return g711.compress(samples, "ulaw")
            case Coding.ALAW:
                return g711.compress(samples, "alaw")

    def _mixed(self, key: tuple[int, Mix], frame: CallFrame) -> "Samples":
        import numpy as np

        rate_hz, mix = key
        channels = self._channels(mix, frame)
        if key not in self._resamplers:
            self._resamplers[key] = [StreamResampler(self._line.rate_hz, rate_hz) for _ in channels]
        made = [resampler.feed(samples) for resampler, samples in zip(self._resamplers[key], channels, strict=True)]
        if len(made) == 1:
            return made[0]
        both = np.empty((len(made[0]), len(made)), np.int16)
        for place, channel in enumerate(made):
            both[:, place] = channel
        return both.reshape(-1)

    def _channels(self, mix: Mix, frame: CallFrame) -> list["Samples"]:
        import numpy as np

        match mix:
            case Mix.DOWNLINK:
                return [self._samples(frame.downlink)]
            case Mix.UPLINK:
                return [self._samples(frame.uplink)]
            case Mix.STEREO:
                return [self._samples(frame.downlink), self._samples(frame.uplink)]
            case Mix.MIXED:
                both = self._samples(frame.downlink).astype(np.int32) + self._samples(frame.uplink)
                return [np.clip(both, -32768, 32767).astype(np.int16)]

    def _samples(self, pcm: bytes) -> "Samples":
        """A frame of the line; what is missing of it is silence."""
        import numpy as np

        size = self._line.frame_bytes
        return np.frombuffer(pcm[:size].ljust(size, b"\0"), dtype="<i2")


class Inlet:
    """Bytes of one client to frames of the line. Torn as they may come in."""

    def __init__(self, spec: StreamSpec, line: PcmFormat) -> None:
        self._spec = spec
        self.frame_bytes = spec.frame_bytes(line.ptime_ms, channels=1)
        self._waiting = bytearray()
        self._resampler = StreamResampler(spec.rate_hz, line.rate_hz)

    @property
    def frames(self) -> int:
        """Whole ones that wait."""
        return len(self._waiting) // self.frame_bytes

    def feed(self, data: bytes) -> None:
        self._waiting += data

    def drop(self, frames: int) -> None:
        """The oldest go."""
        del self._waiting[: frames * self.frame_bytes]

    def end(self) -> None:
        """No more comes: a cut frame is filled up with silence."""
        if rest := len(self._waiting) % self.frame_bytes:
            silence = {Coding.PCM_S16LE: b"\0", Coding.ULAW: b"\xff", Coding.ALAW: b"\xd5"}[self._spec.coding]
            self._waiting += silence * (self.frame_bytes - rest)

    def take(self) -> bytes | None:
        """The next frame at the line's rate."""
        import numpy as np

        if not self.frames:
            return None
        data = bytes(self._waiting[: self.frame_bytes])
        del self._waiting[: self.frame_bytes]
        match self._spec.coding:
            case Coding.PCM_S16LE:
                samples = np.frombuffer(data, dtype="<i2")
            case Coding.ULAW:
                samples = g711.expand(data, "ulaw")
            case Coding.ALAW:
                samples = g711.expand(data, "alaw")
        return self._resampler.feed(samples).astype("<i2", copy=False).tobytes()
