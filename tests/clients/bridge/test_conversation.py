"""Callers, a real core, the bridge and a VPS: conversations."""

import asyncio
import base64
from pathlib import Path

from aiohttp import web

import dialtone
from tests.clients.bridge.scene import NUMBER, scene
from tests.clients.bridge.stand_in import Json, documented, reply, stand_in


async def test_a_conversation_from_the_welcome_to_the_farewell_which_is_heard_before_the_call_ends(
    tmp_path: Path,
) -> None:
    async def two_turns(body: Json, before: int) -> web.StreamResponse:
        if len(vps.ends) == 2:
            return reply(body, text="Thank you and goodbye.", go_on=False)
        return await documented(body, before)

    config = {"language": "en-GB", "welcome_message": "Welcome.", "answer_after_rings": 1, "voice_settings": {}}
    async with stand_in(config=config, behave=two_turns) as vps, scene(tmp_path, vps) as on:
        call_id = await on.call_in()
        await on.hears("Welcome.")
        await on.say()
        await on.hears("What time?")
        [chunk], [end] = vps.chunks, vps.ends
        assert base64.b64decode(chunk.pop("audio"))[:4] == b"OggS" and chunk["metadata"].pop("timestamp") > 1.7e9
        assert chunk == {
            "call_id": call_id, "chunk_number": 1, "language": "en", "context": "bot: Welcome.", "caller_id": NUMBER,
            "end_sentence": False,
            "metadata": {"duration_ms": chunk["metadata"]["duration_ms"], "sample_rate": 8000},
        }  # fmt: skip
        assert end["metadata"].pop("timestamp") > 1.7e9 and end["metadata"].pop("silence_duration_ms") >= 600
        assert end == chunk | {"audio": None, "end_sentence": True, "metadata": {"type": "end_signal"}}
        assert len(set(vps.keys)) == 2 and None not in vps.keys
        speech = await on.watch.wait("call.speech")
        assert (speech["text"], speech["understood"], speech["engine"]) == ("tomorrow please", True, "remote")
        async with dialtone.connect(
            on.made.socket, name="http"
        ) as http:  # what the VPS says by itself comes from there
            assert (await http.speak("From the VPS.", call_id=call_id, wait="spoken"))["completed"]
        await on.say("at ten o'clock")
        assert (await on.hears("Thank you and goodbye."))["completed"]
        assert (await on.watch.wait("call.ended"))["reason"] == "local_hangup"
        told = [event.name for event in on.watch.seen if event.name in ("call.spoken", "call.ended")]
        assert told == [*["call.spoken"] * 4, "call.ended"]
        assert vps.ends[1]["context"] == "bot: Welcome.\ncaller: tomorrow please\nbot: What time?\nbot: From the VPS."
        assert on.bridge.rss_kib < 50 * 1024


async def test_a_caller_who_goes_on_has_both_chunks_sent_and_one_end_signal(tmp_path: Path) -> None:
    async with stand_in() as vps, scene(tmp_path, vps, core="[media]\nend_silence_ms = 1200\nadapt_end = false") as on:
        await on.call_in()
        await on.say("please book me")
        await asyncio.sleep(0.75)
        await on.say("for tomorrow morning")
        await on.hears("What time?")
        if (await on.watch.wait("call.turn_end"))["chunks"] == 2:  # else the machine was too busy to go on in time
            assert [body["chunk_number"] for body in vps.chunks] == [1, 2]
            assert [body["chunk_number"] for body in vps.ends] == [2]
            assert vps.chunks[0]["audio"] != vps.chunks[1]["audio"]
