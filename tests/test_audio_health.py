"""Sick audio on a whole station: told while it lasts and in the report after it, and healed before the next call."""

from typing import Any

import pytest

import dialtone
from tests.station import Station, Watch, station

CALLER = "+447700900111"


async def _call(
    made: Station, phone: dialtone.Phone, watch: Watch, nth: int, *, talk: str = "Hello."
) -> dict[str, Any]:
    """An incoming call in which we say something, hung up by us; its call.ended."""
    await made.control("call.incoming", number=CALLER)
    call = await watch.wait("call.connected", count=nth)
    await phone.call("call.claim", call_id=call["call_id"])
    await phone.call("call.speak", call_id=call["call_id"], text=talk, wait="spoken")
    await phone.call("call.hangup", call_id=call["call_id"])
    return await watch.wait("call.ended", count=nth)


async def test_the_call_after_a_bad_one_is_good_again_and_nothing_is_lost_meanwhile() -> None:
    slow = ("--reset-s", "4", "--boot-s", "4")  # there must be time to see that it restarts
    async with station(emulator_options=slow) as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await made.control("fault.set", kind="degrading", healthy_calls=1, refusals=1)
        assert (await _call(made, phone, watch, 1))["audio"]["verdict"] == "healthy"
        assert (await _call(made, phone, watch, 2))["audio"]["verdict"] == "suspect"
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.start", number="+447700900333")
        assert refused.value.kind == "modem_restarting"
        assert refused.value.retry and refused.value.retry_after_s is not None and refused.value.retry_after_s >= 2
        message = await phone.call("sms.send", to=CALLER, text="waits for the modem")
        started = await watch.wait("modem.recovery", lambda p: p["state"] == "started")
        assert (started["rung"], started["attempt"]) == ("reset", 1)
        done = await watch.wait("modem.recovery", lambda p: p["state"] == "succeeded", timeout_s=40)
        assert done["rung"] == "reset" and "suspect" in done["reason"] and done["duration_s"] > 0
        await watch.wait(
            "sms.status", lambda p: p["message_id"] == message["message_id"] and p["state"] == "sent", timeout_s=30
        )
        await made.ready(phone)
        assert (await _call(made, phone, watch, 3))["audio"]["verdict"] == "healthy"
        facts = (await phone.call("modem.history"))["facts"]
        told = [(fact["rung"], fact["state"]) for fact in facts if fact["topic"] == "modem.recovery"]
        assert told == [("reset", "succeeded"), ("reset", "started")]  # the newest first


async def test_a_caller_who_cannot_hear_us_is_told_of_during_the_call_and_after_it() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await made.control("fault.set", kind="uplink_stuck", after_bytes=16_000)
        await made.control("call.incoming", number=CALLER)
        call = await watch.wait("call.connected")
        await phone.call("call.claim", call_id=call["call_id"])
        failed = await watch.wait("call.audio_failed")
        assert failed["call_id"] == call["call_id"] and "doesn't hear us" in failed["reason"]
        assert (await phone.call("call.status", call_id=call["call_id"]))["active"]  # whoever steers it decides
        await phone.call("call.hangup", call_id=call["call_id"])
        end = await watch.wait("call.ended")
        assert end["audio"]["verdict"] == "one_way"
        await watch.wait("modem.recovery", lambda p: p["state"] == "succeeded", timeout_s=40)
        assert len(watch.named("call.audio_failed")) == 1
