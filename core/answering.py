"""When an incoming call is answered: the policy of [call], what a brain configured, and the block list."""

import asyncio
from collections.abc import Mapping

from core.call import Call
from core.call_book import CallBook
from core.config import CallConfig
from core.dialable import blocked
from core.errors import PublicError
from core.line import CallState, EndReason, Line
from core.log import Log

log = Log("answering")


class Answering:
    """The core's own policy counts once the call's brain has configured it, or has had configure_wait_s to do so."""

    def __init__(self, config: CallConfig, book: CallBook, lines: Mapping[str, Line]) -> None:
        self._config, self._book, self._lines = config, book, lines

    def begin(self, call: Call) -> None:
        """A call came in."""
        self._block(call)
        self._book.spawn(self._wait_for_brain(call), "call.policy")
        if self._config.voicemail == "after_s":
            self._book.spawn(self._wait_for_anybody(call), "call.voicemail_after")

    def caller_known(self, call: Call) -> None:
        """The number came after the first ring."""
        self._block(call)
        self.consider(call)

    def consider(self, call: Call) -> None:
        """Answers or rejects where it is time; called at each ring and each change of settings."""
        if call.state is not CallState.INCOMING or call.answering:
            return
        if not (call.policy_ready or call.configured.is_set()):
            return
        wanted = call.settings.answer_after_rings
        if wanted == -1:
            call.answering = True
            call.end_hint = EndReason.REJECTED
            if call.settings.reject_by == "hangup":
                self._book.spawn(self._reject(call), "call.reject")
        elif self._is_due(call, wanted) and not call.waiting and len(self._book.on_line(call.line)) == 1:
            call.answering = call.watched = call.by_policy = True
            self._book.spawn(self._answer(call), "call.answer")

    def _is_due(self, call: Call, wanted_rings: int) -> bool:
        """With voicemail "after_s", rings count only for calls that somebody steers; others wait for a person."""
        if call.mailbox:
            return True
        waits = self._config.voicemail == "after_s" and call.claim is None
        return call.rings >= wanted_rings and not waits

    def _block(self, call: Call) -> None:
        if call.state is CallState.INCOMING and blocked(call.number, call.withheld, self._config.block):
            call.settings = call.settings.changed(answer_after_rings=-1, reject_by="hangup")
            call.policy_ready = True

    async def _wait_for_brain(self, call: Call) -> None:
        if call.claim is not None and not call.policy_ready:
            try:
                async with asyncio.timeout(self._config.configure_wait_s):
                    await call.configured.wait()
            except TimeoutError:
                log.debug("the brain did not configure the call", call_id=call.call_id)
        call.policy_ready = True
        self.consider(call)

    async def _wait_for_anybody(self, call: Call) -> None:
        if not await call.ended_within(self._config.voicemail_after_s) and call.state is CallState.INCOMING:
            call.mailbox = True
            self.consider(call)

    async def _answer(self, call: Call) -> None:
        try:
            await self._lines[call.line].answer(call.handle)
        except PublicError as problem:
            # The next ring tries again: a call that is still there deserves its answer.
            log.warning("the call was not answered", call_id=call.call_id, kind=problem.kind)
            call.answering = False

    async def _reject(self, call: Call) -> None:
        try:
            await self._lines[call.line].reject(call.handle)
        except PublicError as problem:
            log.warning("the call was not rejected", call_id=call.call_id, kind=problem.kind)
            call.answering = False
