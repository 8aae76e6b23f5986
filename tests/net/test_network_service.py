"""The network service: in which order it acts, what it hears, what it tells, and that nothing that breaks takes it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from core import network, network_ways
from core.errors import NetFailed, NetUnavailable
from core.events import CallIncoming, CallRinging, Event, ModemRecovery, ModemState, NetVerdict, SmsState, SmsStatus
from core.line import LineState
from core.net.types import BearerFailed, BearerTrouble, Link, Links
from core.network_ears import SMS_GAP_S
from tests.net.service_rig import ETH0, QUICK, Rig, service


async def _told(rig: Rig, happened: Event) -> None:
    await rig.store.write(lambda tx: tx.fact(happened))


async def test_address_route_ipv6_and_names_are_set_in_this_order_and_taken_back(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        assert rig.helper.verbs() == ["recover", "route+", "block_ipv6+", "resolver+"]
        route = rig.helper.asked[1][1]
        assert route | {"verb": ""} == {
            "verb": "", "interface": "wwan0", "gateway": "10.64.0.1", "metric": 40, "halves": False, "add": True,
        }  # fmt: skip
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: not rig.modem.up_now)
        await rig.reaches("primary")
        assert rig.helper.verbs()[4:] == ["route-", "block_ipv6-", "resolver-"]
        assert rig.states == [
            "primary", "suspect", "starting_backup", "backup", "recovering", "primary",
        ]  # fmt: skip


async def test_name_servers_that_another_program_may_have_replaced_are_set_again_until_the_main_link_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_ways, "ALIVE_EVERY_S", 0.05)
    async with service(tmp_path) as rig:
        await rig.on_backup()
        await rig.until(lambda: rig.helper.verbs().count("resolver+") >= 4)
        assert rig.helper.verbs().count("route+") == 1, "a route that goes is seen"
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: not rig.modem.up_now)
        await rig.reaches("primary")
        assert rig.helper.verbs()[-3:] == ["route-", "block_ipv6-", "resolver-"]


async def test_a_look_over_the_backup_is_forgotten_with_it(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        await rig.until(lambda: rig.network.status().backup.probe is not None)
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: not rig.modem.up_now)
        await rig.reaches("primary")
        await rig.until(lambda: rig.network.status().backup.probe is None)


async def test_the_traffic_is_taken_as_soon_as_the_bearer_is_up(tmp_path: Path) -> None:
    rare = QUICK.__class__(enabled=True, every_s=3600.0, settle_s=0.0)
    async with service(tmp_path, rare) as rig:
        await rig.until(lambda: len(rig.probes.made) == 1)
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.network.check("it is needed now")
        await rig.reaches("backup")
        assert rig.helper.asked[-1][0] - rig.modem.came_up_s < 20.0, "it waits for no round"
        assert rig.modem.access is not None and rig.modem.access.apn == "internet"
        assert "secret" not in repr(rig.modem.access)


async def test_a_better_default_route_of_others_is_met_by_two_halves(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.watch.link(_eth0(metric=0))
        await rig.on_backup()
        assert rig.helper.asked[1][1]["halves"] is True


async def test_a_default_route_that_becomes_better_while_the_backup_carries_is_met_too(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        now = rig.watch.snapshot
        wwan = now.named("wwan0")
        assert wwan is not None
        rig.watch.show(Links((_eth0(metric=0), wwan), "eth0", "eth0", now.ours))
        await rig.until(lambda: rig.helper.verbs()[4:7] == ["route-", "route+", "block_ipv6+"])
        assert [request["halves"] for _, request in rig.helper.asked[4:6]] == [False, True]


def _eth0(metric: int) -> Link:
    return replace(ETH0, metric=metric)


async def test_a_route_that_goes_is_put_back(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        rig.watch.ours(None)
        await rig.until(lambda: rig.helper.verbs()[4:5] == ["route+"])
        assert rig.states[-1] == "backup"


async def test_another_program_that_takes_our_route_away_is_an_alarm(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        async with asyncio.timeout(40):
            while "net_contested" not in rig.alarms:
                rig.watch.ours(None)
                await asyncio.sleep(0.02)
        await rig.until(lambda: rig.events("net.failover")[-1]["cause"] == "contested")
        assert rig.helper.verbs().count("route+") == 6


@pytest.mark.parametrize(
    "happened",
    [
        CallIncoming(line="sim", call_id="call_1_aaaa"),
        CallRinging(line="sim", call_id="call_1_aaaa"),
        SmsStatus(message_id="sms_1_aaaaaaaa", state=SmsState.QUEUED, number=None),
    ],
)
async def test_a_call_or_a_message_has_the_main_link_looked_at_at_once(tmp_path: Path, happened: Event) -> None:
    slow = QUICK.__class__(enabled=True, every_s=3600.0, settle_s=0.0, priority_timeout_s=0.3)
    async with service(tmp_path, slow) as rig:
        await rig.until(lambda: len(rig.probes.made) == 1)
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await _told(rig, happened)
        await rig.reaches("backup")  # long before the next round
        assert rig.probes.made[1] == ("eth0", 0.3, True)


async def test_a_campaign_of_messages_is_one_look(tmp_path: Path) -> None:
    slow = QUICK.__class__(enabled=True, every_s=3600.0, settle_s=0.0)
    async with service(tmp_path, slow) as rig:
        await rig.until(lambda: len(rig.probes.made) == 1)
        began_s = monotonic()
        for number in range(300):
            await _told(rig, SmsStatus(message_id=f"sms_1_{number:08}", state=SmsState.QUEUED, number=None))
        await rig.until(lambda: len(rig.probes.made) >= 2)
        assert len(rig.probes.made) <= 3 + (monotonic() - began_s) / SMS_GAP_S


async def test_all_who_ask_within_a_second_share_one_look(tmp_path: Path) -> None:
    slow = QUICK.__class__(enabled=True, every_s=3600.0, settle_s=0.0)
    async with service(tmp_path, slow) as rig:
        await rig.until(lambda: len(rig.probes.made) == 1)
        # It takes a turn of the loop, and no time: a look that outlasts the patience of who asks has no verdict yet.
        rig.probes.verdicts["eth0"], rig.probes.takes_s = NetVerdict.DOWN, 0.0
        found = await asyncio.gather(*(rig.network.check(f"client {number}") for number in range(10)))
        assert {(one.verdict, one.starting) for one in found} == {(NetVerdict.DOWN, True)}
        assert [one for one in rig.probes.made if one[0] == "eth0"][1:] == [("eth0", 1.5, True)]


async def test_a_look_that_never_ends_is_answered_all_the_same(tmp_path: Path) -> None:
    slow = QUICK.__class__(enabled=True, every_s=3600.0, settle_s=0.0)
    async with service(tmp_path, slow) as rig:
        rig.probes.takes_s = 3600.0
        began_s = monotonic()
        found = await rig.network.check("a client")
        assert found.verdict is None and monotonic() - began_s < 10.0
        rig.probes.takes_s = 0.0


async def test_a_modem_that_restarts_loses_the_data_and_gets_it_again_when_it_is_back(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        rig.modem.trouble = BearerFailed(BearerTrouble.NO_DEVICE, "there is none")
        await _told(rig, ModemRecovery(line="sim", rung="reset", state="started", reason="it hangs"))
        await rig.reaches("both_down")
        await rig.until(lambda: "net_down" in rig.alarms and "net_backup" not in rig.alarms)
        causes = [params["cause"] for params in rig.events("net.failover")]
        assert "modem_reset" in causes and "no_device" in causes
        rig.modem.trouble = None
        await _told(rig, ModemState(line="sim", state=LineState.READY))
        await rig.reaches("backup")
        await rig.until(lambda: "net_down" not in rig.alarms and "net_backup" in rig.alarms)


async def test_what_happens_to_another_line_s_modem_is_nothing_to_it(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        await _told(rig, ModemState(line="shop", state=LineState.OFFLINE))
        await rig.network.check("for its answer")
        assert rig.states[-1] == "backup" and rig.modem.downs == 0


async def test_an_interface_that_vanishes_is_a_bearer_that_is_lost(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        rig.watch.link(ETH0)
        await rig.until(lambda: rig.states[-2:] == ["starting_backup", "backup"] and len(rig.modem.starts) == 2)


async def test_without_a_helper_it_watches_and_says_so_and_begins_when_the_helper_comes(tmp_path: Path) -> None:
    async with service(tmp_path, helper=False) as rig:
        await rig.until(lambda: "net_helper" in rig.alarms)
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.reaches("both_down")
        assert rig.events("net.failover")[-1]["cause"] == "no_helper"
        assert rig.network.status().helper is not None and rig.modem.starts == []
        await rig.helper.start()
        await rig.reaches("backup")
        assert "recover" in rig.helper.verbs()
        await rig.until(lambda: "net_helper" not in rig.alarms)


async def test_a_helper_that_goes_before_the_traffic_is_given_back_does_it_when_it_is_back(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        await rig.helper.stop()
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: not rig.modem.up_now and rig.states[-1] == "primary")
        assert rig.network.status().backup.traffic
        await rig.helper.start()
        await rig.until(lambda: not rig.network.status().backup.traffic)
        assert rig.helper.verbs().count("route-") == 1


async def test_a_route_that_can_not_be_set_leaves_nothing_behind(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.helper.refuse["route"] = "failed"
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.reaches("both_down")
        rig.helper.refuse.clear()
        await rig.reaches("backup")
        verbs = rig.helper.verbs()
        assert verbs.index("route-") < len(verbs) - 1 - verbs[::-1].index("route+")


async def test_name_servers_that_can_not_be_set_do_not_keep_the_traffic_on_a_dead_link(tmp_path: Path) -> None:
    """A station whose /etc is read-only has its VPN, and whoever needs no names."""
    async with service(tmp_path) as rig:
        rig.helper.refuse["resolver"] = rig.helper.refuse["block_ipv6"] = "refused"
        await rig.on_backup()
        await rig.until(lambda: "net_incomplete" in rig.alarms)
        assert rig.network.status().backup.text == "it says refused" and "both_down" not in rig.states
        assert "route+" in rig.helper.verbs() and "route-" not in rig.helper.verbs()
        rig.helper.refuse.clear()
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: "net_incomplete" not in rig.alarms and not rig.network.status().backup.traffic)


async def test_a_part_that_breaks_is_started_again_with_an_alarm(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.reaches("primary")
        rig.watch.fall()
        await rig.until(lambda: rig.watch.lives == 2 and "net_links_broke" in rig.alarms)
        assert rig.network.status().troubles
        await rig.on_backup()


async def test_a_look_that_breaks_is_no_failure_of_the_link(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.probes.verdicts["eth0"] = None
        await rig.until(lambda: len(rig.probes.made) >= 4)
        assert rig.states == ["primary"]


async def test_a_mistake_in_the_middle_of_it_ends_a_life_and_the_next_one_undoes_what_it_left(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        rig.probes.verdicts["eth0"] = "nonsense"  # type: ignore[assignment]
        await rig.until(lambda: "net_broke" in [params["alarm"] for params in rig.events("alarm.raised")])
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: rig.helper.verbs().count("recover") >= 2)
        await rig.until(lambda: "net_broke" not in rig.alarms and rig.network.status().verdict is NetVerdict.OK)


async def test_links_that_flap_are_told_once_a_second_and_the_last_of_them_is(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.until(lambda: len(rig.events("net.changed")) == 1)
        began_s = monotonic()
        for number in range(60):
            rig.watch.link(replace(ETH0, carrier=number % 2 == 1))
            await asyncio.sleep(0.02)
        rig.watch.link(replace(ETH0, carrier=False))
        await rig.until(lambda: rig.events("net.changed")[-1]["links"][0]["carrier"] is False)
        assert len(rig.events("net.changed")) <= 2 + (monotonic() - began_s)


async def test_switched_by_hand_it_stays_so_and_refuses_what_it_may_not(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.network.failover("on")
        await rig.reaches("backup")
        rig.network.failover("off")
        await rig.reaches("off")
        await rig.until(lambda: not rig.modem.up_now)
        rig.network.failover("auto")
        await rig.reaches("primary")
        with pytest.raises(NetUnavailable):
            await rig.network.restart_vpn()


async def test_the_day_s_data_is_counted_kept_and_refuses_what_was_switched_on(tmp_path: Path) -> None:
    config = QUICK.__class__(
        enabled=True, every_s=1.0, fail_count=1, settle_s=0.0, retry_s=(0.1,), data_mb_per_day=10, hold_backup_s=0.0
    )
    async with service(tmp_path, config) as rig:
        rig.watch.bytes["lo"] = 5_000_000  # an interface that there is: its index is asked of the kernel
        meter = rig.network._living().meter
        await meter.begins("lo")
        await meter.up("lo")
        rig.watch.bytes["lo"] += 9_000_000
        await meter.look()
        await rig.until(lambda: "net_budget" in rig.alarms)
        await rig.on_backup()
        rig.watch.bytes["lo"] += 2_000_000
        await meter.up("lo")
        await rig.reaches("both_down")
        assert rig.events("net.failover")[-1]["cause"] == "budget"
        with pytest.raises(NetFailed) as refused:
            rig.network.failover("on")
        assert refused.value.details == {"trouble": "budget"}
    async with service(tmp_path, config) as again:
        await again.until(lambda: again.network.status().data.spent_bytes == 11_000_000)
        await again.until(lambda: "net_budget" in again.alarms)


async def test_the_end_gives_everything_back_even_while_the_modem_starts(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        rig.modem.takes_s = 3600.0
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.until(lambda: len(rig.modem.starts) == 1)
    assert rig.modem.downs == 1
    async with service(tmp_path) as other:
        await other.on_backup()
    assert not other.modem.up_now and other.helper.verbs()[-3:] == ["route-", "block_ipv6-", "resolver-"]


async def test_a_modem_that_does_not_let_go_is_undone_by_the_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "RECOVER_S", 27.0)
    async with service(tmp_path, stop_s=30.0) as rig:  # of these, 3 s for the modem
        await rig.on_backup()

        async def never() -> None:
            await asyncio.sleep(3600)

        rig.modem.down = never  # type: ignore[method-assign]
        before = len(rig.helper.asked)
    assert "recover" in rig.helper.verbs()[before:]
