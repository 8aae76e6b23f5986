"""A whole core with lines on the USB, where there is none, or none of theirs."""

import asyncio
from typing import Any

import dialtone
from tests.station import station

NOWHERE = """
[line.spare]
usb_path = "99-1.4"
[line.second]
usb_path = "99-1.3"
"""


async def test_lines_without_their_stick_are_offline_and_say_what_is_missing_while_another_serves() -> None:
    async with station(NOWHERE) as made, made.phone() as (phone, _):
        await made.ready(phone)
        for name, path in (("spare", "99-1.4"), ("second", "99-1.3")):
            async with asyncio.timeout(30):
                while (line := await _line(phone, name))["reason"] is None:  # noqa: ASYNC110 - asked by RPC
                    await asyncio.sleep(0.05)
            assert line["state"] == "offline"
            assert f"no modem fits (usb path {path}" in line["reason"]
        await made.stop_core()
        told = made.log.read_text().splitlines()
        assert [line for line in told if "modem.usb" in line and (" warning " in line or " error " in line)] == []


async def _line(phone: dialtone.Phone, name: str) -> dict[str, Any]:
    lines = (await phone.call("status"))["lines"]
    return next(line for line in lines if line["name"] == name)
