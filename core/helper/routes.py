"""route, block_ipv6: where traffic goes while the backup carries it. Only routes with our protocol are ever removed."""

from pathlib import Path

from core.helper.context import Context
from core.helper.kernel import PROTOCOL, KernelRoute
from core.helper.refused import Refused, Trouble
from core.helper.request import Request
from core.helper.state import RouteMade

LEAST_METRIC, MOST_METRIC = 40, 59
"""Below what NetworkManager (100, 600), dhcpcd (202, 302) and ModemManager (700) take."""

WHOLE = ("default",)
HALVES = ("0.0.0.0/1", "128.0.0.0/1")
"""Longer than a default route, so they win over one with any metric (as OpenVPN's redirect-gateway def1)."""

HAS_IPV6 = Path("/proc/self/net/if_inet6")
"""Not there when the kernel was started with ipv6.disable=1. (/proc/sys is hidden from the service.)"""


def route(request: Request, context: Context) -> dict[str, object]:
    """One of ours for each destination: an older one is replaced by the new, without a moment that has none."""
    interface, add = request.interface(context.patterns.interfaces), request.boolean("add")
    metric, gateway = request.integer("metric", LEAST_METRIC, MOST_METRIC), request.host("gateway")
    wanted = HALVES if request.boolean("halves") else WHOLE
    if add:
        context.kernel.require(interface)
        for to in wanted:
            _make(context, RouteMade(to, interface, str(gateway) if gateway else None, metric))
        return {}
    for each in context.kernel.ours():
        if each.interface == interface and each.to in wanted:
            _take(context, each)
    with context.state.done() as held:
        held.routes = [each for each in held.routes if each.interface != interface or each.to not in wanted]
    return {}


def _make(context: Context, made: RouteMade) -> None:
    others = [each for each in context.kernel.ours() if each.to == made.to]
    same = [each for each in others if _same(each, made)]
    with context.state.intent() as held:
        if made not in held.routes:
            held.routes.append(made)
    if not same:
        # prepend, unlike add, is not refused where another program has a route with this metric, and wins over it;
        # replace would take that program's route away.
        try:
            context.kernel.change("-4", "route", "prepend", *_words(made), "proto", PROTOCOL)
        except Refused:
            take_route(context, made)
            raise
    for each in others:
        if each not in same:
            _take(context, each)
    with context.state.done() as held:
        held.routes = [each for each in held.routes if each.to != made.to or each == made]


def take_route(context: Context, made: RouteMade) -> bool:
    """Whether there was something to take."""
    there = [each for each in context.kernel.ours() if _same(each, made)]
    for each in there:
        _take(context, each)
    with context.state.done() as held:
        held.routes = [each for each in held.routes if each != made]
    return bool(there)


def strays(context: Context, known: list[RouteMade]) -> list[RouteMade]:
    """With our protocol, and not in the state: that was lost, or their link renamed."""
    found = [
        RouteMade(each.to, each.interface, each.gateway, each.metric)
        for each in context.kernel.ours()
        if each.interface
    ]
    return [each for each in found if each not in known]


def stray_blocks(context: Context, known: list[int]) -> list[int]:
    return [each for each in _blocks(context) if each not in known]


def block_ipv6(request: Request, context: Context) -> dict[str, object]:
    """Programs that try IPv6 first are told at once that there is none. Nothing to do where the kernel has no IPv6."""
    add, metric = request.boolean("add"), request.integer("metric", LEAST_METRIC, MOST_METRIC)
    there = metric in _blocks(context)
    if add and not there and HAS_IPV6.exists():
        with context.state.intent() as held:
            held.block_ipv6 = sorted({*held.block_ipv6, metric})
        context.kernel.change("-6", "route", "add", *_block(metric))
    elif not add:
        take_block(context, metric)
    return {}


def take_block(context: Context, metric: int) -> bool:
    there = metric in _blocks(context)
    if there and not context.kernel.try_change("-6", "route", "del", *_block(metric)) and metric in _blocks(context):
        raise Refused(Trouble.REFUSED, "the route that blocks IPv6 can't be removed")
    with context.state.done() as held:
        held.block_ipv6 = [each for each in held.block_ipv6 if each != metric]
    return there


def _block(metric: int) -> list[str]:
    return ["unreachable", "default", "metric", str(metric), "proto", PROTOCOL]


def _blocks(context: Context) -> list[int]:
    return [each.metric for each in context.kernel.ours("-6") if each.to == "default"]


def _take(context: Context, each: KernelRoute) -> None:
    """The kernel compares all that is named, the protocol too. One that went with its link is gone as well."""
    gone = context.kernel.try_change("-4", "route", "del", *_words(each), "proto", PROTOCOL)
    if not gone and each in context.kernel.ours():
        raise Refused(Trouble.REFUSED, f"the route {each.to} over {each.interface} can't be removed")


def _same(there: KernelRoute, made: RouteMade) -> bool:
    found = (there.to, there.interface, there.gateway, there.metric)
    return found == (made.to, made.interface, made.gateway, made.metric)


def _words(each: KernelRoute | RouteMade) -> list[str]:
    """With the scope, since to delete one without a gateway the kernel would also take one that has a gateway."""
    way = ["via", each.gateway, "scope", "global"] if each.gateway else ["scope", "link"]
    return [each.to, *way, "dev", each.interface or "lo", "metric", str(each.metric)]
