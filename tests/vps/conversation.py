"""What the VPS of a test understands and replies: a script, gone through once by every call. No audio is looked at."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class Mode(StrEnum):
    PROCESSING = "processing"  # chunks are acknowledged, the end signal is answered: as documented
    SINGLE = "single"  # each chunk is answered at once, end signals are unknown: as the old station's VPS was used


class Turn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"go_on": "continue"}):
    """One answer. error: the documented error, and `response` is its fallback_response."""

    transcription: str = ""
    response: str = ""
    go_on: bool = True
    error: str | None = None


DEFAULT = (
    Turn(transcription="good morning", response="Good morning. How can I help?"),
    Turn(transcription="i would like an appointment tomorrow", response="At what time?"),
    Turn(transcription="at ten", response="Ten it is. Goodbye.", go_on=False),
)


class Conversation:
    """Which call has come how far. The same end signal again, a retry, gets the same answer again."""

    def __init__(self, turns: Sequence[Turn] = DEFAULT, mode: Mode = Mode.PROCESSING) -> None:
        self.turns, self.mode = list(turns), mode
        self._asked: dict[str, list[int]] = {}

    def answer(self, body: Json) -> Json:
        """To one request of the documented format; wrong fields are for the schema to tell."""
        call_id, chunk = str(body.get("call_id")), _number(body.get("chunk_number"))
        is_end = body.get("end_sentence") is True
        if self.mode is Mode.PROCESSING and not is_end:
            return {
                "status": "processing",
                "call_id": call_id,
                "chunk_received": chunk,
                "message": "Audio chunk received, transcription started",
            }
        if self.mode is Mode.SINGLE and is_end:
            return {"status": "error", "call_id": call_id, "error": "No audio data", "continue": True}
        asked = self._asked.setdefault(call_id, [])
        if chunk not in asked:
            asked.append(chunk)
        return self._reply(call_id, chunk, asked.index(chunk))

    def _reply(self, call_id: str, chunk: int, place: int) -> Json:
        turn = self.turns[place] if place < len(self.turns) else Turn(transcription="more", response="I see.")
        if turn.error is not None:
            return {
                "status": "error",
                "call_id": call_id,
                "error": turn.error,
                "fallback_response": turn.response,
                "continue": turn.go_on,
            }
        return {
            "status": "success",
            "call_id": call_id,
            "transcription": turn.transcription,
            "response": turn.response,
            "continue": turn.go_on,
            "processing_time_ms": 1,
            "chunks": [
                {
                    "chunk_number": chunk,
                    "transcription": turn.transcription,
                    "transcription_time_ms": 1,
                    "audio_duration_ms": 1000,
                }
            ],
            "timing": {"total_transcription_time_ms": 1, "llm_processing_time_ms": 0, "total_time_ms": 1},
        }


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
