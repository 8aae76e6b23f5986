"""What the words of a turn say about its end. Pure: text in, hint out.

Silence alone can't tell a pause for breath from the end. Two things in the words can: a caller who said the whole of
something that the client asked for is done, and a caller in the middle of a number is not (telephone numbers are spoken
in groups, with pauses of half a second and more in between).
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from core.media.turn_numbers import NumberWords, plain

DIGITS_MAX = 15
"""The longest telephone number (E.164 §6.2.1): with so many digits a number is whole."""
_TOKEN = re.compile(r"[^\W_]+(?:[.,:/'’-][^\W_]+)*")
_FINISHED = re.compile(r"\d{1,2}[:h]\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d{2}-\d{2}|\d+(st|nd|rd|th|er|e|º|ª)")
"""Times of day, dates and ordinals in figures are whole as they stand."""
_SPLIT = re.compile(r"[-’']")


class Hint(StrEnum):
    """Also what `call.turn_end` gives as its reason."""

    COMPLETE = "complete"  # a whole phrase that a client expects
    NUMBER = "number"  # a number that may go on


def hint_of(text: str, expected: Sequence[str], numbers: NumberWords) -> Hint | None:
    """What this text, all of the turn so far, says. expected: phrases as declared, wordings divided by |.

    A phrase with which a longer one begins is not complete: the caller may be about to say the longer one.
    """
    said = _words(text)
    if not said:
        return None
    wordings = _wordings(tuple(expected))
    if said in wordings:
        longer = any(len(wording) > len(said) and wording[: len(said)] == said for wording in wordings)
        return None if longer else Hint.COMPLETE
    return Hint.NUMBER if unfinished_number(text, numbers) else None


def unfinished_number(text: str, numbers: NumberWords) -> bool:
    """Whether the text ends in a number that may go on."""
    tokens = _TOKEN.findall(plain(text))
    if not tokens or _FINISHED.fullmatch(tokens[-1]):
        return False
    if tokens[-1].replace(".", "").replace(",", "").replace("-", "").replace("/", "").isdigit():
        return _digits_at_end(tokens) < DIGITS_MAX
    return numbers.ends_in([part for token in tokens for part in _SPLIT.split(token) if part])


def _digits_at_end(tokens: list[str]) -> int:
    count = 0
    for token in reversed(tokens):
        if not token[0].isdigit():
            break
        count += sum(letter.isdigit() for letter in token)
    return count


@lru_cache(maxsize=8)
def _wordings(expected: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """All ways to say the phrases: 2 ms for 200 of them, so once per list."""
    return frozenset(_words(wording) for phrase in expected for wording in phrase.split("|")) - {()}


def _words(text: str) -> tuple[str, ...]:
    """Without case, accents and punctuation."""
    return tuple(part for token in _TOKEN.findall(plain(text)) for part in _SPLIT.split(token) if part)
