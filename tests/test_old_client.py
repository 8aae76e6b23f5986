"""A client of the old voice service on the legacy socket of a real core: its bytes, its answers, its four events."""

import asyncio
import json
from typing import Any

from tests.station import Station, station

NUMBER = "+447700900124"


class OldClient:
    """One request per connection, as the old voice-client did; events on a connection that never writes."""

    def __init__(self, made: Station) -> None:
        self._path = str(made.legacy_socket)

    async def ask(self, method: str, **params: Any) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            writer.write(len(text).to_bytes(4, "big") + text)
            answer = await read_frame(reader)
        finally:
            writer.close()
        assert answer["id"] == 1, "the first frame is the reply"
        return answer["result"] if "result" in answer else answer["error"]

    async def events(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._path)


async def read_frame(reader: asyncio.StreamReader) -> Any:
    async with asyncio.timeout(20):
        size = int.from_bytes(await reader.readexactly(4), "big")
        return json.loads(await reader.readexactly(size))


async def test_an_old_client_calls_speaks_hears_and_hangs_up() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await phone.expect_phrases(["please repeat that", "goodbye"])
        old = OldClient(made)
        reader, writer = await old.events()
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.3)
        started = await old.ask("call.start", user_id=NUMBER)
        assert started["status"] == "ringing"
        ringing = await read_frame(reader)
        assert ringing["method"] == "call.ringing" and "id" not in ringing
        assert ringing["params"] == {"call_id": started["call_id"], "user_id": NUMBER}
        connected = await read_frame(reader)
        assert connected["method"] == "call.connected" and connected["params"]["user_id"] == NUMBER
        spoken = await old.ask("call.speak", text="Hello.")
        assert spoken["status"] == "speaking"
        await watch.wait("call.spoken")
        status = await old.ask("call.status")
        assert status["active"] is True and status["state"] == "ACTIVE"
        await made.control("far.say", text="please repeat that", voice="en-gb-x-rp+f5")
        speech = await read_frame(reader)
        assert speech["method"] == "call.speech" and speech["params"]["text"] == "please repeat that"
        hung_up = await old.ask("call.hangup")
        assert hung_up["status"] == "ended" and hung_up["duration"] > 0
        ended = await read_frame(reader)
        assert ended["method"] == "call.ended" and ended["params"]["reason"] == "hangup"
        assert (await old.ask("call.hangup"))["error"] == "No active call"
        writer.close()


async def test_the_old_services_answers_keep_their_shapes() -> None:
    async with station(emulator=False) as made:
        old = OldClient(made)
        assert (await old.ask("health"))["status"] in ("ok", "failed")
        assert {"service", "version", "transport", "whisper_available", "call"} <= set(await old.ask("status"))
        assert (await old.ask("language.set", user_id=7, language="es"))["language_name"] == "Español"
        assert (await old.ask("language.get", user_id=7))["language"] == "es"
        made_file = await old.ask("synthesize", text="Hola", user_id=7)
        assert made_file["audio_path"].endswith(".ogg") and made_file["language"] == "es"
        assert (await old.ask("transcribe"))["code"] == -32000
        assert (await old.ask("no.such.method"))["code"] == -32601
