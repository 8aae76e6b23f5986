"""call.speak, call.stop, call.pause, call.resume: our words in a call."""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.call import Call
from core.conversation import Conversation
from core.errors import (
    AudioFailed,
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
from core.rpc.api.audio_params import Language, Text, VoiceName
from core.rpc.api.shared import CallId, Empty, OneCall, Token, allowed
from core.rpc.methods import Request, method
from core.speaking import Said
from core.steering import Right

SPEAK_ERRORS = (NotFound, NotNow, Claimed, AudioFailed, EngineMissing, SpeechUnavailable, LimitExceeded, TimedOut)
SPOKEN_WAIT_S = 600.0
"""An utterance is at most 20 000 characters; this is more than it can last."""


class SayParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Text
    call_id: CallId | None = None
    token: Token | None = None
    language: Language | None = None
    voice: VoiceName | None = None
    interruptible: bool = True
    replace: Annotated[bool, Meta(description="Stop what is being said or waits first")] = False


class SpeakParams(SayParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uninterruptible: Annotated[
        list[tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1)]]],
        Meta(max_length=50, description="Places [from, to) in text, in characters, that no caller interrupts"),
    ] = field(default_factory=list)
    resume: Annotated[
        bool, Meta(description="Go on after an interruption that turns out to be none ([media] resume_after_ms)")
    ] = True
    wait: Annotated[Literal["accepted", "spoken"], Meta(description="When to answer")] = "accepted"


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


async def ready(request: Request, params: SayParams) -> tuple[Call, Conversation]:
    """The call, if this client may speak in it, the text is not too long and the voice is one; with `replace` it is
    silent from here on."""
    services = request.core.services
    call = services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    most = request.core.config.tts.max_text_chars
    if len(params.text) > most:
        raise LimitExceeded(f"At most {most} characters at a time.", path="text")
    if params.language is not None or params.voice is not None:
        settings = call.settings
        language = params.language or settings.language
        await services.speech.check_voice(language, params.voice, engine=settings.tts_engine, keys=settings.keys)
    conversation = await services.calls.talk.free(call)
    call.reminded = False
    if params.replace:
        conversation.stop_speaking()
    return call, conversation


@method("call.speak", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def speak(request: Request, params: SpeakParams) -> SpeakResult:
    """Says a text into the call; a text after another waits for its turn, replace stops what is being said."""
    if any(not since < to <= len(params.text) for since, to in params.uninterruptible):
        raise InvalidParams("Each pair is [from, to) within the text.", path="uninterruptible")
    conversation = (await ready(request, params))[1]
    said = conversation.speaking.speak(
        params.text,
        language=params.language,
        voice=params.voice,
        interruptible=params.interruptible,
        spans=params.uninterruptible,
        resume=params.resume,
    )
    return await answer(said, params.wait)


async def answer(said: Said, wait: str) -> SpeakResult:
    if wait == "accepted":
        return SpeakResult(utterance=said.number)
    try:
        async with asyncio.timeout(SPOKEN_WAIT_S):
            await said.done.wait()
    except TimeoutError:
        raise TimedOut("The utterance did not end; is the call paused?") from None
    if said.problem is not None:
        raise said.problem
    return SpeakResult(
        utterance=said.number, completed=said.completed, heard_text=said.heard_text, played_ms=said.played_ms
    )


@method("call.stop", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def stop(request: Request, params: OneCall) -> StopResult:
    """Stops everything that is said or waits to be; tells what the far end was given."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    call.refuse_while_handled()
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
    call.refuse_while_handled()
    request.core.services.calls.talk.conversation(call).pause()
    return Empty()


@method("call.resume", scope=Scope.CALLS, errors=SPEAK_ERRORS, since="0.1")
async def resume(request: Request, params: OneCall) -> Empty:
    """Goes on with paused speech."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    call.refuse_while_handled()
    request.core.services.calls.talk.conversation(call).speaking.resume()
    return Empty()
