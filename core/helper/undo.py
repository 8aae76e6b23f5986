"""recover and state: what is held, and taking all of it back, also when parts have gone meanwhile."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial

from core.helper.context import Context
from core.helper.kernel import KernelRoute
from core.helper.links import put_link_back, take_address
from core.helper.ppp import is_running, take_ppp
from core.helper.refused import Refused
from core.helper.request import Request
from core.helper.resolver import take_leftover, take_resolver
from core.helper.routes import stray_blocks, strays, take_block, take_route
from core.helper.state import Held, RouteMade
from core.helper.usb import put_on


def recover(request: Request, context: Context) -> dict[str, object]:
    undone, left = undo(context)
    return {"undone": undone, "left": left}


def undo(context: Context) -> tuple[list[str], list[str]]:
    """What was undone, and what could not be and stays in the state for the next time. Traffic first gets its old way
    back, then names; then what carried the new way goes."""
    undone, left = [], []
    with context.state.reading() as held:
        steps = [*_strays(context, held), *_steps(context, held)]
    steps.append(("resolv.conf of an earlier start", partial(take_leftover, context)))
    for text, step in steps:
        try:
            if step():
                undone.append(text)
        except (Refused, OSError) as problem:
            left.append(f"{text}: {problem}")
    for text in left:
        _say_left(text)
    return undone, left


def put_modems_on(context: Context) -> list[str]:
    """Those that a reset that was broken off had left off the bus. Not for a time in which one may be carried out."""
    undone = []
    with context.state.reading() as held:
        paths = list(held.usb)
    for path in paths:
        try:
            if put_on(context, path):
                undone.append(f"USB device {path} off the bus")
        except OSError as problem:
            _say_left(f"USB device {path} off the bus: {problem}")
    return undone


def _say_left(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"dialtone-helper: not undone: {text}", file=sys.stderr, flush=True)


def _strays(context: Context, held: Held) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Without ip there are none of ours."""
    with contextlib.suppress(Refused):
        for route in strays(context, held.routes):
            yield f"route {route.to} over {route.interface}", partial(take_route, context, route)
        for metric in stray_blocks(context, held.block_ipv6):
            yield "IPv6 blocked", partial(take_block, context, metric)


def _steps(context: Context, held: Held) -> Iterator[tuple[str, Callable[[], bool]]]:
    for route in held.routes:
        yield f"route {route.to} over {route.interface}", partial(take_route, context, route)
    for metric in held.block_ipv6:
        yield "IPv6 blocked", partial(take_block, context, metric)
    if held.resolver is not None:
        yield f"name servers of {held.resolver.interface}", partial(take_resolver, context, held.resolver)
    for runs in held.ppp.values():
        yield f"ppp{runs.unit}", partial(take_ppp, context, runs)
    for address in held.addresses:
        yield f"{address.address} of {address.interface}", partial(take_address, context, address)
    for was in held.links.values():
        yield f"{was.interface}, which was {'up' if was.up else 'down'}", partial(put_link_back, context, was)


def go_on(context: Context) -> None:
    """At the start: what an earlier life of the helper made goes on, and what has gone meanwhile is nobody's, so that
    the same thing made by another program later is not taken for ours."""
    with context.state.reading() as held:
        there = {each: link for each in _named(held) if (link := context.kernel.same(*each)) is not None}
        given = {(*each, ip) for each, link in there.items() for ip in context.kernel.addresses(link.interface)}
        routes = [RouteMade(each.to, each.interface or "", each.gateway, each.metric) for each in _ours(context, held)]
        ended = [runs for runs in held.ppp.values() if not is_running(context, runs)]
    for runs in ended:
        take_ppp(context, runs)
    with context.state.done() as held:
        held.links = {name: was for name, was in held.links.items() if (name, was.index) in there}
        held.addresses = [each for each in held.addresses if (each.interface, each.index, each.address) in given]
        held.routes = [each for each in held.routes if each in routes]
    put_modems_on(context)
    try:
        take_leftover(context)
    except Refused as problem:  # /etc may be closed to the service; what needs no resolv.conf is served
        _say_left(f"resolv.conf of an earlier start: {problem}")
    sweep(context)


def sweep(context: Context) -> None:
    """While nothing is being carried out: files of programs that a kill left."""
    with context.state.reading() as held:
        used = {runs.folder for runs in held.ppp.values()}
    context.folders.sweep(used)


def _named(held: Held) -> set[tuple[str, int]]:
    links = {(each.interface, each.index) for each in held.links.values()}
    return links | {(each.interface, each.index) for each in held.addresses}


def _ours(context: Context, held: Held) -> list[KernelRoute]:
    """Not asked for where none is held: a machine without ip has a use for usb_reset, too."""
    return context.kernel.ours() if held.routes else []


def state(request: Request, context: Context) -> dict[str, object]:
    with context.state.reading() as held:
        now = held.resolver
        return {
            "routes": [
                {"to": each.to, "interface": each.interface, "gateway": each.gateway, "metric": each.metric}
                for each in held.routes
            ],
            "addresses": [{"interface": each.interface, "address": each.address} for each in held.addresses],
            "links": [
                {"interface": was.interface, "was_up": was.up, "was_mtu": was.mtu, "was_raw_ip": was.raw_ip}
                for was in held.links.values()
            ],
            "resolver": {"by": now.by, "interface": now.interface, "dns": now.dns} if now else None,
            "ppp": [
                {"unit": runs.unit, "interface": f"ppp{runs.unit}", "running": is_running(context, runs)}
                for runs in held.ppp.values()
            ],
            "block_ipv6": list(held.block_ipv6),
        }
