"""A whole station whose backup is PPP: pppd has one of the modem's two AT ports, and the phone does with the other.

pppd stands in for a kernel with PPP: it dials by the real chat, and its ppp0 is the link to the carrier's namespace.
"""

import os
import shutil

import pytest

from core.helper.programs import PATH
from tests.helper.programs import install
from tests.helper.test_ppp import PPPD
from tests.net.namespaces import needs_namespaces
from tests.net.rig import NetStation, net_station, reaches
from tests.net.test_station_failover import settled

pytestmark = [
    needs_namespaces,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("chat", path=PATH) is None, reason="chat(8) of ppp is not installed"),
]
ADDRESS = "10.1.2.3"
"""Which the stand-in says it was given."""


def _leads_to_the_carrier(made: NetStation) -> None:
    host, carrier = made.net.host, made.net.carrier
    host.ip("link set wwan0 name ppp0", "link set ppp0 up", f"addr add {ADDRESS}/32 dev ppp0")
    carrier.sysctl("net.ipv4.conf.cell0.proxy_arp", "1")
    carrier.ip(f"route add {ADDRESS} dev cell0")


def _opened(made: NetStation, port: str) -> bool:
    """Whether the core has it open."""
    assert made.core is not None
    files = f"/proc/{made.core.pid}/fd"
    return os.path.realpath(made.dir / "sim" / port) in {
        os.path.realpath(f"{files}/{name}") for name in os.listdir(files)
    }


async def test_the_phone_works_on_one_at_port_while_pppd_has_the_other() -> None:
    async with net_station(bearer='bearer = "ppp"\n', helper=False) as made, made.phone("*") as (phone, watch):
        install(made.bin, "pppd", PPPD)
        await made.start_helper()
        _leads_to_the_carrier(made)
        await settled(made, phone)
        assert _opened(made, "if02") and not _opened(made, "if03")
        made.net.cut_main()
        told = await reaches(watch, "backup")
        assert told["interface"] == "ppp0"
        await made.sends_by_carrier()
        await made.control("call.incoming", number="+447700900123", ring_s=0.3)
        await watch.wait("call.connected")
        assert (await phone.call("net.status"))["backup"]["kind"] == "ppp"
        sent = await phone.call("sms.send", to="+447700900123", text="On my way.")
        await watch.wait(
            "sms.status", lambda params: params["message_id"] == sent["message_id"] and params["state"] == "sent"
        )
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        assert not _opened(made, "if03")
        made.net.mend_main()
        await reaches(watch, "primary")
        await made.until(lambda: made.our_routes() == [], "no route of ours is left")
