"""stt.*: words of what was said."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from core.errors import Claimed, EngineMissing, LimitExceeded, NotFound, PathRefused
from core.events import Scope
from core.rpc.api.audio_params import Base64Audio, Language, Path
from core.rpc.api.calls import Empty, Token, allowed, attend
from core.rpc.methods import Request, method
from core.steering import Right


class PhrasesParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phrases: list[Annotated[str, Meta(max_length=120)]]
    language: Language | None = None


class PhrasesResult(Struct, frozen=True, kw_only=True):
    count: int


class TranscribeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Path | None = None
    audio: Base64Audio | None = None
    language: Language | None = None


class TranscribeResult(Struct, frozen=True, kw_only=True):
    text: str | None
    understood: bool
    confidence: float | None = None
    language: str | None = None
    engine: str | None = None


class ResultParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]
    turn: Annotated[int, Meta(ge=1)]
    chunk: Annotated[int, Meta(ge=0)]
    text: Annotated[str, Meta(max_length=20_000)]
    final: bool = True
    token: Token | None = None


@method("stt.phrases", scope=Scope.CALLS, errors=(LimitExceeded, EngineMissing), since="0.1")
async def phrases(request: Request, params: PhrasesParams) -> PhrasesResult:
    """What this connection expects callers to say; replaces its earlier list. "yes|yeah|sure" declares three wordings
    of one phrase, and the first is what call.speech reports. At most 200 phrases of 120 characters."""
    attend(request)
    count = await request.core.services.speech.declare(request.session.id, params.phrases, params.language)
    return PhrasesResult(count=count)


@method(
    "stt.transcribe",
    scope=Scope.CALLS,
    errors=(PathRefused, EngineMissing, LimitExceeded),
    since="0.1",
    aliases=("transcribe",),
)
async def transcribe(request: Request, params: TranscribeParams) -> TranscribeResult:
    """Words of a file."""
    pcm = await asyncio.to_thread(request.core.services.speech.load_audio, params.path, params.audio, 8000)
    found = await request.core.services.speech.transcribe(pcm, 8000, params.language, request.session.id)
    return TranscribeResult(
        text=found.text,
        understood=found.understood,
        confidence=found.confidence,
        language=found.language,
        engine=found.engine,
    )


@method("stt.result", scope=Scope.CALLS, errors=(NotFound, Claimed), since="0.1")
async def stt_result(request: Request, params: ResultParams) -> Empty:
    """A remote recogniser's words for a turn; final ones become call.speech."""
    call = request.core.services.calls.book.find(params.call_id, ended=True)
    allowed(request, call, Right.SPEAK, params.token)
    if call.conversation is None:
        raise NotFound("The call has no turns.")
    call.conversation.hearing.words.result(params.turn, params.chunk, params.text, final=params.final)
    return Empty()
