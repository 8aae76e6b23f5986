"""Texts as a voice should read them: phone numbers digit by digit, times, amounts of money, numbers. Pure.

What is written otherwise than it was given keeps its place, so that the words which a caller heard are still words of
the original text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from core.media import spoken_amounts, spoken_phone, spoken_times
from core.media.spoken_words import Numerals, Part, Reading, Rule, numerals

__all__ = ["Part", "Reading", "Spoken", "read_out"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """parts: (start, end, original start, original end) of what was rewritten, in order."""

    text: str
    parts: tuple[tuple[int, int, int, int], ...] = ()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of `text` stands in the text as it was given. Rewritten words stand for all they replace."""
        return self._place(start, 0), max(self._place(start, 0), self._place(max(start, end - 1), 1))

    def _place(self, place: int, last: int) -> int:
        """Of one character; last=1: of the place after it."""
        moved = 0
        for start, end, original_start, original_end in self.parts:
            if place < start:
                break
            if place < end:
                return original_end if last else original_start
            moved = original_end - end
        return place + moved + last


def read_out(text: str, language: str, *, numbers: bool = True, amounts: bool = True) -> Spoken:
    """language: BCP 47; one that num2words lacks gets spaced digits for phone numbers and nothing else.

    numbers: plain numbers become words, too. amounts: times and money. Phone numbers always are spelt out.
    """
    if not any(char.isdigit() for char in text):
        return Spoken(text)
    speaker = numerals(language)
    rules: list[Rule] = [*spoken_amounts.LEFT_ALONE, *spoken_phone.RULES]
    if amounts:
        rules += [*spoken_times.RULES, *spoken_amounts.MONEY]
    if numbers:
        rules += spoken_amounts.NUMBERS
    return _rewritten(text, list(_found(text, rules, speaker)))


def _found(text: str, rules: list[Rule], speaker: Numerals) -> Iterator[Reading]:
    """Readings in order, none over another; where two begin at one place, the earlier rule's."""
    taken = 0
    claims = [
        (match.start(), rank, match.end(), rule, match)
        for rank, rule in enumerate(rules)
        for match in rule.pattern.finditer(text)
    ]
    for start, _, end, rule, match in sorted(claims, key=lambda claim: claim[:3]):
        if start < taken:
            continue
        reading = rule.read(match, speaker)
        if reading is not None:
            taken = max(taken, reading.end if reading.parts else end)
            if reading.parts:
                yield reading


def _rewritten(text: str, readings: list[Reading]) -> Spoken:
    out: list[str] = []
    parts: list[tuple[int, int, int, int]] = []
    length = place = 0
    for reading in readings:
        out.append(text[place : reading.start])
        length += reading.start - place
        for part in reading.parts:
            out.append(part.text)
            parts.append((length, length + len(part.text), part.start, part.end))
            length += len(part.text)
        place = reading.end
    out.append(text[place:])
    return Spoken("".join(out), tuple(parts))
