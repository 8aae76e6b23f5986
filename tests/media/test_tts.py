"""Speech out as calls use it: streams, rates, marks, cancellation, bounds, cache."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded, PublicError
from core.media.sentences import SENTENCE_CHARS_MAX, sentences
from core.media.tts import MAX_STREAMS, TtsService, collect
from core.media.tts_resample import Resampler
from core.media.tts_stream import AHEAD_MS, TtsPiece

TEXT = "Good morning, this is Dialtone. It is a quarter past nine. How can I help you?"


@pytest.fixture
async def service() -> AsyncIterator[TtsService]:
    made = TtsService(TtsConfig())
    await made.start()
    yield made
    await made.close()


async def _pieces(
    service: TtsService, text: str, rate_hz: int = 8000, *, language: str | None = None, voice: str | None = None
) -> list[TtsPiece]:
    stream = service.stream(text, rate_hz=rate_hz, language=language, voice=voice)
    try:
        return [piece async for piece in stream]
    finally:
        await stream.close()


def _kept(service: TtsService, text: str) -> set[str]:
    """The voices in which it lies in memory."""
    return {key.voice for key in service._memory._kept if key.text == text}


def _samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050])
async def test_a_text_becomes_pcm_of_its_length_at_the_asked_rate(service: TtsService, rate_hz: int) -> None:
    pcm, marks = await service.synthesize(TEXT, rate_hz=rate_hz)
    assert len(pcm) % 2 == 0
    assert 4.0 < len(pcm) / 2 / rate_hz < 8.0
    assert [TEXT[mark.char_start : mark.char_end] for mark in marks][:3] == ["Good", "morning", "this"]


async def test_marks_run_through_all_sentences_and_lie_within_the_audio(service: TtsService) -> None:
    pcm, marks = await service.synthesize(TEXT, rate_hz=8000)
    times = [mark.at_ms for mark in marks]
    assert times == sorted(times)
    assert times[-1] < len(pcm) // 16
    assert TEXT[marks[-1].char_start : marks[-1].char_end] == "you"
    quarter = next(mark for mark in marks if TEXT[mark.char_start : mark.char_end] == "quarter")
    before = _samples(pcm[: quarter.at_ms * 16 // 2 * 2])
    assert np.abs(before).max() > 3000  # the first sentence was said by then


async def test_the_first_piece_comes_while_the_rest_is_still_unmade(service: TtsService) -> None:
    stream = service.stream("This is a sentence of a long text. " * 100, rate_hz=8000)
    first = await anext(stream)
    assert 0 < len(first.pcm) <= 8000 * 2 * 0.3
    assert first.marks
    await stream.close()


async def test_a_reader_that_waits_holds_the_synthesis_at_its_bound(service: TtsService) -> None:
    stream = service.stream("This is a sentence of a long text. " * 100, rate_hz=8000)
    await anext(stream)
    other = await service.synthesize("Meanwhile another call is served.", rate_hz=8000)
    assert other[0]
    highest = stream.unread_bytes
    for _ in range(5):
        await service.synthesize(f"Once more, {highest}.", rate_hz=8000)
        highest = max(highest, stream.unread_bytes)
    longest_sentence_bytes = 20 * 16000
    assert AHEAD_MS * 16 <= highest < AHEAD_MS * 16 + longest_sentence_bytes
    rest = [piece async for piece in stream]
    assert sum(len(piece.pcm) for piece in rest) > 100 * 16000
    await stream.close()


async def test_closing_ends_a_stream_at_once_and_frees_the_thread(service: TtsService) -> None:
    stream = service.stream("A text that nobody wants to hear to its end. " * 100, rate_hz=8000)
    await anext(stream)
    await stream.close()
    await stream.close()
    assert [piece async for piece in stream] == []
    async with asyncio.timeout(30):
        assert (await service.synthesize("Next, please.", rate_hz=8000))[0]


async def test_closing_wakes_a_reader(service: TtsService) -> None:
    stream = service.stream("never made to its end. " * 100, rate_hz=8000)

    async def read() -> list[TtsPiece]:
        return [piece async for piece in stream]

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read())
        await asyncio.sleep(0)
        await stream.close()
    assert reader.result() == []


async def test_several_texts_are_made_in_turn(service: TtsService) -> None:
    async with asyncio.TaskGroup() as tasks:
        made = [
            tasks.create_task(service.synthesize(f"This is caller number {number}.", rate_hz=8000))
            for number in range(8)
        ]
    assert all(len(task.result()[0]) > 8000 for task in made)


async def test_the_same_text_is_kept_and_comes_again_from_memory(service: TtsService) -> None:
    first = await service.synthesize(TEXT, rate_hz=8000)
    other = await service.synthesize(TEXT, voice="en-us+f2", rate_hz=8000)
    await service.close()  # nothing can be made any more
    assert await service.synthesize(TEXT, rate_hz=8000) == first
    assert await service.synthesize(TEXT, voice="en-us+f2", rate_hz=8000) == other != first


async def test_the_cache_stays_within_its_bytes() -> None:
    service = TtsService(TtsConfig(cache_bytes=60_000))
    await service.start()
    for number in range(12):
        await service.synthesize(f"Number {number}.", rate_hz=8000)
        assert service._memory.bytes_kept <= 60_000
    assert _kept(service, "Number 11.") == {"en-us"}
    assert not _kept(service, "Number 0.")
    await service.close()


async def test_an_interrupted_text_is_not_kept_as_a_whole_one(service: TtsService) -> None:
    text = "One sentence here. " * 60
    stream = service.stream(text, rate_hz=8000)
    await anext(stream)
    await stream.close()
    assert len((await service.synthesize(text, rate_hz=8000))[0]) > 60 * 8000


def _tone(hz: float, seconds: float = 2.0) -> bytes:
    return (10000 * np.sin(2 * np.pi * hz * np.arange(int(22050 * seconds)) / 22050)).astype("<i2").tobytes()


def _in_chunks(pcm: bytes, chunk_bytes: int) -> bytes:
    resampler = Resampler(22050, 8000)
    chunks = [pcm[start : start + chunk_bytes] for start in range(0, len(pcm), chunk_bytes)]
    return b"".join([*map(resampler.feed, chunks), resampler.feed(b"", last=True)])


@pytest.mark.parametrize("chunk_bytes", [2, 2648, 30000])
def test_chunks_leave_no_trace_in_resampled_speech(chunk_bytes: int) -> None:
    pcm = _tone(440.0, 0.5)
    chunked, whole = _samples(_in_chunks(pcm, chunk_bytes)), _samples(_in_chunks(pcm, len(pcm)))
    assert len(chunked) == len(whole)
    assert np.abs(chunked - whole).max() <= 3  # soxr rounds to 16 bits with a little noise
    steps = np.abs(np.diff(_samples(_in_chunks(pcm, chunk_bytes))[400:-400], 2))
    assert steps.max() < 1.1 * 10000 * (2 * np.pi * 440 / 8000) ** 2


def test_what_is_above_the_lines_band_does_not_come_back_within_it() -> None:
    kept, cut = (np.sqrt(np.mean(_samples(_in_chunks(_tone(hz), 2648))[800:-800] ** 2)) for hz in (3000.0, 5000.0))
    assert kept == pytest.approx(7071, rel=0.02)
    assert cut < 2  # less than -70 dB; the rest is rounding to 16 bits


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("en", "en-us"),
        ("en-GB", "en-gb"),
        ("pt_BR", "pt-br"),
        ("fr", "fr-fr"),
        ("zh", "cmn"),
        ("no", "nb"),
    ],
)
async def test_languages_find_their_voice(service: TtsService, language: str, expected: str) -> None:
    assert await _pieces(service, "1 2 3", language=language)
    assert _kept(service, "1 2 3") == {expected}


async def test_a_configured_voice_that_the_engine_does_not_have_leaves_nobody_mute() -> None:
    """As when a Piper voice is installed beside an espeak voice in core.toml: "auto" is then piper."""
    service = TtsService(TtsConfig(voice="en_GB-alba-medium", language="en"))
    await service.start()
    assert await service.synthesize("1 2 3", rate_hz=8000)
    assert _kept(service, "1 2 3") == {"en-us"}
    await service.close()


async def test_the_configured_voice_is_for_its_own_language() -> None:
    service = TtsService(TtsConfig(voice="en-gb+m3", language="en"))
    await service.start()
    for language, expected in ((None, "en-gb+m3"), ("en", "en-gb+m3"), ("de", "de")):
        await service.synthesize(f"1 2 3 {language}", language=language, rate_hz=8000)
        assert _kept(service, f"1 2 3 {language}") == {expected}
    await service.close()


@pytest.mark.parametrize(
    ("text", "rate_hz", "options", "error"),
    [
        ("x" * 5001, 8000, {}, LimitExceeded),
        ("hello", 8000, {"voice": "nobody"}, InvalidParams),
        ("hello", 8000, {"voice": "../../etc"}, InvalidParams),
        ("hello", 8000, {"language": "xx"}, InvalidParams),
        ("hello", 12345, {}, InvalidParams),
    ],
)
async def test_what_cannot_be_said_is_refused_by_the_iteration(
    service: TtsService, text: str, rate_hz: int, options: dict[str, str], error: type[PublicError]
) -> None:
    stream = service.stream(text, rate_hz=rate_hz, language=options.get("language"), voice=options.get("voice"))
    with pytest.raises(error):
        await anext(stream)
    await stream.close()


def test_engines_that_do_not_exist_or_only_hear_are_known_before_anybody_asks_for_them() -> None:
    config = TtsConfig(engine="whisper", fallback=("parrot", "azure", "piper", "espeak"))
    assert TtsService(config).unknown_engines() == ["whisper", "parrot"]
    assert TtsService(TtsConfig()).unknown_engines() == []


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({"voice": "nobody"}, "No speech engine has such a voice; tts.voices lists them."),
        ({"language": "xx"}, "No speech engine speaks that language."),
        ({"engine": "espeak", "voice": "nobody"}, "The engine espeak has no such voice; tts.voices lists them."),
        ({"engine": "espeak", "language": "xx"}, "The engine espeak doesn't speak that language."),
        ({"engine": "piper"}, "There is no Piper voice in"),
        ({"engine": "piper", "voice": "en_GB-alba-medium"}, "There is no Piper voice in"),
    ],
)
async def test_refusals_say_what_is_wrong_and_what_an_engine_lacks(
    service: TtsService, ask: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALTONE_MODELS", str(tmp_path))
    with pytest.raises(PublicError) as refused:
        await collect(service.stream("hello", rate_hz=8000, fallback=False, **ask))  # type: ignore[arg-type]
    assert refused.value.message.startswith(words)


async def test_too_many_texts_at_once_are_refused_and_then_taken_again(service: TtsService) -> None:
    long = "A rather long sentence for this purpose. " * 40
    streams = [service.stream(f"{number}. {long}", rate_hz=8000) for number in range(MAX_STREAMS)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(LimitExceeded):
        await service.synthesize("one more", rate_hz=8000)
    for stream in streams:
        await stream.close()
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await service.synthesize("one more", rate_hz=8000))[0]
                return
            except LimitExceeded:
                await asyncio.sleep(0.01)


async def test_an_engine_that_is_not_there_is_named_with_those_that_are() -> None:
    service = TtsService(TtsConfig(engine="parrot"))
    await service.start()
    with pytest.raises(EngineMissing, match="espeak"):
        await service.synthesize("hello", rate_hz=8000)
    await service.close()


async def test_closing_the_service_ends_every_stream() -> None:
    service = TtsService(TtsConfig())
    await service.start()
    stream = service.stream("This goes on for a long time. " * 100, rate_hz=8000)
    await anext(stream)
    await service.close()
    with pytest.raises(EngineMissing):
        while True:
            await anext(stream)
    with pytest.raises(EngineMissing):
        await service.synthesize("hello", rate_hz=8000)


@pytest.mark.parametrize("text", ["", " ", "\0", "\n"])
async def test_nothing_to_say_is_an_empty_stream(service: TtsService, text: str) -> None:
    assert await service.synthesize(text, rate_hz=8000) == (b"", ())


async def test_the_loop_is_free_while_speech_is_made(service: TtsService) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.002)
            turns += 1

    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(watch())
        await service.synthesize("Another sentence, and one more. " * 150, rate_hz=16000)
        watcher.cancel()
    assert turns > 5  # of a hundred or so; a loop that waits for the synthesis has one or two


@given(st.text(max_size=900), st.booleans())
def test_sentences_are_the_text_cut_and_none_is_too_long(text: str, early: bool) -> None:
    cut = list(sentences(text, early=early))
    assert "".join(part for _, part in cut) == text
    assert all(0 < len(part) <= SENTENCE_CHARS_MAX for _, part in cut)
    assert all(text[place : place + len(part)] == part for place, part in cut)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One sentence.", ["One sentence."]),
        ("The first one here. And a second.", ["The first one here. ", "And a second."]),
        ("Dr. Who is here now. Yes.", ["Dr. Who is here now. ", "Yes."]),
        ("We sell approx. five of them.", ["We sell approx. five of them."]),
        ("You live in house Nr. 5. Is it so?", ["You live in house Nr. 5. ", "Is it so?"]),
        ("Version 3.5 costs 1.99 today", ["Version 3.5 costs 1.99 today"]),
        ("これは最初の文章です。次の文章です。", ["これは最初の文章です。次の文章です。"]),
        ("A heading without a stop\n\nThen a paragraph", ["A heading without a stop\n\n", "Then a paragraph"]),
    ],
)
def test_sentences_end_where_a_speaker_would_breathe(text: str, parts: list[str]) -> None:
    assert [part for _, part in sentences(text)] == parts


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "We are open from nine in the morning, but on Sundays we are closed all day long.",
            "We are open from nine in the morning, ",
        ),
        (
            "Yes, we are open from nine in the morning, but on Sundays we are closed all day long.",
            "Yes, we are open from nine in the morning, ",
        ),
        ("A short sentence, as such.", "A short sentence, as such."),
        (
            "It costs 1,250 pounds for the whole of the family and the dog.",
            "It costs 1,250 pounds for the whole of the family and the dog.",
        ),
        (
            "Short. Then a longer one, which has a clause and goes on for quite some more words.",
            "Short. Then a longer one, ",
        ),
    ],
)
def test_a_slow_engine_gets_the_first_clause_of_a_long_sentence_by_itself(text: str, first: str) -> None:
    parts = [part for _, part in sentences(text, early=True)]
    assert parts[0] == first and "".join(parts) == text


def test_a_text_without_stops_is_cut_at_commas_or_spaces() -> None:
    text = "word " * 50 + "here, " + "word " * 100
    first = next(sentences(text))[1]
    assert first.endswith("here, ")


async def test_the_engine_is_loaded_when_a_call_is_announced_and_not_before() -> None:
    """In a process of its own: this one has loaded everything long ago."""
    script = """
import asyncio, time
from core.config import TtsConfig
from core.media.tts import TtsService
def loaded():
    return any("espeak" in line for line in open("/proc/self/maps"))
async def main():
    service = TtsService(TtsConfig())
    await service.start()
    await asyncio.sleep(0.3)
    print(loaded())
    service.warm()
    until = time.monotonic() + 30
    while not loaded() and time.monotonic() < until:
        await asyncio.sleep(0.02)
    print(loaded())
    await service.close()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(50):
        out, _ = await process.communicate()
    assert out.decode().split() == ["False", "True"]


@pytest.mark.parametrize("text", ["." * 20_000, "." * 10_000 + '"' * 10_000, " " * 20_000 + "x", " -" * 10_000])
@pytest.mark.parametrize("early", [False, True])
def test_no_text_takes_longer_to_cut_than_its_length_deserves(text: str, early: bool) -> None:
    """It is cut on the loop that paces all calls; these took 5 s."""
    began_s = time.process_time()
    assert "".join(part for _, part in sentences(text, early=early)) == text
    assert time.process_time() - began_s < 0.5
