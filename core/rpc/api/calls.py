"""call.*: place, answer, steer and end calls; read the call log."""

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from core.call import Call, CallInfo
from core.call_fsm import Wish
from core.errors import (
    AudioFailed,
    Claimed,
    EmergencyDenied,
    EngineMissing,
    GuardRefused,
    InvalidParams,
    LimitExceeded,
    LineBusy,
    ModemBusy,
    ModemOffline,
    ModemRefused,
    ModemRestarting,
    NotDialable,
    NotFound,
    NotNow,
    StoreFailed,
    TimedOut,
)
from core.events import CallAudio, Scope
from core.line import CallState, Direction, EndReason
from core.rpc.api.recording_info import CallFileInfo, RecordingInfo, file_info, recording_info
from core.rpc.methods import Request, method
from core.steering import Asker, Right
from core.store import calls as rows
from core.store.recordings import recordings_of

Number = Annotated[str, Meta(max_length=40, description="+ and digits, or a short code; spaces and dashes are dropped")]
CallId = Annotated[str, Meta(max_length=40, description="Left out: the only live call")]
Token = Annotated[str, Meta(max_length=64, description="From call.claim, for connections that don't hold the claim")]
LineName = Annotated[str, Meta(max_length=31, description="Left out: the default line")]

LINE_ERRORS = (ModemOffline, ModemRestarting, ModemBusy, ModemRefused, TimedOut)
CALL_ERRORS = (NotFound, NotNow, Claimed, *LINE_ERRORS)


class Empty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters, or nothing to say."""


class OneCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: CallId | None = None
    token: Token | None = None


class StartParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Number
    line: LineName | None = None
    hide_number: bool = False
    detect: (
        Annotated[
            Literal["off", "on"],
            Meta(description="Tell who answers with call.answered_by; default: detect_answer of [call]"),
        ]
        | None
    ) = None


class HangupParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: CallId | None = None
    token: Token | None = None
    after_speech: Annotated[bool, Meta(description="Let what is said or waits be heard first, 25 s at most")] = False
    text: (
        Annotated[str, Meta(min_length=1, max_length=500, description="Last words; after_speech is meant with them")]
        | None
    ) = None


class CallStatus(Struct, frozen=True, kw_only=True):
    active: bool
    call: CallInfo | None = None


class ListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[str, Meta(max_length=40, description="next of the page before")] | None = None
    line: LineName | None = None
    direction: Direction | None = None


class TurnInfo(Struct, frozen=True, kw_only=True):
    role: Annotated[str, Meta(description="caller or bot")]
    turn: int
    text: str | None = None
    heard_text: str | None = None
    understood: bool = True
    confidence: float | None = None
    engine: str | None = None
    language: str | None = None
    at_ms: int = 0
    duration_ms: int = 0
    latency_ms: int = 0


class CallRecord(Struct, frozen=True, kw_only=True):
    """A call of the log. turns, recordings and files are there in call.get only."""

    call_id: str
    line: str
    direction: Direction
    state: CallState
    number: str | None = None
    withheld: bool = False
    rings: int = 0
    started_at: str | None = None
    connected_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    reason: EndReason | None = None
    network_text: str | None = None
    recording: str | None = None
    audio: CallAudio | None = None
    turns: list[TurnInfo] = field(default_factory=list)
    recordings: list[RecordingInfo] = field(default_factory=list)
    files: list[CallFileInfo] = field(default_factory=list)


class CallPage(Struct, frozen=True, kw_only=True):
    calls: list[CallRecord]
    next: str | None = None


class ClaimParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: CallId | None = None
    speakers: list[Annotated[str, Meta(max_length=64)]] = field(default_factory=list)


class ClaimResult(Struct, frozen=True, kw_only=True):
    call_id: str
    token: str


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


class DtmfParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    digits: Annotated[str, Meta(pattern="^[0-9A-D*#]{1,29}$", description="Keys, sent one by one")]
    inband: Annotated[bool, Meta(description="As tones in our own voice, instead of by the modem")] = False
    call_id: CallId | None = None
    token: Token | None = None


class SwapParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None
    token: Token | None = None


class GetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=40)]


def asker(request: Request, token: str | None = None) -> Asker:
    """This connection, as steering knows it."""
    session = request.session
    return Asker(session.id, client_name(request), Scope.ADMIN in session.scopes, token)


def client_name(request: Request) -> str:
    """What the client called itself in client.hello, else a name made of its connection."""
    return request.session.name or f"session {request.session.id}"


def attend(request: Request) -> None:
    """What this connection holds is let go of when it is gone."""
    session, services = request.session, request.core.services
    session.on_close(lambda: services.session_closed(session.id), key="services")


def allowed(request: Request, call: Call, right: Right, token: str | None) -> None:
    """Claimed, unless this connection may do that to the call."""
    request.core.services.calls.steering.check(call, right, asker(request, token))


async def _wish(request: Request, params: OneCall, wish: Wish) -> CallInfo:
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    if wish in (Wish.HOLD, Wish.RESUME_HELD):
        call.refuse_while_transferred()
    await request.core.services.calls.wish(call, wish)
    return call.info()


@method(
    "call.start",
    scope=Scope.CALLS,
    errors=(NotDialable, EmergencyDenied, GuardRefused, LimitExceeded, StoreFailed, LineBusy, NotFound, *LINE_ERRORS),
    since="0.1",
    facts=True,
)
async def start(request: Request, params: StartParams) -> CallInfo:
    """Places a call; answers once the modem took it, before the far end rings."""
    call = await request.core.services.calls.start(
        params.number,
        params.line,
        hide_number=params.hide_number,
        session=request.session.id,
        detect=None if params.detect is None else params.detect == "on",
    )
    return call.info()


@method("call.accept", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def accept(request: Request, params: OneCall) -> CallInfo:
    """Answers an incoming call before its policy would."""
    return await _wish(request, params, Wish.ACCEPT)


@method("call.reject", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def reject(request: Request, params: OneCall) -> CallInfo:
    """Turns an incoming call away."""
    return await _wish(request, params, Wish.REJECT)


@method("call.hangup", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def hangup(request: Request, params: HangupParams) -> CallInfo:
    """Ends a call in any state, at once or after the last words. An admin may always."""
    calls = request.core.services.calls
    call = calls.book.find(params.call_id)
    allowed(request, call, Right.HANGUP, params.token)
    if params.text is not None:
        allowed(request, call, Right.SPEAK, params.token)
        call.refuse_while_handled()
    if params.after_speech or params.text is not None:
        await calls.farewell(call, params.text)
        if not call.live:
            return call.info()  # the caller was first
    await calls.wish(call, Wish.HANGUP)
    return call.info()


@method("call.hold", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def hold(request: Request, params: OneCall) -> CallInfo:
    """Puts the active call on hold; a waiting or held one becomes active."""
    return await _wish(request, params, Wish.HOLD)


@method("call.resume_held", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def resume_held(request: Request, params: OneCall) -> CallInfo:
    """Takes a held call back."""
    return await _wish(request, params, Wish.RESUME_HELD)


@method("call.swap", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def swap(request: Request, params: SwapParams) -> CallStatus:
    """Exchanges the active and the held call of a line; answers with the one that is active now."""
    calls = request.core.services.calls
    for call in calls.book.on_line(calls.line_named(params.line).name):
        allowed(request, call, Right.STEER, params.token)
        call.refuse_while_transferred()
    await calls.swap(params.line)
    return _status(request.core.services.calls.book.live())


@method("call.status", scope=Scope.OBSERVE, errors=(NotFound,), since="0.1")
async def status(request: Request, params: OneCall) -> CallStatus:
    """The live call, or active: false; never an error while nothing is going on."""
    if params.call_id is not None:
        call = request.core.services.calls.book.find(params.call_id, ended=True)
        return CallStatus(active=call.state is CallState.ACTIVE, call=shown(request, call.info()))
    found = _status(request.core.services.calls.book.live())
    return CallStatus(active=found.active, call=shown(request, found.call) if found.call else None)


@method("call.list", scope=Scope.OBSERVE, errors=(NotFound,), since="0.1")
async def list_calls(request: Request, params: ListParams) -> CallPage:
    """The call log, newest first; next is the cursor of the following page."""
    found = await request.core.store.read(
        lambda conn: rows.list_calls(
            conn,
            limit=params.limit + 1,
            before=params.before,
            line=params.line,
            direction=params.direction,
        )
    )
    page = found[: params.limit]
    more = page[-1].call_id if len(found) > params.limit else None
    return CallPage(calls=[_record(request, row, []) for row in page], next=more)


@method("call.get", scope=Scope.OBSERVE, errors=(NotFound,), since="0.1")
async def get(request: Request, params: GetParams) -> CallRecord:
    """One call with its turns."""
    row = await request.core.store.read(lambda conn: rows.get_call(conn, params.call_id))
    if row is None:
        raise NotFound("There is no call with this id in the log.")
    turns = await request.core.store.read(lambda conn: rows.turns(conn, params.call_id))
    made = await request.core.store.read(lambda conn: recordings_of(conn, params.call_id))
    kept = await request.core.services.calls.talk.recordings.files(params.call_id)
    return replace(
        _record(request, row, turns),
        recordings=[recording_info(each) for each in made],
        files=[file_info(file) for file in kept],
    )


@method("call.claim", scope=Scope.CALLS, errors=(NotFound, Claimed), since="0.1")
async def claim(request: Request, params: ClaimParams) -> ClaimResult:
    """Takes the steering of a call: this connection holds it, others need the token. speakers may also speak."""
    call = request.core.services.calls.book.find(params.call_id)
    attend(request)
    taken = request.core.services.calls.steering.claim(call, asker(request), params.speakers)
    return ClaimResult(call_id=call.call_id, token=taken.token)


@method("call.release", scope=Scope.CALLS, errors=(NotFound, Claimed), since="0.1")
async def release(request: Request, params: OneCall) -> Empty:
    """Lets go of the steering; anyone with scope calls may steer then."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    request.core.services.calls.steering.release(call)
    return Empty()


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


@method("call.dtmf", scope=Scope.CALLS, errors=(*CALL_ERRORS, AudioFailed, LimitExceeded), since="0.1")
async def dtmf(request: Request, params: DtmfParams) -> Empty:
    """Sends keys into the call; answers when the last one is out."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    if params.inband:
        await request.core.services.calls.talk.free(call)
        said = request.core.services.calls.talk.send_tones(call, params.digits)
        await said.done.wait()
        if not said.completed:
            raise NotNow("Not all keys were sent: they were stopped, or the call is over.")
    else:
        call.refuse_while_handled()
        await request.core.services.calls.dtmf(call, params.digits)
    return Empty()


def shown(request: Request, info: CallInfo) -> CallInfo:
    """Numbers are personal data: only those with scope calls see them."""
    if Scope.CALLS in request.session.scopes:
        return info
    return replace(info, number=None)


def _status(live: list[Call]) -> CallStatus:
    active = next((call for call in live if call.state is CallState.ACTIVE), None)
    chosen = active or (live[0] if live else None)
    return CallStatus(active=active is not None, call=chosen.info() if chosen else None)


def _record(request: Request, row: rows.CallRow, turns: list[rows.TurnRow]) -> CallRecord:
    clear = Scope.CALLS in request.session.scopes
    return CallRecord(
        call_id=row.call_id,
        line=row.line,
        direction=row.direction,
        state=row.state,
        number=row.number if clear else None,
        withheld=row.withheld,
        rings=row.rings,
        started_at=row.started_at,
        connected_at=row.connected_at,
        ended_at=row.ended_at,
        duration_s=row.duration_s,
        reason=row.reason,
        network_text=row.network_text,
        recording=row.recording,
        audio=CallAudio(**row.audio) if row.audio else None,
        turns=[_turn(turn, clear) for turn in turns],
    )


def _turn(row: rows.TurnRow, clear: bool) -> TurnInfo:
    return TurnInfo(
        role=row.role,
        turn=row.turn,
        text=row.text if clear else None,
        heard_text=row.heard_text if clear else None,
        understood=row.understood is not False,
        confidence=row.confidence,
        engine=row.engine,
        language=row.language,
        at_ms=row.at_ms,
        duration_ms=row.duration_ms or 0,
        latency_ms=row.latency_ms or 0,
    )
