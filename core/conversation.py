"""One call's conversation: the 20 ms clock between the line and hearing, speaking, recording.

Everything that must happen within a frame happens in `_tick`, which never waits. A conversation outlives its audio
port: a call that was held and taken back goes on with the same turns, on a new port.
"""

import asyncio
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from contextlib import suppress

from core.attachments import Attachments
from core.audio import PcmFormat
from core.bargein import BargeIn
from core.call import Call
from core.call_files import CallFiles
from core.call_time import CallTime
from core.config import Config
from core.events import CallLevel
from core.fillers import Fillers
from core.hearing import Hearing
from core.line import AudioClosed, AudioPort, Tick
from core.log import Log
from core.media.echo import EchoCanceller
from core.media.level import LevelMeter
from core.media.noise import ComfortNoise
from core.media.shaping import shaper
from core.outbox import Outbox
from core.recording import CallRecording
from core.recordings import Recordings
from core.speaking import Said, Speaking
from core.speech import SpeechService
from core.store.store import Store
from core.taps import CallFrame, Taps
from core.tone_watch import tone_watch

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
        recordings: Recordings,
        on_quiet: Callable[[Call], Awaitable[None]],
        on_digit: Callable[[Call, str], Awaitable[None]],
    ) -> None:
        self.format = pcm_format
        self._call, self._config = call, config
        self._on_quiet, self._on_digit = on_quiet, on_digit
        self._outbox = Outbox(call, store)
        self._clock = CallTime(pcm_format)
        self.hearing = Hearing(call, pcm_format, config.media, speech, self._outbox, self._clock, self._group)
        self.speaking = Speaking(
            call, pcm_format, speech, self._outbox, self._clock, self._group, self._fill, self._flush
        )
        self._levels = LevelMeter(pcm_format)
        self.taps = Taps(call.call_id)
        media = config.media
        self._barge_in = BargeIn(call, pcm_format, media, self.speaking, self.hearing, self._outbox, self._flush)
        self._fillers = Fillers(call, pcm_format, media, speech, self.speaking, self.hearing, self._outbox)
        self._from_far = shaper(pcm_format.rate_hz, media.downlink_gain_db, frames=True)
        self._from_client = shaper(pcm_format.rate_hz, media.uplink_gain_db, frames=True)
        self._echo = None if media.echo == "off" else EchoCanceller(pcm_format, subtract=media.echo == "cancel")
        self._noise = None if media.comfort_noise == "off" else ComfortNoise(pcm_format, media.comfort_noise)
        self._noise_ahead = False
        if (watch := tone_watch(call, pcm_format, media, self._outbox)) is not None:
            self.taps.add(watch)
        self._port: AudioPort | None = None
        self._ticks_before = 0
        self.recording = CallRecording(call, pcm_format, recordings, self._outbox, self.speaking, self._group)
        self._files: CallFiles | None = None
        if recordings.keeps_files:
            self._files = CallFiles(call, self.hearing, self.recording, recordings, self._outbox)
        self.attachments = Attachments(call, pcm_format, self._outbox, on_takeover=self.hearing.flush)
        self.taps.add(self.attachments)
        self._tasks: TaskGroup | None = None
        self._suspended = False
        self._quiet_ms = 0
        self._closed = asyncio.Event()
        self._closed.set()
        self.leaving = False
        """The audio is being closed: what would be said now would be cut off."""

    @property
    def has_audio(self) -> bool:
        return self._port is not None

    @property
    def can_speak(self) -> bool:
        return self.has_audio and not self.leaving

    async def run(self, port: AudioPort, greeting: str | None, opened: asyncio.Event) -> None:
        """Until this port is closed or the modem goes; facts that wait are written before it returns.

        opened is set once there is something to speak into.
        """
        self._port, self._suspended, self.leaving = port, False, False
        self._closed.clear()
        self.speaking.reopened()
        try:
            async with TaskGroup() as self._tasks:
                opened.set()
                writer = self._tasks.create_task(self._outbox.run(), name="call.outbox")
                self.recording.opened()
                if greeting is not None:
                    self.speaking.speak(greeting)
                preparing = self._tasks.create_task(self._guarded(self._fillers.prepare()), name="call.fillers")
                frames = await self._read_ticks(port)
                self._port = None  # nothing can be said any more
                self.hearing.flush()
                self.speaking.stop(port.flush())
                if not await self.hearing.words.answered(LAST_WORDS_S):
                    log.info("the last turn was not recognised in time", call_id=self._call.call_id)
                    await self.hearing.words.give_up()
                await self._outbox.drained()
                writer.cancel()
                preparing.cancel()
            self._ticks_before += frames
        finally:
            self._port = self._tasks = None
            self._closed.set()

    async def closed(self) -> None:
        """Once no port is open and all facts are written."""
        await self._closed.wait()

    async def facts_written(self, timeout_s: float) -> None:
        """Once what was told so far is on disk; gives up after that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._outbox.drained()

    async def finish(self) -> None:
        """The call is over: recording and attached clients are closed."""
        self.attachments.close()
        await self.recording.finish()
        if self._files is not None:
            self._files.over()

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
                self._hear(self._echo.lost() if self._echo is not None else self.format.silence, tick.at_s)
            last = tick.index
            self._tick(tick)

    def _tick(self, tick: Tick) -> None:
        """20 ms of the call. Nothing here waits."""
        frame = tick.downlink if tick.downlink is not None else self.format.silence
        if self._from_far is not None:
            frame = self._from_far.feed(frame)
        self.recording.tick(tick, self._ticks_before)
        self.speaking.sent(tick.uplink_frames, tick.at_s)
        self._hear(self._without_us(frame, tick), tick.at_s)
        if not self._suspended:
            self._barge_in.frame()
            self._fillers.frame(allowed=not self.attachments.talking)
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

    def _without_us(self, frame: bytes, tick: Tick) -> bytes:
        """The far end's frame without the echo of ours: for detectors and recognisers alone."""
        if self._echo is None:
            return frame
        return self._echo.clean(frame if tick.downlink is not None else None, tick.uplink)

    def _hear(self, frame: bytes, at_s: float) -> None:
        self._clock.tick(at_s)
        if not self._suspended and not self.attachments.talking:
            self._listen(frame)

    def _listen(self, frame: bytes) -> None:
        onset_ms, digits = self.hearing.listen(frame, doubtful=self._echo is not None and self._echo.doubtful)
        for digit in digits:
            self._group().create_task(self._guarded(self._on_digit(self._call, digit)), name="call.dtmf")
        if onset_ms is not None:
            self._barge_in.onset(onset_ms)

    def _flush(self) -> int:
        """What lies in the port is not sent any more; how many frames that were."""
        return self._port.flush() if self._port is not None else 0

    def _fill(self) -> None:
        """Hands the port whole frames while it has room: at most 60 ms ahead of the line."""
        port = self._port
        if port is not None and self._noise_ahead and self.speaking.ready:
            self.speaking.take_back(port.flush())  # words don't wait for noise
            self._noise_ahead = False
        while port is not None and port.room() > 0:
            frame = self.speaking.next_frame()
            if frame is None:
                frame = self.attachments.uplink()
                if frame is not None:
                    frame = self._from_client.feed(frame) if self._from_client is not None else frame
                    self.speaking.foreign_frame()
            if frame is None:
                self._fill_noise(port)
                return
            port.write(frame)

    def _fill_noise(self, port: AudioPort) -> None:
        """Something quieter than words and better than nothing. A client that talks has its own."""
        if self._noise is None or self._suspended or self.attachments.talking:
            return
        while port.room() > 0:
            port.write(self._noise.frame())
            self.speaking.foreign_frame()
            self._noise_ahead = True

    def _watch_quiet(self) -> None:
        hearing = self.hearing
        if hearing.in_turn:
            self._call.reminded = False
        busy = hearing.in_turn or hearing.words.thinking or (self.speaking.busy and not self.speaking.paused)
        if busy or self._suspended or self.attachments.talking:
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
        self.attachments.flush()
        return self.speaking.stop(self._flush())

    def cancel(self, utterance: int) -> Said | None:
        """Ends one utterance, said or waiting; what waits behind it goes on. None where it is over."""
        return self.speaking.cancel(utterance, self._flush)

    def pause(self) -> None:
        """Our words wait from the next frame on."""
        self.speaking.pause(self._flush())

    def suspend(self) -> None:
        """On hold: we neither speak nor listen."""
        self._suspended = True
        self._barge_in.give_up()
        self.pause()

    def unsuspend(self) -> None:
        self._suspended = False
        self.speaking.resume()
