"""The way to one engine: what a caller said goes before files, which begin again when they had to make way."""

import asyncio
from collections.abc import Callable

from core.errors import PublicError
from core.media.worker_protocol import Done, Transcribe
from core.media.workers import WorkerHost

Message = Callable[[int], Transcribe]


class Lane:
    """One engine's requests. At most one of a file is with the engine at a time; others wait for it."""

    def __init__(self, host: WorkerHost) -> None:
        self.host = host
        self._urgent = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self._files = asyncio.Lock()
        self._running: asyncio.Task[Done | PublicError] | None = None

    async def ask(self, message: Message, timeout_s: float) -> Done:
        """What a caller said. Errors as in WorkerHost.call."""
        self._urgent += 1
        self._calm.clear()
        if self._running is not None:
            self._running.cancel()
        try:
            return await self.host.call(message, timeout_s)
        finally:
            self._urgent -= 1
            if self._urgent == 0:
                self._calm.set()

    async def ask_later(self, message: Message, timeout_s: float) -> Done:
        """A piece of a file: once no caller waits. Its deadline counts from then."""
        async with self._files:
            while True:
                await self._calm.wait()
                async with asyncio.TaskGroup() as tasks:
                    self._running = tasks.create_task(self._outcome(message, timeout_s), name="stt.file")
                    try:
                        await asyncio.wait({self._running})
                    finally:
                        running, self._running = self._running, None
                        running.cancel()
                if running.cancelled():
                    continue
                found = running.result()
                if isinstance(found, PublicError):
                    raise found
                return found

    async def _outcome(self, message: Message, timeout_s: float) -> Done | PublicError:
        try:
            return await self.host.call(message, timeout_s)
        except PublicError as problem:
            return problem
