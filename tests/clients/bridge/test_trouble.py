"""A VPS that fails in every way: what the caller hears, and when the local brain gets the call."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from tests.clients.bridge.small import CALL, DEADLINE_S, small
from tests.clients.bridge.stand_in import Json, StandIn, acknowledge, documented, raw, reply, stand_in
from tests.clients.tiny_core import Json as Params
from tests.clients.tiny_core import Refused

PLEASE_WAIT = "One moment, please."
REPEAT = "I am sorry, could you say that again, please?"
PROBLEM = "I am sorry, we have a technical problem. Please say it once more."
GOODBYE = "I am sorry, I can't help you right now. Please call again later. Goodbye."


async def never(body: Json, before: int) -> web.StreamResponse:
    await asyncio.sleep(60)
    return reply(body)


def _as_many(vps: StandIn, what: str, count: int) -> bool:
    return len(vps.chunks if what == "chunks" else vps.ends) == count


async def test_what_was_said_is_asked_and_answered_and_told_to_the_core(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says("What time?")
        result = await on.core.wait_asked("stt.result")
        assert result == {
            "call_id": CALL, "turn": 1, "chunk": 1, "text": "tomorrow please", "final": True, "whole": True,
        }  # fmt: skip
        assert on.core.asked("call.claim") == [{"call_id": CALL, "speakers": ["http"]}]
        assert on.core.asked("call.configure")[0]["stt_engine"] == "remote"


async def test_the_end_signal_leaves_within_moments_of_the_end_of_the_turn(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        await on.call()
        for turn in range(1, 6):
            on.cut(turn, turn)
            await vps.wait(partial(_as_many, vps, "chunks", turn))
            on.core.moment("call.turn_resumed", call_id=CALL, turn=turn, at_ms=0)
            on.end(turn)
            await vps.wait(partial(_as_many, vps, "ends", turn))
        assert [body["chunk_number"] for body in vps.ends] == [1, 2, 3, 4, 5]
        assert len(set(vps.keys)) == 10


async def test_a_chunk_that_is_refused_travels_again_with_the_end_signal(tmp_path: Path) -> None:
    async def refuses_chunks(body: Json, before: int) -> web.StreamResponse:
        return reply(body) if body["end_sentence"] else raw("<h1>Internal Server Error</h1>", status=500)

    async with stand_in(behave=refuses_chunks) as vps, small(tmp_path, vps) as on:
        await on.call()
        probes = vps.probes
        on.cut()
        await vps.wait(lambda: vps.probes > probes)  # a failure makes the VPS suspect
        on.end()
        await on.says("What time?")
        [chunk], [end] = vps.chunks, vps.ends
        assert end["audio"] == chunk["audio"] and end["metadata"]["duration_ms"] == 1200
        assert end["metadata"]["type"] == "end_signal"


async def test_a_vps_that_replies_to_the_chunk_at_once_gets_no_end_signal(tmp_path: Path) -> None:
    async def shipped(body: Json, before: int) -> web.StreamResponse:
        return reply(body, text=f"Reply {before}.", words="yes")

    async with stand_in(behave=shipped) as vps, small(tmp_path, vps) as on:
        await on.call()
        on.cut()
        await on.core.wait_asked("stt.result")
        assert on.said() == [], "the caller may go on"
        on.end()
        await on.says("Reply 0.")
        on.cut(2, 2)
        on.end(2)
        await on.says("Reply 0.", "Reply 1.")
        assert len(vps.chunks) == 2 and vps.ends == []
        assert {params["text"] for params in on.core.asked("stt.result")} == {"yes"}


async def test_an_error_answer_says_its_fallback_and_the_talk_goes_on(tmp_path: Path) -> None:
    async def confused(body: Json, before: int) -> web.StreamResponse:
        if not body["end_sentence"] or len(vps.ends) > 1:
            return await documented(body, before)
        error = {"status": "error", "call_id": body["call_id"], "error": "no words", "fallback_response": "Pardon me?"}
        return web.json_response(error | {"continue": True})

    async with stand_in(behave=confused) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says("Pardon me?")
        await on.turn(2)
        await on.says("Pardon me?", "What time?")
        assert on.core.asked("brain.withdraw") == []


@pytest.mark.parametrize("wrong", ["html", "half", "whose", "limited", "array", "status", "huge", "moved"])
async def test_an_answer_that_is_none_is_asked_for_once_more(tmp_path: Path, wrong: str) -> None:
    async def at_first(body: Json, before: int) -> web.StreamResponse:
        if not body["end_sentence"]:
            return acknowledge(body)
        if before > 1:
            return reply(body)
        return {
            "html": raw("<html><body>Login</body></html>"),
            "half": raw('{"status": "success", "response": "Wrong', headers={"Connection": "close"}),
            "whose": reply(body | {"call_id": "call_1_other"}, text="Another caller's."),
            "limited": raw("slow down", status=429, headers={"Retry-After": "0"}),
            "array": raw("[1, 2]"),
            "status": raw('{"status": ["success"], "response": "Wrong"}'),
            "huge": raw('"' + "x" * 1_200_000 + '"'),
            "moved": raw("", status=302, headers={"Location": f"{vps.base}/elsewhere"}),
        }[wrong]

    async with stand_in(behave=at_first) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says("What time?")
        first, second = vps.ends
        assert (first["audio"], second["audio"]) == (None, None), "the chunk was acknowledged"
        assert vps.keys[1] == vps.keys[2] != vps.keys[0]


async def test_a_connection_that_breaks_in_the_answer_is_no_answer(tmp_path: Path) -> None:
    async def breaks(body: Json, before: int) -> web.StreamResponse:
        if not body["end_sentence"] or before > 1:
            return acknowledge(body) if not body["end_sentence"] else reply(body)
        answer = web.StreamResponse(headers={"Content-Length": "500", "Content-Type": "application/json"})
        await answer.prepare(vps.last_request)
        await answer.write(b'{"status": "success", "response": "Half of')
        assert vps.last_request.transport is not None
        vps.last_request.transport.abort()
        return answer

    async with stand_in(behave=breaks) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says("What time?")


async def test_a_turn_without_an_answer_is_asked_for_again_and_the_second_one_goes_to_the_local_brain(
    tmp_path: Path,
) -> None:
    async def nonsense(body: Json, before: int) -> web.StreamResponse:
        return raw("<html>") if body["end_sentence"] else acknowledge(body)

    async with stand_in(behave=nonsense) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says(REPEAT)
        assert on.core.asked("brain.withdraw") == []
        assert on.core.asked("stt.result")[-1]["text"] == ""
        await on.turn(2)
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        assert on.said() == [REPEAT]


async def test_an_unreachable_vps_gives_the_call_to_the_local_brain_at_once(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        await on.says("What time?")
        await vps.stop()
        began_s = on.awake.now_s
        on.cut(2, 2)
        on.end(2)
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        assert on.awake.now_s - began_s < 6.0
        methods = [method for method, _ in on.core.requests]
        words = max(at for at, method in enumerate(methods) if method == "stt.result")
        local = max(at for at, method in enumerate(methods) if method == "call.configure")
        assert words < local < methods.index("brain.withdraw"), (
            "the local recogniser hears before the local brain talks"
        )
        assert on.core.asked("call.configure")[-1] == {"call_id": CALL, "stt_engine": "local"}
        await on.state("offline")
        on.core.moment("call.claimed", call_id=CALL, holder="receptionist")
        on.cut(3, 3)
        on.end(3)
        on.core.fact("call.ended", call_id=CALL, direction="in", reason="remote_hangup")
        await vps.start()
        await on.state("online")
        assert len(on.core.asked("brain.register")) == 2
        assert on.said() == ["What time?"]
        assert len(vps.requests) == 2


async def test_a_caller_who_waits_is_asked_for_patience_and_then_the_local_brain_goes_on(tmp_path: Path) -> None:
    async with stand_in(behave=never) as vps, small(tmp_path, vps, brain={"max_silence_s": 2}) as on:
        await on.call()
        await on.turn()
        ended_s = on.awake.now_s
        await on.says(PLEASE_WAIT)
        assert on.awake.now_s - ended_s < 2.0
        on.core.moment("call.speaking", call_id=CALL, utterance=1, text=PLEASE_WAIT)
        on.core.fact("call.spoken", call_id=CALL, utterance=1, text=PLEASE_WAIT, completed=True)
        spoken_s = on.awake.now_s
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        assert on.awake.now_s - spoken_s < 2.5
        assert on.said() == [PLEASE_WAIT]


async def test_a_reply_that_is_late_is_said_after_the_request_for_patience(tmp_path: Path) -> None:
    asked_for_patience = asyncio.Event()

    async def late(body: Json, before: int) -> web.StreamResponse:
        if body["end_sentence"]:
            await asked_for_patience.wait()
            return reply(body)
        return acknowledge(body)

    async with stand_in(behave=late) as vps, small(tmp_path, vps, brain={"max_silence_s": 4}) as on:
        await on.call()
        await on.turn()
        await on.says(PLEASE_WAIT)
        on.core.moment("call.speaking", call_id=CALL, utterance=1, text=PLEASE_WAIT)
        asked_for_patience.set()
        await on.says(PLEASE_WAIT, "What time?")


async def test_without_another_brain_the_bridge_keeps_the_call_and_says_goodbye_after_three_lost_turns(
    tmp_path: Path,
) -> None:
    async with stand_in() as vps, small(tmp_path, vps, others=(), vps={"retry_within_s": 0.5}) as on:
        await on.call()
        await vps.stop()
        for turn, said in enumerate(([REPEAT], [REPEAT, PROBLEM], [REPEAT, PROBLEM, GOODBYE]), 1):
            on.cut(turn, turn)
            on.end(turn)
            await on.says(*said)
        assert (await on.core.wait_asked("call.hangup"))["after_speech"] is True
        assert on.core.asked("brain.withdraw") == []
        on.core.fact("call.ended", call_id=CALL, direction="in", reason="local_hangup")
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        await on.state("offline")


async def test_our_own_words_are_in_the_language_of_the_station(tmp_path: Path) -> None:
    config = {"language": "ro", "answer_after_rings": 1}
    brain = {"texts": {"ro": {"repeat": "Mai spuneți o dată."}}}
    async with stand_in(config=config) as vps, small(tmp_path, vps, others=(), brain=brain) as on:
        await on.call()
        await vps.stop()
        on.cut()
        on.end()
        await on.says("Mai spuneți o dată.")


async def test_the_call_ends_after_the_farewell(tmp_path: Path) -> None:
    async def farewell(body: Json, before: int) -> web.StreamResponse:
        return reply(body, text="Goodbye then.", go_on=False)

    async with stand_in(behave=farewell) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.turn()
        assert await on.core.wait_asked("call.hangup") == {"call_id": CALL, "after_speech": True}
        [speak] = on.core.asked("call.speak")
        assert speak == {"call_id": CALL, "text": "Goodbye then.", "interruptible": False}
        methods = [method for method, _ in on.core.requests]
        assert methods.index("call.speak") < methods.index("call.hangup")


async def test_a_core_that_has_no_audio_of_a_chunk_does_not_stop_the_talk(tmp_path: Path) -> None:
    def gone(params: Params) -> Params:
        raise Refused(-32004, "not_found", "There is no such chunk.")

    async def strict(body: Json, before: int) -> web.StreamResponse:
        return reply(body) if vps.chunks else reply(body, text="", words="")

    async with stand_in(behave=strict) as vps, small(tmp_path, vps, vps={"retry_within_s": 0.5}) as on:
        await on.call()
        audio, on.core.handlers["call.chunk_audio"] = on.core.handlers["call.chunk_audio"], gone
        on.cut()
        await on.core.wait_asked("call.chunk_audio")
        on.end()
        await on.says(REPEAT)
        on.core.handlers["call.chunk_audio"] = audio
        await on.turn(2)
        await on.says(REPEAT, "What time?")


async def test_an_end_signal_does_not_overtake_a_chunk_that_the_core_is_slow_to_give(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        await on.call()
        audio, ready = on.core.handlers["call.chunk_audio"], asyncio.Event()

        async def slow(params: Params) -> Params:
            await ready.wait()
            found: Params = audio(params)
            return found

        on.core.handlers["call.chunk_audio"] = slow
        on.cut()
        on.end()
        await on.core.wait_asked("call.chunk_audio")
        await asyncio.sleep(0.1)  # in which it would leave
        ready.set()
        await on.says("What time?")
        assert [body["end_sentence"] for _, body in vps.requests] == [False, True]


async def test_two_calls_at_once_do_not_mix(tmp_path: Path) -> None:
    async def echo(body: Json, before: int) -> web.StreamResponse:
        return reply(body, text=f"For {body['call_id']}.") if body["end_sentence"] else acknowledge(body)

    other = "call_1795246599_aaaa"
    async with stand_in(behave=echo) as vps, small(tmp_path, vps) as on:
        await on.call()
        await on.call(other)
        on.cut(call_id=other)
        on.cut()
        await vps.wait(lambda: len(vps.chunks) == 2)
        on.end(call_id=other)
        on.end()
        await on.core.wait_asked("call.speak", 2)
        said = {(params["call_id"], params["text"]) for params in on.core.asked("call.speak")}
        assert said == {(CALL, f"For {CALL}."), (other, f"For {other}.")}


async def test_a_call_of_another_brain_is_left_alone(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        on.ring("call_1_x", holder="receptionist")
        on.cut(call_id="call_1_x")
        await on.call()
        await on.turn()
        await on.says("What time?")
        assert {body["call_id"] for _, body in vps.requests} == {CALL}
        assert {params["call_id"] for params in on.core.asked("call.configure")} == {CALL}


async def test_after_a_broken_connection_calls_that_are_ours_go_on(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        await on.call()
        live = {"call_id": CALL, "state": "active", "number": "+447700900123", "holder": "bridge"}
        on.core.handlers["state.get"] = lambda _: {"seq": 0, "calls": [live], "lines": [], "clients": []}
        subscribed = len(on.core.asked("events.subscribe"))
        await on.core.drop()
        await on.core.wait_asked("events.subscribe", subscribed + 1, DEADLINE_S)
        await on.core.wait_for(lambda: any(peer.subscribed for peer in on.core.peers))
        assert len(on.core.asked("brain.register")) == 2
        await on.turn(4)
        await on.says("What time?")
