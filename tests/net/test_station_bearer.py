"""A whole station whose backup does not come up, goes away, or costs too much; and who else is at the network."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dialtone
from core.net.system_bus import SystemBus
from tests.net.namespaces import needs_namespaces
from tests.net.network_manager_bus import NetworkManagerBus, network_manager_bus
from tests.net.rig import QUICK, net_station, reaches
from tests.net.systemd_bus import why_no_bus
from tests.net.test_station_failover import back, settled

pytestmark = [needs_namespaces, pytest.mark.timeout(180)]
CABLE = {"ethernet": {"eth0": ["192.168.77.1"]}}
ECM = 'bearer = "ecm"\ninterface = "wwan0"\n'


async def test_a_network_that_does_not_know_the_access_point_is_told_and_asked_again() -> None:
    async with net_station() as made, made.phone("net.*") as (phone, watch):
        routes = await settled(made, phone)
        made.orders(start="apn")
        made.net.cut_main()
        told = await reaches(watch, "both_down")
        assert told["cause"] == "apn_refused"
        assert (await phone.call("net.status"))["backup"]["cause"] == "apn_refused"
        made.orders()
        await reaches(watch, "backup")
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


async def test_a_modem_as_network_card_that_gives_no_address_is_told_and_asked_again() -> None:
    async with (
        net_station(base=QUICK.replace("fail_count = 3", "fail_count = 1"), bearer=ECM, carrier_dhcp=True) as made,
        made.phone("net.*") as (phone, watch),
    ):
        made.net.dhcp_silent(True, carrier=True)  # before all else: one look that fails is enough to begin
        routes = await settled(made, phone)
        made.net.cut_main()
        told = await reaches(watch, "both_down")
        assert told["cause"] == "dhcp_silent"
        made.net.dhcp_silent(False, carrier=True)
        await reaches(watch, "backup")
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


async def test_a_modem_that_resets_while_its_data_is_used_is_brought_up_again() -> None:
    async with net_station() as made, made.phone("net.*", "modem.*") as (phone, watch):
        routes = await settled(made, phone)
        made.net.cut_main()
        await reaches(watch, "backup")
        await made.pull_modem()
        told = await watch.wait(
            "net.failover", lambda params: params["from_state"] == "backup" and params["state"] != "backup"
        )
        # Its AT ports are missed after a second; the look over its data, every ten seconds, may come before.
        assert told["cause"] in ("modem_reset", "no_device")
        await made.plug_modem()
        await reaches(watch, "backup", count=2)
        await made.sends_by_carrier()
        made.net.mend_main()
        await back(made, watch, routes)


@pytest.mark.skipif(why_no_bus() is not None, reason=why_no_bus() or "")
async def test_networkmanager_may_come_and_go_and_nothing_is_lost_but_its_names() -> None:
    if (missing := SystemBus.missing()) is not None and "there is no system bus" not in missing:
        pytest.skip(missing)
    with a_bus() as bus:
        async with (
            net_station(env={"DBUS_SYSTEM_BUS_ADDRESS": bus.address}) as made,
            made.phone("net.*") as (phone, watch),
        ):
            routes = await settled(made, phone)
            connection = await named(phone)
            bus.stop_manager()
            made.net.cut_main()
            await reaches(watch, "backup")
            bus.start_manager(CABLE)
            made.net.mend_main()
            await back(made, watch, routes)
            assert await named(phone) == connection
            assert (await phone.call("net.status"))["troubles"] == [], made.log.read_text()[-4000:]


@contextmanager
def a_bus() -> Iterator[NetworkManagerBus]:
    """With NetworkManager on it, for any user."""
    with tempfile.TemporaryDirectory(prefix="dtb") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with network_manager_bus(folder, CABLE) as bus:
            yield bus


async def named(phone: dialtone.Phone) -> str:
    """NetworkManager's name for the main link, once it is known."""
    async with asyncio.timeout(40):
        while True:
            links = (await phone.call("net.status"))["links"]
            found = next((link["connection"] for link in links if link["interface"] == "eth0"), None)
            if found is not None:
                return str(found)
            await asyncio.sleep(0.05)
