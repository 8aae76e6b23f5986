"""Requests and answers of /api/transcribe (wire formats §1.2), as documented and as shipped. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

Json = dict[str, Any]

REPLY_CHARS = 20_000
"""Of a reply. Somebody who would listen to it for twenty minutes has hung up."""


@dataclass(frozen=True, slots=True)
class Audio:
    """One chunk. base64: an Ogg Opus file, as the core encoded it."""

    base64: str
    duration_ms: int
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Caller:
    """What stands in every request of a call. language: two letters, or "auto"."""

    call_id: str
    caller_id: str
    language: str


def chunk_request(caller: Caller, chunk: int, audio: Audio, context: str, at_unix_s: int) -> bytes:
    """The JSON of an audio message."""
    metadata = {"timestamp": at_unix_s, "duration_ms": audio.duration_ms, "sample_rate": audio.rate_hz}
    return msgspec.json.encode(_request(caller, chunk, audio.base64, context, metadata, end=False))


def end_request(
    caller: Caller, chunk: int, silence_ms: int, audio: Audio | None, context: str, at_unix_s: int
) -> bytes:
    """The JSON of the end signal. chunk: number of the turn's last chunk. audio: that chunk, where it did not get
    through before."""
    metadata: Json = {"timestamp": at_unix_s, "silence_duration_ms": silence_ms, "type": "end_signal"}
    if audio is not None:
        metadata |= {"duration_ms": audio.duration_ms, "sample_rate": audio.rate_hz}
    body = _request(caller, chunk, audio.base64 if audio is not None else None, context, metadata, end=True)
    return msgspec.json.encode(body)


def _request(caller: Caller, chunk: int, audio: str | None, context: str, metadata: Json, *, end: bool) -> Json:
    return {
        "call_id": caller.call_id,
        "chunk_number": chunk,
        "audio": audio,
        "language": caller.language,
        "context": context,
        "caller_id": caller.caller_id,
        "end_sentence": end,
        "metadata": metadata,
    }


class Status(StrEnum):
    PROCESSING = "processing"
    SUCCESS = "success"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the VPS said. go_on False: the call ends after the reply. reply: on error the fallback_response."""

    status: Status
    transcription: str | None = None
    reply: str | None = None
    go_on: bool = True

    @property
    def replies(self) -> bool:
        """Whether this settles a turn: there is something to say, or the call is to end."""
        return self.status is Status.SUCCESS and (bool(self.reply) or not self.go_on)


class BadAnswer(ValueError):
    """It is JSON and no answer to what was asked."""


def read_answer(body: object, call_id: str) -> Answer:
    """BadAnswer for what is no answer, or one for another call. Unknown fields are left alone."""
    if not isinstance(body, dict):
        raise BadAnswer("no object")
    if (whose := body.get("call_id")) is not None and whose != call_id:
        raise BadAnswer("another call's answer")
    try:
        status = Status(body.get("status", ""))
    except ValueError:
        raise BadAnswer("unknown status") from None
    if status is Status.PROCESSING:
        return Answer(status, _text(body.get("transcription")))
    reply = _text(body.get("response" if status is Status.SUCCESS else "fallback_response"))
    words = _text(body.get("transcription")) or _joined(body.get("chunks"))
    return Answer(status, words, reply, body.get("continue") is not False)


def _text(value: object) -> str | None:
    return value.strip()[:REPLY_CHARS] or None if isinstance(value, str) else None


def _joined(chunks: object) -> str | None:
    """The words of `chunks`, where the whole was left out."""
    if not isinstance(chunks, list):
        return None
    found = [_text(chunk.get("transcription")) for chunk in chunks if isinstance(chunk, dict)]
    return " ".join(text for text in found if text) or None
