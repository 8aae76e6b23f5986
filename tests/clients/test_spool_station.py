"""The spool on a whole station: its files, the real core, and the emulated modem with its network."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.spool.message_file import MessageFile, read_message
from tests.clients.spool_rig import DEADLINE_S, Rig
from tests.clients.tiny_core import TinyCore
from tests.station import Station, station

FAST = "[sms]\nretry_s = [0.3, 0.6]\n"


@asynccontextmanager
async def spool_on(made: Station, toml: str = "") -> AsyncIterator[Rig]:
    """A spool served by the station's core, once it reads events."""
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        rig = Rig(Path(folder), TinyCore(made.socket))
        rig.configure(toml)
        try:
            async with made.phone() as (phone, _):
                await made.ready(phone)
            await rig.running()
            yield rig
        finally:
            if rig.child is not None:
                await rig.stop()


async def sent_by(made: Station) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await made.control("sms.sent"))["decoded"]
    return found


async def test_files_go_to_the_network_as_they_say() -> None:
    async with station() as made, spool_on(made) as spool:
        spool.put("api_1770000000123_4711", b"To: +447700900123\nAlphabet: UCS2\n\n" + "mâine 😀".encode("utf-16-be"))
        await spool.arrived("sent", "api_1770000000123_4711")
        spool.put("flash", "To: 447700900123\nFlash: yes\nReplace: 3\nReply_path: yes\n\nHello {€}\n")
        await spool.arrived("sent", "flash")
        spool.put("short", "To: s12345\n\nshort")
        await spool.arrived("sent", "short")
        push = "To: 447700900123\nAlphabet: binary\nHex: yes\n\n06 05 04 0B 84 23 F0 AA BB CC"
        spool.put("push", push)
        await spool.arrived("sent", "push")
        api, flash, short, binary = await sent_by(made)
    assert (api["to"], api["text"], api["encoding"]) == ("+447700900123", "mâine 😀", "ucs2")
    assert (flash["text"], flash["message_class"], flash["pid"], flash["reply_path"]) == ("Hello {€}", 0, 0x43, True)
    assert short["to"] == "12345"
    assert (binary["data"], binary["ports"]) == ("aabbcc", {"destination": 2948, "source": 9200})


async def test_a_refusal_of_the_network_is_the_reason_in_failed() -> None:
    async with station(FAST) as made, spool_on(made) as spool:
        await made.control("sms.network", refuse={"times": None, "cms": 28, "to": "+447700900123"})
        spool.put("one", "To: 447700900123\n\nHello")
        assert "Fail_reason: +CMS ERROR: 28" in await spool.arrived("failed", "one")


async def test_a_delivered_message_has_a_report_with_its_id() -> None:
    async with station() as made, spool_on(made, 'report = "report"') as spool:
        await made.control("sms.network", report={"mode": "delivered", "delay_s": 0.1})
        spool.put("long", "To: 447700900123\nReport: yes\n\n" + "word " * 60)
        sent = read_message((await spool.arrived("sent", "long")).encode())
        report = read_message(await spool.only_file("report"))
        lines = report.body.decode().splitlines()
        assert lines[:2] == ["SMS STATUS REPORT", f"Message_id: {sent.get('Message_id')}"]
        assert lines[3].startswith("Status: 0,Ok,")
        assert len(await sent_by(made)) == 2
        await spool.until(lambda: len(spool.handler_runs()) == 2)
        assert [run[0] for run in spool.handler_runs()] == ["SENT", "REPORT"]


async def deliver(made: Station, message: dict[str, Any]) -> None:
    await made.control("sms.deliver", **message)


async def received(spool: Rig) -> MessageFile:
    content = read_message(await spool.only_file("incoming"))
    (name,) = spool.files("incoming")
    (spool.spool / "incoming" / name).unlink()
    return content


async def test_what_the_network_delivers_lies_in_incoming() -> None:
    async with station() as made, spool_on(made) as spool:
        await deliver(made, {"from": "+447700900123", "text": "Hello € [x]", "smsc": "+447700900999"})
        content = await received(spool)
        assert (content.get("From"), content.get("From_SMSC")) == ("447700900123", "447700900999")
        assert (content.get("Alphabet"), content.body) == ("ISO", "Hello € [x]".encode("iso8859-15"))
        await deliver(made, {"from": "Bank", "text": "Grüße 😀"})
        content = await received(spool)
        assert (content.get("From"), content.get("From_TOA")) == ("Bank", "D0 alphanumeric, unknown")
        assert (content.get("Alphabet"), content.body) == ("UCS2", "Grüße 😀".encode("utf-16-be"))
        await deliver(made, {"from": "12345", "data": "0102ff", "message_class": 0, "ports": [2948, 9200]})
        content = await received(spool)
        assert (content.get("Alphabet"), content.body, content.get("Flash")) == ("binary", b"\x01\x02\xff", "yes")
        assert content.get("UDH-DATA") == "06 05 04 0B 84 23 F0"


@pytest.mark.timeout(180)
async def test_a_killed_spool_and_a_killed_core_double_nothing() -> None:
    """What was handed over when the core died is unknown, and says so in failed."""
    async with station() as made, spool_on(made, "unknown_wait_s = 0.5") as spool:
        for number in range(6):
            spool.put(f"file{number}", f"To: 447700900123\n\nnumber {number}")
            await deliver(made, {"from": "+447700900456", "text": f"in {number}"})
            if number == 2:
                await spool.kill()
                await spool.running()
            if number == 4:
                await made.stop_core(signal.SIGKILL)
                await made.start_core()
        await spool.until(lambda: len(spool.files("sent")) + len(spool.files("failed")) == 6, timeout_s=40)
        await spool.until(lambda: len(spool.files("incoming")) == 6, timeout_s=40)
        texts = [each["text"] for each in await sent_by(made)]
        assert len(texts) == len(set(texts))
        bodies = sorted(read_message(spool.content("incoming", name)).body.decode() for name in spool.files("incoming"))
        assert bodies == [f"in {number}" for number in range(6)]


async def test_a_voice_call_rings_and_presses_keys() -> None:
    async with station() as made, spool_on(made) as spool:
        await made.control("dial.script", outcome="answer", alert_after_s=0.1, answer_after_s=0.3)
        spool.put("ring", "To: 447700900123\nVoicecall: yes\n\nTONE: 1 1,2,#")
        assert "Result: OK" in await spool.arrived("sent", "ring")
        async with asyncio.timeout(DEADLINE_S):
            while (await made.control("modem.status"))["calls"]:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)  # the modem hangs up a moment after it was told to


async def test_a_missed_call_is_a_file() -> None:
    async with station(answer_after_rings=5) as made, spool_on(made, "missed_calls = true") as spool:
        await made.control("call.incoming", number="+447700900123", ring_s=0.3, max_rings=2)
        content = await received(spool)
        assert (content.get("From"), content.get("Call_type")) == ("447700900123", "missed")
        assert content.body == b"CALL MISSED\n"
