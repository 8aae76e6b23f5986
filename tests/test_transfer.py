"""Transfer to a person: joined by the network, or back to the caller with a text, a message and an SMS."""

from typing import Any

import pytest

import dialtone
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
PERSON = "+447700900321"
PHRASES = ["please call me back tomorrow", "goodbye"]
VOICE = "en-gb-x-rp+f5"
TOML = (
    'configure_wait_s = 0.1\ntransfer_text = "Wait."\ntransfer_failed_text = "Nobody."\ntransfer_ask_text = "Say it."\n'
    'transfer_sent_text = "Sent."\ntransfer_unsent_text = "Not sent."\nvoicemail_silence_s = 5.0\n'
)


async def caller_up(made: Station, bot: dialtone.Phone, watch: Watch) -> str:
    """A caller in the hands of a brain."""
    await bot.register_brain()
    await made.ready(bot)
    await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.2)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected")
    await bot.call("call.speak", text="Hello.", wait="spoken")
    return str(connected["call_id"])


async def state(watch: Watch, name: str, **wanted: object) -> dict[str, Any]:
    return await watch.wait("call.transfer", lambda params: {"state": name, **wanted}.items() <= params.items())


def states(watch: Watch) -> list[str]:
    return [event.params["state"] for event in watch.named("call.transfer")]


async def spoken(watch: Watch, text: str) -> None:
    await watch.wait("call.spoken", lambda params: params["text"] == text and params["completed"])


async def stats(made: Station) -> list[int]:
    return [call["stat"] for call in (await made.control("modem.status"))["calls"]]


@pytest.mark.timeout(120)
async def test_one_caller_is_declined_refused_joined_given_back_and_joined_again() -> None:
    toml = TOML + 'transfer_accept_text = "Press one."'
    async with station(toml) as made, made.phone("*", name="bot") as (bot, watch):
        call_id = await caller_up(made, bot, watch)
        # A person who does not want to.
        answer = await bot.call("call.transfer", to=PERSON, announce="A caller for you.", mode="join")
        assert answer["call_id"] == call_id and answer["handled"] == "transfer"
        await watch.wait("call.speaking", lambda params: params["text"] == "A caller for you. Press one.")
        await made.control("far.dtmf", digits="2")
        await state(watch, "failed", reason="declined")
        await spoken(watch, "Nobody.")
        assert await stats(made) == [0], "only the caller is left"
        # A network that does not join calls.
        await made.control("fault.set", kind="error_reply", command="+CHLD=3", text="ERROR", times=1)
        await bot.call("call.transfer", to=PERSON, mode="join")
        await state(watch, "failed", reason="refused_by_network")
        assert await stats(made) == [0]
        # One who takes it: we keep still until they have talked.
        before = len(states(watch))
        await bot.call("call.transfer", to=PERSON, announce="A caller for you.")
        await watch.wait("call.speaking", lambda params: params["text"] == "A caller for you. Press one.", count=2)
        await made.control("far.dtmf", digits="1")
        joined = await state(watch, "joined")
        assert joined["to"] == PERSON and joined["call_id"] == call_id != joined["transfer_call_id"]
        assert states(watch)[before:] == ["held", "dialing", "answered", "joined"]
        assert await stats(made) == [0, 0], "both are active in one conversation"
        turns = len(watch.named("call.turn_start"))
        await made.control("far.say", text="how are you today my friend", voice=VOICE)
        assert len(watch.named("call.turn_start")) == turns, "their words are none of ours"
        await made.control("far.hangup", index=2)
        await state(watch, "ended", reason="person_left")
        assert (await bot.call("call.speak", call_id=call_id, text="Back with me.", wait="spoken"))["completed"]
        # The caller leaves the joined calls: the person is not left alone on a line that costs money.
        await bot.call("call.transfer", to=PERSON)
        await watch.wait("call.transfer", lambda params: params["state"] == "joined", count=2)
        await made.control("far.hangup", index=1)
        await state(watch, "ended", reason="caller_left")
        await watch.wait("call.ended", lambda params: params["call_id"] == call_id)
        assert await stats(made) == [] and watch.named("call.audio_failed") == []


@pytest.mark.timeout(120)
async def test_messages_for_a_person_go_out_as_sms_and_the_guard_says_to_whom_not() -> None:
    denied, other = "+447700900999", "+447700900322"
    async with station(TOML + f'[guard]\ndeny = ["{denied}"]') as made, made.phone("*", name="bot") as (bot, watch):
        await bot.expect_phrases(PHRASES)
        call_id = await caller_up(made, bot, watch)
        for mode in ("auto", "sms"):
            with pytest.raises(dialtone.RpcError) as refused:
                await bot.call("call.transfer", to=denied, mode=mode)
            assert refused.value.kind == "guard_refused"
        with pytest.raises(dialtone.RpcError) as refused:
            await bot.call("call.transfer", to="**21*1#")
        assert refused.value.kind == "not_dialable"
        # At once, without a call to the person.
        await bot.call("call.transfer", to=other, mode="sms")
        with pytest.raises(dialtone.RpcError) as busy:
            await bot.call("call.transfer", to=other, mode="sms")
        assert busy.value.kind == "not_now"
        await spoken(watch, "Say it.")
        await made.control("far.dtmf", digits="#")
        sent = await state(watch, "message_sent")
        assert (sent["call_id"], sent["to"]) == (call_id, other), "the number alone is worth a message"
        # Where the person can't be reached.
        await made.control("dial.script", outcome="busy", alert_after_s=0.1, answer_after_s=0.2)
        await bot.call("call.transfer", to=PERSON)
        assert (await state(watch, "returned"))["reason"] == "busy"
        await spoken(watch, "Nobody. Say it.")
        await watch.wait("call.spoken", lambda params: params["text"] is None, count=2)
        await made.control("far.dtmf", digits="5551234")
        await made.control("far.say", text="please call me back tomorrow", voice=VOICE)
        sent = await state(watch, "message_sent", to=PERSON)
        message = await bot.call("sms.get", message_id=sent["message_id"])
        assert message["number"] == PERSON
        assert message["text"] == "A caller asked for you: 5551234. please call me back tomorrow"
        assert (await bot.call("call.speak", text="Anything else?", wait="spoken"))["completed"], "the brain has it"
        await spoken(watch, "Anything else?")
        texts = [event.params["text"] for event in watch.named("call.spoken") if event.params["text"]]
        told = ["Sent.", "Wait.", "Nobody. Say it.", "Sent.", "Anything else?"]
        assert texts[-5:] == told, "the brain is told when all is said"


async def test_a_caller_who_leaves_meanwhile_costs_the_person_nothing() -> None:
    async with station(TOML) as made, made.phone("*", name="bot") as (bot, watch):
        await caller_up(made, bot, watch)
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=30.0)
        await bot.call("call.transfer", to=PERSON)
        await state(watch, "dialing")
        await made.control("far.hangup", index=1)
        await watch.wait("call.ended", count=2)
        assert (await state(watch, "failed"))["reason"] == "caller_left"
        assert await stats(made) == []


async def test_without_a_brain_a_caller_whose_transfer_failed_is_let_go_with_words() -> None:
    async with station(TOML + "claim_grace_s = 0.2") as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="bot") as bot:
            await caller_up(made, bot, watch)
            await made.control("dial.script", outcome="busy", alert_after_s=0.1)
            await bot.call("call.transfer", to=PERSON, mode="join")
        await spoken(watch, "Nobody.")
        await watch.wait("call.ended", lambda params: params["direction"] == "in")
        assert (await phone.call("call.status"))["active"] is False
