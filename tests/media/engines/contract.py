"""What every TTS engine keeps, espeak-ng in this process as much as a service across the sea."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from core.media.engines import EnginePiece, Sentence, SpeechFailed, Synthesiser, traits_of, tts_engines
from tests.media.engines.servers import KEY, Service

TEXT = "Good morning, this is Dialtone. How can I help you?"
HARD = [
    "Quotes \" and ' and <b>tags</b> & ampersands, {key} and {text}, %41 and \\n.",
    "Control\x00\x01\x0b\x1f characters, \ud800 half a pair, \ufffe\uffff no characters.",
    "Ąžuolas šoka, 你好, привет, 😀 and [[ phonemes ]].",
    "]]></voice></speak> {{voice}} <![CDATA[ ]]> <!-- -->",
]


@dataclass
class Subject:
    """An engine to be tried. service: the one that it talks to, where it does. keys: those of the call."""

    name: str
    synthesiser: Synthesiser
    voice: str
    service: Service | None = None
    keys: dict[str, str] = field(default_factory=dict)

    def sentence(
        self, text: str = TEXT, *, speed_wpm: int = 165, last: bool = True, style: dict[str, str] | None = None
    ) -> Sentence:
        return Sentence(text, self.voice, "en", speed_wpm, last, style or {})

    async def said(self, text: str = TEXT, *, speed_wpm: int = 165, last: bool = True) -> list[EnginePiece]:
        sentence = self.sentence(text, speed_wpm=speed_wpm, last=last)
        return [piece async for piece in self.synthesiser.speak(sentence, self.keys)]

    async def failure(self, text: str = TEXT) -> SpeechFailed:
        with pytest.raises(SpeechFailed) as failed:
            await self.said(text)
        check_no_secret(failed.value)
        return failed.value


def seconds(pieces: list[EnginePiece]) -> float:
    return sum(len(piece.pcm) / 2 / piece.rate_hz for piece in pieces)


def check_no_secret(problem: BaseException) -> None:
    """Neither in what it says, nor in what a traceback of it would show."""
    shown: BaseException | None = problem
    while shown is not None:
        assert KEY not in repr(shown) + str(shown)
        assert TEXT not in repr(shown) + str(shown)
        shown = None if shown.__suppress_context__ else shown.__context__


class EngineContract:
    """To be run with a fixture `subject`."""

    async def test_a_sentence_becomes_whole_audible_samples_at_one_rate(self, subject: Subject) -> None:
        pieces = await subject.said()
        assert len({piece.rate_hz for piece in pieces}) == 1
        assert all(len(piece.pcm) % 2 == 0 for piece in pieces)
        assert 0.5 < seconds(pieces) < 30
        assert np.abs(np.frombuffer(b"".join(piece.pcm for piece in pieces), "<i2").astype(int)).max() > 2000

    async def test_marks_are_words_of_the_text_in_order_and_within_the_audio(self, subject: Subject) -> None:
        pieces = await subject.said()
        marks = [mark for piece in pieces for mark in piece.marks]
        times = [mark.at_ms for mark in marks]
        assert times == sorted(times)
        assert all(0 <= at_ms <= seconds(pieces) * 1000 for at_ms in times)
        assert [TEXT[mark.char_start : mark.char_end] for mark in marks] in ([], TEXT_WORDS)

    @pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
    async def test_no_text_is_markup_or_a_command(self, subject: Subject, text: str) -> None:
        assert seconds(await subject.said(text)) > 0.1

    @pytest.mark.parametrize("text", ["", "  ", "\n", "\0"])
    async def test_nothing_to_say_is_no_audio(self, subject: Subject, text: str) -> None:
        assert seconds(await subject.said(text)) == 0
        assert subject.service is None or not subject.service.seen

    async def test_a_faster_voice_is_done_sooner(self, subject: Subject) -> None:
        usual, fast = seconds(await subject.said()), seconds(await subject.said(speed_wpm=248))
        assert fast < 0.85 * usual

    async def test_a_sentence_that_others_follow_is_as_long_or_has_a_pause(self, subject: Subject) -> None:
        alone, followed = seconds(await subject.said()), seconds(await subject.said(last=False))
        assert alone * 0.97 <= followed < alone + 1.0

    async def test_a_long_sentence_is_said_to_its_end(self, subject: Subject) -> None:
        long = ("this goes on and on, " * 14).strip()
        assert seconds(await subject.said(long)) > 3 * seconds(await subject.said("this goes on and on"))

    async def test_leaving_in_the_middle_is_quick_and_the_next_sentence_is_said(self, subject: Subject) -> None:
        speaking = subject.synthesiser.speak(subject.sentence("this goes on and on, " * 14), subject.keys)
        await anext(speaking)
        began_s = time.monotonic()
        await speaking.aclose()  # type: ignore[attr-defined]
        assert time.monotonic() - began_s < 15
        assert seconds(await subject.said()) > 0.5

    async def test_a_cancelled_task_leaves_the_engine_usable(self, subject: Subject) -> None:
        async def speak() -> None:
            await subject.said("this goes on and on, " * 14)

        async with asyncio.TaskGroup() as tasks:
            for turns in range(4):
                speaking = tasks.create_task(speak())
                for _ in range(turns * 3):
                    await asyncio.sleep(0)
                speaking.cancel()
        assert seconds(await subject.said()) > 0.5

    async def test_sentences_at_once_do_not_mix(self, subject: Subject) -> None:
        texts = [f"This is caller number {word}." for word in ("one", "two", "three", "four", "five", "six")]
        alone = {text: seconds(await subject.said(text)) for text in texts}
        async with asyncio.TaskGroup() as tasks:
            together = {text: tasks.create_task(subject.said(text)) for text in texts}
        for text in texts:
            assert seconds(together[text].result()) == pytest.approx(alone[text], rel=0.03)

    async def test_a_slow_reader_holds_nobody_up(self, subject: Subject) -> None:
        slow = subject.synthesiser.speak(subject.sentence("this goes on and on, " * 14), subject.keys)
        await anext(slow)
        async with asyncio.timeout(30):
            assert seconds(await subject.said()) > 0.5
        rest = [piece async for piece in slow]
        assert rest or subject.name in ("google", "liepa")  # those give a sentence in one piece

    async def test_voices_have_names_that_may_be_asked_for(self, subject: Subject) -> None:
        voices = await subject.synthesiser.voices(subject.keys)
        assert voices
        for voice in voices:
            assert voice.language
            assert subject.synthesiser.has_voice(voice.name), voice.name

    async def test_a_language_has_a_voice_and_nonsense_has_none(self, subject: Subject) -> None:
        synthesiser = subject.synthesiser
        voice = synthesiser.voice_for("lt" if subject.name == "liepa" else "en")
        assert voice is not None and synthesiser.has_voice(voice)
        assert not synthesiser.has_voice("\n")
        if subject.name != "openai":  # whose voices speak whatever they are given
            assert synthesiser.voice_for("x-klingon-1") is None

    async def test_nothing_is_missing_from_an_engine_that_speaks(self, subject: Subject) -> None:
        assert subject.synthesiser.missing(subject.keys) is None

    async def test_warming_never_raises_and_may_be_repeated(self, subject: Subject) -> None:
        await subject.synthesiser.warm()
        await subject.synthesiser.warm()
        assert seconds(await subject.said()) > 0.5

    async def test_an_engine_may_be_closed_twice_and_used_again(self, subject: Subject) -> None:
        await subject.synthesiser.close()
        assert seconds(await subject.said()) > 0.5
        await subject.synthesiser.close()
        await subject.synthesiser.close()
        assert seconds(await subject.said()) > 0.5

    async def test_closing_ends_what_is_being_said(self, subject: Subject) -> None:
        speaking = subject.synthesiser.speak(subject.sentence("this goes on and on, " * 14), subject.keys)
        await anext(speaking)
        async with asyncio.timeout(30):
            await subject.synthesiser.close()
            with contextlib.suppress(SpeechFailed):
                async for _ in speaking:
                    pass

    async def test_neither_repr_nor_traits_tell_a_secret(self, subject: Subject) -> None:
        assert KEY not in repr(subject.synthesiser) + repr(vars(subject.synthesiser))
        engine = tts_engines()[subject.name]
        assert engine.kind == "tts" and engine.name == subject.name
        assert traits_of(engine) is not None


TEXT_WORDS = ["Good", "morning", "this", "is", "Dialtone", "How", "can", "I", "help", "you"]
