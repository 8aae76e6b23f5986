"""docs/adding-a-modem.md lists every field of a profile, in the order of the code, and only files that exist."""

import dataclasses
import re
from pathlib import Path

import pytest

from core.modem import profile
from core.modem.emulator.personality import PERSONALITIES
from core.modem.profile import load_profile, profile_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/adding-a-modem.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
STRUCTURES = [
    value
    for value in vars(profile).values()
    if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == profile.__name__
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.__name__)
def test_the_fields_of_a_profile_are_described(structure: type) -> None:
    described = re.findall(r"^\| `(\w+)` \|", SECTIONS[structure.__name__], re.MULTILINE)
    names = [field.name for field in dataclasses.fields(structure)]
    assert described == names


def test_every_profile_is_named_there_and_the_emulator_plays_each() -> None:
    assert all(f"core/modem/profiles/{name}.py" in TEXT for name in profile_names())
    assert set(PERSONALITIES) == set(profile_names())
    assert [load_profile(name).name for name in profile_names()] == profile_names()


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:core|tests)/[\w/]+\.py)`", TEXT)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
