"""Voicemail from the outside: who gets there, what is kept, what survives a kill, what clients can do with it."""

import asyncio
import base64
import io
import signal
import sqlite3
import sys
import wave
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import dialtone
from core.media.wav import wav_header
from tests.station import ROOT, Station, Watch, station

NUMBER = "+447700900123"
PHRASES = ["please call me back tomorrow", "goodbye"]
VOICE = "en-gb-x-rp+f5"
TOML = (
    'configure_wait_s = 0.1\nvoicemail = "no_brain"\nvoicemail_greeting = "Go on."\nvoicemail_thanks = "Thanks."\n'
    "voicemail_silence_s = 5.0"
)


async def ring(made: Station, phone: dialtone.Phone) -> None:
    await made.ready(phone)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)


async def until(true: Callable[[], bool]) -> None:
    """Waits for something that tells nobody."""
    async with asyncio.timeout(40):
        while not true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


async def tone_heard(made: Station, watch: Watch) -> None:
    """The greeting and the tone are over: an utterance with words, then one without."""
    await watch.wait("call.spoken", lambda params: params["text"] == "Go on.")
    await watch.wait("call.spoken", lambda params: params["text"] is None)


def messages(made: Station) -> list[Path]:
    return sorted((made.dir / "voicemail").glob("*"))


async def command(made: Station, *words: str) -> str:
    """What `dialtone voicemail …` prints."""
    program = (
        "import sys; from clients.cli.main import _run; from clients.cli.voicemail import COMMAND; "
        "sys.exit(_run('voicemail', COMMAND, sys.argv[1:]))"
    )
    arguments = (sys.executable, "-c", program, "--socket", str(made.socket), *words)
    child = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    assert child.returncode == 0, words
    return out.decode()


@pytest.mark.timeout(120)
async def test_without_a_brain_the_caller_leaves_a_message_that_is_kept_told_once_and_deleted_on_request() -> None:
    async with station(TOML) as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await ring(made, phone)
        connected = await watch.wait("call.connected")
        await tone_heard(made, watch)
        assert (await phone.call("call.status"))["call"]["handled"] == "voicemail"
        await made.control("far.say", text="please call me back tomorrow", voice=VOICE)
        await watch.wait("call.spoken", lambda params: params["text"] == "Thanks.")
        assert (await watch.wait("call.ended"))["reason"] == "local_hangup"
        told = await watch.wait("voicemail.received")
        assert told["number"] == NUMBER and told["call_id"] == connected["call_id"] and not told["partial"]
        assert told["text"] == "please call me back tomorrow" and told["duration_s"] > 2
        page = await phone.call("voicemail.list")
        assert page["unheard"] == 1 and [each["text"] for each in page["voicemails"]] == [told["text"]]
        voicemail_id = page["voicemails"][0]["voicemail_id"]
        found = await phone.call("voicemail.audio", voicemail_id=voicemail_id)
        with wave.open(io.BytesIO(base64.b64decode(found["audio"]))) as wav:
            assert (wav.getnchannels(), wav.getframerate()) == (1, 8000)
            samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        assert np.abs(samples.astype(float)).max() > 3000, "the caller is in it"
        named = await phone.call("voicemail.audio", voicemail_id=voicemail_id, file=True)
        assert [str(path) for path in messages(made)] == [named["path"]]
        listed = await command(made, "list", "--new")
        assert voicemail_id in listed and NUMBER in listed and "please call me back tomorrow" in listed
        assert "s written" in await command(made, "export", voicemail_id, str(made.dir / "message.ogg"))
        assert (made.dir / "message.ogg").read_bytes()[:4] == b"OggS"
        heard = await phone.call("voicemail.mark_heard", voicemail_id=voicemail_id)
        assert heard["heard_at"] and (await phone.call("voicemail.list", unheard=True))["voicemails"] == []
        assert await command(made, "delete", voicemail_id) == "deleted\n"
        assert messages(made) == [] and (await phone.call("voicemail.list"))["voicemails"] == []
        with pytest.raises(dialtone.RpcError) as gone:
            await phone.call("voicemail.audio", voicemail_id=voicemail_id)
        assert gone.value.kind == "not_found" and len(watch.named("voicemail.received")) == 1


async def a_message_of(made: Station, seconds: int) -> str:
    """As a caller might have left it."""
    pcm, voicemail_id = bytes(16_000 * seconds), "vm_1795246560_k2fqabcd"
    (made.dir / "voicemail").mkdir(exist_ok=True)
    (made.dir / "voicemail" / f"{voicemail_id}.wav").write_bytes(wav_header(8000, 1, len(pcm)) + pcm)
    with sqlite3.connect(made.dir / "dialtone.db") as connection:
        connection.execute(
            "INSERT INTO voicemails (voicemail_id, call_id, line, withheld, state, duration_s, partial, created_at)"
            " VALUES (?, 'call_1', 'sim', 0, 'received', ?, 0, '2026-01-01T00:00:00Z')",
            (voicemail_id, seconds),
        )
    connection.close()
    return voicemail_id


async def test_a_message_too_long_for_one_answer_is_refused_as_wav_and_given_as_ogg() -> None:
    async with station(TOML) as made, made.phone() as (phone, _):
        voicemail_id = await a_message_of(made, 590)
        for kind in ("wav", "pcm"):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("voicemail.audio", voicemail_id=voicemail_id, format=kind)
            assert refused.value.kind == "limit" and "ogg" in str(refused.value)
        found = await phone.call("voicemail.audio", voicemail_id=voicemail_id, format="ogg")
        assert found["duration_ms"] == 590_000 and base64.b64decode(found["audio"])[:4] == b"OggS"
        with pytest.raises(AssertionError):  # a WAV under a name that promises something else
            await command(made, "export", voicemail_id, str(made.dir / "message.mp3"))


async def test_a_caller_who_says_nothing_leaves_nothing() -> None:
    toml = (
        TOML.replace("5.0", "1.5") + '\nsilence_limit_s = 0.5\nsilence_text = "Still here."\nfallback_text = "Sorry."'
    )
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await ring(made, phone)
        await watch.wait("call.ended")
        texts = [event.params["text"] for event in watch.named("call.spoken")]
        assert texts == ["Go on.", None], "the watch for silence leaves a caller alone who thinks of what to say"
        assert watch.named("voicemail.received") == [] and messages(made) == []


@pytest.mark.timeout(120)
async def test_a_kill_in_mid_message_leaves_what_was_said_told_once_and_forgotten_with_its_number() -> None:
    async with station(TOML.replace("5.0", "20.0")) as made:
        async with made.phone("*") as (phone, watch):
            await ring(made, phone)
            await tone_heard(made, watch)
            await made.control("far.say", text="I have something very important to tell you", voice=VOICE)
            assert (await phone.call("voicemail.list"))["voicemails"] == [], "it is not told before it is over"
            await until(lambda: any(path.stat().st_size > 30_000 for path in messages(made)))
        await made.stop_core(signal.SIGKILL)
        for again in (False, True):
            await made.start_core()
            async with made.phone("*") as (phone, _):
                await until(lambda: told_in(made) == 1)
                (message,) = (await phone.call("voicemail.list"))["voicemails"]
                assert message["partial"] and message["duration_s"] > 1.5 and message["number"] == NUMBER
                found = await phone.call("voicemail.audio", voicemail_id=message["voicemail_id"])
                assert found["duration_ms"] == round(message["duration_s"] * 1000)
                if again:
                    await phone.call("sms.erase", number=NUMBER)
                    assert messages(made) == [] and (await phone.call("voicemail.list"))["voicemails"] == []
            await made.stop_core(signal.SIGKILL)
        assert told_in(made) == 1


def told_in(made: Station) -> int:
    """How many voicemail.received the journal has."""
    connection = sqlite3.connect(made.dir / "dialtone.db")
    try:
        (count,) = connection.execute("SELECT count(*) FROM journal WHERE topic = 'voicemail.received'").fetchone()
        return int(count)
    finally:
        connection.close()


async def test_a_brain_sends_a_call_to_voicemail_and_the_hash_key_skips_the_greeting_and_ends_the_message() -> None:
    toml = TOML.replace("Go on.", "This is a very long greeting, " * 20).replace("5.0", "20.0")
    async with station(toml, answer_after_rings=10) as made, made.phone("*", name="bot") as (bot, watch):
        await bot.register_brain()
        await ring(made, bot)
        incoming = await watch.wait("call.incoming")
        await bot.call("call.to_voicemail", call_id=incoming["call_id"])
        await watch.wait("call.speaking")
        with pytest.raises(dialtone.RpcError) as twice:
            await bot.call("call.to_voicemail")
        assert twice.value.kind == "not_now"
        await made.control("far.dtmf", digits="#")
        await watch.wait("call.spoken", lambda params: params["text"] is None)
        await made.control("far.say", text="this is all", voice=VOICE)
        await made.control("far.dtmf", digits="#")
        await watch.wait("call.spoken", lambda params: params["text"] == "Thanks.")
        assert (await watch.wait("voicemail.received"))["duration_s"] < 19, "the key ended it, not the silence"
        await watch.wait("call.ended")
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.incoming", count=2)
        await bot.call("call.accept")
        await bot.call("call.speak", text="One moment.", wait="spoken")
        await bot.call("call.to_voicemail")
        await watch.wait("call.speaking", lambda params: "very long" in (params["text"] or ""), count=2)


async def test_a_brain_that_goes_in_mid_call_leaves_its_caller_to_voicemail() -> None:
    async with station(TOML + "\nclaim_grace_s = 0.3") as made, made.phone("*") as (phone, watch):
        async with dialtone.connect(made.socket, name="bot") as bot:
            await bot.register_brain()
            await ring(made, phone)
            await watch.wait("call.connected")
            await bot.call("call.speak", text="Hello.", wait="spoken")
            assert (await phone.call("call.status"))["call"].get("handled") is None
        await tone_heard(made, watch)


async def test_after_some_seconds_of_ringing_voicemail_answers_for_a_person_who_does_not() -> None:
    toml = TOML.replace("no_brain", "after_s") + "\nvoicemail_after_s = 1.5"
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await ring(made, phone)
        incoming, connected = await watch.wait("call.incoming"), await watch.wait("call.connected")
        rang = datetime.fromisoformat(connected["at"]) - datetime.fromisoformat(incoming["at"])
        assert rang.total_seconds() > 1.4
        await tone_heard(made, watch)


async def test_a_greeting_of_ones_own_is_heard_and_stays() -> None:
    async with station(TOML) as made:
        async with made.phone() as (phone, _):
            spoken = await phone.call("tts.synthesize", text="This is my own voice", voice="en-gb+m3")
            await phone.call("voicemail.set_greeting", text="My words.")
            assert (await phone.call("voicemail.get_greeting"))["text"] == "My words."
            await phone.call("voicemail.set_greeting", audio=spoken["audio"], line="sim")
        await made.stop_core()
        await made.start_core()
        async with made.phone("*") as (phone, watch):
            assert (await phone.call("voicemail.get_greeting", line="sim"))["audio"]
            await ring(made, phone)
            first = await watch.wait("call.spoken")
            assert first["text"] is None and first["played_ms"] > 700, "the recording, not a text"
            await phone.call("voicemail.set_greeting", line="sim")
            await phone.call("voicemail.set_greeting")
            assert (await phone.call("voicemail.get_greeting", line="sim"))["text"] == "Go on."
