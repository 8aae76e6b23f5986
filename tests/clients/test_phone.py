"""The SDK against a real socket: requests, reconnecting, resuming."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import dialtone
from dialtone.link import Link
from tests.clients.tiny_core import Json, Refused, TinyCore

DEADLINE_S = 20.0


async def take(events: AsyncIterator[dialtone.Event], count: int) -> list[dialtone.Event]:
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(events) for _ in range(count)]


@asynccontextmanager
async def held(core: TinyCore, method: str) -> AsyncIterator[asyncio.Event]:
    """The method is not answered until the event is set."""
    go = asyncio.Event()

    async def wait(_: Json) -> Json:
        await go.wait()
        return {"late": True}

    core.handlers[method] = wait
    yield go
    go.set()


# --- requests


async def test_a_request_is_answered_with_its_result(core: TinyCore) -> None:
    core.handlers["call.start"] = lambda params: {"call_id": "call_1_aaaa", "number": params["number"]}
    async with dialtone.connect(core.path, name="test") as phone:
        found = await phone.call("call.start", number="+447700900123", timeout_s=2)
        assert found == {"call_id": "call_1_aaaa", "number": "+447700900123"}
    assert core.asked("call.start") == [{"number": "+447700900123"}]  # timeout_s is this side's
    assert core.asked("client.hello") == [{"name": "test"}]


async def test_requests_may_overlap_and_each_gets_its_own_answer(core: TinyCore) -> None:
    async with held(core, "slow") as go, dialtone.connect(core.path) as phone, asyncio.TaskGroup() as tasks:
        core.handlers["fast"] = lambda params: params["n"]
        slow = tasks.create_task(phone.call("slow"))
        assert [await phone.call("fast", n=n) for n in range(3)] == [0, 1, 2]
        assert not slow.done()
        go.set()
    assert slow.result() == {"late": True}


async def test_the_daemons_no_becomes_an_rpc_error_and_leaves_the_connection_alone(core: TinyCore) -> None:
    def refuse(_: Json) -> Any:
        raise Refused(-32003, "line_busy", "The line has a call already.", retry=True, retry_after_s=1.5)

    core.handlers["call.start"] = refuse
    async with dialtone.connect(core.path) as phone:
        with pytest.raises(dialtone.RpcError) as caught:
            await phone.start("+447700900123")
        assert (caught.value.kind, caught.value.code) == ("line_busy", -32003)
        assert (caught.value.retry, caught.value.retry_after_s) == (True, 1.5)
        with pytest.raises(dialtone.RpcError, match="no method"):
            await phone.call("nothing.like_that")


async def test_an_error_in_the_body_comes_out_as_it_is(core: TinyCore) -> None:
    with pytest.raises(KeyError):
        async with dialtone.connect(core.path):
            raise KeyError("mine")


async def test_nobody_there_is_said_at_once(short_dir: Path) -> None:
    with pytest.raises(dialtone.CannotConnect, match=r"nowhere\.sock"):
        async with dialtone.connect(short_dir / "nowhere.sock"):
            pass


async def test_the_first_connection_may_be_waited_for(short_dir: Path) -> None:
    core = TinyCore(short_dir / "late.sock")

    async def start_later() -> None:
        await asyncio.sleep(0.3)
        await core.start()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(start_later())
        async with dialtone.connect(core.path, wait_s=DEADLINE_S) as phone:
            assert phone.connected
    await core.stop()


async def test_waiting_for_the_first_connection_ends(short_dir: Path) -> None:
    with pytest.raises(dialtone.CannotConnect, match=r"within 0\.3 s"):
        async with dialtone.connect(short_dir / "nowhere.sock", wait_s=0.3):
            pass


async def test_a_late_answer_is_a_timeout_and_tells_the_daemon(core: TinyCore) -> None:
    async with held(core, "slow"), dialtone.connect(core.path) as phone:
        with pytest.raises(dialtone.RequestTimeout, match=r"slow: no answer within 0\.1 s"):
            await phone.call("slow", timeout_s=0.1)
        cancelled = await core.wait_asked("$/cancelRequest")
        assert cancelled == {"id": 2}  # 1 was client.hello


async def test_a_cancelled_request_tells_the_daemon_and_its_late_answer_harms_nobody(core: TinyCore) -> None:
    core.handlers["fast"] = lambda _: "fast"
    async with held(core, "slow") as go, dialtone.connect(core.path) as phone:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(phone.call("slow"))
            await core.wait_asked("slow")
            asking.cancel()
        await core.wait_asked("$/cancelRequest")
        go.set()
        assert await phone.call("fast") == "fast"


async def test_cancelling_the_body_ends_the_phone_at_once(core: TinyCore) -> None:
    inside = asyncio.Event()

    async def use() -> None:
        async with dialtone.connect(core.path):
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        using = tasks.create_task(use())
        await inside.wait()
        using.cancel()
    assert using.cancelled()
    await core.wait_for(lambda: not core.peers)


async def test_arguments_that_are_not_given_are_not_sent(core: TinyCore) -> None:
    core.handlers["call.speak"] = lambda _: {"utterance": 1}
    async with dialtone.connect(core.path) as phone:
        await phone.speak("hello", replace=True)
    assert core.asked("call.speak") == [{"text": "hello", "replace": True, "wait": "accepted"}]


async def test_audio_comes_and_goes_as_bytes(core: TinyCore) -> None:
    core.handlers["call.chunk_audio"] = lambda _: {"audio": "T2dnUw==", "format": "ogg"}
    core.handlers["call.play"] = lambda _: {"utterance": 1}
    async with dialtone.connect(core.path) as phone:
        assert await phone.chunk_audio("call_1_aaaa", 3) == b"OggS"
        await phone.play(b"RIFF")
    assert core.asked("call.play") == [{"audio": "UklGRg==", "wait": "accepted"}]


# --- a connection that breaks


async def test_a_request_in_flight_fails_when_the_connection_breaks_and_is_not_sent_again(core: TinyCore) -> None:
    async with held(core, "call.start"), dialtone.connect(core.path) as phone:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_caught(phone.start("+447700900123")))
            await core.wait_asked("call.start")
            await core.drop()
        assert isinstance(asking.result(), dialtone.ConnectionLost)
        await phone.wait_connected(DEADLINE_S)
        await core.wait_asked("client.hello", 2)
    assert len(core.asked("call.start")) == 1


async def _caught(request: Any) -> BaseException | None:
    try:
        await request
    except dialtone.DialtoneError as problem:
        return problem
    return None


async def test_a_request_while_the_daemon_is_away_fails_at_once(core: TinyCore) -> None:
    async with dialtone.connect(core.path) as phone:
        async with held(core, "slow"), asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_caught(phone.call("slow")))
            await core.wait_asked("slow")
            await core.stop()
        assert isinstance(asking.result(), dialtone.ConnectionLost)
        assert not phone.connected
        with pytest.raises(dialtone.ConnectionLost):
            await phone.call("status")


async def test_what_was_registered_is_registered_again(core: TinyCore) -> None:
    hooked = []

    async def hook(phone: dialtone.Phone) -> None:
        hooked.append(phone.connected)

    async with dialtone.connect(core.path, name="brain", version="2", on_connect=hook) as phone:
        await phone.expect_phrases(["yes", "no"], "en")
        await phone.register_brain(7)
        await phone.report_state("ready", alarms=[{"alarm": "a"}])
        await phone.report_state("busy")
        await core.drop()
        await core.wait_asked("client.report_state", 3)
        await phone.wait_connected(DEADLINE_S)
    assert core.asked("client.hello") == [{"name": "brain", "version": "2"}] * 2
    assert core.asked("stt.phrases") == [{"phrases": ["yes", "no"], "language": "en"}] * 2
    assert core.asked("brain.register") == [{"priority": 7}] * 2
    assert core.asked("client.report_state")[-1] == {"state": "busy"}
    assert len(hooked) == 2


async def test_a_registration_that_was_refused_is_not_repeated(core: TinyCore) -> None:
    def refuse(_: Json) -> Any:
        raise Refused(-32007, "forbidden", "No scope.")

    core.handlers["brain.register"] = refuse
    async with dialtone.connect(core.path) as phone:
        with pytest.raises(dialtone.RpcError):
            await phone.register_brain()
        await core.drop()
        await core.wait_asked("client.hello", 2)
        await phone.wait_connected(DEADLINE_S)
    assert len(core.asked("brain.register")) == 1


GARBAGE = [b"hello\n", b"\x00\x00\x00\x05hello\n", b"[1,2]\n", b'{"id":null,"error":{"message":"no"}}\n']


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_from_the_daemon_costs_the_connection_and_nothing_else(core: TinyCore, garbage: bytes) -> None:
    async with held(core, "slow"), dialtone.connect(core.path) as phone:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_caught(phone.call("slow")))
            await core.wait_asked("slow")
            core.send_raw(core.peers[0], garbage)
        assert isinstance(asking.result(), dialtone.ConnectionLost)
        assert "garbage" in str(asking.result())
        await core.wait_asked("client.hello", 2)


async def test_the_link_alone_does_not_come_back(core: TinyCore) -> None:
    link = await Link.open(core.path)
    with pytest.raises(dialtone.RpcError):
        await link.request("status", {})
    await core.drop()
    await asyncio.wait_for(link.closed.wait(), DEADLINE_S)
    with pytest.raises(dialtone.ConnectionLost):
        await link.request("status", {})
    assert len(core.asked("client.hello")) == 0


async def test_requests_to_a_daemon_that_does_not_read_wait_and_fail_without_a_stray_word(short_dir: Path) -> None:
    strays: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: strays.append(context))
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(short_dir / "deaf.sock"))
        deaf.listen()
        link = await Link.open(short_dir / "deaf.sock")
        async with asyncio.TaskGroup() as tasks:
            text = "x" * 400_000
            asking = [tasks.create_task(_caught(link.request("call.speak", {"text": text}))) for _ in range(4)]
            await asyncio.sleep(0)  # the first fills the socket, the others wait for room
            link.close()
    assert [type(one.result()) for one in asking] == [dialtone.ConnectionLost] * 4
    del asking
    gc.collect()
    assert strays == []


# --- events


async def test_events_come_in_order_with_their_fields(core: TinyCore) -> None:
    async with dialtone.connect(core.path, topics=["call.*"]) as phone:
        core.fact("call.incoming", call_id="call_1_aaaa", number="+447700900123")
        core.moment("call.ring", call_id="call_1_aaaa", ring=1)
        core.fact("modem.state", state="ready")
        core.fact("call.ended", call_id="call_1_aaaa")
        first, ring, last = await take(phone.events(), 3)
    assert (first.name, first.seq, first.line, first.call_id) == ("call.incoming", 1, "sim", "call_1_aaaa")
    assert first.params["number"] == "+447700900123"
    assert (ring.name, ring.seq) == ("call.ring", None)
    assert (last.name, last.seq) == ("call.ended", 3)


async def test_events_begin_after_since(core: TinyCore) -> None:
    for _ in range(5):
        core.fact("call.ended")
    async with dialtone.connect(core.path) as phone:
        assert [event.seq for event in await take(phone.events(since=2), 3)] == [3, 4, 5]


async def test_without_since_events_begin_now(core: TinyCore) -> None:
    core.fact("call.ended")
    async with dialtone.connect(core.path, topics=["call.*"]) as phone:
        core.fact("call.ended")
        assert [event.seq for event in await take(phone.events(), 1)] == [2]


async def test_a_since_that_is_yet_to_come_is_the_callers_mistake(core: TinyCore) -> None:
    async with dialtone.connect(core.path) as phone:
        with pytest.raises(dialtone.RpcError, match="newest fact"):
            await take(phone.events(since=99), 1)


async def test_after_a_break_nothing_is_lost_and_nothing_comes_twice(core: TinyCore) -> None:
    async with dialtone.connect(core.path, topics=["*"]) as phone:
        events = phone.events()
        for _ in range(3):
            core.fact("call.ended")
        seen = await take(events, 2)
        for restart in range(3):
            await core.stop()
            core.fact("call.missed")  # while nobody is connected
            await core.start()
            core.fact("call.ended")
            seen += await take(events, 2 if restart else 3)
    assert [event.seq for event in seen] == list(range(1, 10))


async def test_facts_that_come_before_the_subscription_is_answered_are_read_in_their_turn(core: TinyCore) -> None:
    """The daemon says facts to everyone who has said hello; taking them would hide those that came before."""
    async with dialtone.connect(core.path, topics=["*"]) as phone:
        events = phone.events()
        core.fact("call.ended")
        seen = await take(events, 1)
        await core.stop()
        core.fact("call.ended")

        def speak_early(params: Json) -> Json:
            core.fact("call.ended")
            return {"server": "dialtone", "version": "0", "scopes": []}

        core.handlers["client.hello"] = speak_early
        await core.start()
        seen += await take(events, 2)
    assert [event.seq for event in seen] == [1, 2, 3]


async def test_a_consumer_reads_on_where_it_was(core: TinyCore) -> None:
    core.acks["backup"] = 0
    for _ in range(4):
        core.fact("call.ended")
    async with dialtone.connect(core.path, consumer="backup") as phone:
        await take(phone.events(), 3)  # the third was given out, but nobody said that it is done
    await core.wait_for(lambda: core.acks["backup"] == 2)
    async with dialtone.connect(core.path, consumer="backup") as phone:
        events = phone.events()
        assert [event.seq for event in await take(events, 2)] == [3, 4]
        await phone.ack(4)
    assert core.acks["backup"] == 4


async def test_a_consumer_acks_as_it_goes(core: TinyCore) -> None:
    async with dialtone.connect(core.path, consumer="backup") as phone, asyncio.TaskGroup() as tasks:
        events = phone.events()
        core.fact("call.ended")
        await take(events, 1)
        waiting = tasks.create_task(anext(events))
        await core.wait_for(lambda: core.acks["backup"] == 1)
        core.fact("call.ended")
        await waiting


async def test_a_consumer_that_breaks_gets_nothing_twice_in_one_process(core: TinyCore) -> None:
    core.acks["backup"] = 0
    core.fact("call.ended")
    async with dialtone.connect(core.path, consumer="backup") as phone:
        events = phone.events()
        await take(events, 1)
        await core.drop()
        core.fact("call.ended")
        assert [event.seq for event in await take(events, 1)] == [2]


async def test_a_displaced_consumer_is_told_and_does_not_fight(core: TinyCore) -> None:
    async with dialtone.connect(core.path, consumer="backup") as phone:
        core.moment("events.displaced", consumer="backup")
        core.send(core.peers[0], {"jsonrpc": "2.0", "method": "events.displaced", "params": {"consumer": "backup"}})
        with pytest.raises(dialtone.RpcError) as caught:
            await take(phone.events(), 1)
        assert caught.value.kind == "displaced"
        await core.drop()
        await core.wait_asked("client.hello", 2)
        await phone.wait_connected(DEADLINE_S)
    assert len(core.asked("events.subscribe")) == 1


async def test_a_reader_that_was_too_slow_is_told_and_reads_all(core: TinyCore) -> None:
    async with dialtone.connect(core.path, topics=["*"]) as phone:
        for _ in range(1500):
            core.fact("call.ended")
        core.handlers["ping"] = lambda _: None
        await phone.call("ping")  # all of them are here now, or were turned away
        events = phone.events()
        seen = await take(events, 1501)
    assert [event.seq for event in seen if event.seq] == list(range(1, 1501))
    [lagged] = [event for event in seen if event.name == "events.lagged"]
    assert lagged.params["cause"] == "slow"
    assert seen.index(lagged) == 1000


async def test_when_the_daemon_says_lagged_the_missed_facts_are_read_again(core: TinyCore) -> None:
    async with dialtone.connect(core.path, topics=["*"]) as phone:
        events = phone.events()
        core.fact("call.ended")
        core.journal += [{"topic": "call.ended", "params": {"seq": seq}} for seq in (2, 3)]  # the ring has passed us
        lagged = {"from_seq": 2, "to_seq": 3, "cause": "slow", "after_seq": 3}
        core.send(core.peers[0], {"jsonrpc": "2.0", "method": "events.lagged", "params": lagged})
        core.fact("call.ended")
        seen = await take(events, 5)
    assert [(event.name, event.seq) for event in seen] == [
        ("call.ended", 1),
        ("events.lagged", None),
        ("call.ended", 2),
        ("call.ended", 3),
        ("call.ended", 4),
    ]


async def test_a_daemon_with_another_journal_is_told_to_the_reader_who_goes_on(core: TinyCore) -> None:
    async with dialtone.connect(core.path, topics=["*"]) as phone:
        events = phone.events()
        for _ in range(5):
            core.fact("call.ended")
        await take(events, 5)
        await core.stop()
        core.journal.clear()
        await core.start()
        [lagged] = await take(events, 1)
        assert (lagged.name, lagged.params["cause"]) == ("events.lagged", "expired")
        await phone.wait_connected(DEADLINE_S)
        core.fact("call.ended")
        assert [event.seq for event in await take(events, 1)] == [1]


async def test_leaving_ends_the_reader(core: TinyCore) -> None:
    read: list[dialtone.Event] = []
    one = asyncio.Event()

    async def follow(phone: dialtone.Phone) -> None:
        async for event in phone.events():
            read.append(event)
            one.set()

    async with asyncio.TaskGroup() as tasks, dialtone.connect(core.path, topics=["*"]) as phone:
        tasks.create_task(follow(phone))
        core.fact("call.ended")
        await asyncio.wait_for(one.wait(), DEADLINE_S)
    assert len(read) == 1


async def test_the_socket_has_a_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALTONE_SOCKET", "/tmp/named.sock")
    assert dialtone.default_socket_path() == "/tmp/named.sock"
    monkeypatch.delenv("DIALTONE_SOCKET")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert dialtone.default_socket_path() == "/run/user/1000/dialtone/core.sock"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert dialtone.default_socket_path() == "/run/dialtone/core.sock"
