"""One line on two ports is one."""

import pytest

from core.modem.echoes import ECHO_S, MAX_LINES, Echoes

LINE = '+CMTI: "ME",0'


@pytest.mark.parametrize(
    ("heard", "new"),
    [
        (["a"], [True]),
        (["a", "b"], [True, False]),
        (["a", "a", "b", "b"], [True, True, False, False]),
        (["a", "b", "b"], [True, False, True]),  # a lost the second
        (["a", "b", "a", "b"], [True, False, True, False]),
        (["b", "a", "a", "b"], [True, False, True, False]),
    ],
)
def test_the_second_ports_copy_is_no_news(heard: list[str], new: list[bool]) -> None:
    echoes = Echoes()
    assert [echoes.is_new(port, LINE, at * 0.01) for at, port in enumerate(heard)] == new


def test_another_line_and_a_later_one_are_news() -> None:
    echoes = Echoes()
    assert echoes.is_new("a", LINE, 0.0)
    assert echoes.is_new("b", '+CMTI: "ME",1', 0.0)
    assert echoes.is_new("b", LINE, ECHO_S + 0.1)


def test_what_it_remembers_is_bounded() -> None:
    echoes = Echoes()
    for number in range(10 * MAX_LINES):
        assert echoes.is_new("a", str(number), 0.0)
    for _ in range(10 * MAX_LINES):
        echoes.is_new("a", LINE, 0.0)
    assert len(echoes._heard) <= MAX_LINES
    assert len(echoes._heard[LINE]) <= MAX_LINES
