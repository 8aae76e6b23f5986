"""A tiny core on a socket in a short folder."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clients.tiny_core import TinyCore


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """pytest's own folders are too long for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        yield Path(folder)


@pytest.fixture
async def core(short_dir: Path) -> AsyncIterator[TinyCore]:
    async with TinyCore(short_dir / "core.sock") as running:
        yield running
