"""Words that numbers are spoken in, per language, from num2words and short lists of what it does not say.

num2words costs 0.1 s and 6 MB to load, so `prepare` is for a thread; until it is done a language has no words, and
only figures count.
"""

import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

LANGUAGES_KEPT = 16
"""Their words are some hundreds of short strings each; the oldest goes."""
COMPOUND_MIN_CHARS = 7
"""German, Dutch and others write "zweihundertdreiundvierzig" as one word; a shorter one is in the list itself."""
COMPOUND_PART_MAX = 16

_SAMPLES = (*range(101), *range(200, 1000, 100), *range(1000, 10_000, 1000), 1_000_000, 2_000_000)
_JOINS = {
    "da": "og", "de": "und", "en": "and", "es": "y", "fr": "et", "it": "e", "lt": "ir", "nl": "en", "no": "og",
    "pl": "i", "pt": "e", "ro": "si", "sv": "och",
}  # fmt: skip
"""Stands inside a number, not for one."""
_MORE: dict[str, str] = {
    "en": "oh o nought double triple hundred thousand million point dash plus",
    "de": "zwo hundert tausend komma plus doppel bindestrich beistrich",
    "fr": "une zero virgule plus double tiret",
    "es": "una coma punto mas doble guion un",
    "ro": "una o doi doua virgula plus dublu linie",
    "lt": "viena dvi keturios penkios sesios septynios astuonios devynios kablelis plius simtas simtai tukstantis "
    "tukstanciai tukstanciu bruksnelis dvigubas",
}
"""How digits are dictated: other genders, signs, "double seven"."""
_DOUBTFUL: dict[str, str] = {
    "en": "one o oh point dash plus double",
    "de": "ein eine plus komma",
    "fr": "un une plus neuf",
    "es": "un una uno mas punto coma",
    "ro": "un una o plus linie",
    "lt": "du viena vienas",
}
"""Common words as well ("the other one", "oh"): they count only after another number word, or where the text is nothing
but several number words."""


def plain(text: str) -> str:
    """Small letters without accents, as words are compared here: recognisers differ in both."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


@dataclass(frozen=True, slots=True)
class NumberWords:
    """Of one language; all plain. Empty where num2words does not know it."""

    words: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    join: str = ""

    def is_number(self, word: str) -> bool:
        return word in self.words or (len(word) >= COMPOUND_MIN_CHARS and self._compound(word))

    def ends_in(self, words: Sequence[str]) -> bool:
        """Whether a text of these words ends in a number, or in an "and" within one."""
        if not self.words or not words:
            return False
        last = len(words) - 1
        if words[last] == self.join:
            return last > 0 and self._certain(words[last - 1])
        if not self.is_number(words[last]):
            return False
        if words[last] not in self.doubtful:
            return True
        before = words[:last]
        if len(before) > 1 and before[-1] == self.join:
            before = before[:-1]
        return bool(before) and (self._certain(before[-1]) or all(map(self._in_number, words)))

    def _in_number(self, word: str) -> bool:
        return word == self.join or self.is_number(word)

    def _certain(self, word: str) -> bool:
        return self.is_number(word) and word not in self.doubtful

    def _compound(self, word: str) -> bool:
        """Whether it is number words written together."""
        reach = [True] + [False] * len(word)
        for end in range(2, len(word) + 1):
            reach[end] = any(
                reach[start] and (word[start:end] in self.words or word[start:end] == self.join)
                for start in range(max(0, end - COMPOUND_PART_MAX), end - 1)
            )
        return reach[-1]


NONE = NumberWords()
_known: dict[str, NumberWords] = {}
_preparing = threading.Lock()


def known(language: str) -> NumberWords:
    """The words of a language (BCP 47), if they are prepared; never waits."""
    return _known.get(_base(language), NONE)


def prepare(language: str) -> NumberWords:
    """Makes the words of a language. Blocking, 0.1 s the first time: call it off the loop."""
    base = _base(language)
    with _preparing:
        if base not in _known:
            while len(_known) >= LANGUAGES_KEPT:
                del _known[next(iter(_known))]
            _known[base] = _made(base)
        return _known[base]


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()


def _made(base: str) -> NumberWords:
    from num2words import num2words

    found: set[str] = set(_MORE.get(base, "").split())
    for number in _SAMPLES:
        try:
            said = plain(num2words(number, lang=base))
        except (NotImplementedError, KeyError, ValueError, OverflowError, IndexError, TypeError):
            continue  # an unknown language, or a number that this one can't say
        found.update(said.replace("-", " ").replace("'", " ").split())
    join = _JOINS.get(base, "")
    return NumberWords(frozenset(found - {join}), frozenset(_DOUBTFUL.get(base, "").split()), join)
