"""The recording of one call: when it begins (after the caller was told, where [recording] says so), stops, and ends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from core.audio import PcmFormat
from core.call import Call
from core.config import RecordingConfig
from core.errors import PublicError
from core.line import Tick
from core.log import Log
from core.media.recorder import Recorder
from core.outbox import Outbox
from core.recordings import Recordings
from core.speaking import Said, Speaking

log = Log("recording")


class CallRecording:
    """`tick` is called once per frame and never waits."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        recordings: Recordings,
        outbox: Outbox,
        speaking: Speaking,
        group: Callable[[], asyncio.TaskGroup],
    ) -> None:
        self._call, self._format, self._recordings = call, pcm_format, recordings
        self._outbox, self._speaking, self._group = outbox, speaking, group
        self._recorder: Recorder | None = None
        self._part = 0
        self._wish: bool | None = None
        self._told = self._telling = False

    @property
    def _config(self) -> RecordingConfig:
        return self._recordings.config

    @property
    def wanted(self) -> bool:
        """What call.record said last, else call.configure, else [recording]."""
        for said in (self._wish, self._call.settings.record):
            if said is not None:
                return said
        return self._config.enabled

    @property
    def running(self) -> bool:
        return self._recorder is not None

    @property
    def waits_for_consent(self) -> bool:
        """The caller is being told."""
        return self._telling

    def opened(self) -> None:
        """There is audio, for the first time or again."""
        if self.wanted:
            self._begin()

    def start(self) -> str | None:
        """Records from now on, or from when the caller was told; the path, None where there is no file (yet)."""
        self._wish = True
        self._begin()
        return str(self._recorder.path) if self._recorder is not None else None

    async def stop(self) -> None:
        """Closes the recording; it begins again only by wish."""
        self._wish = False
        await self._close()

    async def finish(self) -> None:
        """The call is over."""
        if self.wanted and self._config.consent_text and not self._told and self._part == 0:
            self._recordings.refused(self._call, "no_consent")
        await self._close()

    def tick(self, tick: Tick, ticks_before: int) -> None:
        """20 ms of the call. ticks_before: those of its earlier ports, so that a hold leaves no hole."""
        if self._recorder is not None:
            self._recorder.tick(replace(tick, index=ticks_before + tick.index))

    def _begin(self) -> None:
        if self._recorder is not None or self._telling:
            return
        if self._config.consent_text and not self._told:
            try:
                said = self._speaking.speak(self._config.consent_text, interruptible=False)
            except PublicError as problem:
                log.warning("the caller was not told of the recording", call_id=self._call.call_id, kind=problem.kind)
                return
            self._telling = True
            self._group().create_task(self._told_of_it(said), name="call.consent")
            return
        self._record()

    async def _told_of_it(self, said: Said) -> None:
        """Only words that were played to their end count."""
        try:
            await said.done.wait()
            self._told = said.completed and said.failed is None
        finally:
            self._telling = False
        if not self._told:
            log.warning("not recorded: the caller was not told to the end", call_id=self._call.call_id)
        elif self.wanted:
            self._record()

    def _record(self) -> None:
        self._part += 1
        part = f".{self._part}" if self._part > 1 else ""
        path = self._recordings.directory / f"{self._call.call_id}{part}.wav"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._recorder = Recorder(path, self._format)
        except OSError as problem:
            log.warning("the recording was refused", call_id=self._call.call_id, problem=problem.strerror)
            self._recordings.refused(self._call, problem.strerror or "refused")
            return
        self._call.recording = str(path)
        self._outbox.columns(recording=str(path))

    async def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        report = await recorder.close()
        if report.problem is not None:
            log.warning("the recording is incomplete", call_id=self._call.call_id, problem=report.problem)
        self._recordings.closed(self._call, self._part, report)
