"""What the caller says: frames to turns, turns to words."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.config import MediaConfig
from core.errors import NotFound, PublicError
from core.events import CallChunk, CallPartial, CallSpeech, CallTurnEnd, CallTurnStart
from core.log import Log
from core.media.endpoint import Chunk, Endpoint, Onset, TurnAction, TurnConfig, TurnEnd, TurnStart
from core.media.stt import Transcript
from core.media.tones import DtmfDetector
from core.media.vad import WebRtcVad
from core.outbox import Outbox
from core.speech import SpeechService, encode
from core.store.calls import TurnRow

log = Log("hearing")

CHUNK_BYTES_KEPT = 8 * 1024 * 1024
"""PCM of chunks kept for call.chunk_audio: over eight minutes of the caller's speech; the oldest go first."""
TURN_PCM_MAX_S = 60
"""What the recogniser is given of one turn; a longer turn loses its beginning there, never in the chunks."""
REMOTE, NONE = "remote", "none"
"""stt_engine values for which the core recognises nothing itself: a client answers with stt.result, or nobody does."""

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None]
Hearer = asyncio.Task[Transcript | None]


@dataclass(frozen=True, slots=True)
class KeptChunk:
    """Audio of one chunk: s16le mono."""

    pcm: bytes
    rate_hz: int
    duration_ms: int


class Hearing:
    """One call's ear. `listen` is called once per frame and never waits."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        media: MediaConfig,
        speech: SpeechService,
        outbox: Outbox,
        clock: CallTime,
        group: Callable[[], asyncio.TaskGroup],
    ) -> None:
        self._call, self._format, self._speech = call, pcm_format, speech
        self._outbox, self._clock, self._group = outbox, clock, group
        self._vad = WebRtcVad(pcm_format.rate_hz, media.vad_mode)
        self._endpoint = Endpoint(turn_config(media), pcm_format)
        self._dtmf = DtmfDetector(pcm_format.rate_hz)
        self._chunks: OrderedDict[int, KeptChunk] = OrderedDict()
        self._kept_bytes = 0
        self._turn_pcm = bytearray()
        self._hearer: Hearer | None = None
        self._awaited: set[Hearer] = set()
        self._pending = 0
        self._answered = asyncio.Event()
        self._answered.set()
        self.turns = 0
        self.in_turn = False

    def listen(self, frame: bytes) -> tuple[int | None, list[str]]:
        """One frame of the far end. Gives the place (ms) of a speech onset that may interrupt us, and keys."""
        digits = self._dtmf.feed(frame)
        speech = not self._dtmf.active and self._vad.is_speech(frame)
        onset: int | None = None
        for action in self._endpoint.step(frame, speech):
            if isinstance(action, Onset):
                onset = action.at_ms
            else:
                self._turn(action)
        return onset, digits

    def flush(self) -> None:
        """The call is over: a turn in progress ends."""
        for action in self._endpoint.flush():
            self._turn(action)

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
    def thinking(self) -> bool:
        """A turn is over and its words are not there yet."""
        return self._pending > 0

    def _turn(self, action: TurnAction) -> None:
        line, call_id = self._call.line, self._call.call_id
        match action:
            case TurnStart():
                self.in_turn, self.turns = True, action.turn
                self._turn_pcm.clear()
                self._outbox.moment(CallTurnStart(line=line, call_id=call_id, turn=action.turn, at_ms=action.at_ms))
            case Chunk():
                self._keep(action)
                self._outbox.moment(
                    CallChunk(
                        line=line,
                        call_id=call_id,
                        turn=action.turn,
                        chunk=action.chunk,
                        duration_ms=action.duration_ms,
                    )
                )
                self._hear(action)
            case TurnEnd():
                self._end_of_turn(action)
            case _:
                pass  # resumption and noise change nothing here

    def _keep(self, chunk: Chunk) -> None:
        self._turn_pcm += chunk.pcm
        del self._turn_pcm[: max(0, len(self._turn_pcm) - self._format.bytes_per_s * TURN_PCM_MAX_S)]
        self._chunks[chunk.chunk] = KeptChunk(chunk.pcm, self._format.rate_hz, chunk.duration_ms)
        self._kept_bytes += len(chunk.pcm)
        while self._kept_bytes > CHUNK_BYTES_KEPT:
            self._kept_bytes -= len(self._chunks.popitem(last=False)[1].pcm)

    def _hear(self, chunk: Chunk) -> None:
        """Starts the recogniser on the turn so far while the caller may still go on; an older run is worth nothing."""
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

    def _end_of_turn(self, end: TurnEnd) -> None:
        self.in_turn = False
        self._outbox.moment(
            CallTurnEnd(
                line=self._call.line,
                call_id=self._call.call_id,
                turn=end.turn,
                chunks=end.chunks,
                silence_ms=end.silence_ms,
                reason=end.reason,
            )
        )
        hearer, self._hearer = self._hearer, None
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
        if not 1 <= turn <= self.turns:
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

    async def chunk_audio(self, chunk: int, audio_format: str) -> tuple[bytes, KeptChunk]:
        """The bytes of one chunk in the wanted format, encoded off the loop."""
        kept = self._chunks.get(chunk)
        if kept is None:
            raise NotFound("There is no such chunk in this call, or it is too old to be kept.")
        return await asyncio.to_thread(encode, kept.pcm, kept.rate_hz, audio_format), kept


def turn_config(media: MediaConfig) -> TurnConfig:
    """[media] as the turn table wants it."""
    return TurnConfig(**{name: getattr(media, name) for name in TurnConfig.__dataclass_fields__})
