"""What cheap sticks do, on a whole station: one line suffers, is up again by itself, and the other line's call goes on.

The rungs of the ladder and their times are tested in tests/modem/test_healing.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

import dialtone
from tests.station import Station, Watch, carried, station

CALLER = "+447700900111"
NEIGHBOUR = "+447700900222"


@asynccontextmanager
async def beside_a_call() -> AsyncIterator[tuple[Station, dialtone.Phone, Watch]]:
    """Two lines; on the second one somebody talks all the time, and afterwards that call must have been perfect."""
    async with station("silence_limit_s = 600.0\n", lines=2) as made, made.phone("*") as (phone, watch):
        for line in made.lines:
            await made.ready(phone, line)
        await made.controls[1]("call.incoming", number=NEIGHBOUR)
        call = await watch.wait("call.connected", lambda p: p["line"] == "sim2")
        await phone.call("call.claim", call_id=call["call_id"])  # somebody's, so that no fallback ends it
        yield made, phone, watch
        assert (await phone.call("call.status", call_id=call["call_id"]))["active"]
        await phone.call("call.hangup", call_id=call["call_id"])
        end = await watch.wait("call.ended", lambda p: p["line"] == "sim2")
        assert end["reason"] == "local_hangup"
        assert carried(end["audio"])
        # A busy machine may stand still for some seconds; a disturbance lasts as long as what disturbs.
        assert end["audio"]["downlink_dropped_frames"] < 175


async def works(made: Station, phone: dialtone.Phone, watch: Watch, text: str) -> None:
    """The first line takes a message in and out and a call."""
    async with asyncio.timeout(50):
        await made.ready(phone, "sim")
        sent = await phone.call("sms.send", to=CALLER, text=text, line="sim")
        await watch.wait(
            "sms.status", lambda p: p["message_id"] == sent["message_id"] and p["state"] == "sent", timeout_s=40
        )
        message: dict[str, Any] = {"from": CALLER, "text": f"{text} too"}
        await made.controls[0]("sms.deliver", **message)
        await watch.wait("sms.received", lambda p: p["text"] == f"{text} too")
        connected, ended = _so_far(watch, "call.connected"), _so_far(watch, "call.ended")
        await made.controls[0]("call.incoming", number=CALLER)
        call = await watch.wait("call.connected", lambda p: p["line"] == "sim", count=connected + 1)
        await phone.call("call.hangup", call_id=call["call_id"])
        await watch.wait("call.ended", lambda p: p["line"] == "sim", count=ended + 1)


def _so_far(watch: Watch, name: str) -> int:
    return len([event for event in watch.named(name) if event.params["line"] == "sim"])


async def test_a_storm_of_unsolicited_lines_is_weathered() -> None:
    async with beside_a_call() as (made, phone, watch):
        await made.controls[0]("urc.storm", text="+CSQ: 18,99", per_s=500, duration_s=3.0)
        assert (await phone.call("status", timeout_s=10.0))["lines"]
        await works(made, phone, watch, "after the storm")


@pytest.mark.proof
async def test_a_long_storm_of_unsolicited_lines_is_weathered() -> None:
    async with beside_a_call() as (made, phone, watch):
        await made.controls[0]("urc.storm", text="+CSQ: 18,99", per_s=500, duration_s=10.0)
        await works(made, phone, watch, "after the long storm")


async def test_unplugged_at_any_moment_of_its_bring_up_it_comes_up_in_the_end() -> None:
    async with beside_a_call() as (made, phone, watch):
        for after_s in (0.05, 0.2, 0.5):
            await made.controls[0]("usb.unplug")
            await made.controls[0]("usb.replug", renumber=True)
            await asyncio.sleep(after_s)  # the moment is what is varied
        await works(made, phone, watch, "still here")


@pytest.mark.parametrize("step", ["ringing", "answered", "talking", "hanging_up"])
async def test_unplugged_at_any_step_of_a_call_it_ends_once_and_the_line_comes_back(step: str) -> None:
    async with beside_a_call() as (made, phone, watch):
        await made.controls[0]("call.incoming", number=CALLER)
        call = await watch.wait("call.incoming", lambda p: p["line"] == "sim")
        if step != "ringing":
            await watch.wait("call.connected", lambda p: p["line"] == "sim")
        if step == "talking":
            await phone.call("call.speak", call_id=call["call_id"], text="This will be cut off. " * 5)
            await watch.wait("call.speaking", lambda p: p["line"] == "sim")
        async with asyncio.TaskGroup() as tasks:
            if step == "hanging_up":
                tasks.create_task(hang_up(phone, call["call_id"]))
            tasks.create_task(made.controls[0]("usb.unplug"))
        end = await watch.wait("call.ended", lambda p: p["line"] == "sim")
        assert end["reason"] in ({"modem_lost", "local_hangup"} if step == "hanging_up" else {"modem_lost", "missed"})
        await made.controls[0]("usb.replug", renumber=True)
        await works(made, phone, watch, "back again")
        ended = [event.params["call_id"] for event in watch.named("call.ended")]
        assert ended.count(call["call_id"]) == 1


async def hang_up(phone: dialtone.Phone, call_id: str) -> None:
    with suppress(dialtone.RpcError):  # the call went with its modem before
        await phone.call("call.hangup", call_id=call_id)


async def test_answers_that_come_late_are_nobody_elses() -> None:
    async with beside_a_call() as (made, phone, watch):
        await made.controls[0]("fault.set", kind="late_reply", command="AT+CSQ", delay_s=6.0, times=1)
        await phone.call("modem.status", line="sim")
        await works(made, phone, watch, "in step")
        (line,) = [each for each in (await phone.call("status"))["lines"] if each["name"] == "sim"]
        assert (line["state"], line["operator"], line["sim"]) == ("ready", "Dialtone", "READY")


async def test_a_stick_that_loses_its_power_while_it_dials_is_back_by_itself() -> None:
    async with beside_a_call() as (made, phone, watch):
        await made.controls[0]("fault.set", kind="brownout", command="ATD", times=1)
        with pytest.raises(dialtone.RpcError):
            await phone.call("call.start", number="+447700900333", line="sim")
        await watch.wait("modem.state", lambda p: p["line"] == "sim" and p["state"] == "reconnecting")
        await works(made, phone, watch, "power is back")
