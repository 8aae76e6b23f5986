"""Lines that heal quickly: the patience of days and minutes made short, what it is for is the same."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace

from core.line import AudioReport, CallState, LineIncoming, LineProgress, LineRecovery, LineState
from core.modem.healing import HealingTimes
from core.modem.recovery import Rung, RungTimes
from core.modem.symptoms import SymptomTimes
from tests.modem.line_desk import Desk, Emulator
from tests.modem.scripted import until

SYMPTOMS = SymptomTimes(
    absent_s=10.0, one_port_s=0.5, sim_s=10.0, denied_s=10.0, network_s=10.0, window_s=600.0, falls=2, resyncs=2
)
"""Patient with all that a line on a machine that stands still has for some seconds, too."""
HASTY = replace(SYMPTOMS, absent_s=1.5, sim_s=0.8, denied_s=0.8, network_s=0.8)
RUNGS = {rung: RungTimes(0.1, 10.0) for rung in Rung} | {Rung.HUMAN: RungTimes(0.0, 120.0)}
QUICK = HealingTimes(
    look_s=0.1, probe_s=0.5, settle_s=0.2, radio_pause_s=0.2, fall_s=4.0, typical_s=3.0, symptoms=SYMPTOMS, rungs=RUNGS
)


def steps(phone: Desk) -> list[tuple[str, str]]:
    """What was done about the modem so far, as (rung, state)."""
    return [(str(fact.rung), str(fact.state)) for fact in phone.of(LineRecovery)]


async def step(phone: Desk, rung: str, state: str, *, within_s: float = 30.0) -> LineRecovery:
    return await phone.hears(LineRecovery, lambda fact: (fact.rung, fact.state) == (rung, state), within_s=within_s)


def is_well(phone: Desk) -> bool:
    info = phone.line.info
    return info.state is LineState.READY and info.registration == "home" and info.restarting_s is None


async def well(phone: Desk, *, within_s: float = 30.0) -> None:
    """Calls and messages work, and nothing is about to change that."""
    await until(lambda: is_well(phone), within_s)


async def settled(phone: Desk, modem: Emulator) -> None:
    """Well, with all that a line sets up late done: the modem hears nothing more for a moment."""
    await until(lambda: is_well(phone) and phone.line.can_send, 20)
    heard, then = -1, 0
    async with asyncio.timeout(25):
        while heard != then:
            then = heard
            await asyncio.sleep(0.15)
            heard = (await modem("modem.status"))["commands"]


async def incoming(phone: Desk, modem: Emulator) -> int:
    """An incoming call, answered."""
    count = len(phone.of(LineIncoming)) + 1
    await modem("call.incoming", number="+447700900123", ring_s=0.3)
    handle = (await phone.incoming(count)).handle
    await phone.line.answer(handle)
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


async def talk(phone: Desk, modem: Emulator, *, ticks: int = 10) -> AudioReport:
    """A call with audio, from ring to report."""
    handle = await incoming(phone, modem)
    audio = await phone.line.open_audio(handle)
    async with asyncio.timeout(25):
        for _ in range(ticks):
            await audio.read()
    await phone.line.hangup(handle)
    await phone.released(handle)
    report = await phone.line.close_audio(handle)
    assert report is not None
    return report


def power_switch(modem: Emulator) -> list[str]:
    """A power_command that pulls the emulated stick and puts it back."""
    code = (
        "import json, socket, sys\n"
        "for method in ('usb.unplug', 'usb.replug'):\n"
        "    with socket.socket(socket.AF_UNIX) as s:\n"
        "        s.connect(sys.argv[1])\n"
        "        s.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method}).encode() + b'\\n')\n"
        "        assert b'error' not in s.recv(4096)\n"
    )
    return [sys.executable, "-c", code, str(modem.control)]


class UsbSwitch:
    """A UsbReset that brings a lost stick back."""

    def __init__(self, modem: Emulator, why_not: Callable[[], str | None] = lambda: None) -> None:
        self.paths: list[str] = []
        self._modem = modem
        self._why_not = why_not

    def barred(self) -> str | None:
        return self._why_not()

    async def reset(self, usb_path: str) -> None:
        self.paths.append(usb_path)
        await self._modem("usb.replug", renumber=True)
