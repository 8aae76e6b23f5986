"""What the kernel says of one interface of the namespace that this process is in: netdevice(7), no sysfs."""

import fcntl
import socket
import struct
import sys

_SIOCGIFFLAGS = 0x8913
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


def flags(interface: str) -> int | None:
    """Its IFF_ flags; None when there is no such interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asking:
        try:
            found = fcntl.ioctl(asking, _SIOCGIFFLAGS, struct.pack("16s24x", interface.encode()))
        except OSError:
            return None
    return int.from_bytes(found[16:18], sys.byteorder)


def running(interface: str) -> bool:
    """Up, with a carrier. False when there is no such interface."""
    found = flags(interface)
    return found is not None and found & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING
