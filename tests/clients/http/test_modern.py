"""/v1 and /metrics of dialtone http, as a process, before a real core and before none."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from openapi_spec_validator import validate

from clients.http_api.auth import Tokens, TokensError
from clients.http_api.limits import RateLimit
from clients.http_api.settings import Settings, parse_settings
from clients.settings_file import SettingsError
from tests.clients.http.service import Service, http_service
from tests.station import station


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Server-sent events as dictionaries of their fields."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if not line and fields:
            yield fields
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def first(answer: aiohttp.ClientResponse, name: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        async for event in events(answer):
            if event.get("event") == name:
                return {"id": event.get("id"), **json.loads(event["data"])}
    raise AssertionError(name)


async def test_a_call_is_placed_and_followed_over_http_alone(tmp_path: Path) -> None:
    async with station() as made, made.phone() as (phone, _), http_service(tmp_path, made.socket) as web:
        await made.ready(phone)
        async with web.session.get(f"{web.base}/v1/events?topics=call.*") as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            placed = await web.rpc("call.start", number="+447700900123")
            call_id = placed["result"]["call_id"]
            ringing = await first(stream, "call.ringing")
            assert (ringing["call_id"], ringing["number"]) == (call_id, "+447700900123")
            ended = await web.rpc("call.hangup", call_id=call_id)
            assert ended["result"]["call_id"] == call_id
            last = await first(stream, "call.ended")
        # An EventSource comes back with the number of what it saw last, and gets what it missed.
        headers = {"Last-Event-ID": ringing["id"]}
        async with web.session.get(f"{web.base}/v1/events?topics=call.*", headers=headers) as stream:
            assert (await first(stream, "call.ended"))["id"] == last["id"]


async def test_a_token_gives_its_scopes_and_no_more(tmp_path: Path) -> None:
    config = '[[listen]]\nport = 0\nserves = ["modern"]\nauth = "token"\n'
    tokens = {"viewer": ("observe",), "bot": ("calls",)}
    async with (
        station() as made,
        made.phone() as (phone, _),
        http_service(tmp_path, made.socket, config, tokens) as web,
    ):
        await made.ready(phone)
        async with web.session.post(f"{web.base}/v1/rpc", json={}) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="dialtone"')
        async with web.session.get(f"{web.base}/metrics", headers={"Authorization": "Bearer dt_guess"}) as answer:
            assert answer.status == 401
        refused = await web.rpc("call.start", headers=web.bearer("viewer"), number="+447700900123")
        assert refused["error"]["data"]["kind"] == "forbidden"
        placed = await web.rpc("call.start", headers=web.bearer("bot"), number="+447700900123")
        call_id = placed["result"]["call_id"]
        status = await web.rpc("call.status", headers=web.bearer("viewer"), call_id=call_id)
        assert status["result"]["call"]["number"] is None
        headers = web.bearer("viewer") | {"Last-Event-ID": "0"}
        async with web.session.get(f"{web.base}/v1/events?topics=call.ringing", headers=headers) as stream:
            seen = await first(stream, "call.ringing")
            assert (seen["number"], seen["redacted"]) == (None, ["number"])
        refused = await web.rpc("modem.reset", headers=web.bearer("bot"))
        assert refused["error"]["data"]["kind"] == "forbidden"
        async with web.session.get(f"{web.base}/v1/health/live") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        secrets = set(web.tokens.values())
    assert not any(secret in line for secret in secrets for line in web.log)


async def post(web: Service, body: bytes | str, **headers: str) -> tuple[int, Any]:
    async with web.session.post(f"{web.base}/v1/rpc", data=body, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None


async def test_batches_notifications_and_nonsense(tmp_path: Path) -> None:
    async with station(emulator=False) as made, http_service(tmp_path, made.socket) as web:
        one = {"jsonrpc": "2.0", "id": 1, "method": "health"}
        two = {"jsonrpc": "2.0", "id": "x", "method": "call.status", "params": {}}
        note = {"jsonrpc": "2.0", "method": "health"}
        status, replies = await post(web, json.dumps([one, note, two, 7]))
        assert status == 200
        assert [reply["id"] for reply in replies] == [1, "x", None]
        assert replies[2]["error"]["code"] == -32600
        assert await post(web, json.dumps(note)) == (204, None)
        assert (await post(web, "{"))[1]["error"]["code"] == -32700
        for wrong in ([], [note] * 101, {"jsonrpc": "1.0", "id": 1, "method": "health"}, "x", {**one, "id": {}}):
            assert (await post(web, json.dumps(wrong)))[1]["error"]["code"] == -32600
        assert (await post(web, json.dumps({**one, "params": [1]})))[1]["error"]["code"] == -32602
        assert (await post(web, json.dumps({**one, "method": "no.such"})))[1]["error"]["code"] == -32601
        for method in ("events.subscribe", "brain.register", "client.hello", "call.attach"):
            refused = (await post(web, json.dumps({**one, "method": method})))[1]["error"]
            assert (refused["code"], "Unix socket" in refused["message"]) == (-32601, True)


async def test_limits_of_size_and_rate_are_said(tmp_path: Path) -> None:
    config = "[limits]\nmax_body_bytes = 2048\nrequests_per_minute = 5\n"
    async with station(emulator=False) as made, http_service(tmp_path, made.socket, config) as web:
        status, said = await post(web, b" " * 5000)
        assert (status, said["error"]["kind"]) == (413, "too_large")
        statuses = [(await post(web, b"[]"))[0] for _ in range(6)]
        assert statuses[:4] == [200] * 4 and statuses[-1] == 429
        async with web.session.get(f"{web.base}/v1/nothing") as answer:
            assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1


async def test_unknown_paths_methods_and_parameters_are_said_in_json(tmp_path: Path) -> None:
    async with station(emulator=False) as made, http_service(tmp_path, made.socket) as web:
        for verb, path, status, kind in (
            ("GET", "/", 404, "not_found"),
            ("GET", "/v1/rpc", 405, "method_not_allowed"),
            ("GET", "/v1/events?topics=a b", 400, "invalid_params"),
            ("GET", "/v1/events?since=-1", 400, "invalid_params"),
            ("GET", "/v1/events?since=" + "9" * 400, 400, "invalid_params"),
        ):
            async with web.session.request(verb, web.base + path) as answer:
                assert (answer.status, (await answer.json())["error"]["kind"]) == (status, kind)


async def test_a_place_in_another_journal_is_told_as_lagged(tmp_path: Path) -> None:
    async with station(emulator=False) as made, http_service(tmp_path, made.socket) as web:
        async with web.session.get(f"{web.base}/v1/events", headers={"Last-Event-ID": "999999"}) as stream:
            lagged = await first(stream, "events.lagged")
        assert (lagged["from_seq"], lagged["to_seq"], lagged["cause"]) == (1000000, None, "expired")


async def test_figures_for_prometheus_and_readiness(tmp_path: Path) -> None:
    async with station() as made, made.phone() as (phone, _), http_service(tmp_path, made.socket) as web:
        await made.ready(phone)
        async with web.session.get(f"{web.base}/v1/health/ready") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with web.session.get(f"{web.base}/metrics") as answer:
            text = await answer.text()
        assert "dialtone_up 1.0" in text
        assert 'dialtone_line_state{line="sim",state="ready"} 1.0' in text
        assert 'dialtone_line_state{line="sim",state="failed"} 0.0' in text
        assert 'dialtone_http_requests_total{route="/v1/health/ready",status="200"} 1.0' in text


async def test_without_a_core_it_serves_and_says_so(tmp_path: Path) -> None:
    async with http_service(tmp_path, tmp_path / "nobody.sock") as web:
        async with web.session.get(f"{web.base}/v1/health/ready") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "core_unreachable"})
        async with web.session.get(f"{web.base}/metrics") as answer:
            assert "dialtone_up 0.0" in await answer.text()
        status, said = await post(web, b'{"jsonrpc": "2.0", "id": 1, "method": "health"}')
        assert (status, said["error"]["kind"]) == (503, "core_unreachable")


@pytest.mark.timeout(180)
async def test_a_core_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    socket = tmp_path / "core.sock"
    async with http_service(tmp_path, socket) as web:
        for _ in range(2):
            async with station(emulator=False) as made:
                socket.symlink_to(made.socket)
                async with asyncio.timeout(40):
                    while True:
                        answer = await web.rpc("health")
                        if "result" in answer:
                            break
                        await asyncio.sleep(0.1)
                socket.unlink()


async def test_the_openapi_document_is_valid_and_names_every_method(tmp_path: Path) -> None:
    async with station(emulator=False) as made, http_service(tmp_path, made.socket) as web:
        async with web.session.get(f"{web.base}/v1/openapi.json") as answer:
            document = await answer.json()
        methods = {method["name"] for method in (await web.rpc("rpc.discover"))["result"]["methods"]}
    validate(document)
    assert set(document["components"]["schemas"]["RpcRequest"]["discriminator"]["mapping"]) == methods
    assert {"/v1/rpc", "/v1/events", "/v1/health/live", "/v1/health/ready", "/metrics"} <= set(document["paths"])


@pytest.mark.parametrize(
    ("listen", "wrong"),
    [
        ({"host": "0.0.0.0"}, "never served without tokens"),
        ({"host": "::"}, "never served without tokens"),
        ({"host": "8.8.8.8"}, "public address"),
        ({"host": "gateway.local"}, "must be an IP address"),
        ({"host": "10.100.0.11", "open_scopes": ["admin"]}, "admin is not for"),
        ({"serves": []}, "serves is empty"),
        ({"ports": 1}, "unknown field"),
    ],
)
def test_addresses_that_would_let_strangers_in_are_refused(listen: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        parse_settings({"listen": [listen]}, "http.toml")


@pytest.mark.parametrize("listen", [{"host": "0.0.0.0", "auth": "token"}, {"host": "10.100.0.11"}, {"host": "::1"}])
def test_addresses_with_tokens_or_on_a_private_network_are_served(listen: dict[str, Any]) -> None:
    assert parse_settings({"listen": [listen]}, "http.toml").listen[0].host == listen["host"]


def test_a_tokens_file_keeps_digests_is_private_and_refused_when_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    tokens = Tokens.read(path)
    secret = tokens.add("console", ("calls", "observe"))
    tokens.write(path)
    assert secret not in path.read_text()
    read = Tokens.read(path)
    caller = read.caller(secret)
    assert caller is not None and caller.scopes == {"calls", "observe"}
    assert read.caller(secret + "x") is None
    assert read.remove("console") and not read.remove("console")
    path.chmod(0o640)
    with pytest.raises(TokensError, match="chmod 600"):
        Tokens.read(path)


def test_a_callers_allowance_refills_steadily_and_is_its_own() -> None:
    rate = RateLimit(60)
    assert [rate.take("a", 0.0) for _ in range(60)] == [0.0] * 60
    assert rate.take("a", 0.0) == pytest.approx(1.0)
    assert rate.take("b", 0.0) == 0.0
    assert rate.take("a", 0.5) == pytest.approx(0.5)
    assert rate.take("a", 1.0) == 0.0


def test_the_example_file_shows_every_key_with_its_default() -> None:
    raw = tomllib.loads(Path("docs/http.example.toml").read_text())
    assert parse_settings(raw, "docs/http.example.toml") == Settings()

    def keys(value: object) -> object:
        match value:
            case dict():
                return {name: keys(one) for name, one in value.items()}
            case list() if value and isinstance(value[0], dict):
                return keys(value[0])
            case _:
                return None

    assert keys(raw) == keys(msgspec.json.decode(msgspec.json.encode(Settings())))
