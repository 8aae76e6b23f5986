"""Text cut where a synthesiser may draw breath, so that long texts come out sentence by sentence. Pure."""

import re
from collections.abc import Iterator

SENTENCE_CHARS_MAX = 300
"""About 20 s of speech: what one utterance may keep the speech thread from the others with."""

SHORT_CHARS = 12
EARLY_FROM_CHARS, CLAUSE_CHARS_MIN = 60, 15
"""A shorter sentence gains nothing by being cut, a shorter clause sounds chopped: guesses by ear, not measured."""

# Nothing here looks at a character twice: five thousand points in a row would hold up every call's frames for a second.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++|[。！？।؟]+\s*|\n\s*\n\s*")
_BREATH = re.compile(r"[,;:،、，；：]\s*|(?<!\s)\s++[–—-]\s+|\n")
_SPACE = re.compile(r"\s+")
_SHORT = re.compile(r"\b(?:dr|mr|mrs|ms|prof|st|nr|no|str|tel|vs|inkl|bzw|ca|[a-z])$", re.IGNORECASE)
"""What stands before a point that ends no sentence, whatever follows."""


def sentences(text: str, *, early: bool = False) -> Iterator[tuple[int, str]]:
    """Pieces and their places; together they are the text. Short ones are left with their successor ("Dr. Who").

    early: a long first sentence is cut at its first clause, so that a slow engine is heard sooner.
    """
    start = _first_clause(text) if early else 0
    if start:
        yield 0, text[:start]
    for end in _ends(text):
        if end < len(text) and end - start < SHORT_CHARS:
            continue
        while end - start > SENTENCE_CHARS_MAX:
            cut = _cut(text, start)
            yield start, text[start:cut]
            start = cut
        yield start, text[start:end]
        start = end


def _first_clause(text: str) -> int:
    """Where it ends; 0: the first sentence is short, or has no place to breathe."""
    end = next((end for end in _ends(text) if end >= SHORT_CHARS), len(text))
    if end < EARLY_FROM_CHARS:
        return 0
    for found in _BREATH.finditer(text, 0, end):
        digits = (
            found.start() > 0 and text[found.start() - 1].isdigit() and text[found.end() : found.end() + 1].isdigit()
        )
        if found.end() >= CLAUSE_CHARS_MIN and end - found.end() >= CLAUSE_CHARS_MIN and not digits:
            return found.end()
    return 0


def _ends(text: str) -> Iterator[int]:
    for found in _END.finditer(text):
        if found.end() < len(text) and not _is_abbreviation(text, found):
            yield found.end()
    if text:
        yield len(text)


def _is_abbreviation(text: str, end: re.Match[str]) -> bool:
    """A point within a sentence: "approx. five", "Nr. 5", "z. B."."""
    if not end[0].startswith(".") or end[0].startswith("..") or "\n\n" in end[0]:
        return False
    return text[end.end()].islower() or _SHORT.search(text, max(0, end.start() - 8), end.start()) is not None


def _cut(text: str, start: int) -> int:
    """The last comma that fits, else the last space, else in the middle of a word."""
    window = text[start : start + SENTENCE_CHARS_MAX]
    for pattern in (_BREATH, _SPACE):
        ends = [found.end() for found in pattern.finditer(window) if found.end() > SENTENCE_CHARS_MAX // 3]
        if ends:
            return start + ends[-1]
    return start + SENTENCE_CHARS_MAX
