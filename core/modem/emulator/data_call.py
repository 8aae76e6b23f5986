"""A packet data call on an AT port: after CONNECT the port carries octets, until +++ or the call's end.

V.250 §6.2.9 (S12 guard time), §6.3.7; SIM7600 AT manual V3.00 (ATD*99#, ATO, AT+CGDATA, +++). What the network's end
is, the emulator doesn't know: it has a pty of its own, where a test may run pppd.
"""

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from core.modem.emulator.ptys import Port

GUARD_S = 1.0
ESCAPE = b"+++"
_READ_BYTES = 4096


class DataNetwork:
    """The network's end, one for the stick: the link `data` in its folder, there from the first data call on."""

    def __init__(self, link: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._link = link
        self._loop = loop
        self._port: Port | None = None
        self._held = -1
        self._call: DataCall | None = None

    def attach(self, call: "DataCall") -> None:
        """What comes from the network goes to this call from now on."""
        self._call = call

    def open(self) -> None:
        """Before CONNECT is said, so that whoever reads that finds the link."""
        if self._port is None:
            self._port = Port(99)
            self._port.create()
            # We keep it open ourselves: a pty whose other end nobody has open reads as an error.
            self._held = os.open(self._port.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self._port.device)
            self._loop.add_reader(self._port.master, self._read)

    def detach(self, call: "DataCall") -> None:
        if self._call is call:
            self._call = None

    def write(self, data: bytes) -> None:
        """What doesn't fit is lost, as on air."""
        if self._port is not None:
            self._port.write(data)

    def close(self) -> None:
        if self._port is not None:
            self._loop.remove_reader(self._port.master)
            os.close(self._held)
            self._port.destroy()
            self._link.unlink(missing_ok=True)
            self._port = None

    def _read(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.master, _READ_BYTES)
        except OSError as problem:
            if problem.errno not in (errno.EAGAIN, errno.EIO):
                raise
            return
        if self._call is not None:
            self._call.from_network(data)


class DataCall:
    """One call on one port. online: the port carries octets; else it takes commands, and the call waits for ATO."""

    def __init__(
        self,
        network: DataNetwork,
        send: Callable[[bytes], None],
        escaped: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        network.open()
        self.online = False
        self._network = network
        self._send = send
        self._escaped = escaped
        self._loop = loop
        self._fed_s = 0.0
        self._held = b""
        self._guard: asyncio.TimerHandle | None = None

    def connect(self) -> None:
        self.online = True
        self._fed_s = 0.0
        self._network.attach(self)

    def feed(self, data: bytes) -> None:
        """Octets of the host. +++ with a second of silence before and after it is no data."""
        now_s = time.monotonic()
        quiet = now_s - self._fed_s >= GUARD_S
        self._fed_s = now_s
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        data, self._held = self._held + data, b""
        if ESCAPE.startswith(data) and (quiet or len(data) > 1):
            self._held = data
            step = self._escape if data == ESCAPE else self._give_up
            self._guard = self._loop.call_later(GUARD_S, step)
            return
        self._network.write(data)

    def from_network(self, data: bytes) -> None:
        if self.online:
            self._send(data)

    def end(self) -> None:
        self.online = False
        if self._guard is not None:
            self._guard.cancel()
        self._network.detach(self)

    def _give_up(self) -> None:
        """A lone + was data after all."""
        self._guard = None
        data, self._held = self._held, b""
        self._network.write(data)

    def _escape(self) -> None:
        self._guard, self._held = None, b""
        self.online = False
        self._escaped()
