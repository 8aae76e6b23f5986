"""Connections to the core, one for each set of scopes, so that a caller can't do more there than here."""

import asyncio
from contextlib import AsyncExitStack

import dialtone
from clients.http_api.settings import ScopeName

Scopes = frozenset[ScopeName]


class Links:
    """Opened when first needed and kept; each reconnects by itself. `async with`."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._stack = AsyncExitStack()
        self._phones: dict[Scopes, dialtone.Phone] = {}
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> "Links":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def phone(self, scopes: Scopes) -> dialtone.Phone:
        """The connection for callers with these scopes. ConnectionLost while the core is not there."""
        async with self._opening:
            found = self._phones.get(scopes)
            if found is None:
                made = dialtone.connect(self.path, name="http", scopes=sorted(scopes), wait_s=0)
                found = self._phones[scopes] = await self._stack.enter_async_context(made)
        return found
