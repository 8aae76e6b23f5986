"""Speaking and hearing: call.speak and friends, stt.*, tts.*, and the old names transcribe, synthesize, language.*."""

import asyncio
import base64
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import AudioFailed, Claimed, EngineMissing, LimitExceeded, NotFound, NotNow, PathRefused, TimedOut
from core.events import Scope
from core.rpc.api.calls import CallId, Empty, OneCall, Token, allowed, attend
from core.rpc.methods import Request, method
from core.speaking import Said
from core.speech import encode
from core.steering import Right

Text = Annotated[str, Meta(min_length=1, max_length=20_000)]
AudioFormat = Literal["ogg", "wav", "pcm"]
Language = Annotated[str, Meta(max_length=16)]
VoiceName = Annotated[str, Meta(max_length=64)]
Base64Audio = Annotated[str, Meta(max_length=12_000_000, description="base64 of a WAV, OGG or FLAC file")]
Path = Annotated[str, Meta(max_length=4096, description="Below a root of [media] roots")]

SPEAK_ERRORS = (NotFound, NotNow, Claimed, AudioFailed, EngineMissing, LimitExceeded, TimedOut)
SPOKEN_WAIT_S = 600.0
"""An utterance is at most 20 000 characters; this is more than it can last."""


class SpeakParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Text
    call_id: CallId | None = None
    token: Token | None = None
    language: Language | None = None
    voice: VoiceName | None = None
    interruptible: bool = True
    replace: Annotated[bool, Meta(description="Stop what is being said first")] = False
    wait: Annotated[Literal["accepted", "spoken"], Meta(description="When to answer")] = "accepted"


class PlayParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Path | None = None
    audio: Base64Audio | None = None
    call_id: CallId | None = None
    token: Token | None = None
    interruptible: bool = True
    replace: bool = False
    wait: Literal["accepted", "spoken"] = "accepted"


class SpeakResult(Struct, frozen=True, kw_only=True):
    """completed, heard_text and played_ms are there with wait: spoken."""

    utterance: int
    completed: bool | None = None
    heard_text: str | None = None
    played_ms: int | None = None


class StopResult(Struct, frozen=True, kw_only=True):
    stopped: int
    heard_text: str | None = None
    played_ms: int = 0


class RecordParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool
    call_id: CallId | None = None
    token: Token | None = None


class RecordResult(Struct, frozen=True, kw_only=True):
    recording: str | None


class AttachResult(Struct, frozen=True, kw_only=True):
    path: Annotated[str, Meta(description="Unix socket: s16le mono PCM both ways, no header")]
    rate_hz: int
    ptime_ms: int


class ChunkParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]
    chunk: Annotated[int, Meta(ge=1)]
    format: AudioFormat = "ogg"


class AudioResult(Struct, frozen=True, kw_only=True):
    audio: Annotated[str, Meta(description="base64")]
    format: AudioFormat
    rate_hz: int
    duration_ms: int


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


class SynthesizeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Text
    language: Language | None = None
    voice: VoiceName | None = None
    format: AudioFormat = "wav"
    rate_hz: Literal[8000, 16000] = 8000


class LanguageParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: Annotated[str | int, Meta(description="Any stable name of a user")]


class LanguageSetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user_id: Annotated[str | int, Meta(description="Any stable name of a user")]
    language: Annotated[str, Meta(pattern="^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$")]


class LanguageResult(Struct, frozen=True, kw_only=True):
    user_id: str | int
    language: str


@method("call.speak", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def speak(request: Request, params: SpeakParams) -> SpeakResult:
    """Says a text into the call; a text after another waits for its turn, replace stops what is being said."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    if len(params.text) > request.core.config.tts.max_text_chars:
        raise LimitExceeded(f"At most {request.core.config.tts.max_text_chars} characters at a time.")
    if params.language is not None or params.voice is not None:
        language = params.language or call.settings.language
        await asyncio.to_thread(request.core.services.speech.check_voice, language, params.voice)
    conversation = await request.core.services.calls.talk.ready(call)
    call.reminded = False
    if params.replace:
        conversation.stop_speaking()
    said = conversation.speaking.speak(
        params.text, language=params.language, voice=params.voice, interruptible=params.interruptible
    )
    return await _answer(said, params.wait)


@method("call.play", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, PathRefused), since="0.1")
async def play(request: Request, params: PlayParams) -> SpeakResult:
    """Plays a WAV, OGG or FLAC file of any rate into the call."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    conversation = await request.core.services.calls.talk.ready(call)
    pcm = await asyncio.to_thread(
        request.core.services.speech.load_audio, params.path, params.audio, conversation.format.rate_hz
    )
    conversation = await request.core.services.calls.talk.ready(call)  # decoding took its time
    if params.replace:
        conversation.stop_speaking()
    said = conversation.speaking.play(pcm, interruptible=params.interruptible)
    return await _answer(said, params.wait)


async def _answer(said: Said, wait: str) -> SpeakResult:
    if wait == "accepted":
        return SpeakResult(utterance=said.number)
    try:
        async with asyncio.timeout(SPOKEN_WAIT_S):
            await said.done.wait()
    except TimeoutError:
        raise TimedOut("The utterance did not end; is the call paused?") from None
    if said.failed is not None:
        raise EngineMissing(said.failed)
    return SpeakResult(
        utterance=said.number, completed=said.completed, heard_text=said.heard_text, played_ms=said.played_ms
    )


@method("call.stop", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def stop(request: Request, params: OneCall) -> StopResult:
    """Stops everything that is said or waits to be; tells what the far end was given."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    stopped = request.core.services.calls.talk.conversation(call).stop_speaking()
    first = stopped[0] if stopped else None
    return StopResult(
        stopped=len(stopped),
        heard_text=first.heard_text if first else None,
        played_ms=first.played_ms if first else 0,
    )


@method("call.pause", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def pause(request: Request, params: OneCall) -> Empty:
    """Pauses our speech at the next frame."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    request.core.services.calls.talk.conversation(call).pause()
    return Empty()


@method("call.resume", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def resume(request: Request, params: OneCall) -> Empty:
    """Goes on with paused speech."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    request.core.services.calls.talk.conversation(call).speaking.resume()
    return Empty()


@method("call.record", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, PathRefused), since="0.1")
async def record(request: Request, params: RecordParams) -> RecordResult:
    """Starts or stops the stereo recording (caller left, us right)."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    conversation = request.core.services.calls.talk.conversation(call)
    if not params.enabled:
        await conversation.record_stop()
    elif conversation.record() is None:
        raise PathRefused("Set dir in [recording] of core.toml to a folder the daemon may write.")
    return RecordResult(recording=call.recording)


@method("call.attach", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def attach(request: Request, params: OneCall) -> AttachResult:
    """Gives the raw voice of the call on a Unix socket, for a client of the same user. While one is connected there,
    the core neither hears turns nor detects keys in band."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    conversation = await request.core.services.calls.talk.ready(call)
    attachment = await conversation.attach(request.core.services.runtime_dir, request.session.uid)
    form = attachment.format
    return AttachResult(path=str(attachment.path), rate_hz=form.rate_hz, ptime_ms=form.ptime_ms)


@method("call.chunk_audio", scope=Scope.CALLS, errors=(NotFound, AudioFailed), since="0.1")
async def chunk_audio(request: Request, params: ChunkParams) -> AudioResult:
    """The audio of one chunk, until a minute after the call."""
    call = request.core.services.calls.book.find(params.call_id, ended=True)
    if call.conversation is None:
        raise AudioFailed("The call had no audio.")
    data, kept = await call.conversation.hearing.chunk_audio(params.chunk, params.format)
    return AudioResult(
        audio=base64.b64encode(data).decode(),
        format=params.format,
        rate_hz=kept.rate_hz,
        duration_ms=kept.duration_ms,
    )


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


@method(
    "tts.synthesize",
    scope=Scope.CALLS,
    errors=(EngineMissing, LimitExceeded),
    since="0.1",
    aliases=("synthesize",),
)
async def synthesize(request: Request, params: SynthesizeParams) -> AudioResult:
    """Speech of a text, outside any call."""
    pcm, _ = await request.core.services.speech.tts.synthesize(
        params.text, language=params.language, voice=params.voice, rate_hz=params.rate_hz
    )
    data = await asyncio.to_thread(encode, pcm, params.rate_hz, params.format)
    return AudioResult(
        audio=base64.b64encode(data).decode(),
        format=params.format,
        rate_hz=params.rate_hz,
        duration_ms=len(pcm) * 1000 // (2 * params.rate_hz),
    )


@method("language.get", scope=Scope.CALLS, since="0.1")
async def language_get(request: Request, params: LanguageParams) -> LanguageResult:
    """The language kept for a user of an old client."""
    return LanguageResult(
        user_id=params.user_id, language=request.core.services.speech.language_of(str(params.user_id))
    )


@method("language.set", scope=Scope.CALLS, since="0.1")
async def language_set(request: Request, params: LanguageSetParams) -> LanguageResult:
    """Keeps a language for a user of an old client."""
    request.core.services.speech.set_language(str(params.user_id), params.language)
    return LanguageResult(user_id=params.user_id, language=params.language)
