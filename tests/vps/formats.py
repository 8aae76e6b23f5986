"""Whether a request is what the VPS documents: its JSON against the schema, its audio against what is said of it."""

import base64
import binascii
import json
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema

Json = dict[str, Any]

SCHEMAS = Path(__file__).parent / "schemas"
DURATION_DIFFERS_MS = 25
"""Opus has frames of 20 ms, and what is said is a whole number of milliseconds."""
SHOWN_CHARS = 200


def violations(schema: str, value: object) -> list[str]:
    """What in `value` is not as schemas/<schema>.json says; short, so that no audio fills the screen."""
    found = sorted(_validator(schema).iter_errors(value), key=lambda error: str(error.json_path))
    return [f"{error.json_path}: {error.message[:SHOWN_CHARS]}" for error in found]


def transcribe_violations(body: object) -> list[str]:
    """Of a request to /api/transcribe, with its audio. Takes milliseconds where there is audio."""
    if not isinstance(body, dict):
        return violations("transcribe_chunk", body)
    schema = "transcribe_end" if body.get("end_sentence") is True else "transcribe_chunk"
    found = violations(schema, body)
    if isinstance(audio := body.get("audio"), str):
        metadata = body.get("metadata")
        found += audio_violations(audio, metadata if isinstance(metadata, dict) else {})
    return found


def audio_violations(audio: str, metadata: Json) -> list[str]:
    """audio: an Ogg Opus file in base64, as long and of the rate that metadata says."""
    import soundfile

    try:
        file_bytes = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        return ["audio is no base64 of the standard alphabet"]
    if not file_bytes.startswith(b"OggS") or b"OpusHead" not in file_bytes[:100]:
        return ["audio is no Ogg Opus file"]
    try:
        with soundfile.SoundFile(BytesIO(file_bytes)) as file:
            samples = len(file.read(dtype="int16"))
            channels, rate_hz = file.channels, file.samplerate
    except (soundfile.SoundFileError, RuntimeError):
        return ["audio does not decode"]
    found = ["audio is not mono"] if channels != 1 else []
    if rate_hz != metadata.get("sample_rate"):
        found.append(f"audio has {rate_hz} Hz, not the sample_rate {metadata.get('sample_rate')}")
    lasts_ms, said_ms = samples * 1000 / rate_hz, metadata.get("duration_ms")
    if not isinstance(said_ms, int) or abs(lasts_ms - said_ms) > DURATION_DIFFERS_MS:
        found.append(f"audio lasts {lasts_ms:.0f} ms, not the duration_ms {said_ms}")
    return found


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8")))
