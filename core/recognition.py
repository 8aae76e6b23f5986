"""Turns to words: the recogniser runs on what was said while the caller may still go on, and its last word counts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.errors import PublicError
from core.events import CallPartial, CallSpeech
from core.log import Log
from core.media.endpoint import Chunk, TurnEnd
from core.media.stt import Transcript
from core.media.stt_trouble import Trouble, told, trouble_of
from core.outbox import Outbox
from core.remote_words import RemoteResult, RemoteTurn, RemoteTurns
from core.speech import SpeechService
from core.store.calls import TurnRow
from core.turn_pieces import TurnPieces

log = Log("recognition")

LOCAL, REMOTE, NONE = "local", "remote", "none"
"""Who hears a call: the core, a client that answers with stt.result, or nobody."""

GIVE_UP_S = 1.0
"""A few turns of the event loop are enough."""

Hearer = asyncio.Task[Transcript | None]


class Recognition:
    """One call's words. Told of each chunk and of the end of each turn; never waits."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        speech: SpeechService,
        outbox: Outbox,
        clock: CallTime,
        group: Callable[[], asyncio.TaskGroup],
    ) -> None:
        self._call, self._format, self._speech = call, pcm_format, speech
        self._outbox, self._clock, self._group = outbox, clock, group
        self._hearer: Hearer | None = None
        self._awaited: set[Hearer] = set()
        self._turn = 0
        self._pieces = TurnPieces(pcm_format, None)
        self._remote = RemoteTurns()
        self._remote_news = asyncio.Event()
        self._over = False
        self._latest: Transcript | None = None
        self._expected: tuple[str, ...] = ()
        self._pending = 0
        self._answered = asyncio.Event()
        self._answered.set()

    async def answered(self, timeout_s: float) -> bool:
        """Whether the words of all turns were told within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

    async def give_up(self) -> None:
        """The call is over and the recogniser too slow: turns without words are told as not understood, now."""
        self._over = True
        self._remote_news.set()
        for hearer in (self._hearer, *self._awaited):
            if hearer is not None:
                hearer.cancel()
        await self.answered(GIVE_UP_S)

    @property
    def latest(self) -> Transcript | None:
        """What was understood of the turn so far; None while the newest chunk has no answer yet."""
        return self._latest

    @property
    def expected(self) -> tuple[str, ...]:
        """Phrases declared for this call, as of the newest chunk."""
        return self._expected

    @property
    def thinking(self) -> bool:
        """A turn is over and its words are not there yet."""
        return self._pending > 0

    @property
    def source(self) -> str:
        """Who hears this call: LOCAL, REMOTE or NONE."""
        wanted = self._call.settings.stt_engine or self._speech.stt.engine_name
        return wanted if wanted in (REMOTE, NONE) else LOCAL

    # --- chunks -------------------------------------------------------------------------------------------------------

    def chunk(self, chunk: Chunk) -> None:
        """New audio of a turn: heard at once, while the caller may still go on. An older run is worth nothing."""
        self._latest = None
        self._expected = self._speech.phrases_for(self._session)
        self._over = False
        if self._hearer is not None:
            self._hearer.cancel()
            self._hearer = None
        source = self.source
        if chunk.turn != self._turn:
            self._turn = chunk.turn
            self._pieces = TurnPieces(self._format, self._speech.stt.window_s if source == LOCAL else None)
        if source == REMOTE:
            self._remote.chunk(chunk.turn, chunk.chunk, chunk.duration_ms)
        elif source == LOCAL:
            self._pieces.add(chunk.pcm)
            self._hearer = self._group().create_task(self._hear(self._pieces, chunk), name="call.stt")

    @property
    def _session(self) -> int | None:
        claim = self._call.claim
        return claim.session if claim else None

    async def _hear(self, pieces: TurnPieces, chunk: Chunk) -> Transcript | None:
        """Everything of the turn that has no words yet."""
        for piece in pieces.unheard():
            pieces.settle(piece, await self._transcribe(bytes(piece.pcm)))
        found = pieces.joined()
        if found is None:
            return None
        if pieces is self._pieces:
            self._latest = found
        if found.understood or found.problem is None:
            self._partial(chunk.turn, chunk.chunk, found)
        return found

    async def _transcribe(self, pcm: bytes) -> Transcript:
        """Its words; whatever an engine does, the call goes on."""
        language = self._call.settings.language
        started_s = time.monotonic()
        try:
            return await self._speech.transcribe(pcm, self._format.rate_hz, language, self._session)
        except PublicError as problem:
            engine, trouble = str(problem.details.get("engine", LOCAL)), trouble_of(problem)
        except Exception:
            log.exception("the recogniser failed", call_id=self._call.call_id)
            engine, trouble = LOCAL, Trouble.FAILED
        took_ms = round((time.monotonic() - started_s) * 1000)
        log.warning("a turn has no words", call_id=self._call.call_id, engine=engine, reason=trouble)
        return Transcript(None, False, None, language, engine, took_ms, problem=told(engine, trouble))

    def _partial(self, turn: int, chunk: int, found: Transcript) -> None:
        self._outbox.moment(
            CallPartial(
                line=self._call.line,
                call_id=self._call.call_id,
                turn=turn,
                chunk=chunk,
                text=found.text,
                confidence=found.confidence,
                language=found.language,
                engine=found.engine,
                stt_ms=found.took_ms,
                audio_ms=found.audio_ms,
            )
        )

    # --- the end of a turn --------------------------------------------------------------------------------------------

    def end_of_turn(self, end: TurnEnd) -> None:
        """The turn is over: what its last chunk gives is what was said."""
        hearer, self._hearer = self._hearer, None
        self._latest = None
        # Who heard the last chunk has its words, also where somebody else hears the call by now.
        remote = self._remote.turn(end.turn) if self.source == REMOTE and hearer is None else None
        self._turn = max(self._turn, end.turn)
        self._pending += 1
        self._answered.clear()
        self._group().create_task(self._understood(end, hearer, remote), name="call.speech")

    async def _understood(self, end: TurnEnd, hearer: Hearer | None, remote: RemoteTurn | None) -> None:
        """Waits for the words and tells them."""
        asked_s = time.monotonic()
        try:
            found = await (self._words(hearer) if remote is None else self._remote_words(remote))
            self._tell(end, found, round((time.monotonic() - asked_s) * 1000))
        finally:
            self._pending -= 1
            if self._pending == 0:
                self._answered.set()

    async def _words(self, hearer: Hearer | None) -> Transcript | None:
        """What the recogniser found; None where nobody listens."""
        if hearer is None:
            return None
        self._awaited.add(hearer)
        try:
            await asyncio.wait({hearer})
            found = None if hearer.cancelled() else hearer.result()
        finally:
            self._awaited.discard(hearer)
        if found is None:
            return self._nothing(LOCAL, Trouble.CALL_OVER if self._over else Trouble.FAILED)
        return found

    async def _remote_words(self, turn: RemoteTurn) -> Transcript | None:
        """What a client answers within [stt] remote_wait_s; what there is by then, when that is not all."""
        turn.over, turn.told = True, not turn.chunks
        if turn.told:
            return None
        started_s = time.monotonic()
        trouble = Trouble.NO_ANSWER
        try:
            async with asyncio.timeout(self._speech.stt.remote_wait_s):
                while not turn.complete and not self._over:
                    self._remote_news.clear()
                    await self._remote_news.wait()
            trouble = Trouble.CALL_OVER
        except TimeoutError:
            log.info("nobody answered for a turn", call_id=self._call.call_id)
        turn.told = True
        found = self._remote_transcript(turn, round((time.monotonic() - started_s) * 1000))
        return found if turn.complete else replace(found, problem=told(REMOTE, trouble))

    def _remote_transcript(self, turn: RemoteTurn, took_ms: int) -> Transcript:
        text = turn.text() or None
        language = turn.language() or self._call.settings.language
        return Transcript(text, text is not None, turn.confidence(), language, REMOTE, took_ms, turn.audio_ms)

    def _nothing(self, engine: str, trouble: Trouble) -> Transcript:
        return Transcript(None, False, None, self._call.settings.language, engine, 0, problem=told(engine, trouble))

    def result(self, result: RemoteResult) -> None:
        """A remote recogniser's words (stt.result). NotFound for a turn or chunk that never was; NotNow for a turn that
        is told already, and in a call that the core hears itself."""
        turn = self._remote.expecting(result, self._turn)
        if result.final:
            turn.answer(result)
            if not turn.over and not turn.missing:
                self._latest = self._remote_transcript(turn, 0)
            self._remote_news.set()
        found = self._remote_transcript(turn, 0)
        text = turn.text(result) or None
        confidence = result.confidence if not result.final else found.confidence
        self._partial(result.turn, result.chunk, replace(found, text=text, confidence=confidence))

    def _tell(self, end: TurnEnd, found: Transcript | None, latency_ms: int) -> None:
        event = CallSpeech(
            line=self._call.line,
            call_id=self._call.call_id,
            turn=end.turn,
            text=found.text if found else None,
            understood=found.understood if found else False,
            language=found.language if found else None,
            confidence=found.confidence if found else None,
            engine=found.engine if found else None,
            problem=found.problem if found else None,
            duration_ms=end.end_ms - end.start_ms,
            start_ms=end.start_ms,
            end_ms=end.end_ms,
            latency_ms=latency_ms,
            stt_ms=found.took_ms if found else 0,
            audio_ms=found.audio_ms if found else 0,
        )
        self._outbox.fact(event, _row(event))


def _row(event: CallSpeech) -> TurnRow:
    return TurnRow(
        call_id=event.call_id or "",
        ordinal=0,
        turn=event.turn,
        role="caller",
        text=event.text,
        understood=event.understood,
        confidence=event.confidence,
        engine=event.engine,
        language=event.language,
        at_ms=event.start_ms,
        duration_ms=event.duration_ms,
        latency_ms=event.latency_ms,
    )
