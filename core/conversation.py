"""One call's conversation: the 20 ms clock between the line and hearing, speaking, recording.

Everything that must happen within a frame happens in `_tick`, which never waits. A conversation outlives its audio
port: a call that was held and taken back goes on with the same turns, on a new port.
"""

import asyncio
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from core.attach import Attachment
from core.audio import PcmFormat
from core.call import Call
from core.call_time import CallTime
from core.config import Config, state_dir
from core.events import CallLevel
from core.hearing import Hearing
from core.line import AudioClosed, AudioPort, Tick
from core.log import Log
from core.media.level import LevelMeter
from core.media.recorder import Recorder
from core.outbox import Outbox
from core.speaking import Said, Speaking
from core.speech import SpeechService
from core.store.store import Store
from core.taps import CallFrame, Taps

log = Log("conversation")

LAST_WORDS_S = 1.0
"""How long a call that is over waits for the recogniser's last answer."""


class Conversation:
    """Lives from the first opened audio to the end of the call."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        *,
        config: Config,
        store: Store,
        speech: SpeechService,
        on_quiet: Callable[[Call], Awaitable[None]],
        on_digit: Callable[[Call, str], Awaitable[None]],
    ) -> None:
        self.format = pcm_format
        self._call, self._config = call, config
        self._on_quiet, self._on_digit = on_quiet, on_digit
        self._outbox = Outbox(call, store)
        self._clock = CallTime(pcm_format)
        self.hearing = Hearing(call, pcm_format, config.media, speech, self._outbox, self._clock, self._group)
        self.speaking = Speaking(call, pcm_format, speech, self._outbox, self._clock, self._group, self._fill)
        self._levels = LevelMeter(pcm_format)
        self.taps = Taps(call.call_id)
        self._port: AudioPort | None = None
        self._ticks_before = 0
        self._recorder: Recorder | None = None
        self._recordings = 0
        self._record_wanted = True
        self._attaching = asyncio.Lock()
        self._attachment: Attachment | None = None
        self._tasks: TaskGroup | None = None
        self._suspended = False
        self._quiet_ms = 0
        self._closed = asyncio.Event()
        self._closed.set()

    @property
    def has_audio(self) -> bool:
        return self._port is not None

    async def run(self, port: AudioPort, greeting: str | None, opened: asyncio.Event) -> None:
        """Until this port is closed or the modem goes; facts that wait are written before it returns.

        opened is set once there is something to speak into.
        """
        self._port, self._suspended = port, False
        self._closed.clear()
        self.speaking.reopened()
        if self._config.recording.enabled and self._record_wanted:
            self.record()
        try:
            async with TaskGroup() as self._tasks:
                opened.set()
                writer = self._tasks.create_task(self._outbox.run(), name="call.outbox")
                if greeting is not None:
                    self.speaking.speak(greeting)
                frames = await self._read_ticks(port)
                self._port = None  # nothing can be said any more
                self.hearing.flush()
                self.speaking.stop(port.flush())
                if not await self.hearing.words.answered(LAST_WORDS_S):
                    log.info("the last turn was not recognised in time", call_id=self._call.call_id)
                    self.hearing.words.give_up()
                await self._outbox.drained()
                writer.cancel()
            self._ticks_before += frames
        finally:
            self._port = self._tasks = None
            self._closed.set()

    async def closed(self) -> None:
        """Once no port is open and all facts are written."""
        await self._closed.wait()

    async def finish(self) -> None:
        """The call is over: recording and attachment are closed."""
        await self.record_stop()
        if self._attachment is not None:
            await self._attachment.close()
            self._attachment = None

    def _group(self) -> TaskGroup:
        if self._tasks is None:
            raise RuntimeError("the conversation has no audio")
        return self._tasks

    # --- the 20 ms clock -------------------------------------------------------------------------------------------

    async def _read_ticks(self, port: AudioPort) -> int:
        last = -1
        while True:
            try:
                tick = await port.read()
            except AudioClosed:
                return last + 1
            for _ in range(tick.index - last - 1):  # nobody read them in time: silence keeps the line's time
                self._hear(self.format.silence, tick.at_s)
            last = tick.index
            self._tick(tick)

    def _tick(self, tick: Tick) -> None:
        """20 ms of the call. Nothing here waits."""
        frame = tick.downlink if tick.downlink is not None else self.format.silence
        if self._recorder is not None:
            self._recorder.tick(replace(tick, index=self._ticks_before + tick.index))
        self.speaking.sent(tick.uplink_frames, tick.at_s)
        self._hear(frame, tick.at_s)
        self._fill()
        self.taps.frame(CallFrame(frame, tick.uplink, self.hearing.speech, self._clock.now_ms))
        if (levels := self._levels.feed(frame, tick.uplink)) is not None:
            self._outbox.moment(
                CallLevel(
                    line=self._call.line,
                    call_id=self._call.call_id,
                    downlink_dbfs=levels.downlink_dbfs,
                    uplink_dbfs=levels.uplink_dbfs,
                )
            )
        self._watch_quiet()

    def _hear(self, frame: bytes, at_s: float) -> None:
        self._clock.tick(at_s)
        if self._attached:
            assert self._attachment is not None
            self._attachment.downlink(frame)
        elif not self._suspended:
            self._listen(frame)

    def _listen(self, frame: bytes) -> None:
        onset_ms, digits = self.hearing.listen(frame)
        for digit in digits:
            self._group().create_task(self._guarded(self._on_digit(self._call, digit)), name="call.dtmf")
        if onset_ms is not None and self._config.media.barge_in and self._port is not None:
            self.speaking.barge_in(onset_ms, self._port.flush)

    def _fill(self) -> None:
        """Hands the port whole frames while it has room: at most 60 ms ahead of the line."""
        port = self._port
        while port is not None and port.room() > 0:
            frame = self.speaking.next_frame()
            if frame is None and self._attachment is not None:
                frame = self._attachment.uplink()
                if frame is not None:
                    self.speaking.foreign_frame()
            if frame is None:
                return
            port.write(frame)

    def _watch_quiet(self) -> None:
        hearing = self.hearing
        if hearing.in_turn:
            self._call.reminded = False
        busy = hearing.in_turn or hearing.words.thinking or (self.speaking.busy and not self.speaking.paused)
        if busy or self._suspended or self._attached:
            self._quiet_ms = 0
            return
        self._quiet_ms += self.format.ptime_ms
        if self._quiet_ms >= self._config.call.silence_limit_s * 1000:
            self._quiet_ms = 0
            self._group().create_task(self._guarded(self._on_quiet(self._call)), name="call.quiet")

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:  # a failing task of a call must not end the call
            log.exception("a task of a call failed", call_id=self._call.call_id)

    # --- what the methods ask ---------------------------------------------------------------------------------------

    def stop_speaking(self) -> list[Said]:
        """Ends everything said or waiting; what lies in the port is not sent any more."""
        return self.speaking.stop(self._port.flush() if self._port is not None else 0)

    def pause(self) -> None:
        """Our words wait from the next frame on."""
        self.speaking.pause(self._port.flush() if self._port is not None else 0)

    def suspend(self) -> None:
        """On hold: we neither speak nor listen."""
        self._suspended = True
        self.pause()

    def unsuspend(self) -> None:
        self._suspended = False
        self.speaking.resume()

    def record(self) -> str | None:
        """Starts the stereo recording; its path, or None where it can't be written."""
        self._record_wanted = True
        directory = self._config.recording.dir or state_dir() / "recordings"
        if self._recorder is None:
            self._recordings += 1
            part = f".{self._recordings}" if self._recordings > 1 else ""
            path = Path(directory) / f"{self._call.call_id}{part}.wav"
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._recorder = Recorder(path, self.format)
                self._call.recording = str(path)
                self._outbox.columns(recording=str(path))
            except OSError as problem:
                log.warning("the recording was refused", call_id=self._call.call_id, problem=problem.strerror)
        return self._call.recording

    async def record_stop(self) -> None:
        """Closes the recording; it begins again only by wish."""
        self._record_wanted = False
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            report = await recorder.close()
            if report.problem is not None:
                log.warning("the recording is incomplete", call_id=self._call.call_id, problem=report.problem)

    @property
    def _attached(self) -> bool:
        return self._attachment is not None and self._attachment.connected

    async def attach(self, directory: Path, uid: int) -> Attachment:
        """Raw PCM on a socket of its own, for a client of that user who does speech itself."""
        async with self._attaching:
            if self._attachment is not None:
                await self._attachment.close()
            self._attachment = await Attachment.open(directory / f"{self._call.call_id}.pcm", self.format, uid)
            return self._attachment
