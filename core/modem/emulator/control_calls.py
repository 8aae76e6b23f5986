"""Control methods for calls and dial scripts."""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import NotFound, NotNow, TimedOut
from core.modem.emulator.calls import Call, Stat
from core.modem.emulator.control import Method
from core.modem.emulator.modem import Modem
from core.modem.emulator.options import DialScript

Seconds = Annotated[float, Meta(ge=0, le=3600)]
Number = Annotated[str, Meta(pattern=r"^\+?[0-9*#]{0,40}$")]
_STATES = {
    "active": (Stat.ACTIVE,),
    "held": (Stat.HELD,),
    "ringing": (Stat.INCOMING, Stat.WAITING, Stat.DIALING, Stat.ALERTING),
}


class Incoming(Struct, frozen=True, forbid_unknown_fields=True):
    number: Number = "+447700900123"
    withheld: bool = False
    ring_s: Annotated[float, Meta(ge=0.05, le=60)] = 5.0
    max_rings: Annotated[int, Meta(ge=1, le=1000)] | None = None
    alpha: Annotated[str, Meta(pattern=r'^[^"\r\n]{0,40}$')] = ""


class Wait(Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["active", "ended", "held", "ringing"]
    index: int | None = None
    timeout_s: Seconds = 30.0


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    index: int | None = None


class Hold(Struct, frozen=True, forbid_unknown_fields=True):
    held: bool
    index: int | None = None


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    outcome: Literal["answer", "busy", "no_answer", "no_carrier", "reject"]
    alert_after_s: Seconds = 0.3
    answer_after_s: Seconds = 1.0
    end_after_s: Seconds | None = None
    ceer: Annotated[str, Meta(pattern=r"^[^\r\n]{0,120}$")] | None = None


def incoming(modem: Modem, params: Incoming) -> object:
    """A call comes in; with one up already, it waits. NotNow when the network can't reach the modem."""
    if not modem.ports.plugged or modem.registration != 1:
        raise NotNow("The modem is unplugged or not registered: the network can't reach it.")
    call = modem.calls.incoming(
        params.number, withheld=params.withheld, ring_s=params.ring_s, max_rings=params.max_rings, alpha=params.alpha
    )
    if call is None:
        raise NotNow("The modem has as many calls as a SIM can have.")
    return {"index": call.index}


async def wait(modem: Modem, params: Wait) -> object:
    """A call in that state, now or when one gets there. Ended: see docs/emulator.md for which call is meant."""
    table = modem.calls.table
    followed = table.find(params.index)

    def found() -> Call | None:
        if params.state == "ended":
            last = table.last_ended if params.index in (None, getattr(table.last_ended, "index", None)) else None
            if followed is None:
                return last
            return followed if followed.reason is not None else None
        wanted = [call for call in table.with_stat(*_STATES[params.state]) if params.index in (None, call.index)]
        return wanted[0] if wanted else None

    try:
        async with asyncio.timeout(params.timeout_s):
            call = await modem.calls.wait_for(found)
    except TimeoutError as error:
        raise TimedOut("No call got into that state in time.") from error
    result: dict[str, object] = {"index": call.index, "state": params.state}
    return result | ({"reason": str(call.reason)} if params.state == "ended" and call.reason else {})


def _call(modem: Modem, index: int | None) -> Call:
    call = modem.calls.table.find(index)
    if call is None:
        raise NotFound("There is no such call.")
    return call


def hangup(modem: Modem, params: Which) -> None:
    modem.calls.far_hangup(_call(modem, params.index))


def answer(modem: Modem, params: Which) -> None:
    """The called party answers now, whatever the script says."""
    call = _call(modem, params.index)
    if not call.outgoing or call.connected_s is not None:
        raise NotNow("Only an outgoing call that nobody has answered can be answered there.")
    modem.calls.far_answer(call)


def hold(modem: Modem, params: Hold) -> None:
    call = _call(modem, params.index)
    if call.stat is not Stat.ACTIVE:
        raise NotNow("Only an active call can be put on hold over there.")
    modem.calls.far_hold(call, held=params.held)


def script(modem: Modem, params: Script) -> None:
    modem.script = DialScript(
        params.outcome, params.alert_after_s, params.answer_after_s, params.end_after_s, params.ceer
    )


METHODS: dict[str, tuple[type[Struct], Method]] = {
    "call.incoming": (Incoming, incoming),
    "call.wait": (Wait, wait),
    "far.hangup": (Which, hangup),
    "far.answer": (Which, answer),
    "far.hold": (Hold, hold),
    "dial.script": (Script, script),
}
