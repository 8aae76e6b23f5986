"""Who steers a call: brains by priority, claims with tokens, and what happens when the holder goes away."""

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from core.errors import Claimed
from core.events import CallClaimed
from core.line import CallState

if TYPE_CHECKING:
    from core.call import Call
    from core.call_book import CallBook


class Right(StrEnum):
    """Kinds of wishes with different rights."""

    SPEAK = "speak"
    STEER = "steer"
    HANGUP = "hangup"


@dataclass(frozen=True, slots=True)
class Asker:
    """A connection that wishes something. token is what it presents of a claim it doesn't hold."""

    session: int
    name: str
    admin: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Brain:
    """A client that wants calls. Higher priority first; among equals the one that registered first."""

    session: int
    name: str
    priority: int
    lines: frozenset[str] = frozenset()
    order: int = 0

    def wants(self, line: str) -> bool:
        return not self.lines or line in self.lines


@dataclass(slots=True)
class Claim:
    """One call's steering. session is None while its holder is gone and the grace runs."""

    session: int | None
    name: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    speakers: frozenset[str] = frozenset()
    is_brain: bool = False

    def allows(self, right: Right, asker: Asker) -> bool:
        """The holder's connection carries the claim; others need the token, or a name that it lists for speaking."""
        if self.session == asker.session:
            return True
        if asker.token is not None and secrets.compare_digest(asker.token.encode(), self.token.encode()):
            return True
        if right is Right.HANGUP and asker.admin:
            return True
        return right is Right.SPEAK and asker.name in self.speakers


class Brains:
    """All registered brains."""

    def __init__(self) -> None:
        self._brains: dict[int, Brain] = {}
        self._registered = 0

    def register(self, session: int, name: str, priority: int, lines: Iterable[str] = ()) -> Brain:
        self._registered += 1
        brain = Brain(session, name, priority, frozenset(lines), self._registered)
        self._brains[session] = brain
        return brain

    def forget(self, session: int) -> None:
        self._brains.pop(session, None)

    def get(self, session: int) -> Brain | None:
        return self._brains.get(session)

    def best(self, line: str) -> Brain | None:
        """The one to steer the next call on this line."""
        wanting = [brain for brain in self._brains.values() if brain.wants(line)]
        return min(wanting, key=lambda brain: (-brain.priority, brain.order), default=None)


class Steering:
    """Claims of all calls. `fallback` is what the core itself says when nobody is left."""

    def __init__(self, book: "CallBook", grace_s: float, fallback: Callable[["Call"], Awaitable[None]]) -> None:
        self._book, self._grace_s, self._fallback = book, grace_s, fallback
        self.brains = Brains()

    def check(self, call: "Call", right: Right, asker: Asker) -> None:
        """Claimed, where another client steers this call."""
        if call.claim is not None and not call.claim.allows(right, asker):
            raise Claimed(holder=call.claim.name)

    def assign(self, call: "Call") -> None:
        """Gives the call to the best brain of its line, or to nobody."""
        best = self.brains.best(call.line)
        if best is None:
            if call.claim is not None:
                self._set(call, None)
        elif call.claim is None or call.claim.session != best.session:
            self._set(call, Claim(best.session, best.name, is_brain=True))

    def register(self, session: int, name: str, priority: int, lines: list[str]) -> list["Call"]:
        """A brain that came back within the grace gets its calls again, unanswered ones go to the best brain.
        Gives the calls that this brain steers now."""
        self.brains.register(session, name, priority, lines)
        for call in self._book.live():
            claim = call.claim
            if claim is not None and claim.session is None and claim.name == name and claim.is_brain:
                claim.session = session
                self._tell(call)
            elif call.state is CallState.INCOMING and (claim is None or claim.is_brain):
                self.assign(call)
        return [call for call in self._book.live() if call.claim is not None and call.claim.session == session]

    def withdraw(self, session: int) -> list["Call"]:
        """A brain steps aside and stays connected: its calls, answered or not, go to the next brain at once, and to
        the fallback where there is none. Gives the calls that it had."""
        self.brains.forget(session)
        given = [call for call in self._book.live() if call.claim is not None and call.claim.session == session]
        for call in given:
            self.assign(call)
            if call.claim is None and call.watched and call.connected_s is not None:
                self._book.spawn(self._left_alone(call), "call.withdrawn")
        return given

    async def _left_alone(self, call: "Call") -> None:
        await self._fallback(call)

    def claim(self, call: "Call", asker: Asker, speakers: Iterable[str]) -> Claim:
        """Takes a free call, one whose holder is gone, or one that a brain was given and has not answered yet."""
        held = call.claim
        if held is not None and held.session not in (None, asker.session):
            given = held.is_brain and call.connected_s is None
            if not given:
                raise Claimed(holder=held.name)
        is_brain = self.brains.get(asker.session) is not None
        claim = Claim(asker.session, asker.name, speakers=frozenset(speakers), is_brain=is_brain)
        self._set(call, claim)
        return claim

    def release(self, call: "Call") -> None:
        self._set(call, None)

    def session_closed(self, session: int) -> None:
        """A connection is gone: its calls go on, and their holder has the grace to come back."""
        self.brains.forget(session)
        for call in self._book.live():
            if call.claim is not None and call.claim.session == session:
                call.claim.session = None
                self._book.spawn(self._grace(call, call.claim), "call.grace")

    async def _grace(self, call: "Call", claim: Claim) -> None:
        if call.connected_s is not None:
            await call.ended_within(self._grace_s)
        if call.live and call.claim is claim and claim.session is None:
            self.assign(call)
            if call.claim is None and call.watched:
                await self._fallback(call)

    def _set(self, call: "Call", claim: Claim | None) -> None:
        call.claim = claim
        self._tell(call)

    def _tell(self, call: "Call") -> None:
        holder = call.claim.name if call.claim else None
        self._book.bus.moment(CallClaimed(line=call.line, call_id=call.call_id, holder=holder))
