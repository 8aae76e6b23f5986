"""A modem that plays network card: DHCP by the real dialtone-helper from a real dnsmasq, in namespaces; leases by the
clock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.net.bearers import ecm, lease
from core.net.bearers.ecm import EcmBearer
from core.net.bearers.qmi import QmiBearer
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess
from tests.helper.rig import HelperProcess, helper_process
from tests.net.helper_peer import HelperPeer, helper_peer
from tests.net.modem_tree import ModemTree
from tests.net.namespaces import CARRIER_ADDRESS, CARRIER_GATEWAY, VPS, Network, needs_namespaces, network
from tests.net.qmi_desk import FakeQmicli, be_patient

ACCESS = DataAccess("internet")


@pytest.fixture
def net() -> Iterator[Network]:
    with network(carrier_dhcp=True) as made:
        yield made


@pytest.fixture
def helper(net: Network) -> Iterator[HelperProcess]:
    with helper_process(net.host, "--interface", "wwan*") as made:
        yield made


@pytest.fixture
def bearer(net: Network, helper: HelperProcess, tmp_path: Path) -> Iterator[EcmBearer]:
    """wwan0 of the host's namespace is the modem's network card. It lives in that namespace, as does the test."""
    tree = ModemTree(tmp_path / "root")
    tree.card(interface="wwan0")
    with net.host.inside():
        yield EcmBearer(HelperClient(helper.socket), tree.finder())


def _of_wwan0(net: Network) -> str:
    return net.host.run("ip", "-o", "address", "show", "dev", "wwan0").stdout


@needs_namespaces
async def test_it_gives_what_the_modems_dhcp_server_gave_and_traffic_passes(
    net: Network, helper: HelperProcess, bearer: EcmBearer
) -> None:
    found = await bearer.up(ACCESS)
    assert found == BearerUp("wwan0", f"{CARRIER_ADDRESS}/30", CARRIER_GATEWAY, (CARRIER_GATEWAY,), None)
    assert f"inet {CARRIER_ADDRESS}/30" in _of_wwan0(net)
    assert await bearer.alive()
    client = HelperClient(helper.socket)
    await client.route("wwan0", found.gateway, 40, halves=False, add=True)
    net.host.run("ping", "-c1", "-i0.2", "-w20", "-I", "wwan0", VPS)
    await bearer.down()
    assert "inet " not in _of_wwan0(net)
    assert "state DOWN" in net.host.run("ip", "link", "show", "wwan0").stdout
    assert not await bearer.alive()


@needs_namespaces
async def test_a_carrier_that_goes_is_not_alive_and_one_that_is_not_there_is_no_network(
    net: Network, bearer: EcmBearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bearer.up(ACCESS)
    net.unplug_carrier()
    async with asyncio.timeout(20):
        while await bearer.alive():  # noqa: ASYNC110 - the kernel says it a moment later
            await asyncio.sleep(0.01)
    with pytest.raises(BearerFailed) as failed, monkeypatch.context() as short:
        short.setattr(ecm, "CARRIER_S", 0.5)
        await bearer.up(ACCESS)
    assert failed.value.trouble is BearerTrouble.NO_NETWORK
    assert "inet " not in _of_wwan0(net)
    net.plug_carrier()
    assert (await bearer.up(ACCESS)).interface == "wwan0"


@needs_namespaces
async def test_a_silent_dhcp_server_is_typed_and_all_is_as_before(
    net: Network, bearer: EcmBearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "ASK_S", 1.0)
    net.dhcp_silent(True, carrier=True)
    with pytest.raises(BearerFailed) as failed:
        await bearer.up(ACCESS)
    assert failed.value.trouble is BearerTrouble.DHCP_SILENT
    assert "state DOWN" in net.host.run("ip", "link", "show", "wwan0").stdout


@needs_namespaces
async def test_qmi_with_the_real_helper_passes_traffic_and_what_a_killed_daemon_left_is_undone(
    net: Network, helper: HelperProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_patient(monkeypatch)
    raw_ip = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
    raw_ip.parent.mkdir(parents=True)
    raw_ip.write_text("N\n")
    modem = FakeQmicli(tmp_path / "modem")
    monkeypatch.setenv("FAKE_QMICLI_DIR", str(modem.folder))
    tree = ModemTree(tmp_path / "root")
    tree.qmi()
    tree.raw_ip().write_text("Y\n")  # the helper has a root of its own

    def life() -> QmiBearer:
        client = HelperClient(helper.socket)
        return QmiBearer(client, tree.finder(), tmp_path / "state", program=modem.program, proxy=False)

    with net.host.inside():
        found = await life().up(ACCESS)
        assert raw_ip.read_text() == "Y\n"
        client = HelperClient(helper.socket)
        await client.route("wwan0", found.gateway, 40, halves=False, add=True)
        net.host.run("ping", "-c1", "-i0.2", "-w20", "-I", "wwan0", VPS)
        assert "mtu 1430" in net.host.run("ip", "link", "show", "wwan0").stdout
        assert await client.recover()
        after = life()
        assert (await after.up(ACCESS)).address == f"{CARRIER_ADDRESS}/30"
        assert len(modem.clients) == 1
        await after.down()
    assert not modem.clients
    assert "inet " not in _of_wwan0(net)


# --- leases, by a clock of our own -----------------------------------------------------------------------------------


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[HelperPeer]:
    async with helper_peer(tmp_path / "h.sock") as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def leased(peer: HelperPeer, clock: Clock, tmp_path: Path) -> EcmBearer:
    """Up with a lease of 60 s. lo is an interface that is always there, with a carrier."""
    tree = ModemTree(tmp_path / "root")
    tree.card(interface="lo")
    bearer = EcmBearer(HelperClient(peer.socket), tree.finder(), now_s=clock)
    await bearer.up(ACCESS)
    return bearer


def _asked(peer: HelperPeer) -> int:
    return peer.verbs().count("dhcp")


async def test_a_lease_is_asked_for_again_once_half_of_it_is_over(
    leased: EcmBearer, peer: HelperPeer, clock: Clock
) -> None:
    clock.now_s += 29
    await leased.renew()
    assert _asked(peer) == 1
    clock.now_s += 2
    await leased.renew()
    assert _asked(peer) == 2
    clock.now_s += 29
    await leased.renew()
    assert _asked(peer) == 2, "the new one is whole again"
    assert await leased.alive()


async def test_a_silent_server_is_a_trouble_only_when_the_lease_is_over(
    leased: EcmBearer, peer: HelperPeer, clock: Clock
) -> None:
    peer.refusals["dhcp"] = "dhcp_silent"
    clock.now_s += 40
    await leased.renew()
    assert await leased.alive()
    clock.now_s += 21
    assert not await leased.alive()
    with pytest.raises(BearerFailed) as failed:
        await leased.renew()
    assert failed.value.trouble is BearerTrouble.DHCP_SILENT


async def test_another_address_means_that_the_bearer_has_to_start_anew(
    leased: EcmBearer, peer: HelperPeer, clock: Clock
) -> None:
    peer.lease["address"] = "192.168.225.77/24"
    clock.now_s += 31
    with pytest.raises(BearerFailed):
        await leased.renew()
    await leased.down()
    assert peer.holds_nothing


async def test_a_lease_without_an_end_is_never_asked_for_again(peer: HelperPeer, clock: Clock, tmp_path: Path) -> None:
    tree = ModemTree(tmp_path / "root")
    tree.card(interface="lo")
    peer.lease["lease_s"] = None
    bearer = EcmBearer(HelperClient(peer.socket), tree.finder(), now_s=clock)
    await bearer.up(ACCESS)
    clock.now_s += 1_000_000
    await bearer.renew()
    assert await bearer.alive()
    assert _asked(peer) == 1


async def test_a_modem_that_was_plugged_in_anew_is_not_alive(peer: HelperPeer, clock: Clock, tmp_path: Path) -> None:
    tree = ModemTree(tmp_path / "root")
    tree.card(interface="lo")
    bearer = EcmBearer(HelperClient(peer.socket), tree.finder(), now_s=clock)
    await bearer.up(ACCESS)
    tree.unplug()
    assert not await bearer.alive()
    tree.card(interface="lo", devnum=5)
    assert not await bearer.alive()
    assert (await bearer.up(ACCESS)).interface == "lo"
