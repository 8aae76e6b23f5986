"""call.transfer: a caller is handed to a person."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.call import CallInfo
from core.errors import EmergencyDenied, GuardRefused, LimitExceeded, LineBusy, NotDialable, StoreFailed
from core.events import Scope
from core.rpc.api.shared import CALL_ERRORS, CallId, Number, Token, allowed
from core.rpc.methods import Request, method
from core.steering import Right


class TransferParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: Number
    announce: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=500,
                description="Said to the person first, who then takes the call with key 1. It also keeps mailboxes "
                "out: without it whoever answers is joined at once",
            ),
        ]
        | None
    ) = None
    mode: Annotated[
        Literal["auto", "join", "sms"],
        Meta(
            description="join: call the person and join the calls; auto: where that fails, take a message and send it "
            "by SMS; sms: take a message at once"
        ),
    ] = "auto"
    call_id: CallId | None = None
    token: Token | None = None


@method(
    "call.transfer",
    scope=Scope.CALLS,
    errors=(NotDialable, EmergencyDenied, GuardRefused, LimitExceeded, StoreFailed, LineBusy, *CALL_ERRORS),
    since="0.1",
)
async def transfer(request: Request, params: TransferParams) -> CallInfo:
    """Hands the caller of an active call to a person. Answers once it may be tried; call.transfer events tell how far
    it is. Until the last of them the core has the call (handled: transfer); then it is its holder's again."""
    services = request.core.services
    call = services.calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    await services.transfers.begin(call, params.to, params.mode, params.announce)
    return call.info()
