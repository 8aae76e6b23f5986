"""/send and its other names: messages that really leave, DroidLinks to a real server, notifications."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as aio

from clients.http_api.legacy_numbers import normalised
from clients.http_api.legacy_sms import SEND_PATHS, allowed_link
from tests.clients.http.raw import curl, exchange, php_curl, urllib_post
from tests.clients.http.service import Service, http_service
from tests.station import Station, station
from tests.test_sms_send import sent_texts

PHONE = '[[listen]]\nport = 0\nserves = ["phone"]\n'
TO = "+447700900123"


@asynccontextmanager
async def serving(tmp_path: Path, config: str = "") -> AsyncIterator[tuple[Station, Service]]:
    async with (
        station() as made,
        made.phone() as (phone, _),
        http_service(tmp_path, made.socket, f"{config}\n{PHONE}") as web,
    ):
        await made.ready(phone)
        yield made, web


async def post(web: Service, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    async with web.session.post(web.base + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_message_leaves_by_every_old_name_and_from_every_old_client(tmp_path: Path) -> None:
    async with serving(tmp_path, '[phone]\ncountry_code = "44"') as (made, web), made.phone("sms.*") as (_, watch):
        body = {"to": "07700 900123", "message": "Your table is booked.", "priority": "high", "from": "someone"}
        clients = (curl, php_curl, urllib_post)
        for number, path in enumerate((*SEND_PATHS, "/pi_send_message")):
            answer = await exchange(web.base, clients[number % 3](path, json.dumps(body)))
            assert answer.status == 200, answer.body
            told = answer.json
            assert isinstance(told.pop("message_id"), int) and told.pop("id").startswith("sms_")
            assert told == {"success": True, "encoding": "GSM7", "parts": 1, "queued": True, "processing": "async"}
        count = len(SEND_PATHS) + 1
        await watch.wait("sms.status", lambda params: params["state"] == "sent", count=count, timeout_s=50)
        assert await sent_texts(made) == [(TO, body["message"])] * count


async def test_long_and_foreign_texts_tell_their_parts_and_alphabet(tmp_path: Path) -> None:
    async with serving(tmp_path) as (made, web):
        assert (await post(web, "/send", {"to": TO, "message": "é" * 160}))[1]["parts"] == 1
        told = (await post(web, "/send", {"to": TO, "message": "Ž" * 140}))[1]
        assert (told["encoding"], told["parts"]) == ("UCS2", 3)
        key = {"Idempotency-Key": "worker-42"}
        first, again = [(await post(web, "/send", {"to": TO, "message": "Once."}, **key))[1] for _ in range(2)]
        assert first["id"] == again["id"], "a repeated request with its key is the same message"


async def test_what_can_not_be_sent_is_said_as_before(tmp_path: Path) -> None:
    async with station(emulator=False) as made, http_service(tmp_path, made.socket, PHONE) as web:
        missing = {"success": False, "error": "Missing recipient or message"}
        for body in ({"message": "x"}, {"to": TO}, {"to": "", "message": "x"}, {"to": None, "message": "x"}):
            assert await post(web, "/send", body) == (400, missing)
        assert await post(web, "/pi_send_message", {"to": "", "message": "x"}) == (400, missing)
        assert await post(web, "/pi_send_message", {"severity": "info"}) == (400, missing)
        for path in ("/send", "/pi_send_message"):
            bad = await exchange(web.base, curl(path, "to=1&message=x"))
            assert (bad.status, bad.json["success"]) == (500, False)
        code, told = await post(web, "/send", {"to": "**21*0900#", "message": "x"})
        assert (code, told["success"]) == (400, False)
        async with web.session.get(f"{web.base}/health") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "failed"})
        await made.stop_core()
        code, told = await post(web, "/send", {"to": TO, "message": "x"})
        assert (code, told["success"]) == (503, False)
        async with web.session.get(f"{web.base}/health") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "core_unreachable"})


# --- DroidLink


@asynccontextmanager
async def droid() -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    seen: list[tuple[str, dict[str, str]]] = []

    async def hook(request: aio.Request) -> aio.Response:
        seen.append((request.path, dict(request.query)))
        if request.path.endswith("/moved"):
            raise aio.HTTPFound("http://127.0.0.1:1/elsewhere")
        return aio.Response(text="ok " * 200, status=500 if request.path.endswith("/broken") else 200)

    app = aio.Application()
    app.router.add_get("/{path:.*}", hook)
    runner = aio.AppRunner(app, access_log=None)
    await runner.setup()
    await aio.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def test_a_droid_link_gets_text_and_number_where_it_is_allowed(tmp_path: Path) -> None:
    text = "50% off & more + ačiū?"
    async with (
        droid() as (phone_url, seen),
        station(emulator=False) as made,
        http_service(tmp_path, made.socket, f'[phone]\ndroid_links = ["{phone_url}/hook"]\n{PHONE}') as web,
    ):
        link = f"{phone_url}/hook/one".replace(":", "%3A").replace("/", "%2F")  # the VPS sends it encoded
        code, told = await post(web, "/send", {"to": TO, "message": text, "droidLink": link})
        assert code == 200 and told == {
            "success": True, "method": "droidlink", "recipient": TO, "response": ("ok " * 200)[:200],
            "message_length": len(text),
        }  # fmt: skip
        await post(web, "/send", {"to": TO, "message": text, "droid_link": f"{phone_url}/hook?device=1"})
        assert seen == [
            ("/hook/one", {"message": text, "phone_nr": TO}),
            ("/hook", {"device": "1", "message": text, "phone_nr": TO}),
        ]
        for path, said in (("broken", "HTTP 500"), ("moved", "HTTP 302")):
            code, told = await post(web, "/send", {"to": TO, "message": "x", "droidLink": f"{phone_url}/hook/{path}"})
            assert (code, told["success"], told["response"]) == (502, False, said)
        code, told = await post(web, "/send", {"to": TO, "message": "x", "droidLink": f"{phone_url}/other"})
        assert (code, told["success"]) == (400, False) and "droid_links" in told["error"]
        assert len(seen) == 4


PREFIXES = ("https://trigger.example/hook",)


@pytest.mark.parametrize(
    "link",
    [
        "https://trigger.example/hooks", "http://trigger.example/hook", "https://trigger.example:444/hook",
        "https://trigger.example.evil/hook", "https://trigger.example/hook/../admin", "https://x@trigger.example/hook",
        "https://evil.example\\@trigger.example/hook", "https://trigger.example:port/hook", "file:///etc/passwd", "",
    ],
)  # fmt: skip
def test_a_link_beside_what_is_allowed_is_refused(link: str) -> None:
    assert not allowed_link(link, PREFIXES)


def test_a_link_below_what_is_allowed_is_taken() -> None:
    for link in (
        "https://trigger.example/hook",
        "https://trigger.example/hook/a/b",
        "https://trigger.example/hook?a=1",
    ):
        assert allowed_link(link, PREFIXES)
    assert not allowed_link("https://trigger.example/hook", ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("+44 7700-900123", TO), ("0044 (7700) 900123", TO), ("447700900123", TO), ("07700900123", TO),
        ("+4407700900123", TO), ("4407700900123", TO), ("12345", "12345"), ("MyShop", "MyShop"), ("", ""),
        ("+37060000000", "+37060000000"), ("0037060000000", "+37060000000"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_old_clients_write_them(written: str, meant: str) -> None:
    assert normalised(written, "44") == meant


def test_without_a_country_code_a_national_number_stays_what_it_is() -> None:
    assert normalised("07700900123") == "07700900123"
