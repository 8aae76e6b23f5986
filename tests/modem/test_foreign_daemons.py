"""Programs that we did not write use the emulator: smsd of smstools, gammu and gammu-smsd send and receive through it.

They are the judges of its fidelity: their codecs, their prompts and their habits are nobody's here.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.peers import SQLITE_SCHEMA, GammuSmsd, Peer, Received, Smsd, missing
from tests.modem.emulated import Emulated, emulated

PATIENCE_S = 40.0
CALLER = "+447700900123"
GUEST = "+447700900456"
LONG = "One two three four five six seven eight nine ten eleven twelve and so on until it is full. " * 3
GREEK = "Ένα τραπέζι για δύο"
REPLY = "Столик на двоих"


def needs(*commands: str) -> pytest.MarkDecorator:
    reason = missing(*commands)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


async def until(done: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not done():  # noqa: ASYNC110 - what other programs file has no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


async def arrive(emulator: Emulated) -> None:
    for sender, text in ((CALLER, "Table for two?"), (GUEST, LONG), (CALLER, REPLY)):
        await emulator.control("sms.deliver", **{"from": sender, "text": text})


def texts(decoded: list[dict[str, Any]]) -> list[str]:
    """Whole texts in the order sent, parts joined."""
    found: list[str] = []
    for part in decoded:
        if part["concat"] is None or part["concat"]["number"] == 1:
            found.append("")
        found[-1] += part["text"]
    return found


async def exchange(emulator: Emulated, peer: Peer) -> tuple[list[dict[str, Any]], list[Received]]:
    """The daemon sends three messages, the second with a report, and gets three; what each side saw."""
    await emulator.control("sms.network", report={"mode": "delivered", "delay_s": 0.05})
    peer.put(CALLER, "Yes, at eight.")
    peer.put(GUEST, LONG, report=True)
    peer.put(CALLER, GREEK)
    await arrive(emulator)
    async with peer:
        await until(lambda: peer.sent() + peer.failed() == 3 or not peer.alive, "three sent messages")
        await until(lambda: enough(peer.received()) or not peer.alive, "three received messages and a report")
        assert peer.alive
        assert peer.failed() == 0
        assert peer.cpu_s() >= 0.0 and peer.memory_bytes() > 0
        received = peer.received()
    return (await emulator.control("sms.sent"))["decoded"], received


def enough(received: list[Received]) -> bool:
    joined = "".join(message.text for message in received)
    whole = all(text in joined for text in ("Table for two?", LONG, REPLY))
    return whole and any(message.report for message in received)


@pytest.mark.timeout(180)
@needs(*Smsd.needs)
async def test_smsd_sends_and_receives_through_the_emulator(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        decoded, received = await exchange(emulator, Smsd(tmp_path / "smsd", emulator.directory / "if02"))
        assert sorted(texts(decoded)) == sorted(["Yes, at eight.", LONG, GREEK])
        assert {part["to"] for part in decoded} == {CALLER, GUEST}
        assert {message.text for message in received if not message.report} == {"Table for two?", LONG, REPLY}
        assert any("Status: 0" in message.text for message in received if message.report)


@pytest.mark.timeout(180)
@needs(*GammuSmsd.needs)
async def test_gammu_smsd_sends_and_receives_through_the_emulator(tmp_path: Path) -> None:
    """With files and with SQLite at the same time: it sleeps most of its life."""
    stores = [False, True] if SQLITE_SCHEMA.exists() else [False]
    async with asyncio.TaskGroup() as tasks:
        for sqlite in stores:
            tasks.create_task(gammu_smsd_exchanges(tmp_path / f"sqlite-{sqlite}", sqlite=sqlite))


async def gammu_smsd_exchanges(folder: Path, *, sqlite: bool) -> None:
    async with emulated(folder) as emulator:
        peer = GammuSmsd(folder / "gammu", emulator.directory / "if02", sqlite=sqlite)
        decoded, received = await exchange(emulator, peer)
        assert sorted(texts(decoded)) == sorted(["Yes, at eight.", LONG, GREEK])
        assert {part["to"] for part in decoded} == {CALLER, GUEST}
        assert {message.sender for message in received} == {CALLER, GUEST}
        assert "".join(message.text for message in received if message.sender == GUEST and not message.report) == LONG
        assert any(message.report for message in received)


async def gammu(folder: Path, emulator: Emulated, *arguments: str) -> str:
    """What one run of gammu prints."""
    config = folder / "gammurc"
    config.write_text(f"[gammu]\ndevice = {emulator.directory / 'if02'}\nconnection = at\n")
    process = await asyncio.create_subprocess_exec(
        "gammu", "-c", str(config), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.timeout(180)
@needs("gammu")
async def test_gammu_sends_lists_and_asks_by_ussd_through_the_emulator(tmp_path: Path) -> None:
    """On two emulators at the same time: gammu waits ten seconds after each USSD answer."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gammu_sends_and_lists(tmp_path / "one"))
        tasks.create_task(gammu_asks_by_ussd(tmp_path / "two"))


async def gammu_sends_and_lists(folder: Path) -> None:
    async with emulated(folder) as emulator:
        told = await gammu(folder, emulator, "sendsms", "TEXT", GUEST, "-text", LONG, "-len", str(len(LONG)), "-report")
        assert told.count("OK, message reference=") == 2
        await arrive(emulator)
        listing = await gammu(folder, emulator, "getallsms")
        for text in ("Table for two?", REPLY, "twelve and so on"):
            assert text in listing
        assert texts((await emulator.control("sms.sent"))["decoded"]) == [LONG]


async def gammu_asks_by_ussd(folder: Path) -> None:
    async with emulated(folder) as emulator:
        await emulator.control("ussd.set", code="*101#", text="Balance: 7 €", delay_s=0.2)
        assert "Balance: 7 €" in await gammu(folder, emulator, "getussd", "*101#")
