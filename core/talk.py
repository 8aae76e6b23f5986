"""The talking side of calls, as the call service and the methods use it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from core.call import Call
from core.call_fsm import Wish, check
from core.config import Config
from core.conversation import Conversation
from core.errors import AudioFailed, PublicError
from core.line import AudioPort
from core.log import Log
from core.recordings import Recordings
from core.speaking import Said
from core.speech import SpeechService
from core.store.store import Store

log = Log("talk")

SAME_PRESS_S = 0.6
"""A key may come twice: from the modem's own detector and from ours, which differ by up to some 0.4 s."""
SPEAK_WAIT_S = 120.0
AUDIO_WAIT_S = 20.0
"""More than the window in which a line tries to open the audio (12 s)."""


class DtmfSource(StrEnum):
    URC = "urc"
    INBAND = "inband"


@dataclass(frozen=True, slots=True)
class _Press:
    call_id: str
    digit: str
    source: DtmfSource
    at_s: float


OnDigit = Callable[[Call, str, DtmfSource], Awaitable[None]]


class Talk:
    """Conversations of all calls."""

    def __init__(self, config: Config, store: Store, speech: SpeechService) -> None:
        self._config, self._store, self._speech = config, store, speech
        self.recordings = Recordings(config.recording, store)
        self._presses: deque[_Press] = deque(maxlen=64)

    def warm(self) -> None:
        """A call is coming or going out."""
        self._speech.tts.warm()

    async def run(
        self,
        call: Call,
        port: AudioPort,
        greeting: str | None,
        on_quiet: Callable[[Call], Awaitable[None]],
        on_digit: OnDigit,
    ) -> bool:
        """Talks until the port closes. False after a mistake of ours, which ends this call and never the daemon."""
        if call.conversation is None:
            call.conversation = Conversation(
                call,
                port.format,
                config=self._config,
                store=self._store,
                speech=self._speech,
                recordings=self.recordings,
                on_quiet=on_quiet,
                on_digit=lambda which, digit: on_digit(which, digit, DtmfSource.INBAND),
            )
        else:
            greeting = None
        went_well = True
        try:
            await call.conversation.run(port, greeting, call.changed)
        except* Exception:  # the outermost guard of a conversation
            log.exception("the conversation failed", call_id=call.call_id)
            went_well = False
        return went_well

    def has_audio(self, call: Call) -> bool:
        return call.conversation is not None and call.conversation.has_audio

    async def wait_closed(self, call: Call) -> None:
        if call.conversation is not None:
            await call.conversation.closed()

    async def finish(self, call: Call) -> None:
        if call.conversation is not None:
            await call.conversation.finish()

    def turns(self, call: Call) -> int:
        return call.conversation.hearing.turns if call.conversation is not None else 0

    def conversation(self, call: Call) -> Conversation:
        """The one of an active call; AudioFailed while the modem has not given the audio yet."""
        check(Wish.SPEAK, call.state)
        if call.conversation is None or not call.conversation.has_audio:
            raise AudioFailed("The call has no audio yet.", retry_after_s=0.5)
        return call.conversation

    async def ready(self, call: Call) -> Conversation:
        """Waits for the audio of a call that was just answered: a brain may speak on call.connected at once.

        AudioFailed when the modem gives none; NotNow for a call that is not active, or over meanwhile.
        """
        try:
            async with asyncio.timeout(AUDIO_WAIT_S):
                while not self.has_audio(call) and not call.audio_failed:
                    check(Wish.SPEAK, call.state)
                    call.changed.clear()
                    await call.changed.wait()
        except TimeoutError:
            pass
        return self.conversation(call)

    def speak(self, call: Call, text: str) -> Said | None:
        """The service's own words; None where there is no audio to speak into."""
        try:
            return self.conversation(call).speaking.speak(text)
        except PublicError:
            return None

    async def speak_and_wait(self, call: Call, text: str) -> None:
        """Says it once there is audio, and returns when it was said or can't be."""
        try:
            said = (await self.ready(call)).speaking.speak(text)
        except PublicError:
            said = None
        if said is not None:
            try:
                async with asyncio.timeout(SPEAK_WAIT_S):
                    await said.done.wait()
            except TimeoutError:
                log.warning("an utterance never ended", call_id=call.call_id)

    def silence(self, call: Call) -> None:
        """Drops what is said or waits, and takes back a pause."""
        if call.conversation is not None:
            call.conversation.stop_speaking()
            call.conversation.speaking.resume()

    def suspend(self, call: Call) -> None:
        if call.conversation is not None:
            call.conversation.suspend()

    def unsuspend(self, call: Call) -> None:
        if call.conversation is not None:
            call.conversation.unsuspend()

    def is_new_press(self, call: Call, digit: str, source: DtmfSource) -> bool:
        """False for the second report of one press, by the other detector."""
        now_s = asyncio.get_running_loop().time()
        for press in self._presses:
            same = press.call_id == call.call_id and press.digit == digit and press.source is not source
            if same and now_s - press.at_s < SAME_PRESS_S:
                self._presses.remove(press)
                return False
        self._presses.append(_Press(call.call_id, digit, source, now_s))
        return True
