"""tts.*: speech outside of calls, texts queued into calls, audio made ahead; engines that fail within a call."""

import asyncio
import base64
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import dialtone
from core.media.tts import MAX_STREAMS
from tests.media.tone_engine import SOURCES
from tests.station import Station, Watch, station
from tests.test_talking import answered

LONG = "This sentence is said for a while, so that others have to wait until it is over."
KEY = "a-secret-of-this-call"


@asynccontextmanager
async def talking(toml: str = "") -> AsyncIterator[tuple[Station, dialtone.Phone, Watch]]:
    """In a call, with its first word said."""
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        yield made, phone, watch


@asynccontextmanager
async def tone_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str) -> AsyncIterator[Station]:
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setenv("DIALTONE_ENGINES", str(tmp_path))
    async with station(toml) as made:
        yield made


async def refused(phone: dialtone.Phone, method: str, **params: Any) -> dialtone.RpcError:
    with pytest.raises(dialtone.RpcError) as caught:
        await phone.call(method, **params)
    return caught.value


async def test_speech_outside_of_calls() -> None:
    """One daemon for all of it."""
    async with station(emulator=False) as made, made.phone() as (phone, _):
        await speech_comes_in_every_format_and_rate_with_the_places_of_its_words(phone)
        await voices_are_listed_by_engine_with_what_each_lacks(phone)
        await what_cannot_be_said_has_its_own_error(phone)


async def speech_comes_in_every_format_and_rate_with_the_places_of_its_words(phone: dialtone.Phone) -> None:
    text = "Call 0170 1234567 now, please."
    for audio_format, rate_hz in (("pcm", 8000), ("wav", 16000), ("ogg", 8000), ("ogg", 16000)):
        found = await phone.call("tts.synthesize", text=text, format=audio_format, rate_hz=rate_hz)
        data = base64.b64decode(found["audio"])
        if audio_format == "pcm":
            samples = np.frombuffer(data, "<i2") / 32768
        else:
            samples, read_hz = soundfile.read(io.BytesIO(data))
            assert audio_format == "ogg" or read_hz == rate_hz
            rate_hz = read_hz
        assert len(samples) / rate_hz == pytest.approx(found["duration_ms"] / 1000, abs=0.1)
        assert np.abs(samples).max() > 0.1
        words = [text[mark["start"] : mark["end"]] for mark in found["marks"]]
        assert words == ["Call", *"01701234567", "now", "please"]
    assert found["duration_ms"] > 4000, "digit by digit, not as one number"


async def voices_are_listed_by_engine_with_what_each_lacks(phone: dialtone.Phone) -> None:
    engines = {found["name"]: found for found in (await phone.call("tts.voices"))["engines"]}
    assert engines["espeak"]["current"] and engines["espeak"]["missing"] is None
    assert {"en-gb", "de", "lt"} <= {voice["name"] for voice in engines["espeak"]["voices"]}
    assert "key" in engines["azure"]["missing"] and engines["azure"]["voices"] == []
    english = (await phone.call("tts.voices", engine="espeak", language="en"))["engines"][0]["voices"]
    assert english and all(voice["language"].startswith("en") for voice in english)
    error = await refused(phone, "tts.voices", engine="parrot")
    assert error.kind == "engine_missing" and "espeak" in error.message


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"text": "x" * 5001}, "limit", "text"),
    ({"text": ""}, "invalid_params", "text"),
    ({"text": "a", "voice": "nobody"}, "invalid_params", "voice"),
    ({"text": "a", "language": "xx"}, "invalid_params", "language"),
    ({"text": "a", "engine": "parrot"}, "engine_missing", "engine"),
    ({"text": "a", "engine": "azure"}, "engine_missing", None),
    ({"text": "a", "rate_hz": 11025}, "invalid_params", "rate_hz"),
    ({"text": "a", "format": "mp3"}, "invalid_params", "format"),
]


async def what_cannot_be_said_has_its_own_error(phone: dialtone.Phone) -> None:
    for params, kind, path in WRONG:
        error = await refused(phone, "tts.synthesize", **params)
        assert error.kind == kind and (path is None or (error.data or {}).get("path") == path), params


async def test_a_synthesis_is_cancelled_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tone_station(tmp_path, monkeypatch, '[tts]\nengine = "low"') as made, made.phone() as (phone, _):
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(
                refused(
                    phone,
                    "tts.synthesize",
                    text="Never said.",
                    job="mine",
                    engine="low",
                    voice_settings={"low": "hang"},
                )
            )
            await asyncio.sleep(0)  # it is sent first
            for _ in range(MAX_STREAMS):  # none of these goes on in the background
                assert (await refused(phone, "tts.synthesize", text=LONG * 2, job="mine", engine="high")).kind == (
                    "invalid_params"
                )
            assert (await phone.call("tts.synthesize", text="Room.", engine="high"))["duration_ms"] > 0
            async with asyncio.timeout(30):
                while True:
                    try:
                        assert (await phone.call("tts.cancel", job="mine"))["cancelled"] == 1
                        break
                    except dialtone.RpcError as error:  # it has not begun yet
                        assert error.kind == "not_found"
        assert asked.result().kind == "cancelled"
        assert (await refused(phone, "tts.cancel", job="mine")).kind == "not_found"
        assert (await refused(phone, "tts.cancel", job="mine", utterance=3)).kind == "invalid_params"


async def test_texts_made_ahead_are_there_after_a_restart() -> None:
    texts = ["One moment, please.", "Good morning, how can I help you?"]
    async with station(emulator=False) as made:
        async with made.phone() as (phone, _):
            assert await phone.call("tts.prefetch", texts=texts) == {"ready": 0, "waiting": 2}
            async with asyncio.timeout(30):
                while (await phone.call("tts.prefetch", texts=texts))["waiting"]:  # noqa: ASYNC110 - as clients do
                    await asyncio.sleep(0.05)
            error = await refused(phone, "tts.prefetch", texts=["a"], voice="nobody")
            assert error.kind == "invalid_params"
        await made.stop_core()
        assert len([name for name in os.listdir(made.dir / "speech") if name.endswith(".speech")]) == 2
        await made.start_core()
        async with made.phone() as (phone, _):
            assert await phone.call("tts.prefetch", texts=texts) == {"ready": 2, "waiting": 0}


async def test_what_is_queued_into_a_call_is_said_by_priority_and_never_cuts_what_is_said() -> None:
    async with talking() as (_, phone, watch):
        await phone.call("tts.queue", text=LONG)
        await watch.wait("call.speaking", count=2)
        await phone.call("call.pause")
        queued = [
            (await phone.call("tts.queue", text=text, priority=priority))["ahead"]
            for text, priority in (("Low.", "low"), ("Normal.", "normal"), ("High.", "high"), ("Higher.", "high"))
        ]
        assert queued == [1, 1, 1, 2]
        await phone.call("call.resume")
        await watch.wait("call.spoken", count=6, timeout_s=40)
        spoken = [event.params for event in watch.named("call.spoken")][1:]
        assert [params["text"] for params in spoken] == [LONG, "High.", "Higher.", "Normal.", "Low."]
        assert all(params["completed"] for params in spoken)


async def test_one_text_is_cancelled_and_the_others_are_said_then_all_are_replaced_and_cancelled() -> None:
    endless = " ".join([LONG] * 4)
    async with talking() as (_, phone, watch):
        said = await phone.call("tts.queue", text=endless)
        await watch.wait("call.speaking", count=2)
        waiting = await phone.call("tts.queue", text="Nobody hears this.")
        await phone.call("tts.queue", text="The last.")
        assert (await phone.call("tts.cancel", utterance=waiting["utterance"]))["cancelled"] == 1
        await asyncio.sleep(0.5)
        cut = await phone.call("tts.cancel", utterance=said["utterance"])
        assert cut["cancelled"] == 1 and endless.startswith(cut["heard_text"]) and cut["played_ms"] > 0
        assert await phone.call("tts.cancel", utterance=said["utterance"]) == {
            "cancelled": 0,
            "heard_text": None,
            "played_ms": 0,
        }
        await watch.wait("call.spoken", lambda params: params["text"] == "The last." and params["completed"])
        ends = {params["text"]: params for params in (event.params for event in watch.named("call.spoken"))}
        assert ends["Nobody hears this."]["heard_text"] == "" and not ends[endless]["completed"]
        await phone.call("tts.queue", text=endless)
        await watch.wait("call.speaking", count=4)
        await phone.call("tts.queue", text=f"Instead. {endless}", replace=True)
        await watch.wait("call.speaking", count=5)
        await phone.call("tts.queue", text="Waiting.")
        assert (await phone.call("tts.cancel"))["cancelled"] == 2, "all of it, without a number"


async def test_an_engine_that_fails_in_a_call_is_followed_by_the_next_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = '[tts]\nengine = "espeak"\nfallback = ["high", "espeak"]\nlate_s = 20.0'
    async with tone_station(tmp_path, monkeypatch, toml) as made, made.phone("*") as (phone, watch):
        call_id = await answered(made, phone, watch)
        error = await refused(phone, "call.configure", tts_engine="parrot")
        assert error.kind == "engine_missing"
        error = await refused(phone, "call.configure", tts_engine="needy")
        assert error.kind == "engine_missing" and "needy_key" in error.message
        await phone.call("call.configure", tts_engine="needy", keys={"needy_key": KEY})
        await phone.call("call.configure", voice_settings={"needy": "rate_limited|second|0|60", "speed_wpm": "180"})
        text = "This is the first sentence of it. Here is the second one. And the third one."
        said = await phone.call("call.speak", text=text, wait="spoken")
        assert said["completed"] and said["heard_text"] == text
        told = await watch.wait("tts.failed_over")
        assert (told["from_engine"], told["to_engine"], told["reason"]) == ("needy", "high", "rate_limited")
        assert told["call_id"] == call_id and told["utterance"] == said["utterance"]
        engines = {found["name"]: found for found in (await phone.call("tts.voices"))["engines"]}
        assert engines["needy"]["put_aside"] == "rate_limited"
        assert KEY not in made.log.read_text() and KEY not in str([event.params for event in watch.seen])


async def test_a_text_that_no_engine_can_say_is_told_so_and_the_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = '[tts]\nengine = "needy"\nfallback = []\n'
    async with tone_station(tmp_path, monkeypatch, toml) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.configure", keys={"needy_key": KEY})
        await phone.call("call.configure", voice_settings={"needy": "unreachable|text|0|0"})
        error = await refused(phone, "call.speak", text="Nobody says this text.", wait="spoken")
        assert error.kind == "speech_unavailable"
        spoken = await watch.wait("call.spoken", lambda params: params["text"] == "Nobody says this text.")
        assert (spoken["completed"], spoken["problem"]) == (False, "speech_unavailable: unreachable")
        assert (await phone.call("call.status"))["active"]
