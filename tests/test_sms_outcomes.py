"""What becomes of messages when answers and reports come late, early, twice or not at all."""

import asyncio

from tests.station import station
from tests.test_sms_send import TO, kind_of, sent_texts, states, until

SLOW_AGAIN = "[sms]\nretry_s = [4.0]\nanswer_timeout_s = 1.5\n"


async def test_a_report_saves_the_recipient_the_second_copy_that_its_sender_allowed() -> None:
    async with station(SLOW_AGAIN) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True}, report={"delay_s": 3.0})
        lost = await phone.call("sms.send", to=TO, text="alarm!", report=True, on_unknown="resend")
        await until(watch, lost["message_id"], "delivered")
        assert states(watch, lost["message_id"])[2:] == ["unknown", "queued", "sent", "delivered"]
        await asyncio.sleep(3.0)
        assert len(await sent_texts(made)) == 1


async def test_a_resend_that_is_taken_back_is_unknown_and_not_cancelled() -> None:
    async with station(SLOW_AGAIN) as made, made.phone("sms.*") as (phone, watch):
        await made.control("sms.network", lose_answer={"times": 1, "sent": True})
        lost = await phone.call("sms.send", to=TO, text="alarm!", on_unknown="resend")
        await watch.wait("sms.status", lambda p: p["state"] == "queued" and p["reason"] == "no_answer")
        taken_back = await phone.call("sms.cancel", message_id=lost["message_id"])
        assert (taken_back["state"], taken_back["reason"]) == ("unknown", "by_client")
        assert await kind_of(phone, "sms.cancel", message_id=lost["message_id"]) == "not_now"
