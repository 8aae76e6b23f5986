"""Turns to words: the recogniser runs on what was said while the caller may still go on, and its last word counts."""

import asyncio
import time
from collections.abc import Callable

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.errors import NotFound, PublicError
from core.events import CallPartial, CallSpeech
from core.log import Log
from core.media.endpoint import Chunk, TurnEnd
from core.media.stt import Transcript
from core.outbox import Outbox
from core.speech import SpeechService
from core.store.calls import TurnRow

log = Log("recognition")

REMOTE, NONE = "remote", "none"
"""stt_engine values for which the core recognises nothing itself: a client answers with stt.result, or nobody does."""

TURN_PCM_MAX_S = 60
"""What the recogniser is given of one turn; a longer turn loses its beginning there, never in the chunks."""

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
        self._turns = 0
        self._turn_pcm = bytearray()
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

    def give_up(self) -> None:
        """The call is over and the recogniser too slow: turns without words are told as not understood."""
        for hearer in (self._hearer, *self._awaited):
            if hearer is not None:
                hearer.cancel()

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

    def chunk(self, chunk: Chunk) -> None:
        """Starts the recogniser on the turn so far while the caller may still go on; an older run is worth nothing."""
        if chunk.turn != self._turns:
            self._turn_pcm.clear()
        self._turns = chunk.turn
        self._latest = None
        claim = self._call.claim
        self._expected = self._speech.phrases_for(claim.session if claim else None)
        self._turn_pcm += chunk.pcm
        del self._turn_pcm[: max(0, len(self._turn_pcm) - self._format.bytes_per_s * TURN_PCM_MAX_S)]
        if self._hearer is not None:
            self._hearer.cancel()
        if self._call.settings.stt_engine in (REMOTE, NONE):
            return
        self._hearer = self._group().create_task(
            self._recognise(bytes(self._turn_pcm), chunk.turn, chunk.chunk), name="call.stt"
        )

    async def _recognise(self, pcm: bytes, turn: int, chunk: int) -> Transcript | None:
        claim, settings = self._call.claim, self._call.settings
        try:
            found = await self._speech.transcribe(
                pcm, self._format.rate_hz, settings.language, claim.session if claim else None
            )
        except PublicError as problem:
            log.warning("the recogniser gave nothing", call_id=self._call.call_id, kind=problem.kind)
            return None
        except Exception:  # an engine's failure must not end the call
            log.exception("the recogniser failed", call_id=self._call.call_id)
            return None
        self._latest = found
        self._outbox.moment(
            CallPartial(
                line=self._call.line,
                call_id=self._call.call_id,
                turn=turn,
                chunk=chunk,
                text=found.text,
                confidence=found.confidence,
            )
        )
        return found

    def end_of_turn(self, end: TurnEnd) -> None:
        """The turn is over: what its last chunk gives is what was said."""
        hearer, self._hearer = self._hearer, None
        self._latest = None
        if self._call.settings.stt_engine == REMOTE:
            return
        self._pending += 1
        self._answered.clear()
        self._group().create_task(self._understood(end, hearer), name="call.speech")

    async def _understood(self, end: TurnEnd, hearer: Hearer | None) -> None:
        """The turn is over: waits for its words and tells them."""
        asked_s = time.monotonic()
        try:
            found = await self._words(hearer)
            self._tell(
                CallSpeech(
                    line=self._call.line,
                    call_id=self._call.call_id,
                    turn=end.turn,
                    text=found.text if found else None,
                    understood=found.understood if found else False,
                    language=found.language if found else None,
                    confidence=found.confidence if found else None,
                    engine=found.engine if found else None,
                    duration_ms=end.end_ms - end.start_ms,
                    latency_ms=round((time.monotonic() - asked_s) * 1000),
                ),
                end.start_ms,
            )
        finally:
            self._pending -= 1
            if self._pending == 0:
                self._answered.set()

    async def _words(self, hearer: Hearer | None) -> Transcript | None:
        """What the recogniser found; None where it found nothing or was given up."""
        if hearer is None:
            return None
        self._awaited.add(hearer)
        try:
            await asyncio.wait({hearer})
            return None if hearer.cancelled() else hearer.result()
        finally:
            self._awaited.discard(hearer)

    def result(self, turn: int, chunk: int, text: str, *, final: bool) -> None:
        """A remote recogniser's words for a turn (stt.result); NotFound for a turn that never was."""
        if not 1 <= turn <= self._turns:
            raise NotFound("There is no such turn in this call.")
        line, call_id = self._call.line, self._call.call_id
        if final:
            event = CallSpeech(
                line=line, call_id=call_id, turn=turn, text=text or None, understood=bool(text), engine=REMOTE
            )
            self._tell(event, self._clock.now_ms)
        else:
            self._outbox.moment(CallPartial(line=line, call_id=call_id, turn=turn, chunk=chunk, text=text))

    def _tell(self, event: CallSpeech, at_ms: int) -> None:
        self._outbox.fact(
            event,
            TurnRow(
                call_id=self._call.call_id,
                ordinal=0,
                turn=event.turn,
                role="caller",
                text=event.text,
                understood=event.understood,
                confidence=event.confidence,
                engine=event.engine,
                language=event.language,
                at_ms=at_ms,
                duration_ms=event.duration_ms,
                latency_ms=event.latency_ms,
            ),
        )
