"""Numbers as words, by num2words (55 languages; imported when the first number comes, 0.1 s). Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType
from typing import Protocol

from core.log import Log

log = Log("tts.numbers")

_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "kk": "kz"}
_POINT = frozenset({"en", "he", "hi", "ja", "ko", "th", "zh", "ar", "te", "kn", "bn", "fa"})
"""Languages whose decimals stand behind a point (CLDR, numbers/symbols); the others use a comma."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is said for text[start:end]."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How text[start:end] is read; the parts are all of it, in order. No parts: it is left as it is."""

    start: int
    end: int
    parts: tuple[Part, ...] = ()


class Numerals(Protocol):
    """One language's numbers."""

    @property
    def language(self) -> str:
        """Its primary tag."""

    @property
    def decimal(self) -> str:
        """What stands before decimals: a point or a comma."""

    def cardinal(self, number: int | str) -> str | None:
        """number: an integer, or "12.5". None where the language is unknown."""

    def ordinal(self, number: int) -> str | None: ...

    def year(self, number: int) -> str | None: ...

    def money(self, whole: int, cents: int, currency: str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """pattern finds what may be read otherwise; read says how. None: it is something else."""

    pattern: re.Pattern[str]
    read: Callable[[re.Match[str], Numerals], Reading | None]


def loaded() -> bool:
    return load.cache_info().currsize > 0


@cache
def load() -> ModuleType:
    """The package with all its languages."""
    import num2words

    module: ModuleType = num2words
    return module


@cache
def numerals(language: str) -> Numerals:
    """language: BCP 47 with - or _. One object per tag; tags are checked by the voices, so that they are few."""
    tag = language.replace("_", "-")
    primary = tag.lower().partition("-")[0]
    return _Numerals(_SAME.get(primary, primary), tag)


class _Numerals:
    def __init__(self, primary: str, tag: str) -> None:
        self.language = primary
        self.decimal = "." if primary in _POINT else ","
        known = load().CONVERTER_CLASSES
        region = f"{primary}_{tag.rpartition('-')[2].upper()}"
        self._lang: str | None = region if region in known else primary if primary in known else None
        self.cardinal = lru_cache(256)(self._cardinal)

    def _cardinal(self, number: int | str) -> str | None:
        return self._words(number, "cardinal")

    def ordinal(self, number: int) -> str | None:
        return self._words(number, "ordinal")

    def year(self, number: int) -> str | None:
        return self._words(number, "year")

    def money(self, whole: int, cents: int, currency: str) -> str | None:
        """Cents are left out where there are none."""
        words = self._words(f"{whole}.{cents:02d}", "currency", currency=currency, separator=" |")
        if words is None:
            return None
        main, _, rest = words.partition("|")
        return main.strip() if cents == 0 else f"{main.strip()} {rest.strip()}"

    def _words(self, number: int | str, kind: str, **more: str) -> str | None:
        if self._lang is None:
            return None
        try:
            return str(load().num2words(number, lang=self._lang, to=kind, **more))
        except Exception as problem:  # each language is its own code in num2words, and each has its own gaps
            log.debug("num2words can't say it", language=self._lang, kind=kind, problem=type(problem).__name__)
            return None


def digits_of(speaker: Numerals) -> tuple[str, ...]:
    """Zero to nine; the digits themselves where the language is unknown."""
    return tuple(speaker.cardinal(digit) or str(digit) for digit in range(10))
