"""rtnetlink(7): bytes of the kernel to messages of core/net/links.py, and the requests. Pure.

pyroute2's classes decode the attributes. A look at a message's fixed part before that passes over what nobody here
wants (routes to somewhere, IPv6, bridge ports), so that another program's ten thousand routes cost next to nothing.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.net.links import (
    EVERYTHING,
    LOWER_HALF,
    UPPER_HALF,
    AddressGone,
    AddressSeen,
    Hop,
    LinkGone,
    LinkSeen,
    Message,
    Part,
    Route,
    RouteGone,
    RouteSeen,
)
from core.net.pyroute2_parts import message_classes

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence number, port

GROUPS = 0x1 | 0x10 | 0x40
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE."""

_AF_INET = 2
_REQUEST, _DUMP = 0x1, 0x300
_REPLACE = 0x100
_MULTI, _DUMP_INTERRUPTED = 0x2, 0x10
_ERROR, _DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_IFF_UP, _IFF_LOWER_UP, _IFF_DORMANT = 0x1, 0x10000, 0x20000
_UNICAST = 1
_WITHOUT_WAY = (6, 7, 8)  # RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT
_MAIN_TABLE = 254
_CLONED = 0x200
_HOP_DEAD = 0x1
_DESTINATIONS = {(0, None): EVERYTHING, (1, None): LOWER_HALF, (1, "0.0.0.0"): LOWER_HALF, (1, "128.0.0.0"): UPPER_HALF}

_IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, hardware, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, index
_RT = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags


@dataclass(frozen=True, slots=True)
class DumpEnd:
    """NLMSG_DONE."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """NLM_F_DUMP_INTR: the kernel's tables changed during the dump, and something may be missing in it."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Refused:
    """NLMSG_ERROR for a request. code: an errno."""

    sequence: int
    code: int


def dump_request(part: Part, sequence: int) -> bytes:
    kind, body = {
        Part.LINKS: (_GETLINK, _IFINFO.pack(0, 0, 0, 0, 0)),
        Part.ADDRESSES: (_GETADDR, _IFADDR.pack(_AF_INET, 0, 0, 0, 0)),
        # The table counts only with NETLINK_GET_STRICT_CHK (Linux 4.20); an older kernel dumps all of them.
        Part.ROUTES: (_GETROUTE, _RT.pack(_AF_INET, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0)),
    }[part]
    return HEADER.pack(HEADER.size + len(body), kind, _REQUEST | _DUMP, sequence, 0) + body


def link_request(interface: str, sequence: int) -> bytes:
    """One link by its name: IFLA_IFNAME is attribute 3."""
    name = interface.encode() + b"\0"
    attribute = struct.pack("=HH", 4 + len(name), 3) + name
    body = _IFINFO.pack(0, 0, 0, 0, 0) + attribute.ljust((len(attribute) + 3) & ~3, b"\0")
    return HEADER.pack(HEADER.size + len(body), _GETLINK, _REQUEST, sequence, 0) + body


News = Message | DumpEnd | Interrupted | Refused


def decode(data: bytes) -> Iterator[News]:
    """All messages of one datagram that matter here. ValueError for what is cut off."""
    for offset, length, kind, flags, sequence in _walk(data):
        if flags & _MULTI and flags & _DUMP_INTERRUPTED:
            yield Interrupted(sequence)
        if kind == _DONE:
            yield DumpEnd(sequence)
        elif kind == _ERROR:
            (code,) = struct.unpack_from("=i", data, offset + HEADER.size)
            yield Refused(sequence, -code)
        elif (found := _decode_one(data[offset : offset + length], kind, flags)) is not None:
            yield found


def decode_counters(data: bytes) -> tuple[int, int] | None:
    """Bytes received and sent, of an answer to link_request; None for any other answer."""
    for offset, length, kind, _flags, _sequence in _walk(data):
        if kind == _NEWLINK:
            stats = _parsed(message_classes().link, data[offset : offset + length]).get_attr("IFLA_STATS64")
            return (int(stats["rx_bytes"]), int(stats["tx_bytes"])) if stats else None
    return None


def _walk(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, _port = HEADER.unpack_from(data, offset)
        if length < HEADER.size or offset + length > len(data):
            raise ValueError("a netlink message is cut off")
        yield offset, length, kind, flags, sequence
        offset += (length + 3) & ~3


def _decode_one(data: bytes, kind: int, flags: int) -> Message | None:
    if kind in (_NEWLINK, _DELLINK):
        return _link(data, kind)
    if kind in (_NEWADDR, _DELADDR):
        return _address(data, kind)
    if kind in (_NEWROUTE, _DELROUTE):
        return _route(data, kind, flags)
    return None


def _parsed(message_class: Any, data: bytes) -> Any:
    message = message_class(data)
    message.decode()
    return message


def _link(data: bytes, kind: int) -> LinkSeen | LinkGone | None:
    family, hardware, index, flags, _change = _IFINFO.unpack_from(data, HEADER.size)
    if family != 0:
        return None  # AF_BRIDGE: a port left its bridge; the link itself is still there
    if kind == _DELLINK:
        return LinkGone(index)
    message = _parsed(message_classes().link, data)
    name = message.get_attr("IFLA_IFNAME")
    if not name or message.get_attr("IFLA_WIRELESS") is not None:
        return None  # news of wireless extensions: has not the attributes of the link
    info = message.get_attr("IFLA_LINKINFO")
    return LinkSeen(
        index=index,
        name=str(name),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP) and not flags & _IFF_DORMANT,
        hardware=hardware,
        driver=info.get_attr("IFLA_INFO_KIND") if info is not None else None,
    )


def _address(data: bytes, kind: int) -> AddressSeen | AddressGone | None:
    family, prefix, _flags, _scope, index = _IFADDR.unpack_from(data, HEADER.size)
    if family != _AF_INET:
        return None
    message = _parsed(message_classes().address, data)
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    if local is None:
        return None
    address = f"{local}/{prefix}"
    return AddressSeen(index, address) if kind == _NEWADDR else AddressGone(index, address)


def _route(data: bytes, kind: int, flags: int) -> RouteSeen | RouteGone | None:
    family, dst_len, _src, tos, table, protocol, _scope, route_type, route_flags = _RT.unpack_from(data, HEADER.size)
    if family != _AF_INET or dst_len > 1 or tos or table != _MAIN_TABLE or route_flags & _CLONED:
        return None
    if route_type != _UNICAST and route_type not in _WITHOUT_WAY:
        return None
    message = _parsed(message_classes().route, data)
    destination = _DESTINATIONS.get((dst_len, message.get_attr("RTA_DST") if dst_len else None))
    if destination is None:
        return None
    hops = _hops(message, route_flags) if route_type == _UNICAST else ()
    route = Route(int(message.get_attr("RTA_PRIORITY") or 0), protocol, hops, destination)
    return RouteSeen(route, bool(flags & _REPLACE)) if kind == _NEWROUTE else RouteGone(route)


def _hops(message: Any, route_flags: int) -> tuple[Hop, ...]:
    several = message.get_attr("RTA_MULTIPATH")
    if several:
        return tuple(
            Hop(int(hop["oif"]), hop.get_attr("RTA_GATEWAY"), bool(hop["flags"] & _HOP_DEAD)) for hop in several
        )
    index = message.get_attr("RTA_OIF")
    if index is None:
        return ()
    return (Hop(int(index), message.get_attr("RTA_GATEWAY"), bool(route_flags & _HOP_DEAD)),)
