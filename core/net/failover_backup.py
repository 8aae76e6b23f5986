"""The backup as the failover machine has it: the bearer, and whose traffic it is. Pure.

It is told whether it is wanted and says what to do next, one thing at a time. So nothing is begun twice, nothing is
taken that has not come up, and whatever was taken is given back before the bearer goes.
"""

from collections import deque
from collections.abc import Iterator
from enum import StrEnum

from core.config import NetConfig
from core.net.failover_acts import GiveBack, ProbeBackup, StartBearer, StopBearer, TakeTraffic

GRACE_S = 1.0
"""After the route was set, the kernel's word that it is there may take so long."""

PUT_BACK_PER_MINUTE = 5
PUT_BACK_SLOWLY_S = 30.0
"""A second program that fights for the default route is not fought any harder."""

GIVE_BACK_AGAIN_S = 2.0


class Bearer(StrEnum):
    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"


class Traffic(StrEnum):
    """Whose it is. UNSURE: taking or giving back failed half-way, so it has to be given back."""

    PRIMARY = "primary"
    TAKING = "taking"
    OURS = "ours"
    UNSURE = "unsure"
    GIVING = "giving"


Step = StartBearer | StopBearer | TakeTraffic | GiveBack


class Backup:
    """interface: of the bearer while it is up. cause and text: of its last trouble. failed: it did not come up
    at the last try. broken: it is up and of no use, so it has to be made anew; dead: since its own looks failed."""

    def __init__(self, config: NetConfig) -> None:
        self._config = config
        self.bearer = Bearer.DOWN
        self.traffic = Traffic.PRIMARY
        self.interface: str | None = None
        self.cause: str | None = None
        self.text = ""
        self.failed = self.broken = self.dead = self.contested = False
        self.carrying_since_s: float | None = None
        self.retry_s = 0.0
        """monotonic: no start before."""
        self._tries = 0
        self._failed_s: float | None = None
        self._ticket = 0
        self._give_again_s = 0.0
        self._given_badly = False
        self._present = self._seen = False
        self._taken_s = 0.0
        self._put_back: deque[float] = deque(maxlen=PUT_BACK_PER_MINUTE)
        self._fails = 0
        self._probe_ticket = 0
        self._probing = False
        self._probe_s = 0.0

    @property
    def carrying(self) -> bool:
        """The traffic goes over it, and it works as far as we know."""
        return self.traffic is Traffic.OURS and not self.broken

    @property
    def resting(self) -> bool:
        """Nothing of it is left."""
        return self.bearer is Bearer.DOWN and self.traffic is Traffic.PRIMARY

    def enter(self, now_s: float, *, anew: bool) -> None:
        """It is needed from now on. anew: it wasn't until now; otherwise what made it go away has set the next try."""
        self.failed = False
        if anew:
            if self._failed_s is None or now_s - self._failed_s > self._config.retry_s[-1]:
                self._tries = 0
            self.hurry(now_s)

    def hurry(self, now_s: float) -> bool:
        """The back-off is over, but for its shortest. Whether that makes a difference."""
        before_s = max(self.retry_s, now_s)
        soonest_s = now_s if self._failed_s is None else self._failed_s + self._config.retry_s[0]
        self.retry_s = min(before_s, max(soonest_s, now_s))
        return self.retry_s < before_s and self.bearer is Bearer.DOWN

    def step(self, now_s: float, *, wanted: bool) -> Step | None:
        """The next thing to do; None while the last one is under way, or where all is as wanted."""
        if self.bearer is Bearer.STOPPING or self.traffic in (Traffic.TAKING, Traffic.GIVING):
            return None
        if self.bearer is Bearer.STARTING:
            return None if wanted else self._stop()
        keep = wanted and not self.broken
        if self.traffic is Traffic.UNSURE or (self.traffic is Traffic.OURS and not keep):
            if now_s >= self._give_again_s:
                self.traffic = Traffic.GIVING
                return GiveBack(self._new_ticket())
            return self._stop() if self.bearer is Bearer.UP else None  # its routes go with its interface
        if self.bearer is Bearer.UP:
            return self._use(now_s) if keep else self._stop()
        if wanted and now_s >= self.retry_s:
            self.bearer = Bearer.STARTING
            return StartBearer(self._new_ticket())
        return None

    def _use(self, now_s: float) -> Step | None:
        if self.traffic is Traffic.PRIMARY:
            self.traffic = Traffic.TAKING
            return TakeTraffic(self._new_ticket())
        if self._missing(now_s) and now_s >= self._put_back_s(now_s):
            self._put_back.append(now_s)
            self.traffic = Traffic.TAKING
            return TakeTraffic(self._new_ticket(), again=True)
        return None

    def _stop(self) -> StopBearer:
        self.bearer = Bearer.STOPPING
        return StopBearer(self._new_ticket())

    def _new_ticket(self) -> int:
        self._ticket += 1
        return self._ticket

    # --- answers -----------------------------------------------------------------------------------------------------

    def bearer_up(self, ticket: int, interface: str) -> bool:
        if ticket != self._ticket or self.bearer is not Bearer.STARTING:
            return False
        self.bearer, self.interface = Bearer.UP, interface
        self.failed = self.broken = self.dead = False
        return True

    def bearer_failed(self, now_s: float, ticket: int, cause: str, text: str) -> bool:
        if ticket != self._ticket or self.bearer is not Bearer.STARTING:
            return False
        self.bearer = Bearer.DOWN
        self._trouble(now_s, cause, text)
        return True

    def bearer_stopped(self, ticket: int) -> bool:
        if ticket != self._ticket or self.bearer is not Bearer.STOPPING:
            return False
        self.bearer, self.interface = Bearer.DOWN, None
        self.broken = self.dead = self._probing = False
        return True

    def taken(self, now_s: float, ticket: int) -> bool:
        if ticket != self._ticket or self.traffic is not Traffic.TAKING:
            return False
        if self.carrying_since_s is None:
            self.carrying_since_s = self._probe_s = now_s
            self._fails = 0
        self.traffic, self._taken_s, self._seen = Traffic.OURS, now_s, self._present
        return True

    def take_failed(self, now_s: float, ticket: int, cause: str, text: str) -> bool:
        if ticket != self._ticket or self.traffic is not Traffic.TAKING:
            return False
        self.traffic, self.broken = Traffic.UNSURE, True
        self._trouble(now_s, cause, text)
        return True

    def given_back(self, ticket: int) -> bool:
        if ticket != self._ticket or self.traffic is not Traffic.GIVING:
            return False
        self.traffic, self.carrying_since_s, self._give_again_s = Traffic.PRIMARY, None, 0.0
        self.contested = self._probing = False
        self._put_back.clear()
        return True

    def give_back_failed(self, now_s: float, ticket: int, cause: str, text: str) -> bool:
        if ticket != self._ticket or self.traffic is not Traffic.GIVING:
            return False
        self.traffic, self._give_again_s = Traffic.UNSURE, now_s + GIVE_BACK_AGAIN_S
        self.cause, self.text, self.failed = cause, text, True  # nothing can be started before
        return True

    def bearer_lost(self, now_s: float, cause: str, text: str) -> bool:
        """The modem was reset, its interface is gone, the session is over. False: it was not up anyway."""
        if self.bearer is not Bearer.UP or self.broken:
            return False
        self.broken = True
        self._trouble(now_s, cause, text)
        return True

    def _trouble(self, now_s: float, cause: str, text: str) -> None:
        waits = self._config.retry_s
        self.cause, self.text = cause, text
        self.failed, self._failed_s = True, now_s
        self.retry_s = now_s + waits[min(self._tries, len(waits) - 1)]
        self._tries += 1

    # --- its own looks ------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> ProbeBackup | None:
        """The next look over it while it carries. The one that would decide that it is dead looks closer: some
        networks drop ICMP."""
        if self.contested and self._present and now_s >= self._put_back[-1] + 60.0:
            self.contested = False
        if not self.carrying or self._probing or now_s < self._probe_s:
            return None
        self._probing = True
        self._probe_ticket += 1
        self._probe_s = now_s + self._config.every_s
        return ProbeBackup(self._probe_ticket, thorough=self._fails + 1 >= self._config.fail_count)

    def probed(self, now_s: float, ticket: int, ok: bool, detail: str) -> bool:
        if ticket != self._probe_ticket or not self._probing:
            return False
        self._probing = False
        if ok:
            self._fails = self._tries = 0
        elif self.carrying:
            self._fails += 1
            if self._fails >= self._config.fail_count:
                self.broken = self.dead = True
                self._trouble(now_s, "failed", f"nothing answers over the SIM's data: {detail}")
        return True

    def probe_lost(self, ticket: int) -> None:
        if ticket == self._probe_ticket:
            self._probing = False

    # --- our route ----------------------------------------------------------------------------------------------------

    def route_seen(self, present: bool) -> None:
        """Whether the kernel has our default route over the bearer's interface. It may be quicker than the helper's own
        answer that it is set."""
        self._present = present
        self._seen = self._seen or (present and self.traffic is Traffic.OURS)

    def _missing(self, now_s: float) -> bool:
        return not self._present and (self._seen or now_s >= self._taken_s + GRACE_S)

    def _put_back_s(self, now_s: float) -> float:
        """When it may be put back: five times a minute, then every half minute, which is `contested`."""
        recent = [at_s for at_s in self._put_back if now_s - at_s < 60.0]
        if len(recent) < PUT_BACK_PER_MINUTE and not self.contested:
            return now_s
        self.contested = True
        return self._put_back[-1] + PUT_BACK_SLOWLY_S

    def times(self) -> Iterator[float]:
        """When something may have to be done by itself."""
        yield self.retry_s
        yield self._give_again_s
        yield self._probe_s
        yield self._taken_s + GRACE_S
        if self._put_back:
            yield self._put_back[-1] + PUT_BACK_SLOWLY_S
            yield self._put_back[-1] + 60.0
