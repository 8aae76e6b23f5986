"""The builder that the other tests of the net stand on."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net.namespaces import (
    CARRIER_ADDRESS,
    MAIN_ADDRESS,
    OTHER_VPS,
    VPS,
    WEB,
    Network,
    needs_namespaces,
    network,
    until,
)

pytestmark = needs_namespaces


@pytest.fixture
def net() -> Iterator[Network]:
    with network(wwan_up=True) as built:
        yield built


def ours() -> list[str]:
    folders = [Path("/run/netns"), Path("/etc/netns")]
    mine = f"dt{os.getpid()}-"
    return [
        path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.name.startswith(mine)
    ]


def answers(net: Network, address: str, interface: str) -> bool:
    """Asked until it does: a link that has just got its carrier sends a moment later."""
    words = ("ping", "-c1", "-i0.2", "-w20", "-I", interface, address)
    return net.host.run(*words, check=False).returncode == 0


def silent(net: Network, address: str, interface: str) -> bool:
    return net.host.run("ping", "-c1", "-W1", "-I", interface, address, check=False).returncode == 1


def fetch(address: str, path: str = "/generate_204") -> bytes:
    with socket.create_connection((address, 80), timeout=20) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_both_links_reach_the_internet_and_the_counters_tell_which_one_was_used(net: Network) -> None:
    assert net.host.run("ping", "-c1", "-W20", "-I", "eth0", "8.8.8.8").returncode == 0
    assert (net.main_traffic().packets, net.carrier_traffic().packets) == (1, 0)
    net.backup_route(True)
    assert net.host.run("ping", "-c1", "-W20", VPS).returncode == 0
    assert (net.main_traffic().packets, net.carrier_traffic().packets) == (1, 1)
    net.backup_route(False)
    assert "proto 219" not in net.host.run("ip", "route").stdout


def test_the_modems_link_is_down_and_has_no_address_unless_it_was_asked_for() -> None:
    with network() as net:
        link = net.host.run("ip", "addr", "show", "wwan0").stdout
        assert "inet " not in link and "DOWN" in link
    with network(wwan_up=True) as net:
        assert CARRIER_ADDRESS in net.host.run("ip", "addr", "show", "wwan0").stdout


def test_the_web_and_names_are_there_for_code_that_runs_inside(net: Network) -> None:
    with net.host.inside():
        assert b" 204 " in fetch(WEB)
        assert b"Welcome" in fetch(WEB, "/")
    assert net.web.seen == [("/generate_204", "test"), ("/", "test")]
    names = net.host.run("getent", "ahostsv4", "vps.example.org").stdout
    assert VPS in names
    net.names["vps.example.org"] = (OTHER_VPS,)
    assert OTHER_VPS in net.host.run("getent", "ahostsv4", "vps.example.org").stdout


def test_the_thread_is_outside_again_after_the_block(net: Network) -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with net.host.inside():
        assert os.readlink("/proc/thread-self/ns/net") != before
        within = subprocess.run(["ip", "-o", "addr", "show", "eth0"], capture_output=True, text=True, check=True).stdout
    assert os.readlink("/proc/thread-self/ns/net") == before
    assert MAIN_ADDRESS in within


def test_a_link_that_is_cut_has_its_carrier_and_the_other_one_goes_on(net: Network) -> None:
    net.backup_route(True)
    net.cut_main()
    net.cut_main()
    assert silent(net, "8.8.8.8", "eth0")
    assert answers(net, "8.8.8.8", "wwan0") and answers(net, "192.168.77.1", "eth0")
    assert "LOWER_UP" in net.host.run("ip", "link", "show", "eth0").stdout
    net.mend_main()
    net.mend_main()
    assert answers(net, "8.8.8.8", "eth0")
    net.cut_carrier_side()
    assert silent(net, "8.8.8.8", "wwan0")
    net.mend_carrier_side()
    assert answers(net, "8.8.8.8", "wwan0")


def test_a_cable_that_is_out_takes_the_carrier_away_and_plugged_in_it_works_again(net: Network) -> None:
    net.unplug_main()
    until(lambda: "NO-CARRIER" in net.host.run("ip", "link", "show", "eth0").stdout, "the carrier stays")
    until(lambda: "linkdown" in net.host.run("ip", "route").stdout, "the route does not know")  # both by the way
    net.plug_main()
    assert answers(net, "8.8.8.8", "eth0")


@pytest.mark.parametrize("icmp", [True, False])
def test_a_portal_takes_every_page_and_says_pings_or_not(net: Network, icmp: bool) -> None:
    net.captive(True, icmp=icmp)
    with net.host.inside():
        assert b"302" in fetch(WEB).splitlines()[0] and b"302" in fetch(VPS, "/x").splitlines()[0]
    assert answers(net, "8.8.8.8", "eth0") if icmp else silent(net, "8.8.8.8", "eth0")
    assert net.web.seen == []
    net.captive(True, status=511)
    with net.host.inside():
        assert b"511" in fetch(WEB).splitlines()[0]
    net.captive(False)
    with net.host.inside():
        assert b"204" in fetch(WEB)


def test_names_alone_can_fail_and_pings_alone_can_be_kept_out(net: Network) -> None:
    net.dns_down(True)
    assert net.host.run("timeout", "1", "getent", "ahostsv4", "dns.google", check=False).returncode != 0
    assert answers(net, "8.8.8.8", "eth0")
    net.dns_down(False)
    assert net.host.run("getent", "ahostsv4", "dns.google").returncode == 0
    net.icmp_blocked(True)
    assert silent(net, "8.8.8.8", "eth0")
    with net.host.inside():
        assert b"204" in fetch(WEB)


@pytest.mark.skipif(shutil.which("udhcpc") is None, reason="udhcpc is not installed")
def test_addresses_come_by_dhcp_unless_its_server_is_silent() -> None:
    with network(dhcp=True, carrier_dhcp=True, metric=300) as net:
        assert f"{MAIN_ADDRESS}/24" in net.host.run("ip", "addr", "show", "eth0").stdout
        assert "metric 300" in net.host.run("ip", "route").stdout
        net.host.ip("link set wwan0 up")
        net.host_dhcp("wwan0", metric=900)
        assert f"{CARRIER_ADDRESS}/30" in net.host.run("ip", "addr", "show", "wwan0").stdout
        net.dhcp_silent(True, carrier=True)
        with pytest.raises(AssertionError):
            net.host_dhcp("wwan0", tries=2)


def test_loss_takes_part_of_the_packets(net: Network) -> None:
    net.backup_route(True)
    net.loss(100)
    assert silent(net, "8.8.8.8", "eth0") and answers(net, "8.8.8.8", "wwan0")
    net.loss(50)
    lines = net.host.run("ping", "-c60", "-i0.002", "-W1", "-I", "eth0", "8.8.8.8", check=False).stdout
    assert 0 < int(lines.split(" received")[0].split()[-1]) < 60
    net.loss(0)
    assert answers(net, "8.8.8.8", "eth0")


def test_a_route_that_flaps_is_there_in_the_end(net: Network, tmp_path: Path) -> None:
    heard = tmp_path / "routes"
    with heard.open("w") as output:
        net.host.popen("stdbuf", "-oL", "ip", "monitor", "route", stdout=output)

    def listens() -> bool:
        net.host.ip("route add 192.0.2.1 via 192.168.77.1", "route del 192.0.2.1 via 192.168.77.1")
        return "192.0.2.1" in heard.read_text()

    until(listens, "ip monitor says nothing")
    net.flap_routes(3, per_s=200)
    until(lambda: heard.read_text().count("Deleted default via 192.168.77.1") == 3, "the route did not go three times")
    assert "default via 192.168.77.1 dev eth0 metric 100" in net.host.run("ip", "route").stdout


def test_ping_sockets_are_everyones_or_nobodys() -> None:
    with network(ping_sockets=False) as net:
        assert net.host.run("cat", "/proc/sys/net/ipv4/ping_group_range").stdout.split() == ["1", "0"]
    with network() as net:
        assert net.host.run("cat", "/proc/sys/net/ipv4/ping_group_range").stdout.split() == ["0", "2147483647"]


def test_nothing_is_left_when_a_test_fails_or_its_programs_do_not_end() -> None:
    with pytest.raises(ValueError, match="of the test"), network() as net:
        stubborn = net.host.popen(
            "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done", stdout=subprocess.PIPE
        )
        assert stubborn.stdout is not None and stubborn.stdout.readline()
        raise ValueError("of the test")
    assert stubborn.returncode is not None
    assert ours() == []


def test_nothing_is_left_when_the_building_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("ip", "nft"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssertionError, match="dnsmasq"), network():
        pytest.fail("it can't be built without dnsmasq")
    assert ours() == []


def test_two_networks_stand_beside_each_other() -> None:
    with network() as one, network() as two:
        one.cut_main()
        assert silent(one, "8.8.8.8", "eth0") and answers(two, "8.8.8.8", "eth0")
