"""call.*: place, answer, steer and end calls."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from core.call import Call, CallInfo
from core.call_fsm import Wish
from core.errors import (
    AudioFailed,
    Claimed,
    EmergencyDenied,
    GuardRefused,
    LimitExceeded,
    LineBusy,
    NotDialable,
    NotFound,
    NotNow,
    StoreFailed,
)
from core.events import Scope
from core.line import CallState
from core.rpc.api.shared import (
    CALL_ERRORS,
    LINE_ERRORS,
    CallId,
    Empty,
    LineName,
    Number,
    OneCall,
    Token,
    allowed,
    asker,
    attend,
    shown,
)
from core.rpc.methods import Request, method
from core.steering import Right


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


class ClaimParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: CallId | None = None
    speakers: list[Annotated[str, Meta(max_length=64)]] = field(default_factory=list)


class ClaimResult(Struct, frozen=True, kw_only=True):
    call_id: str
    token: str


class DtmfParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    digits: Annotated[str, Meta(pattern="^[0-9A-D*#]{1,29}$", description="Keys, sent one by one")]
    inband: Annotated[bool, Meta(description="As tones in our own voice, instead of by the modem")] = False
    call_id: CallId | None = None
    token: Token | None = None


class SwapParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None
    token: Token | None = None


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


def _status(live: list[Call]) -> CallStatus:
    active = next((call for call in live if call.state is CallState.ACTIVE), None)
    chosen = active or (live[0] if live else None)
    return CallStatus(active=active is not None, call=chosen.info() if chosen else None)
