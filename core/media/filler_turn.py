"""When a filler is due, and which: "One moment." Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

FILLERS: Mapping[str, tuple[str, ...]] = {
    "en": ("One moment.", "Let me see.", "Just a second."),
    "de": ("Einen Moment.", "Ich sehe nach.", "Einen Augenblick, bitte."),
    "es": ("Un momento.", "Déjeme ver.", "Un segundo, por favor."),
    "fr": ("Un instant.", "Je regarde.", "Un petit moment, s'il vous plaît."),
    "it": ("Un momento.", "Mi faccia vedere.", "Un attimo, per favore."),
    "lt": ("Minutėlę.", "Tuoj pažiūrėsiu.", "Palaukite akimirką."),
    "ro": ("Un moment.", "Să vedem.", "O clipă, vă rog."),
    "pl": ("Chwileczkę.", "Zaraz sprawdzę.", "Proszę chwilę poczekać."),
}
"""By language (BCP 47, the first part)."""

_T = TypeVar("_T")


def phrases_of(language: str, given: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Those of the configuration for that language, else those here; none for a language that has none."""
    primary = language.partition("-")[0].lower()
    return tuple(given[primary] if primary in given else FILLERS.get(primary, ()))


@dataclass(slots=True)
class FillerTurn:
    """From the end of the caller's turn to the first words of ours, on the line's time."""

    after_ms: int
    per_turn: int
    ptime_ms: int
    _left: int = 0
    _waited_ms: int = 0

    def turn_ended(self) -> None:
        """The caller has said something and waits."""
        self._left, self._waited_ms = self.per_turn, 0

    def answered(self) -> None:
        """Words of ours were asked for, or the caller speaks again: nothing is to be bridged."""
        self._left = 0

    def frame(self, *, silent: bool) -> bool:
        """20 ms passed. silent: neither of us says anything, and fillers are allowed. True: one is due."""
        self._waited_ms = self._waited_ms + self.ptime_ms if silent else 0
        if not self._left or self._waited_ms < self.after_ms:
            return False
        self._left -= 1
        self._waited_ms = 0
        return True


class NotTwice:
    """Chooses by chance, and never the same twice in a row where there are two."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._last: object = None

    def choose(self, choices: Sequence[_T]) -> _T:
        """One of at least one."""
        others = [choice for choice in choices if choice != self._last] or choices
        chosen = self._chance.choice(others)
        self._last = chosen
        return chosen
