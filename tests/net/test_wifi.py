"""Wi-Fi through NetworkManager's stand-in on a private bus."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import NetFailed, NetUnavailable
from core.net import wifi_calls
from core.net.bus_session import BusSession
from core.net.bus_values import Properties
from core.net.gi_import import import_gi
from core.net.system_bus import SystemBus
from core.net.wifi import Wifi
from core.net.wifi_words import WifiNetwork, WifiSecurity, is_password, security_of, trouble_of
from tests.net.netns import until
from tests.net.network_manager_bus import NAME, WIFI, NetworkManagerBus, network_manager_bus
from tests.net.systemd_bus import needs_bus

pytestmark = [
    needs_bus,
    pytest.mark.skipif(import_gi() is not None, reason=import_gi() or ""),
]


MANAGER = "/org/freedesktop/NetworkManager"


@asynccontextmanager
async def wifi(folder: Path, scene: Mapping[str, Any] | None = WIFI) -> AsyncIterator[tuple[Wifi, NetworkManagerBus]]:
    with network_manager_bus(folder, scene) as there:
        bus = SystemBus(there.address)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(bus.run())
            try:
                yield Wifi(bus), there
            finally:
                task.cancel()


def network_of(found: list[WifiNetwork], ssid: str) -> WifiNetwork:
    return next(one for one in found if one.ssid == ssid)


async def trouble(wlan: Wifi, name: str, password: str | None = None, timeout_s: float = 20) -> object:
    with pytest.raises(NetFailed) as failed:
        await wlan.connect(name, password, timeout_s=timeout_s)
    assert name not in str(failed.value) and (password is None or password not in str(failed.value))
    return failed.value.details["trouble"]


def secret(there: NetworkManagerBus, uuid: str) -> str:
    return there.call("org.dialtone.Test.SettingsWithSecrets", uuid)


async def test_networks_in_reach_are_listed_with_strength_and_security(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, _):
        found = await wlan.list()
        assert found[0] == WifiNetwork("Harbour", 81, WifiSecurity.WPA2, active=False, saved=True)
        assert network_of(found, "Quay").security is WifiSecurity.WPA3
        assert network_of(found, "Square").security is WifiSecurity.OPEN
        assert network_of(found, "Office").security is WifiSecurity.ENTERPRISE
        assert network_of(found, "Attic").security is WifiSecurity.WEP
        assert [one.strength for one in found] == sorted((one.strength for one in found), reverse=True)


async def test_a_scan_finds_what_came_since(tmp_path: Path) -> None:
    async with wifi(tmp_path, {**WIFI, "found_by_scan": {"Lighthouse": {"strength": 90}}}) as (wlan, _):
        assert "Lighthouse" not in {one.ssid for one in await wlan.list()}
        assert (await wlan.list(rescan=True))[0].ssid == "Lighthouse"


async def test_a_scan_that_is_refused_shows_what_is_known(tmp_path: Path) -> None:
    async with wifi(tmp_path, {**WIFI, "scan_refused": True}) as (wlan, _):
        started_s = time.monotonic()
        assert network_of(await wlan.list(rescan=True), "Harbour")
        assert time.monotonic() - started_s < 10  # a scan is waited for longer


async def test_saved_connections_come_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, _):
        found = await wlan.saved()
        assert [(one.uuid, one.ssid, one.priority) for one in found] == [
            ("uuid-harbour", "Harbour", 5),
            ("uuid-far", "Far away", 0),
        ]


async def test_a_priority_is_set_and_nothing_else_changes(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, there):
        before = secret(there, "uuid-harbour")
        await wlan.set_priority("uuid-harbour", -77)
        assert secret(there, "uuid-harbour") == before.replace("<5>", "<-77>")
        assert "correct horse" in before
        with pytest.raises(NetFailed) as failed:
            await wlan.set_priority("no-such-uuid", 1)
        assert failed.value.details["trouble"] == "not_found"
        with pytest.raises(NetFailed):
            await wlan.set_priority("uuid-harbour", 1000)


async def test_a_saved_connection_is_taken_by_its_network_or_uuid(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, _):
        await wlan.connect("uuid-harbour")
        assert network_of(await wlan.list(), "Harbour").active
        await wlan.connect("Harbour")


async def test_a_new_network_is_saved_when_it_worked(tmp_path: Path) -> None:
    async with wifi(tmp_path, {**WIFI, "points": {"Bay": {"security": "wpa2", "password": "sea and sand"}}}) as (
        wlan,
        there,
    ):
        await wlan.connect("Bay", "sea and sand")
        (bay,) = [one for one in await wlan.saved() if one.ssid == "Bay"]
        assert "'psk': <'sea and sand'>" in secret(there, bay.uuid)
        assert "'key-mgmt': <'wpa-psk'>" in secret(there, bay.uuid)
        assert network_of(await wlan.list(), "Bay").saved


async def test_a_wrong_password_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, there):
        before = await wlan.saved()
        assert await trouble(wlan, "Quay", "not this one") == "wrong_password"
        assert await wlan.saved() == before
        assert await trouble(wlan, "Harbour", "not this one") == "wrong_password"
        assert "correct horse" in secret(there, "uuid-harbour")  # the saved one has its old password again
        assert await trouble(wlan, "Harbour", "short") == "wrong_password"


async def test_why_it_failed_is_said_however_soon_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has failed before its state is asked for, and the signal that says why is not heard yet."""
    plain = wifi_calls.active_state

    def late(active: str, bus: BusSession) -> int:
        time.sleep(0.5)
        return plain(active, bus)

    monkeypatch.setattr(wifi_calls, "active_state", late)
    async with wifi(tmp_path) as (wlan, _):
        assert await trouble(wlan, "Quay", "not this one") == "wrong_password"


async def test_every_refusal_has_its_word(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, _):
        before = await wlan.saved()
        assert await trouble(wlan, "Nowhere") == "not_found"
        assert await trouble(wlan, "Far away") == "not_found"  # saved and out of reach
        assert await trouble(wlan, "Gone") == "not_found"
        assert await trouble(wlan, "Dry") == "no_address"
        assert await trouble(wlan, "Shut") == "refused"
        assert await trouble(wlan, "Quay") == "password_needed"
        assert await trouble(wlan, "Office", "some password") == "unsupported"
        assert await trouble(wlan, "Slow", timeout_s=0.5) == "timeout"
        assert await wlan.saved() == before


async def test_polkits_no_is_a_refusal(tmp_path: Path) -> None:
    async with wifi(tmp_path, {**WIFI, "deny": True}) as (wlan, _):
        assert await trouble(wlan, "Square") == "refused"
        with pytest.raises(NetFailed) as failed:
            await wlan.set_priority("uuid-harbour", 9)
        assert failed.value.details["trouble"] == "refused"


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async def reason(wlan: Wifi) -> object:
        with pytest.raises(NetUnavailable) as unavailable:
            await wlan.list()
        return unavailable.value.details["reason"]

    assert await reason(Wifi(None)) == "no_dbus"
    async with wifi(tmp_path, None) as (wlan, there):
        assert await reason(wlan) == "no_network_manager"
        there.start_manager({"ethernet": {"eth0": []}})
        assert await reason(wlan) == "no_wifi"


async def test_networkmanager_that_dies_while_connecting_ends_it(tmp_path: Path) -> None:
    async with wifi(tmp_path) as (wlan, there):
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(trouble(wlan, "Slow", timeout_s=3))
            asked = ("org.freedesktop.DBus.Properties.Get", NAME, "ActiveConnections")
            await asyncio.to_thread(until, lambda: "/a" in there.call(*asked, path=MANAGER), "it does not connect")
            there.stop_manager()
        assert connecting.result() == "timeout"


async def test_no_network_and_no_password_gets_into_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with wifi(tmp_path) as (wlan, _):
        await wlan.list(rescan=True)
        await wlan.connect("Harbour", "correct horse")
        await wlan.set_priority("uuid-harbour", 3)
        for name, password in (("Quay", "not this one"), ("Dry", None), ("Nowhere", None), ("Harbour", "wrong wrong")):
            await trouble(wlan, name, password)
    text = caplog.text + "".join(str(getattr(record, "fields", "")) for record in caplog.records)
    for word in ("Harbour", "Quay", "Dry", "Nowhere", "horse", "not this", "wrong wrong"):
        assert word not in text


def test_security_is_the_best_that_we_can_use() -> None:
    def of(flags: int, wpa: int, rsn: int) -> WifiSecurity:
        return security_of(Properties({"Flags": flags, "WpaFlags": wpa, "RsnFlags": rsn}))

    assert of(1, 0x100, 0) is WifiSecurity.WPA
    assert of(1, 0x100, 0x500) is WifiSecurity.WPA2  # WPA2 and WPA3 together
    assert of(0, 0, 0x800) is WifiSecurity.OWE
    assert of(1, 0, 0x2000) is WifiSecurity.ENTERPRISE


@pytest.mark.parametrize(
    ("password", "security", "fits"),
    [
        ("1234567", WifiSecurity.WPA2, False),
        ("12345678", WifiSecurity.WPA2, True),
        ("x" * 63, WifiSecurity.WPA, True),
        ("x" * 64, WifiSecurity.WPA2, False),
        ("aF" * 32, WifiSecurity.WPA2, True),
        ("pässword1", WifiSecurity.WPA2, False),
        ("a", WifiSecurity.WPA3, True),
        ("", WifiSecurity.WPA3, False),
    ],
)
def test_only_possible_passwords_are_tried(password: str, security: WifiSecurity, fits: bool) -> None:
    assert is_password(password, security) is fits


def test_reasons_have_stable_words() -> None:
    assert [trouble_of(*pair).value for pair in ((7, 9), (53, 1), (None, 9), (8, 9), (None, None), (99, 99))] == [
        "wrong_password",
        "not_found",
        "wrong_password",
        "refused",
        "failed",
        "failed",
    ]
