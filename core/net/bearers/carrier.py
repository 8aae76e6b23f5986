"""Whether an interface has a carrier, of the namespace that this process is in: netdevice(7), no sysfs."""

import fcntl
import socket
import struct

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


def running(interface: str) -> bool:
    """Up, with a carrier. False when there is no such interface."""
    flags = _flags(interface)
    return flags >= 0 and flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING


def _flags(interface: str) -> int:
    """-1 when there is no such interface."""
    request = struct.pack("16sh14x", interface.encode()[:15], 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        try:
            return int(struct.unpack_from("h", fcntl.ioctl(asking, _SIOCGIFFLAGS, request), 16)[0]) & 0xFFFF
        except OSError:
            return -1
