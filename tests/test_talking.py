"""Talking and listening in a call, from the outside: words in, words out, who may speak, what happens in silence."""

import asyncio
import base64
import os
import signal
import sys
import wave
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import dialtone
from core.media.codecs import decode_audio
from core.media.level import dbfs
from tests.station import ROOT, Station, Watch, station

NUMBER = "+447700900123"
PHRASES = ["what are your opening hours", "i would like to leave a message", "please repeat that", "goodbye"]
VOICE = "en-gb-x-rp+f5"
"""Not among the recogniser's own."""
LONG = (
    "We are open from nine in the morning until five in the afternoon on Monday, Tuesday, Wednesday, Thursday and "
    "Friday, and on Saturday from ten until two, but never on Sundays or on public holidays."
)


async def answered(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    await made.ready(phone)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected")
    return str(connected["call_id"])


async def test_what_a_caller_says_becomes_a_turn_a_chunk_a_partial_and_words_in_this_order() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        call_id = await answered(made, phone, watch)
        await phone.call("call.speak", text="Hello.", wait="spoken")
        await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=25)
        speech = await watch.wait("call.speech")
        assert speech["understood"] and speech["text"] == "what are your opening hours"
        assert speech["engine"] == "phrases" and 0 < speech["confidence"] <= 1 and speech["turn"] == 1
        told = ["call.turn_start", "call.chunk", "call.turn_end", "call.speech"]
        names = [event.name for event in watch.seen if event.name in told]
        assert names == told
        assert (await watch.wait("call.partial"))["text"] == speech["text"]
        chunk = watch.named("call.chunk")[0].params
        assert "audio" not in chunk
        ogg = await phone.call("call.chunk_audio", call_id=call_id, chunk=chunk["chunk"])
        assert base64.b64decode(ogg["audio"])[:4] == b"OggS" and ogg["duration_ms"] == chunk["duration_ms"]
        await made.control("far.say", text="please repeat that", voice=VOICE, snr_db=25)
        await watch.wait("call.speech", count=2)
        later = watch.named("call.chunk")[-1].params["chunk"]  # encoded while the caller paused
        ahead = await phone.call("call.chunk_audio", call_id=call_id, chunk=later)
        pcm = await phone.call("call.chunk_audio", call_id=call_id, chunk=later, format="pcm")
        assert later > chunk["chunk"]
        heard, said = decode_audio(base64.b64decode(ahead["audio"]), 8000), base64.b64decode(pcm["audio"])
        assert abs(len(heard) - len(said)) <= 320 and dbfs(heard) == pytest.approx(dbfs(said), abs=1)
        await phone.call("call.hangup")
        wav = await phone.call("call.chunk_audio", call_id=call_id, chunk=chunk["chunk"], format="wav")
        assert base64.b64decode(wav["audio"])[:4] == b"RIFF", "there until a minute after the call"
        record = await phone.call("call.get", call_id=call_id)
        assert [turn["role"] for turn in record["turns"]] == ["bot", "caller", "caller"]


async def test_a_pause_shorter_than_the_end_does_not_end_the_turn_and_words_are_those_of_the_whole() -> None:
    async with station("[media]\nend_silence_ms = 5000\n") as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="please repeat", voice=VOICE)
        await watch.wait("call.chunk")
        await made.control("far.say", text="that now", voice=VOICE)
        end = await watch.wait("call.turn_end")
        assert end["turn"] == 1 and end["chunks"] == 2 and end["silence_ms"] >= 5000
        chunks = watch.named("call.chunk")
        assert [event.params["chunk"] for event in chunks] == [1, 2]
        assert len(watch.named("call.turn_start")) == 1


async def test_what_nobody_declared_is_honestly_not_understood() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="seventeen purple elephants danced on the old wooden bridge", voice=VOICE)
        speech = await watch.wait("call.speech")
        assert speech["understood"] is False and speech["text"] is None


async def test_a_caller_who_interrupts_stops_us_and_we_know_what_was_heard() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await phone.call("call.speak", text=LONG)
        await watch.wait("call.speaking", count=2)
        await asyncio.sleep(1.5)
        said = await made.control("far.say", text="excuse me please", voice=VOICE, wait=False)
        barge = await watch.wait("call.barge_in")
        quiet = await made.control("far.wait_quiet", quiet_ms=500)
        assert LONG.startswith(barge["heard_text"]) and 0 < len(barge["heard_text"]) < len(LONG)
        assert barge["played_ms"] > 1000
        spoken = await watch.wait("call.spoken", count=2)
        assert spoken["completed"] is False and spoken["heard_text"] == barge["heard_text"]
        assert quiet["quiet_since_s"] > said["started_s"], "we spoke until the caller did, and then no more"


async def test_what_must_be_heard_is_not_interrupted() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        speak = phone.call(
            "call.speak", text="This call is recorded, as the law demands of us.", interruptible=False, wait="spoken"
        )
        async with asyncio.TaskGroup() as tasks:
            said = tasks.create_task(speak)
            await watch.wait("call.speaking", count=2)
            await made.control("far.say", text="excuse me please", voice=VOICE)
        assert said.result()["completed"] and watch.named("call.barge_in") == []


async def test_stop_pause_and_replace() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await phone.call("call.speak", text=LONG)
        await watch.wait("call.speaking", count=2)
        await asyncio.sleep(0.8)
        await phone.call("call.pause")
        await made.control("far.wait_quiet", quiet_ms=400)
        await phone.call("call.resume")
        await made.control("far.wait_speech")
        stopped = await phone.call("call.stop")
        assert stopped["stopped"] == 1 and LONG.startswith(stopped["heard_text"])
        await phone.call("call.speak", text=LONG)
        replaced = await phone.call("call.speak", text="Short.", replace=True, wait="spoken")
        assert replaced["completed"] and replaced["heard_text"] == "Short."


async def test_the_recording_has_the_caller_left_and_us_right() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="Hello, this is us.", wait="spoken")
        await made.control("far.say", text="and this is me", voice=VOICE)
        await phone.call("call.hangup")
        ended = await watch.wait("call.ended")
        with wave.open(ended["recording"]) as wav:
            assert (wav.getnchannels(), wav.getframerate(), wav.getsampwidth()) == (2, 8000, 2)
            stereo = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2).astype(np.float64)
        caller, us = (np.abs(stereo[:, side]) > 1500 for side in (0, 1))
        assert caller.any() and us.any()
        assert np.flatnonzero(us)[0] < np.flatnonzero(caller)[0], "we spoke first"


async def test_a_claim_decides_who_speaks() -> None:
    async with station() as made, made.phone("*", name="owner") as (owner, watch):
        await answered(made, owner, watch)
        claim = await owner.call("call.claim", speakers=["helper"])
        async with made.phone(name="helper") as (helper, _), made.phone(name="stranger") as (stranger, _):
            assert (await helper.call("call.speak", text="Hi.", wait="spoken"))["completed"]
            with pytest.raises(dialtone.RpcError) as refused:
                await stranger.call("call.speak", text="Hi.")
            assert refused.value.kind == "claimed"
            spoken = await stranger.call("call.speak", text="Hi.", token=claim["token"], wait="spoken")
            assert spoken["completed"]
            await stranger.call("call.hangup")  # an admin may always


async def test_a_brain_that_dies_is_followed_by_the_next_and_then_by_the_fallback() -> None:
    toml = 'claim_grace_s = 0.5\nfallback_text = "Sorry."'
    async with station(toml) as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="second") as second:
            await second.register_brain(1)
            async with dialtone.connect(made.socket, name="first") as first:
                await first.register_brain(5)
                call_id = await answered(made, phone, watch)
                assert (await phone.call("call.status"))["call"]["holder"] == "first"
            await watch.wait("call.claimed", lambda params: params["holder"] == "second")
            assert (await second.call("call.speak", call_id=call_id, text="I am here.", wait="spoken"))["completed"]
        spoken = await watch.wait("call.spoken", lambda params: params["text"] == "Sorry.")
        assert spoken["completed"]
        assert (await watch.wait("call.ended"))["reason"] == "local_hangup"


async def test_a_brain_that_comes_back_within_the_grace_has_its_call_again() -> None:
    async with station("claim_grace_s = 10.0") as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="bot") as bot:
            await bot.register_brain(5)
            call_id = await answered(made, phone, watch)
        async with dialtone.connect(made.socket, name="bot") as bot:
            registered = await bot.register_brain(5)
            assert registered["calls"] == [call_id]
            assert (await bot.call("call.speak", text="Back.", wait="spoken"))["completed"]


async def test_a_brain_that_withdraws_hands_its_calls_to_the_next_and_may_come_back_for_later_ones() -> None:
    async with (
        station() as made,
        made.phone("*", name="local") as (local, watch),
        dialtone.connect(made.socket, name="bridge") as bridge,
    ):
        await local.register_brain(0)
        await bridge.register_brain(10)
        call_id = await answered(made, local, watch)
        assert (await local.call("call.status"))["call"]["holder"] == "bridge"
        assert (await bridge.withdraw_brain())["calls"] == [call_id]
        await watch.wait("call.claimed", lambda params: params["holder"] == "local")
        with pytest.raises(dialtone.RpcError) as refused:
            await bridge.call("call.speak", call_id=call_id, text="x")
        assert refused.value.kind == "claimed"
        assert (await local.call("call.speak", call_id=call_id, text="Now I.", wait="spoken"))["completed"]
        assert (await bridge.register_brain(10))["calls"] == []  # an answered call stays with whom it is
        await local.call("call.hangup", call_id=call_id)
        await watch.wait("call.ended")
        await made.control("call.incoming", number="+447700900124")
        await watch.wait("call.claimed", lambda params: params["holder"] == "bridge" and params["call_id"] != call_id)


async def test_the_fallback_speaks_when_the_only_brain_withdraws() -> None:
    async with station('fallback_text = "Sorry."') as made, made.phone("*", name="bot") as (bot, watch):
        await bot.register_brain()
        await answered(made, bot, watch)
        await bot.withdraw_brain()
        await watch.wait("call.spoken", lambda params: params["text"] == "Sorry.")
        assert (await watch.wait("call.ended"))["reason"] == "local_hangup"


async def test_silence_is_broken_once_and_then_the_caller_is_let_go() -> None:
    toml = 'silence_limit_s = 1.0\nsilence_text = "Still here."\nfallback_text = "Sorry."'
    async with station(toml) as made, made.phone("*", name="mute") as (mute, watch):
        await mute.register_brain()
        await answered(made, mute, watch)
        await watch.wait("call.spoken", lambda params: params["text"] == "Still here.")
        await watch.wait("call.spoken", lambda params: params["text"] == "Sorry.")
        await watch.wait("call.ended")


async def test_a_brain_configures_the_ringing_call() -> None:
    async with station("configure_wait_s = 20.0", answer_after_rings=1) as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="bot", topics=["call.*"]) as bot:
            await bot.register_brain()
            await made.ready(phone)
            await made.control("call.incoming", number=NUMBER, ring_s=0.3)
            incoming = await watch.wait("call.incoming")
            await bot.call(
                "call.configure",
                call_id=incoming["call_id"],
                greeting="Configured hello.",
                answer_after_rings=3,
                keys={"azure": "hunter2"},
            )
            spoken = await watch.wait("call.spoken")
            assert spoken["text"] == "Configured hello."
            rings = [event.params["ring"] for event in watch.seen if event.name == "call.ring"]
            assert rings[:3] == [1, 2, 3]
        assert "hunter2" not in made.log.read_text()
        assert all("hunter2" not in str(event.params) for event in watch.seen)


async def test_a_recogniser_elsewhere_answers_for_the_brain_that_named_it() -> None:
    async with station("[stt]\nremote_wait_s = 60.0\n") as made, made.phone("*", name="brain") as (brain, watch):
        await brain.register_brain()
        call_id = await answered(made, brain, watch)
        await brain.call("call.configure", stt_engine="remote")
        claim = await brain.call("call.claim", speakers=["bridge"])
        assert claim["call_id"] == call_id
        await brain.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="anything at all", voice=VOICE)
        end = await watch.wait("call.turn_end")
        async with made.phone(name="bridge") as (bridge, _), made.phone(name="stranger") as (stranger, _):
            words = {"call_id": call_id, "turn": end["turn"], "chunk": 1, "text": "anything at all"}
            with pytest.raises(dialtone.RpcError) as refused:
                await stranger.call("stt.result", **words)
            assert refused.value.kind == "claimed"
            await bridge.call("stt.result", **words)
        speech = await watch.wait("call.speech")
        assert speech["text"] == "anything at all" and speech["engine"] == "remote" and speech["understood"]


async def test_a_voice_that_does_not_exist_is_refused_at_once() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        for params in ({"text": "x", "voice": "nobody"}, {"text": "x", "language": "xx-none"}):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call_with("call.speak", params)
            assert refused.value.code == -32602 and refused.value.data["path"] in params


async def test_attach_gives_the_raw_voice_both_ways() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        attached = await phone.call("call.attach")
        assert (attached["rate_hz"], attached["ptime_ms"]) == (8000, 20)
        reader, writer = await asyncio.open_unix_connection(attached["path"])
        try:
            async with asyncio.TaskGroup() as tasks:
                said = tasks.create_task(made.control("far.say", text="can you hear me", voice=VOICE))
                loud = 0
                while not said.done():
                    frame = await reader.readexactly(320)
                    loud = max(loud, max(frame[1::2]) & 0x7F)
            assert loud > 4
            tone = b"".join((8000 if n // 8 % 2 else -8000).to_bytes(2, "little", signed=True) for n in range(160))
            heard = asyncio.timeout(20)
            async with heard, asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(made.control("far.wait_speech"))
                while not listening.done():
                    writer.write(tone)
                    await asyncio.sleep(0.02)
        finally:
            writer.close()
        await watch.wait("call.detached")
        await phone.expect_phrases(PHRASES)
        await made.control("far.say", text="please repeat that", voice=VOICE)
        speech = await watch.wait("call.speech")
        assert speech["text"] == "please repeat that", "the core hears again once nobody is attached"


async def test_transcribe_and_synthesize_work_without_a_call() -> None:
    async with station(emulator=False) as made, made.phone() as (phone, _):
        await phone.expect_phrases(PHRASES)
        made_audio = await phone.call("tts.synthesize", text="please repeat that", voice="en-gb", format="wav")
        found = await phone.call("stt.transcribe", audio=made_audio["audio"])
        assert found["text"] == "please repeat that"
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("stt.transcribe", path="/etc/passwd")
        assert refused.value.kind == "path_refused"
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("stt.transcribe", audio=base64.b64encode(b"junk" * 100).decode())
        assert refused.value.code == -32602


async def test_a_killed_recogniser_costs_one_answer_and_not_the_call() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        assert made.core is not None
        worker = _child_named(made.core.pid, "worker")
        os.kill(worker, signal.SIGKILL)
        await made.control("far.say", text="goodbye", voice=VOICE)
        await watch.wait("call.speech")
        await made.control("far.say", text="please repeat that", voice=VOICE)
        second = await watch.wait("call.speech", count=2)
        assert second["text"] == "please repeat that"


def _child_named(pid: int, word: str) -> int:
    children = [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    for child in children:
        with suppress(FileNotFoundError):  # it has ended meanwhile
            if word in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    raise AssertionError(f"no child of {pid} is a {word}: {children}")


@pytest.mark.timeout(120)
async def test_the_receptionist_survives_a_core_that_is_killed_and_started_again() -> None:
    async with station() as made:
        brain = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "clients.brains.receptionist", "--socket", str(made.socket), cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for kill in (True, False):
                async with made.phone("*") as (phone, watch):
                    async with asyncio.timeout(30):
                        while True:
                            clients = (await phone.call("status"))["clients"]
                            if any(client["brain_priority"] is not None for client in clients):
                                break
                            await asyncio.sleep(0.1)
                    await answered(made, phone, watch)
                    await watch.wait("call.spoken")
                    if kill:
                        await made.stop_core(signal.SIGKILL)
                        await made.start_core()
        finally:
            brain.terminate()
            await brain.wait()
