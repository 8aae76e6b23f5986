"""A sentence cut where a voice may begin before it knows the rest, and where its words then lie in time. Pure.

A neural voice makes a clause in one go, so the first sound waits for the whole first clause: the first one is short.
"""

import re
from collections.abc import Iterator

from core.espeak import WordMark

FIRST_CHARS_MIN = 10
"""A first clause or a sentence shorter than this ("Yes, …") stays with the next: by itself it would sound clipped."""
LATER_CHARS_MIN = 40
REST_CHARS_MIN = 8
_BREATH = re.compile(r"[,;:.!?…]+[\"'”’)\]]*\s+|[，、；：。！？،؛]\s*|\s+[–—-]\s+")
_FULL_STOP = re.compile(r"[.!?…。！？]")
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")


def clauses(text: str) -> Iterator[tuple[int, str]]:
    """Pieces and their places; together they are the text."""
    start = 0
    for breath in _BREATH.finditer(text):
        end = breath.end()
        quick = start == 0 or _FULL_STOP.match(breath[0])
        least = FIRST_CHARS_MIN if quick else LATER_CHARS_MIN
        if end - start >= least and len(text) - end >= REST_CHARS_MIN:
            yield start, text[start:end]
            start = end
    if start < len(text):
        yield start, text[start:]


def spread_words(text: str, place: int, begin_ms: int, duration_ms: int) -> tuple[WordMark, ...]:
    """Marks for the words of a clause at `place`, by their share of its letters: exact at its ends, a guess inside."""
    total = max(1, len(text.rstrip()))
    return tuple(
        WordMark(place + word.start(), place + word.end(), begin_ms + min(word.start(), total) * duration_ms // total)
        for word in _WORD.finditer(text)
    )
