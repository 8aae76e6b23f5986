"""link, raw_ip, address: the modem's interface, and as what it is left behind."""

import os
from pathlib import Path

from core.helper.context import Context
from core.helper.kernel import KernelLink
from core.helper.refused import Refused, Trouble
from core.helper.request import Request
from core.helper.state import AddressMade, LinkWas

LEAST_MTU, MOST_MTU = 576, 9000
"""RFC 791's smallest datagram that every host takes; jumbo frames."""


def link(request: Request, context: Context) -> dict[str, object]:
    interface, up = request.interface(context.patterns.interfaces), request.boolean("up")
    mtu = request.integer("mtu", LEAST_MTU, MOST_MTU) if request.has("mtu") else None
    found = context.kernel.require(interface)
    if found.up == up and mtu in (None, found.mtu):
        return {}
    _remember(context, found, goes_down=not up)
    if mtu is not None and mtu != found.mtu:
        context.kernel.change("link", "set", "dev", interface, "mtu", str(mtu))
    if found.up != up:
        context.kernel.change("link", "set", "dev", interface, "up" if up else "down")
    return {}


def raw_ip(request: Request, context: Context) -> dict[str, object]:
    """The driver takes it only while the link is down (Linux, drivers/net/usb/qmi_wwan.c: raw_ip_store)."""
    interface = request.interface(context.patterns.interfaces)
    found = context.kernel.require(interface)
    file = raw_ip_file(context, interface)
    was = _read_flag(file)
    _remember(context, found, goes_down=True, raw_ip=was)
    if found.up:
        context.kernel.change("link", "set", "dev", interface, "down")
    if not was:
        write_flag(file, True)
    if not _read_flag(file):
        raise Refused(Trouble.REFUSED, f"{interface} stays with Ethernet frames")
    return {}


def address(request: Request, context: Context) -> dict[str, object]:
    """Only what the helper has added is taken away."""
    interface, add = request.interface(context.patterns.interfaces), request.boolean("add")
    wanted = str(request.network_address("address"))
    if add:
        index = context.kernel.require(interface).index
        if wanted in context.kernel.addresses(interface):
            return {}
        _forget(context, interface, wanted)  # of a link that had this name before
        with context.state.intent() as held:
            held.addresses.append(AddressMade(interface, index, wanted))
        try:
            context.kernel.change("-4", "address", "add", wanted, "dev", interface)
        except Refused:
            if wanted not in context.kernel.addresses(interface):
                _forget(context, interface, wanted)
            raise
        return {}
    with context.state.reading() as held:
        ours = [each for each in held.addresses if (each.interface, each.address) == (interface, wanted)]
    for each in ours:
        take_address(context, each)
    return {}


def _forget(context: Context, interface: str, address: str) -> None:
    with context.state.done() as held:
        held.addresses = [each for each in held.addresses if (each.interface, each.address) != (interface, address)]


def take_address(context: Context, made: AddressMade) -> bool:
    """Whether there was something to take."""
    found = context.kernel.same(made.interface, made.index)
    there = found is not None and made.address in context.kernel.addresses(found.interface)
    if found is not None and there:
        _take(context, made.address, found.interface)
    with context.state.done() as held:
        held.addresses = [each for each in held.addresses if each != made]
    return there


def put_link_back(context: Context, was: LinkWas) -> bool:
    """Whether there was something to put back. A link that came anew is not the one that was changed."""
    found = context.kernel.same(was.interface, was.index)
    if found is not None:
        _put_back(context, was, found)
    with context.state.done() as held:
        held.links.pop(was.interface, None)
    return found is not None


def _put_back(context: Context, was: LinkWas, found: KernelLink) -> None:
    kernel, interface = context.kernel, found.interface
    raw = was.raw_ip is not None and _flag(context, interface) not in (None, was.raw_ip)
    if found.up and (raw or not was.up):
        kernel.try_change("link", "set", "dev", interface, "down")
    if raw and was.raw_ip is not None:
        write_flag(raw_ip_file(context, interface), was.raw_ip)
    if found.mtu != was.mtu:
        kernel.try_change("link", "set", "dev", interface, "mtu", str(was.mtu))
    if was.up:
        kernel.try_change("link", "set", "dev", interface, "up")
        for words in was.lost:  # one that came back by itself is refused as there already
            named = [interface if word == was.interface else word for word in words]
            kernel.try_change("-4", "route", "append", *named)


def _remember(context: Context, found: KernelLink, *, goes_down: bool, raw_ip: bool | None = None) -> None:
    """The first look at a link is the one that counts; the routes are those of the last time it went down."""
    lost = context.kernel.of_others(found.interface) if goes_down and found.up else []
    with context.state.intent() as held:
        was = held.links.get(found.interface)
        if was is None or was.index != found.index:
            was = held.links[found.interface] = LinkWas(found.interface, found.index, found.up, found.mtu)
        if was.raw_ip is None:
            was.raw_ip = raw_ip
        was.lost += [words for words in lost if words not in was.lost]


def _take(context: Context, address: str, interface: str) -> None:
    gone = context.kernel.try_change("-4", "address", "del", address, "dev", interface)
    if not gone and address in context.kernel.addresses(interface):
        raise Refused(Trouble.REFUSED, f"{address} can't be taken from {interface}")


def raw_ip_file(context: Context, interface: str) -> Path:
    return context.root / "sys/class/net" / interface / "qmi/raw_ip"


def _flag(context: Context, interface: str) -> bool | None:
    try:
        return _read_flag(raw_ip_file(context, interface))
    except Refused:
        return None


def _read_flag(file: Path) -> bool:
    try:
        return file.read_text().strip()[:1] in ("Y", "1")
    except OSError:
        raise Refused(Trouble.NO_DEVICE, f"{file.parent.parent.name} is no link of qmi_wwan") from None


def write_flag(file: Path, value: bool) -> None:
    """Without O_CREAT: only what the kernel has made is written."""
    try:
        descriptor = os.open(file, os.O_WRONLY)
        try:
            os.write(descriptor, b"Y" if value else b"N")
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise Refused(Trouble.REFUSED, f"raw_ip: the kernel refused: {problem.strerror}") from None
