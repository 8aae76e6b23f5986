"""The stand-in itself: what it answers, how it fails when told to, and what it does not let pass."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.vps import Mode, Turn, Vps, vps
from tests.vps.behaviour import Kind, Sequence, parse
from tests.vps.requests import NOTIFICATION, PHONE, SMS, chunk, end

METADATA = chunk()["metadata"]
KEY = {"Idempotency-Key": "1"}


class Asker:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, url: str, body: Any, timeout_s: float = 30.0) -> tuple[int, Any]:
        limit = aiohttp.ClientTimeout(timeout_s)
        async with self._session.post(url, json=body, headers=KEY, timeout=limit) as answer:
            data = await answer.read()
            return answer.status, await answer.json() if answer.content_type == "application/json" else data

    async def get(self, url: str, **query: str) -> Any:
        async with self._session.get(url, params=query) as answer:
            return await answer.json()


@pytest.fixture
async def ask() -> Any:
    async with aiohttp.ClientSession() as session:
        yield Asker(session)


async def test_a_chunk_is_acknowledged_and_the_end_signal_answered_from_the_script(ask: Asker) -> None:
    async with vps([Turn(transcription="labas", response="Laba diena", go_on=False)]) as server:
        status, answer = await ask.post(server.transcribe.url, chunk())
        assert (status, answer["status"], answer["chunk_received"]) == (200, "processing", 1)
        _, answer = await ask.post(server.transcribe.url, end())
        assert (answer["transcription"], answer["response"], answer["continue"]) == ("labas", "Laba diena", False)
        assert len(server.chunks) == len(server.ends) == 1


async def test_an_end_signal_that_is_sent_again_gets_the_same_answer_and_each_call_the_script_from_its_start(
    ask: Asker,
) -> None:
    async with vps([Turn(response="one"), Turn(response="two")]) as server:
        numbers = [end(1), end(1), end(3), end(1) | {"call_id": "call_1770000001_abcd"}]
        replies = [(await ask.post(server.transcribe.url, body))[1]["response"] for body in numbers]
        assert replies == ["one", "one", "two", "one"]


async def test_in_the_shipped_mode_a_chunk_is_answered_at_once(ask: Asker) -> None:
    async with vps([Turn(transcription="labas", response="Laba diena")], Mode.SINGLE) as server:
        _, answer = await ask.post(server.transcribe.url, chunk())
        assert (answer["status"], answer["response"]) == ("success", "Laba diena")
        assert (await ask.post(server.transcribe.url, end()))[1]["status"] == "error"


async def test_an_error_has_the_documented_fallback(ask: Asker) -> None:
    async with vps([Turn(error="no model", response="Sorry?")]) as server:
        _, answer = await ask.post(server.transcribe.url, end())
        assert (answer["status"], answer["fallback_response"], answer["continue"]) == ("error", "Sorry?", True)


async def test_the_voice_configuration_comes_with_its_key_only_when_asked_for(ask: Asker) -> None:
    async with vps() as server:
        assert server.config is not None
        server.config |= {"tts_secret_key": "s3", "answer_after_rings": -1}
        url = server.voice_config.url
        assert "tts_secret_key" not in (await ask.get(url, ip="10.100.0.11"))["data"]
        answer = await ask.get(url, ip="10.100.0.11", include_key="1")
        assert (answer["data"]["tts_secret_key"], answer["data"]["answer_after_rings"]) == ("s3", -1)
        server.config = None
        assert await ask.get(url) == {"success": False, "error": "No configuration found", "data": None}


async def test_all_documented_requests_are_recorded_and_pass(ask: Asker) -> None:
    async with vps() as server:
        for url, body in ((server.phone.url, PHONE), (server.sms.url, SMS), (server.notify.url, NOTIFICATION)):
            assert (await ask.post(url, body))[0] == 200
        await ask.post(server.transcribe.url, chunk(1, 1210))
        with_audio = chunk()["audio"]
        metadata = end()["metadata"] | {"duration_ms": 600, "sample_rate": 8000}
        await ask.post(server.transcribe.url, end(audio=with_audio, metadata=metadata))
        assert [one.endpoint for one in server.requests] == ["phone", "sms", "notify", "transcribe", "transcribe"]
        assert server.requests[1].key == "1" and server.requests[1].accepted


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("transcribe", chunk(audio="bm8="), "no Ogg Opus"),
        ("transcribe", chunk(audio="no base64!"), "no base64"),
        ("transcribe", chunk(2, metadata=METADATA | {"duration_ms": 900}), "lasts 600"),
        ("transcribe", chunk(metadata=METADATA | {"sample_rate": 16000}), "8000 Hz"),
        ("transcribe", chunk(0), "chunk_number"),
        ("transcribe", chunk(context="labas"), "context"),
        ("transcribe", chunk(context="\n".join(["bot: a"] * 6)), "context"),
        ("transcribe", {name: value for name, value in end().items() if name != "end_sentence"}, "end_sentence"),
        ("transcribe", end(metadata={"timestamp": 1.5}), "timestamp"),
        ("phone", PHONE | {"event": "ringing"}, "event"),
        ("phone", {name: value for name, value in PHONE.items() if name != "data"}, "data"),
        ("sms", SMS | {"received": "2026-02-07T09:44:31Z"}, "received"),
        ("notify", NOTIFICATION | {"severity": "success"}, "severity"),
        ("notify", NOTIFICATION | {"hostname": "gateway-a"}, "hostname"),
        ("notify", [], "object"),
    ],
)  # fmt: skip
async def test_what_is_not_as_documented_fails_the_test(ask: Asker, name: str, body: Any, told: str) -> None:
    with pytest.raises(AssertionError, match="not as documented") as problem:
        async with vps() as server:
            await ask.post(server.endpoint(name).url, body)
    assert told in str(problem.value)
    assert "T2dnUw" not in str(problem.value), "audio does not fill the screen"


async def test_a_fact_without_a_key_fails_the_test_unless_keys_are_not_asked_for(ask: Asker) -> None:
    for keys in (True, False):
        async with vps(check=False, keys=keys) as server, aiohttp.ClientSession() as session:
            async with session.post(server.sms.url, json=SMS) as answer:
                assert answer.status == 200
            assert server.violations == (["sms: no Idempotency-Key"] if keys else [])


async def test_an_endpoint_fails_in_the_order_it_was_told_and_the_last_word_stays(ask: Asker) -> None:
    async with vps() as server:
        server.sms.behave("500*2", "ok", "404")
        assert [(await ask.post(server.sms.url, SMS))[0] for _ in range(5)] == [500, 500, 200, 404, 404]
        assert [one.accepted for one in server.requests] == [False, False, True, False, False]
        server.sms.behave()
        assert (await ask.post(server.sms.url, SMS))[0] == 200


async def test_429_says_when_to_come_again(ask: Asker) -> None:
    async with vps() as server, aiohttp.ClientSession() as session:
        server.sms.behave("429:7")
        async with session.post(server.sms.url, json=SMS, headers=KEY) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_html_half_a_body_and_another_calls_answer(ask: Asker) -> None:
    async with vps() as server:
        server.transcribe.behave("html", "wrong_call_id", "half")
        status, page = await ask.post(server.transcribe.url, end())
        assert status == 200 and b"<html>" in page
        _, answer = await ask.post(server.transcribe.url, end())
        assert answer["call_id"] != end()["call_id"] and answer["status"] == "success"
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask.post(server.transcribe.url, end())
        assert server.requests[-1].status is None


async def test_late_hanging_and_broken_requests(ask: Asker) -> None:
    async with vps() as server:
        server.transcribe.behave("late:0.3", "hang", "reset")
        began_s = time.monotonic()
        assert (await ask.post(server.transcribe.url, end()))[0] == 200
        assert time.monotonic() - began_s >= 0.3
        async with asyncio.TaskGroup() as tasks:
            hanging = tasks.create_task(ask.post(server.transcribe.url, end()))
            await server.wait("transcribe", count=2)
            assert not (await asyncio.wait({hanging}, timeout=0.3))[0]
            hanging.cancel()
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask.post(server.transcribe.url, end())


async def test_chunks_and_end_signals_may_fare_differently(ask: Asker) -> None:
    async with vps() as server:
        server.transcribe.behave("500", of="chunk")
        server.transcribe.behave("ok", "503", of="end")
        statuses = [(await ask.post(server.transcribe.url, body))[0] for body in (chunk(), end(), chunk(2), end(2))]
        assert statuses == [500, 200, 500, 503]


async def _state(server: Vps, ask: Asker) -> bool:
    try:
        return (await ask.post(server.sms.url, SMS))[0] == 200
    except aiohttp.ClientConnectionError:
        return False


async def _until(server: Vps, ask: Asker, up: bool) -> None:
    async with asyncio.timeout(30):
        while await _state(server, ask) is not up:  # noqa: ASYNC110 - a port opens or closes
            await asyncio.sleep(0.01)


async def test_a_refusing_endpoint_breaks_its_connections_keeps_its_port_and_comes_back(ask: Asker) -> None:
    async with vps() as server:
        assert await _state(server, ask)
        server.sms.behave("refuse")
        await _until(server, ask, up=False)
        assert (await ask.post(server.phone.url, PHONE))[0] == 200, "the others are not concerned"
        began_s = time.monotonic()
        server.sms.behave("refuse:0.4", "ok")
        await _until(server, ask, up=True)
        assert time.monotonic() - began_s >= 0.4
        server.sms.behave("refuse")
        await _until(server, ask, up=False)
        server.sms.behave("ok")
        await _until(server, ask, up=True)


async def test_after_its_turn_a_request_may_start_an_outage(ask: Asker) -> None:
    async with vps() as server:
        server.sms.behave("ok", "refuse")
        assert await _state(server, ask)
        await _until(server, ask, up=False)
        server.sms.behave("ok", "refuse:0.2", "404")
        await _until(server, ask, up=True)
        async with asyncio.timeout(30):
            while server.requests[-1].status != 404:
                await _state(server, ask)
                await asyncio.sleep(0.01)


async def test_a_flapping_endpoint_comes_and_goes(ask: Asker) -> None:
    async with vps() as server:
        server.sms.behave("flap:0.2")
        for up in (False, True, False, True):
            await _until(server, ask, up=up)


async def test_a_probe_takes_no_word_from_the_sequence_and_sees_the_same_trouble(ask: Asker) -> None:
    async with vps() as server, aiohttp.ClientSession() as session:
        server.transcribe.behave("503", "ok")
        async with session.head(server.transcribe.origin) as answer:
            assert answer.status == 503
        assert server.requests == []
        assert (await ask.post(server.transcribe.url, end()))[0] == 503
        assert (await ask.get(server.transcribe.origin + "/api/health")) == {"status": "ok"}


@pytest.mark.parametrize("word", ["okay", "late", "late:x", "99", "600", "500:3", "ok:1", "ok*0", "status", "flap", ""])
def test_a_word_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(ValueError):
        parse(word)


def test_a_timed_outage_ends_in_what_follows_it() -> None:
    sequence = Sequence(["ok", "refuse:1"])
    assert sequence.take().kind is Kind.OK
    assert sequence.take().kind is sequence.take().kind is Kind.REFUSE
    sequence.outage_over()
    assert sequence.head.kind is Kind.OK


async def test_the_program_plays_a_script_and_says_what_was_wrong(ask: Asker, tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[behave]\nsms = ["ok", "500"]\n[[turn]]\nresponse = "Labas"\ncontinue = false\n')
    command = [sys.executable, "-m", "tests.vps", "--script", str(script)]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
    assert process.stdout is not None
    addresses: dict[str, str] = {}
    async with asyncio.timeout(40):
        while (text := (await process.stdout.readline()).decode().strip()) or not addresses:
            name, _, value = text.partition(" = ")
            if value:
                addresses[name] = value.strip('"')
    assert [(await ask.post(addresses["sms_url"], SMS))[0] for _ in range(2)] == [200, 500]
    _, answer = await ask.post(addresses["transcribe_url"], end())
    assert (answer["response"], answer["continue"]) == ("Labas", False)
    await ask.post(addresses["notify_url"], {})
    process.send_signal(signal.SIGTERM)
    out, errors = await process.communicate()
    assert process.returncode == 1
    assert "transcribe end 1 -> ok" in out.decode() and "+37060000000" not in out.decode()
    assert "not as documented: notify" in errors.decode()


@pytest.mark.parametrize(
    "text", ['[behave]\nsms = ["nonsense"]', "[[turn]]\nanswer = 1", "mode = 3", "[behave]\nx = []"]
)
def test_a_wrong_script_is_one_line(text: str, tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "script.toml"
    script.write_text(text)
    command = [sys.executable, "-m", "tests.vps", "--script", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
