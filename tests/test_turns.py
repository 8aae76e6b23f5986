"""Turn taking on a whole station: what the caller's words do to the end of a turn, and which detector hears them."""

import asyncio
from pathlib import Path

from tests.media import tiny_vad
from tests.station import station
from tests.test_talking import NUMBER, VOICE, answered

PHRASES = ["what are your opening hours", "i would like to leave a message", "oh one five one"]


async def test_a_whole_phrase_that_a_client_expects_ends_the_turn_sooner_and_says_so() -> None:
    """The phrase engine has the time between the two thresholds for its answer."""
    async with station("[media]\nend_silence_ms = 5000\n") as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=30)
        end = await watch.wait("call.turn_end")
        assert end["reason"] == "complete" and 600 <= end["silence_ms"] < 5000
        assert (await watch.wait("call.speech"))["understood"] is True


async def test_without_adapt_end_the_silence_alone_counts() -> None:
    toml = "[media]\nend_silence_ms = 900\nadapt_end = false\n"
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=30)
        end = await watch.wait("call.turn_end")
        assert end["reason"] == "silence" and end["silence_ms"] >= 900


async def test_a_caller_who_goes_on_after_a_chunk_is_told_before_the_end() -> None:
    """A relay that prepared an answer takes it back by this."""
    async with (
        station("[media]\nend_silence_ms = 5000\nchunk_silence_ms = 300\n") as made,
        made.phone("*") as (
            phone,
            watch,
        ),
    ):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.say", text="please repeat", voice=VOICE)
        await watch.wait("call.chunk")
        await made.control("far.say", text="that now", voice=VOICE)
        resumed = await watch.wait("call.turn_resumed")
        await watch.wait("call.turn_end")
        names = [e.name for e in watch.seen if e.name in ("call.turn_start", "call.turn_resumed", "call.turn_end")]
        assert names[0] == "call.turn_start" and names[1] == "call.turn_resumed" and names[-1] == "call.turn_end"
        start = watch.named("call.turn_start")[0].params
        assert resumed["turn"] == start["turn"] == 1 and resumed["at_ms"] > start["at_ms"]


async def test_keys_of_the_caller_are_no_turn() -> None:
    """The modem may tell keys by itself or not: the tones are in the audio here."""
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        await made.control("far.dtmf", digits="4711")
        await watch.wait("call.dtmf", count=4)
        await made.control("far.say", text="please repeat", voice=VOICE)
        start = await watch.wait("call.turn_start")
        assert start["turn"] == 1
        assert len(watch.named("call.turn_start")) == 1


async def test_a_detector_without_its_model_is_replaced_and_health_says_why(tmp_path: Path) -> None:
    toml = f'[media]\nvad = "silero"\nmodels_dir = "{tmp_path}"\n'
    async with station(toml) as made, made.phone("*") as (phone, _):
        await made.ready(phone)
        health = await phone.call("health")
        assert health["status"] == "ok" and health["problems"] == [], "calls are taken all the same"
        (note,) = health["notes"]
        assert "silero" in note and "webrtc" in note and str(tmp_path) in note
        status = await phone.call("status")
        assert status["engines"]["vad"] == "webrtc" and status["alarms"] == []


async def test_a_neural_detector_hears_a_call() -> None:
    """A model of the test's own, by the real runtime, in the real call."""
    async with station(core=False) as made:
        tiny_vad.silero(made.dir / "silero_vad.onnx")
        made.config.write_text(made.config.read_text() + f'\n[media]\nvad = "silero"\nmodels_dir = "{made.dir}"\n')
        await made.start_core()
        async with made.phone("*") as (phone, watch):
            await made.ready(phone)
            async with asyncio.timeout(30):
                while True:
                    if (await phone.call("status"))["engines"]["vad"] == "silero":
                        break
                    await asyncio.sleep(0.05)
            assert (await phone.call("health"))["notes"] == []
            await made.control("call.incoming", number=NUMBER, ring_s=0.3)
            await watch.wait("call.connected")
            await phone.call("call.speak", text="a", wait="spoken")
            await made.control("far.say", text="please repeat that", voice=VOICE)
            end = await watch.wait("call.turn_end")
            assert end["turn"] == 1 and end["silence_ms"] >= 600
