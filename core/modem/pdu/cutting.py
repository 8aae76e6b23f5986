"""Cutting a text into pieces that each fit, never within a character."""

import unicodedata
from collections.abc import Callable

from core.modem.pdu.model import PduError

Measure = Callable[[str], int]
"""Size of one character in whatever the room is counted in."""

_REACH = 32
"""Characters looked back for a better place to cut: the longest emoji sequences in use have about half of that."""

_JOINER = "\u200d"


def cut_anywhere(text: str, measure: Measure, room: int) -> list[str]:
    """Pieces that make the text again when put together: as few as possible, and no combined character cut in two
    where that costs no further piece."""
    sizes = [measure(character) for character in text]
    hard = _pieces(text, sizes, room, _at_the_end)
    soft = _pieces(text, sizes, room, _between_clusters)
    return soft if len(soft) == len(hard) else hard


def cut_readably(text: str, measure: Measure, room: int) -> list[str]:
    """Pieces that can be read alone: cut behind sentences, else between words; white space at a cut is dropped."""
    stripped = text.strip() or text[:1]
    sizes = [measure(character) for character in stripped]
    return [piece.rstrip() or piece for piece in _pieces(stripped, sizes, room, _between_words, drop_space=True)]


def cut_numbered(text: str, measure: Measure, room: int) -> list[str]:
    """As cut_readably, with "1/3 " before each. PduError when the numbers leave no room."""
    for digits in range(1, 8):
        # Room for the longest prefix of all: a piece that could hold a character more stays that much shorter.
        prefix = sum([measure(character) for character in "9" * digits + "/" + "9" * digits + " "])
        pieces = cut_readably(text, measure, room - prefix)
        if len(str(len(pieces))) <= digits:
            return [f"{number}/{len(pieces)} {piece}" for number, piece in enumerate(pieces, 1)]
    raise PduError("too many pieces to number")


def _pieces(
    text: str, sizes: list[int], room: int, place: Callable[[str, int, int], int], drop_space: bool = False
) -> list[str]:
    """place(text, start, end) may move the end of a piece back, not to its start. drop_space: in front of pieces."""
    pieces = []
    start = 0
    while start < len(text):
        end, used = start, 0
        while end < len(text) and used + sizes[end] <= room:
            used += sizes[end]
            end += 1
        if end == start:
            raise PduError("the header leaves no room")
        end = end if end == len(text) else place(text, start, end)
        pieces.append(text[start:end])
        while drop_space and end < len(text) and text[end].isspace():
            end += 1
        start = end
    return pieces


def _at_the_end(text: str, start: int, end: int) -> int:
    return end


def _between_clusters(text: str, start: int, end: int) -> int:
    for at in range(end, max(start, end - _REACH), -1):
        if not _joined(text, start, at):
            return at
    return end


def _between_words(text: str, start: int, end: int) -> int:
    """A sentence end in the second half of the piece, a space in its last two thirds, else between characters."""
    if text[end].isspace():
        return end
    word = 0
    for at in range(end, start + (end - start) // 3, -1):
        if not text[at - 1].isspace():
            continue
        word = word or at
        if at - start > max(1, (end - start) // 2) and text[at - 2] in ".!?…\n":
            return at
    return word or _between_clusters(text, start, end)


def _joined(text: str, start: int, at: int) -> bool:
    """Whether the character at `at` belongs to the one before (the cases of UAX #29 that occur in messages)."""
    before, character = text[at - 1], text[at]
    if before == _JOINER or character == _JOINER or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True
    if unicodedata.category(character) in ("Mn", "Me", "Mc") or before + character == "\r\n":
        return True
    if not (_is_flag(before) and _is_flag(character)):
        return False
    first = at - 1
    while first > start and _is_flag(text[first - 1]):
        first -= 1
    return (at - first) % 2 == 1


def _is_flag(character: str) -> bool:
    """Regional indicators: two make one flag."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"
