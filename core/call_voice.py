"""The voice of calls: one call of a line at a time has the modem's audio; it is opened, kept, and closed here."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from core.call import Call, audio_of
from core.call_book import CallBook
from core.config import CallConfig
from core.errors import AudioFailed, NotNow, PublicError
from core.events import CallAudioFailed
from core.line import AudioPort, CallState, Direction, EndReason, Line
from core.log import Log
from core.talk import OnDigit, Talk

log = Log("voice")

CLOSE_AUDIO_S = 6.0
"""CPCMREG=0 and its read-back, three tries at most; a lost modem answers at once."""

END_FOLLOWS_S = 1.0
"""A port that closes is mostly the end of the call, whose own fact is a moment behind it."""

LOOK_S = 0.5
"""Between two looks at the audio of a call that is up."""

LINE_CATCHES_UP_S, LINE_CATCHES_UP_TRIES = 0.3, 10
"""+CLCC is polled once a second at most."""


class CallVoice:
    """All lines' audio. hang_up is the service's own, which tries until it is done."""

    def __init__(
        self,
        config: CallConfig,
        book: CallBook,
        talk: Talk,
        lines: Mapping[str, Line],
        hang_up: Callable[[Call], Awaitable[None]],
        on_quiet: Callable[[Call], Awaitable[None]],
        on_digit: OnDigit,
    ) -> None:
        self._config, self._book, self._talk, self._lines = config, book, talk, lines
        self._hang_up, self._on_quiet, self._on_digit = hang_up, on_quiet, on_digit
        self._opening = {name: asyncio.Lock() for name in lines}

    async def converse(self, call: Call) -> None:
        """Talks while the call is active; audio that stops is opened once more, then told as failed."""
        greets = call.direction is Direction.IN and call.handled is None
        greeting = call.settings.greeting if greets else None
        for again in (False, True):
            try:
                port = await self._open_audio(call, again=again)
            except AudioFailed as problem:
                await self._no_audio(call, problem)
                return
            except PublicError as problem:
                if call.state is CallState.ACTIVE:  # else it or the modem went; its own fact says so
                    await self._no_audio(call, AudioFailed(problem.message))
                return
            if port is None:
                return
            watching = self._book.spawn(self._watch(call, port), "call.audio_watch")
            try:
                went_well = await self._talk.run(call, port, greeting, self._on_quiet, self._on_digit)
            finally:
                watching.cancel()
            if not went_well:
                call.end_hint = EndReason.ERROR
                await self._hang_up(call)
                return
            if call.joined or call.state is not CallState.ACTIVE or await call.ended_within(END_FOLLOWS_S):
                return
            log.warning("the audio stopped in mid-call", call_id=call.call_id, again=again)
        await self._no_audio(call, AudioFailed("The modem's audio stopped in mid-call."))

    async def _open_audio(self, call: Call, *, again: bool) -> AudioPort | None:
        """One call of a line at a time; None where it is not its turn. again: what stopped is closed first."""
        line = self._lines[call.line]
        async with self._opening[call.line]:
            if call.state is not CallState.ACTIVE or self._talk.has_audio(call):
                return None
            for other in self._book.on_line(call.line):
                if other is not call and self._talk.has_audio(other):
                    await self.close(other)
            if again:
                await self.close(call)
            port = await self._open_when_active(line, call)
            if call.state is CallState.ACTIVE:
                return port
            await self.close(call)
            return None

    async def _open_when_active(self, line: Line, call: Call) -> AudioPort:
        """The line may be a moment behind or ahead of us in a swap: it says NotNow then, and is asked again."""
        for _ in range(LINE_CATCHES_UP_TRIES):
            try:
                return await line.open_audio(call.handle)
            except NotNow:
                if await call.ended_within(LINE_CATCHES_UP_S) or call.state is not CallState.ACTIVE:
                    raise
        return await line.open_audio(call.handle)

    async def _watch(self, call: Call, port: AudioPort) -> None:
        """Tells, once, when one side stops hearing the other. The call goes on: whoever steers it decides."""
        while not await call.ended_within(LOOK_S):
            ailment = port.ailment if call.state is CallState.ACTIVE else None
            if ailment is not None:
                await self._tell_failed(call, AudioFailed(ailment))
                return

    async def _tell_failed(self, call: Call, problem: AudioFailed) -> None:
        attempts = problem.details.get("attempts")
        event = CallAudioFailed(
            line=call.line,
            call_id=call.call_id,
            reason=problem.message,
            attempts=attempts if isinstance(attempts, int) else 0,
        )
        call.audio_failed = True
        call.changed.set()
        await self._book.tell(call, event)

    async def _no_audio(self, call: Call, problem: AudioFailed) -> None:
        if call.state is not CallState.ACTIVE:
            return
        await self._tell_failed(call, problem)
        if not await call.ended_within(self._config.silence_limit_s):
            call.end_hint = EndReason.ERROR
            await self._hang_up(call)

    async def close(self, call: Call) -> None:
        """Keeps the report of the stretch that ends; gives up after CLOSE_AUDIO_S."""
        try:
            with self._talk.leaving(call):
                async with asyncio.timeout(CLOSE_AUDIO_S):
                    await self._close(call)
        except (TimeoutError, PublicError):
            log.warning("the audio did not close in time", call_id=call.call_id)

    async def _close(self, call: Call) -> None:
        report = await self._lines[call.line].close_audio(call.handle)
        if report is not None:
            call.audio = audio_of(report)
        await self._talk.wait_closed(call)
