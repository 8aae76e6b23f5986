"""Text cut where a synthesiser may draw breath, so that long texts come out sentence by sentence. Pure."""

import re
from collections.abc import Iterator

SENTENCE_CHARS_MAX = 300
"""About 20 s of speech: what one utterance may keep the speech thread from the others with."""

_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？।؟]+\s*|\n\s*\n\s*")
_BREATH = re.compile(r"[,;:،、，；：]\s*|\s+[–—-]\s+|\n")
_SPACE = re.compile(r"\s+")


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Pieces and their places; together they are the text. Short ones are left with their successor ("Dr. Who")."""
    start = 0
    for end in _ends(text):
        if end < len(text) and end - start < 12:
            continue
        while end - start > SENTENCE_CHARS_MAX:
            cut = _cut(text, start)
            yield start, text[start:cut]
            start = cut
        yield start, text[start:end]
        start = end


def _ends(text: str) -> Iterator[int]:
    for found in _END.finditer(text):
        if found.end() < len(text):
            yield found.end()
    if text:
        yield len(text)


def _cut(text: str, start: int) -> int:
    """The last comma that fits, else the last space, else in the middle of a word."""
    window = text[start : start + SENTENCE_CHARS_MAX]
    for pattern in (_BREATH, _SPACE):
        ends = [found.end() for found in pattern.finditer(window) if found.end() > SENTENCE_CHARS_MAX // 3]
        if ends:
            return start + ends[-1]
    return start + SENTENCE_CHARS_MAX
