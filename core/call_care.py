"""What the core does for a call by itself: breaks a silence, says goodbye, keeps the limits, and ends it for good."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.call import Call
from core.call_book import CallBook
from core.config import CallConfig
from core.errors import PublicError
from core.line import CallState, EndReason, Line
from core.log import Log
from core.talk import Talk

log = Log("care")

HANG_UP_TRIES = 20
HANG_UP_AGAIN_S = 5.0
HELD_AGAIN_S = 5.0
"""The modem's list of calls, which says that a call is off hold, is a second behind: asked too soon, it would swap."""
LOOK_S = 0.25
"""Between two looks at a call's limits, or whether it is off hold."""
LISTEN_S = 0.05
"""Between two looks whether everything was said."""
FAREWELL_S = 25.0
"""The longest that a hang-up waits for words: less than clients wait for an answer."""
TAIL_S = 0.3
"""Our last frames lie in the modem for a moment when they have left us; hanging up would cut them off."""
ANSWER_S = 8.0
"""How long the last turn of a call may wait for its answer to begin."""


class CallCare:
    """Of all calls. to_voicemail is tried before the fallback's words; the call service sets it."""

    def __init__(self, config: CallConfig, book: CallBook, talk: Talk, lines: Mapping[str, Line]) -> None:
        self._config, self._book, self._talk, self._lines = config, book, talk, lines
        self.to_voicemail: Callable[[Call], bool] = lambda call: False

    async def hang_up(self, call: Call) -> None:
        """Our own wish, for which no client waits: until it is done, since a call costs its owner money."""
        for _ in range(HANG_UP_TRIES):
            try:
                await self._lines[call.line].hangup(call.handle)
            except PublicError as problem:
                log.warning("the line did not hang up", call_id=call.call_id, kind=problem.kind)
            if await call.ended_within(HANG_UP_AGAIN_S):
                return

    async def quiet(self, call: Call) -> None:
        """Neither side was heard for silence_limit_s: somebody has to say something. Voicemail and transfers have
        watches of their own, and hold and attached clients never come here."""
        if not call.watched or not call.live or call.handled is not None:
            return
        steered = call.claim is not None and call.claim.session is not None
        if steered and not call.reminded:
            call.reminded = True
            self._talk.unsuspend(call)  # words that a brain paused and forgot
            self._talk.speak(call, self._config.silence_text)
        else:
            await self.fallback(call)

    async def fallback(self, call: Call) -> None:
        """Nobody steers this call any more: voicemail takes it, or we say so and let the caller go."""
        if call.state is CallState.HELD and not await self._taken_back(call):
            return
        if call.state is not CallState.ACTIVE or call.handled is not None:
            return
        if self.to_voicemail(call):
            log.info("nobody steers the call; voicemail takes it", call_id=call.call_id)
            return
        log.warning("nobody steers the call; the fallback speaks", call_id=call.call_id)
        self._talk.silence(call)
        await self._talk.speak_and_wait(call, self._config.fallback_text)
        if call.live and call.handled is None:
            call.end_hint = EndReason.LOCAL_HANGUP
            await self.hang_up(call)

    async def _taken_back(self, call: Call) -> bool:
        """Whether it is off hold, from where nobody else would ever take it, and still nobody's. Another call on the
        line is not put on hold for it."""
        again_s = 0.0
        while call.state is CallState.HELD and call.claim is None and call.handled is None:
            if len(self._book.on_line(call.line)) == 1 and time.monotonic() >= again_s:
                again_s = time.monotonic() + HELD_AGAIN_S
                try:
                    await self._lines[call.line].resume_held(call.handle)
                except PublicError as problem:
                    log.warning("the call was not taken off hold", call_id=call.call_id, kind=problem.kind)
            if await call.ended_within(LOOK_S):
                return False
        return call.claim is None

    # --- the last words ----------------------------------------------------------------------------------------------

    async def farewell(self, call: Call, text: str | None, limit_s: float = FAREWELL_S) -> None:
        """Lets what is being said end, and text after it; gives up after limit_s. The call is still up then."""
        if text is not None and call.state is CallState.ACTIVE:
            with contextlib.suppress(PublicError, TimeoutError):  # a call that was just answered gets its audio soon
                async with asyncio.timeout(limit_s):
                    await self._talk.ready(call)
        conversation = call.conversation
        if conversation is None or call.state is not CallState.ACTIVE or not conversation.has_audio:
            return
        until_s = time.monotonic() + limit_s
        conversation.speaking.resume()
        if text is not None:
            self._talk.speak(call, text)
        while conversation.speaking.busy and conversation.has_audio:
            if time.monotonic() >= until_s or await call.ended_within(LISTEN_S):
                return
        await call.ended_within(TAIL_S)

    async def say_goodbye(self, call: Call, text: str | None, reason: EndReason = EndReason.LOCAL_HANGUP) -> None:
        """farewell, and hang-up."""
        await self.farewell(call, text)
        if call.live:
            call.end_hint = call.end_hint or reason
            await self.hang_up(call)

    # --- limits ------------------------------------------------------------------------------------------------------

    async def limits(self, call: Call) -> None:
        """Until the call ends, or has had its turns or its time: it is told so, and hung up. max_duration_s is hard."""
        config = self._config
        end_s = (call.connected_s or time.monotonic()) + config.max_duration_s
        notice_s = end_s - min(config.limit_notice_s, config.max_duration_s / 2)
        turns = TurnCount(config.max_turns)
        while time.monotonic() < notice_s and not self._had_its_turns(call, turns):
            if await call.ended_within(min(LOOK_S, max(0.001, notice_s - time.monotonic()))):
                return
        if call.handled is None and call.state is CallState.ACTIVE:
            await self.farewell(call, config.limit_text, max(0.0, end_s - time.monotonic()))
        elif await call.ended_within(end_s - time.monotonic()):
            return
        if call.live:
            call.end_hint = EndReason.LIMIT
            await self.hang_up(call)

    def _had_its_turns(self, call: Call, turns: "TurnCount") -> bool:
        conversation = call.conversation
        if conversation is None or call.handled is not None or call.state is not CallState.ACTIVE:
            return False
        hearing = conversation.hearing
        listening = hearing.in_turn or hearing.words.thinking
        return turns.over(
            hearing.turns, listening=listening, speaking=conversation.speaking.busy, at_s=time.monotonic()
        )

    async def ring_limit(self, call: Call, timeout_s: float) -> None:
        """An outgoing call that nobody answers is given up."""
        if not await call.ended_within(timeout_s) and call.connected_s is None:
            call.end_hint = EndReason.NO_ANSWER
            await self.hang_up(call)


@dataclass(slots=True)
class TurnCount:
    """Whether a call had all its turns and the answer to the last one. Pure. most 0: there is no limit."""

    most: int
    _listened_s: float | None = None
    _answered: bool = False

    def over(self, turns: int, *, listening: bool, speaking: bool, at_s: float) -> bool:
        """listening: the caller speaks, or what was said is not understood yet."""
        if not self.most or turns < self.most or listening:
            return False
        if self._listened_s is None:
            self._listened_s = at_s
        self._answered = self._answered or speaking
        return not speaking and (self._answered or at_s - self._listened_s >= ANSWER_S)
