"""guard.* over the socket of a real core; no modem is needed to ask the guard."""

import pytest

import dialtone
from tests.station import station

GUARD = """
[guard]
region = "GB"
deny = ["+4479*", "0800*"]
allow = ["+44*"]
sms_per_hour = 5
calls_per_day = 7
"""
NUMBER = "+447700900123"


async def test_the_guard_tells_what_it_would_say_and_why() -> None:
    async with station(GUARD, emulator=False) as made, made.phone() as (phone, _):
        fine = await phone.call("guard.check", to="07700 900123")
        assert fine["allowed"] is True and fine["number"] == NUMBER and fine.get("rule") is None
        for to, kind, rule in (
            ("07911 123456", "sms", "deny"),
            ("+12025550123", "call", "allow"),
            ("09061234567", "call", "premium"),
            ("999", "sms", "emergency"),
        ):
            verdict = await phone.call("guard.check", to=to, kind=kind, line="sim")
            assert verdict["allowed"] is False and verdict["rule"] == rule and verdict["text"]
        for to, kind, error in (("abc", "sms", "not_dialable"), (NUMBER, "fax", "invalid_params")):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("guard.check", to=to, kind=kind)
            assert refused.value.kind == error
        with pytest.raises(dialtone.RpcError) as unknown:
            await phone.call("guard.check", to=NUMBER, line="other")
        assert unknown.value.kind == "not_found"


async def test_the_status_of_the_guard_shows_use_and_limits_of_every_line() -> None:
    async with station(GUARD, emulator=False, lines=2) as made, made.phone() as (phone, _):
        status = await phone.call("guard.status")
        assert [line["line"] for line in status["lines"]] == ["sim", "sim2"]
        assert status["lines"][0] == {
            "line": "sim", "region": "GB",
            "sms_last_hour": 0, "sms_last_day": 0, "calls_last_hour": 0, "calls_last_day": 0,
            "limits": {
                "sms_per_minute": 0, "sms_per_hour": 5, "sms_per_day": 0, "calls_per_hour": 0, "calls_per_day": 7,
            },
        }  # fmt: skip
        assert status["premium"] == "deny" and status["dry_run"] is False
        assert (status["deny"], status["allow"]) == (2, 1), "how many patterns there are, not whose numbers"
        assert len((await phone.call("guard.status", line="sim2"))["lines"]) == 1
        with pytest.raises(dialtone.RpcError) as unknown:
            await phone.call("guard.status", line="other")
        assert unknown.value.kind == "not_found"
