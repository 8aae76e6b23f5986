"""What the methods of several parts have in common: parameters, errors, and who may do what to a call."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from core.call import Call, CallInfo
from core.errors import Claimed, ModemBusy, ModemOffline, ModemRefused, ModemRestarting, NotFound, NotNow, TimedOut
from core.events import Scope
from core.rpc.methods import Request
from core.steering import Asker, Right

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


def shown(request: Request, info: CallInfo) -> CallInfo:
    """Numbers are personal data: only those with scope calls see them."""
    if Scope.CALLS in request.session.scopes:
        return info
    return replace(info, number=None)
