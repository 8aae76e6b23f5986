"""Sending, end to end: a client on the core's socket, the core, and the emulated modem with its network."""

import asyncio
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

import dialtone
from tests.station import Station, Watch, station

TO = "+447700900123"
OTHER = "+447700900456"
FAST = "[sms]\nretry_s = [0.3, 0.6]\n"
DOUBT = FAST + "answer_timeout_s = 4\n"
"""Answers get lost; those that do come have time to, on a machine that stands still for a moment as well."""


async def report_on(made: Station, *texts: str) -> None:
    """The network tells that these arrived; it does not by itself after report={"mode": "none"}."""
    for each in (await made.control("sms.sent"))["decoded"]:
        if each["text"] in texts:
            await made.control("sms.report", reference=each["reference"], to=each["to"])


async def sent_texts(made: Station) -> list[tuple[str, str]]:
    """What the network has: (to, text) of each part, oldest first."""
    found = await made.control("sms.sent")
    return [(each["to"], each["text"]) for each in found["decoded"]]


def states(watch: Watch, message_id: str) -> list[str]:
    return [e.params["state"] for e in watch.named("sms.status") if e.params["message_id"] == message_id]


async def until(watch: Watch, message_id: str, *wanted: str, timeout_s: float = 20.0) -> dict[str, Any]:
    return await watch.wait(
        "sms.status", lambda p: p["message_id"] == message_id and p["state"] in wanted, timeout_s=timeout_s
    )


async def kind_of(phone: dialtone.Phone, method: str, **params: Any) -> str:
    with pytest.raises(dialtone.RpcError) as refused:
        await phone.call(method, **params)
    return str(refused.value.kind)


async def test_a_message_is_queued_sent_and_arrives_as_it_was_written() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        answer = await phone.call("sms.send", to="+44 7700-900123", text="Grüße: {€} [1]")
        assert (answer["state"], answer["number"], answer["encoding"], answer["parts"]) == ("queued", TO, "gsm7", 1)
        await until(watch, answer["message_id"], "sent")
        assert states(watch, answer["message_id"]) == ["queued", "sending", "sent"]
        assert await sent_texts(made) == [(TO, "Grüße: {€} [1]")]
        kept = await phone.call("sms.get", message_id=answer["message_id"])
        assert kept["state"] == "sent" and kept["sent_at"] and kept["attempts"] == 1


async def test_a_long_text_with_emoji_goes_in_parts_and_is_delivered_when_all_are() -> None:
    text = "Labas! 🎉" * 20
    async with station() as made, made.phone("sms.*") as (phone, watch):
        answer = await phone.call("sms.send", to=TO, text=text, report=True)
        assert answer["encoding"] == "ucs2" and answer["parts"] > 2
        done = await until(watch, answer["message_id"], "delivered")
        assert done["parts_delivered"] == answer["parts"]
        assert "".join(text for _, text in await sent_texts(made)) == text
        assert {e.params["outcome"] for e in watch.named("sms.report")} == {"delivered"}


async def test_the_same_client_ref_is_the_same_message_and_other_content_is_refused() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        first = await phone.call("sms.send", to=TO, text="once", client_ref="door-1")
        again = await phone.call("sms.send", to=TO, text="once", client_ref="door-1")
        assert again["message_id"] == first["message_id"]
        assert await kind_of(phone, "sms.send", to=TO, text="twice", client_ref="door-1") == "ref_taken"
        await until(watch, first["message_id"], "sent")
        await made.stop_core(signal.SIGKILL)
        await made.start_core()
        async with made.phone("sms.*") as (phone_after, _):
            after = await phone_after.call("sms.send", to=TO, text="once", client_ref="door-1")
            assert (after["message_id"], after["state"]) == (first["message_id"], "sent")
        assert len(await sent_texts(made)) == 1


async def test_a_refusal_for_good_fails_at_once_with_the_networks_number() -> None:
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", refuse={"times": 1, "cms": 1})
        answer = await phone.call("sms.send", to=TO, text="x")
        failed = await until(watch, answer["message_id"], "failed")
        assert (failed["cms"], failed["reason"], failed["attempts"]) == (1, "network_refused", 1)
        assert await sent_texts(made) == []


async def test_a_recipient_that_is_refused_for_now_waits_while_others_go_on() -> None:
    async with station(FAST) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", refuse={"times": 2, "cms": 27, "to": TO})
        bad = await phone.call("sms.send", to=TO, text="first")
        await watch.wait("sms.status", lambda p: p["message_id"] == bad["message_id"] and p["next_try_at"])
        held = await phone.call("sms.send", to=TO, text="second")
        assert held["reason"] == "recipient_backoff" and held["next_try_at"]
        good = await phone.call("sms.send", to=OTHER, text="third")
        await until(watch, good["message_id"], "sent")
        await until(watch, bad["message_id"], "sent")
        await until(watch, held["message_id"], "sent")
        assert [text for _, text in await sent_texts(made)][0] == "third"


async def test_no_network_holds_the_line_back_and_counts_against_no_message() -> None:
    async with station(FAST) as made, made.phone("sms.*", "alarm.*") as (phone, watch):
        await made.ready(phone)
        await made.control("sms.network", refuse={"times": 1, "cms": 330})
        answer = await phone.call("sms.send", to=TO, text="x")
        again = await watch.wait("sms.status", lambda p: p["reason"] == "smsc_missing")
        assert again["state"] == "queued"
        await watch.wait("alarm.raised", lambda p: p["alarm"] == "smsc_missing.sim")
        await until(watch, answer["message_id"], "sent")
        await watch.wait("alarm.cleared", lambda p: p["alarm"] == "smsc_missing.sim")
        assert (await phone.call("status"))["alarms"] == []


async def test_a_message_without_an_answer_is_unknown_is_not_repeated_and_holds_up_nobody() -> None:
    async with station(DOUBT) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True})
        lost = await phone.call("sms.send", to=TO, text="lost")
        unknown = await until(watch, lost["message_id"], "unknown")
        assert unknown["reason"] == "no_answer"
        later = await phone.call("sms.send", to=OTHER, text="next")
        await until(watch, later["message_id"], "sent")
        assert [text for _, text in await sent_texts(made)] == ["lost", "next"]
        assert states(watch, lost["message_id"]) == ["queued", "sending", "unknown"]
        assert (await phone.call("sms.queue"))["lines"][0]["unknown"] == 1


async def test_a_report_clears_up_the_only_unknown_message_to_its_recipient() -> None:
    async with station(DOUBT) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True}, report={"mode": "none"})
        lost = await phone.call("sms.send", to=TO, text="lost", report=True)
        await until(watch, lost["message_id"], "unknown")
        await report_on(made, "lost")
        await until(watch, lost["message_id"], "delivered")
        assert states(watch, lost["message_id"])[-2:] == ["sent", "delivered"]
        assert len(await sent_texts(made)) == 1


async def test_a_report_leaves_two_unknown_messages_to_one_recipient_unknown() -> None:
    async with station(DOUBT) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 2, "sent": True}, report={"mode": "none"})
        both = [await phone.call("sms.send", to=TO, text=text, report=True) for text in ("a", "b")]
        for each in both:
            await until(watch, each["message_id"], "unknown")
        await report_on(made, "a", "b")
        report = await watch.wait("sms.report", count=2)
        assert report["message_id"] is None
        for each in both:
            assert (await phone.call("sms.get", message_id=each["message_id"]))["state"] == "unknown"


async def test_a_person_decides_about_an_unknown_message() -> None:
    async with station(DOUBT) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 3, "sent": False})
        ids = [(await phone.call("sms.send", to=TO, text=text))["message_id"] for text in ("a", "b", "c")]
        for each in ids:
            await until(watch, each, "unknown")
        assert (await phone.call("sms.resolve", message_id=ids[0], outcome="sent"))["state"] == "sent"
        assert (await phone.call("sms.resolve", message_id=ids[1], outcome="failed"))["state"] == "failed"
        await phone.call("sms.resolve", message_id=ids[2], outcome="resend")
        await until(watch, ids[2], "sent")
        assert await kind_of(phone, "sms.resolve", message_id=ids[2], outcome="failed") == "not_now"
        assert [text for _, text in await sent_texts(made)] == ["c"]


async def test_who_allows_it_gets_a_resend_and_is_told_of_the_doubt_first() -> None:
    async with station(DOUBT) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True})
        answer = await phone.call("sms.send", to=TO, text="alarm!", on_unknown="resend")
        await until(watch, answer["message_id"], "sent")
        assert states(watch, answer["message_id"]) == ["queued", "sending", "unknown", "queued", "sending", "sent"]
        assert len(await sent_texts(made)) == 2


async def test_an_answer_that_comes_late_clears_it_up() -> None:
    async with station(FAST + "answer_timeout_s = 1.5\n") as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", late_answer_s=6.0)
        answer = await phone.call("sms.send", to=TO, text="slow")
        await until(watch, answer["message_id"], "unknown")
        await until(watch, answer["message_id"], "sent")
        assert len(await sent_texts(made)) == 1


async def test_a_core_killed_between_hand_over_and_answer_reports_the_message_as_unknown() -> None:
    async with station() as made:
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone)
            await made.control("sms.network", delay_s=30.0)
            answer = await phone.call("sms.send", to=TO, text="in flight")
            await until(watch, answer["message_id"], "sending")
            await asyncio.sleep(0.5)
            await made.stop_core(signal.SIGKILL)
        await made.start_core()
        async with made.phone("sms.*") as (phone, _):
            async with asyncio.timeout(30):  # the socket is there before the queue has looked at what was left
                while True:
                    found = await phone.call("sms.get", message_id=answer["message_id"])
                    if found["state"] != "sending":
                        break
                    await asyncio.sleep(0.1)
            assert (found["state"], found["reason"]) == ("unknown", "core_restarted")


async def test_what_is_accepted_while_the_modem_is_away_is_sent_when_it_is_back() -> None:
    async with station() as made, made.phone("sms.*", "modem.*") as (phone, watch):
        await made.ready(phone)
        await made.control("usb.unplug")
        await watch.wait("modem.state", lambda p: p["state"] in ("reconnecting", "offline"))
        answer = await phone.call("sms.send", to=TO, text="later")
        assert answer["state"] == "queued"
        await made.control("usb.replug", renumber=True)
        await until(watch, answer["message_id"], "sent", timeout_s=30)


async def test_time_and_priority_decide_what_goes_and_a_queued_one_can_be_taken_back() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await made.control("sms.network", delay_s=6.0)
        first = await phone.call("sms.send", to=TO, text="busy")
        await until(watch, first["message_id"], "sending")
        low = await phone.call("sms.send", to=TO, text="low", priority="low")
        high = await phone.call("sms.send", to=TO, text="high", priority="high")
        future = await phone.call("sms.send", to=TO, text="next year", send_at="2099-01-01T00:00:00+02:00")
        assert future["send_at"] == "2098-12-31T22:00:00.000Z"
        assert (await phone.call("sms.cancel", message_id=future["message_id"]))["state"] == "cancelled"
        assert states(watch, first["message_id"])[-1] == "sending", "all the others were queued meanwhile"
        await made.control("sms.network", delay_s=0.0)
        for each in (first, high, low):
            await until(watch, each["message_id"], "sent")
        assert [text for _, text in await sent_texts(made)] == ["busy", "high", "low"]
        assert await kind_of(phone, "sms.cancel", message_id=low["message_id"]) == "not_now"


async def test_a_message_whose_time_is_over_is_never_sent() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await made.ready(phone)
        await made.control("radio.set", registered=False)
        soon = (await phone.call("health"))["timestamp"]
        at = f"{soon[:-5]}"  # to the second
        answer = await phone.call("sms.send", to=TO, text="stale", expires_at=_plus(at, 6))
        expired = await until(watch, answer["message_id"], "expired")
        assert expired["reason"] == "too_late"
        await made.control("radio.set", registered=True)
        assert await sent_texts(made) == []


async def test_flash_binary_ports_and_validity_reach_the_network() -> None:
    async with station() as made, made.phone("sms.*") as (phone, watch):
        await phone.call("sms.send", to=TO, text="flash", message_class=0)
        last = await phone.call(
            "sms.send", to="80123", data="AQID", destination_port=2948, source_port=9200, validity_s=3600
        )
        await until(watch, last["message_id"], "sent")
        flash, data = (await made.control("sms.sent"))["decoded"]
        assert flash["message_class"] == 0
        assert (data["data"], data["to"]) == ("010203", "80123")
        assert data["ports"] == {"destination": 2948, "source": 9200}


async def test_the_guard_and_wrong_input_answer_with_typed_errors_and_nothing_is_sent() -> None:
    toml = '[guard]\ndeny = ["+4477009001*"]\nregion = "GB"\nsms_per_hour = 1\n[sms]\nmax_parts = 2\n'
    async with station(toml) as made, made.phone("sms.*") as (phone, watch):
        assert await kind_of(phone, "sms.send", to=TO, text="x") == "guard_refused"
        assert await kind_of(phone, "sms.send", to="+449098790123", text="x") == "guard_refused"
        for to in ("**21*1#", "abc", "", "+", "1\r\nAT"):
            assert await kind_of(phone, "sms.send", to=to, text="x") == "not_dialable"
        assert await kind_of(phone, "sms.send", to="112", text="x") == "emergency_denied"
        assert await kind_of(phone, "sms.send", to=OTHER, text="") == "invalid_params"
        assert await kind_of(phone, "sms.send", to=OTHER) == "invalid_params"
        assert await kind_of(phone, "sms.send", to=OTHER, text="x", data="AA==") == "invalid_params"
        assert await kind_of(phone, "sms.send", to=OTHER, data="not base64") == "invalid_params"
        assert await kind_of(phone, "sms.send", to=OTHER, text="x" * 400) == "too_long"
        assert await kind_of(phone, "sms.send", to=OTHER, text="x", send_at="tomorrow") == "invalid_params"
        assert await kind_of(phone, "sms.send", to=OTHER, text="x", line="nope") == "not_found"
        dry = await phone.call("sms.send", to=OTHER, text="would you?", dry_run=True)
        assert (dry["state"], dry["reason"], dry["dry_run"]) == ("cancelled", "dry_run", True)
        ok = await phone.call("sms.send", to=OTHER, text="one")
        await until(watch, ok["message_id"], "sent")
        assert await kind_of(phone, "sms.send", to=OTHER, text="two") == "limit"
        assert [text for _, text in await sent_texts(made)] == ["one"]


async def test_a_message_goes_out_during_a_call_and_the_hang_up_does_not_wait_for_it() -> None:
    async with station(answer_after_rings=1) as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=OTHER)
        await watch.wait("call.connected")
        await made.control("sms.network", delay_s=8.0)
        answer = await phone.call("sms.send", to=TO, text="I'm on the phone")
        await until(watch, answer["message_id"], "sending")
        await phone.call("call.hangup")
        ended = await watch.wait("call.ended")
        sent = await until(watch, answer["message_id"], "sent")
        assert ended["seq"] < sent["seq"]


def _plus(at: str, seconds: int) -> str:
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(at + "+00:00") + timedelta(seconds=seconds)).isoformat()


async def test_the_limit_per_minute_paces_the_queue_and_refuses_nobody() -> None:
    async with station("[guard]\nsms_per_minute = 2\n") as made, made.phone("sms.*") as (phone, watch):
        ids = [(await phone.call("sms.send", to=TO, text=text))["message_id"] for text in ("a", "b", "c")]
        await until(watch, ids[1], "sent")
        await asyncio.sleep(2.0)  # nothing tells that nothing happens
        assert states(watch, ids[2]) == ["queued"]
        assert [text for _, text in await sent_texts(made)] == ["a", "b"]


async def test_parts_that_a_modem_can_t_take_go_as_numbered_messages() -> None:
    async with station('[sms]\nsplit_ucs2 = "numbered"\n') as made, made.phone("sms.*") as (phone, watch):
        answer = await phone.call("sms.send", to=TO, text="Ačiū, kad rašote. " * 6)
        plain = await phone.call("sms.send", to=TO, text="x" * 200)
        await until(watch, answer["message_id"], "sent")
        await until(watch, plain["message_id"], "sent")
        found = (await made.control("sms.sent"))["decoded"]
        numbered = [each for each in found if each["encoding"] == "ucs2"]
        assert [each["text"][:4] for each in numbered] == ["1/2 ", "2/2 "]
        assert all(each["concat"] is None for each in numbered)
        assert all(each["concat"] is not None for each in found if each["encoding"] == "gsm7")


async def test_the_network_tries_no_longer_than_the_message_is_of_use_however_long_it_waited_here() -> None:
    async with station() as made:
        async with made.phone("sms.*") as (phone, _):
            await made.ready(phone)
            await made.control("radio.set", registered=False)
            async with asyncio.timeout(20):
                while (await phone.call("sms.queue"))["lines"][0]["can_send"]:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.05)
            at = (await phone.call("health"))["timestamp"][:-5]
            answer = await phone.call("sms.send", to=TO, text="soon stale", expires_at=_plus(at, 36_000))
            await made.stop_core()
        with (
            closing(sqlite3.connect(made.dir / "dialtone.db")) as store,
            store,
        ):  # as if nine and a half hours had passed
            store.execute("UPDATE messages SET expires_at = ?", (_plus(at, 1500).replace("+00:00", ".000Z"),))
        await made.control("radio.set", registered=True)
        await made.start_core()
        async with made.phone("sms.*") as (phone, watch):
            async with asyncio.timeout(30):
                while True:
                    if (await phone.call("sms.get", message_id=answer["message_id"]))["state"] == "sent":
                        break
                    await asyncio.sleep(0.1)
        (sent,) = (await made.control("sms.sent"))["decoded"]
        assert relative_minutes(sent["validity"]) <= 30, sent["validity"]


def relative_minutes(octet: str) -> int:
    """TP-VP of one octet up to 143 (TS 23.040 §9.2.3.12.1): steps of five minutes."""
    value = int(octet, 16)
    assert value <= 143
    return (value + 1) * 5
