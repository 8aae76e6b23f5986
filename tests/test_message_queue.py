"""The send queue of one line and its store, with a line whose answers the tests give."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.clock import new_message_id, rfc3339, unix_s
from core.config import SmsConfig
from core.errors import StoreFailed
from core.events import SmsState
from core.line import LineLateReference, SendUncertain
from core.message_queue import SendQueue
from core.message_reports import take_report
from core.modem.pdu import Address, Options, StatusReport, compose, encode_submit
from core.modem.pdu.model import Ton
from core.store import messages as rows
from core.store.message_reads import MessageRow, get_message
from core.store.store import Store, Tx

ANNE, BEN = "+447700900123", "+447700900456"
CONFIG = SmsConfig(retry_s=(0.5,), answer_timeout_s=5.0)


class ByHand:
    """A line. What is handed over waits in `handed` until the test sets its outcome: a reference or an error."""

    name = "sim"
    can_send = True

    def __init__(self) -> None:
        self.handed: list[asyncio.Future[int]] = []
        self._news = asyncio.Event()

    async def send_tpdu(self, tpdu: bytes, *, smsc: str | None, more: bool, timeout_s: float) -> int:
        self.handed.append(asyncio.get_running_loop().create_future())
        self._news.set()
        return await self.handed[-1]

    async def given(self, count: int) -> asyncio.Future[int]:
        """The count-th part that was handed over."""
        async with asyncio.timeout(10):
            while len(self.handed) < count:
                self._news.clear()
                await self._news.wait()
        return self.handed[count - 1]


class NoPace:
    def pace(self, line: str) -> float:
        return 0.0

    def handed(self, line: str) -> None:
        pass


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "dialtone.db")
    yield opened
    await opened.close()


@pytest.fixture
def line() -> ByHand:
    return ByHand()


@asynccontextmanager
async def running(store: Store, line: ByHand, config: SmsConfig = CONFIG) -> AsyncIterator[SendQueue]:
    queue = SendQueue(config, store, line, NoPace(), on_alarm=lambda what: None)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(queue.run())
        yield queue
        task.cancel()


async def accept(store: Store, to: str = ANNE, text: str = "x", **columns: Any) -> str:
    submits = compose(Address(to.lstrip("+"), Ton.INTERNATIONAL), text=text, options=Options(report=True))
    at = rfc3339()
    wanted: dict[str, Any] = {
        "message_id": new_message_id(), "line": "sim", "direction": "out", "number": to, "peer": to, "text": text,
        "state": SmsState.QUEUED, "parts": len(submits), "created_at": at, "updated_at": at, "report": True,
    }  # fmt: skip
    row = rows.NewMessage(**wanted | columns)

    def work(tx: Tx) -> None:
        rows.insert(tx, row)
        rows.add_parts(tx, row.message_id, [encode_submit(each) for each in submits])

    await store.write(work)
    return row.message_id


async def report(
    store: Store, reference: int, to: str = ANNE, status: int = 0, accepted_s: float | None = None, peer: str = ""
) -> None:
    accepted = datetime.fromtimestamp(unix_s() if accepted_s is None else accepted_s, UTC)
    recipient = Address(to.lstrip("+"), Ton.INTERNATIONAL)
    told = StatusReport(
        reference=reference, recipient=recipient, sent_at=accepted, discharged_at=accepted, status=status
    )
    await store.write(lambda tx: take_report(tx, "sim", peer or to, told, rfc3339()))


async def found(store: Store, message_id: str) -> MessageRow:
    row = await store.read(lambda db: get_message(db, message_id))
    assert row is not None
    return row


async def until(store: Store, message_id: str, *wanted: str) -> MessageRow:
    for _ in range(1000):
        row = await found(store, message_id)
        if row.state in wanted:
            return row
        await asyncio.sleep(0.01)
    raise AssertionError(f"the message is {row.state}, not {wanted}")


def told(store: Store, name: str) -> list[Any]:
    events = (store.bus.get(index) for index in range(store.bus.next_index))
    return [event.params for event in events if event is not None and event.spec.topic == name]


async def test_a_report_that_overtakes_the_answer_is_booked_to_its_message(store: Store, line: ByHand) -> None:
    message_id = await accept(store)
    async with running(store, line):
        given = await line.given(1)
        await report(store, 7)
        given.set_result(7)
        await until(store, message_id, "delivered")
    assert [each["message_id"] for each in told(store, "sms.report")] == [None, message_id]


async def test_a_report_is_enough_where_the_answer_is_lost_after_it(store: Store, line: ByHand) -> None:
    message_id = await accept(store, on_unknown="resend")
    async with running(store, line):
        given = await line.given(1)
        await report(store, 7)
        given.set_exception(SendUncertain("no answer"))
        await until(store, message_id, "delivered")
        await asyncio.sleep(0.8)
    assert len(line.handed) == 1
    assert [each["state"] for each in told(store, "sms.status")] == ["sending", "unknown", "sent", "delivered"]


async def test_a_report_leaves_an_unknown_message_alone_while_another_is_on_its_way(store: Store, line: ByHand) -> None:
    older, newer = await accept(store), await accept(store)
    async with running(store, line):
        (await line.given(1)).set_exception(SendUncertain("no answer"))
        second = await line.given(2)
        await report(store, 8)
        second.set_result(8)
        await until(store, newer, "delivered")
        assert (await found(store, older)).state == "unknown"


async def test_what_is_not_of_the_newer_message_is_of_the_unknown_one(store: Store, line: ByHand) -> None:
    older, newer = await accept(store), await accept(store)
    async with running(store, line):
        (await line.given(1)).set_exception(SendUncertain("no answer"))
        second = await line.given(2)
        await report(store, 7)
        second.set_result(8)
        await until(store, older, "delivered")
        assert (await found(store, newer)).state == "sent"


async def test_a_report_from_before_a_crash_clears_up_what_the_crash_left(store: Store, line: ByHand) -> None:
    message_id = await accept(store)
    async with running(store, line):
        await line.given(1)
        await report(store, 7)
    async with running(store, ByHand()):
        await until(store, message_id, "delivered")


async def test_a_late_answer_to_a_message_that_waits_to_be_sent_again_sends_nothing(store: Store, line: ByHand) -> None:
    message_id = await accept(store, on_unknown="resend")
    async with running(store, line, SmsConfig(retry_s=(4.0,), answer_timeout_s=5.0)) as queue:
        (await line.given(1)).set_exception(SendUncertain("no answer"))
        await until(store, message_id, "queued")
        await queue.late(LineLateReference(9))
        await until(store, message_id, "sent")
        await report(store, 9)
        await until(store, message_id, "delivered")
        await asyncio.sleep(4.5)  # until it would have been sent again
    assert len(line.handed) == 1


async def test_a_part_that_failed_while_the_others_were_sent_fails_the_message(store: Store, line: ByHand) -> None:
    message_id = await accept(store, text="long " * 60)
    async with running(store, line):
        (await line.given(1)).set_result(1)
        second = await line.given(2)
        await report(store, 1, status=65)
        second.set_result(2)
        failed = await until(store, message_id, "failed")
        assert failed.reason == "report_failed"


async def test_a_reference_that_came_round_is_told_by_the_time_of_its_message(store: Store, line: ByHand) -> None:
    def long_ago(tx: Tx, days: int) -> None:
        tx.execute("UPDATE message_parts SET sent_at = ?", (rfc3339(unix_s() - days * 86_400),))

    old = await accept(store)
    async with running(store, line):
        (await line.given(1)).set_result(7)
        await until(store, old, "sent")
    await store.write(lambda tx: long_ago(tx, 5))
    line = ByHand()
    new = await accept(store)
    async with running(store, line):
        (await line.given(1)).set_result(7)
        await until(store, new, "sent")
        await report(store, 7, accepted_s=unix_s() - 5 * 86_400)
        await until(store, old, "delivered")
        assert (await found(store, new)).state == "sent"


async def test_a_report_is_never_booked_to_a_message_that_asked_for_none(store: Store, line: ByHand) -> None:
    message_id = await accept(store, report=False)
    async with running(store, line):
        (await line.given(1)).set_result(7)
        await until(store, message_id, "sent")
        await report(store, 7)
    assert [each["message_id"] for each in told(store, "sms.report")] == [None]
    assert (await found(store, message_id)).state == "sent"


class Disk:
    """A disk that hangs in a write until the test lets it go on."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self._hangs = threading.Event()

    def hang(self, tx: Tx) -> None:
        self._hangs.set()
        assert self.goes_on.wait(30)

    async def hangs(self) -> None:
        assert await asyncio.to_thread(self._hangs.wait, 20)


async def given_up(store: Store, work: Callable[[Tx], object]) -> None:
    with pytest.raises(StoreFailed):
        await store.write(work)


async def test_a_write_that_was_given_up_and_happened_yet_skips_no_part(
    store: Store, line: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept(store, text="long " * 60)
    other = await accept(store, BEN)
    disk, write, failures = Disk(), store.write, 0

    async def watched(work: Callable[[Tx], Any]) -> Any:
        nonlocal failures
        try:
            return await write(work)
        except StoreFailed:
            failures += 1
            raise

    monkeypatch.setattr(store, "write", watched)
    async with running(store, line) as queue:
        first = await line.given(1)
        async with asyncio.TaskGroup() as tasks:
            with monkeypatch.context() as impatient:
                impatient.setattr("core.store.worker.ANSWER_LIMIT_S", 0.3)
                tasks.create_task(given_up(store, disk.hang))
                await disk.hangs()
                first.set_result(1)
                async with asyncio.timeout(20):
                    while failures < 2:  # noqa: ASYNC110 - the queue's own write is given up as well
                        await asyncio.sleep(0.01)
            disk.goes_on.set()
        (await line.given(2)).set_result(2)
        assert (await until(store, message_id, "sent")).parts_sent == 2
        (await line.given(3)).set_result(3)
        await until(store, other, "sent")
        assert len(line.handed) == 3
        assert queue.blocked_for_s == 0


async def test_nothing_is_handed_over_after_the_stop(store: Store, line: ByHand) -> None:
    async with running(store, line) as queue:
        await asyncio.sleep(0.1)
        message_id = await accept(store)
        async with asyncio.TaskGroup() as tasks:
            disk = Disk()
            tasks.create_task(store.write(disk.hang))
            await disk.hangs()
            queue.wake()
            await asyncio.sleep(0.1)  # its pick waits for the disk
            stopped = tasks.create_task(queue.stop(20.0))
            await asyncio.sleep(0.1)
            assert not stopped.done()
            disk.goes_on.set()
        assert (await found(store, message_id)).state == "queued"
    assert line.handed == []


async def test_of_many_messages_that_are_too_late_none_is_sent(store: Store, line: ByHand) -> None:
    late = [await accept(store, expires_at=rfc3339(unix_s() - 1)) for _ in range(150)]
    async with running(store, line):
        await until(store, late[-1], "expired")
    assert line.handed == []


@pytest.mark.parametrize("written", ["447700900123", "07700900123", "7700900123"])
async def test_a_recipient_that_the_network_writes_otherwise_is_the_same(
    store: Store, line: ByHand, written: str
) -> None:
    message_id = await accept(store)
    async with running(store, line):
        (await line.given(1)).set_result(7)
        await until(store, message_id, "sent")
        await report(store, 7, to=written, peer=written)
        await until(store, message_id, "delivered")
