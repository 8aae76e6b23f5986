"""route and block_ipv6: traffic goes where it was told to, beside whatever other programs do to the routes."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helper.rig import HelperProcess, Station, helper_process, needs_namespaces, small_station

pytestmark = needs_namespaces

MAIN = "default via 192.168.77.1 dev eth0 proto 16 metric 100"
OURS = "default via 10.64.0.1 dev wwan0 proto 219 metric 40"


@pytest.fixture
def station() -> Iterator[Station]:
    with small_station() as station:
        station.host.ip("link set wwan0 up", "addr add 10.64.0.2/24 dev wwan0")
        yield station


@pytest.fixture
def helper(station: Station) -> Iterator[HelperProcess]:
    with helper_process(station.host) as helper:
        yield helper


def way(**changed: object) -> dict[str, Any]:
    return {"interface": "wwan0", "gateway": "10.64.0.1", "metric": 40, "halves": False, "add": True} | changed


def out_by(station: Station) -> str:
    return station.host.run("ip", "route", "get", "203.0.113.10").stdout


def test_a_default_route_of_ours_wins_and_the_others_stay(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    for _ in range(2):
        helper.must("route", **way())
    assert station.routes("show", "default") == [OURS, MAIN] and "wwan0" in out_by(station)
    for _ in range(2):
        helper.must("route", **way(add=False))
    assert station.snapshot() == before and helper.must("state")["routes"] == []


def test_another_gateway_metric_or_link_replaces_ours(station: Station, helper: HelperProcess) -> None:
    station.add_link("usb0", "cell1", "10.65.0.1/24")
    station.host.ip("link set usb0 up", "addr add 10.65.0.2/24 dev usb0")
    before = station.snapshot()
    helper.must("route", **way())
    for changed in (
        {"gateway": "10.64.0.3"},
        {"gateway": None},
        {"metric": 45},
        {"interface": "usb0", "gateway": "10.65.0.1"},
    ):
        helper.must("route", **way(**changed))
        [ours] = station.routes("show", "proto", "219")
        assert str(changed.get("gateway") or changed.get("interface") or "wwan0") in ours
        [held] = helper.must("state")["routes"]
        assert held["gateway"] == way(**changed)["gateway"] and held["metric"] == way(**changed)["metric"]
    helper.must("recover")
    assert station.snapshot() == before


@pytest.mark.parametrize(("old", "new"), [(None, "10.64.0.1"), ("10.64.0.1", None)])
def test_a_route_without_a_gateway_is_told_from_one_with(
    station: Station, helper: HelperProcess, old: str | None, new: str | None
) -> None:
    before = station.snapshot()
    helper.must("route", **way(gateway=old))
    helper.must("route", **way(gateway=new))
    [ours] = station.routes("show", "proto", "219")
    assert ("via" in ours) == (new is not None)
    helper.must("recover")
    assert station.snapshot() == before


def test_while_ours_is_replaced_there_is_no_moment_without_one(station: Station, helper: HelperProcess) -> None:
    station.host.ip("route del default")
    helper.must("route", **way())
    seen: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.append(len(station.routes("show", "default")))

    watcher = threading.Thread(target=look)
    watcher.start()
    number = 0
    while number < 15 or len(seen) < 15:
        helper.must("route", **way(gateway=f"10.64.0.{3 + number % 2}"))
        number += 1
    ended.set()
    watcher.join(30)
    assert min(seen) >= 1


def test_halves_win_over_a_default_route_with_metric_0(station: Station, helper: HelperProcess) -> None:
    station.host.ip("route add default via 192.168.77.1 dev eth0")
    before = station.snapshot()
    helper.must("route", **way())
    assert "eth0" in out_by(station)
    helper.must("route", **way(halves=True))
    assert "wwan0" in out_by(station)
    assert [held["to"] for held in helper.must("state")["routes"]] == ["default", "0.0.0.0/1", "128.0.0.0/1"]
    helper.must("route", **way(halves=True, add=False))
    assert OURS in station.routes("show", "default")  # asked for by itself, and ended by itself
    helper.must("recover")
    assert station.snapshot() == before


def test_another_programs_route_with_our_metric_stays_and_ours_wins(station: Station, helper: HelperProcess) -> None:
    station.host.ip("route add default via 192.168.77.1 dev eth0 metric 40 proto static")
    before = station.snapshot()
    helper.must("route", **way())
    assert "wwan0" in out_by(station)
    helper.must("route", **way(gateway="10.64.0.3"))
    helper.must("route", **way(add=False))
    assert station.snapshot() == before


def test_a_route_of_ours_that_somebody_took_away_is_made_again(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    helper.must("route", **way())
    station.host.ip("route del default dev wwan0")
    assert "eth0" in out_by(station)
    helper.must("route", **way())
    assert "wwan0" in out_by(station)
    station.host.ip("route del default dev wwan0")
    assert helper.must("recover")["undone"] == [] and station.snapshot() == before


def test_the_same_route_by_another_program_is_not_ours(station: Station, helper: HelperProcess) -> None:
    station.host.ip("route add default via 10.64.0.1 dev wwan0 metric 40 proto static")
    before = station.snapshot()
    helper.must("route", **way())
    helper.must("route", **way(add=False))
    assert station.snapshot() == before
    helper.must("recover")
    assert station.snapshot() == before


def test_what_the_kernel_refuses_is_said_and_leaves_nothing(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    assert helper.trouble("route", **way(gateway="172.16.0.1")) == "refused"  # not on the link
    assert helper.trouble("route", **way(interface="wwan7")) == "no_interface"
    assert helper.must("state")["routes"] == [] and station.snapshot() == before


def test_ipv6_is_refused_at_once_while_it_is_blocked(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    for _ in range(2):
        helper.must("block_ipv6", add=True, metric=40)
    assert station.routes6() == ["7 default dev lo proto 219 metric 40 pref medium"]  # 7: RTN_UNREACHABLE
    assert helper.must("state")["block_ipv6"] == [40]
    for _ in range(2):
        helper.must("block_ipv6", add=False, metric=40)
    assert station.snapshot() == before
    helper.must("block_ipv6", add=True, metric=41)
    assert helper.must("recover")["undone"] == ["IPv6 blocked"] and station.snapshot() == before


def test_the_ipv6_routes_of_others_stay(station: Station, helper: HelperProcess) -> None:
    station.host.ip("addr add 2001:db8::2/64 dev eth0 nodad")
    station.host.run("ip", "-6", "route", "add", "default", "via", "2001:db8::1", "dev", "eth0")
    station.host.run("ip", "-6", "route", "add", "unreachable", "default", "metric", "41", "proto", "static")
    before = station.snapshot()
    asked = "2001:db8:1::1"
    helper.must("block_ipv6", add=True, metric=40)
    assert "No route to host" in station.host.run("ip", "route", "get", asked, check=False).stderr
    helper.must("block_ipv6", add=False, metric=40)
    assert helper.trouble("block_ipv6", add=True, metric=41) == "refused"  # another program's, and it stays
    helper.must("block_ipv6", add=False, metric=41)
    helper.must("recover")
    assert station.snapshot() == before


def test_where_ipv6_is_off_there_is_nothing_to_block(station: Station, helper: HelperProcess) -> None:
    station.host.sysctl("net.ipv6.conf.all.disable_ipv6", "1")
    helper.must("block_ipv6", add=True, metric=40)
    assert helper.must("recover")["left"] == [] and station.routes6() == []
