"""What becomes of messages when answers and reports come late, early, twice or not at all."""

import asyncio
import signal
from typing import Any

from core.clock import rfc3339, unix_s
from tests.station import station
from tests.test_sms_send import TO, kind_of, report_on, sent_texts, states, until

ANSWER_LOST = "[sms]\nanswer_timeout_s = 1.5\n"


async def test_a_report_saves_the_recipient_the_second_copy_that_its_sender_allowed() -> None:
    async with station(ANSWER_LOST + "retry_s = [8.0]\n") as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True}, report={"mode": "none"})
        lost = await phone.call("sms.send", to=TO, text="alarm!", report=True, on_unknown="resend")
        again = await watch.wait("sms.status", lambda p: p["state"] == "queued" and p["reason"] == "no_answer")
        await report_on(made, "alarm!")
        await until(watch, lost["message_id"], "delivered")
        assert states(watch, lost["message_id"])[2:] == ["unknown", "queued", "sent", "delivered"]
        while rfc3339(unix_s() - 1.0) < again["next_try_at"]:  # noqa: ASYNC110 - until the second copy would have gone
            await asyncio.sleep(0.2)
        assert len(await sent_texts(made)) == 1


async def test_a_repeated_client_ref_is_answered_whatever_has_changed_since() -> None:
    async with station() as made:
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone)
            soon = rfc3339(unix_s() + 10)
            wanted: dict[str, Any] = {"to": TO, "text": "once", "client_ref": "door-2", "expires_at": soon}
            first = await phone.call("sms.send", **wanted)
            await until(watch, first["message_id"], "sent")
        await made.stop_core()
        made.config.write_text(
            f'{made.config.read_text()}\n[guard]\ndeny = ["{TO}"]\nsms_per_day = 1\ndry_run = true\n'
        )
        await made.start_core()
        async with made.phone("sms.*") as (phone, _):
            assert await kind_of(phone, "sms.send", to=TO, text="twice", client_ref="door-3") == "guard_refused"
            while rfc3339() <= soon:
                assert (await phone.call("sms.send", **wanted))["message_id"] == first["message_id"]
                await asyncio.sleep(1.0)
            again = await phone.call("sms.send", **wanted)
            assert (again["message_id"], again["state"]) == (first["message_id"], "sent")
            assert (await phone.call("sms.list", direction="out"))["messages"] == [again]


WRONG: list[dict[str, Any]] = [
    {"send_at": "9999-12-31T23:59:59-14:00"},
    {"expires_at": "0001-01-01T00:00:00+14:00"},
    {"send_at": "tomorrow"},
    {"send_at": "2030-01-01T00:00:00"},
    {"to": 447700900123},
    {"text": ["x"]},
    {"text": "x", "data": "eA=="},
    {"text": None, "data": "no base64!"},
    {"report": "yes"},
    {"priority": 1},
    {"validity_s": "1h"},
    {"client_ref": ""},
    {"encoding": "gsm7", "text": "🎉"},
    {"udh": "BQ=="},
    {"smsc": "+44x"},
    {"on_unknown": "maybe"},
    {"message_class": True},
    {"unknown": 1},
]


async def test_wrong_parameters_are_said_to_be_wrong_and_far_times_are_none() -> None:
    async with station() as made, made.phone("sms.*") as (phone, _):
        for wrong in WRONG:
            assert await kind_of(phone, "sms.send", **{"to": TO, "text": "x"} | wrong) == "invalid_params", wrong
        answer = await phone.call("sms.send", to=TO, text="x", expires_at="2032-01-01T00:00:00Z")
        assert answer["state"] == "queued"


async def test_messages_of_a_line_that_is_no_longer_configured_are_told_and_can_be_decided() -> None:
    async with station(lines=2) as made:
        async with made.phone("sms.*") as (phone, watch):
            await made.ready(phone, "sim2")
            await made.controls[1]("sms.network", delay_s=30.0)
            out = await phone.call("sms.send", to=TO, text="on its way", line="sim2")
            await until(watch, out["message_id"], "sending")
            waits = await phone.call("sms.send", to=TO, text="waits", line="sim2")
            await made.stop_core(signal.SIGKILL)
        config = made.config.read_text()
        gone = f'[line.sim2]\nports_dir = "{made.dir}/sim2"\nlost_after_s = 1.0\n'
        assert gone in config
        made.config.write_text(config.replace(gone, ""))
        await made.start_core()
        async with made.phone("sms.*", "alarm.*") as (phone, watch):
            async with asyncio.timeout(30):
                while not (alarms := (await phone.call("status"))["alarms"]):  # noqa: ASYNC110 - may have been told before
                    await asyncio.sleep(0.1)
            assert [each["alarm"] for each in alarms] == ["line_not_configured.sim2"]
            assert (await phone.call("sms.get", message_id=out["message_id"]))["state"] == "unknown"
            assert (await phone.call("sms.cancel", message_id=waits["message_id"]))["state"] == "cancelled"
            assert (await phone.call("sms.resolve", message_id=out["message_id"], outcome="sent"))["state"] == "sent"


async def test_a_reply_to_a_menu_is_no_way_around_the_codes_that_are_refused() -> None:
    async with station() as made, made.phone("ussd.*") as (phone, _):
        assert await kind_of(phone, "ussd.reply", text="**21*+447700900456#") == "invalid_params"


async def test_a_resend_that_is_taken_back_is_unknown_and_not_cancelled() -> None:
    async with station(ANSWER_LOST + "retry_s = [60.0]\n") as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True})
        lost = await phone.call("sms.send", to=TO, text="alarm!", on_unknown="resend")
        await watch.wait("sms.status", lambda p: p["state"] == "queued" and p["reason"] == "no_answer")
        taken_back = await phone.call("sms.cancel", message_id=lost["message_id"])
        assert (taken_back["state"], taken_back["reason"]) == ("unknown", "by_client")
        assert await kind_of(phone, "sms.cancel", message_id=lost["message_id"]) == "not_now"
