"""The tone before a message."""

import io
import math
import struct
import wave

TONE_HZ = 880
TONE_MS = 350
LEVEL = 8000
"""About -12 dB below full scale: clear, and not louder than speech."""
RATE_HZ = 8000
EDGE_SAMPLES = 80
"""10 ms of fade at both ends, so that it does not click."""


def tone_wav() -> bytes:
    """A WAV of the tone, 8 kHz mono 16 bit."""
    count = RATE_HZ * TONE_MS // 1000
    samples = [int(_envelope(at, count) * math.sin(math.tau * TONE_HZ * at / RATE_HZ)) for at in range(count)]
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return made.getvalue()


def _envelope(at: int, count: int) -> float:
    return LEVEL * min(1.0, at / EDGE_SAMPLES, (count - at) / EDGE_SAMPLES)
