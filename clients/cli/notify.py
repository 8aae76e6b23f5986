"""What systemd is told of a client that it runs: that it serves, how it is, that its event loop turns (sd_notify(3)).

The daemon has the same in core/notify.py; clients import nothing of core.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass

STATUS_EVERY_S = 15.0
"""How old the line in `systemctl status` may be where no watchdog asks for more."""

AGAIN_S = 0.5
"""After a message that systemd had no room for: it has many services, and a short queue."""

_log = logging.getLogger("dialtone.notify")


@dataclass(slots=True)
class ServiceManager:
    """address: of its socket, None where nobody started us as a service; then nothing happens. every_s: between two
    words of life, half of what the watchdog allows."""

    address: str | bytes | None = None
    every_s: float = STATUS_EVERY_S

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "ServiceManager":
        """Takes the variables out: processes that the client starts must not speak for it."""
        place = environment.pop("NOTIFY_SOCKET", "")
        usec = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        if place[:1] not in ("/", "@"):
            return cls()
        watched = usec.isascii() and usec.isdigit() and int(usec) > 0 and pid in ("", str(os.getpid()))
        return cls(
            b"\0" + os.fsencode(place[1:]) if place.startswith("@") else place,
            int(usec) / 2e6 if watched else STATUS_EVERY_S,
        )

    @contextmanager
    def told(self, status: Callable[[], str]) -> Iterator[None]:
        """READY at once; then, until the block ends, WATCHDOG and the status by a timer of the event loop: a loop that
        hangs feeds nothing. status: one line, without personal data."""
        if self.address is None:
            yield
            return
        telling = _Telling(self, status)
        telling.tell()
        try:
            yield
        finally:
            telling.end()
            self.stopping()

    def stopping(self) -> None:
        """The rest is an orderly end."""
        self.send("STOPPING=1")

    def send(self, text: str) -> bool:
        """One message, without waiting. False when it has to be sent again."""
        if self.address is None:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(text.encode(), self.address)
        except OSError as problem:
            _log.debug("systemd was not told: %s", problem.strerror)
            return False
        return True


class _Telling:
    """The timer of one `told`."""

    def __init__(self, manager: ServiceManager, status: Callable[[], str]) -> None:
        self._manager = manager
        self._status = status
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ready = "READY=1\n"

    def tell(self) -> None:
        try:
            status = f"\nSTATUS={self._status()}"
        except Exception:  # the loop turns, whatever else is wrong
            _log.exception("there is no status for systemd")
            status = ""
        sent = self._manager.send(f"{self._ready}WATCHDOG=1{status}")
        if sent:
            self._ready = ""
        pause_s = self._manager.every_s if sent else min(AGAIN_S, self._manager.every_s)
        self._timer = self._loop.call_later(pause_s, self.tell)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
