"""call.record, call.attach, call.chunk_audio: the audio of a call for those who want it."""

import base64
from typing import Annotated

from msgspec import Meta, Struct

from core.errors import AudioFailed, NotFound, PathRefused
from core.events import Scope
from core.rpc.api.audio_params import AudioFormat, AudioResult
from core.rpc.api.calls import CallId, OneCall, Token, allowed
from core.rpc.api.speaking import SPEAK_ERRORS
from core.rpc.methods import Request, method
from core.steering import Right


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
