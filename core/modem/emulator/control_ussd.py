"""Control methods for USSD: what the network answers, begins and ends, and what it heard."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import NotNow
from core.modem.emulator.control import Method
from core.modem.emulator.modem import Modem
from core.modem.emulator.ussd import ANSWER_S, Menu, Outcome, Result

Seconds = Annotated[float, Meta(ge=0, le=3600)]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class UssdMenu(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """then: what follows by answer; a text alone ends the session."""

    text: Annotated[str, Meta(max_length=182)] = ""
    reply_wanted: bool = False
    then: "dict[str, UssdMenu | str]" = {}
    outcome: Outcome = Outcome.ANSWER
    dcs: Annotated[int, Meta(ge=0, le=255)] | None = None
    delay_s: Seconds = ANSWER_S
    wait_s: Seconds = 120.0


class UssdSet(UssdMenu, frozen=True, forbid_unknown_fields=True, kw_only=True):
    code: Annotated[str, Meta(min_length=1, max_length=182)]


class UssdEnd(Struct, frozen=True, forbid_unknown_fields=True):
    result: Literal["terminated", "timeout"] = "terminated"


def ussd_set(modem: Modem, params: UssdSet) -> None:
    """What the network answers to that code."""
    modem.ussd.answers[params.code] = _menu(params)


def ussd_push(modem: Modem, params: UssdMenu) -> None:
    """The network begins a session, or says something that needs no answer."""
    if not modem.ports.plugged or modem.registration != 1:
        raise NotNow("The modem is unplugged or not registered: the network can't reach it.")
    modem.ussd.push(_menu(params))


def ussd_end(modem: Modem, params: UssdEnd) -> None:
    if not modem.ussd.end(Result.TERMINATED if params.result == "terminated" else Result.TIMEOUT):
        raise NotNow("There is no USSD session.")


def ussd_heard(modem: Modem, _params: Nothing) -> object:
    return {
        "in_session": modem.ussd.in_session,
        "heard": [{"kind": heard.kind, "text": heard.text, "at_s": heard.at_s} for heard in modem.ussd.heard],
    }


def _menu(params: UssdMenu) -> Menu:
    return Menu(
        params.text, params.reply_wanted,
        {answer: Menu(then) if isinstance(then, str) else _menu(then) for answer, then in params.then.items()},
        params.outcome, params.dcs, params.delay_s, params.wait_s,
    )  # fmt: skip


METHODS: dict[str, tuple[type[Struct], Method]] = {
    "ussd.set": (UssdSet, ussd_set),
    "ussd.push": (UssdMenu, ussd_push),
    "ussd.end": (UssdEnd, ussd_end),
    "ussd.heard": (Nothing, ussd_heard),
}
