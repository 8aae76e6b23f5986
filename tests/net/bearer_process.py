"""A life of the daemon as far as QMI is concerned, to be killed: python -m tests.net.bearer_process ROOT HELPER STATE
PROGRAM. Says "begin" and "up"."""

import asyncio
import sys
from pathlib import Path

from core.net.bearers.device import DeviceFinder, ModemDevice
from core.net.bearers.qmi import QmiBearer
from core.net.helper_client import HelperClient
from core.net.types import DataAccess
from tests.net.modem_tree import USB_PATH


async def _live(root: str, helper: str, state: str, program: str) -> None:
    finder = DeviceFinder(ModemDevice(USB_PATH, {}, Path(root)))
    bearer = QmiBearer(HelperClient(helper), finder, Path(state), program=program, proxy=False)
    print("begin", flush=True)
    await bearer.up(DataAccess("internet"))
    print("up", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(_live(*sys.argv[1:]))
