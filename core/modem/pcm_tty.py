"""The PCM tty itself: one raw, exclusive, non-blocking descriptor. Works on a pty too, which has no modem lines."""

import contextlib
import errno
import fcntl
import os
import struct
import termios

_DTR_RTS = struct.pack("i", termios.TIOCM_DTR | termios.TIOCM_RTS)
_NO_SUCH_LINES = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP})
"""What a pty and some USB drivers answer to modem line requests."""
_SPEED = termios.B115200
"""Nominal: USB has no bit clock (spec 3.1), but a driver wants some value."""


def open_pcm(path: str) -> int:
    """Opens and sets up; the caller closes it with close_pcm. OSError: gone, busy (EBUSY, EWOULDBLOCK), not a tty."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Two openers share the bytes between them. TIOCEXCL keeps strangers out, flock those who run as root.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _make_raw(fd)
        fcntl.ioctl(fd, termios.TIOCEXCL)
        _raise_lines(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def flush_input(fd: int) -> None:
    """Throws away what lies unread. Only before CPCMREG=1: later it may cut a sample in half (spec 3.1)."""
    _tcflush(fd, termios.TCIFLUSH)


def flush_output(fd: int) -> None:
    """Throws away what the kernel holds for the modem. Cuts frames anywhere: only when nothing is sent after it."""
    _tcflush(fd, termios.TCOFLUSH)


def close_pcm(fd: int) -> None:
    """Closes; on a wedged USB endpoint the kernel may wait for its closing_wait (30 s), so never on the loop."""
    with contextlib.suppress(OSError):
        # The flag belongs to the tty and outlives this descriptor as long as anyone else has the tty open.
        fcntl.ioctl(fd, termios.TIOCNXCL)
    with contextlib.suppress(OSError):
        os.close(fd)


def _make_raw(fd: int) -> None:
    try:
        _, _, _, _, _, _, control = termios.tcgetattr(fd)
        # No XON/XOFF, no CR or LF made of PCM bytes, no CRTSCTS (spec 3.4). No HUPCL: closing must not pulse DTR.
        # VMIN 1, because with 0 "nothing there" and "hung up" both read as zero bytes.
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        cflag = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, cflag, 0, _SPEED, _SPEED, control])
    except termios.error as error:
        raise OSError(*error.args) from error


def _raise_lines(fd: int) -> None:
    try:
        fcntl.ioctl(fd, termios.TIOCMBIS, _DTR_RTS)
    except OSError as error:
        if error.errno not in _NO_SUCH_LINES:
            raise


def _tcflush(fd: int, queue: int) -> None:
    try:
        termios.tcflush(fd, queue)
    except termios.error as error:
        raise OSError(*error.args) from error
