"""Addresses in texts for people: for admins only."""

import asyncio
import json
from pathlib import Path

import pytest

from core.events import NetVerdict
from core.net.types import BearerFailed, BearerTrouble
from core.network_private import without_addresses
from core.rpc.api.net_info import check_of, status_of
from tests.net.service_rig import service


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer from 192.168.1.1; 8.8.8.8 answered", "no answer from (hidden); (hidden) answered"),
        ("vps.example.org is 203.0.113.7:443 now", "(hidden) is (hidden) now"),
        ("it was [2001:db8::1]:51820, or fe80::1", "it was (hidden), or (hidden)"),
        ("10.64.0.2/30.", "(hidden)."),
        ("www.gstatic.com at 142.250.1.1: no answer", "www.gstatic.com at (hidden): no answer"),
        ("qmicli 1.32.2 took 5.0 s at 12:30:45, eth0", "qmicli 1.32.2 took 5.0 s at 12:30:45, eth0"),
        ("not-vps.example.org.uk", "not-vps.example.org.uk"),
    ],
)
def test_addresses_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert without_addresses(text, ("vps.example.org",)) == shown


async def test_neither_events_nor_status_nor_check_tell_addresses_to_who_is_no_admin(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.probes.says = "no answer from 192.168.77.1"
        rig.modem.trouble = BearerFailed(BearerTrouble.FAILED, "10.64.0.1 said no")
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.reaches("both_down")
        await rig.until(lambda: rig.network.status().backup.text is not None)
        while "192.168." not in (checked := await rig.network.check("a client")).detail:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # its time was over before anything was seen
        found = rig.network.status()
        clear, hidden = status_of(found, clear=True), status_of(found, clear=False)
        assert clear.primary_probe is not None and "192.168.77.1" in clear.primary_probe.detail
        assert "192.168." not in str(hidden) and "10.64." not in str(hidden)
        assert {"primary_probe.detail", "backup.text"} <= set(hidden.redacted)
        assert "192.168." in check_of(checked, clear=True).detail
        assert "192.168." not in check_of(checked, clear=False).detail
        told = json.dumps(rig.events("net.failover"))
        assert "192.168." not in told and "10.64." not in told and "(hidden)" in told
