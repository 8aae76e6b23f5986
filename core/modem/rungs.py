"""What single rungs of the recovery ladder do to a modem that no session has in hand: its ports, USB, and power.

Each says in words why it failed, for modem.recovery, and none takes longer than its time.
"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Protocol

from core.log import Log
from core.modem.at import Command
from core.modem.port import AtPort, AtTimeout, PortLost

POWER_S = 60.0
OUTPUT_BYTES = 4096
"""Of a power command that are kept for the log; the rest is read and thrown away."""

PROBE_S = 8.0
"""For a port to come into step: ten AT half a second apart, and an exchange."""

_log = Log("modem.recovery")


class UsbReset(Protocol):
    """Resets a USB device, as root can. dialtone-helper does it where it runs."""

    def barred(self) -> str | None:
        """Why it can't be done here; None when it can."""

    async def reset(self, usb_path: str) -> None:
        """usb_path: as the kernel names it ("1-1.3"). OSError when it failed."""


class NoUsbReset:
    """Where dialtone-helper is not installed."""

    def barred(self) -> str | None:
        return "dialtone-helper, which may reset USB devices, is not running"

    async def reset(self, usb_path: str) -> None:
        raise OSError(self.barred())


async def ask_alone(path: str, baud: int, command: Command) -> bool:
    """One exchange on a port that nobody has open, and whether OK came."""
    port = AtPort("probe", path, baud=baud)
    try:
        await port.open()
    except PortLost:
        return False
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_run(port), name="modem.probe")
            try:
                async with asyncio.timeout(PROBE_S):
                    return (await port.send(command)).ok
            except (TimeoutError, AtTimeout, PortLost):
                return False
            finally:
                running.cancel()
    finally:
        await port.close()


async def _run(port: AtPort) -> None:
    with suppress(PortLost):
        await port.run()


async def run_power_command(argv: tuple[str, ...], line: str) -> str | None:
    """Runs it as it is, without a shell, with DIALTONE_LINE set. None, or why it failed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"DIALTONE_LINE": line},
        )
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        return f"the power command can't be started: {reason}"
    output = bytearray()
    try:
        async with asyncio.timeout(POWER_S):
            await _read(process, output)
            status = await process.wait()
    except TimeoutError:
        return f"the power command took longer than {POWER_S:.0f} s"
    finally:
        with suppress(ProcessLookupError):  # also what it started, when it is told to end
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        _log.info("power command", line=line, status=process.returncode, output=output.decode("utf-8", "replace"))
    return None if status == 0 else f"the power command ended with {status}"


async def _read(process: asyncio.subprocess.Process, output: bytearray) -> None:
    assert process.stdout is not None
    while data := await process.stdout.read(OUTPUT_BYTES):
        output += data[: OUTPUT_BYTES - len(output)]
