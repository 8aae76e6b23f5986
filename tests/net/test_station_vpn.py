"""A TCP connection through WireGuard outlives failover and fail-back; the VPN's own trouble is told and mended."""

import asyncio

import pytest

import dialtone
from tests.net.namespaces import needs_namespaces
from tests.net.rig import net_station, reaches
from tests.net.talking import talking
from tests.net.test_station_failover import back, settled
from tests.net.wireguard_rig import needs_wireguard

pytestmark = [needs_namespaces, needs_wireguard, pytest.mark.timeout(180)]


async def test_a_connection_through_the_vpn_outlives_failover_and_fail_back() -> None:
    async with (
        net_station(vpn="every_s = 1.0\nping_timeout_s = 0.5\nrestart = false\n") as made,
        made.phone("net.*") as (phone, watch),
        talking(made.net) as connection,
    ):
        routes = await settled(made, phone)
        await vpn_up(phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        over = await connection.heard_more(20)
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)
        again = await connection.heard_more(20)
        found = await connection.end()
        print(f"stood still for {over['longest_pause_s']:.2f} s and {again['longest_pause_s']:.2f} s")
        assert found["error"] is None, found


async def test_a_vpn_whose_other_end_is_dead_is_told_and_restarted_and_told_when_it_is_back() -> None:
    options = "every_s = 1.0\nping_timeout_s = 0.5\nfail_count = 2\nstale_s = 10.0\nretry_s = [2.0]\n"
    async with net_station(vpn=options) as made, made.phone("net.*") as (phone, watch):
        await settled(made, phone)
        await vpn_up(phone)
        assert made.vpn is not None
        made.vpn.silence(True)
        await watch.wait("net.vpn", lambda params: params["state"] == "stale")
        await watch.wait("net.vpn", lambda params: params["state"] == "restarting")
        assert (await made.command("net", "vpn"))[0] == 1
        made.vpn.silence(False)
        # The rounds go on, and an answer may be lost beside other tests: up is what it comes to, not what it stays.
        async with asyncio.timeout(60):
            while (await made.command("net", "vpn"))[0] != 0:  # noqa: ASYNC110 - asked by the command
                await asyncio.sleep(0.1)
        assert watch.named("net.vpn")[-1].params["interface"] == made.vpn.interface


async def vpn_up(phone: dialtone.Phone) -> None:
    """Its event may have been before we listened."""
    async with asyncio.timeout(40):
        while (await phone.call("net.status"))["vpn"]["state"] != "up":  # noqa: ASYNC110 - asked by RPC
            await asyncio.sleep(0.05)
