"""The recording of one call: when it begins (after the caller was told, where [recording] says so), stops, and ends."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
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

BEGINS_WITHIN_S = 2.0
"""How long call.record waits for the disk to say whether there is a file."""
TOLD_WITHIN_S = 60.0


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
        self._told = False
        self._asking: Said | None = None

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
    def _must_tell(self) -> bool:
        return bool(self._config.consent_text) and not self._told

    @property
    def running(self) -> bool:
        return self._recorder is not None

    @property
    def waits_for_consent(self) -> bool:
        """The caller is being told."""
        return self._asking is not None

    async def told(self) -> None:
        """Returns at once, or when the caller was told, or can't be; gives up after TOLD_WITHIN_S."""
        if self._asking is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_WITHIN_S):
                await self._asking.done.wait()

    def opened(self) -> None:
        """There is audio, for the first time or again."""
        if self.wanted:
            self._begin()

    async def start(self) -> bool:
        """Records from now on, or from when the caller was told. False where no file can be made; NotNow where the
        caller would have to be told, into what voicemail or a transfer says."""
        if self._must_tell and self._asking is None and self._recorder is None:
            self._call.refuse_while_handled()
        self._wish = True
        if self._recorder is not None and self._recorder.problem is not None:
            await self._close()  # it ended on a full disk, perhaps; this is a new part
        self._begin()
        if self._recorder is None:
            return self.waits_for_consent
        if await self._recorder.begun(BEGINS_WITHIN_S):
            return True
        await self._close()  # so that the next wish tries again
        return False

    async def stop(self) -> None:
        """Closes the recording; it begins again only by wish."""
        self._wish = False
        await self._close()

    async def finish(self) -> None:
        """The call is over."""
        if self.wanted and self._must_tell and self._part == 0:
            self._recordings.refused(self._call, "no_consent")
        await self._close()

    def tick(self, tick: Tick, ticks_before: int) -> None:
        """20 ms of the call. ticks_before: those of its earlier ports, so that a hold leaves no hole."""
        if self._recorder is not None:
            self._recorder.tick(replace(tick, index=ticks_before + tick.index))

    def _begin(self) -> None:
        if self._recorder is not None or self.waits_for_consent:
            return
        if self._must_tell:
            try:
                said = self._speaking.speak(self._config.consent_text, interruptible=False)
            except PublicError as problem:
                log.warning("the caller was not told of the recording", call_id=self._call.call_id, kind=problem.kind)
                return
            self._asking = said
            self._group().create_task(self._told_of_it(said), name="call.consent")
            return
        self._record()

    async def _told_of_it(self, said: Said) -> None:
        """Only words that were played to their end count."""
        try:
            await said.done.wait()
            self._told = said.completed and said.problem is None
        finally:
            self._asking = None
        if not self._told:
            log.warning("not recorded: the caller was not told to the end", call_id=self._call.call_id)
        elif self.wanted:
            self._record()

    def _record(self) -> None:
        self._part += 1
        part = f".{self._part}" if self._part > 1 else ""
        path = self._recordings.directory / f"{self._call.call_id}{part}.wav"
        self._recorder = Recorder(path, self._format)
        self._call.recording = str(path)
        self._outbox.columns(recording=str(path))

    async def _close(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        report = await recorder.close()
        if not recorder.made:
            self._call.recording = None
            self._outbox.columns(recording=None)
            self._recordings.refused(self._call, report.problem or "nothing_recorded")
            return
        if report.problem is not None:
            log.warning("the recording is incomplete", call_id=self._call.call_id, problem=report.problem)
        self._recordings.closed(self._call, self._part, report)
