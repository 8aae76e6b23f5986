"""How the network service begins, breaks and ends: nothing of it waits for a part that hangs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from msgspec.structs import replace

from core import network
from core.clock import unix_s
from core.config import Config, NetConfig
from core.events import ModemState, NetVerdict
from core.line import LineState
from core.net import helper_client
from core.net.bearers.qmi import QmiBearer
from core.net.budget import Ledger, save
from core.net.types import BearerFailed, BearerTrouble
from core.registry import ClientRegistry
from core.store.store import Store
from tests.net.service_rig import QUICK, Rig, service

LIMITED = NetConfig(
    enabled=True, every_s=1.0, fail_count=1, settle_s=0.0, retry_s=(0.1,), data_mb_per_day=10, hold_backup_s=0.0
)


def _spent(directory: Path, *, days_ago: float = 0.0) -> None:
    """The day's data is used up, as an earlier run has written it down."""
    day = datetime.fromtimestamp(unix_s() - days_ago * 86400, UTC).astimezone().date().isoformat()
    save(directory / "net" / "budget.json", Ledger(day=day, spent_bytes=11_000_000))


async def test_a_helper_that_hangs_at_the_start_keeps_nobody_from_watching_and_looking(tmp_path: Path) -> None:
    def hangs(rig: Rig) -> None:
        rig.helper.hangs = {"recover", "state"}

    async with service(tmp_path, prepare=hangs) as rig:
        await rig.until(lambda: rig.helper.verbs() == ["recover"])
        await rig.until(lambda: len(rig.probes.made) >= 1 and bool(rig.events("net.changed")))
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        while (found := await rig.network.check("incoming call")).verdict is not NetVerdict.DOWN:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # its time was over before anything was seen
        assert found.starting
        assert rig.modem.starts == [], "nothing is begun before what an earlier run left is undone"


async def test_a_helper_that_hangs_is_an_alarm_as_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_client, "ANSWER_S", 0.2)

    def hangs(rig: Rig) -> None:
        rig.helper.hangs = {"recover", "state"}

    async with service(tmp_path, prepare=hangs) as rig:
        await rig.until(lambda: "net_helper" in rig.alarms)
        assert rig.network.status().helper is not None
        rig.helper.hangs.clear()
        await rig.until(lambda: "net_helper" not in rig.alarms and "recover" in rig.helper.verbs())


async def test_what_an_earlier_run_left_is_undone_once_and_not_after_something_new_was_made(tmp_path: Path) -> None:
    def switched_on(rig: Rig) -> None:
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN

    async with service(tmp_path, replace(QUICK, mode="on"), prepare=switched_on) as rig:
        await rig.reaches("backup")
        await asyncio.sleep(1.2)  # longer than the pause between two looks at the helper
        assert rig.helper.verbs().count("recover") == 1
        assert rig.helper.verbs().index("recover") < rig.helper.verbs().index("route+")


async def test_a_day_s_data_that_is_used_up_keeps_a_backup_that_is_switched_on_from_starting(tmp_path: Path) -> None:
    _spent(tmp_path)
    async with service(tmp_path, replace(LIMITED, mode="on")) as rig:
        await rig.until(lambda: "net_budget" in rig.alarms)
        await rig.until(lambda: len(rig.probes.made) >= 2)
        assert rig.modem.starts == [] and "starting_backup" not in rig.states


async def test_an_alarm_of_yesterday_s_data_ends_although_the_service_broke_meanwhile(tmp_path: Path) -> None:
    _spent(tmp_path)
    async with service(tmp_path, LIMITED) as rig:
        await rig.until(lambda: "net_budget" in rig.alarms)
        _spent(tmp_path, days_ago=1.5)
        rig.probes.verdicts["eth0"] = "nonsense"  # type: ignore[assignment]
        await rig.until(lambda: "net_broke" in rig.alarms)
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: "net_broke" not in rig.alarms and "net_budget" not in rig.alarms)


async def test_what_breaks_after_a_long_life_is_started_again_after_the_shortest_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "STABLE_S", 0.0)
    async with service(tmp_path) as rig:
        first = rig.network._living()
        began_s = monotonic()
        rig.probes.verdicts["eth0"] = "nonsense"  # type: ignore[assignment]
        await rig.until(lambda: "net_broke" in rig.alarms)
        rig.probes.verdicts["eth0"] = NetVerdict.OK
        await rig.until(lambda: rig.network._living() is not first, 25.0)
        assert monotonic() - began_s < 30.0


async def test_the_end_while_it_is_broken_has_the_helper_undo_it_at_once(tmp_path: Path) -> None:
    async with service(tmp_path) as rig:
        await rig.on_backup()
        rig.probes.verdicts["eth0"] = "nonsense"  # type: ignore[assignment]
        await rig.until(lambda: "net_broke" in rig.alarms)
        began_s, before = monotonic(), rig.helper.verbs().count("recover")
        await rig.network.stop(8.0)
        assert monotonic() - began_s < 7.0 and rig.helper.verbs().count("recover") == before + 1


async def test_a_look_that_comes_to_nothing_does_not_answer_with_what_was_seen_long_ago(tmp_path: Path) -> None:
    config = NetConfig(enabled=True, every_s=3600.0, settle_s=0.0, priority_timeout_s=0.3)
    async with service(tmp_path, config) as rig:
        await rig.until(lambda: rig.network.status().verdict is NetVerdict.OK)
        rig.probes.takes_s = 3600.0
        found = await rig.network.check("a client")
        assert found.verdict is None and found.detail
        rig.probes.takes_s = 0.0
    async with service(tmp_path, config) as other:
        await other.until(lambda: other.network.status().verdict is NetVerdict.OK)
        other.probes.verdicts["eth0"] = None
        assert (await other.network.check("a client")).verdict is None


async def test_a_check_answers_within_2_5_s_however_long_a_look_may_take(tmp_path: Path) -> None:
    config = NetConfig(enabled=True, every_s=3600.0, settle_s=0.0, priority_timeout_s=10.0)
    async with service(tmp_path, config) as rig:
        rig.probes.takes_s = 3600.0
        began_s = monotonic()
        assert (await rig.network.check("a client")).verdict is None
        assert monotonic() - began_s < 9.0
        rig.probes.takes_s = 0.0


async def test_a_vpn_is_kept_up_over_a_good_main_link_while_the_backup_that_is_switched_on_does_not_come_up(
    tmp_path: Path,
) -> None:
    def no_data(rig: Rig) -> None:
        rig.modem.trouble = BearerFailed(BearerTrouble.NO_DEVICE, "there is none")

    async with service(tmp_path, replace(QUICK, mode="on"), prepare=no_data) as rig:
        await rig.until(lambda: len(rig.modem.starts) >= 1 and rig.network.status().answers > 0)
        assert rig.network.status().state == "starting_backup" and rig.network._living()._internet() is True
        rig.probes.verdicts["eth0"] = NetVerdict.DOWN
        await rig.reaches("both_down")
        assert rig.network._living()._internet() is False


async def test_links_are_looked_at_again_when_the_modem_is_back_since_its_network_card_is_no_main_link(
    tmp_path: Path,
) -> None:
    async with service(tmp_path) as rig:
        await rig.until(lambda: len(rig.probes.made) >= 1)
        await rig.store.write(lambda tx: tx.fact(ModemState(line="sim", state=LineState.READY)))
        await rig.until(lambda: rig.watch.looked_again == 1)


async def test_what_the_modem_must_get_back_is_kept_where_the_docs_say(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.db", journal_days=1, journal_events=10)
    config = Config(net=NetConfig(enabled=True, bearer="qmi"))
    made = network.NetworkService(config, store, {}, ClientRegistry(store), directory=tmp_path / "net")
    bearer = made._parts.make_bearer()
    assert isinstance(bearer, QmiBearer) and bearer._state.path == tmp_path / "net" / "qmi.json"
    await store.close()
