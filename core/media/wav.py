"""The header of a WAV file of 16-bit PCM."""

import struct

from core.audio import SAMPLE_BYTES

WAV_HEADER_BYTES = 44


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes before 16-bit PCM (Multimedia Programming Interface 1.0, "WAVE"): one fmt chunk, one data chunk."""
    frame_bytes = channels * SAMPLE_BYTES
    riff_bytes = WAV_HEADER_BYTES - 8 + data_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", riff_bytes, b"WAVE",
        b"fmt ", 16, 1, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * SAMPLE_BYTES,
        b"data", data_bytes,
    )  # fmt: skip
