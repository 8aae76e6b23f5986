"""This computer's address in the VPN, by which the VPS knows the station."""

import fcntl
import socket
import struct

SIOCGIFADDR = 0x8915
"""linux/sockios.h"""


def interface_address(name: str) -> str | None:
    """The IPv4 address of an interface such as wg0; None where there is none."""
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
