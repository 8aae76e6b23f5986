"""docs/hardware.md says what the program does."""

import re
from pathlib import Path

import pytest

from core.modem.usb_holder import Holder, advice
from core.modem.usb_roles import COMPOSITIONS, SWITCH_TO_9001, Role, Use

TEXT = (Path(__file__).parents[2] / "docs/hardware.md").read_text()
WORDS = {Role.DIAG: "DIAG", Role.NMEA: "NMEA", Role.AT: "AT", Role.VOICE: "calls", Role.PCM: "voice", Role.QMI: "QMI"}


@pytest.mark.parametrize(("column", "product"), [(1, ("1e0e", "9001")), (2, ("2c7c", "0125"))])
def test_the_table_of_interfaces_is_that_of_the_program(column: int, product: tuple[str, str]) -> None:
    rows = [line.strip("| ").split("|") for line in TEXT.splitlines() if re.match(r"\| [0-9] \|", line)]
    table = {int(row[0]): row[column].strip() for row in rows if len(row) > column}
    for role, interface in COMPOSITIONS[product].roles.items():
        assert WORDS[role] in table[interface]


def test_each_composition_that_is_known_is_in_the_manual() -> None:
    for (_, product), known in COMPOSITIONS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith("|") and re.search(rf"\b{product}`", line))
        assert ("leaves it alone" in row) is (known.use is Use.NEVER)


def test_the_rule_and_the_command_are_those_that_the_program_gives() -> None:
    rule = next(line for line in TEXT.splitlines() if "ID_MM_DEVICE_IGNORE" in line)
    assert rule in advice(Holder(1, "ModemManager"))
    assert "/etc/udev/rules.d/77-dialtone.rules" in advice(Holder(1, "ModemManager"))
    assert SWITCH_TO_9001 in TEXT
