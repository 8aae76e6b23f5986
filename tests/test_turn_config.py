"""[media] as the turn table gets it."""

import pytest

from core import config
from core.hearing import turn_config


@pytest.mark.parametrize(
    ("chunk_ms", "end_ms", "complete_ms", "number_ms"),
    [
        (550, 800, 600, 1100),
        (700, 900, 701, 1100),
        (200, 400, 400, 1100),
        (900, 2000, 901, 2000),
        (799, 800, 800, 1100),
    ],
)
def test_thresholds_of_hints_that_nobody_configured_bend_around_those_that_are(
    chunk_ms: int, end_ms: int, complete_ms: int, number_ms: int
) -> None:
    """A core.toml from before hints stays valid."""
    raw = {"media": {"chunk_silence_ms": chunk_ms, "end_silence_ms": end_ms}}
    made = turn_config(config.parse(raw, "core.toml").media)
    assert (made.end_silence_complete_ms, made.end_silence_number_ms) == (complete_ms, number_ms)
    assert (made.chunk_silence_ms, made.end_silence_ms) == (chunk_ms, end_ms)
