"""What people type into a search as a query of FTS5, in which every text has a meaning and none is a mistake.

The index knows words as the tokenizer unicode61 cuts them: runs of letters and digits, without accents
(https://sqlite.org/fts5.html §4.3.1). What it can't know, emoji and scripts that write without spaces, is looked for
in the texts themselves.
"""

import re
import unicodedata
from dataclasses import dataclass

MAX_WORDS = 32
"""Of a longer query the rest is left out; FTS5 refuses deep expressions."""

_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: a whole sentence is one word to the tokenizer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """match: for MATCH, "" for none. texts: each must stand in the text as it is."""

    match: str
    texts: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not self.match and not self.texts


def wanted(query: str) -> Wanted:
    """All words must be there, in any order; the last one may be the beginning of a word."""
    readable = "".join(" " if _is_unreadable(character) else character for character in query)
    words, texts, marks = list[str](), list[str](), list[str]()
    for word in readable.split()[:MAX_WORDS]:
        kinds = {unicodedata.category(character)[0] for character in word}
        if kinds == {"P"}:
            marks.append(word)
        elif _NO_SPACES.search(word) or not any(map(_is_indexed, word)):
            texts.append(word)
        else:
            words.append(word)
    if not words and not texts:
        texts = marks  # beside words, quotes and dashes are how people write, not what they look for
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    last_is_open = words and readable.endswith(words[-1])
    return Wanted(" AND ".join(quoted) + ("*" if last_is_open else ""), tuple(texts))


def _is_unreadable(character: str) -> bool:
    """Control characters (FTS5 reads up to a NUL) and halves of surrogate pairs, which are no UTF-8."""
    return unicodedata.category(character) in ("Cc", "Cs")


def _is_indexed(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"
