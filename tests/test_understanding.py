"""What becomes of a caller's words, from the outside: engines that work, fail and hang, clients that answer."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

import dialtone
from core.media.codecs import encode_wav
from core.media.wav import wav_header
from tests.media.callers import call
from tests.media.engine_folder import DOES, write_engines
from tests.media.tiny_whisper import write_model
from tests.station import Station, Watch, station

NUMBER = "+447700900123"
VOICE = "en-gb-x-rp+f5"
PHRASES = ["please repeat that", "goodbye"]


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both processes inherit them."""
    write_engines(tmp_path)
    monkeypatch.setenv("DIALTONE_ENGINES", str(tmp_path))
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)


async def answered(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    await made.ready(phone)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected")
    await phone.call("call.speak", text="a", wait="spoken")
    return str(connected["call_id"])


async def heard(made: Station, watch: Watch, count: int = 1, text: str = "please repeat that") -> dict[str, Any]:
    await made.control("far.say", text=text, voice=VOICE)
    return await watch.wait("call.speech", count=count)


async def loaded(phone: dialtone.Phone, engine: str) -> None:
    async with asyncio.timeout(30):
        while not named(await phone.call("stt.engines"), engine)["loaded"]:  # noqa: ASYNC110 - as clients do
            await asyncio.sleep(0.05)


async def test_partials_and_words_tell_their_engine_language_confidence_and_times() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        call_id = await answered(made, phone, watch)
        speech = await heard(made, watch)
        partial, end = await watch.wait("call.partial"), await watch.wait("call.turn_end")
        assert speech["text"] == partial["text"] == PHRASES[0] and speech["problem"] is None
        for told in (speech, partial):
            assert (told["engine"], told["language"]) == ("phrases", "en")
            assert 0.5 <= told["confidence"] <= 1 and told["stt_ms"] > 0 and told["audio_ms"] > 500
        assert 0 < speech["start_ms"] < speech["end_ms"]
        assert speech["end_ms"] - speech["start_ms"] == speech["duration_ms"] <= speech["audio_ms"]
        assert speech["turn"] == partial["turn"] == end["turn"]
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("stt.result", call_id=call_id, turn=speech["turn"], chunk=1, text="something else")
        assert refused.value.kind == "not_now", "nobody asked a client for these words"


async def test_whisper_is_loaded_when_a_call_comes_and_hears_it(tmp_path: Path) -> None:
    pytest.importorskip("pywhispercpp")
    write_model(tmp_path / "ggml-tiny.en.bin", "book a table")
    toml = f'[media]\nmodels_dir = "{tmp_path}"'
    async with station(toml, answer_after_rings=4) as made, made.phone("*") as (phone, watch):
        before = await phone.call("stt.engines")
        assert before["engine"] == "whisper" and not named(before, "whisper")["loaded"]
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.incoming")
        await loaded(phone, "whisper")
        await watch.wait("call.connected")
        await phone.call("call.speak", text="a", wait="spoken")
        speech = await heard(made, watch)
        assert (speech["text"], speech["engine"], speech["problem"]) == ("book a table", "whisper", None)
        assert 0 < speech["confidence"] <= 1


async def test_an_engine_that_hangs_costs_neither_the_call_nor_the_words() -> None:
    async with station('[stt]\nengine = "hangs"\ntimeout_s = 4.0') as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await loaded(phone, "hangs")
        speech = await heard(made, watch)
        assert (speech["understood"], speech["text"], speech["problem"]) == (False, None, "hangs: timeout")
        assert watch.named("call.partial") == [], "there was nobody to stand in, without phrases"
        await phone.expect_phrases(PHRASES)
        speech = await heard(made, watch, count=2)
        assert (speech["text"], speech["engine"]) == (PHRASES[0], "phrases")
        assert speech["problem"] in ("hangs: timeout", "hangs: loading"), "its process was killed and begins anew"
        assert (await phone.call("call.speak", text="still here", wait="spoken"))["completed"]


async def test_a_client_that_took_over_and_does_not_answer_is_told_of() -> None:
    async with station("[stt]\nremote_wait_s = 1.5\n") as made, made.phone("*") as (phone, watch):
        call_id = await answered(made, phone, watch)
        await phone.expect_phrases(PHRASES)
        await made.control("far.say", text=PHRASES[0], voice=VOICE)
        await watch.wait("call.partial")
        await phone.call("call.configure", call_id=call_id, stt_engine="remote")
        speech = await watch.wait("call.speech")
        assert (speech["text"], speech["engine"]) == (PHRASES[0], "phrases"), "heard before a client took over"
        await nobody_answers(made, phone, watch, call_id)


async def test_a_client_answers_chunk_by_chunk_and_what_it_leaves_open_at_the_end_is_told() -> None:
    async with (
        station("[stt]\nremote_wait_s = 60.0\n[media]\nend_silence_ms = 5000") as made,
        made.phone("*") as (phone, watch),
    ):
        call_id = await answered(made, phone, watch)
        await phone.call("call.configure", call_id=call_id, stt_engine="remote")
        await chunk_by_chunk(made, phone, watch, call_id)
        await made.control("far.say", text="goodbye", voice=VOICE)
        await watch.wait("call.turn_end", count=2)
        await made.control("far.hangup")
        speech = await watch.wait("call.speech", count=2)
        assert (speech["understood"], speech["problem"]) == (False, "remote: call_over")
        await watch.wait("call.ended")
        record = await phone.call("call.get", call_id=call_id)
        assert [turn["role"] for turn in record["turns"]] == ["bot", "caller", "caller"]


async def nobody_answers(made: Station, phone: dialtone.Phone, watch: Watch, call_id: str) -> None:
    speech = await heard(made, watch, count=2)
    assert (speech["understood"], speech["engine"], speech["problem"]) == (False, "remote", "remote: no_answer")
    assert speech["latency_ms"] >= 1400 and speech["audio_ms"] > 500
    words = {"call_id": call_id, "turn": speech["turn"], "chunk": watch.named("call.chunk")[-1].params["chunk"]}
    with pytest.raises(dialtone.RpcError) as late:
        await phone.call_with("stt.result", words | {"text": "too late"})
    assert late.value.kind == "not_now"
    with pytest.raises(dialtone.RpcError) as nothing:
        await phone.call_with("stt.result", words | {"turn": 9, "text": "never"})
    assert nothing.value.kind == "not_found"


async def chunk_by_chunk(made: Station, phone: dialtone.Phone, watch: Watch, call_id: str) -> None:
    await made.control("far.say", text="an appointment please", voice=VOICE)
    await watch.wait("call.chunk")
    await made.control("far.say", text="tomorrow morning", voice=VOICE)
    await watch.wait("call.chunk", count=2)
    chunks = [event.params for event in watch.named("call.chunk")]
    assert chunks[0]["turn"] == chunks[1]["turn"]
    words = {"call_id": call_id, "turn": chunks[0]["turn"]}
    first, second = ({"chunk": chunk["chunk"]} for chunk in chunks)
    await phone.call_with("stt.result", words | second | {"text": "tomor", "final": False})
    await phone.call_with("stt.result", words | second | {"text": "tomorrow", "confidence": 0.8})
    assert watch.named("call.speech") == [], "the first chunk is still open"
    await phone.call_with("stt.result", words | first | {"text": "an appointment", "language": "en-GB"})
    speech = await watch.wait("call.speech")
    assert (speech["text"], speech["engine"], speech["problem"]) == ("an appointment tomorrow", "remote", None)
    assert (speech["confidence"], speech["language"]) == (0.8, "en-GB")
    partials = [event.params["text"] for event in watch.named("call.partial")]
    assert partials == ["tomor", "tomorrow", "an appointment tomorrow"]


async def test_the_engines_are_listed_with_what_is_missing() -> None:
    async with station(emulator=False) as made, made.phone() as (phone, _):
        listed = await phone.call("stt.engines")
        assert (listed["engine"], listed["fallback"]) == ("phrases", ["phrases"])
        assert named(listed, "phrases")["active"] and named(listed, "phrases")["needs_phrases"]
        whisper = named(listed, "whisper")
        assert not whisper["available"] and whisper["reason"]
        assert {*DOES, "phrases", "whisper"} == {engine["name"] for engine in listed["engines"]}


@pytest.mark.parametrize("toml", ['[stt]\nengine = "deepspeech"', '[tts]\nfallback = ["parrot"]'])
async def test_a_core_that_is_to_hear_or_speak_with_an_unknown_engine_does_not_start(toml: str) -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        async with station(toml, emulator=False):
            pass


def named(listed: dict[str, Any], name: str) -> dict[str, Any]:
    return next(engine for engine in listed["engines"] if engine["name"] == name)


def recordings(folder: Path) -> dict[str, str]:
    """The same sentence in all kinds of files, and things that are none. Name to path."""
    pcm = call(PHRASES[0])
    mono = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    kinds = {
        "wav8": (8000, "WAV", "PCM_16"),
        "wav44": (44100, "WAV", "FLOAT"),
        "opus": (48000, "OGG", "OPUS"),
        "vorbis": (22050, "OGG", "VORBIS"),
        "flac": (32000, "FLAC", "PCM_24"),
        "mp3": (24000, "MP3", "MPEG_LAYER_III"),
    }
    for name, (rate_hz, kind, subtype) in kinds.items():
        samples = soxr.resample(mono, 8000, rate_hz)
        soundfile.write(folder / name, np.column_stack([samples, samples]), rate_hz, format=kind, subtype=subtype)
    (folder / "empty").touch()
    (folder / "empty_wav").write_bytes(wav_header(8000, 1, 0))
    (folder / "junk").write_bytes(bytes(range(256)) * 400)
    (folder / "text").write_text("not a sound " * 100)
    with (folder / "hour").open("wb") as file:
        file.write(wav_header(8000, 1, 3600 * 16000))
        file.truncate(44 + 3600 * 16000)
    return {path.name: str(path) for path in folder.iterdir()}


async def test_recordings_of_all_kinds_are_heard_and_what_is_none_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    paths = await asyncio.to_thread(recordings, folder)
    toml = f'[media]\nroots = ["{folder}"]'
    async with station(toml, emulator=False) as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        for name in ("wav8", "wav44", "opus", "vorbis", "flac", "mp3"):
            found = await phone.call("stt.transcribe", path=paths[name], job=name)
            assert (found["text"], found["engine"], found["problem"]) == (PHRASES[0], "phrases", None), name
            assert abs(found["duration_ms"] - len(call(PHRASES[0])) // 16) < 120 and found["stt_ms"] > 0
            assert [part["text"] for part in found["segments"]] == [PHRASES[0]]
            told = await watch.wait("stt.progress", lambda params, job=name: params["job"] == job)  # type: ignore[misc]
            assert told["done_ms"] == told["total_ms"] == found["duration_ms"]
        kinds = {"empty": "invalid_params", "empty_wav": "invalid_params", "junk": "invalid_params"}
        for name, kind in (kinds | {"text": "invalid_params", "hour": "limit"}).items():
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("stt.transcribe", path=paths[name])
            assert refused.value.kind == kind, name
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("stt.transcribe", path=paths["wav8"], language="xx-none")
        assert (refused.value.kind, refused.value.data["path"]) == ("invalid_params", "language")


async def test_a_request_that_is_cancelled_stops_the_engine() -> None:
    sound = base64.b64encode(encode_wav(b"".join([call("yes") + bytes(32000)] * 30), 8000)).decode()
    async with station('[stt]\nengine = "slow"', emulator=False) as made, made.phone("*") as (phone, watch):
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(phone.call("stt.transcribe", audio=sound, job="long"))
            await watch.wait("stt.progress")
            asked.cancel()
        short = base64.b64encode(encode_wav(call("yes"), 8000)).decode()
        for job in ("next", "last"):
            assert (await phone.call("stt.transcribe", audio=short, job=job))["text"] == "slow"
            await watch.wait("stt.progress", lambda params, job=job: params["job"] == job)  # type: ignore[misc]
        jobs = [event.params["job"] for event in watch.named("stt.progress")]
        assert "long" not in jobs[jobs.index("next") :], "the rest of it is not heard"
        heard = [event.params for event in watch.named("stt.progress") if event.params["job"] == "long"]
        assert heard[-1]["done_ms"] < heard[-1]["total_ms"]
