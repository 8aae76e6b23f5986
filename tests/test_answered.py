"""Outgoing calls: who took them; how calls end with last words, and by their limits."""

import asyncio
import time
import wave
from pathlib import Path

import numpy as np

import dialtone
from core.media.tones import beep
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"


async def placed(made: Station, phone: dialtone.Phone, watch: Watch, **params: str) -> str:
    await made.ready(phone)
    await made.control("dial.script", outcome="answer", alert_after_s=0.05, answer_after_s=0.1)
    call = await phone.call_with("call.start", {"number": NUMBER, **params})
    await watch.wait("call.connected")
    return str(call["call_id"])


async def test_a_person_a_machine_and_its_beep_are_told_apart(tmp_path: Path) -> None:
    tone = tmp_path / "beep.wav"
    with wave.open(str(tone), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        wav.writeframes(beep(8000, frequency_hz=850, duration_ms=400))
    async with station("detect_within_s = 10.0") as made, made.phone("*") as (phone, watch):
        await placed(made, phone, watch)
        await asyncio.sleep(0.4)  # a person lifts the receiver
        await made.control("far.say", text="Hello?", voice=VOICE)
        told = await watch.wait("call.answered_by")
        assert told["answered_by"] == "human" and not told["beep"] and told["after_ms"] < 10_000
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        await placed(made, phone, watch)
        await watch.wait("call.connected", count=2)
        text = "You have reached the voicemail of Jane Miller. Please leave a message after the tone."
        await made.control("far.say", text=text, voice=VOICE, wait=False)
        await made.control("far.play", wav=str(tone), telephone=False, snr_db=None)  # right behind it
        await watch.wait("call.answered_by", lambda params: params["answered_by"] == "machine" and params["beep"])
        verdicts = [event.params["answered_by"] for event in watch.named("call.answered_by")]
        assert verdicts == ["human", "machine", "machine"]


async def test_detection_is_off_where_a_client_or_the_configuration_says_so_and_for_callers() -> None:
    async with station("detect_within_s = 2.0") as made, made.phone("*") as (phone, watch):
        await placed(made, phone, watch, detect="off")
        await asyncio.sleep(2.5)  # longer than a verdict takes
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        assert watch.named("call.answered_by") == []
        await placed(made, phone, watch)
        told = await watch.wait("call.answered_by")
        assert told["answered_by"] == "silence" and told["after_ms"] <= 2000


async def test_last_words_are_heard_to_their_end_before_the_hang_up(tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    async with station("detect_answer = false") as made, made.phone("*") as (phone, watch):
        await placed(made, phone, watch)
        await phone.call("call.speak", text="One moment.", wait="spoken")
        await made.control("far.record", path=str(heard))
        began_s = time.monotonic()
        await phone.call("call.speak", text="This was the first of two sentences.")
        over = await phone.call("call.hangup", text="And this is the last one. Goodbye.")
        assert over["state"] == "ended" and time.monotonic() - began_s > 2.5
        spoken = [await watch.wait("call.spoken", count=count) for count in (2, 3)]
        assert [each["completed"] for each in spoken] == [True, True]
        await made.control("far.record_stop")
        with wave.open(str(heard)) as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(float)
        loud_s = (
            np.count_nonzero(np.abs(samples.reshape(-1)[: len(samples) // 160 * 160].reshape(-1, 160)).max(1) > 500)
            * 0.02
        )
        said_s = sum(each["played_ms"] for each in spoken) / 1000
        assert loud_s > 0.6 * said_s, "the far end was given them"
        # Also in a call that is so new that its audio is not there yet.
        await placed(made, phone, watch)
        await watch.wait("call.connected", count=2)
        words = "Sorry, wrong number."
        await phone.call("call.hangup", text=words)
        assert (await watch.wait("call.spoken", lambda params: params["text"] == words))["completed"]
        await placed(made, phone, watch)
        await watch.wait("call.connected", count=3)
        await phone.call("call.speak", text="Nobody will hear all of this sentence, " * 5)
        await watch.wait("call.speaking", count=5)
        await phone.call("call.hangup")
        assert not (await watch.wait("call.spoken", count=5))["completed"], "without it, at once"


async def test_a_call_that_is_over_its_time_or_its_turns_is_told_so_and_ended() -> None:
    toml = 'max_duration_s = 10.0\nlimit_notice_s = 5.0\nlimit_text = "Time is up."\ndetect_answer = false'
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await placed(made, phone, watch)
        spoken = await watch.wait("call.spoken", lambda params: params["text"] == "Time is up.")
        ended = await watch.wait("call.ended")
        assert spoken["completed"] and ended["reason"] == "limit" and ended["duration_s"] > 2.0
    async with (
        station('configure_wait_s = 0.1\nmax_turns = 1\nlimit_text = "Enough."') as made,
        made.phone("*", name="bot") as (bot, watch),
    ):
        await bot.register_brain()
        await made.ready(bot)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.connected")
        await bot.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="hello there, how are you", voice=VOICE)
        await watch.wait("call.speech")
        await bot.call("call.speak", text="Fine.", wait="spoken")
        await watch.wait("call.spoken", lambda params: params["text"] == "Enough." and params["completed"])
        assert (await watch.wait("call.ended"))["reason"] == "limit"
