"""PCM as the phone line carries it: signed 16-bit little-endian mono, in frames of one ptime."""

from dataclasses import dataclass

SAMPLE_BYTES = 2
PTIME_MS = 20
"""One frame. The modem's USB endpoint wedges on anything but whole 20 ms frames (field reports on SIM7600)."""


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Rate and frame length of one direction of a call.

    rate_hz: 8000 or 16000 on a phone line; engines may use others. ptime_ms: length of a frame.
    """

    rate_hz: int = 8000
    ptime_ms: int = PTIME_MS

    @property
    def frame_samples(self) -> int:
        return self.rate_hz * self.ptime_ms // 1000

    @property
    def frame_bytes(self) -> int:
        return self.frame_samples * SAMPLE_BYTES

    @property
    def bytes_per_s(self) -> int:
        return self.rate_hz * SAMPLE_BYTES

    @property
    def silence(self) -> bytes:
        """One frame of digital silence."""
        return bytes(self.frame_bytes)

    def ms(self, pcm_bytes: int) -> int:
        """Length of that many bytes, in whole milliseconds, rounded down."""
        return pcm_bytes * 1000 // self.bytes_per_s

    def bytes_for_ms(self, ms: int) -> int:
        """Bytes that last `ms`, cut to whole samples."""
        return self.rate_hz * ms // 1000 * SAMPLE_BYTES


LINE_FORMAT = PcmFormat()
"""What a SIM7600 sends once pinned to 8 kHz (AT+CPCMBANDWIDTH=1,1; AT+CPCMFRM=0)."""
