"""When an engine fails or is late within a text: who goes on, what the caller hears of it, who is asked next time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, PublicError, SpeechUnavailable
from core.media.engines import tts_engines
from core.media.tts import Ask, FailedOver, TtsService, TtsStream, collect
from core.media.tts_book import EngineBook
from core.media.tts_job import SpeechJob
from tests.media.engine_folder import engine_folder
from tests.media.tone_engine import CHAR_MS, SOURCES, TROUBLES, ToneEngine, heard

TEXT = "This is the first sentence. Here comes the second one. The third is the last."
FIRST, SECOND, THIRD = "This is the first sentence. ", "Here comes the second one. ", "The third is the last."
CHAIN = TtsConfig(engine="low", fallback=("high", "espeak"), late_s=0.3, gap_s=0.3)


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with engine_folder(tmp_path, monkeypatch, **SOURCES):
        yield


@asynccontextmanager
async def running(config: TtsConfig = CHAIN) -> AsyncIterator[TtsService]:
    service = TtsService(config)
    await service.start()
    try:
        yield service
    finally:
        await service.close()


def engine(name: str) -> ToneEngine:
    found = tts_engines()[name]
    assert isinstance(found, ToneEngine)
    return found


def asked(name: str) -> list[str]:
    return [sentence.text for sentence in engine(name).asked]


async def said(
    service: TtsService, text: str = TEXT, told: list[FailedOver] | None = None, **style: str
) -> dict[str, int]:
    """ms of each engine's tone, of a text that is read as it comes."""
    stream = service.stream(text, rate_hz=8000, style=style, on_failover=None if told is None else told.append)
    pcm, _ = await collect(stream)
    return heard(pcm)


@pytest.mark.usefixtures("tones")
async def test_an_engine_that_works_says_all_of_it_and_the_others_are_not_asked() -> None:
    async with running() as service:
        found = await said(service)
        assert found["low"] == pytest.approx(len(TEXT) * CHAR_MS, abs=40) and found["high"] == 0
        assert asked("high") == []
        assert "".join(asked("low")) == TEXT


@pytest.mark.usefixtures("tones")
@pytest.mark.parametrize("reason", TROUBLES)
async def test_whatever_the_reason_the_next_engine_goes_on_with_the_failing_sentence(reason: str) -> None:
    told: list[FailedOver] = []
    async with running() as service:
        found = await said(service, told=told, low=f"{reason}|second")
    assert told == [FailedOver("low", "high", reason)]
    assert asked("high") == [SECOND, THIRD]
    assert found["low"] == pytest.approx(len(FIRST) * CHAR_MS, abs=40)
    assert found["high"] == pytest.approx(len(SECOND + THIRD) * CHAR_MS, abs=40)


@pytest.mark.usefixtures("tones")
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("hang", "timeout"),
        ("raises", "crashed"),
        ("silent", "truncated"),
        ("odd", "crashed"),
        ("endless", "crashed"),
    ],
)
async def test_an_engine_that_misbehaves_is_an_engine_that_failed(trouble: str, reason: str) -> None:
    told: list[FailedOver] = []
    async with running() as service:
        stream = service.stream(TEXT, rate_hz=8000, style={"low": trouble}, on_failover=told.append)
        async with asyncio.timeout(30):
            pcm, _ = await collect(stream)
    assert [failed.reason for failed in told] == [reason]
    assert heard(pcm)["high"] >= len(SECOND + THIRD) * CHAR_MS
    assert engine("low").ended == len(engine("low").asked), "each sentence's generator is closed"


@pytest.mark.usefixtures("tones")
async def test_what_nobody_has_heard_of_a_broken_sentence_is_said_again_as_a_whole() -> None:
    async with running() as service:
        stream = service.stream(TEXT, rate_hz=8000, style={"low": "hang|second|300"})
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.01)
                if asked("high"):
                    break
            found = heard((await collect(stream))[0])
    assert asked("high") == [SECOND, THIRD]
    assert found["low"] == pytest.approx(len(FIRST) * CHAR_MS, abs=40), "nothing of the second sentence was left"


@pytest.mark.usefixtures("tones")
@pytest.mark.parametrize("first", ["low", "high"])  # high tells where its words are, low does not
async def test_what_was_heard_of_a_broken_sentence_is_not_said_twice(first: str) -> None:
    second = {"low": "high", "high": "low"}[first]
    config = TtsConfig(engine=first, fallback=(second,), late_s=0.3, gap_s=0.3)
    text = "One two three four five six seven eight nine ten eleven twelve thirteen."
    async with running(config) as service:
        await said(service, text, None, **{first: "unreachable||800"})
    [rest] = asked(second)
    assert text.endswith(rest) and text != rest and text[: -len(rest)].endswith(" "), "from the beginning of a word"
    spoken_chars = 800 // CHAR_MS
    if first == "high":
        not_given_chars = 280 // CHAR_MS  # less than a piece, and what the resampler holds
        said_chars = len(text) - len(rest)
        assert spoken_chars - not_given_chars - 8 <= said_chars <= spoken_chars, "the word that broke is said again"
    else:
        assert 0 < len(text) - len(rest) <= spoken_chars, "rather a word too many than one too few"


@pytest.mark.usefixtures("tones")
async def test_words_keep_their_places_when_another_engine_goes_on() -> None:
    config = TtsConfig(engine="low", fallback=("high",))
    async with running(config) as service:
        stream = service.stream(TEXT, rate_hz=8000, style={"low": "unreachable|second"})
        pcm, marks = await collect(stream)
    words = [TEXT[mark.char_start : mark.char_end] for mark in marks]
    assert words == ["Here", "comes", "the", "second", "one.", "The", "third", "is", "the", "last."]
    assert marks[0].at_ms == pytest.approx(len(FIRST) * CHAR_MS, abs=5)
    assert marks[-1].at_ms < len(pcm) // 16


@pytest.mark.usefixtures("tones")
async def test_an_engine_that_failed_is_not_waited_for_by_the_next_text() -> None:
    told: list[FailedOver] = []
    async with running() as service:
        await said(service, low="hang")
        before = len(asked("low"))
        found = await said(service, "Something else to say now.", told=told)
        assert len(asked("low")) == before and found["low"] == 0 and found["high"] > 0
        assert told == [], "it was told when it failed"
        assert service.put_aside() == {"low": "timeout"}


@pytest.mark.usefixtures("tones")
async def test_audio_that_was_kept_is_said_even_when_its_engine_is_out() -> None:
    async with running() as service:
        await said(service)
        await said(service, "Another text to say.", low="unreachable")
        found = await said(service)
        assert found["low"] > 1000 and found["high"] == 0


@pytest.mark.usefixtures("tones")
async def test_a_text_that_two_engines_said_is_not_kept_as_the_work_of_one() -> None:
    async with running() as service:
        await said(service, low="unreachable|second")
        assert service._memory.bytes_kept == 0


@pytest.mark.usefixtures("tones")
async def test_when_every_engine_fails_the_error_says_so_with_the_reason() -> None:
    config = TtsConfig(engine="low", fallback=("high",))
    async with running(config) as service:
        with pytest.raises(SpeechUnavailable) as caught:
            await said(service, low="unreachable", high="rate_limited||0|7")
        found = caught.value.data()
        assert (found["kind"], found["engine"], found["reason"]) == ("speech_unavailable", "high", "rate_limited")
        assert (found["retry"], found["retry_after_s"]) == (True, 7.0)
        assert "sentence" not in caught.value.message


@pytest.mark.usefixtures("tones")
async def test_when_all_are_put_aside_they_are_asked_all_the_same() -> None:
    config = TtsConfig(engine="low", fallback=("high",))
    async with running(config) as service:
        with pytest.raises(SpeechUnavailable):
            await said(service, low="unreachable", high="unreachable")
        assert (await said(service))["low"] > 0, "silence is no better"


@pytest.mark.usefixtures("tones")
async def test_an_engine_without_its_key_is_passed_over_and_has_it_from_the_call() -> None:
    config = TtsConfig(engine="needy", fallback=("high",))
    told: list[FailedOver] = []
    async with running(config) as service:
        await said(service, told=told)
        assert told == [FailedOver("needy", "high", "missing")] and asked("needy") == []
        stream = service.stream("With a key.", rate_hz=8000, keys={"needy_key": "secret"})
        assert heard((await collect(stream))[0])["needy"] > 0, "what one customer lacks another may have"
        assert engine("needy").keys == [{"needy_key": "secret"}]


@pytest.mark.usefixtures("tones")
@pytest.mark.parametrize(
    ("ask", "error", "path"),
    [
        (Ask("", 8000, engine="parrot"), EngineMissing, "engine"),
        (Ask("", 8000, engine="low", voice="high-voice"), InvalidParams, "voice"),
        (Ask("", 8000, engine="low", language="xx"), InvalidParams, "language"),
        (Ask("", 8000, voice="nobody"), InvalidParams, "voice"),
        (Ask("", 8000, engine="needy"), EngineMissing, None),
    ],
)
async def test_what_no_engine_can_do_is_a_typed_error_before_anything_is_said(
    ask: Ask, error: type[PublicError], path: str | None
) -> None:
    async with running() as service:
        with pytest.raises(error) as caught:
            await service.check(ask, complete=True)
        assert caught.value.details.get("path") == path
        await service.check(Ask("", 8000, engine="low", voice="low-voice"), complete=True)


@pytest.mark.usefixtures("tones")
async def test_a_language_that_only_a_broken_voice_speaks_is_said_in_another_rather_than_not_at_all() -> None:
    """espeak, the last of the chain, knows no xx: it takes the language of the voice, or that of the station."""
    async with running(TtsConfig(engine="low", fallback=("espeak",), language="de")) as service:
        told: list[FailedOver] = []
        stream = service.stream(
            "Hello over there.",
            rate_hz=8000,
            language="xx",
            voice="low-voice",
            style={"low": "unreachable"},
            on_failover=told.append,
        )
        assert len((await collect(stream))[0]) > 8000
        assert told == [FailedOver("low", "espeak", "unreachable")]
        with pytest.raises(InvalidParams):
            await service.check(Ask("", 8000, language="xx"))


@pytest.mark.usefixtures("tones")
@pytest.mark.parametrize("wrong", [{"language": "xx"}, {"voice": "of-a-model-that-was-removed"}])
async def test_what_a_call_has_wrong_is_said_by_espeak_and_refused_outside_of_calls(wrong: dict[str, str]) -> None:
    """[call] language = "english", a voice whose file is gone: nobody on the line could tell what is wrong."""
    async with running(TtsConfig(engine="low", fallback=("espeak",))) as service:
        assert len((await collect(service.stream("Hello.", rate_hz=8000, strict=False, **wrong)))[0]) > 4000  # type: ignore[arg-type]
        with pytest.raises(InvalidParams):
            await collect(service.stream("Hello.", rate_hz=8000, **wrong))  # type: ignore[arg-type]


@pytest.mark.usefixtures("tones")
async def test_a_voice_chooses_the_first_engine_that_has_it() -> None:
    async with running() as service:
        stream = service.stream("Hello over there.", rate_hz=8000, voice="high-voice")
        assert heard((await collect(stream))[0])["high"] > 0 and asked("low") == []


@pytest.mark.usefixtures("tones")
async def test_an_engine_named_without_fallback_is_alone() -> None:
    async with running() as service:
        with pytest.raises(SpeechUnavailable):
            await collect(
                service.stream(TEXT, rate_hz=8000, engine="low", fallback=False, style={"low": "unreachable"})
            )
        assert asked("high") == []


@pytest.mark.usefixtures("tones")
async def test_a_gap_in_a_sentence_counts_only_when_what_was_given_is_played_out() -> None:
    """Two seconds of audio are given at once: a hang behind them has so much time before anybody hears it."""
    told: list[FailedOver] = []
    text = "A first sentence that lasts for a good while, some two seconds or more than that altogether. And the next."
    async with running() as service:
        stream = service.stream(text, rate_hz=8000, style={"low": "hang|next"}, on_failover=told.append)
        began_s = asyncio.get_running_loop().time()
        await collect(stream)
        took_s = asyncio.get_running_loop().time() - began_s
    assert [failed.reason for failed in told] == ["timeout"]
    assert took_s > 0.8, "0.3 s would be a gap that nobody hears"


@pytest.mark.usefixtures("tones")
async def test_an_engine_that_other_texts_keep_busy_is_not_waited_for_and_not_put_aside() -> None:
    async with running() as service:
        long = service.stream(
            "A text that another caller hears for some time now.", rate_hz=8000, style={"low": "slow"}
        )
        await anext(long)
        told: list[FailedOver] = []
        found = await said(service, "Quick.", told)
        assert found["high"] > 0 and [failed.reason for failed in told] == ["timeout"]
        assert service.put_aside() == {}
        await collect(long)


SENTENCES = [f"Sentence number {word} of a longer text. " for word in ("one", "two", "three", "four", "five")]


@pytest.mark.usefixtures("tones")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    broken=st.sampled_from(["one", "two", "three", "four", "five"]),
    at_ms=st.integers(0, 900),
    trouble=st.sampled_from(["unreachable", "silent", "raises"]),
    second=st.sampled_from([None, "two", "four"]),
)
def test_every_sentence_is_heard_once_wherever_it_breaks(
    broken: str, at_ms: int, trouble: str, second: str | None
) -> None:
    """Nothing is read before all is made, so that all of a broken sentence can be taken back."""
    style = {"low": f"{trouble}|{broken}|{at_ms}"} | ({"high": f"unreachable|{second}|{at_ms}"} if second else {})
    ask = Ask("".join(SENTENCES), 8000, style=style)

    async def play() -> tuple[bytes, list[str]]:
        book = EngineBook(TtsConfig(engine="low", fallback=("high", "needy"), late_s=5, gap_s=5))
        stream = TtsStream(8000, ahead_ms=None)
        keyed = replace(ask, keys={"needy_key": "x"})
        told: list[FailedOver] = []
        await SpeechJob(keyed, stream, book, book.config, told.append).run(book.speakers(keyed))
        stream.end()
        return (await collect(stream))[0], [failed.to_engine for failed in told]

    pcm, _ = asyncio.run(play())
    total_ms = len(pcm) // 16
    silent_end = trouble == "silent" and at_ms > 0  # it gave something and ended: nobody can know that more was meant
    if not silent_end:
        assert total_ms == pytest.approx(len("".join(SENTENCES)) * CHAR_MS, abs=30)
    assert sum(heard(pcm).values()) == pytest.approx(total_ms, abs=150)


@pytest.mark.usefixtures("tones")
async def test_settings_and_speed_reach_the_engine() -> None:
    async with running() as service:
        stream = service.stream("Hello there.", rate_hz=8000, style={"speed_wpm": "200", "pitch": "60"})
        await collect(stream)
    [sentence] = engine("low").asked
    assert sentence.speed_wpm == 200 and sentence.style["pitch"] == "60" and sentence.voice == "low-voice"
