"""Calls from the outside: a real core, a real emulator, one socket; one test for each thing that can happen."""

import asyncio
import re
import resource
import signal
import sqlite3
import wave
from pathlib import Path

import pytest

import dialtone
from tests.station import Station, Watch, carried, station

NUMBER = "+447700900123"


async def active_call(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    """An incoming call, answered by policy, with its audio open."""
    await made.ready(phone)
    await made.control("call.incoming", number=NUMBER, ring_s=0.3)
    connected = await watch.wait("call.connected")
    await phone.call("call.speak", text="a", wait="spoken")
    return str(connected["call_id"])


async def hung_up(made: Station) -> None:
    """Until the modem has no call any more. What a core wrote to it before it ended is read a moment later."""
    async with asyncio.timeout(20):
        while (await made.control("modem.status"))["calls"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


def frames_on_disk(recording: Path) -> int:
    """As its header says; a reader may come in the middle of a write."""
    try:
        with wave.open(str(recording)) as wav:
            return int(wav.getnframes())
    except (EOFError, FileNotFoundError, wave.Error):
        return 0


async def test_an_incoming_call_is_announced_rung_answered_and_ended_with_an_audio_report() -> None:
    async with station(answer_after_rings=2) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.5)
        incoming = await watch.wait("call.incoming")
        assert incoming["number"] == NUMBER and incoming["line"] == "sim"
        assert re.fullmatch(r"call_\d{10}_[a-z2-7]{4}", incoming["call_id"])
        connected = await watch.wait("call.connected")
        assert connected["direction"] == "in"
        rings = [event.params["ring"] for event in watch.named("call.ring")]
        assert rings[:2] == [1, 2] and rings == sorted(set(rings)), "each ring once, though it comes on two ports"
        await phone.call("call.speak", text="Hello.", wait="spoken")
        await made.control("far.hangup")
        ended = await watch.wait("call.ended")
        assert ended["reason"] == "remote_hangup" and ended["call_id"] == incoming["call_id"]
        audio = ended["audio"]
        assert carried(audio) and audio["bytes_in"] > 0
        assert len(watch.named("call.incoming")) == len(watch.named("call.ended")) == 1
        record = await phone.call("call.get", call_id=ended["call_id"])
        assert record["reason"] == "remote_hangup" and record["number"] == NUMBER
        assert [turn["text"] for turn in record["turns"] if turn["role"] == "bot"] == ["Hello."]
        assert (await phone.call("call.list"))["calls"][0]["call_id"] == ended["call_id"]


async def test_a_withheld_number_is_said_to_be_withheld_and_a_call_nobody_answers_is_missed() -> None:
    async with station(answer_after_rings=5) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", withheld=True, ring_s=0.3, max_rings=2)
        incoming = await watch.wait("call.incoming")
        assert incoming["number"] is None
        missed = await watch.wait("call.missed")
        ended = await watch.wait("call.ended")
        assert missed["withheld"] and missed["rings"] >= 1 and ended["reason"] == "missed"
        assert len(watch.named("call.missed")) == 1


async def test_minus_one_rejects_and_a_blocked_number_is_rejected_whatever_the_policy() -> None:
    async with station(answer_after_rings=-1) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        assert (await watch.wait("call.ended"))["reason"] == "rejected"
        assert watch.named("call.missed") == [], "a call that was turned away was not missed"
    async with station('block = ["+4477*"]', answer_after_rings=1) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        assert (await watch.wait("call.ended"))["reason"] == "rejected"
        assert watch.named("call.connected") == []


async def test_an_outgoing_call_rings_is_answered_and_hung_up_and_its_facts_follow_the_reply() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.3)
        started = await phone.call("call.start", number="+44 7700 900-124")
        assert started["state"] == "dialing" and started["direction"] == "out"
        ringing = await watch.wait("call.ringing")
        assert ringing["seq"] == started["seq"]
        await watch.wait("call.alerting")
        await watch.wait("call.connected")
        assert (await phone.call("call.status"))["active"] is True
        with pytest.raises(dialtone.RpcError) as busy:
            await phone.call("call.start", number="+447700900125")
        assert busy.value.kind == "line_busy"
        over = await phone.call("call.hangup")
        assert over["state"] == "ended" and over["reason"] == "local_hangup"
        ended = await watch.wait("call.ended")
        assert ended["seq"] == over["seq"]
        assert (await phone.call("call.status"))["active"] is False


@pytest.mark.parametrize(
    ("outcome", "ceer"),
    [("busy", "User busy"), ("no_answer", "No answer from user"), ("no_carrier", "No route to destination")],
)
async def test_a_call_that_fails_says_why_in_the_networks_words(outcome: str, ceer: str) -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("dial.script", outcome=outcome, alert_after_s=0.1, answer_after_s=0.3, ceer=ceer)
        await phone.call("call.start", number=NUMBER)
        ended = await watch.wait("call.ended")
        assert ended["reason"] == outcome and ended["network_text"] == ceer


@pytest.mark.parametrize("number", ["123;", "12\rATD1", "**21*1#", "", "abc"])
async def test_what_is_not_dialable_never_reaches_the_modem(number: str) -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        before = (await made.control("modem.status"))["commands"]
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.start", number=number)
        assert refused.value.kind == "not_dialable" and (number not in str(refused.value) or number == "")
        status = await made.control("modem.status")
        assert status["calls"] == [] and status["commands"] - before < 20


async def refused_call(made: Station, phone: dialtone.Phone, number: str) -> dialtone.RpcError:
    """The error of call.start; the modem was not asked to dial."""
    with pytest.raises(dialtone.RpcError) as refused:
        await phone.call("call.start", number=number)
    assert (await made.control("modem.status"))["calls"] == []
    return refused.value


async def test_what_the_guard_refuses_is_not_dialled_and_the_error_names_the_rule() -> None:
    async with station('[guard]\ndeny = ["+4479*"]') as made, made.phone() as (phone, _):
        await made.ready(phone)
        for number, rule in (("07911 123456", "deny"), ("09061234567", "premium"), ("1410906 1234567", "premium")):
            refused = await refused_call(made, phone, number)
            assert refused.kind == "guard_refused" and refused.data["rule"] == rule and not refused.retry
            assert number not in str(refused)
        assert (await refused_call(made, phone, "112")).kind == "emergency_denied"
        assert (await phone.call("call.list"))["calls"] == []


async def test_in_a_dry_run_no_call_is_placed() -> None:
    async with station("[guard]\ndry_run = true") as made, made.phone() as (phone, _):
        await made.ready(phone)
        refused = await refused_call(made, phone, NUMBER)
        assert refused.kind == "guard_refused" and refused.data["rule"] == "dry_run"


async def test_calls_over_the_limit_are_refused_and_told_when_the_next_may_be_placed() -> None:
    async with station("[guard]\ncalls_per_hour = 1") as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await phone.call("call.start", number=NUMBER)
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        refused = await refused_call(made, phone, NUMBER)
        assert refused.kind == "limit" and refused.data["rule"] == "calls_per_hour"
        assert refused.retry and refused.retry_after_s is not None and 3000 < refused.retry_after_s <= 3600
        assert (await phone.call("guard.status"))["lines"][0]["calls_last_hour"] == 1


async def test_without_a_modem_a_call_is_refused_at_once_and_the_daemon_serves() -> None:
    async with station(emulator=False) as made, made.phone() as (phone, watch):
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.start", number=NUMBER, timeout_s=10.0)
        assert refused.value.kind == "modem_offline" and refused.value.retry
        assert (await phone.call("health"))["status"] == "failed"
        await made.start_emulator()
        await made.ready(phone)
        assert (await phone.call("health"))["status"] == "ok"


async def test_a_modem_pulled_in_mid_call_ends_it_at_once_and_comes_back() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await active_call(made, phone, watch)
        await made.control("usb.unplug")
        ended = await watch.wait("call.ended")
        assert ended["reason"] == "modem_lost"
        await watch.wait("modem.state", lambda params: params["state"] == "reconnecting")
        await watch.wait("modem.lost")
        with wave.open(ended["recording"]) as recording:
            assert recording.getnchannels() == 2 and recording.getnframes() > 0
        await made.control("usb.replug", renumber=True)
        await made.ready(phone)
        assert [event.name for event in watch.seen].count("call.ended") == 1


async def test_a_core_that_is_told_to_stop_hangs_up_removes_its_socket_and_exits_with_0() -> None:
    async with station() as made, made.phone() as (phone, watch):
        call_id = await active_call(made, phone, watch)
        assert await made.stop_core() == 0
        assert not made.socket.exists() and not made.legacy_socket.exists()
        await hung_up(made)
        with sqlite3.connect(made.dir / "dialtone.db") as db:
            row = db.execute("SELECT state, reason FROM calls WHERE call_id = ?", (call_id,)).fetchone()
        db.close()
        assert row == ("ended", "local_hangup")


async def test_a_killed_core_goes_on_with_its_numbers_and_closes_the_call_it_left_open() -> None:
    async with station() as made:
        async with made.phone() as (phone, watch):
            call_id = await active_call(made, phone, watch)
            before = (await phone.call("state.get"))["seq"]
            recording = Path((await phone.call("call.get", call_id=call_id))["recording"])
            async with asyncio.timeout(20):
                while frames_on_disk(recording) <= 8000:  # noqa: ASYNC110 - told about once a second
                    await asyncio.sleep(0.05)
            assert await made.stop_core(signal.SIGKILL) == -signal.SIGKILL
        assert frames_on_disk(recording) > 8000
        await made.start_core()
        async with dialtone.connect(made.socket, topics=["call.*"], since=before, wait_s=10) as phone:
            async for event in phone.events():
                if event.name == "call.ended":
                    assert event.params["reason"] == "core_restarted" and event.params["call_id"] == call_id
                    assert event.seq is not None and event.seq > before
                    break
            await made.ready(phone)
            await hung_up(made)  # the modem's own call, too


async def test_a_full_disk_costs_the_log_of_a_call_and_not_the_call() -> None:
    async with station(core=False) as made:
        made.log = Path("/dev/null")  # a log that is a file would be full, too
        await made.start_core()
        async with made.phone("*") as (phone, watch):
            await made.ready(phone)
            assert made.core is not None
            log_bytes = 64 << 20
            resource.prlimit(made.core.pid, resource.RLIMIT_FSIZE, (1, log_bytes))
            await made.control("call.incoming", number=NUMBER, ring_s=0.3)
            await watch.wait("call.level")
            spoken = phone.call("call.speak", text="Still here.", wait="spoken")
            assert (await spoken)["completed"]
            resource.prlimit(made.core.pid, resource.RLIMIT_FSIZE, (log_bytes, log_bytes))
            assert (await phone.call("call.speak", text="And here.", wait="spoken"))["completed"]
            await watch.wait("call.spoken", lambda params: params["text"] == "And here.")
            await phone.call("call.hangup")
            assert (await watch.wait("call.ended"))["reason"] == "local_hangup"


async def test_a_stop_does_not_wait_for_a_modem_that_went_mute() -> None:
    async with station() as made, made.phone() as (phone, watch):
        call_id = await active_call(made, phone, watch)
        await made.control("fault.set", kind="no_reply", times=1000)
        assert await made.stop_core() == 0
        with sqlite3.connect(made.dir / "dialtone.db") as db:
            row = db.execute("SELECT state, reason FROM calls WHERE call_id = ?", (call_id,)).fetchone()
        db.close()
        assert row == ("ended", "local_hangup")


async def test_a_call_that_nobody_answers_is_given_up_after_the_ring_timeout() -> None:
    async with station("ring_timeout_s = 5.0") as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=60)
        await phone.call("call.start", number=NUMBER)
        assert (await watch.wait("call.ended"))["reason"] == "no_answer"


async def test_a_call_that_was_to_ring_out_can_still_be_accepted_and_ends_as_any_other() -> None:
    async with station('reject_by = "ignore"', answer_after_rings=-1) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.incoming")
        assert (await phone.call("call.accept"))["state"] == "active"
        await made.control("far.hangup")
        assert (await watch.wait("call.ended"))["reason"] == "remote_hangup"


async def test_calls_swapped_at_once_keep_each_its_own_audio() -> None:
    async with station() as made, made.phone() as (phone, watch):
        first = await active_call(made, phone, watch)
        await made.control("call.incoming", number="+447700900999", ring_s=0.5)
        second = (await watch.wait("call.incoming", lambda params: params["waiting"]))["call_id"]
        await phone.call("call.accept", call_id=second)
        for taken, put_aside in ((first, second), (second, first), (first, second)):
            assert (await phone.call("call.swap"))["call"]["call_id"] == taken
            states = {call["call_id"]: call["state"] for call in (await phone.call("status"))["calls"]}
            assert states == {taken: "active", put_aside: "held"}
        assert (await phone.call("call.speak", call_id=first, text="Here.", wait="spoken"))["completed"]
        assert watch.named("call.audio_failed") == []


async def test_a_second_call_waits_and_can_be_taken_held_and_swapped() -> None:
    async with station() as made, made.phone() as (phone, watch):
        first = await active_call(made, phone, watch)
        await made.control("call.incoming", number="+447700900999", ring_s=0.5)
        waiting = await watch.wait("call.incoming", lambda params: params["waiting"])
        second = waiting["call_id"]
        accepted = await phone.call("call.accept", call_id=second)
        assert accepted["state"] == "active"
        await watch.wait("call.held", lambda params: params["call_id"] == first and params["held"])
        await phone.call("call.speak", call_id=second, text="Second.", wait="spoken")
        await phone.call("call.swap")
        await watch.wait("call.held", lambda params: params["call_id"] == first and not params["held"])
        spoken = await phone.call("call.speak", call_id=first, text="First again.", wait="spoken")
        assert spoken["completed"]
        await phone.call("call.hangup", call_id=second)
        assert (await watch.wait("call.ended"))["call_id"] == second
        assert (await phone.call("call.status", call_id=first))["call"]["state"] in ("active", "held")


async def test_a_hold_silences_us_and_taking_back_goes_on() -> None:
    async with station() as made, made.phone() as (phone, watch):
        call_id = await active_call(made, phone, watch)
        assert (await phone.call("call.hold"))["state"] == "held"
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.speak", text="x")
        assert refused.value.kind == "not_now"
        assert (await phone.call("call.resume_held", call_id=call_id))["state"] == "active"
        assert (await phone.call("call.speak", text="Back.", wait="spoken"))["completed"]


async def test_keys_are_heard_once_and_sent() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await active_call(made, phone, watch)
        await made.control("far.dtmf", digits="5500", how="both")
        await watch.wait("call.dtmf", count=4)
        await phone.call("call.dtmf", digits="12#")
        await asyncio.sleep(0.7)
        assert [event.params["digit"] for event in watch.named("call.dtmf")] == ["5", "5", "0", "0"]
        assert "".join((await made.control("modem.status"))["dtmf_sent"]) == "12#"


async def test_the_longest_call_is_ended_by_its_limit() -> None:
    async with station("max_duration_s = 1.5") as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.connected")
        assert (await watch.wait("call.ended"))["reason"] == "limit"


async def test_a_modem_that_refuses_audio_is_told_and_the_call_does_not_hang_for_ever() -> None:
    async with station("silence_limit_s = 0.5") as made, made.phone() as (phone, watch):
        await made.ready(phone)
        config = made.config.read_text().replace("lost_after_s = 1.0", "lost_after_s = 1.0\naudio_window_s = 4.0")
        made.config.write_text(config)
        await made.stop_core()
        await made.start_core()
        await phone.wait_connected(30)
        await made.ready(phone)
        await made.control("fault.set", kind="cpcmreg_refused", times=1000)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        failed = await watch.wait("call.audio_failed")
        assert failed["attempts"] > 1
        ended = await watch.wait("call.ended")
        assert ended["reason"] == "error" and ended["audio"]["verdict"] == "failed"


async def test_a_late_audio_port_is_reported_as_suspect() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("fault.set", kind="cpcmreg_refused", times=1)
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.connected")
        await phone.call("call.speak", text="Hello.", wait="spoken")
        await phone.call("call.hangup")
        audio = (await watch.wait("call.ended"))["audio"]
        assert audio["attempts"] == 2 and audio["verdict"] == "suspect"


async def test_numbers_and_speech_are_told_only_to_those_who_may_hear_them_and_never_logged() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await active_call(made, phone, watch)
        await phone.call("call.speak", text="The password is swordfish.", wait="spoken")
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        log = made.log.read_text()
    assert "call" in log and NUMBER not in log and "swordfish" not in log
