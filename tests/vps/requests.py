"""Requests as the documents give them, for tests of whoever answers."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
import soundfile

CALL = "call_1770000000"


def ogg_opus(duration_ms: int = 600, rate_hz: int = 8000) -> str:
    """A tone, encoded as the old station did, in base64."""
    samples = np.sin(np.arange(duration_ms * rate_hz // 1000) * 0.3) * 8000
    out = BytesIO()
    with soundfile.SoundFile(out, "w", samplerate=rate_hz, channels=1, format="OGG", subtype="OPUS") as file:
        file.write(samples.astype(np.int16))
    return base64.b64encode(out.getvalue()).decode()


def chunk(number: int = 1, duration_ms: int = 600, **changed: Any) -> dict[str, Any]:
    return {
        "call_id": CALL,
        "chunk_number": number,
        "audio": ogg_opus(duration_ms),
        "language": "lt",
        "context": "caller: labas\nbot: Laba diena",
        "caller_id": "+37060000000",
        "end_sentence": False,
        "metadata": {"timestamp": 1770000012, "duration_ms": duration_ms, "sample_rate": 8000},
    } | changed


def end(number: int = 1, **changed: Any) -> dict[str, Any]:
    metadata = {"timestamp": 1770000013, "silence_duration_ms": 800, "type": "end_signal"}
    return chunk(number, audio=None, end_sentence=True, metadata=metadata) | changed


NOTIFICATION = {
    "hostname": "gateway-a [10.100.0.11]",
    "service": "raspberry-pi-vpn",
    "severity": "warning",
    "message": "**Modem** removed, waiting 20 s",
}
SMS = {
    "from": "+37060000000",
    "message": "Ačiū",
    "received": "26-02-07 09:44:31",
    "gateway_ip": "10.100.0.11",
}
PHONE = {
    "event": "call_started",
    "callId": CALL,
    "sessionId": "session_1770000000",
    "timestamp": 1770000003.41,
    "data": {"caller": "+37060000000", "welcome_message": "Laba diena", "instant_answer": True},
}
