"""The kernel's links, IPv4 addresses and default routes as one table, fed by netlink messages. Pure.

Routes are those of the main table whose destination is everything, or one half of it (0.0.0.0/1 and 128.0.0.0/1 win
over a default route of any metric: longest prefix first). What the kernel does without a word is done here too: when a
link goes down or away, the routes through it are gone, and no RTM_DELROUTE tells it (fib_sync_down_dev in the kernel's
net/ipv4/fib_semantics.c). Where even that is not sure, `doubtful` asks for a new dump.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from core.net.primary import Candidate, Chosen, PrimaryRule
from core.net.types import OUR_PROTOCOL, Link, LinkKind, Links

EVERYTHING = "0.0.0.0/0"
LOWER_HALF = "0.0.0.0/1"
UPPER_HALF = "128.0.0.0/1"


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """RTM_NEWLINK. up: IFF_UP; carrier: IFF_LOWER_UP and not IFF_DORMANT (Wi-Fi before its key). hardware: ARPHRD_…;
    driver: IFLA_INFO_KIND ("veth", "wireguard"), None for real devices."""

    index: int
    name: str
    up: bool
    carrier: bool
    hardware: int = 1
    driver: str | None = None


@dataclass(frozen=True, slots=True)
class LinkGone:
    index: int


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """RTM_NEWADDR. address: "192.168.1.7/24", the local one of a point-to-point link."""

    index: int
    address: str


@dataclass(frozen=True, slots=True)
class AddressGone:
    index: int
    address: str


@dataclass(frozen=True, slots=True)
class Hop:
    """dead: the kernel passes it over (RTNH_F_DEAD; also RTNH_F_LINKDOWN where ignore_routes_with_linkdown is set)."""

    index: int
    gateway: str | None = None
    dead: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Route:
    """Two routes that are equal are the same route to the kernel. Without hops: blackhole, unreachable or prohibit."""

    metric: int
    protocol: int
    hops: tuple[Hop, ...]
    destination: str = EVERYTHING

    @property
    def first_hop(self) -> Hop | None:
        return next((hop for hop in self.hops if not hop.dead), None)


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """RTM_NEWROUTE. replaces: NLM_F_REPLACE; the kernel then took away the first route of the same destination and
    metric, and says nothing of it."""

    route: Route
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class RouteGone:
    route: Route


Message = LinkSeen | LinkGone | AddressSeen | AddressGone | RouteSeen | RouteGone


class Part(StrEnum):
    """What the kernel dumps by one request."""

    LINKS = "links"
    ADDRESSES = "addresses"
    ROUTES = "routes"


@dataclass(frozen=True, slots=True)
class Notes:
    """What others know of the links. kinds: by index; dns and connections: by interface; system_dns: the machine's."""

    kinds: Mapping[int, LinkKind] = field(default_factory=dict)
    dns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    system_dns: tuple[str, ...] = ()


class LinkTable:
    """Messages in, Links out. `doubtful`: the kernel may have changed routes silently; cleared by a dump of them."""

    def __init__(self) -> None:
        self._links: dict[int, LinkSeen] = {}
        self._addresses: dict[AddressSeen, None] = {}
        self._routes: dict[Route, Route] = {}  # in the kernel's order, as far as it is known; the value has `dead`
        self._unconfirmed: dict[Part, set[object]] = {}
        self.doubtful = False

    @property
    def links(self) -> tuple[LinkSeen, ...]:
        return tuple(self._links.values())

    def begin(self, part: Part) -> None:
        """A dump of this part was asked for: what it does not confirm until `end` is gone."""
        found: dict[Part, Iterable[object]] = {
            Part.LINKS: self._links,
            Part.ADDRESSES: self._addresses,
            Part.ROUTES: self._routes,
        }
        self._unconfirmed[part] = set(found[part])

    def end(self, part: Part) -> None:
        """The dump is complete."""
        for key in self._unconfirmed.pop(part, set()):
            if part is Part.LINKS and isinstance(key, int):
                self._drop_link(key)
            elif isinstance(key, AddressSeen):
                self._addresses.pop(key, None)
            elif isinstance(key, Route):
                self._routes.pop(key, None)
        if part is Part.ROUTES:
            self.doubtful = False

    def apply(self, message: Message) -> None:
        """One message of the kernel, of a dump or by itself, in the kernel's order."""
        match message:
            case LinkSeen():
                self._see_link(message)
            case LinkGone(index):
                self._drop_link(index)
                self.doubtful = True
            case AddressSeen():
                self._addresses[message] = None
                self._confirm(Part.ADDRESSES, message)
            case AddressGone(index, address):
                self._addresses.pop(AddressSeen(index, address), None)
                self.doubtful = True  # routes that prefer it as their source went with it
            case RouteSeen(route, replaces):
                self._see_route(route, replaces)
            case RouteGone(route):
                self._routes.pop(route, None)

    def _see_link(self, seen: LinkSeen) -> None:
        before = self._links.get(seen.index)
        for index, other in tuple(self._links.items()):
            if other.name == seen.name and index != seen.index:
                self._drop_link(index)  # made anew under another index while nobody looked
        self._links[seen.index] = seen
        self._confirm(Part.LINKS, seen.index)
        if before is not None and (before.up, before.carrier) != (seen.up, seen.carrier):
            self.doubtful = True
            if not seen.up:
                self._flush(seen.index)

    def _drop_link(self, index: int) -> None:
        self._links.pop(index, None)
        self._confirm(Part.LINKS, index)
        for address in [address for address in self._addresses if address.index == index]:
            del self._addresses[address]
        self._flush(index)

    def _flush(self, index: int) -> None:
        """A route with other ways left keeps them; one without is gone."""
        for key, route in tuple(self._routes.items()):
            hops = tuple(replace(hop, dead=hop.dead or hop.index == index) for hop in route.hops)
            if hops and all(hop.dead for hop in hops) and any(hop.index == index for hop in hops):
                del self._routes[key]
            else:
                self._routes[key] = replace(route, hops=hops)

    def _see_route(self, route: Route, replaces: bool) -> None:
        if replaces:
            same = (old for old in self._routes if (old.destination, old.metric) == (route.destination, route.metric))
            first = next(same, None)
            if first is not None and first != route:
                del self._routes[first]
            self.doubtful = True
        if Part.ROUTES in self._unconfirmed:
            self._routes.pop(route, None)  # into the order of the dump, which is the kernel's
        self._routes[route] = route
        self._confirm(Part.ROUTES, route)

    def _confirm(self, part: Part, key: object) -> None:
        if part in self._unconfirmed:
            self._unconfirmed[part].discard(key)

    # --- looking at it ------------------------------------------------------------------------------------------------

    def choose(self, rule: PrimaryRule, before: Chosen | None, modem: str | None, notes: Notes) -> Chosen | None:
        """The main link; before: as it was chosen last. modem: the interface of the modem, where there is one."""
        names = {link.index: link.name for link in self._links.values()}
        candidates = [
            Candidate(hop.index, names[hop.index], route.metric, notes.kinds.get(hop.index, LinkKind.OTHER))
            for route in self._sorted_routes()
            if route.protocol != OUR_PROTOCOL
            for hop in route.hops
            if not hop.dead and hop.index in names
        ]
        return rule.choose(candidates, before, names, modem)

    def snapshot(self, primary: Chosen | None, notes: Notes) -> Links:
        """Links by index; lo is none of them."""
        links = tuple(
            self._link(seen, notes)
            for seen in sorted(self._links.values(), key=lambda seen: seen.index)
            if seen.name != "lo"
        )
        ours = {
            self._links[hop.index].name
            for route in self._routes.values()
            if route.protocol == OUR_PROTOCOL
            for hop in route.hops
            if hop.index in self._links
        }
        name = primary.name if primary is not None else None
        return Links(links, name, self._default(), tuple(sorted(ours)), notes.system_dns)

    def _link(self, seen: LinkSeen, notes: Notes) -> Link:
        best = next(
            (
                (route, hop)
                for route in self._sorted_routes()
                if route.protocol != OUR_PROTOCOL
                for hop in route.hops
                if hop.index == seen.index
            ),
            None,
        )
        return Link(
            interface=seen.name,
            index=seen.index,
            kind=notes.kinds.get(seen.index, LinkKind.OTHER),
            up=seen.up,
            carrier=seen.carrier,
            addresses=tuple(sorted(found.address for found in self._addresses if found.index == seen.index)),
            gateway=best[1].gateway if best is not None else None,
            metric=best[0].metric if best is not None else None,
            dns=notes.dns.get(seen.name, ()),
            connection=notes.connections.get(seen.name),
        )

    def _sorted_routes(self, destination: str = EVERYTHING) -> list[Route]:
        """Best first: lowest metric, then the kernel's order (sorted keeps it)."""
        return sorted(
            (route for route in self._routes.values() if route.destination == destination),
            key=lambda route: route.metric,
        )

    def _default(self) -> str | None:
        """Where a packet to anywhere goes now; None where nowhere, or where the two halves differ in having a way."""
        lower = self._way(LOWER_HALF)
        if lower is not None and self._way(UPPER_HALF) is not None:
            return lower
        return self._way(EVERYTHING)

    def _way(self, destination: str) -> str | None:
        for route in self._sorted_routes(destination):
            if not route.hops:
                return None  # blackhole, unreachable
            hop = route.first_hop
            if hop is not None and hop.index in self._links:
                return self._links[hop.index].name
        return None
