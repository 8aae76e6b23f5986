"""Files of one call under the names of the station that this one replaces: chunks and their words as the call goes on,
transcription and timing when it is over. Written by the recordings' thread; the call never waits for them.
"""

import time

from msgspec import json

from core.call import Call
from core.call_files_timing import Timeline
from core.clock import unix_s
from core.events import CallChunk, CallPartial, CallSpeech, CallTurnStart, Event
from core.hearing import Hearing
from core.line import Direction
from core.log import Log
from core.media.codecs import encode_ogg_opus
from core.outbox import Outbox
from core.recording import CallRecording
from core.recordings import Recordings
from core.recordings_files import LATEST, TIMING_DIR, write_whole

log = Log("recordings")

CHUNK_BYTES_WAITING = 4 * 1024 * 1024
"""PCM of chunks that are not written yet, four minutes of speech. Then the newest is left out and the log says so."""
ENDS_WITHIN_S = 10.0


class CallFiles:
    """Made with the conversation, where [recording] legacy_files or timing is on."""

    def __init__(
        self, call: Call, hearing: Hearing, recording: CallRecording, recordings: Recordings, outbox: Outbox
    ) -> None:
        self._call, self._hearing, self._recording, self._recordings = call, hearing, recording, recordings
        self._recorded_turn = 0
        self._names: dict[int, str] = {}
        self._last_chunk: dict[int, int] = {}
        self._waiting_bytes = 0
        now_s, now_unix_s = time.monotonic(), unix_s()
        self._timeline: Timeline | None = None
        if recordings.config.timing:
            self._timeline = Timeline(call.call_id, call.started_s, now_unix_s - (now_s - call.started_s))
            self._timeline.mark("call_started", call.started_s)
            self._timeline.mark("audio_serial_opened", now_s)
        outbox.watch(self._saw)

    def over(self) -> None:
        """The call is over: what remains is written once its end is known."""
        self._recordings.later(self._call.call_id, self._rest)

    def _saw(self, event: Event) -> None:
        if self._timeline is not None:
            self._timeline.saw(event, time.monotonic())
        if not self._recordings.config.legacy_files:
            return
        match event:
            case CallTurnStart():
                self._recorded_turn = event.turn if self._recording.running else 0
            case CallChunk() if event.turn == self._recorded_turn and self._recording.running:
                self._chunk(event)
            case CallPartial():
                self._words(event.chunk, event.text)
            case CallSpeech():
                self._words(self._last_chunk.pop(event.turn, 0), event.text)
            case _:
                pass

    def _chunk(self, event: CallChunk) -> None:
        """`<call_id>_vad_chunk_<n>_<unix>.ogg`, of a turn that was recorded from its beginning."""
        kept = self._hearing.kept(event.chunk)
        if kept is None:
            return
        if self._waiting_bytes + len(kept.pcm) > CHUNK_BYTES_WAITING:
            log.warning("a chunk of a call is not written: the disk is too slow", call_id=self._call.call_id)
            return
        self._waiting_bytes += len(kept.pcm)
        stem = f"{self._call.call_id}_vad_chunk_{event.chunk}_{int(unix_s())}"
        self._names[event.chunk] = stem
        self._last_chunk[event.turn] = event.chunk
        path = self._recordings.directory / f"{stem}.ogg"

        async def job() -> None:
            try:
                await self._recordings.in_thread(lambda: write_whole(path, encode_ogg_opus(kept.pcm, kept.rate_hz)))
            finally:
                self._waiting_bytes -= len(kept.pcm)

        if not self._recordings.later(self._call.call_id, job):
            self._waiting_bytes -= len(kept.pcm)

    def _words(self, chunk: int, text: str | None) -> None:
        """`….wav.txt` beside it: what was understood up to this chunk; the last one of a turn has the turn's words."""
        stem = self._names.get(chunk)
        if stem is None or not text:
            return
        path = self._recordings.directory / f"{stem}.wav.txt"

        async def job() -> None:
            await self._recordings.in_thread(lambda: write_whole(path, text.encode() + b"\n"))

        self._recordings.later(self._call.call_id, job)

    async def _rest(self) -> None:
        call = self._call
        await call.ended_within(ENDS_WITHIN_S)
        if self._recordings.config.legacy_files:
            await self._recordings.transcribe(call.call_id)
        if self._timeline is None:
            return
        if call.connected_s is not None:
            instant = call.direction is Direction.IN and call.rings <= 1
            self._timeline.mark("call_answered", call.connected_s, caller_id=call.number or "unknown", instant=instant)
        self._timeline.mark("call_ending", call.ended_s or time.monotonic(), reason=call.reason)
        report = self._timeline.report((call.ended_s or time.monotonic()) - call.started_s)
        data = json.format(json.encode(report), indent=1)
        folder = self._recordings.directory / TIMING_DIR
        for name in (f"{call.call_id}.json", LATEST):
            path = folder / name
            await self._recordings.in_thread(lambda path=path: write_whole(path, data))  # type: ignore[misc]
