"""Interruptions from the outside: our own echo is none, a cough is none, a caller is one."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

import dialtone
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"
LONG = (
    "We are open from nine in the morning until five in the afternoon on Monday, Tuesday, Wednesday, Thursday and "
    "Friday, and on Saturday from ten until two, but never on Sundays or on public holidays."
)
FILLERS = (
    "One moment please, I am going to have a look at that for you, and it will not take me very long at all.",
    "Let me see, please stay on the line while I look that up in our books, which takes a little time as always.",
)
"""So long that there is time to cut them."""
SENTENCE = "Your table for four is booked for tomorrow at half past seven."


async def answered(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    await made.ready(phone)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected")
    return str(connected["call_id"])


async def remote(brain: dialtone.Phone, text: str, watch: Watch, call_id: str) -> None:
    """Answers the next turn's last chunk."""
    end = await watch.wait("call.turn_end", count=len(watch.named("call.speech")) + 1)
    chunk = watch.named("call.chunk")[-1].params["chunk"]
    await brain.call("stt.result", call_id=call_id, turn=end["turn"], chunk=chunk, text=text, whole=True)


def cough(path: Path) -> Path:
    """A voiced sound of 0.16 s, too short for a turn."""
    at = np.arange(int(8000 * 0.16)) / 8000
    buzz = sum(np.sin(2 * np.pi * 140 * k * at) / (1 + abs(k * 140 - 600) / 300) for k in range(1, 24))
    shaped = buzz * np.sin(np.pi * at / at[-1]) ** 0.3
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((shaped / np.abs(shaped).max() * 12000).astype("<i2").tobytes())
    return path


async def test_our_own_echo_never_interrupts_us_and_a_caller_does() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await made.control("fault.set", kind="echo", delay_ms=260, gain_db=-12)
        await answered(made, phone, watch)
        spoken = await phone.call("call.speak", text=SENTENCE, wait="spoken")
        assert spoken["completed"]
        assert watch.named("call.barge_in") == [] and watch.named("call.turn_start") == []
        await phone.call("call.speak", text=LONG, resume=False)
        await watch.wait("call.speaking", count=2)
        await asyncio.sleep(1.0)
        await made.control("far.say", text="excuse me please", voice=VOICE, wait=False)
        barge = await watch.wait("call.barge_in")
        assert LONG.startswith(barge["heard_text"])
        await watch.wait("call.turn_end")
        spoken = await watch.wait("call.spoken", count=2)
        assert not spoken["completed"]


async def test_without_the_canceller_the_same_echo_interrupts_us() -> None:
    toml = '[media]\necho = "off"\n'
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await made.control("fault.set", kind="echo", delay_ms=260, gain_db=-12)
        await answered(made, phone, watch)
        await phone.call("call.speak", text=LONG, resume=False)
        await watch.wait("call.barge_in")


async def test_after_a_cough_our_words_go_on_and_are_told_once(tmp_path: Path) -> None:
    toml = "[media]\nresume_after_ms = 600\n"
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text=LONG)
        await watch.wait("call.speaking")
        await asyncio.sleep(1.5)
        await made.control("far.play", wav=str(cough(tmp_path / "cough.wav")), snr_db=None)
        barge = await watch.wait("call.barge_in")
        again = await watch.wait("call.speaking", lambda params: params["resumed"])
        assert again["utterance"] == barge["utterance"] and again["text"] == LONG
        assert watch.named("call.spoken") == [] and watch.named("call.turn_start") == []
        spoken = await watch.wait("call.spoken")
        assert spoken["completed"] and spoken["heard_text"] == LONG
        assert len(watch.named("call.spoken")) == 1


async def test_words_of_a_listener_are_no_interruption_and_a_wish_is_one() -> None:
    toml = "[media]\nresume_after_ms = 300\n[stt]\nremote_wait_s = 30.0\n"
    async with station(toml) as made, made.phone("*", name="brain") as (brain, watch):
        await brain.register_brain()
        call_id = await answered(made, brain, watch)
        await brain.call("call.configure", stt_engine="remote")
        await brain.call("call.speak", text=f"{LONG} {LONG}")
        await watch.wait("call.speaking")
        await asyncio.sleep(1.0)
        await made.control("far.say", text="yeah okay", voice=VOICE)
        await watch.wait("call.barge_in")
        await remote(brain, "Yeah, okay.", watch, call_id)
        await watch.wait("call.speaking", lambda params: params["resumed"])
        assert watch.named("call.spoken") == []
        await asyncio.sleep(0.5)
        await made.control("far.say", text="please stop now", voice=VOICE)
        barge = await watch.wait("call.barge_in", count=2)
        assert watch.named("call.spoken") == [], "nobody knows yet what it was"
        await remote(brain, "Please stop now.", watch, call_id)
        spoken = await watch.wait("call.spoken")
        assert not spoken["completed"] and spoken["heard_text"] == barge["heard_text"]
        assert f"{LONG} {LONG}".startswith(spoken["heard_text"])


async def test_new_words_end_what_waits_to_go_on(tmp_path: Path) -> None:
    toml = "[media]\nresume_after_ms = 10000\n"
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text=LONG)
        await watch.wait("call.speaking")
        await asyncio.sleep(0.8)
        await made.control("far.play", wav=str(cough(tmp_path / "cough.wav")), snr_db=None)
        await watch.wait("call.barge_in")
        said = await phone.call("call.speak", text=SENTENCE, wait="spoken")
        assert said["completed"]
        await watch.wait("call.spoken", count=2)
        cut, whole = (event.params for event in watch.named("call.spoken"))
        assert (cut["utterance"], cut["completed"]) == (1, False) and whole["text"] == SENTENCE
        assert not any(event.params["resumed"] for event in watch.named("call.speaking"))


async def test_a_span_of_a_text_is_heard_to_its_end_by_a_caller_who_speaks_into_it() -> None:
    notice = "This call is recorded for training, as the law wants us to tell you."
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        for span in ([3, 3], [0, 6], [4, 2]):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("call.speak", text="Hello", uninterruptible=[span])
            assert refused.value.code == -32602 and refused.value.data["path"] == "uninterruptible"
        await phone.call(
            "call.speak", text=f"{notice} {LONG}", uninterruptible=[[0, len(notice)]], resume=False, wait="accepted"
        )
        await watch.wait("call.speaking")
        await asyncio.sleep(0.6)
        long_wish = "excuse me please I would like to speak to somebody now because my order has not arrived at all"
        await made.control("far.say", text=long_wish, voice=VOICE, wait=False)
        barge = await watch.wait("call.barge_in")
        assert barge["heard_text"].startswith(notice) and len(barge["heard_text"]) < len(notice) + len(LONG)


async def test_fillers_bridge_the_time_until_the_brain_speaks_and_give_way_to_it() -> None:
    toml = f"[media]\nfiller_after_ms = 200\nfillers = {{en = {list(FILLERS)}}}\n"
    async with station(toml) as made, made.phone("*", name="brain") as (brain, watch):
        await brain.register_brain()
        await answered(made, brain, watch)
        await brain.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="when do you open", voice=VOICE)
        await watch.wait("call.speaking", lambda params: params["filler"], count=2)
        spoken = await watch.wait("call.spoken", lambda params: params["filler"], count=2)
        assert spoken["completed"]
        first, second = (event.params["text"] for event in watch.named("call.speaking") if event.params["filler"])
        assert {first, second} == set(FILLERS)
        await made.control("far.say", text="hello", voice=VOICE)
        third = await watch.wait("call.speaking", lambda params: params["filler"], count=3)
        assert third["text"] == first, "never the same twice in a row"
        assert (await brain.call("call.speak", text=SENTENCE, wait="spoken"))["completed"]
        cut = await watch.wait("call.spoken", lambda params: params["utterance"] == third["utterance"])
        assert not cut["completed"]


async def test_nobody_steers_so_nobody_thinks_and_nothing_is_bridged() -> None:
    async with station("[media]\nfiller_after_ms = 100\n") as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="hello there", voice=VOICE)
        await watch.wait("call.speech")
        await asyncio.sleep(0.5)
        assert not any(event.params["filler"] for event in watch.named("call.speaking"))
