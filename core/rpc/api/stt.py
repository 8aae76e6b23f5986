"""stt.*: words of what was said."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct, field

from core.errors import (
    Claimed,
    EngineMissing,
    InvalidParams,
    LimitExceeded,
    NotFound,
    NotNow,
    PathRefused,
    TimedOut,
)
from core.events import Scope, SttProgress
from core.remote_words import RemoteResult
from core.rpc.api.audio_params import Base64Audio, Language, Path
from core.rpc.api.shared import Empty, Token, allowed, attend
from core.rpc.methods import Request, method
from core.steering import Right

RATE_HZ = 16000
"""What whisper works on; the phrase engine halves it by itself."""


class PhrasesParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    phrases: list[Annotated[str, Meta(max_length=120)]]
    language: Language | None = None


class PhrasesResult(Struct, frozen=True, kw_only=True):
    count: int


class TranscribeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Path | None = None
    audio: Base64Audio | None = None
    language: Annotated[Language | None, Meta(description="BCP 47, or auto where the engine can guess it")] = None
    job: Annotated[str, Meta(max_length=64)] | None = field(default=None)


class TranscribeSegment(Struct, frozen=True, kw_only=True):
    """Words and where they lie in the recording."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float | None = None


class TranscribeResult(Struct, frozen=True, kw_only=True):
    text: str | None
    understood: bool
    confidence: float | None = None
    language: str | None = None
    engine: str | None = None
    duration_ms: int = 0
    stt_ms: Annotated[int, Meta(description="How long the engine took")] = 0
    segments: list[TranscribeSegment] = field(default_factory=list)
    problem: Annotated[str | None, Meta(description="As in call.speech")] = None


class ResultParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]
    turn: Annotated[int, Meta(ge=1)]
    chunk: Annotated[int, Meta(ge=0)]
    text: Annotated[str, Meta(max_length=20_000)]
    final: Annotated[bool, Meta(description="False: better words will come for this chunk")] = True
    whole: Annotated[bool, Meta(description="True: text is that of the whole turn up to this chunk")] = False
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    language: Language | None = None
    token: Token | None = None


class SttEngineInfo(Struct, frozen=True, kw_only=True):
    """One engine."""

    name: str
    available: bool
    reason: Annotated[str | None, Meta(description="Why it is not available, and how to get it")] = None
    active: Annotated[bool, Meta(description="It hears the next utterance")] = False
    loaded: bool = False
    resting: Annotated[bool, Meta(description="It failed again and again and is left out for a while")] = False
    needs_phrases: Annotated[bool, Meta(description="It hears nothing but phrases of stt.phrases")] = False
    model: str | None = None


class SttEngines(Struct, frozen=True, kw_only=True):
    engine: Annotated[str, Meta(description="What hears the next utterance: an engine, remote or none")]
    fallback: list[str]
    engines: list[SttEngineInfo]


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
    errors=(PathRefused, EngineMissing, LimitExceeded, TimedOut),
    since="0.1",
    aliases=("transcribe",),
)
async def transcribe(request: Request, params: TranscribeParams) -> TranscribeResult:
    """Words of a file with their times: WAV, OGG, FLAC or MP3, at most ten minutes. With `job` the stt.progress events
    of that name tell how far it is; $/cancelRequest stops the engine. Callers' turns go first."""
    speech = request.core.services.speech
    if params.language is not None and not await asyncio.to_thread(speech.stt.knows, params.language):
        raise InvalidParams("No engine here knows that language.", path="language")
    pcm = await asyncio.to_thread(speech.load_audio, params.path, params.audio, RATE_HZ)
    if not pcm:
        raise InvalidParams("The audio is empty.", path="path" if params.path is not None else "audio")
    found = await speech.stt.files.transcribe(
        pcm,
        RATE_HZ,
        language=params.language,
        phrases=speech.phrases_for(request.session.id),
        progress=_teller(request, params.job),
    )
    words = found.words
    return TranscribeResult(
        text=words.text,
        understood=words.understood,
        confidence=words.confidence,
        language=words.language,
        engine=words.engine,
        duration_ms=found.duration_ms,
        stt_ms=words.took_ms,
        segments=[
            TranscribeSegment(start_ms=part.start_ms, end_ms=part.end_ms, text=part.text, confidence=part.confidence)
            for part in found.stretches
        ],
        problem=words.problem,
    )


def _teller(request: Request, job: str | None) -> Callable[[int, int], None]:
    def tell(done_ms: int, total_ms: int) -> None:
        if job is not None:
            request.core.bus.moment(SttProgress(job=job, done_ms=done_ms, total_ms=total_ms))

    return tell


@method("stt.result", scope=Scope.CALLS, errors=(NotFound, NotNow, Claimed), since="0.1")
async def stt_result(request: Request, params: ResultParams) -> Empty:
    """A remote recogniser's words for a chunk. Those of all chunks of a turn that is over become call.speech; not_now
    for a turn whose words were told already, because [stt] remote_wait_s had passed."""
    call = request.core.services.calls.book.find(params.call_id, ended=True)
    allowed(request, call, Right.SPEAK, params.token)
    if call.conversation is None:
        raise NotFound("The call has no turns.")
    call.conversation.hearing.words.result(
        RemoteResult(
            turn=params.turn,
            chunk=params.chunk,
            text=params.text,
            final=params.final,
            whole=params.whole,
            confidence=params.confidence,
            language=params.language,
        )
    )
    return Empty()


@method("stt.engines", scope=Scope.OBSERVE, since="0.1")
async def stt_engines(request: Request, params: Empty) -> SttEngines:
    """The engines for speech in: which can be had, which not and why, which hears now."""
    stt = request.core.services.speech.stt
    found = await asyncio.to_thread(stt.engines)
    return SttEngines(
        engine=stt.engine_name,
        fallback=list(request.core.config.stt.fallback),
        engines=[
            SttEngineInfo(
                name=info.name,
                available=info.available,
                reason=info.reason,
                active=info.active,
                loaded=info.loaded,
                resting=info.resting,
                needs_phrases=info.needs_phrases,
                model=info.model,
            )
            for info in found
        ],
    )
