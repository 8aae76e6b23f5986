"""The core's side of dialtone-helper: USB devices are reset by the one process that may."""

import asyncio
import json
import os
from pathlib import Path

SOCKET = "/run/dialtone-helper/helper.sock"
ANSWER_S = 20.0
"""The device is off for 3 s, and another line's reset may be before ours."""


class HelperUsbReset:
    """A core.modem.rungs.UsbReset. DIALTONE_HELPER names another socket."""

    def __init__(self, path: str | None = None) -> None:
        self._path = Path(path or os.environ.get("DIALTONE_HELPER") or SOCKET)

    def barred(self) -> str | None:
        """Why it can't be done here; None when it can."""
        if os.access(self._path, os.W_OK):
            return None
        return "dialtone-helper, which may reset USB devices, is not running"

    async def reset(self, usb_path: str) -> None:
        """usb_path: as the kernel names it ("1-1.3"). OSError when it failed."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(str(self._path))
                try:
                    writer.write(json.dumps({"verb": "usb_reset", "path": usb_path}).encode() + b"\n")
                    found = json.loads(await reader.readline() or b"{}")
                finally:
                    writer.close()
        except (TimeoutError, ValueError):
            raise OSError("dialtone-helper did not answer") from None
        if found.get("ok") is not True:
            raise OSError(str(found.get("error") or "dialtone-helper did not answer"))
