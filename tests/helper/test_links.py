"""link, raw_ip, address, in a real network namespace; and that all of it is put back."""

from collections.abc import Iterator

import pytest

from tests.helper.rig import HelperProcess, Station, helper_process, needs_namespaces, small_station

pytestmark = needs_namespaces


@pytest.fixture
def station() -> Iterator[Station]:
    with small_station() as station:
        yield station


@pytest.fixture
def helper(station: Station) -> Iterator[HelperProcess]:
    with helper_process(station.host) as helper:
        yield helper


def flag(helper: HelperProcess, value: str = "N\n") -> None:
    file = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
    file.parent.mkdir(parents=True)
    file.write_text(value)


def test_a_link_goes_up_with_its_mtu_and_is_left_as_it_was(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    helper.must("link", interface="wwan0", up=True, mtu=1358)
    shown = station.host.run("ip", "link", "show", "wwan0").stdout
    assert "mtu 1358" in shown and ",UP" in shown
    assert helper.must("state")["links"] == [
        {"interface": "wwan0", "was_up": False, "was_mtu": 1500, "was_raw_ip": None}
    ]
    helper.must("link", interface="wwan0", up=True)  # as it is: nothing happens
    assert helper.must("recover")["undone"] == ["wwan0, which was down"]
    assert station.snapshot() == before
    assert helper.must("recover")["undone"] == []


def test_raw_ip_is_set_while_the_link_is_down_and_put_back(station: Station, helper: HelperProcess) -> None:
    flag(helper)
    station.host.ip("link set wwan0 up")
    before = station.snapshot()
    helper.must("raw_ip", interface="wwan0")
    file = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
    assert file.read_text()[:1] == "Y"
    assert ",UP" not in station.host.run("ip", "link", "show", "wwan0").stdout
    helper.must("recover")
    assert file.read_text()[:1] == "N" and station.snapshot() == before


def test_a_link_that_is_none_of_qmi_wwan_stays_up(station: Station, helper: HelperProcess) -> None:
    station.host.ip("link set wwan0 up")
    before = station.snapshot()
    assert helper.trouble("raw_ip", interface="wwan0") == "no_device"
    assert station.snapshot() == before


def test_other_programs_routes_that_go_with_a_link_come_back_with_it(station: Station, helper: HelperProcess) -> None:
    flag(helper)
    station.host.ip(
        "addr add 10.64.0.9/24 dev wwan0", "link set wwan0 up", "route add default via 10.64.0.1 dev wwan0 metric 700",
        "route add 10.9.0.0/16 via 10.64.0.1 dev wwan0 table 100 proto 16",
    )  # fmt: skip
    before = station.snapshot()
    helper.must("raw_ip", interface="wwan0")
    helper.must("link", interface="wwan0", up=True, mtu=1400)
    helper.must("address", interface="wwan0", address="10.64.0.2/24", add=True)
    helper.must("route", interface="wwan0", gateway="10.64.0.1", metric=40, halves=False, add=True)
    assert not [line for line in station.routes() if "metric 700" in line]
    helper.must("recover")
    assert station.snapshot() == before


def test_an_address_is_added_once_and_only_ours_is_taken_away(station: Station, helper: HelperProcess) -> None:
    station.host.ip("addr add 10.64.0.9/24 dev wwan0")
    before = station.snapshot()
    for _ in range(2):
        helper.must("address", interface="wwan0", address="10.64.0.2/30", add=True)
    helper.must("address", interface="wwan0", address="10.64.0.9/24", add=True)  # another program's
    assert helper.must("state")["addresses"] == [{"interface": "wwan0", "address": "10.64.0.2/30"}]
    helper.must("address", interface="wwan0", address="10.64.0.9/24", add=False)
    assert "10.64.0.9/24" in station.host.run("ip", "addr", "show", "wwan0").stdout
    for _ in range(2):
        helper.must("address", interface="wwan0", address="10.64.0.2/30", add=False)
    assert station.snapshot() == before and helper.must("state")["addresses"] == []


def test_what_goes_with_its_interface_needs_no_undoing(station: Station, helper: HelperProcess) -> None:
    """A modem that is reset: its link goes, and another one comes with its name, which is none of ours."""
    helper.must("link", interface="wwan0", up=True, mtu=1400)
    helper.must("address", interface="wwan0", address="10.64.0.2/30", add=True)
    helper.must("route", interface="wwan0", gateway="10.64.0.1", metric=40, halves=True, add=True)
    station.host.ip("link del wwan0")
    station.add_link("wwan0", "cell1", "10.64.0.1/24")
    station.host.ip("link set wwan0 up mtu 1300", "addr add 10.64.0.2/30 dev wwan0")
    before = station.snapshot()
    assert helper.must("recover") == {"ok": True, "undone": [], "left": []}
    assert station.snapshot() == before
    station.host.ip("link del wwan0")
    helper.must("recover")
    assert helper.trouble("link", interface="wwan0", up=True) == "no_interface"
    assert helper.trouble("address", interface="wwan0", address="10.64.0.2/30", add=True) == "no_interface"
    assert helper.must("state")["links"] == helper.must("state")["addresses"] == []


def test_links_outside_the_patterns_are_never_touched(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    for interface in ("eth0", "lo", "wlan0"):
        assert helper.trouble("link", interface=interface, up=False) == "not_allowed"
        assert helper.trouble("address", interface=interface, address="10.0.0.2/24", add=True) == "not_allowed"
        route = {"gateway": None, "metric": 40, "halves": False, "add": True}
        assert helper.trouble("route", interface=interface, **route) == "not_allowed"
    assert station.snapshot() == before


def test_patterns_of_the_command_line_replace_the_usual_ones(station: Station) -> None:
    with helper_process(station.host, "--interface", "e*", "--interface", "*") as helper:
        helper.must("link", interface="eth0", up=True)
        assert helper.trouble("link", interface="lo", up=False) == "not_allowed"  # whatever is said
    with helper_process(station.host, "--interface", "e*") as helper:
        assert helper.trouble("link", interface="wwan0", up=True) == "not_allowed"
