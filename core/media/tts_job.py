"""One text in the making: sentence by sentence, engine by engine, at the rate that was asked for.

When an engine fails or is late, the next one goes on with the sentence that failed. What of it nobody has read yet is
taken back and said again; what was read of it is not said twice: the next engine goes on at the word where it broke.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, PublicError, SpeechUnavailable
from core.log import Log
from core.media import spoken_words
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed, Trait
from core.media.sentences import sentences
from core.media.speech_cache import Made
from core.media.spoken import Spoken, read_out
from core.media.tts_ask import Ask, FailedOver, Priority
from core.media.tts_book import EngineBook, Speaker
from core.media.tts_sentence import SentenceAudio
from core.media.tts_stream import TtsPiece, TtsStream
from core.media.tts_turns import Turn

log = Log("tts")

LONE_S = 20.0
"""The patience with an engine after which there is no other, and the most that there is with any."""
LEAD_S = 0.5
"""So long before what was given is played out the next engine is asked: what a quick one needs to begin."""
CHAR_MS = 65.0
"""15 characters a second, while an engine's own pace is not known."""
PACE_CHARS = 60


class _Busy(SpeechFailed):
    """No fault of the engine's: it is not put aside for it."""


class SpeechJob:
    """`run` in a task of its own."""

    def __init__(
        self,
        ask: Ask,
        stream: TtsStream,
        book: EngineBook,
        config: TtsConfig,
        on_failover: Callable[[FailedOver], None] | None,
    ) -> None:
        self._ask, self._stream, self._book, self._config = ask, stream, book, config
        self._on_failover = on_failover
        self._place = 0
        self._made: list[TtsPiece] = []
        self._made_bytes = 0
        self._began_s: float | None = None
        self._probing = False

    async def run(self, speakers: tuple[Speaker, ...]) -> tuple[Speaker, Made] | None:
        """All of it and who said it, if one engine said all. PublicError when nobody could say it to its end."""
        usable = self._book.now(speakers)
        before: tuple[Speaker, SpeechFailed] | None = None
        for number, speaker in enumerate(usable, 1):
            if before is not None:
                self._announce(before[0], speaker, before[1])
            try:
                await self._speak_rest(speaker, alone=number == len(usable))
            except SpeechFailed as problem:
                if not isinstance(problem, _Busy):
                    self._book.failed(speaker, problem)
                before = speaker, problem
                continue
            return (speaker, self._whole()) if before is None else None
        assert before is not None
        raise _public(*before)

    def _whole(self) -> Made:
        marks = tuple(mark for piece in self._made for mark in piece.marks)
        return Made(b"".join(piece.pcm for piece in self._made), marks)

    def _announce(self, before: Speaker, after: Speaker, problem: SpeechFailed) -> None:
        log.info("another speech engine goes on", engine=after.name, before=before.name, reason=str(problem.reason))
        if self._on_failover is not None:
            self._on_failover(FailedOver(before.name, after.name, str(problem.reason)))

    async def _speak_rest(self, speaker: Speaker, *, alone: bool) -> None:
        if (reason := speaker.synthesiser.missing(self._ask.keys)) is not None:
            raise SpeechFailed(Failure.MISSING, reason)
        self._probing = self._book.probe(speaker)
        rest = self._ask.text[self._place :]
        for place, sentence in sentences(rest, early=Trait.QUICK not in speaker.traits):
            if sentence.strip():
                last = not rest[place + len(sentence) :].strip()
                spoken = await self._read_out(sentence, speaker)
                await self._stream.room()
                while not await self._sentence(speaker, sentence, spoken, last=last, alone=alone):
                    await self._stream.room()
            self._place += len(sentence)
        self._book.aside.worked(speaker.who)

    async def _read_out(self, sentence: str, speaker: Speaker) -> Spoken:
        if not self._config.normalise:
            return Spoken(sentence)
        if any(char.isdigit() for char in sentence) and not spoken_words.loaded():
            await asyncio.to_thread(spoken_words.load)
        traits = speaker.traits
        return read_out(
            sentence,
            speaker.language,
            numbers=not traits & {Trait.READS_NUMBERS, Trait.READS_ALL},
            amounts=Trait.READS_ALL not in traits,
        )

    async def _sentence(self, speaker: Speaker, text: str, spoken: Spoken, *, last: bool, alone: bool) -> bool:
        """False: it gave way to a more urgent one, and nothing of it was heard."""
        audio = SentenceAudio(text, self._place, self._made_bytes * 500 // self._ask.rate_hz, spoken, self._ask.rate_hz)
        sentence = Sentence(spoken.text, speaker.voice, speaker.language, speaker.speed_wpm, last, self._ask.style)
        allowance = asyncio.timeout(None)
        turn = await self._turn(speaker, alone)
        try:
            async with allowance:
                if self._ask.priority < Priority.NORMAL:  # others have somebody who waits for them
                    turn.give_way = lambda: self._give_way(audio, allowance)
                if not (alone or self._probing) and (reason := self._book.out(speaker)) is not None:
                    raise SpeechFailed(reason, "it failed for another text meanwhile")
                await self._pull(speaker.synthesiser.speak(sentence, self._ask.keys), audio, alone)
                if audio.given_up:
                    await asyncio.sleep(LONE_S)  # until the allowance's end reaches us, which is now
        except TimeoutError:
            return False
        except SpeechFailed:
            self._broke(audio)
            raise
        finally:
            speaker.turns.leave(turn)
        if not alone and audio.made_bytes == 0 and any(char.isalnum() for char in text):
            raise SpeechFailed(Failure.TRUNCATED, "it gave no audio for a sentence")
        return True

    async def _turn(self, speaker: Speaker, alone: bool) -> Turn:
        """_Busy when other texts keep the engine for so long that the caller would hear a gap."""
        patient = alone or self._ask.priority < Priority.NORMAL
        try:
            async with asyncio.timeout(None if patient else self._patience_s(alone)):
                return await speaker.turns.take(self._ask.priority)
        except TimeoutError:
            raise _Busy(Failure.TIMEOUT, "other texts keep it busy") from None

    async def _pull(self, pieces: AsyncIterator[EnginePiece], audio: SentenceAudio, alone: bool) -> None:
        try:
            while (piece := await _next(pieces, self._patience_s(alone))) is not None:
                for made in audio.feed(piece):
                    self._give(made, audio)
        finally:
            await _close(pieces)
        for made in audio.end():
            self._give(made, audio)

    def _patience_s(self, alone: bool) -> float:
        """How long to wait for the next piece. Behind the first one only a gap matters that somebody would hear."""
        if alone:
            return LONE_S
        if self._began_s is None:
            return self._config.late_s
        played_out_s = self._began_s + self._made_bytes / (2 * self._ask.rate_hz)
        return min(max(self._config.gap_s, played_out_s - time.monotonic() - LEAD_S), LONE_S)

    def _give(self, piece: TtsPiece, audio: SentenceAudio) -> None:
        if audio.given_up:
            return
        if self._began_s is None and piece.pcm:
            self._began_s = time.monotonic()
        self._made.append(piece)
        self._made_bytes += len(piece.pcm)
        self._stream.give(piece)

    # --- when a sentence ends before its end --------------------------------------------------------------------------

    def _give_way(self, audio: SentenceAudio, allowance: asyncio.Timeout) -> None:
        """Only what nobody has begun to hear is made again later."""
        if not audio.given_up and self._stream.unread_pieces >= audio.pieces:
            self._withdraw(audio)
            audio.given_up = True
            allowance.reschedule(asyncio.get_running_loop().time())

    def _withdraw(self, audio: SentenceAudio) -> int:
        """Takes back what nobody has read; how many bytes were read."""
        taken = self._stream.take_back(audio.pieces)
        if taken:
            del self._made[-taken:]
        self._made_bytes -= audio.bytes_of(taken)
        return audio.made_bytes - audio.bytes_of(taken)

    def _broke(self, audio: SentenceAudio) -> None:
        if audio.given_up:
            return  # it was taken back as a whole; what is unread now is of the sentences before
        heard_bytes = self._withdraw(audio)
        before_ms = (self._made_bytes - heard_bytes) * 500 / self._ask.rate_hz
        char_ms = before_ms / self._place if self._place >= PACE_CHARS else CHAR_MS
        self._place += audio.heard_chars(heard_bytes, char_ms)


async def _next(pieces: AsyncIterator[EnginePiece], patience_s: float) -> EnginePiece | None:
    """None after the last. SpeechFailed, also for whatever else an engine raises."""
    try:
        async with asyncio.timeout(patience_s):
            return await anext(pieces)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise SpeechFailed(Failure.TIMEOUT, f"no audio within {patience_s:.1f} s") from None
    except SpeechFailed:
        raise
    except Exception:  # an engine is a guest: its mistake costs one sentence, and the next engine says that
        log.exception("a speech engine raised what it must not")
        raise SpeechFailed(Failure.CRASHED, "the engine has a mistake; the daemon's log shows it") from None


async def _close(pieces: AsyncIterator[EnginePiece]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        try:
            await close()
        except Exception:
            log.exception("a speech engine did not end well")


def _public(speaker: Speaker, problem: SpeechFailed) -> PublicError:
    match problem.reason:
        case Failure.MISSING:
            return EngineMissing(problem.text)
        case Failure.NO_VOICE:
            return InvalidParams(f"The engine {speaker.name} has no such voice.", path="voice")
        case _:
            return SpeechUnavailable(
                retry_after_s=problem.retry_after_s, engine=speaker.name, reason=str(problem.reason)
            )
