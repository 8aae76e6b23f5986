"""ports.json: where the modem's ports are, for scripts that read it since before this daemon.

One superset of both formats that there are, with the aliases that their readers know. It is there only while the line
is ready: a port that moved is worse than none.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from core.line import LineCarrier
from core.log import Log
from core.modem.report_ports import ports_by_role
from core.modem.session import Session
from core.modem.status import Facts
from core.modem.usb import UsbModem
from core.modem.usb_roles import Role

MODE = 0o640
"""It holds the IMSI: for the daemon's group, not for everyone."""

_KEYS = {
    Role.VOICE: ("at_port", "at_command", "config_port", "ppp"),  # what they dial and configure by
    Role.AT: ("sms_port",),
    Role.PCM: ("audio_port", "audio"),
    Role.NMEA: ("gps_port", "nmea"),
    Role.DIAG: ("diag_port",),
    Role.QMI: ("qmi_device",),
    Role.NET: ("wwan_interface",),
}

Json = dict[str, str]


def ports_json(ports: Mapping[Role, str], facts: Facts, carrier: LineCarrier | None, usb: UsbModem | None) -> Json:
    """Keys whose values nobody knows are left out; both formats' readers look before they take."""
    found = {key: ports[role] for role, keys in _KEYS.items() if role in ports for key in keys}
    if carrier is not None:
        apns = {"data_apn": carrier.apn, "apn": carrier.apn, "ims_apn": carrier.ims_apn}
        found |= apns | _known(carrier=carrier.name, mcc_mnc=carrier.mcc_mnc or None)
    return found | _known(imsi=facts.imsi, imei=facts.imei, usb_composition=usb.product if usb is not None else None)


def content_of(session: Session | None, usb: UsbModem | None) -> Json | None:
    """As above, of one life of a modem; None without one."""
    if session is None:
        return None
    return ports_json(ports_by_role(session.paths, usb), session.status.facts, session.carrier, usb)


class PortsFile:
    """`show` from the line at any time; `run` in a task writes the newest wish. A refusal is said once, and tried
    again with the next change. path None: does nothing."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path is not None else None
        self._wanted: Json | None = None
        self._wake = asyncio.Event()
        self._log = Log("modem.ports_json")

    def show(self, content: Json | None) -> None:
        """None: the file goes."""
        if content != self._wanted:
            self._wanted = content
            self._wake.set()

    async def run(self) -> None:
        if self._path is None:
            return
        path = self._path
        try:
            await self._apply(path)  # what an earlier daemon left is not true any more
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._apply(path)
        finally:
            with suppress(OSError):
                _remove(path)

    async def _apply(self, path: Path) -> None:
        """Off the loop: a disk may take its time, and must not hold up a call."""
        wanted = self._wanted
        try:
            await asyncio.to_thread(_write if wanted is not None else _remove, path, wanted)
        except OSError as problem:
            self._log.warning("ports.json can't be written", path=str(path), reason=problem.strerror)


def _write(path: Path, content: Json | None) -> None:
    """Readers see the old file or the new one, never half of one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _remove(path: Path, content: Json | None = None) -> None:
    path.unlink(missing_ok=True)


def _known(**values: str | None) -> Json:
    return {name: value for name, value in values.items() if value is not None}
