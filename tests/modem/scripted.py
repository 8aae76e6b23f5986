"""A modem of a few lines at the far end of a pty: answers by a table, says what the test wants, hangs up."""

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from core.modem.port import AtPort, PortLost

Answer = bytes | Callable[[str], bytes] | None
"""None: no answer at all."""

OK = b"\r\nOK\r\n"


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for a condition that gives no event; TimeoutError when it doesn't come."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class ScriptedModem:
    """`answers` by command text, `otherwise` (OK) to anything else. `heard` holds what came, in order."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.set_blocking(self._master, False)
        # Kept open, so that the master gives no EIO before the port opens and after it closes.
        self._slave: int | None = slave
        self.answers: dict[str, Answer] = {}
        self.otherwise: Answer = OK
        self.heard: list[str] = []
        self.raw = bytearray()
        self._line = b""
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def say(self, data: bytes) -> None:
        os.write(self._master, data)

    def unplug(self) -> None:
        """The tty goes away under whoever has it open."""
        if self._slave is not None:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._slave)
            os.close(self._master)
            self._slave = None

    async def hears(self, command: str, times: int = 1) -> None:
        await until(lambda: self.heard.count(command) >= times)

    def _readable(self) -> None:
        data = os.read(self._master, 4096)
        self.raw += data
        self._line += data.replace(b"\x1b", b"")  # means something at a prompt only
        self._line = self._line.rpartition(b"\x1a")[2]  # a payload ends
        while b"\r" in self._line:
            line, _, self._line = self._line.partition(b"\r")
            self._answer(line.decode("ascii"))

    def _answer(self, command: str) -> None:
        self.heard.append(command)
        answer = self.answers.get(command, self.otherwise)
        if callable(answer):
            answer = answer(command)
        if answer is not None:
            self.say(answer)


@contextmanager
def scripted_modem() -> Iterator[ScriptedModem]:
    modem = ScriptedModem()
    try:
        yield modem
    finally:
        modem.unplug()


@asynccontextmanager
async def running(port: AtPort) -> AsyncIterator[AtPort]:
    """The port, open, with its task; a loss of it is the test's own business."""
    await port.open()

    async def run() -> None:
        with suppress(PortLost):
            await port.run()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run())
        try:
            yield port
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await port.close()
