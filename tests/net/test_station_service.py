"""The network service in a whole station: who sees what, data that is used up, modems and helpers that restart."""

import asyncio
import json
import signal
from typing import Any

import pytest

import dialtone
from tests.net.namespaces import VPS, needs_namespaces
from tests.net.rig import NetStation, net_station, reaches
from tests.net.test_station_failover import back, settled
from tests.net.test_station_vpn import vpn_up
from tests.net.wireguard_rig import needs_wireguard

pytestmark = [needs_namespaces, pytest.mark.timeout(180)]


async def test_addresses_and_names_are_for_admins_and_steering_too() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        async with asyncio.timeout(30):
            while (clear := await phone.call("net.status"))["default"] != "wwan0":  # noqa: ASYNC110 - as the kernel tells it
                await asyncio.sleep(0.02)
        eth0 = next(link for link in clear["links"] if link["interface"] == "eth0")
        assert eth0["addresses"] == ["192.168.77.10/24"] and eth0["gateway"] == "192.168.77.1" and eth0["metric"]
        assert clear["backup"]["address"] and clear["interface"] == "wwan0"
        assert clear["primary"] == "eth0" and clear["redacted"] == []
        async with dialtone.connect(made.socket, scopes=["observe"]) as other:
            shown = await other.call("net.status")
            assert "192.168.77" not in json.dumps(shown["links"]) and "10.64.0" not in json.dumps(
                shown["backup"]["dns"]
            )
            assert {"links.addresses", "links.gateway", "backup.address"} <= set(shown["redacted"])
            for method, params in (("net.check", {}), ("net.failover", {"mode": "off"}), ("net.wifi.list", {})):
                with pytest.raises(dialtone.RpcError) as refused:
                    await other.call_with(method, params)
                assert refused.value.kind == "forbidden"
        for method in ("status", "state.get"):
            brief = (await phone.call(method))["net"]
            assert brief == {"state": "backup", "primary": "eth0", "interface": "wwan0"}
        health = await phone.call("health")
        assert health["status"] == "ok" and any("SIM's data" in note for note in health["notes"])


async def test_a_check_answers_soon_with_what_it_found_and_what_it_began() -> None:
    rare = "every_s = 600.0\nping_timeout_s = 10.0\nsettle_s = 0.3\n"
    async with net_station(base=rare) as made, made.phone("net.*") as (phone, watch):
        await settled(made, phone)
        made.net.cut_main()
        found = await asyncio.gather(*(checked(phone, f"client {number}") for number in range(8)))
        assert {(one["verdict"], one["backup_starting"]) for one in found} == {("down", True)}
        print(f"net.check of a dead link answered after {max(one['took_s'] for one in found):.2f} s")
        assert max(one["took_s"] for one in found) <= 10
        await reaches(watch, "backup")
        assert len([event for event in watch.named("net.failover") if event.params["state"] == "starting_backup"]) == 1


async def checked(phone: dialtone.Phone, reason: str) -> Any:
    """net.check. On a machine that stands still for a while its time may be over before its look has come to anything,
    which it says: then it is asked again."""
    async with asyncio.timeout(30):
        while (found := await phone.call("net.check", reason=reason))["verdict"] is None:
            pass
    return found


async def test_no_vpn_and_no_networkmanager_are_said_with_a_reason() -> None:
    async with net_station() as made, made.phone() as (phone, _):
        await settled(made, phone)
        for method, reason in (("net.vpn", "no_vpn"), ("net.wifi.list", "no_dbus")):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call(method)
            assert (refused.value.kind, refused.value.data["reason"]) == ("net_unavailable", reason)


async def test_a_day_s_data_that_is_used_up_stops_the_backup_also_after_a_restart() -> None:
    async with net_station("data_mb_per_day = 1\n") as made:
        async with made.phone("net.*", "alarm.*") as (phone, watch):
            routes = await settled(made, phone)
            made.net.cut_main()
            await reaches(watch, "backup")
            await asyncio.to_thread(_send, made, 1500)
            told = await watch.wait("net.failover", lambda params: params["cause"] == "budget", timeout_s=40)
            assert told["state"] == "both_down"
            await watch.wait("alarm.raised", lambda params: params["alarm"] == "net_budget")
            await made.until(lambda: made.routes() == routes, "the routes are as before")
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("net.failover", mode="on")
            assert (refused.value.kind, refused.value.data["trouble"]) == ("net_failed", "budget")
            assert (await phone.call("net.status"))["data"]["used_mb"] >= 1.0
        assert await made.stop_core() == 0
        await made.start_core()
        async with made.phone("net.*") as (phone, _):
            async with asyncio.timeout(40):  # asked, for its event may have been before we listened
                while (status := await phone.call("net.status"))["cause"] != "budget":  # noqa: ASYNC110 - asked by RPC
                    assert status["data"]["used_mb"] >= 1.0
                    await asyncio.sleep(0.05)
            assert status["state"] == "both_down"
            assert made.our_routes() == []


def _send(made: NetStation, packets: int) -> None:
    """So many packets of a kilobyte to the far side, from the machine itself."""
    code = (
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for n in range({packets}): s.sendto(bytes(1000), ('{VPS}', 9)); time.sleep(0.0005)"
    )
    made.net.host.run("python3", "-c", code)


async def test_a_modem_that_restarts_while_its_data_is_in_use_is_brought_up_again() -> None:
    async with net_station() as made, made.phone("net.*", "modem.*") as (phone, watch):
        await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        await made.control("usb.unplug")
        lost = await watch.wait("net.failover", lambda params: params["cause"] == "modem_reset")
        assert lost["from_state"] == "backup"
        await made.control("usb.replug")
        await reaches(watch, "backup", count=2)
        await made.sends_by_carrier()


async def test_a_helper_that_is_restarted_while_the_backup_carries_costs_a_moment() -> None:
    async with net_station() as made, made.phone("net.*", "alarm.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        assert await made.stop_helper(signal.SIGTERM) == 0
        assert made.our_routes() == []
        await watch.wait("net.failover", lambda params: params["cause"] == "no_helper")
        await watch.wait("alarm.raised", lambda params: params["alarm"] == "net_helper")
        await made.start_helper()
        await reaches(watch, "backup", count=2)
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


@needs_wireguard
async def test_the_vpn_is_shown_to_all_and_restarted_for_admins() -> None:
    async with net_station(vpn="every_s = 1.0\nping_timeout_s = 0.5\n") as made, made.phone("net.*") as (phone, _):
        await settled(made, phone)
        await vpn_up(phone)
        async with asyncio.timeout(30):  # the look after the one that made it up may have had no answer in time
            while (shown := await phone.call("net.vpn"))["ping_ms"] is None:  # noqa: ASYNC110 - asked by RPC
                await asyncio.sleep(0.05)
        assert shown["interface"] and shown["endpoint"].startswith(VPS)
        async with dialtone.connect(made.socket, scopes=["observe"]) as other:
            assert (await other.call("net.vpn"))["endpoint"] is None
            with pytest.raises(dialtone.RpcError) as forbidden:
                await other.call("net.vpn", restart=True)
            assert forbidden.value.kind == "forbidden"
        assert (await phone.call("net.vpn", restart=True))["interface"] == shown["interface"]
        await vpn_up(phone)
        assert '"verb": "wg_restart"' in made.log.read_text()
