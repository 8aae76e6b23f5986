"""tts.*: speech outside of calls, texts queued into calls, and audio made ahead."""

import asyncio
import base64
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.errors import (
    AudioFailed,
    Cancelled,
    Claimed,
    EngineMissing,
    InvalidParams,
    LimitExceeded,
    NotFound,
    NotNow,
    SpeechUnavailable,
    TimedOut,
)
from core.events import Scope
from core.media.tts import Ask, Priority, collect
from core.rpc.api.audio_params import AudioFormat, AudioResult, Language, Text, VoiceName
from core.rpc.api.shared import CallId, Token, allowed
from core.rpc.api.speaking import SayParams, ready
from core.rpc.methods import Request, method
from core.speech import encode
from core.steering import Right

PriorityName = Annotated[
    Literal["high", "normal", "low"], Meta(description="Of what waits: a higher one is made and said first")
]
EngineName = Annotated[str, Meta(max_length=32, description="As tts.voices lists them; left out: as configured")]
Style = Annotated[
    dict[str, Annotated[str, Meta(max_length=200)]],
    Meta(description="For the engine: speed_wpm, pitch, style, model … (docs/speech.md)", max_length=16),
]
Job = Annotated[str, Meta(min_length=1, max_length=64, description="A name of your own, for tts.cancel")]

MAKE_ERRORS = (EngineMissing, LimitExceeded, SpeechUnavailable)
CALL_ERRORS = (NotFound, NotNow, Claimed, AudioFailed, EngineMissing, LimitExceeded, TimedOut)


class SynthesizeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Text
    language: Language | None = None
    voice: VoiceName | None = None
    engine: (
        Annotated[str, Meta(max_length=32, description="This one and no other; left out: as configured, with fallback")]
        | None
    ) = None
    voice_settings: Style = field(default_factory=dict)
    priority: PriorityName = "normal"
    job: Job | None = None
    format: AudioFormat = "wav"
    rate_hz: Literal[8000, 16000] = 8000


class WordPlace(Struct, frozen=True, kw_only=True):
    """A word: text[start:end] begins at_ms after the first sample."""

    start: int
    end: int
    at_ms: int


class SynthesizeResult(AudioResult, frozen=True, kw_only=True):
    marks: Annotated[list[WordPlace], Meta(description="Where the words are; none from engines that don't tell")]


class VoicesParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    engine: Annotated[str, Meta(max_length=32, description="Left out: all engines")] | None = None
    language: Annotated[str, Meta(max_length=16, description="Only voices of it, and of its regions")] | None = None


class VoiceInfo(Struct, frozen=True, kw_only=True):
    name: str
    language: str
    gender: str | None = None
    description: str | None = None


class EngineInfo(Struct, frozen=True, kw_only=True):
    name: str
    current: Annotated[bool, Meta(description="It says what names no engine")]
    missing: Annotated[str | None, Meta(description="What it lacks and how to get it; null: it can be used")]
    problem: Annotated[str | None, Meta(description="Why its voices could not be listed")]
    put_aside: Annotated[str | None, Meta(description="Why it is not asked at the moment, if it failed lately")]
    voices: list[VoiceInfo]
    verified: Annotated[bool, Meta(description="false: it was never tried against the real service")] = True


class VoicesResult(Struct, frozen=True, kw_only=True):
    engines: list[EngineInfo]


class TtsQueueParams(SayParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    priority: PriorityName = "normal"


class TtsQueueResult(Struct, frozen=True, kw_only=True):
    call_id: str
    utterance: int
    ahead: Annotated[int, Meta(description="Utterances that are said before it")]


class TtsCancelParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either job, or an utterance of a call, or nothing: all that is said or waits in the call."""

    job: Annotated[str, Meta(max_length=64, description="Of a tts.synthesize of this connection")] | None = None
    call_id: CallId | None = None
    token: Token | None = None
    utterance: Annotated[int, Meta(ge=1)] | None = None


class TtsCancelResult(Struct, frozen=True, kw_only=True):
    """heard_text and played_ms: of the utterance that was being said."""

    cancelled: int
    heard_text: str | None = None
    played_ms: int = 0


class PrefetchParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    texts: Annotated[list[Text], Meta(min_length=1, max_length=100)]
    language: Language | None = None
    voice: VoiceName | None = None
    engine: EngineName | None = None
    voice_settings: Style = field(default_factory=dict)
    rate_hz: Annotated[Literal[8000, 16000], Meta(description="That of the line")] = 8000


class PrefetchResult(Struct, frozen=True, kw_only=True):
    ready: Annotated[int, Meta(description="Texts whose audio is there")]
    waiting: Annotated[int, Meta(description="Texts that are made when nothing else is; ask again to see")]


@method(
    "tts.synthesize",
    scope=Scope.CALLS,
    errors=(*MAKE_ERRORS, Cancelled),
    since="0.1",
    aliases=("synthesize",),
)
async def synthesize(request: Request, params: SynthesizeParams) -> SynthesizeResult:
    """Speech of a text, outside any call."""
    speech = request.core.services.speech
    stream = speech.tts.stream(
        params.text,
        language=params.language,
        voice=params.voice,
        engine=params.engine,
        style=params.voice_settings,
        rate_hz=params.rate_hz,
        priority=Priority[params.priority.upper()],
        fallback=params.engine is None,
    )
    try:
        with speech.jobs.named(request.session.id, params.job, stream):
            pcm, marks = await collect(stream)
    finally:
        await stream.close()  # also where the name is in use: nobody would ever read it
    if stream.cancelled:
        raise Cancelled("tts.cancel ended it.")
    data = await asyncio.to_thread(encode, pcm, params.rate_hz, params.format)
    return SynthesizeResult(
        audio=base64.b64encode(data).decode(),
        format=params.format,
        rate_hz=params.rate_hz,
        duration_ms=len(pcm) * 1000 // (2 * params.rate_hz),
        marks=[WordPlace(start=mark.char_start, end=mark.char_end, at_ms=mark.at_ms) for mark in marks],
    )


@method("tts.voices", scope=Scope.CALLS, errors=(EngineMissing,), since="0.1")
async def voices(request: Request, params: VoicesParams) -> VoicesResult:
    """The speech engines of this station, what each lacks, and the voices that `voice` takes."""
    tts = request.core.services.speech.tts
    listed = await tts.voices(params.engine)
    aside = tts.put_aside()
    return VoicesResult(
        engines=[
            EngineInfo(
                name=found.engine,
                current=found.engine == tts.engine_name,
                missing=found.missing,
                problem=found.problem,
                put_aside=aside.get(found.engine),
                voices=[
                    VoiceInfo(
                        name=voice.name, language=voice.language, gender=voice.gender, description=voice.description
                    )
                    for voice in found.voices
                    if params.language is None or _speaks(voice.language, params.language)
                ],
                verified=found.verified,
            )
            for found in listed
        ]
    )


@method("tts.queue", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1")
async def queue(request: Request, params: TtsQueueParams) -> TtsQueueResult:
    """Says a text into the call when its turn comes: before what waits with a lower priority, after what is being said.

    It never cuts what is being said, unless `replace` says so. tts.cancel takes it back.
    """
    call, conversation = await ready(request, params)
    said = conversation.speaking.speak(
        params.text,
        language=params.language,
        voice=params.voice,
        interruptible=params.interruptible,
        priority=Priority[params.priority.upper()],
    )
    return TtsQueueResult(
        call_id=call.call_id, utterance=said.number, ahead=conversation.speaking.ahead_of(said.number)
    )


@method("tts.cancel", scope=Scope.CALLS, errors=(NotFound, NotNow, Claimed, AudioFailed), since="0.1")
async def cancel(request: Request, params: TtsCancelParams) -> TtsCancelResult:
    """Takes a text back, wherever it is: in the making, waiting, or being said. What waits behind it goes on."""
    services = request.core.services
    if params.job is not None:
        if params.call_id is not None or params.utterance is not None:
            raise InvalidParams("Give either job, or call_id and utterance.", path="job")
        return TtsCancelResult(cancelled=await services.speech.jobs.cancel(request.session.id, params.job))
    call = services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    call.refuse_while_handled()
    conversation = services.calls.talk.conversation(call)
    if params.utterance is None:
        gone = conversation.stop_speaking()
    else:
        one = conversation.cancel(params.utterance)
        gone = [one] if one is not None else []
    first = gone[0] if gone else None
    return TtsCancelResult(
        cancelled=len(gone),
        heard_text=first.heard_text if first else None,
        played_ms=first.played_ms if first else 0,
    )


@method("tts.prefetch", scope=Scope.CALLS, errors=MAKE_ERRORS, since="0.1")
async def prefetch(request: Request, params: PrefetchParams) -> PrefetchResult:
    """Makes texts ahead and keeps them on disk, so that greetings and fillers cost nothing when they are said.

    Texts are kept as the same engine, voice, language and settings say them. Nothing that a caller waits for is
    delayed by it.
    """
    asks = [
        Ask(
            text,
            params.rate_hz,
            params.language,
            params.voice,
            params.engine,
            params.voice_settings,
            fallback=params.engine is None,
        )
        for text in dict.fromkeys(params.texts)
    ]
    ready = await request.core.services.speech.tts.prefetch(asks)
    return PrefetchResult(ready=ready, waiting=len(asks) - ready)


def _speaks(language: str, wanted: str) -> bool:
    have, want = (tag.lower().replace("_", "-") for tag in (language, wanted))
    return have in (want, "mul") or have.startswith(f"{want}-")
