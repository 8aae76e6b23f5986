"""The person that a caller is transferred to: called, asked, joined, hung up."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from core.call import Call, Handled
from core.calls import CallService
from core.config import CallConfig
from core.errors import PublicError
from core.line import EndReason
from core.recording import TOLD_WITHIN_S

LOOK_S = 0.1
AUDIO_S = 4.0
"""How long a person who has answered waits for the line's audio to come over from the caller's call. Joined sooner,
both calls would ask for it at once."""
ACCEPT_KEY = "1"
SPEECH_S = 60.0
"""The longest that an announcement takes."""


class Unreached(Exception):
    """The person does not talk with the caller. reason: a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def until(true: Callable[[], bool], call: Call, timeout_s: float) -> bool:
    """Waits for it as long as the call is up, at most so long. Whether it came true."""
    until_s = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() >= until_s or await call.ended_within(LOOK_S):
            return true()
    return True


class Person:
    """caller: whose end is the end of it all."""

    def __init__(self, calls: CallService, config: CallConfig, number: str, caller: Call) -> None:
        self._calls, self._config, self._number, self._caller = calls, config, number, caller
        self._call: Call | None = None

    @property
    def call_id(self) -> str | None:
        return self._call.call_id if self._call is not None else None

    @property
    def live(self) -> bool:
        return self._call is not None and self._call.live

    def joined(self, on: bool) -> None:
        """Whether the voice of this call is in the caller's."""
        if self._call is not None:
            self._call.joined = on

    async def call(self) -> None:
        """Dials. PublicError."""
        self._call = await self._calls.start(self._number, self._caller.line, detect=False, handled=Handled.TRANSFER)
        conversation = self._caller.conversation
        if conversation is not None:  # as with the caller, in whose recording the person will be
            self._call.settings = self._call.settings.changed(record=conversation.recording.wanted)

    async def answered(self) -> None:
        """Unreached: busy, no_answer, no_carrier …, or the caller has left."""
        call = self._up()
        await until(lambda: call.connected_s is not None or not self._caller.live, call, self._config.transfer_ring_s)
        if not self._caller.live:
            raise Unreached("caller_left")
        if not call.live:
            raise Unreached((call.reason or EndReason.NO_ANSWER).value)
        if call.connected_s is None:
            raise Unreached("no_answer")
        with suppress(PublicError, TimeoutError):  # without audio they can still be joined
            async with asyncio.timeout(AUDIO_S):
                await self._calls.talk.ready(call)

    async def accepts(self, announce: str) -> None:
        """Says who is there, and waits for the key that takes the call. Unreached: declined, no_audio."""
        call = self._up()
        keys: list[str] = []
        call.on_key = keys.append
        try:
            conversation = await self._calls.talk.ready(call)
            text = f"{announce} {self._config.transfer_accept_text}"
            said = conversation.speaking.speak(text, interruptible=False)
            await until(lambda: bool(keys) or said.done.is_set() or not self._caller.live, call, SPEECH_S)
            await until(lambda: bool(keys) or not self._caller.live, call, self._config.transfer_accept_s)
            conversation.stop_speaking()
        except PublicError:
            raise Unreached("no_audio") from None
        finally:
            call.on_key = None
        if not self._caller.live:
            raise Unreached("caller_left")
        if keys[:1] != [ACCEPT_KEY]:
            raise Unreached("declined")

    async def told_of_recording(self) -> None:
        """Who is recorded with the caller hears so first, where [recording] consent_text says it."""
        call = self._up()
        if call.conversation is not None:
            recording = call.conversation.recording
            await until(lambda: not (recording.waits_for_consent and self._caller.live), call, TOLD_WITHIN_S)
        if not self._caller.live:
            raise Unreached("caller_left")

    async def hang_up(self) -> None:
        """No error where there is no call, or no longer."""
        if self._call is not None and self._call.live:
            self._call.end_hint = self._call.end_hint or EndReason.LOCAL_HANGUP
            await self._calls.care.hang_up(self._call)

    def _up(self) -> Call:
        if self._call is None:
            raise Unreached("no_answer")
        return self._call
