"""Events: who gets which, replay without hole or double, consumers, and slow clients that delay nobody."""

import asyncio
from pathlib import Path

import pytest

from core.events import AlarmRaised, CallConnected, CallIncoming, ModemSignal
from core.line import Direction
from core.rpc.access import PeerId
from tests.rpc.client import Client, RpcFailure
from tests.rpc.service import Running, level, serving, tell


async def facts(server: Running, count: int) -> None:
    """Writes that many facts, fast: many at once share a commit."""
    await asyncio.gather(*(tell(server.store, CallIncoming(call_id="call_1_aaaa", number="+1")) for _ in range(count)))


async def test_facts_are_broadcast_after_the_first_valid_message_and_moments_are_not(server: Running) -> None:
    quiet, client = await server.client(), await server.client()
    await tell(server.store, CallIncoming(number="+1"))
    await client.call("test.echo", text="hello")
    server.core.bus.moment(level(-30.0))
    await tell(server.store, CallIncoming(number="+2", line="sim"))
    event = await client.receive()
    assert event["method"] == "call.incoming"
    at = event["params"].pop("at")
    assert event["params"] == {"seq": 2, "line": "sim", "number": "+2", "withheld": False, "waiting": False}
    assert at.endswith("Z") and len(at) == len("2026-11-21T07:16:00.123Z")
    quiet.send({"jsonrpc": "2.0", "id": 1})  # not a valid one
    assert (await quiet.receive())["error"]["code"] == -32600
    await tell(server.store, CallIncoming(number="+3"))
    await quiet.call("test.echo", text="now")
    assert not quiet.events


async def test_a_socket_that_broadcasts_nothing_still_takes_subscriptions(tmp_path: Path) -> None:
    sockets = [{"path": str(tmp_path / name), "events": name} for name in ("none", "all")]
    async with serving(tmp_path, config={"rpc": {"socket": sockets}}) as server:
        none, every = await server.client(path=tmp_path / "none"), await server.client(path=tmp_path / "all")
        for client in (none, every):
            await client.call("test.echo", text="hello")
        server.core.bus.moment(level(-30.0))
        await tell(server.store, CallIncoming())
        assert (await every.receive())["method"] == "call.level"
        assert (await every.receive())["method"] == "call.incoming"
        await none.call("events.subscribe")
        assert not none.events
        await tell(server.store, CallIncoming())
        assert (await none.event())["seq"] == 2


async def test_topics_choose_facts_and_moments(server: Running) -> None:
    calls, exact, everything = [await server.client() for _ in range(3)]
    await calls.call("events.subscribe", topics=["call.*", "sms.received"])
    await exact.call("events.subscribe", topics=["modem.signal"])
    await everything.call("events.subscribe", topics=["*"])
    await tell(server.store, AlarmRaised(alarm="sim"))
    server.core.bus.moment(ModemSignal(rssi_dbm=-70))
    server.core.bus.moment(level(-30.0))
    await tell(server.store, CallIncoming())
    assert [(await calls.receive())["method"] for _ in range(2)] == ["call.level", "call.incoming"]
    signal = await exact.receive()
    assert (signal["method"], signal["params"]["after_seq"]) == ("modem.signal", 1)
    assert [(await everything.receive())["method"] for _ in range(4)] == [
        "alarm.raised",
        "modem.signal",
        "call.level",
        "call.incoming",
    ]


@pytest.mark.parametrize("topic", ["", "call", "*.call", "call.**", "Call.ended", "call.", "x" * 65])
async def test_a_topic_that_is_none_is_refused(client: Client, topic: str) -> None:
    if topic == "call":
        await client.call("events.subscribe", topics=[topic])  # a topic that no event has yet
        return
    with pytest.raises(RpcFailure) as failure:
        await client.call_anything("events.subscribe", {"topics": [topic]})
    assert failure.value.data["path"] == "topics[0]"


async def test_unsubscribe_ends_the_broadcast(server: Running, client: Client) -> None:
    await client.call("test.echo", text="hello")
    await client.call("events.unsubscribe")
    await tell(server.store, CallIncoming())
    await client.call("test.echo", text="after")
    assert not client.events


async def test_since_replays_the_journal_and_joins_what_is_live_without_hole_or_double(server: Running) -> None:
    await facts(server, 1200)
    client = await server.client()
    client.ask("events.subscribe", since=100)

    async def go_on() -> None:
        for _ in range(20):
            await facts(server, 20)

    async with asyncio.TaskGroup() as group:
        group.create_task(go_on())
        reply = await client.receive()
        assert reply["result"]["resumed_from"] == 100
        seqs = [(await client.event())["seq"] for _ in range(1500)]
    assert seqs == list(range(101, 1601))


async def test_a_replay_longer_than_the_ring_has_no_hole(tmp_path: Path) -> None:
    async with serving(tmp_path, config={"rpc": {"unread_bytes": 4096}}, ring_events=64) as server:
        await facts(server, 3000)
        client = await server.client()
        client.stop_reading()
        client.ask("events.subscribe", since=0)
        await server.until(lambda: len(server.core.sessions) == 1)
        await facts(server, 300)  # while the replay waits for its reader the ring goes round
        client.read_on()
        await client.receive()
        assert [(await client.event())["seq"] for _ in range(3300)] == list(range(1, 3301))
        assert "events.lagged" not in {message.get("method") for message in client.seen}


async def test_a_new_choice_of_topics_loses_nothing_on_the_way(server: Running, client: Client) -> None:
    await client.call("test.echo", text="hello")
    asked = client.ask("test.incoming", hold=True)
    await server.until(lambda: server.store.head_seq == 1)  # the fact waits for the reply to its own request
    await client.call("events.subscribe", topics=["call.*"])
    server.waits.go_on.set()
    await client.reply(asked)
    assert (await client.event())["seq"] == 1


async def test_a_replay_does_not_run_ahead_of_the_reply_to_what_it_replays(server: Running, client: Client) -> None:
    await client.call("events.unsubscribe")
    asked = client.ask("test.incoming", hold=True)
    await server.until(lambda: server.store.head_seq == 1)
    await client.call("events.subscribe", since=0)
    server.waits.go_on.set()
    message = await client.receive()
    assert message.get("id") == asked
    assert (await client.event())["seq"] == 1


async def test_a_client_whose_first_word_is_subscribe_gets_no_fact_twice(server: Running) -> None:
    """Broadcasting begins with that first message, but must not run ahead of the replay that it asks for."""
    await facts(server, 5)
    enough = asyncio.Event()

    async def go_on() -> None:
        while not enough.is_set():
            await facts(server, 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(go_on())
        for number in range(15):
            client = await server.client()
            await client.call("events.subscribe", since=0, consumer=f"bot{number}")
            assert [(await client.event())["seq"] for _ in range(10)] == list(range(1, 11))
            await client.close()
        enough.set()


async def test_since_beyond_the_head_is_an_error(client: Client) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call("events.subscribe", since=1)
    assert (failure.value.kind, failure.value.data["head_seq"]) == ("ack_beyond_head", 0)


async def test_a_replay_from_before_the_oldest_fact_says_what_is_gone(tmp_path: Path) -> None:
    config = {"store": {"journal_events": 1000}}
    async with serving(tmp_path, config=config) as server:
        await facts(server, 30)
        await server.store._drop(10)
        client = await server.client()
        await client.call("events.subscribe", since=4)
        lagged = await client.event()
        assert (lagged["from_seq"], lagged["to_seq"], lagged["cause"]) == (5, 10, "expired")
        assert [(await client.event())["seq"] for _ in range(20)] == list(range(11, 31))


async def test_a_consumer_resumes_where_it_has_acknowledged_across_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        first = await server.client()
        assert (await first.call("events.subscribe", consumer="bot"))["resumed_from"] == 0
        await facts(server, 5)
        assert await first.call("events.ack", seq=3) == {"seq": 3}
        assert await first.call("events.ack", seq=2) == {"seq": 3}
        with pytest.raises(RpcFailure) as failure:
            await first.call("events.ack", seq=6)
        assert failure.value.kind == "ack_beyond_head"
    async with serving(tmp_path) as server:
        await facts(server, 1)
        again = await server.client()
        assert (await again.call("events.subscribe", consumer="bot"))["resumed_from"] == 3
        assert [(await again.event())["seq"] for _ in range(3)] == [4, 5, 6]


async def test_a_new_consumer_that_never_acknowledged_gets_what_came_since_it_first_subscribed(server: Running) -> None:
    await facts(server, 2)
    first = await server.client()
    assert (await first.call("events.subscribe", consumer="bot"))["resumed_from"] == 2
    await first.close()
    await facts(server, 2)
    again = await server.client()
    await again.call("events.subscribe", consumer="bot")
    assert [(await again.event())["seq"] for _ in range(2)] == [3, 4]


async def test_a_newer_connection_displaces_the_older_of_the_same_consumer(server: Running) -> None:
    older, newer = await server.client(), await server.client()
    await older.call("events.subscribe", consumer="bot")
    await newer.call("events.subscribe", consumer="bot")
    assert (await older.event("events.displaced"))["consumer"] == "bot"
    await facts(server, 1)
    assert (await newer.event())["seq"] == 1
    with pytest.raises(RpcFailure) as failure:
        await older.call("events.ack", seq=1)
    assert failure.value.kind == "displaced"
    assert not older.events
    await newer.call("events.ack", seq=1)
    await older.call("events.subscribe")  # without the name it may listen again
    await facts(server, 1)
    assert (await older.event())["seq"] == 2


async def test_of_two_connections_that_ask_for_one_consumer_at_once_one_gets_the_events(server: Running) -> None:
    one, other = await server.client(), await server.client()
    for client in (one, other):
        await client.call("events.unsubscribe")
    asked = [(client, client.ask("events.subscribe", consumer="bot")) for client in (one, other)]
    replies = [await client.reply(identity) for client, identity in asked]
    assert any("result" in reply for reply in replies)
    assert all(reply["error"]["data"]["kind"] == "displaced" for reply in replies if "error" in reply)
    await facts(server, 1)
    for client in (one, other):
        await client.call("test.echo", text="x")
    told = [message for client in (one, other) for message in client.seen if message.get("method") == "call.incoming"]
    assert len(told) == 1


async def test_a_connection_that_takes_another_name_lets_go_of_its_first(server: Running) -> None:
    one, other = await server.client(), await server.client()
    await one.call("events.subscribe", consumer="first")
    await one.call("events.subscribe", consumer="second")
    await other.call("events.subscribe", consumer="first")
    await facts(server, 1)
    assert (await one.event())["seq"] == (await other.event())["seq"] == 1
    assert "events.displaced" not in {message.get("method") for message in one.seen}


async def test_an_ack_without_a_consumer_is_refused(client: Client) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call("events.ack", seq=0)
    assert failure.value.kind == "not_now"


async def test_a_slow_client_is_told_what_it_missed_and_reads_it_again(tmp_path: Path) -> None:
    config = {"rpc": {"unread_bytes": 4096}}
    async with serving(tmp_path, config=config, ring_events=64) as server:
        slow, quick = await server.client(), await server.client()
        await slow.call("test.echo", text="hello")
        slow.stop_reading()
        await quick.call("events.subscribe")
        sent = 0
        while sent < 6000:  # far more than the kernel's buffers and ours hold
            await facts(server, 50)
            sent += 50
            for _ in range(50):
                await quick.event()
        assert len(quick.seen) == 6001
        slow.read_on()
        seqs, lagged = [], None
        while lagged is None:
            message = await slow.receive()
            if message["method"] == "events.lagged":
                lagged = message["params"]
            else:
                seqs.append(message["params"]["seq"])
        assert seqs == list(range(1, lagged["from_seq"]))
        assert lagged["cause"] == "slow" and lagged["to_seq"] <= 6000
        assert lagged["from_seq"] < 6000
        slow.ask("events.subscribe", since=lagged["from_seq"] - 1)
        while "id" not in await slow.receive():
            pass  # what was live after the gap
        assert [(await slow.event())["seq"] for _ in range(6000 - len(seqs))] == list(range(lagged["from_seq"], 6001))


async def test_a_connection_may_give_up_scopes_and_never_gets_them_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        gateway = await server.client()
        assert (await gateway.call("client.hello", name="web", scopes=["observe"]))["scopes"] == ["observe"]
        again = await gateway.call("client.hello", name="web", scopes=["admin", "calls"])
        assert again["scopes"] == ["observe"]
        await tell(server.store, CallConnected(direction=Direction.IN, number="+447700900123"))
        seen = await gateway.event("call.connected")
        assert (seen["number"], seen["redacted"]) == (None, ["number"])
        await gateway.call("events.subscribe", since=0)  # replayed facts are seen with the same eyes
        assert (await gateway.event("call.connected"))["number"] is None
        other = await server.client()
        assert "admin" in (await other.call("client.hello", name="shell", scopes=["admin"]))["scopes"]


async def test_personal_fields_are_null_for_those_whose_scope_does_not_cover_them(tmp_path: Path) -> None:
    config = {"access": {"users": {"4711": ["observe"], "4712": ["calls"]}}}
    uids = iter([4711, 4712])
    async with serving(tmp_path, config=config, identify=lambda _: PeerId(1, next(uids), frozenset())) as server:
        observer = await server.client()
        assert (await observer.call("client.hello", name="watcher"))["scopes"] == ["observe"]
        caller = await server.client()
        assert (await caller.call("client.hello", name="bot"))["scopes"] == ["calls", "observe"]
        number = "+447700900123"
        await tell(server.store, CallConnected(direction=Direction.IN, number=number))
        await tell(server.store, AlarmRaised(alarm="sim", text=f"no credit on {number}"))
        seen = await observer.event("call.connected")
        assert (seen["number"], seen["redacted"], seen["direction"]) == (None, ["number"], "in")
        assert (await caller.event("call.connected"))["number"] == number
        # Texts of alarms belong to administrators.
        assert (await caller.event("alarm.raised"))["redacted"] == ["text"]
        await observer.call("events.subscribe", since=0)
        assert (await observer.event("call.connected"))["number"] is None
        assert number not in str(observer.seen)


async def test_methods_and_events_above_a_scope_are_not_for_it(tmp_path: Path) -> None:
    config = {"access": {"users": {"4711": ["observe"]}}}
    async with serving(tmp_path, config=config, identify=lambda _: PeerId(1, 4711, frozenset())) as server:
        client = await server.client()
        with pytest.raises(RpcFailure) as failure:
            await client.call("test.admin")
        assert (failure.value.code, failure.value.kind) == (-32007, "forbidden")
        assert failure.value.data["scope"] == "admin"


async def test_a_message_to_one_session_goes_to_it_alone(server: Running) -> None:
    one, other = await server.client(), await server.client()
    await one.call("client.hello", name="one")
    await other.call("client.hello", name="other")
    next(session for session in server.core.sessions if session.name == "one").notify(level(-1.0))
    assert (await one.event())["downlink_dbfs"] == -1.0
    await other.call("test.echo", text="x")
    assert not other.events


async def test_a_half_closed_subscriber_keeps_getting_events(server: Running) -> None:
    client = await server.raw()
    client.send({"jsonrpc": "2.0", "id": 1, "method": "events.subscribe"})
    client.writer.write_eof()
    await client.receive()
    await asyncio.sleep(0.15)
    await facts(server, 1)
    assert (await client.receive())["params"]["seq"] == 1
    await client.close()
    await server.until(lambda: len(server.core.sessions) == 0)
