"""kill -9 of the bridge and of the core at random moments, with a VPS that comes and goes."""

import signal
from typing import Any

import pytest

import dialtone
from tests.clients.bridge.outbox_kills import OUTBOX, TOML, Books, kill_run
from tests.clients.bridge.outbox_rig import rig
from tests.station import Station, station
from tests.vps import vps


def check(books: Books) -> None:
    print(books)
    assert not books.lost, books
    assert not books.out_of_order, books
    assert not books.keys_changed, books


@pytest.mark.timeout(180)
async def test_kills_lose_nothing_reorder_nothing_and_change_no_key() -> None:
    check(await kill_run(4, seed=1))


async def _journalled(there: Station, count: int) -> list[str]:
    """Texts of the first so many messages in the core's journal, in its order."""
    found: list[str] = []
    async with dialtone.connect(there.socket, topics=["sms.received"], since=0, wait_s=10) as phone:
        async for event in phone.events():
            found.append(event.params["text"])
            if len(found) == count:
                break
    return found


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2, 3])
async def test_many_kills_lose_nothing_reorder_nothing_and_change_no_key(seed: int) -> None:
    check(await kill_run(60, seed))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.proof)])
async def test_a_core_that_is_killed_with_its_journal_has_all_its_messages_told(kills: int) -> None:
    """The real one, with an emulated modem; the bridge is killed in between."""
    delivered: list[str] = []
    async with station() as there, rig() as bridge, vps() as server:
        bridge.configure(TOML.format(server), OUTBOX)
        bridge.core.path = there.socket
        await bridge.start()
        for kill in range(kills):
            for number in range(3):
                delivered.append(f"{kill} {number}")
                message: dict[str, Any] = {"from": "+447700900456", "text": delivered[-1]}
                await there.control("sms.deliver", **message)
            server.sms.behave("500", "refuse:0.3", "ok")
            await there.stop_core(signal.SIGKILL)
            there.socket.unlink(missing_ok=True)
            await there.start_core()
            await bridge.stop(signal.SIGKILL)
            await bridge.start()
        for text in delivered:
            await server.wait("sms", lambda one, text=text: one.accepted and one.body["message"] == text, timeout_s=60)  # type: ignore[misc]
        journal = await _journalled(there, len(delivered))
    told = [one.body["message"] for one in server.of("sms")]
    assert list(dict.fromkeys(told)) == journal and sorted(journal) == sorted(delivered)
    keys = {(one.body["message"], one.key) for one in server.of("sms")}
    assert len(keys) == len(delivered)
