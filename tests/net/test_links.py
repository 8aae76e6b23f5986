"""The table of links, case by case. Its laws are in test_links_laws.py."""

from pathlib import Path

import pytest

from core.net.link_kind import kind_of
from core.net.links import (
    LOWER_HALF,
    UPPER_HALF,
    AddressGone,
    AddressSeen,
    Hop,
    LinkGone,
    LinkSeen,
    LinkTable,
    Message,
    Notes,
    Part,
    Route,
    RouteGone,
    RouteSeen,
)
from core.net.primary import Candidate, Chosen, PrimaryRule
from core.net.types import OUR_PROTOCOL, LinkKind, Links

ETH, WLAN, WWAN = LinkSeen(2, "eth0", True, True), LinkSeen(3, "wlan0", True, True), LinkSeen(4, "wwan0", True, True)
RULE = PrimaryRule("auto", ("wwan*", "ppp*"))


def route(
    index: int, metric: int, protocol: int = 16, gateway: str | None = None, destination: str = "0.0.0.0/0"
) -> Route:
    return Route(metric, protocol, (Hop(index, gateway),), destination)


def table_of(*messages: Message) -> LinkTable:
    table = LinkTable()
    for message in (LinkSeen(1, "lo", True, True, 772), ETH, WLAN, WWAN, *messages):
        table.apply(message)
    return table


def look(table: LinkTable, before: Chosen | None = None, modem: str | None = None, rule: PrimaryRule = RULE) -> Links:
    return table.snapshot(table.choose(rule, before, modem, Notes()), Notes())


def test_the_lowest_metric_is_the_main_link_and_lo_is_no_link() -> None:
    links = look(table_of(RouteSeen(route(3, 600)), RouteSeen(route(2, 100, gateway="192.0.2.1"))))
    assert (links.primary, links.default) == ("eth0", "eth0")
    assert [link.interface for link in links.links] == ["eth0", "wlan0", "wwan0"]
    eth0 = links.named("eth0")
    assert eth0 is not None and (eth0.metric, eth0.gateway) == (100, "192.0.2.1")


def test_a_route_without_a_metric_wins_over_ours_and_is_the_main_link() -> None:
    links = look(table_of(RouteSeen(route(4, 40, OUR_PROTOCOL)), RouteSeen(route(2, 0))))
    assert (links.primary, links.default, links.ours) == ("eth0", "eth0", ("wwan0",))


def test_our_two_halves_win_over_a_route_without_a_metric() -> None:
    halves = [RouteSeen(route(4, 40, OUR_PROTOCOL, destination=half)) for half in (LOWER_HALF, UPPER_HALF)]
    links = look(table_of(RouteSeen(route(2, 0)), *halves))
    assert (links.primary, links.default, links.ours) == ("eth0", "wwan0", ("wwan0",))
    assert look(table_of(RouteSeen(route(2, 0)), halves[0])).default == "eth0"  # one half is not everything


def test_our_route_is_no_route_of_the_link() -> None:
    wwan0 = look(table_of(RouteSeen(route(4, 40, OUR_PROTOCOL)))).named("wwan0")
    assert wwan0 is not None and wwan0.metric is None


def test_several_routes_through_one_interface_the_best_counts_and_the_next_follows() -> None:
    table = table_of(RouteSeen(route(2, 300, gateway="192.0.2.3")), RouteSeen(route(2, 100, gateway="192.0.2.1")))
    table.apply(RouteGone(route(2, 100, gateway="192.0.2.1")))
    eth0 = look(table).named("eth0")
    assert eth0 is not None and (eth0.metric, eth0.gateway) == (300, "192.0.2.3")


def test_of_a_multipath_route_the_first_living_hop_is_the_way() -> None:
    both = Route(100, 16, (Hop(2, "192.0.2.1", dead=True), Hop(3, "192.0.2.2")))
    links = look(table_of(RouteSeen(both)))
    assert (links.default, links.primary) == ("wlan0", "wlan0")
    assert [link.metric for link in links.links] == [100, 100, None]


def test_a_multipath_route_loses_one_hop_with_its_link_and_goes_with_the_last() -> None:
    table = table_of(RouteSeen(Route(100, 16, (Hop(2), Hop(3)))))
    table.apply(LinkSeen(2, "eth0", False, False))
    assert look(table).default == "wlan0"
    table.apply(LinkGone(3))
    assert look(table).default is None


def test_a_blackhole_of_a_lower_metric_is_no_way_out() -> None:
    links = look(table_of(RouteSeen(route(2, 100)), RouteSeen(Route(50, 3, ()))))
    assert links.default is None
    assert links.primary == "eth0"


def test_a_link_that_goes_down_takes_its_routes_along_without_the_kernel_saying_so() -> None:
    table = table_of(RouteSeen(route(2, 100)), RouteSeen(route(3, 600)))
    table.apply(LinkSeen(2, "eth0", False, False))
    assert look(table).default == "wlan0"
    assert table.doubtful


def test_a_lost_carrier_keeps_the_route_and_the_link_is_not_usable() -> None:
    table = table_of(AddressSeen(2, "192.0.2.7/24"), RouteSeen(route(2, 100)))
    assert look(table).links[0].usable
    table.apply(LinkSeen(2, "eth0", True, False))
    eth0 = look(table).links[0]
    assert (eth0.metric, eth0.usable) == (100, False)
    assert table.doubtful


def test_a_replaced_route_is_gone_without_a_word() -> None:
    table = table_of(RouteSeen(route(2, 100, gateway="192.0.2.1")))
    table.apply(RouteSeen(route(3, 100, gateway="192.0.2.2"), replaces=True))
    assert [link.metric for link in look(table).links] == [None, 100, None]


def test_a_link_made_anew_has_nothing_of_the_old_one() -> None:
    table = table_of(AddressSeen(2, "192.0.2.7/24"), RouteSeen(route(2, 100)))
    table.apply(LinkSeen(9, "eth0", True, True))  # even when nobody said that the old one is gone
    eth0 = look(table).named("eth0")
    assert eth0 is not None and (eth0.index, eth0.addresses, eth0.metric) == (9, (), None)


def test_an_address_that_goes_makes_the_routes_doubtful() -> None:
    table = table_of(AddressSeen(2, "192.0.2.7/24"))
    assert not table.doubtful
    table.apply(AddressGone(2, "192.0.2.7/24"))
    assert table.doubtful
    table.begin(Part.ROUTES)
    table.end(Part.ROUTES)
    assert not table.doubtful


def test_a_dump_sweeps_out_what_it_does_not_confirm() -> None:
    table = table_of(AddressSeen(2, "192.0.2.7/24"), RouteSeen(route(2, 100)), RouteSeen(route(3, 600)))
    table.begin(Part.ROUTES)
    table.apply(RouteSeen(route(3, 600)))
    table.end(Part.ROUTES)
    assert look(table).default == "wlan0"
    table.begin(Part.LINKS)
    table.apply(ETH)
    table.end(Part.LINKS)
    assert [link.interface for link in look(table).links] == ["eth0"]


def test_of_equal_metrics_the_kernels_order_decides_as_a_dump_gives_it() -> None:
    table = table_of(RouteSeen(route(2, 100)), RouteSeen(route(3, 100)))
    assert look(table).default == "eth0"
    table.begin(Part.ROUTES)
    table.apply(RouteSeen(route(3, 100)))
    table.apply(RouteSeen(route(2, 100)))
    table.end(Part.ROUTES)
    assert (look(table).default, look(table).primary) == ("wlan0", "wlan0")


# --- the main link ----------------------------------------------------------------------------------------------------


def test_the_main_link_stays_while_nobody_has_a_route() -> None:
    table = table_of(RouteSeen(route(2, 100)))
    before = table.choose(RULE, None, None, Notes())
    table.apply(RouteGone(route(2, 100)))
    assert look(table, before).primary == "eth0"
    table.apply(LinkGone(2))
    assert look(table, before).primary == "eth0"  # a network adapter that was pulled out
    table.apply(RouteSeen(route(3, 600)))
    assert look(table, before).primary == "wlan0"


def test_the_main_link_keeps_its_place_under_a_new_name() -> None:
    table = table_of(RouteSeen(route(2, 100)))
    before = table.choose(RULE, None, None, Notes())
    table.apply(RouteGone(route(2, 100)))
    table.apply(LinkSeen(2, "lan0", True, True))
    assert look(table, before).primary == "lan0"


def test_the_modems_interface_is_never_the_main_link_even_when_it_is_known_late() -> None:
    table = table_of(LinkSeen(5, "usb0", True, True), RouteSeen(route(5, 10)))
    before = table.choose(RULE, None, None, Notes())
    assert before == Chosen("usb0", 5)
    assert look(table, before, modem="usb0").primary is None


def test_forbidden_patterns_keep_a_link_from_being_the_main_one() -> None:
    assert look(table_of(RouteSeen(route(4, 10)))).primary is None


def test_a_tunnel_is_no_main_link() -> None:
    candidates = [Candidate(7, "wg0", 5, LinkKind.TUNNEL), Candidate(2, "eth0", 100)]
    assert RULE.choose(candidates, None, {7: "wg0", 2: "eth0"}) == Chosen("eth0", 2)


def test_the_interface_that_the_configuration_names_is_the_main_link_there_or_not() -> None:
    rule = PrimaryRule("ppp0", ("ppp*",))
    assert look(table_of(RouteSeen(route(2, 100))), rule=rule).primary == "ppp0"
    assert look(table_of(LinkSeen(8, "ppp0", True, True)), rule=rule).primary == "ppp0"


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (LinkSeen(2, "eth0", True, True), LinkKind.ETHERNET),
        (LinkSeen(2, "enx001122334455", True, True), LinkKind.ETHERNET),
        (LinkSeen(2, "wlp3s0", True, True), LinkKind.WIFI),
        (LinkSeen(2, "wwan0", True, True, hardware=519), LinkKind.WWAN),
        (LinkSeen(2, "rmnet_data0", True, True, hardware=519), LinkKind.WWAN),
        (LinkSeen(2, "ppp0", True, True, hardware=512), LinkKind.PPP),
        (LinkSeen(2, "vpn", True, True, hardware=65534, driver="wireguard"), LinkKind.TUNNEL),
        (LinkSeen(2, "tun0", True, True, hardware=65534), LinkKind.TUNNEL),
        (LinkSeen(2, "br-lan", True, True, driver="bridge"), LinkKind.ETHERNET),
        (LinkSeen(2, "veth1a2b", True, True, driver="veth"), LinkKind.OTHER),
        (LinkSeen(2, "wlan0", True, True, driver="veth"), LinkKind.WIFI),
        (LinkSeen(2, "odd", True, True, hardware=1), LinkKind.ETHERNET),
        (LinkSeen(2, "odd", True, True, hardware=280), LinkKind.OTHER),
    ],
)
def test_kinds_without_sysfs(seen: LinkSeen, kind: LinkKind, tmp_path: Path) -> None:
    assert kind_of(seen, tmp_path) is kind


def test_sysfs_knows_wifi_and_modems_of_any_name(tmp_path: Path) -> None:
    for name, index, devtype in (("net7", 7, "wlan"), ("net8", 8, "wwan"), ("net9", 9, "")):
        folder = tmp_path / "class/net" / name
        folder.mkdir(parents=True)
        (folder / "ifindex").write_text(f"{index}\n")
        (folder / "uevent").write_text(f"DEVTYPE={devtype}\nINTERFACE={name}\n" if devtype else "")
    (tmp_path / "class/net/net9/phy80211").mkdir()
    assert kind_of(LinkSeen(7, "net7", True, True), tmp_path) is LinkKind.WIFI
    assert kind_of(LinkSeen(8, "net8", True, True), tmp_path) is LinkKind.WWAN
    assert kind_of(LinkSeen(9, "net9", True, True), tmp_path) is LinkKind.WIFI


def test_sysfs_of_another_namespace_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "class/net/eth0"
    (folder / "wireless").mkdir(parents=True)
    (folder / "ifindex").write_text("31\n")
    assert kind_of(LinkSeen(2, "eth0", True, True), tmp_path) is LinkKind.ETHERNET
