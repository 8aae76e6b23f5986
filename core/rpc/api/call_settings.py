"""call.configure: how one call speaks, listens, is answered and recorded."""

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.call import Call, CallInfo
from core.errors import EngineMissing, InvalidParams
from core.events import Scope
from core.rpc.api.shared import CALL_ERRORS, CallId, Token, allowed
from core.rpc.methods import Request, method
from core.steering import Right


class ConfigureParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything is for this one call and stays in memory."""

    call_id: CallId | None = None
    token: Token | None = None
    language: Annotated[str, Meta(max_length=16)] | None = None
    voice: Annotated[str, Meta(max_length=64)] | None = None
    tts_engine: Annotated[str, Meta(max_length=32, description="As tts.voices lists them; auto")] | None = None
    voice_settings: (
        Annotated[
            dict[str, Annotated[str, Meta(max_length=200)]],
            Meta(description="For the engine: speed_wpm, pitch, style, model … (docs/speech.md)"),
        ]
        | None
    ) = None
    stt_engine: (
        Annotated[
            Literal["local", "remote", "none"],
            Meta(description="local: as configured; remote: a client answers with stt.result"),
        ]
        | None
    ) = None
    greeting: Annotated[str, Meta(max_length=2000)] | None = None
    answer_after_rings: Annotated[int, Meta(ge=-1, le=10)] | None = None
    reject_by: Annotated[str, Meta(pattern="^(hangup|ignore)$")] | None = None
    record: (
        Annotated[bool, Meta(description="Whether this call is recorded, in place of [recording] enabled")] | None
    ) = None
    keys: (
        Annotated[
            dict[str, Annotated[str, Meta(max_length=4096)]],
            Meta(description="Secrets for cloud engines; kept in memory until the call is over, never shown"),
        ]
        | None
    ) = None


async def _configure_voice(request: Request, call: Call, params: ConfigureParams) -> None:
    """InvalidParams or EngineMissing unless the engine can speak so; another engine's voice does not stay."""
    if params.voice_settings is not None and len(params.voice_settings) > 16:
        raise InvalidParams("At most 16 voice settings.", path="voice_settings")
    if params.language is None and params.voice is None and params.tts_engine is None:
        return
    settings, speech = call.settings, request.core.services.speech
    other = params.tts_engine is not None and params.tts_engine != settings.tts_engine
    await speech.check_voice(
        params.language or settings.language,
        params.voice or (None if other else settings.voice),
        engine=params.tts_engine or settings.tts_engine,
        keys=settings.keys if params.keys is None else params.keys,
        complete=params.tts_engine is not None,
    )
    if other:
        call.settings = dataclasses.replace(call.settings, voice=None)
        speech.tts.warm(params.tts_engine)


@method("call.configure", scope=Scope.CALLS, errors=(*CALL_ERRORS, EngineMissing), since="0.1")
async def configure(request: Request, params: ConfigureParams) -> CallInfo:
    """Sets engine, language, voice, keys, greeting and answer policy for one call."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    if params.keys is not None and len(params.keys) > 32:
        raise InvalidParams("At most 32 keys.", path="keys")
    await _configure_voice(request, call, params)
    request.core.services.calls.configure(
        call,
        call.settings.changed(
            language=params.language,
            voice=params.voice,
            tts_engine=params.tts_engine,
            voice_settings=params.voice_settings,
            stt_engine=params.stt_engine,
            greeting=params.greeting,
            answer_after_rings=params.answer_after_rings,
            reject_by=params.reject_by,
            record=params.record,
            keys=params.keys,
        ),
    )
    return call.info()
