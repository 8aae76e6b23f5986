"""A call that voicemail or a transfer has: its holder's words are refused clearly, whoever talked before is let go, and
what everyone in a call is promised of its recording holds."""

import asyncio
from typing import Any

import pytest

import dialtone
from tests.station import Station, station

NUMBER = "+447700900123"
PERSON = "+447700900321"
TOML = (
    'configure_wait_s = 0.1\nvoicemail_greeting = "Go on."\nvoicemail_thanks = "Thanks."\nvoicemail_silence_s = 20.0\n'
    'transfer_text = "Wait."\ntransfer_failed_text = "Nobody."\n'
)
FOR_ITS_HOLDER: list[tuple[str, dict[str, Any]]] = [
    ("call.speak", {"text": "And another thing.", "replace": True}),
    ("tts.queue", {"text": "And another thing."}),
    ("tts.cancel", {}),
    ("call.play", {"tone": "beep"}),
    ("call.stop", {}),
    ("call.pause", {}),
    ("call.resume", {}),
    ("call.dtmf", {"digits": "1"}),
    ("call.dtmf", {"digits": "1", "inband": True}),
    ("call.attach", {}),
    ("call.transfer", {"to": PERSON}),
    ("call.to_voicemail", {}),
    ("call.hangup", {"text": "Bye."}),
]


async def caller_up(made: Station, bot: dialtone.Phone) -> None:
    await bot.register_brain()
    await made.ready(bot)
    await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.2)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)


async def refused(bot: dialtone.Phone, by: str) -> None:
    for method, params in FOR_ITS_HOLDER:
        with pytest.raises(dialtone.RpcError) as problem:
            await bot.call(method, **params)
        assert problem.value.kind in ("not_now", "line_busy"), (method, problem.value)
        assert by in str(problem.value) or problem.value.kind == "line_busy", (method, problem.value)


async def test_what_voicemail_has_is_not_talked_into_and_a_talker_is_let_go() -> None:
    async with station(TOML) as made, made.phone("*", name="bot") as (bot, watch):
        await caller_up(made, bot)
        await watch.wait("call.connected")
        given = await bot.call("call.attach")
        _, writer = await asyncio.open_unix_connection(given["path"])
        await watch.wait("call.attached")
        await bot.call("call.to_voicemail")
        assert (await watch.wait("call.detached"))["reason"] == "replaced"
        await refused(bot, "voicemail")
        listener = await bot.call("call.attach", role="listener")
        assert listener["attachment"] == 2, "who only listens disturbs nobody"
        await watch.wait("call.spoken", lambda params: params["text"] == "Go on." and params["completed"])
        await watch.wait("call.spoken", lambda params: params["text"] is None and params["completed"])
        await made.control("far.say", text="this is my message", voice="en-gb-x-rp+f5")
        await bot.call("call.hangup")
        assert (await watch.wait("voicemail.received"))["duration_s"] > 0.5, "heard again since the talker is gone"
        writer.close()


async def test_a_caller_on_hold_whose_brain_is_gone_is_taken_back_and_what_a_lost_modem_cut_is_partial() -> None:
    toml = TOML + 'claim_grace_s = 0.2\nvoicemail = "no_brain"\n'
    async with station(toml) as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="bot") as bot:
            await caller_up(made, bot)
            await watch.wait("call.connected")
            await bot.call("call.hold")
        await watch.wait("call.held", lambda params: params["held"] is False)
        await watch.wait("call.spoken", lambda params: params["text"] == "Go on.")
        await watch.wait("call.spoken", lambda params: params["text"] is None)
        await made.control("far.say", text="this is my message", voice="en-gb-x-rp+f5")
        made.emulators[0].kill()
        await made.emulators[0].wait()
        assert (await watch.wait("call.ended"))["reason"] == "modem_lost"
        told = await watch.wait("voicemail.received")
        assert told["partial"] and told["duration_s"] > 0.5


async def test_what_a_transfer_has_is_not_talked_into_until_its_last_event() -> None:
    async with station(TOML) as made, made.phone("*", name="bot") as (bot, watch):
        await caller_up(made, bot)
        call_id = (await watch.wait("call.connected"))["call_id"]
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=30.0)
        await bot.call("call.transfer", to=PERSON, mode="join")
        dialing = await watch.wait("call.transfer", lambda params: params["state"] == "dialing")
        for each in (call_id, dialing["transfer_call_id"]):
            for method in ("call.speak", "call.dtmf", "call.stop", "call.hold", "call.resume_held"):
                extra: dict[str, Any] = {"call.speak": {"text": "Hm."}, "call.dtmf": {"digits": "1"}}.get(method, {})
                with pytest.raises(dialtone.RpcError) as problem:
                    await bot.call(method, call_id=each, **extra)
                assert problem.value.kind == "not_now"
        with pytest.raises(dialtone.RpcError) as problem:
            await bot.call("call.swap")
        assert problem.value.kind == "not_now"
        await made.control("far.hangup", index=2)
        await watch.wait("call.transfer", lambda params: params["state"] == "failed")
        said = await bot.call("call.speak", text="I am here again.", wait="spoken")
        assert said["completed"], "with the last event the call is its holder's, and the words of the core are over"
        await watch.wait("call.spoken", lambda params: params["text"] == "I am here again.")
        texts = [event.params["text"] for event in watch.named("call.spoken")]
        assert texts.index("Nobody.") < texts.index("I am here again.")
