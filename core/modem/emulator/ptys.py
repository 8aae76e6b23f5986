"""The five serial ports as ptys with stable links, plugged and unplugged together.

A pty differs from a USB port in three ways that matter; this file hides them. It has no carrier: we know by POLLHUP
on the master whether anybody has the port open, and what is sent to nobody is dropped. TIOCEXCL outlives the program
that set it: it is taken back when the last opener is gone. What was not read would wait for the next program: it is
thrown away.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import select
import termios
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from core.log import Log
from core.modem.emulator.inotify import Inotify

PORT_COUNT = 5
AT_PORTS = (2, 3)
NMEA_PORT = 1
PCM_PORT = 4
_PENDING_BYTES = 65536
"""What may wait for a slow reader: a full message store listed once (50 x 350 bytes) and more. Beyond, it is lost."""

_log = Log("emulator.ptys")


class Port:
    """One pty. Its fds may be replaced; whoever uses them from a thread holds `lock`."""

    def __init__(self, interface: int) -> None:
        self.interface = interface
        self.lock = threading.Lock()
        self.master = -1
        self.device = Path()
        self._pending = bytearray()

    def create(self) -> None:
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.device = Path(os.ttyname(slave))
        os.close(slave)
        self.master = master
        self._pending.clear()

    def destroy(self) -> None:
        """Hangs up every program that has the port open: their reads give EIO or end of file."""
        with self.lock:
            if self.master >= 0:
                os.close(self.master)
            self.master = -1

    @property
    def opened(self) -> bool:
        """Whether any program has the port open now."""
        if self.master < 0:
            return False
        poll = select.poll()  # a new one each time: a poll object refuses a second thread
        poll.register(self.master, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def read(self, size: int) -> bytes:
        """What is there, at most `size` bytes; b"" if nothing is or nobody has the port open."""
        if self.master < 0 or size <= 0:
            return b""
        try:
            return os.read(self.master, size)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):
                return b""
            raise

    def write(self, data: bytes) -> int:
        """Bytes taken at once by the pty; 0 when it is full or nobody has it open."""
        if not self.opened:
            return 0
        try:
            return os.write(self.master, data)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):
                return 0
            raise

    def send(self, data: bytes, loop: asyncio.AbstractEventLoop) -> None:
        """Writes all of it, waiting for a slow reader in the background; dropped when nobody has the port open."""
        if not self.opened:
            self._pending.clear()
            return
        if self._pending:
            if len(self._pending) + len(data) <= _PENDING_BYTES:
                self._pending += data
            return
        written = self.write(data)
        if written < len(data):
            self._pending += data[written:]
            loop.add_writer(self.master, self._send_pending, loop)

    def _send_pending(self, loop: asyncio.AbstractEventLoop) -> None:
        written = self.write(bytes(self._pending)) if self._pending else 0
        del self._pending[:written]
        if not self._pending or not self.opened:
            self._pending.clear()
            loop.remove_writer(self.master)

    def release(self) -> bool:
        """After the last close: drops what nobody read, takes TIOCEXCL back. False: the pty must be replaced."""
        self._pending.clear()
        try:
            slave = os.open(self.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:  # EBUSY: TIOCEXCL binds even us, unless we are root
            return False
        try:
            fcntl.ioctl(slave, termios.TIOCNXCL)
            with contextlib.suppress(OSError):
                while os.read(slave, 65536):
                    pass
            termios.tcflush(slave, termios.TCIOFLUSH)
        finally:
            os.close(slave)
        return True


class PortSet:
    """All ports of the stick, their links in `directory`, and the loop's readers."""

    def __init__(
        self,
        directory: Path,
        on_bytes: Callable[[int, bytes], None],
        loop: asyncio.AbstractEventLoop,
        *,
        count: int = PORT_COUNT,
        voice_port: int = PCM_PORT,
        on_closed: Callable[[int], None] = lambda _interface: None,
    ) -> None:
        """voice_port: read by the PCM thread, not by the loop. on_closed: the last program has let go of a port."""
        self.directory = directory
        self.ports = [Port(interface) for interface in range(count)]
        self._voice_port = voice_port
        self.plugged = False
        self._on_bytes = on_bytes
        self._on_closed = on_closed
        self._loop = loop
        self._first_number = 0
        self._watches: dict[int, Port] = {}
        self._inotify = Inotify()
        loop.add_reader(self._inotify.fd, self._on_inotify)

    def plug(self, *, renumber: bool = False) -> None:
        """Creates the ptys, then the links. renumber: ttyUSB5-9 instead of 0-4, or back."""
        if renumber:
            self._first_number = len(self.ports) - self._first_number
        self.directory.mkdir(parents=True, exist_ok=True)
        self.plugged = True
        for port in self.ports:
            port.create()
            self._watch(port)
            self._link(port)

    def unplug(self) -> None:
        """Takes the links away, then hangs everybody up."""
        self.plugged = False
        for port in self.ports:
            for link in self._links(port):
                link.unlink(missing_ok=True)
        self._watches.clear()
        for port in self.ports:
            self._stop_reading(port)
            port.destroy()

    def close(self) -> None:
        if self.plugged:
            self.unplug()
        self._loop.remove_reader(self._inotify.fd)
        self._inotify.close()

    def _links(self, port: Port) -> list[Path]:
        number = self._first_number + port.interface
        return [self.directory / f"ttyUSB{number}", self.directory / f"if{port.interface:02d}"]

    def _link(self, port: Port) -> None:
        for link in self._links(port):
            fresh = link.with_name(f".{link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(port.device)
            fresh.replace(link)

    def _watch(self, port: Port) -> None:
        self._watches[self._inotify.watch(port.device)] = port

    def _on_inotify(self) -> None:
        news = self._inotify.read()
        while news:
            port = self._watches.get(news.pop())
            if port is None:
                continue
            if port.opened:
                self._start_reading(port)
                continue
            self._closed(port)
            # Our own opening in _renew is news too: it must not count, or it would go on for ever.
            news |= {watch for watch in self._inotify.read() if self._watches.get(watch) is not port}
            if port.opened:
                self._start_reading(port)

    def _closed(self, port: Port) -> None:
        """The last opener is gone; perhaps so quickly that we never saw it there."""
        self._read(port)  # what came before the close still counts
        self._on_closed(port.interface)
        self._stop_reading(port)
        self._renew(port)

    def _renew(self, port: Port) -> None:
        with port.lock:
            if port.release():
                return
            _log.info("port was left locked; it gets a new pty", interface=port.interface)
            for watch in [watch for watch, known in self._watches.items() if known is port]:
                del self._watches[watch]
            os.close(port.master)
            port.create()
        self._watch(port)
        self._link(port)

    def _start_reading(self, port: Port) -> None:
        if port.interface != self._voice_port:
            self._loop.add_reader(port.master, self._read, port)

    def _stop_reading(self, port: Port) -> None:
        if port.master >= 0:
            self._loop.remove_reader(port.master)
            self._loop.remove_writer(port.master)

    def _read(self, port: Port) -> None:
        if port.interface == self._voice_port:
            return
        data = port.read(65536)
        if data:
            self._on_bytes(port.interface, data)
        elif not port.opened:
            self._stop_reading(port)  # or a hung-up fd would wake the loop for ever
