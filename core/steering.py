"""Who steers a call: brains by priority, claims with tokens, and what happens when the holder goes away."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Peer(StrEnum):
    """Kinds of wishes with different rights."""

    SPEAK = "speak"
    STEER = "steer"
    HANGUP = "hangup"


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
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    speakers: frozenset[str] = frozenset()
    is_brain: bool = False

    def allows(self, wish: Peer, *, session: int, name: str | None, token: str | None, admin: bool) -> bool:
        """The holder's connection carries the claim; others need the token, or a name the claim lists for speaking."""
        if self.session == session or (token is not None and secrets.compare_digest(token, self.token)):
            return True
        if wish is Peer.HANGUP and admin:
            return True
        return wish is Peer.SPEAK and name is not None and name in self.speakers


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

    def forget(self, session: int) -> Brain | None:
        return self._brains.pop(session, None)

    def get(self, session: int) -> Brain | None:
        return self._brains.get(session)

    def best(self, line: str) -> Brain | None:
        """The one to steer the next call on this line."""
        wanting = [brain for brain in self._brains.values() if brain.wants(line)]
        return min(wanting, key=lambda brain: (-brain.priority, brain.order), default=None)

    def named(self, name: str) -> Brain | None:
        """A brain that came back under its name within the grace."""
        return next((brain for brain in self._brains.values() if brain.name == name), None)
