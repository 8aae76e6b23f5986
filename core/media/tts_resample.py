"""Speech of any engine at the rate that was asked for.

Resampling is one continuous stream per sentence (soxr HQ): no clicks between pieces and no aliases. Its lag of 80 ms is
audio that an engine gives at once, not time; between sentences there is a pause, so that nobody hears the seam.
"""


class Resampler:
    """s16le from one rate to another, without a seam between feeds."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        import numpy as np
        import soxr

        self.from_hz = from_hz
        self._np = np
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")

    def feed(self, pcm: bytes, last: bool = False) -> bytes:
        if self._stream is None:
            return pcm
        samples = self._np.frombuffer(pcm, dtype="<i2")
        made: bytes = self._stream.resample_chunk(samples, last=last).tobytes()
        return made
