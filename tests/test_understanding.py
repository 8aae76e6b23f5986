"""What becomes of a caller's words, from the outside: engines that work, fail and hang, clients that answer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import dialtone
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
        async with asyncio.timeout(20):
            while not named(await phone.call("stt.engines"), "whisper")["loaded"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await watch.wait("call.connected")
        await phone.call("call.speak", text="a", wait="spoken")
        speech = await heard(made, watch)
        assert (speech["text"], speech["engine"], speech["problem"]) == ("book a table", "whisper", None)
        assert 0 < speech["confidence"] <= 1


async def test_an_engine_that_hangs_costs_neither_the_call_nor_the_words() -> None:
    async with station('[stt]\nengine = "hangs"\ntimeout_s = 2.5') as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        speech = await heard(made, watch)
        assert (speech["understood"], speech["text"], speech["problem"]) == (False, None, "hangs: timeout")
        assert watch.named("call.partial") == [], "there was nobody to stand in, without phrases"
        await phone.expect_phrases(PHRASES)
        speech = await heard(made, watch, count=2)
        assert (speech["text"], speech["engine"], speech["problem"]) == (PHRASES[0], "phrases", "hangs: timeout")
        assert (await phone.call("call.speak", text="still here", wait="spoken"))["completed"]


async def test_a_client_answers_for_turns_and_what_it_leaves_open_is_told() -> None:
    async with (
        station("[stt]\nremote_wait_s = 1.5\n[media]\nend_silence_ms = 1800") as made,
        made.phone("*") as (phone, watch),
    ):
        call_id = await answered(made, phone, watch)
        await phone.call("call.configure", call_id=call_id, stt_engine="remote")
        await nobody_answers(made, phone, watch, call_id)
        await chunk_by_chunk(made, phone, watch, call_id)
        await made.control("far.say", text="goodbye", voice=VOICE)
        await watch.wait("call.turn_end", count=3)
        await made.control("far.hangup")
        speech = await watch.wait("call.speech", count=3)
        assert (speech["understood"], speech["problem"]) == (False, "remote: call_over")
        await watch.wait("call.ended")
        record = await phone.call("call.get", call_id=call_id)
        assert [turn["role"] for turn in record["turns"]] == ["bot", "caller", "caller", "caller"]


async def nobody_answers(made: Station, phone: dialtone.Phone, watch: Watch, call_id: str) -> None:
    speech = await heard(made, watch)
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
    known = len(watch.named("call.chunk"))
    await made.control("far.say", text="an appointment please", voice=VOICE)
    await watch.wait("call.chunk", count=known + 1)
    await made.control("far.say", text="tomorrow morning", voice=VOICE)
    await watch.wait("call.chunk", count=known + 2)
    chunks = [event.params for event in watch.named("call.chunk")][known:]
    assert chunks[0]["turn"] == chunks[1]["turn"]
    words = {"call_id": call_id, "turn": chunks[0]["turn"]}
    first, second = ({"chunk": chunk["chunk"]} for chunk in chunks)
    await phone.call_with("stt.result", words | second | {"text": "tomor", "final": False})
    await phone.call_with("stt.result", words | second | {"text": "tomorrow", "confidence": 0.8})
    assert len(watch.named("call.speech")) == 1, "the first chunk is still open"
    await phone.call_with("stt.result", words | first | {"text": "an appointment", "language": "en-GB"})
    speech = await watch.wait("call.speech", count=2)
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


async def test_a_core_that_is_to_hear_with_an_unknown_engine_does_not_start() -> None:
    with pytest.raises(AssertionError, match="ended with 2|deepspeech"):
        async with station('[stt]\nengine = "deepspeech"', emulator=False):
            pass


def named(listed: dict[str, Any], name: str) -> dict[str, Any]:
    return next(engine for engine in listed["engines"] if engine["name"] == name)
