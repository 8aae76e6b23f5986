"""Requests and replies as JSON-RPC 2.0 has them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.client import Client, RpcFailure
from tests.rpc.service import Running, serving


async def test_a_request_is_answered_under_its_id(client: Client) -> None:
    for identity in (1, "one", 1.5, None):
        client.send({"jsonrpc": "2.0", "id": identity, "method": "test.echo", "params": {"text": "ä€😀"}})
        assert await client.receive() == {"jsonrpc": "2.0", "id": identity, "result": {"text": "ä€😀"}}


async def test_an_alias_is_the_same_method(client: Client) -> None:
    assert await client.call("echo", text="x", count=2) == {"text": "xx"}


async def test_a_notification_is_done_and_not_answered(server: Running, client: Client) -> None:
    client.send({"jsonrpc": "2.0", "method": "test.wait", "params": {}})
    client.send({"jsonrpc": "2.0", "method": "no.such"})
    client.send({"jsonrpc": "2.0", "method": "test.echo", "params": {"text": 1}})
    client.send({"jsonrpc": "2.0", "method": "test.broken"})
    await server.waits.until(lambda: server.waits.begun == 1)
    server.waits.go_on.set()
    await client.call("test.echo", text="after")
    assert len(client.seen) == 1


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "text"),
        ({"text": 1}, "text"),
        ({"text": "x", "count": "1"}, "count"),
        ({"text": "x", "count": -1}, "count"),
        ({"text": "x", "other": 1}, "other"),
        ({"text": "x", "nested": [{"a": 1}, {"a": "+447700900123"}]}, "nested[1][...]"),
    ],
)
async def test_wrong_params_name_the_place(client: Client, params: dict[str, Any], path: str) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call_anything("test.echo", params)
    assert (failure.value.code, failure.value.kind, failure.value.data["path"]) == (-32602, "invalid_params", path)
    assert "+447700900123" not in str(failure.value)


async def test_positional_params_are_refused_but_an_empty_array_is_none_at_all(client: Client) -> None:
    for name in ("test.echo", "rpc.discover"):
        with pytest.raises(RpcFailure) as failure:
            await client.call_anything(name, ["x"])
        assert (failure.value.code, failure.value.kind) == (-32602, "invalid_params")
    assert "methods" in await client.call_anything("rpc.discover", [])


async def test_params_may_be_called_like_anything_inside_the_server(client: Client) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call_anything("test.echo", {"text": "x", "request": 1, "self": 2, "context": 3})
    assert failure.value.code == -32602


async def test_an_unknown_method_is_told_so(client: Client) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call_anything("no.such", {})
    assert (failure.value.code, failure.value.kind) == (-32601, "method_not_found")


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (1, None),
        ("status", None),
        ({}, None),
        ({"jsonrpc": "1.0", "id": 7, "method": "test.echo"}, 7),
        ({"id": 7, "method": "test.echo"}, 7),
        ({"jsonrpc": "2.0", "id": 7, "method": 1}, 7),
        ({"jsonrpc": "2.0", "id": 7}, 7),
        ({"jsonrpc": "2.0", "id": {}, "method": "test.echo"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "test.echo"}, None),
        ({"jsonrpc": "2.0", "id": 7, "method": "test.echo", "params": "x"}, 7),
        ({"jsonrpc": "2.0", "id": 7, "method": "test.echo", "params": None}, 7),
        ([], None),
    ],
)
async def test_what_is_no_request_gets_32600(client: Client, value: object, identity: object) -> None:
    await client.call("test.echo", text="framing is decided")
    client.send(value)
    reply = await client.receive()
    assert (reply["id"], reply["error"]["code"]) == (identity, -32600)
    assert reply["error"]["data"]["kind"] == "invalid_request"


@pytest.mark.parametrize("text", [b'{"a":', b"[1,]", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000])
async def test_what_is_not_json_gets_32700_and_the_connection_lives(client: Client, text: bytes) -> None:
    client.writer.write(text + b"\n")
    reply = await client.receive()
    assert (reply["id"], reply["error"]["code"]) == (None, -32700)
    assert await client.call("test.echo", text="still here")


async def test_an_error_that_a_client_can_act_on_says_how(client: Client) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call("test.busy")
    assert failure.value.data == {"kind": "line_busy", "retry": True, "retry_after_s": 2.5}
    assert failure.value.code == -32003


async def test_an_unforeseen_error_tells_nothing_of_our_insides(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RpcFailure) as failure:
        await client.call("test.broken")
    assert (failure.value.code, failure.value.kind) == (-32603, "internal")
    assert "secret" not in json.dumps(failure.value.error) and "Traceback" not in json.dumps(failure.value.error)
    assert any(record.exc_info and record.getMessage() == "method failed" for record in caplog.records)


async def test_a_batch_is_answered_by_one_array_in_order(server: Running, client: Client) -> None:
    server.waits.go_on.set()
    client.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "test.wait"},
            {"jsonrpc": "2.0", "method": "test.echo", "params": {"text": "unanswered"}},
            {"jsonrpc": "2.0", "id": 2, "method": "test.echo", "params": {"text": "x"}},
            7,
            {"jsonrpc": "2.0", "id": 3, "method": "no.such"},
            {"jsonrpc": "2.0", "id": 4, "method": "test.incoming"},
        ]
    )
    replies = await client.receive()
    assert [reply["id"] for reply in replies] == [1, 2, None, 3, 4]
    assert replies[1]["result"] == {"text": "x"}
    assert [reply["error"]["code"] for reply in replies[2:4]] == [-32600, -32601]
    assert replies[4]["result"] == {"count": 1, "seq": 1}
    assert (await client.event())["seq"] == 1


async def test_a_batch_of_notifications_is_not_answered(client: Client) -> None:
    client.send([{"jsonrpc": "2.0", "method": "test.echo", "params": {"text": "x"}}] * 3)
    await client.call("test.echo", text="after")
    assert len(client.seen) == 1


async def test_a_batch_of_nonsense_is_answered_element_by_element(client: Client) -> None:
    client.send([1, 2])
    assert [reply["error"]["code"] for reply in await client.receive()] == [-32600, -32600]


async def test_a_batch_beyond_all_reason_gets_one_error(client: Client) -> None:
    await client.call("test.echo", text="x")
    client.send([1] * 1001)
    assert (await client.receive())["error"]["data"]["kind"] == "limit"
    client.send([1] * 1000)
    assert len(await client.receive()) == 1000


async def test_a_long_request_does_not_hold_up_a_short_one(server: Running, client: Client) -> None:
    slow = client.ask("test.wait")
    assert await client.call("test.echo", text="quick") == {"text": "quick"}
    server.waits.go_on.set()
    assert (await client.reply(slow))["result"] == {"count": 1}


async def test_cancel_ends_the_wait_of_that_request_alone(server: Running, client: Client) -> None:
    first, second = client.ask("test.wait"), client.ask("test.wait")
    await server.waits.until(lambda: server.waits.begun == 2)
    client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": first}})
    error = (await client.reply(first))["error"]
    assert (error["code"], error["data"]["kind"]) == (-32800, "cancelled")
    assert server.waits.cancelled == 1
    server.waits.go_on.set()
    assert "result" in await client.reply(second)


async def test_cancel_reaches_one_element_of_a_batch(server: Running, client: Client) -> None:
    client.send([{"jsonrpc": "2.0", "id": name, "method": "test.wait"} for name in ("a", "b")])
    await server.waits.until(lambda: server.waits.begun == 2)
    client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": "b"}})
    await server.waits.until(lambda: server.waits.cancelled == 1)
    server.waits.go_on.set()
    replies = await client.receive()
    assert "result" in replies[0] and replies[1]["error"]["code"] == -32800


async def test_cancel_of_an_unknown_id_or_of_another_type_is_nothing(server: Running, client: Client) -> None:
    waiting = client.ask("test.wait")
    await server.waits.until(lambda: server.waits.begun == 1)
    assert await client.call("$/cancelRequest", id=str(waiting)) == {}
    assert await client.call("$/cancelRequest", id=99) == {}
    assert server.waits.cancelled == 0
    server.waits.go_on.set()
    assert "result" in await client.reply(waiting)


async def test_a_client_that_goes_has_its_waits_cancelled(server: Running, client: Client) -> None:
    client.ask("test.wait")
    await server.waits.until(lambda: server.waits.begun == 1)
    await client.close()
    await server.waits.until(lambda: server.waits.cancelled == 1)
    await server.until(lambda: len(server.core.sessions) == 0)


async def test_close_hooks_run_when_the_client_goes_each_key_once(server: Running, client: Client) -> None:
    await client.call("test.echo", text="x")
    (session,) = server.core.sessions
    told: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    session.on_close(fail)
    session.on_close(lambda: told.append("first"), key="claims")
    session.on_close(lambda: told.append("second"), key="claims")
    session.on_close(lambda: told.append("other"))
    await client.close()
    await server.until(lambda: len(told) == 2)
    assert told == ["second", "other"]


async def test_a_peer_that_only_half_closed_still_gets_its_answers(server: Running) -> None:
    """jayson and `echo … | socat` end their writing with the request, without a newline, and read until the end."""
    client, other = await server.raw(), await server.client()
    client.writer.write(b'{"jsonrpc":"2.0","id":1,"method":"test.wait"}')
    client.writer.write_eof()
    await server.waits.until(lambda: server.waits.begun == 1)
    await other.call("test.incoming")  # nobody asked for events there: the reply stays alone
    assert (await other.event())["seq"] == 1
    server.waits.go_on.set()
    async with asyncio.timeout(30):
        everything = await client.reader.read()
    assert json.loads(everything) == {"jsonrpc": "2.0", "id": 1, "result": {"count": 1}}


async def test_a_half_closed_peer_that_then_goes_altogether_has_its_waits_cancelled(server: Running) -> None:
    client = await server.raw()
    client.writer.write(b'{"jsonrpc":"2.0","id":1,"method":"test.wait"}\n')
    client.writer.write_eof()
    await server.waits.until(lambda: server.waits.begun == 1)
    await client.close()
    await server.waits.until(lambda: server.waits.cancelled == 1)


async def test_more_requests_than_allowed_in_flight_get_an_error_and_the_others_their_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, config={"rpc": {"max_requests_in_flight": 3}}) as server:
        client = await server.client()
        waiting = [client.ask("test.wait") for _ in range(3)]
        with pytest.raises(RpcFailure) as failure:
            await client.call("test.echo", text="one too many")
        assert (failure.value.code, failure.value.kind) == (-32011, "limit")
        assert failure.value.data["retry_after_s"] > 0
        client.send([{"jsonrpc": "2.0", "id": "batched", "method": "test.echo", "params": {"text": "x"}}])
        assert (await client.receive())[0]["error"]["code"] == -32011
        client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": waiting[0]}})
        assert (await client.reply(waiting[0]))["error"]["code"] == -32800
        server.waits.go_on.set()
        assert [("result" in await client.reply(identity)) for identity in waiting[1:]] == [True, True]
        assert await client.call("test.echo", text="free again")


async def test_the_facts_a_request_caused_come_after_its_reply_and_stand_in_it(server: Running, client: Client) -> None:
    await client.call("test.echo", text="first")
    client.ask("test.incoming", count=3, hold=True)
    await server.until(lambda: server.store.head_seq == 3)
    server.waits.go_on.set()
    reply = await client.receive()
    assert reply["result"] == {"count": 3, "seq": 3}
    assert [(await client.event())["seq"] for _ in range(3)] == [1, 2, 3]


async def test_a_cancelled_request_lets_its_facts_go(server: Running, client: Client) -> None:
    await client.call("test.echo", text="first")
    waiting = client.ask("test.incoming", count=1, hold=True)
    await server.until(lambda: server.store.head_seq == 1)
    client.send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": waiting}})
    assert (await client.receive())["error"]["code"] == -32800
    assert (await client.event())["seq"] == 1


async def test_another_client_gets_a_fact_before_the_request_that_caused_it_is_answered(server: Running) -> None:
    asking, watching = await server.client(), await server.client()
    await watching.call("test.echo", text="hello")
    asked = asking.ask("test.incoming", hold=True)
    assert (await watching.event())["seq"] == 1
    server.waits.go_on.set()
    assert "result" in await asking.reply(asked)


async def test_hello_names_the_session_and_says_what_it_may_do(server: Running, client: Client) -> None:
    hello = await client.call("client.hello", name="my bot/2", version="1")
    assert hello["server"] == "dialtone"
    assert hello["scopes"] == ["admin", "calls", "messages", "observe"]
    assert [session.name for session in server.core.sessions] == ["my bot/2"]


async def test_discover_gives_the_document_with_all_methods_and_events(client: Client) -> None:
    found = await client.call("rpc.discover")
    assert found["openrpc"].startswith("1.")
    assert {"rpc.discover", "test.echo", "echo"} <= {each["name"] for each in found["methods"]}
    incoming = next(each for each in found["x-events"] if each["name"] == "call.incoming")
    assert (incoming["kind"], incoming["personal"], incoming["personal_scope"]) == ("fact", ["number"], "calls")
    assert found["components"]["errors"]["line_busy"]["code"] == -32003
