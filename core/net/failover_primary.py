"""What is believed of the main link: whether it stands, and how often in a row it answered or failed. Pure."""

from collections.abc import Iterator

from core.config import NetConfig
from core.events import NetVerdict
from core.net.failover_acts import ProbePrimary

PRIORITY_GAP_S = 1.0
"""Requests so soon after each other are one: a ring, its caller's number and a client's own net.check."""


class MainLink:
    """Of `fails` and `answers` one is 0; both are while nothing is known of this link.

    standing: whether it has a carrier, an address and a route, once that has lasted for settle_s; None before.
    """

    def __init__(self, config: NetConfig, now_s: float) -> None:
        self._config = config
        self.interface: str | None = None
        self.standing: bool | None = None
        self.verdict: NetVerdict | None = None
        self.detail = ""
        self.fails = 0
        self.answers = 0
        self.urgent = False
        """It failed when it was needed at once: one failure counts for all."""
        self.asked_for = ""
        """What for, for people."""
        self._heard = False
        """The kernel has said how the links are. Before that nothing is believed of them."""
        self._asked_early: str | None = None
        self._usable = False
        self._since_s = self._unsettled_s = now_s
        self._stood = False
        self._next_s = now_s
        self._ticket = 0
        self._probing: ProbePrimary | None = None
        self._priority_s: float | None = None

    @property
    def usable(self) -> bool:
        """At this moment, settled or not."""
        return self._usable

    @property
    def probing(self) -> ProbePrimary | None:
        return self._probing

    @property
    def decisive(self) -> bool:
        """It is down for sure."""
        return self.urgent or self.fails >= self._config.fail_count

    def seen(self, now_s: float, interface: str | None, usable: bool) -> None:
        """How the kernel has it. Another interface is another link: what was learned of the old one is forgotten."""
        if not self._heard:
            self._heard, self._since_s, self._unsettled_s = True, now_s, now_s
        if interface != self.interface:
            if self.standing is not None:
                self._unsettled_s = now_s
            self.interface, self.standing = interface, None
            self._unknown()
            self._usable, self._since_s = usable, now_s
        elif usable is not self._usable:
            self._usable, self._since_s = usable, now_s

    def request(self, now_s: float, reason: str) -> ProbePrimary | None:
        """Somebody needs the internet now. Before the first word of the kernel it waits for that."""
        if not self._heard:
            self._asked_early = reason
            return None
        self.asked_for = reason
        if not self._usable:
            self._falls("is not connected")
            self.urgent = True
            return None
        if self._probing is not None and self._probing.priority:
            return None
        if self._priority_s is not None and now_s - self._priority_s < PRIORITY_GAP_S:
            return None
        self._priority_s = now_s
        return self._probe(now_s, self._config.priority_timeout_s, priority=True)

    def probed(self, now_s: float, ticket: int, verdict: NetVerdict, detail: str) -> bool:
        """False: an answer that nobody waits for."""
        if self._probing is None or ticket != self._probing.ticket:
            return False
        priority, self._probing = self._probing.priority, None
        if priority:
            self._priority_s = now_s
        self.verdict, self.detail = verdict, detail
        if verdict is NetVerdict.NO_LINK or verdict.value in map(str, self._config.failover_on):
            self.fails, self.answers = self.fails + 1, 0
            self.urgent = self.urgent or priority
        else:
            self.answers, self.fails, self.urgent = self.answers + 1, 0, False
        return True

    def lost(self, ticket: int) -> None:
        """Nothing was learned."""
        if self._probing is not None and ticket == self._probing.ticket:
            self._probing = None

    def tick(self, now_s: float) -> ProbePrimary | None:
        if not self._heard:
            return None
        if self._asked_early is not None:
            reason, self._asked_early = self._asked_early, None
            return self.request(now_s, reason)
        self._settle(now_s)
        if self.standing and self._probing is None and now_s >= self._next_s:
            return self._probe(now_s, self._config.ping_timeout_s, priority=False)
        return None

    def times(self) -> Iterator[float]:
        """When `tick` may have something to do."""
        yield self._next_s
        yield self._since_s + self._config.settle_s
        yield self._unsettled_s + self._patience_s

    @property
    def _patience_s(self) -> float:
        """At the start, and while links take turns: how long one may need to stand. A Wi-Fi at boot needs its time."""
        return max(self._config.settle_s, self._config.every_s)

    def _settle(self, now_s: float) -> None:
        if self.standing is self._usable:
            return
        if now_s >= self._since_s + self._config.settle_s and (self._usable or self._stood):
            self._stands(now_s) if self._usable else self._falls("lost its carrier, address or route")
        elif self.standing is None and now_s >= self._unsettled_s + self._patience_s:
            self._falls("does not come to rest" if self._usable else "is not connected")

    def _stands(self, now_s: float) -> None:
        self._stood = True
        if self.verdict is NetVerdict.NO_LINK and self._probing is None:
            self._unknown()
        self.standing, self._next_s = True, now_s

    def _falls(self, how: str) -> None:
        self.standing = False
        self._gone(f"{self.interface} {how}" if self.interface is not None else "there is no main link")

    def _gone(self, detail: str) -> None:
        self._probing = None
        self.verdict, self.detail = NetVerdict.NO_LINK, detail
        self.fails, self.answers = max(self.fails, self._config.fail_count), 0

    def _unknown(self) -> None:
        self._probing, self.verdict, self.detail = None, None, ""
        self.fails = self.answers = 0
        self.urgent = False

    def _probe(self, now_s: float, timeout_s: float, *, priority: bool) -> ProbePrimary:
        self._ticket += 1
        self._probing = ProbePrimary(self._ticket, timeout_s, priority)
        self._next_s = now_s + self._config.every_s
        return self._probing
