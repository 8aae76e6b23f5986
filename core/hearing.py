"""What the caller says: frames to turns, turns to words."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.chunk_ahead import AHEAD_MS, AheadEncoder
from core.config import MediaConfig
from core.errors import NotFound
from core.events import CallChunk, CallTurnEnd, CallTurnResumed, CallTurnStart
from core.log import Log
from core.media import turn_numbers
from core.media.endpoint import Chunk, Endpoint, Onset, Resumed, TurnAction, TurnConfig, TurnEnd, TurnStart
from core.media.stt import Transcript
from core.media.tones import DtmfDetector
from core.media.turn_hints import Hint, hint_of
from core.media.turn_table import Turn
from core.media.vad_keys import KeyMask
from core.outbox import Outbox
from core.recognition import Recognition
from core.speech import SpeechService, encode

log = Log("hearing")

CHUNK_BYTES_KEPT = 8 * 1024 * 1024
"""PCM of chunks kept for call.chunk_audio: over eight minutes of the caller's speech; the oldest go first."""

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None]


@dataclass(frozen=True, slots=True)
class KeptChunk:
    """Audio of one chunk: s16le mono. ogg: the same as a file, or in the making; None where nobody asks for such."""

    pcm: bytes
    rate_hz: int
    duration_ms: int
    ogg: Future[bytes | None] | None = None


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
        self._vad = speech.vads.open(pcm_format.rate_hz)
        self._adapt = media.adapt_end
        self._hinted: tuple[Transcript | None, Hint | None] = (None, None)
        self._endpoint = Endpoint(turn_config(media), pcm_format)
        self._dtmf = DtmfDetector(pcm_format.rate_hz)
        self._keys = KeyMask()
        self._chunks: OrderedDict[int, KeptChunk] = OrderedDict()
        self._kept_bytes = 0
        self._ahead: AheadEncoder | None = None
        """Once somebody has fetched a chunk as OGG."""
        self._ahead_ms = -(-AHEAD_MS // pcm_format.ptime_ms) * pcm_format.ptime_ms
        self.words = Recognition(call, pcm_format, speech, outbox, clock, group)
        self.turns = 0
        self.in_turn = False
        self.speech = False

    def listen(self, frame: bytes, *, doubtful: bool = False) -> tuple[int | None, list[str]]:
        """One frame of the far end. Gives the place (ms) of a speech onset that may interrupt us, and keys.

        doubtful: it may be our own echo, which is never speech; it is kept, for the beginning of a turn.
        """
        digits = self._dtmf.feed(frame)
        speech = self._vad.is_speech(frame)  # it learns from every frame, keys too
        speech = self.speech = self._keys.speech(speech, self._dtmf.active) and not doubtful
        if digits:
            self._endpoint.disown()  # the first frames of a key, before it was certain
        if self._adapt and self._endpoint.state is Turn.WAITING:
            self._endpoint.hint(self._hint())
        onset: int | None = None
        for action in self._endpoint.step(frame, speech):
            if isinstance(action, Onset):
                onset = action.at_ms
            else:
                self._turn(action)
        if self._ahead is not None and self._endpoint.pause_ms == self._ahead_ms:
            self._ahead.feed(self._endpoint.pending)
        return onset, digits

    def flush(self) -> None:
        """The call is over: a turn in progress ends."""
        for action in self._endpoint.flush():
            self._turn(action)

    def _hint(self) -> Hint | None:
        """What the words so far say about the end of the turn; worked out once per answer of the recogniser."""
        latest, hint = self.words.latest, None
        if latest is self._hinted[0]:
            return self._hinted[1]
        if latest is not None and latest.understood and latest.text:
            hint = hint_of(latest.text, self.words.expected, turn_numbers.known(latest.language))
        self._hinted = (latest, hint)
        return hint

    def _prepare_numbers(self) -> None:
        """Loads the words of numbers while the caller still speaks; without them only figures are known."""
        language = self._call.settings.language
        if self._adapt and language and turn_numbers.known(language) is turn_numbers.NONE:
            self._group().create_task(asyncio.to_thread(turn_numbers.prepare, language), name="call.numbers")

    def _turn(self, action: TurnAction) -> None:
        line, call_id = self._call.line, self._call.call_id
        match action:
            case TurnStart():
                self.in_turn, self.turns = True, action.turn
                self._prepare_numbers()
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
                self.words.chunk(action)
            case TurnEnd():
                self._end_of_turn(action)
            case Resumed():
                self._outbox.moment(CallTurnResumed(line=line, call_id=call_id, turn=action.turn, at_ms=action.at_ms))
            case _:
                pass  # noise changes nothing here

    def _keep(self, chunk: Chunk) -> None:
        ogg = self._ahead.cut(chunk.pcm) if self._ahead is not None else None
        self._chunks[chunk.chunk] = KeptChunk(chunk.pcm, self._format.rate_hz, chunk.duration_ms, ogg)
        self._kept_bytes += len(chunk.pcm)
        while self._kept_bytes > CHUNK_BYTES_KEPT:
            self._kept_bytes -= len(self._chunks.popitem(last=False)[1].pcm)

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
        self.words.end_of_turn(end)

    def kept(self, chunk: int) -> KeptChunk | None:
        """The audio of one chunk, while it is kept."""
        return self._chunks.get(chunk)

    async def chunk_audio(self, chunk: int, audio_format: str) -> tuple[bytes, KeptChunk]:
        """The bytes of one chunk in the wanted format, encoded off the loop."""
        kept = self._chunks.get(chunk)
        if kept is None:
            raise NotFound("There is no such chunk in this call, or it is too old to be kept.")
        if audio_format == "ogg" and self._ahead is None:  # who fetches one fetches the next
            self._ahead = AheadEncoder(self._format.rate_hz)
        if audio_format == "ogg" and kept.ogg is not None:
            made = await asyncio.shield(asyncio.wrap_future(kept.ogg))  # it is not only this request's
            if made is not None:
                return made, kept
        return await asyncio.to_thread(encode, kept.pcm, kept.rate_hz, audio_format), kept


def turn_config(media: MediaConfig) -> TurnConfig:
    """[media] as the turn table wants it. The default thresholds of hints bend around those that are configured."""
    given = {name: getattr(media, name) for name in TurnConfig.__dataclass_fields__}
    end_ms, chunk_ms = media.end_silence_ms, media.chunk_silence_ms
    given["end_silence_complete_ms"] = min(end_ms, max(media.end_silence_complete_ms, chunk_ms + 1))
    given["end_silence_number_ms"] = max(end_ms, media.end_silence_number_ms)
    return TurnConfig(**given)
