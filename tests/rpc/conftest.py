"""Fixtures: a running server, and clients of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rpc.client import Client
from tests.rpc.service import Running, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server: Running) -> Client:
    return await server.client()
