"""Two modems in one core: calls and messages on both at once, and one that goes while the other talks."""

from typing import Any

from tests.station import station

CALLERS = {"sim": "+447700900111", "sim2": "+447700900222"}


async def test_calls_and_messages_on_both_lines_at_once_stay_apart() -> None:
    async with station(lines=2) as made, made.phone("*") as (phone, watch):
        for line, control in zip(made.lines, made.controls, strict=True):
            await made.ready(phone, line)
            await control("call.incoming", number=CALLERS[line])
        calls = {}
        for line in made.lines:
            calls[line] = await watch.wait("call.connected", lambda p, line=line: p["line"] == line)  # type: ignore[misc]
            assert calls[line]["number"] == CALLERS[line]
        for line in made.lines:
            sent = await phone.call("sms.send", to="+447700900333", text=f"from {line}", line=line)
            await watch.wait(
                "sms.status",
                lambda p, sent=sent: p["message_id"] == sent["message_id"] and p["state"] == "sent",  # type: ignore[misc]
            )
        for line, control in zip(made.lines, made.controls, strict=True):
            message: dict[str, Any] = {"from": CALLERS[line], "text": f"to {line}"}
            await control("sms.deliver", **message)
            told = await watch.wait("sms.received", lambda p, line=line: p["text"] == f"to {line}")  # type: ignore[misc]
            assert told["line"] == line
            assert [each["text"] for each in (await control("sms.sent"))["decoded"]] == [f"from {line}"]
        for line in made.lines:
            await phone.call("call.hangup", call_id=calls[line]["call_id"])
        ends = [await watch.wait("call.ended", lambda p, line=line: p["line"] == line) for line in made.lines]  # type: ignore[misc]
        assert [end["reason"] for end in ends] == ["local_hangup", "local_hangup"]


async def test_a_line_that_is_unplugged_does_not_disturb_the_other_ones_call() -> None:
    async with station(lines=2) as made, made.phone("*") as (phone, watch):
        for line, control in zip(made.lines, made.controls, strict=True):
            await made.ready(phone, line)
            await control("call.incoming", number=CALLERS[line])
        stays = await watch.wait("call.connected", lambda p: p["line"] == "sim2")
        await watch.wait("call.connected", lambda p: p["line"] == "sim")
        await made.controls[0]("usb.unplug")
        lost = await watch.wait("call.ended", lambda p: p["line"] == "sim")
        assert lost["reason"] == "modem_lost"
        await phone.call("call.speak", call_id=stays["call_id"], text="Are you still there?", wait="spoken")
        spoken = await watch.wait("call.spoken", lambda p: p["call_id"] == stays["call_id"])
        assert spoken["completed"]
        await made.controls[0]("usb.replug", renumber=True)
        await made.ready(phone, "sim")
        status = await phone.call("call.status", call_id=stays["call_id"])
        assert status["active"]
        await phone.call("call.hangup", call_id=stays["call_id"])
        end = await watch.wait("call.ended", lambda p: p["line"] == "sim2")
        assert end["audio"]["verdict"] == "healthy"
        assert end["audio"]["downlink_dropped_frames"] < 250, "what a busy machine costs, and no second call's worth"


async def test_what_one_line_waits_for_keeps_no_message_of_the_other() -> None:
    async with station("[sms]\nanswer_timeout_s = 8\n", lines=2) as made, made.phone("sms.*") as (phone, watch):
        for line in made.lines:
            await made.ready(phone, line)
        await made.controls[0]("sms.network", lose_answer={"times": 1, "sent": True})
        stuck = await phone.call("sms.send", to="+447700900333", text="stuck", line="sim")
        await watch.wait("sms.status", lambda p: p["message_id"] == stuck["message_id"] and p["state"] == "sending")
        free = await phone.call("sms.send", to="+447700900333", text="free", line="sim2")
        sent = await watch.wait("sms.status", lambda p: p["message_id"] == free["message_id"] and p["state"] == "sent")
        given_up = await watch.wait(
            "sms.status", lambda p: p["message_id"] == stuck["message_id"] and p["state"] == "unknown"
        )
        assert sent["seq"] < given_up["seq"]
