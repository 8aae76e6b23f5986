"""The talking side of calls, as the call service and the methods use it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from core.call import Call
from core.call_fsm import Wish, check
from core.config import Config
from core.conversation import Conversation
from core.errors import AudioFailed, PublicError
from core.key_presses import DtmfSource, KeyPresses
from core.line import AudioPort
from core.log import Log
from core.playing import tone_pieces
from core.recordings import Recordings
from core.speaking import Said
from core.speech import SpeechService
from core.store.store import Store

log = Log("talk")

SPEAK_WAIT_S = 120.0
KEY_S, KEYS_WAIT_S = 0.2, 2.0
"""Of one key with its pause; what may be said before the keys that wait, at a guess."""
AUDIO_WAIT_S = 20.0
"""More than the window in which a line tries to open the audio (12 s)."""


OnDigit = Callable[[Call, str, DtmfSource], Awaitable[None]]


class Talk:
    """Conversations of all calls."""

    def __init__(self, config: Config, store: Store, speech: SpeechService) -> None:
        self._config, self._store, self._speech = config, store, speech
        self.recordings = Recordings(config.recording, store)
        self._presses = KeyPresses()

    def warm(self) -> None:
        """A call is coming or going out."""
        self._speech.tts.warm()
        self._speech.stt.warm()

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

    def can_speak(self, call: Call) -> bool:
        return call.conversation is not None and call.conversation.can_speak

    @contextmanager
    def leaving(self, call: Call) -> Iterator[None]:
        """While the audio of a call is being closed: who wants to speak waits for what comes next, as after a swap."""
        conversation = call.conversation
        if conversation is None:
            yield
            return
        conversation.leaving = True
        try:
            yield
        finally:
            conversation.leaving = False
            call.changed.set()

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
        if call.conversation is None or not call.conversation.can_speak:
            raise AudioFailed("The call has no audio yet.", retry_after_s=0.5)
        return call.conversation

    async def ready(self, call: Call) -> Conversation:
        """Waits for the audio of a call that was just answered: a brain may speak on call.connected at once.

        AudioFailed when the modem gives none; NotNow for a call that is not active, or over meanwhile.
        """
        try:
            async with asyncio.timeout(AUDIO_WAIT_S):
                while not self.can_speak(call) and not call.audio_failed:
                    check(Wish.SPEAK, call.state)
                    call.changed.clear()
                    await call.changed.wait()
        except TimeoutError:
            pass
        return self.conversation(call)

    async def free(self, call: Call) -> Conversation:
        """`ready`, for what a client wants to say: NotNow also while voicemail or a transfer has the call."""
        call.refuse_while_handled()
        conversation = await self.ready(call)
        call.refuse_while_handled()
        return conversation

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

    async def take_over(self, call: Call) -> Conversation:
        """For a service that has the call now: no client talks any more, nothing is said or waits, and nothing is
        paused. What the caller is told of a recording is said to its end, since there would be no recording. Errors as
        `ready`."""
        conversation = await self.ready(call)
        conversation.attachments.end_talk()
        conversation.speaking.resume()
        await conversation.recording.told()
        self.silence(call)
        return conversation

    def suspend(self, call: Call) -> None:
        if call.conversation is not None:
            call.conversation.suspend()

    def unsuspend(self, call: Call) -> None:
        if call.conversation is not None:
            call.conversation.unsuspend()

    def is_new_press(self, call: Call, digit: str, source: DtmfSource) -> bool:
        """False for the second report of one press, by the other detector, and for the echo of keys that we send."""
        return self._presses.is_new(call.call_id, digit, source, asyncio.get_running_loop().time())

    def send_tones(self, call: Call, digits: str, rounds: int = 1) -> Said:
        """Keys as tones in our own voice, behind what is being said."""
        speaking, rate_hz = self.conversation(call).speaking, self.conversation(call).format.rate_hz
        pieces = tone_pieces(digits, self._config.media.tone_country, rate_hz, rounds=rounds)
        said = speaking.play_pieces(pieces, interruptible=False, shaped=False)
        lasting_s = min(SPEAK_WAIT_S, KEY_S * len(digits) * max(1, rounds) + KEYS_WAIT_S)
        self._presses.sent(call.call_id, digits, asyncio.get_running_loop().time(), lasting_s)
        return said
