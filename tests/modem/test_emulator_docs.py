"""docs/emulator.md names every method, fault and option, and its examples are requests that the emulator takes."""

import argparse
import json
import re
from pathlib import Path

import msgspec
import pytest

from core.modem.emulator.__main__ import COMMAND
from core.modem.emulator.faults import FaultKind
from core.modem.emulator.service import METHODS

TEXT = (Path(__file__).parents[2] / "docs/emulator.md").read_text()
EXAMPLES = [line for block in re.findall(r"```jsonl\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_request_with_right_parameters(example: str) -> None:
    request = json.loads(example)
    struct, _method = METHODS[request["method"]]
    msgspec.convert(request.get("params", {}), struct)


def test_every_method_has_an_example() -> None:
    assert {json.loads(example)["method"] for example in EXAMPLES} == set(METHODS)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_is_in_the_table(kind: FaultKind) -> None:
    assert f"| `{kind}` |" in TEXT


def test_every_option_is_described() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    COMMAND.add_arguments(parser)
    assert [option for action in parser._actions for option in action.option_strings if option not in TEXT] == []
