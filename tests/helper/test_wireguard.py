"""wg_status, wg_endpoint and wg_restart: with the real wg and a tunnel in namespaces, and what systemctl is told."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.helper.programs import PATH
from core.helper.wireguard import parse_dump
from tests.helper.programs import SYSTEMCTL, calls, install
from tests.helper.rig import HelperProcess, helper_process, needs_namespaces
from tests.net.namespaces import OTHER_VPS, VPS, network
from tests.net.wireguard_rig import PORT, Tunnel, needs_wireguard, tunnel

OTHER_KEY = "A" * 42 + "E="


@pytest.fixture
def vpn() -> Iterator[tuple[Tunnel, HelperProcess]]:
    with ExitStack() as stack:
        net = stack.enter_context(network())
        vpn = stack.enter_context(tunnel(net))
        yield vpn, stack.enter_context(helper_process(net.host, "--vpn", vpn.interface))


@needs_namespaces
@needs_wireguard
def test_the_tunnel_is_told_and_no_key_but_public_ones(vpn: tuple[Tunnel, HelperProcess]) -> None:
    tunnel, helper = vpn
    psk = tunnel.net.folder / "psk"
    psk.touch(0o600)
    psk.write_text(tunnel.net.host.run("wg", "genpsk").stdout)
    for where, interface, peer in (
        (tunnel.net.host, tunnel.interface, tunnel.far_key),
        (tunnel.net.internet, tunnel.far_interface, tunnel.shown("public-key")),
    ):
        where.run("wg", "set", interface, "peer", peer, "preshared-key", str(psk))
    assert tunnel.ping()
    found = helper.must("wg_status", interface=tunnel.interface)
    [peer_found] = found["peers"]
    assert found["up"] is True and set(found) == {"ok", "up", "peers"}
    assert peer_found["public_key"] == tunnel.far_key and peer_found["endpoint"] == f"{VPS}:{PORT}"
    assert peer_found["handshake_unix_s"] > 1_600_000_000 and peer_found["keepalive_s"] == 25
    assert peer_found["rx_bytes"] > 0 and peer_found["tx_bytes"] > 0
    assert peer_found["allowed_ips"] == ["10.100.0.0/24"]
    said = repr(found) + helper.log
    secrets = [
        tunnel.net.host.run("wg", "show", tunnel.interface, "private-key").stdout.strip(),
        psk.read_text().strip(),
    ]
    assert all(len(each) == 44 and each not in said for each in secrets)


@needs_namespaces
@needs_wireguard
def test_a_peers_endpoint_is_changed_and_no_peer_is_ever_made(vpn: tuple[Tunnel, HelperProcess]) -> None:
    tunnel, helper = vpn
    new = {"interface": tunnel.interface, "public_key": tunnel.far_key, "endpoint": f"{OTHER_VPS}:{PORT}"}
    helper.must("wg_endpoint", **new)
    assert tunnel.shown("endpoints") == f"{OTHER_VPS}:{PORT}"
    assert helper.trouble("wg_endpoint", **new | {"public_key": OTHER_KEY}) == "no_peer"
    for endpoint in ("vps.example.org:51820", f"{VPS}:0", f"{VPS}:70000", VPS, f"{VPS}:1 --", "0.0.0.0:1", "[::]:1"):
        assert helper.trouble("wg_endpoint", **new | {"endpoint": endpoint}) == "bad_request", endpoint
    assert len(helper.must("wg_status", interface=tunnel.interface)["peers"]) == 1
    assert tunnel.ping()


@needs_namespaces
@needs_wireguard
def test_a_tunnel_is_made_again_by_wg_quick_where_systemd_does_not_run(vpn: tuple[Tunnel, HelperProcess]) -> None:
    """wireguard-go, which it starts, goes on after it and holds its stdout: the answer comes all the same."""
    tunnel, helper = vpn
    tunnel.net.host.run("wg", "set", tunnel.interface, "peer", tunnel.far_key, "remove")
    helper.must("wg_restart", interface=tunnel.interface)
    assert tunnel.ping()
    tunnel.down()
    assert helper.must("wg_status", interface=tunnel.interface) == {"ok": True, "up": False, "peers": []}
    assert helper.trouble(
        "wg_endpoint", interface=tunnel.interface, public_key=tunnel.far_key, endpoint="1.2.3.4:5"
    ) == ("no_interface")
    helper.must("wg_restart", interface=tunnel.interface)
    assert tunnel.ping()


@needs_namespaces
@needs_wireguard
def test_a_key_that_wg_quick_complains_about_is_not_passed_on(vpn: tuple[Tunnel, HelperProcess]) -> None:
    tunnel, helper = vpn
    tunnel.down()
    text = tunnel.config_file.read_text()
    key = text.partition("PrivateKey = ")[2].split()[0]
    tunnel.config_file.write_text(text.replace(key, key[:-4]))
    found = helper.ask("wg_restart", interface=tunnel.interface)
    assert found["trouble"] == "refused" and key[:8] not in repr(found) + helper.log


@needs_namespaces
@needs_wireguard
def test_a_link_of_another_kind_is_no_tunnel(vpn: tuple[Tunnel, HelperProcess]) -> None:
    tunnel, helper = vpn
    for interface in ("wwan0", "eth0", "lo", "-v"):
        assert helper.ask("wg_status", interface=interface)["trouble"] in ("not_allowed", "bad_request")
        assert helper.ask("wg_restart", interface=interface)["trouble"] in ("not_allowed", "bad_request")


def test_where_systemd_runs_it_restarts_its_own_unit(tmp_path: Path) -> None:
    install(tmp_path, "systemctl", SYSTEMCTL)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}") as helper:
        (helper.root / "run/systemd/system").mkdir(parents=True)
        helper.must("wg_restart", interface="wg0")
        assert calls(tmp_path) == [["systemctl", "restart", "wg-quick@wg0.service"]]
        install(tmp_path, "systemctl", "wrong('Unit wg-quick@wg0.service not found.')\n")
        assert "not found" in helper.ask("wg_restart", interface="wg0")["error"]


def test_without_wireguard_tools_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "ip").symlink_to("/bin/true")
    with helper_process(None, "--path", str(tmp_path)) as helper:
        assert helper.trouble("wg_status", interface="wg0") == "program_missing"


@given(st.text(alphabet="\tabc0123456789/,.:()=\nofn"))
def test_no_dump_of_wg_gives_anything_but_peers_without_its_secret_fields(text: str) -> None:
    for peer in parse_dump(text):
        assert set(peer) == {
            "public_key", "endpoint", "handshake_unix_s", "rx_bytes", "tx_bytes", "keepalive_s", "allowed_ips",
        }  # fmt: skip
