"""The eventhandler and the alarmhandler: programs of the station, run one after the other, without a shell."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Sequence

from clients.spool.ledger import HandlerRun, Ledger

OUTPUT_BYTES = 8192
"""As much of what a handler prints goes to the log; smsd, too, takes any output for a sign of trouble."""
KILL_GRACE_S = 2.0
GOODBYE_S = 5.0

_log = logging.getLogger("dialtone.spool.handler")


class Handlers:
    """Runs what the ledger holds, in order. A handler that fails, hangs or is not there is logged, never fatal."""

    def __init__(self, ledger: Ledger, commands: dict[str, list[str]], timeout_s: float) -> None:
        """commands: program and its first arguments, by kind (event, alarm)."""
        self._ledger = ledger
        self._commands = commands
        self._timeout_s = timeout_s
        self.due = asyncio.Event()

    def has(self, kind: str) -> bool:
        return bool(self._commands.get(kind))

    async def run(self) -> None:
        """Until cancelled; a handler that runs then may end by itself."""
        for left in self._ledger.interrupted_handlers():
            _log.warning("the %s handler was interrupted by a crash and is not run again: %a", left.kind, left.argv)
        while True:
            self.due.clear()
            run = self._ledger.next_handler()
            if run is None:
                await self.due.wait()
                continue
            await self._one(run)
            self._ledger.handler_ended(run)

    async def _one(self, run: HandlerRun) -> None:
        command = self._commands.get(run.kind)
        if not command:
            return
        begun: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()
        try:
            # asyncio kills a child whose start is cancelled, and this one may have done half of its work by then.
            await asyncio.shield(self._start([*command, *run.argv], begun))
            child = begun.result()
        except OSError as problem:
            _log.error("the %s handler can't be run: %s", run.kind, problem.strerror)
            return
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                await self._let_end(run, await begun)
            raise
        try:
            async with asyncio.timeout(self._timeout_s):
                output = await _read_some(child)
                code = await child.wait()
        except asyncio.CancelledError:
            await self._let_end(run, child)
            raise
        except TimeoutError:
            _log.error("the %s handler ran longer than %g s and was killed: %a", run.kind, self._timeout_s, run.argv)
            await _kill(child)
            return
        for line in output.decode(errors="replace").splitlines():
            _log.info("the %s handler said: %s", run.kind, line)
        if code:
            _log.error("the %s handler ended with %d: %a", run.kind, code, run.argv)

    async def _let_end(self, run: HandlerRun, child: asyncio.subprocess.Process) -> None:
        """We are being stopped: the handler that runs may end in peace, and is then not told of again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await _read_some(child)
                await child.wait()
        self._ledger.handler_ended(run)

    async def _start(self, argv: Sequence[str], begun: "asyncio.Future[asyncio.subprocess.Process]") -> None:
        """begun gets the child, or the OSError."""
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # so that it can be killed with its children, and Ctrl-C is ours alone
            )
        except OSError as problem:
            begun.set_exception(problem)
        else:
            begun.set_result(child)


async def _read_some(child: asyncio.subprocess.Process) -> bytes:
    """What it prints, as far as it is kept; the rest is read and dropped so that it never blocks."""
    assert child.stdout is not None
    kept = b""
    while data := await child.stdout.read(65536):
        kept += data[: OUTPUT_BYTES - len(kept)]
    return kept


async def _kill(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_GRACE_S):
            await child.wait()
