"""The receptionist's phrases and texts: phrases.json, with what a TOML file changes."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clients.brains.receptionist.rules import INTENTS, On, Say

SHARED = Path(__file__).parent.parent / "phrases.json"
"""Also read by clients/brains/node/brain.js."""


class BookError(Exception):
    """One line for the person who edits the file."""


@dataclass(frozen=True, slots=True)
class Book:
    """language: BCP 47. intents: phrase, in small letters, to what it means. texts: all of Say."""

    language: str
    intents: Mapping[str, On]
    texts: Mapping[Say, str]

    @property
    def phrases(self) -> list[str]:
        return list(self.intents)

    def heard(self, text: str | None) -> On:
        """What was meant by what was understood. Case and punctuation differ from engine to engine."""
        if text is None:
            return On.UNKNOWN
        plain = _plain(text)
        if plain in self.intents:
            return self.intents[plain]
        # A recogniser for free speech gives more words than the phrase; the longest phrase within counts.
        inside = [phrase for phrase in self.intents if f" {phrase} " in f" {plain} "]
        return self.intents[max(inside, key=len)] if inside else On.UNKNOWN


def read_book(changes: Path | None = None) -> Book:
    """The shared book; BookError names file and key of what is wrong in `changes`.

    The TOML file may hold `language`, a table [texts] and a table [phrases] with a list per intent.
    """
    raw = json.loads(SHARED.read_text(encoding="utf-8"))
    if changes is not None:
        _change(raw, _read_toml(changes), changes)
    intents = {_plain(phrase): On(name) for name, phrases in raw["phrases"].items() for phrase in phrases}
    return Book(raw["language"], intents, {Say(name): text for name, text in raw["texts"].items()})


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise BookError(f"{path}: can't be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BookError(f"{path}: {problem}") from None


def _change(raw: dict[str, object], changes: dict[str, object], path: Path) -> None:
    for name, value in changes.items():
        if name == "language" and isinstance(value, str):
            raw["language"] = value
        elif name in ("texts", "phrases") and isinstance(value, dict):
            _change_table(raw[name], value, name, path)
        else:
            raise BookError(f"{path}: {name}: unknown key or wrong type; there are language, [texts] and [phrases]")


def _change_table(table: object, changes: dict[str, object], name: str, path: Path) -> None:
    assert isinstance(table, dict)
    allowed = {str(say) for say in Say} if name == "texts" else {str(intent) for intent in INTENTS}
    for key, value in changes.items():
        if key not in allowed:
            raise BookError(f"{path}: {name}.{key}: unknown key")
        if name == "texts" and not (isinstance(value, str) and value.strip()):
            raise BookError(f"{path}: {name}.{key}: must be a text")
        if name == "phrases" and not _texts(value):
            raise BookError(f"{path}: {name}.{key}: must be a list of texts")
        table[key] = value


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)


def _plain(text: str) -> str:
    letters = "".join(character if character.isalnum() or character in "' " else " " for character in text.lower())
    return " ".join(letters.split())
