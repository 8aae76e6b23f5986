"""call.record, call.attach, call.chunk_audio: the audio of a call for those who want it."""

import base64
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.attach import COME_WITHIN_S
from core.attach_format import Coding, Mix, StreamSpec, WhenFull
from core.errors import AudioFailed, InvalidParams, LimitExceeded, NotFound, PathRefused
from core.events import Scope
from core.rpc.api.audio_params import AudioFormat, AudioResult
from core.rpc.api.shared import CallId, Token, allowed
from core.rpc.api.speaking import SPEAK_ERRORS
from core.rpc.methods import Request, method
from core.steering import Right


class RecordParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool
    call_id: CallId | None = None
    token: Token | None = None


class RecordResult(Struct, frozen=True, kw_only=True):
    recording: Annotated[str | None, Meta(description="The file being written, or that was")]
    waits_for_consent: Annotated[bool, Meta(description="[recording] consent_text is being said first")] = False


class AttachParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: CallId | None = None
    token: Token | None = None
    role: Annotated[
        Literal["talker", "listener"],
        Meta(description="talker: does the speech of the call, one at a time; listener: changes nothing"),
    ] = "talker"
    direction: (
        Annotated[
            Literal["both", "in", "out"],
            Meta(description="in: the client sends into the call; out: it gets what is heard there. Listeners: out"),
        ]
        | None
    ) = None
    rate_hz: Literal[8000, 16000, 24000, 48000] | None = None
    format: Coding = Coding.PCM_S16LE
    mix: Annotated[Mix, Meta(description="What a listener gets; stereo has the far end left, us right")] = Mix.DOWNLINK
    keep_hearing: (
        Annotated[bool, Meta(description="The core goes on with turns and keys; left out: true for direction in")]
        | None
    ) = None
    when_full: Annotated[
        WhenFull,
        Meta(description="Audio sent faster than the line takes it waits in the socket, or the oldest is dropped"),
    ] = WhenFull.WAIT


class AttachResult(Struct, frozen=True, kw_only=True):
    path: Annotated[str, Meta(description="Unix socket, for one client of the asking user, within connect_within_s")]
    attachment: Annotated[int, Meta(description="As call.attached and call.detached name it")]
    rate_hz: int
    ptime_ms: int
    format: Coding
    channels: Annotated[int, Meta(description="Of what the client gets; what it sends is mono")]
    connect_within_s: float


class ChunkParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]
    chunk: Annotated[int, Meta(ge=1)]
    format: AudioFormat = "ogg"


@method("call.record", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, PathRefused), since="0.1")
async def record(request: Request, params: RecordParams) -> RecordResult:
    """Starts or stops the stereo recording (caller left, us right)."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    recording = (await request.core.services.calls.talk.ready(call)).recording
    if not params.enabled:
        await recording.stop()
    elif not await recording.start():
        raise PathRefused("Set dir in [recording] of core.toml to a folder the daemon may write.")
    return RecordResult(recording=call.recording, waits_for_consent=recording.waits_for_consent)


@method("call.attach", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, LimitExceeded), since="0.1")
async def attach(request: Request, params: AttachParams) -> AttachResult:
    """Gives the raw voice of the call on a Unix socket of its own, for a client of the same user. While a talker is
    connected there, the core neither hears turns nor detects keys in band, unless keep_hearing."""
    spec = _spec(params)
    call = request.core.services.calls.book.find(params.call_id)
    if spec.talker:
        allowed(request, call, Right.SPEAK if spec.keep_hearing else Right.STEER, params.token)
    talk = request.core.services.calls.talk
    conversation = await (talk.free(call) if spec.talker else talk.ready(call))
    if params.rate_hz is None:
        spec = _spec(params, conversation.format.rate_hz)
    attachments = conversation.attachments
    made = attachments.attach(request.core.services.runtime_dir, spec, request.session.uid)
    return AttachResult(
        path=str(made.path),
        attachment=attachments.number(made),
        rate_hz=spec.rate_hz,
        ptime_ms=conversation.format.ptime_ms,
        format=spec.coding,
        channels=spec.channels,
        connect_within_s=COME_WITHIN_S,
    )


def _spec(params: AttachParams, line_rate_hz: int = 8000) -> StreamSpec:
    """InvalidParams for a listener that wants to talk, and a talker that wants to hear itself."""
    talker = params.role == "talker"
    direction = params.direction or ("both" if talker else "out")
    if not talker and direction != "out":
        raise InvalidParams("A listener only gets audio: direction is out.", path="direction")
    if talker and params.mix is not Mix.DOWNLINK:
        raise InvalidParams("A talker gets the downlink; attach a listener for another mix.", path="mix")
    keep = params.keep_hearing if params.keep_hearing is not None else direction == "in"
    return StreamSpec(
        talker=talker,
        receives=direction != "in",
        sends=talker and direction != "out",
        rate_hz=params.rate_hz or line_rate_hz,
        coding=params.format,
        mix=params.mix,
        keep_hearing=keep or not talker,
        when_full=params.when_full,
    )


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
