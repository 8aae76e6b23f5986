"""Why an exchange on a port failed."""

import errno
import os

import serial


class PortLost(Exception):
    """The port is gone or deaf. The life of the modem that used it is over."""


class PortTaken(PortLost):
    """Another program has the port. path: the tty, where it is known."""

    def __init__(self, text: str, path: str | None = None) -> None:
        super().__init__(text)
        self.path = path


class PortSilent(PortLost):
    """The port is there and answers nothing, AT neither."""


class AtTimeout(Exception):
    """The modem didn't answer within the command's timeout_s."""


class HandedOver(Exception):
    """The payload of a prompt went out and no answer came: what it asked for may have happened, once."""


def open_failure(name: str, problem: Exception, path: str | None = None) -> PortLost:
    """What opening a tty failed with, in words."""
    number = problem.errno if isinstance(problem, OSError) else None
    taken = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
    if number in taken or (isinstance(problem, serial.SerialException) and "exclusively lock" in str(problem)):
        return PortTaken(f"another program has port {name}", path)
    return PortLost(f"port {name} can't be opened: {os.strerror(number) if number else type(problem).__name__}")
