"""NetworkManager's names and servers, beside the links: its stand-in on a private bus, in a namespace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.config import NetConfig
from core.net import nm
from core.net.gi_import import import_gi
from core.net.nm import NmDevice, NmWatch
from core.net.system_bus import SystemBus
from core.net.watch import LinkWatch
from tests.net.link_follower import Follower
from tests.net.namespaces import needs_namespaces, network, until
from tests.net.network_manager_bus import NetworkManagerBus, network_manager_bus
from tests.net.systemd_bus import needs_bus

pytestmark = [
    needs_bus,
    pytest.mark.skipif(import_gi() is not None, reason=import_gi() or ""),
]

CABLE = NmDevice("eth0", "Cable eth0", "cable-eth0", ("192.168.77.1", "9.9.9.9"))


class Seen:
    def __init__(self, watch: NmWatch) -> None:
        self.watch = watch
        self.changes = 0
        self._changed = asyncio.Event()

    def change(self) -> None:
        self.changes += 1
        self._changed.set()

    async def until(self, done: Callable[[], bool], text: str, timeout_s: float = 30) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{text}: {self.watch.devices}") from None


def _dns(seen: Seen) -> tuple[str, ...]:
    found = seen.watch.devices.get("eth0")
    return found.dns if found is not None else ()


@asynccontextmanager
async def watching(address: str) -> AsyncIterator[Seen]:
    bus = SystemBus(address)
    seen = Seen(NmWatch(bus))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bus.run()), group.create_task(seen.watch.run(seen.change))]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()


async def test_connections_and_their_servers_are_known_by_interface(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with watching(there.address) as seen:
            await seen.until(lambda: seen.watch.devices == {"eth0": CABLE}, "the cable is not known")
            assert seen.watch.present


async def test_a_changed_property_is_seen_without_polling(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with watching(there.address) as seen:
            await seen.until(lambda: "eth0" in seen.watch.devices, "the cable is not known")
            await asyncio.to_thread(there.call, "org.dialtone.Test.SetNameservers", "e0", "['192.0.2.53']")
            await seen.until(lambda: _dns(seen) == ("192.0.2.53",), "the new server is not seen")
            device = "/org/freedesktop/NetworkManager/Devices/w0"
            saved = "/org/freedesktop/NetworkManager/Settings/1"
            await asyncio.to_thread(
                there.call,
                "org.freedesktop.NetworkManager.ActivateConnection",
                saved,
                device,
                "/",
                path="/org/freedesktop/NetworkManager",
            )
            await seen.until(lambda: "wlan0" in seen.watch.devices, "Wi-Fi is not seen")
            assert seen.watch.devices["wlan0"].connection == "Harbour"


async def test_a_restart_of_networkmanager_is_survived_and_its_word_holds_meanwhile(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there:
        async with watching(there.address) as seen:
            await seen.until(lambda: "eth0" in seen.watch.devices, "the cable is not known")
            there.stop_manager()
            await asyncio.to_thread(until, lambda: not seen.watch.present, "its end is not seen")
            assert seen.watch.devices == {"eth0": CABLE}
            there.start_manager({"ethernet": {"eth0": ["192.0.2.54"]}, "wifi": "wlan0"})
            await seen.until(lambda: _dns(seen) == ("192.0.2.54",), "the new one is not heard")
            assert seen.watch.present


async def test_networkmanager_that_stays_away_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nm, "_GRACE_S", 0.2)
    with network_manager_bus(tmp_path) as there:
        async with watching(there.address) as seen:
            await seen.until(lambda: "eth0" in seen.watch.devices, "the cable is not known")
            there.stop_manager()
            await seen.until(lambda: seen.watch.devices == {}, "it is still believed")


async def test_without_networkmanager_there_is_nothing_and_it_is_found_when_it_comes(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path, None) as there:
        async with watching(there.address) as seen:
            await asyncio.sleep(0.3)
            assert (seen.watch.devices, seen.watch.present, seen.changes) == ({}, False, 0)
            there.start_manager()
            await seen.until(lambda: "eth0" in seen.watch.devices, "it came and was not seen")


async def test_a_networkmanager_that_hangs_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nm, "_READ_S", 0.3)
    monkeypatch.setattr(nm, "_RETRY_S", 0.2)
    with network_manager_bus(tmp_path) as there:
        there.freeze_manager()
        async with watching(there.address) as seen:
            await asyncio.sleep(1)
            assert seen.watch.devices == {}
            there.thaw_manager()
            await seen.until(lambda: "eth0" in seen.watch.devices, "it was not asked again")


@needs_namespaces
async def test_links_bear_the_names_and_servers_of_networkmanager(tmp_path: Path) -> None:
    with network_manager_bus(tmp_path) as there, network(wlan=True) as net, net.host.inside():
        bus = SystemBus(there.address)
        follower = Follower(LinkWatch(NetConfig(), nm=NmWatch(bus), root=tmp_path))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bus.run()), group.create_task(follower.watch.run(follower.take))]
            try:
                await follower.until(lambda links: links.links[0].connection == "Cable eth0", "no name")
                assert follower.links.links[0].dns == ("192.168.77.1", "9.9.9.9")
                await asyncio.to_thread(there.stop)  # the bus goes away: links go on
                await asyncio.to_thread(net.host.ip, "link set eth0 down")
                await follower.until(lambda links: links.default == "wlan0", "links are not followed any more")
            finally:
                for task in tasks:
                    task.cancel()


@needs_namespaces
async def test_links_are_followed_where_there_is_no_bus_at_all(tmp_path: Path) -> None:
    with network(wlan=True) as net, net.host.inside():
        bus = SystemBus(NetworkManagerBus(tmp_path).address)
        follower = Follower(LinkWatch(NetConfig(), nm=NmWatch(bus), root=tmp_path))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bus.run()), group.create_task(follower.watch.run(follower.take))]
            await follower.until(lambda links: links.primary == "eth0", "no links without a bus")
            for task in tasks:
                task.cancel()
