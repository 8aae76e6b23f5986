"""A whole station when its main link fails: real processes, real routes; what is sent is counted at the carrier."""

import asyncio
import json

import pytest

import dialtone
from tests.net.namespaces import needs_namespaces
from tests.net.rig import QUICK, NetStation, net_station, reaches
from tests.station import Watch

pytestmark = [needs_namespaces, pytest.mark.timeout(180)]
RARE = "every_s = 60.0\nping_timeout_s = 10.0\nsettle_s = 0.3\nhold_backup_s = 0.5\nback_count = 1\n"
"""What is noticed is not noticed by the next round. So the one look that there is has its time."""


async def settled(made: NetStation, phone: dialtone.Phone) -> str:
    """The line is ready and the main link was looked at; gives the routes as they are then."""
    await made.ready(phone)
    async with asyncio.timeout(40):
        while True:
            status = await phone.call("net.status")
            if (status["state"], status["verdict"]) == ("primary", "ok"):
                break
            await asyncio.sleep(0.05)
    return made.routes()


async def back(made: NetStation, watch: Watch, routes: str) -> None:
    """On the main link again, and as if nothing had been."""
    await reaches(watch, "primary")
    await made.until(
        lambda: made.routes() == routes and made.our_routes() == [] and "10.64.0.2" not in made.wwan0(),
        "the routes are as before, and the modem's link has no address",
    )


async def test_a_main_link_that_is_dead_upstream_is_replaced_by_the_sims_data_and_taken_back_when_it_is_mended() -> (
    None
):
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "suspect")
        await reaches(watch, "backup")
        assert made.our_routes()[0].startswith("default ") and "wwan0" in made.our_routes()[0]
        await made.sends_by_carrier()
        told = await watch.wait("net.failover", lambda params: params["state"] == "backup")
        assert told["interface"] == "wwan0" and told["cause"] in (None, "down")
        made.net.mend_main()
        await back(made, watch, routes)
        await made.until(lambda: made.held_by_modem() == (0, 0), "what QMI gave is given back")


async def test_a_main_link_that_loses_its_route_is_gone_and_back_when_the_route_is() -> None:
    async with net_station('primary = "eth0"\n', base=RARE) as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.host.ip("route del default via 192.168.77.1 dev eth0 metric 100")
        told = await reaches(watch, "backup")
        assert told["cause"] == "no_link"
        await made.sends_by_carrier()
        made.net.host.ip("route add default via 192.168.77.1 dev eth0 metric 100")
        await back(made, watch, routes)


async def test_a_cable_that_is_out_is_noticed_without_a_probe_and_its_coming_back_too() -> None:
    async with net_station(base=RARE) as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.unplug_main()
        told = await reaches(watch, "backup")
        assert told["cause"] in (None, "no_link")
        await made.sends_by_carrier()
        made.net.plug_main()
        await back(made, watch, routes)


async def test_with_both_links_dead_it_says_so_and_the_first_that_comes_back_is_used() -> None:
    async with (
        net_station(base=QUICK.replace("fail_count = 3", "fail_count = 1")) as made,
        made.phone("net.*", "alarm.*") as (phone, watch),
    ):
        routes = await settled(made, phone)
        made.net.cut_carrier_side()
        made.net.cut_main()
        await reaches(watch, "both_down")
        made.net.mend_carrier_side()
        await reaches(watch, "backup")
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


async def test_a_portal_is_told_from_a_dead_link() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.captive(True)
        # The first failure may be of a busy machine, and then this is the cause of a later one.
        await watch.wait("net.failover", lambda params: params["cause"] == "captive")
        await reaches(watch, "backup")
        made.net.captive(False)
        await back(made, watch, routes)


async def test_names_alone_that_fail_are_told_and_the_carriers_name_servers_take_their_place() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        before = made.resolv_conf.read_text()
        made.net.dns_down(True)
        await watch.wait("net.failover", lambda params: params["cause"] == "dns_failed")
        await reaches(watch, "backup")
        await made.until(lambda: "10.64.0.1" in made.resolv_conf.read_text(), "the carrier's name server is asked")
        made.net.dns_down(False)
        await back(made, watch, routes)
        await made.until(lambda: made.resolv_conf.read_text() == before, "the old name servers are back")


async def test_a_portal_is_waited_for_where_only_a_dead_link_counts() -> None:
    async with net_station('failover_on = ["down"]\n') as made, made.phone("net.*") as (phone, watch):
        await settled(made, phone)
        made.net.captive(True)
        await made.looked("captive", 5)  # three would be enough
        assert [event for event in watch.named("net.failover") if event.params["state"] == "starting_backup"] == []


async def test_ipv6_is_a_dead_end_only_while_the_backup_carries_the_traffic() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        made.net.host.run("ip", "-6", "addr", "add", "2001:db8::2/64", "dev", "eth0", "nodad")
        made.net.host.run("ip", "-6", "route", "add", "default", "via", "2001:db8::1", "metric", "1024", "dev", "eth0")
        routes = await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        got = await asyncio.to_thread(
            lambda: made.net.host.run("ip", "-6", "route", "get", "2001:db8:1::1", check=False)
        )
        assert got.returncode != 0, "what only has IPv6 is told at once that it can't get out"
        made.net.mend_main()
        await back(made, watch, routes)


async def test_somebody_may_force_the_backup_forbid_it_and_let_it_decide_again() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        assert (await phone.call("net.failover", mode="on"))["mode"] == "on"
        told = await reaches(watch, "backup")
        assert told["from_state"] in ("starting_backup", "primary")
        await made.sends_by_carrier()
        await made.looked("ok", 3)
        assert made.our_routes() != [], "however well the main link does"
        await phone.call("net.failover", mode="auto")
        await back(made, watch, routes)
        await phone.call("net.failover", mode="off")
        await reaches(watch, "off")
        made.net.cut_main()
        await made.looked("down", 4)
        assert made.our_routes() == []
        before = len(watch.seen)
        await phone.call("net.failover", mode="auto")
        await reaches(watch, "backup", after=before)


async def test_a_default_route_that_is_better_than_ours_is_overruled_by_two_halves() -> None:
    async with net_station(metric=0) as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        assert any(route.startswith("0.0.0.0/1") for route in made.our_routes())
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


async def test_the_command_line_shows_and_steers_all_of_it() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        await settled(made, phone)
        code, out, err = await made.command("net", "status")
        assert (code, err) == (0, "") and "eth0" in out and "primary" in out
        code, out, err = await made.command("net", "check", "--reason", "incoming call", "--json")
        assert code == 0, err
        assert json.loads(out)
        code, out, err = await made.command("net", "failover", "on")
        assert code == 0, err
        await reaches(watch, "backup")
        code, out, _ = await made.command("net", "status", "--json")
        assert json.loads(out)["state"] == "backup"
        code, out, err = await made.command("doctor", "--no-usb", "--json")
        said = [each for each in json.loads(out) if each["check"].startswith("net")]
        assert said, out
