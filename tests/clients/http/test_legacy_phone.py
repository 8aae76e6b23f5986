"""/phone_call of the old API, with a real core, a real call and old clients' bytes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dialtone
from clients.http_api.spoken import CALLS_KEPT, Spoken
from dialtone.event import Event
from tests.clients.http.raw import curl, exchange, http10_get, php_curl, urllib_post
from tests.clients.http.service import Service, http_service
from tests.station import Station, Watch, station
from tests.test_talking import answered

PHONE = '[[listen]]\nport = 0\nserves = ["phone"]\n'
LONG = "This is said for a while, so that others wait: " + ", ".join(["one after the other, in their places"] * 3) + "."
PERSON = "+447700900200"


@asynccontextmanager
async def in_a_call(tmp_path: Path, config: str = PHONE) -> AsyncIterator[tuple[Station, Service, Watch, str]]:
    async with (
        station() as made,
        made.phone("*") as (phone, watch),
        http_service(tmp_path, made.socket, config) as web,
    ):
        yield made, web, watch, await answered(made, phone, watch)


async def post(web: Service, path: str, body: Any) -> tuple[int, Any]:
    async with web.session.post(web.base + path, json=body) as answer:
        return answer.status, await answer.json()


async def status(web: Service) -> Any:
    async with web.session.get(f"{web.base}/phone_call/status") as answer:
        assert answer.status == 200
        return await answer.json()


async def until_waiting(web: Service, wanted: int) -> Any:
    async with asyncio.timeout(20):
        while True:
            found = await status(web)
            if found["tts_queue_size"] == wanted:
                return found
            await asyncio.sleep(0.05)


async def test_a_vps_speaks_into_the_live_call_by_its_old_id_and_high_goes_first_without_a_loss(tmp_path: Path) -> None:
    async with in_a_call(tmp_path) as (_, web, watch, call_id):
        old_id = "_".join(call_id.split("_")[:2])
        said: dict[str, Any] = {
            "callId": old_id, "sessionId": old_id.replace("call", "session"), "text": LONG, "language": "en",
            "voice_settings": {}, "action": "speak", "priority": "normal", "audio_format": "Raw8Khz16BitMonoPcm",
        }  # fmt: skip
        answer = await exchange(web.base, php_curl("/phone_call", json.dumps(said)))
        assert answer.status == 200 and answer.headers["content-type"].startswith("application/json")
        assert answer.json == {
            "success": True, "message": "Command speak queued", "call_id": old_id, "queue_size": 1,
        }  # fmt: skip
        await watch.wait("call.speaking")
        for text, priority in (("Normal.", "normal"), ("Low.", "low"), ("High.", "high")):
            code, told = await post(web, "/phone_call", said | {"text": text, "priority": priority})
            assert (code, told["success"]) == (200, True)
        assert told["queue_size"] == 4
        await watch.wait("call.spoken", count=4, timeout_s=40)
        texts = [event.params["text"] for event in watch.named("call.spoken")]
        assert texts == [LONG, "High.", "Normal.", "Low."]
        found = await until_waiting(web, 0)
        stats = found["stats"][call_id]
        assert (stats["responses"], stats["total_chars"]) == (4, len(LONG) + len("Normal.Low.High."))
        assert 0 <= stats["last_tts_time"] < 30 and stats["start_time"] > 1_700_000_000
        assert (found["active_calls"], found["language"], found["voice_configured"]) == (1, "en", True)


async def test_every_old_client_is_understood_however_it_writes(tmp_path: Path) -> None:
    async with in_a_call(tmp_path) as (_, web, watch, _call):
        body = json.dumps({"text": "Ačiū.", "callId": None}, ensure_ascii=False)
        for count, sent in enumerate((curl, php_curl, urllib_post), start=1):
            whole = sent("/phone_call", body)
            cut = len(whole) - 9  # within the body, and within a letter of two bytes
            assert (await exchange(web.base, whole[:cut], whole[cut:], gap_s=0.05)).status == 200
            spoken = await watch.wait("call.spoken", count=count)
            assert spoken["text"] == "Ačiū."
        # A language without a voice is said in another rather than not at all.
        assert (await post(web, "/phone_call", {"text": "Nuq.", "language": "tlh-not-a-language-tag"}))[0] == 200
        assert (await watch.wait("call.spoken", count=4))["text"] == "Nuq."
        answer = await exchange(web.base, http10_get("/phone_call/status"))
        assert answer.status == 200 and answer.json["active_calls"] == 1
        answer = await exchange(web.base, curl("/phone_call/status", ""))
        assert answer.status == 200 and answer.json["voice_configured"] is True


async def test_a_hangup_lets_the_last_words_be_heard_and_with_high_priority_nothing(tmp_path: Path) -> None:
    async with in_a_call(tmp_path) as (made, web, watch, call_id):
        await post(web, "/phone_call", {"text": "First."})
        await watch.wait("call.speaking")
        code, told = await post(web, "/phone_call", {"action": "hangup", "callId": call_id, "text": "Goodbye then."})
        assert (code, told["message"]) == (200, "Command hangup queued")
        await watch.wait("call.ended")
        spoken = [event.params for event in watch.named("call.spoken")]
        assert [(said["text"], said["completed"]) for said in spoken] == [("First.", True), ("Goodbye then.", True)]
        async with made.phone("call.*") as (phone, calls):
            second = await answered(made, phone, calls)
            await post(web, "/phone_call", {"callId": second, "text": LONG})
            await calls.wait("call.speaking")
            await post(web, "/phone_call", {"action": "hangup", "callId": second, "priority": "high"})
            cut = await calls.wait("call.spoken")
            assert not cut["completed"]
            await calls.wait("call.ended")
        found = await until_waiting(web, 0)
        assert found["active_calls"] == 0 and set(found["stats"]) == {call_id, second}


async def test_a_call_that_the_bridge_steers_is_spoken_into_and_ended_where_it_lets_us(tmp_path: Path) -> None:
    (tmp_path / "strict").mkdir()
    async with (
        in_a_call(tmp_path) as (made, web, watch, call_id),
        http_service(tmp_path / "strict", made.socket, f"[phone]\nhangup_held = false\n{PHONE}") as strict,
        dialtone.connect(made.socket, name="bridge") as bridge,
    ):
        await bridge.call("call.claim", call_id=call_id)
        for body in ({"text": "Hello"}, {"action": "hangup"}):
            code, told = await post(strict, "/phone_call", {"callId": call_id, **body})
            assert (code, told["success"]) == (500, False) and told["error"]
        await bridge.call("call.claim", call_id=call_id, speakers=["http"])
        assert (await post(web, "/phone_call", {"callId": call_id, "text": "From the VPS."}))[0] == 200
        assert (await watch.wait("call.spoken"))["completed"]
        assert (await post(web, "/phone_call", {"callId": call_id, "action": "hangup"}))[0] == 200
        await watch.wait("call.ended")


async def test_a_transfer_reaches_the_person_after_its_words(tmp_path: Path) -> None:
    async with in_a_call(tmp_path) as (_, web, watch, call_id):
        body = {"callId": call_id, "action": "transfer", "to": PERSON, "text": "Wait.", "announce": "A caller."}
        assert (await post(web, "/phone_call", body))[0] == 200
        assert (await watch.wait("call.spoken"))["text"] == "Wait."
        assert (await watch.wait("call.transfer"))["to"] == PERSON
        code, told = await post(web, "/phone_call", {"callId": call_id, "action": "transfer"})
        assert (code, told["error"]) == (500, "Missing number to transfer to")


async def test_what_is_wrong_is_said_as_before(tmp_path: Path) -> None:
    async with (
        station(emulator=False) as made,
        http_service(tmp_path, made.socket, PHONE) as web,
    ):
        bad = await exchange(web.base, curl("/phone_call", "{text: 'no'}"))
        assert (bad.status, bad.json) == (400, {"success": False, "error": "Invalid JSON format"})
        assert (await exchange(web.base, curl("/phone_call", "[1]"))).status == 400
        empty = b"POST /phone_call HTTP/1.1\r\nHost: x\r\n\r\n"  # no Content-Length: a body that is not there
        assert (await exchange(web.base, empty)).status == 400
        nobody = await exchange(web.base, curl("/phone_call", '{"callId": "call_1", "text": "x"}'))
        assert (nobody.status, nobody.json["success"]) == (500, False) and "callId" in nobody.json["error"]
        assert (await post(web, "/phone_call", {"text": "x"}))[1]["error"] == "There is no live call"
        code, told = await post(web, "/phone_call", {"action": "dance", "callId": "call_1"})
        assert (code, told["message"]) == (200, "Command dance queued"), "as the old server answered"
        await made.stop_core()
        code, told = await post(web, "/phone_call", {"text": "x"})
        assert (code, told["success"]) == (503, False)
        found = await status(web)
        assert (found["voice_configured"], found["tts_provider"], found["language"]) == (
            False, "not_configured", "not_configured",
        )  # fmt: skip


async def test_speaking_needs_the_scope_of_calls(tmp_path: Path) -> None:
    config = '[[listen]]\nport = 0\nserves = ["phone"]\nopen_scopes = ["observe"]\n'
    async with station(emulator=False) as made, http_service(tmp_path, made.socket, config) as web:
        for path in ("/phone_call", "/send", "/pi_send_message"):
            async with web.session.post(web.base + path, json={"text": "x"}) as answer:
                assert answer.status == 403
        assert (await status(web))["active_calls"] == 0


def event(name: str, call_id: str, utterance: int | None = None, **params: Any) -> Event:
    number = {"utterance": utterance} if utterance is not None else {}
    return Event.of(name, {"call_id": call_id, **number, **params})


def test_words_that_were_over_before_they_were_known_do_not_wait_for_ever() -> None:
    spoken = Spoken()
    spoken.command("call_1_a", 5)
    spoken.note(event("call.spoken", "call_1_a", 1))
    spoken.accepted("call_1_a", 1)
    spoken.accepted("call_1_a", 2)
    assert spoken.queue_size == 1
    spoken.note(event("call.ended", "call_1_a"))
    assert spoken.queue_size == 0


def test_calls_of_long_ago_are_forgotten() -> None:
    spoken = Spoken()
    for number in range(CALLS_KEPT + 5):
        spoken.command(f"call_{number}_a", 1)
    assert len(spoken.stats()) == CALLS_KEPT and "call_0_a" not in spoken.stats()
