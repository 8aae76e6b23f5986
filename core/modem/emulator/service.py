"""A running emulator: the modem, its tasks and its control socket, begun and ended together."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.modem.emulator import control_calls, control_far, control_modem, control_sms, control_ussd
from core.modem.emulator.control import ControlServer
from core.modem.emulator.modem import Modem
from core.modem.emulator.options import Options

METHODS = (
    control_calls.METHODS | control_far.METHODS | control_modem.METHODS | control_sms.METHODS | control_ussd.METHODS
)
_SWITCH_S = 0.001
"""The PCM thread gets the interpreter within 1 ms of its time, not Python's 5."""


class _Stopped(Exception):
    """Ends the task group: it has no other way to stop tasks that serve for ever."""


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Modem]:
    """Ports and control socket are ready inside; outside they are gone, and a recording under way is on disk."""
    sys.setswitchinterval(_SWITCH_S)
    try:
        async with asyncio.TaskGroup() as tasks:
            modem = Modem(options, tasks)
            server = ControlServer(modem, METHODS, tasks)
            try:
                modem.start()
                await server.start(options.control)
                yield modem
                await control_far.save_record(modem)
            finally:
                modem.close()
                server.close()
            raise _Stopped
    except* _Stopped:
        await asyncio.sleep(0)  # closed connections leave the loop in its next round
