"""The guard: what a line may send and dial, whoever asks, and how much of it. Messages and calls share it.

Lists and premium numbers are rules of the number alone; the limits per hour and day, and the pace, stand in limits.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.config import CallConfig, GuardConfig
from core.dialable import compact, dialable
from core.errors import EmergencyDenied, GuardRefused, LimitExceeded
from core.limits import Kind, LimitRule, Limits, Usage
from core.line import Line
from core.log import Log
from core.numbers import (
    behind_selection,
    is_emergency,
    is_premium,
    known_region,
    peer_key,
    preload,
    region_of_imsi,
    sms_address,
    spellings,
)
from core.store.store import Store, Tx

log = Log("guard")


class Rule(StrEnum):
    """Which rule of the number said no. emergency stands in [call] of core.toml, the others in [guard]."""

    EMERGENCY = "emergency"
    DENY = "deny"
    ALLOW = "allow"
    PREMIUM = "premium"
    DRY_RUN = "dry_run"


_TEXTS = {
    Rule.EMERGENCY: EmergencyDenied.summary,
    Rule.DENY: "The deny list of [guard] in core.toml holds this number.",
    Rule.ALLOW: "The allow list of [guard] in core.toml does not hold this number.",
    Rule.PREMIUM: 'This is a premium-rate number. Set premium = "allow" in [guard], or name it in its allow list.',
    Rule.DRY_RUN: "dry_run is set in [guard] of core.toml: nothing is dialled.",
}


_NO_POLICY = CallConfig(emergency="allow")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of one number. number: its key (E.164 where it can be understood)."""

    allowed: bool
    number: str
    rule: Rule | LimitRule | None = None
    text: str | None = None
    retry_after_s: float | None = None


class Guard:
    """One for all lines. region_of: where the SIM of a line is at home, None while unknown; see sim_regions."""

    def __init__(
        self, config: GuardConfig, call_config: CallConfig, store: Store, region_of: Callable[[str], str | None]
    ) -> None:
        self.config = config
        self._emergency = call_config.emergency
        self._limits = Limits(config, store)
        self._region_of = region_of
        self._region = config.region
        self._ready: asyncio.Event | None = None

    @property
    def dry_run(self) -> bool:
        """Whether messages are accepted and written, and not sent. Calls are refused then."""
        return self.config.dry_run

    def region(self, line: str) -> str | None:
        """How numbers without + are read on this line: [guard] region, else the country of its SIM."""
        return self._region or self._region_of(line)

    async def ready(self) -> None:
        """Loads the numbering plans off the loop, and what was sent in the last minute. At once when that is done."""
        if self._ready is None:
            self._ready = asyncio.Event()
            try:
                await self._prepare()
            finally:
                self._ready.set()
        await self._ready.wait()

    async def _prepare(self) -> None:
        await asyncio.to_thread(preload, *([self._region] if self._region else []))
        if self._region is not None and not known_region(self._region):
            log.error("region in [guard] is no country code of ISO 3166; the SIM's counts", region=self._region)
            self._region = None
        await self._limits.recall()

    # --- rules of the number -----------------------------------------------------------------------------------------

    def check(self, kind: Kind, number: str, line: str) -> Verdict:
        """What lists, premium guard and policy say of a number; no limits. Pure but for the first loading of plans."""
        region = self.region(line)
        rule = self._number_rule(number, region)
        if rule is None and kind == "call" and self.dry_run:
            rule = Rule.DRY_RUN  # a message can be accepted without being sent; half a call is none
        return Verdict(rule is None, peer_key(number, region), rule, _TEXTS[rule] if rule else None)

    async def permit(self, kind: Kind, number: str, line: str) -> str:
        """The number's key. GuardRefused (data.rule), EmergencyDenied."""
        await self.ready()
        verdict = self.check(kind, number, line)
        if verdict.allowed:
            return verdict.number
        log.info("refused", what=kind, line=line, rule=verdict.rule, pii_number=number)
        if verdict.rule is Rule.EMERGENCY:
            raise EmergencyDenied()
        raise GuardRefused(verdict.text, rule=verdict.rule)

    def _number_rule(self, number: str, region: str | None) -> Rule | None:
        emergency = is_emergency(number, region)
        if emergency and self._emergency == "deny":
            return Rule.EMERGENCY
        written = spellings(number, region)
        hidden = tuple(behind_selection(number, region))
        if _listed(self.config.deny, (*written, *_all_spellings(hidden, region)), region):
            return Rule.DENY
        if emergency:
            return None  # whoever allows emergency numbers means it: no other list, price or limit stops them
        if self.config.allow and not _listed(self.config.allow, written, region):
            return Rule.ALLOW
        if self.config.premium == "allow" or self._named(written, region):
            return None
        return Rule.PREMIUM if any(is_premium(each, region) for each in (number, *hidden)) else None

    def _named(self, written: tuple[str, ...], region: str | None) -> bool:
        """Whether allow has exactly this number. A prefix there is too wide to mean premium numbers, too."""
        return _listed(tuple(each for each in self.config.allow if not each.endswith("*")), written, region)

    # --- limits -------------------------------------------------------------------------------------------------------

    async def within_limits(self, kind: Kind, number: str, line: str, parts: int = 1) -> None:
        """For a caller whose next slot nobody else can take meanwhile. An emergency number is never held back.

        LimitExceeded (data.rule, retry_after_s); StoreFailed when limits are set and the store can't be read.
        """
        if not is_emergency(number, self.region(line)):
            await self._limits.within(kind, line, parts)

    def limit_work(
        self, tx: Tx, kind: Kind, line: str, at_s: float, parts: int = 1, *, number: str | None = None
    ) -> None:
        """For the transaction that inserts the row, before it does: two requests can't both take the last slot.

        at_s: now, seconds since 1970. number: given, an emergency number is not held back.
        LimitExceeded undoes the transaction.
        """
        if number is not None and is_emergency(number, self.region(line)):
            return
        if (over := self._limits.over(tx.connection, kind, line, at_s, parts)) is not None:
            raise over

    async def foretell(self, kind: Kind, text: str, line: str) -> Verdict:
        """What permit and within_limits would say now, as a verdict. NotDialable for what is no number at all."""
        await self.ready()
        if kind == "sms":
            number = sms_address(text, None, self.region(line), emergency="allow").text
        else:
            number = dialable(text, _NO_POLICY)
        verdict = self.check(kind, number, line)
        if not verdict.allowed:
            return verdict
        try:
            await self.within_limits(kind, number, line)
        except LimitExceeded as over:
            rule = LimitRule(str(over.details["rule"]))
            return Verdict(False, verdict.number, rule, over.message, over.retry_after_s)
        return verdict

    def dialled(self, line: str, now_s: float | None = None) -> None:
        """A call was placed on this line. now_s: monotonic."""
        self._limits.dialled(line, now_s)

    async def usage(self, line: str) -> Usage:
        """What has been used of the limits."""
        return await self._limits.usage(line)

    def pace(self, line: str, now_s: float | None = None) -> float:
        """Seconds until the next SMS may be handed to this line by sms_per_minute; 0.0: at once. now_s: monotonic."""
        return self._limits.pace_s(line, now_s)

    def handed(self, line: str, now_s: float | None = None) -> None:
        """One SMS (one part) has been handed to the modem, whatever comes of it. now_s: monotonic."""
        self._limits.handed(line, now_s)


def sim_regions(lines: Mapping[str, Line]) -> Callable[[str], str | None]:
    """The country of each line's SIM, None until the modem has told its IMSI. While it is away, that of the last one:
    the key of a party must not depend on whether the stick is plugged in."""
    known: dict[str, str] = {}

    def region(name: str) -> str | None:
        line = lines.get(name)
        found = region_of_imsi(line.info.imsi) if line is not None else None
        if found is not None:
            known[name] = found
        return known.get(name)

    return region


def _all_spellings(numbers: tuple[str, ...], region: str | None) -> Iterator[str]:
    for number in numbers:
        yield from spellings(number, region)


def _listed(patterns: tuple[str, ...], written: tuple[str, ...], region: str | None) -> bool:
    """Whether a pattern holds one of the spellings: exact, in any spelling, or a prefix with * at its end."""
    for pattern in map(compact, patterns):
        if pattern.endswith("*"):
            if any(spelling.startswith(pattern[:-1]) for spelling in written):
                return True
        elif pattern in written or peer_key(pattern, region) in written:
            return True
    return False
