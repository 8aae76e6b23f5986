"""A small model of the kernel's links, addresses and routes, which makes the messages that the kernel makes, and keeps
silent where it does (net/ipv4/fib_frontend.c, fib_semantics.c)."""

from dataclasses import replace

from core.net.links import (
    AddressGone,
    AddressSeen,
    LinkGone,
    LinkSeen,
    LinkTable,
    Message,
    Part,
    Route,
    RouteGone,
    RouteSeen,
)


class Kernel:
    def __init__(self) -> None:
        self.links: dict[int, LinkSeen] = {1: LinkSeen(1, "lo", True, True, 772)}
        self.addresses: list[AddressSeen] = []
        self.routes: list[Route] = []
        self._next = 2

    def add_link(self, name: str) -> list[Message]:
        if any(link.name == name for link in self.links.values()):
            return []
        self._next += 1
        self.links[self._next] = LinkSeen(self._next, name, False, False)
        return [self.links[self._next]]

    def remove_link(self, index: int) -> list[Message]:
        del self.links[index]
        gone = [AddressGone(one.index, one.address) for one in self.addresses if one.index == index]
        self.addresses = [one for one in self.addresses if one.index != index]
        self._flush(index)
        return [*gone, LinkGone(index)]

    def rename(self, index: int, name: str) -> list[Message]:
        if any(link.name == name for link in self.links.values()):
            return []
        return self._set(index, replace(self.links[index], name=name))

    def set_up(self, index: int, up: bool) -> list[Message]:
        if not up:
            self._flush(index)
        return self._set(index, replace(self.links[index], up=up, carrier=up))

    def set_carrier(self, index: int, carrier: bool) -> list[Message]:
        link = self.links[index]
        return self._set(index, replace(link, carrier=carrier and link.up))

    def add_address(self, index: int, address: str) -> list[Message]:
        seen = AddressSeen(index, address)
        if seen in self.addresses:
            return []
        self.addresses.append(seen)
        return [seen]

    def remove_address(self, address: AddressSeen) -> list[Message]:
        self.addresses.remove(address)
        return [AddressGone(address.index, address.address)]

    def add_route(self, route: Route) -> list[Message]:
        if route in self.routes or not all(self.links[hop.index].up for hop in route.hops):
            return []
        self.routes.append(route)
        return [RouteSeen(route)]

    def replace_route(self, route: Route) -> list[Message]:
        """`ip route replace`: the first one of this destination and metric is silently exchanged."""
        if route in self.routes or not all(self.links[hop.index].up for hop in route.hops):
            return []
        for place, old in enumerate(self.routes):
            if (old.destination, old.metric) == (route.destination, route.metric):
                self.routes[place] = route
                return [RouteSeen(route, replaces=True)]
        self.routes.append(route)
        return [RouteSeen(route, replaces=True)]

    def remove_route(self, route: Route) -> list[Message]:
        self.routes.remove(route)
        return [RouteGone(route)]

    def dump(self) -> list[tuple[Part, list[Message]]]:
        return [
            (Part.LINKS, list(self.links.values())),
            (Part.ADDRESSES, list(self.addresses)),
            (Part.ROUTES, [RouteSeen(route) for route in self.routes]),
        ]

    def _set(self, index: int, link: LinkSeen) -> list[Message]:
        self.links[index] = link
        return [link]

    def _flush(self, index: int) -> None:
        """Without a word of it."""
        self.routes = [route for route in self.routes if not any(hop.index == index for hop in route.hops)]


def read(kernel: Kernel, table: LinkTable) -> None:
    for part, messages in kernel.dump():
        table.begin(part)
        for message in messages:
            table.apply(message)
        table.end(part)
