"""What docs/speech.md says of turns, against the code."""

import re
from pathlib import Path

from core.config import MediaConfig
from core.media.turn_table import NEXT, Turn

DOCS = Path(__file__).parent.parent / "docs/speech.md"


def test_the_drawing_in_the_docs_is_the_table() -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+) : (\w+)(?: / ([\w, ]+))?$", DOCS.read_text(), re.MULTILINE)
    drawn = {(a, on): (b, tuple(todo.split(", ")) if todo else ()) for a, b, on, todo in arrows if a in set(Turn)}
    matters = {
        (state.value, happened.value): (after.value, tuple(do.value for do in todo))
        for (state, happened), (after, todo) in NEXT.items()
        if (after, todo) != (state, ())
    }
    assert drawn == matters


def test_the_thresholds_in_the_docs_are_the_defaults() -> None:
    media, text = MediaConfig(), DOCS.read_text()
    for key in ("chunk_silence_ms", "end_silence_ms", "end_silence_complete_ms", "end_silence_number_ms"):
        assert re.search(rf"`(\[media\] )?{key}`, {getattr(media, key)}\b", text), key
