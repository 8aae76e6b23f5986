"""The emulated modem as a process of its own, its control socket, and a line on it with the facts it has told."""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from core.audio import PcmFormat
from core.config import LineConfig, SmsConfig
from core.line import HeldPdu, LineEvent, LineIncoming, LineMail, LineMessage, LineReleased, LineState, LineStatus
from core.modem.call_audio import VoicePort
from core.modem.healing import HealingTimes
from core.modem.modem import ModemLine
from core.modem.pcm import PcmPort
from core.modem.profile import load_profile
from core.modem.rungs import UsbReset
from core.modem.usb import UsbSource
from core.modem.usb_sources import UsbSources

_Fact = TypeVar("_Fact")


class Emulator:
    """`await emulator("call.incoming", number=…)`: one request on the control socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = folder / "control.sock"
        self._ids = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None

    async def __call__(self, method: str, **params: object) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self.control)
        try:
            request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
            writer.write(msgspec.json.encode(request) + b"\n")
            async with asyncio.timeout(40):
                answer = msgspec.json.decode(await reader.readline())
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def start(self, arguments: list[str]) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        return self._process

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.send_signal(how)
            await process.communicate()

    def config(self, **changes: object) -> LineConfig:
        """Small times, so that tests are quick; what they mean is the same."""
        fields = {"ports_dir": str(self.folder), "lost_after_s": 1.5, "audio_delay_s": 0.05, "poll_s": 0.5} | changes
        return msgspec.convert(fields, LineConfig)


@asynccontextmanager
async def emulator(folder: Path, *options: str) -> AsyncIterator[Emulator]:
    found = Emulator(folder)
    arguments = ["-m", "core.modem.emulator", "--dir", str(folder), "--control", str(found.control), *options]
    process = await found.start(arguments)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert (await process.stdout.readline()).startswith(b"ports ")
            assert (await process.stdout.readline()).startswith(b"control ")
        yield found
    finally:
        await found.end()


class Desk:
    """A running line; `told` has every fact so far and `mail` every message fact, both in order.

    commits: received messages count as safe at once.
    """

    def __init__(self, line: ModemLine, *, commits: bool = False) -> None:
        self.line = line
        self.told: list[LineEvent] = []
        self.mail: list[LineMessage] = []
        self.commits = commits
        self._more = asyncio.Condition()

    async def listen(self) -> None:
        while True:
            fact = await self.line.next()
            async with self._more:
                self.told.append(fact)
                self._more.notify_all()

    async def hears(
        self, kind: type[_Fact], when: Callable[[_Fact], bool] = lambda fact: True, *, within_s: float = 20.0
    ) -> _Fact:
        """The first fact of that kind that holds; told already, or to come."""
        async with asyncio.timeout(within_s), self._more:
            while True:
                for fact in self.told:
                    if isinstance(fact, kind) and when(fact):
                        return fact
                await self._more.wait()

    async def read_mail(self) -> None:
        while True:
            fact = await self.line.next_message()
            if isinstance(fact, LineMail) and self.commits:
                await self.line.discard([item.place for item in fact.items if item.place is not None])
            async with self._more:
                self.mail.append(fact)
                self._more.notify_all()

    @property
    def items(self) -> list[HeldPdu]:
        """All messages offered so far."""
        return [item for fact in self.mail if isinstance(fact, LineMail) for item in fact.items]

    async def receives(self, count: int, *, within_s: float = 20.0) -> list[HeldPdu]:
        """All messages once there are that many."""
        async with asyncio.timeout(within_s), self._more:
            await self._more.wait_for(lambda: len(self.items) >= count)
        return self.items

    async def reads(self, kind: type[_Fact], *, within_s: float = 20.0) -> _Fact:
        """The first message fact of that kind."""
        async with asyncio.timeout(within_s), self._more:
            while True:
                for fact in self.mail:
                    if isinstance(fact, kind):
                        return fact
                await self._more.wait()

    def of(self, kind: type[_Fact]) -> list[_Fact]:
        return [fact for fact in self.told if isinstance(fact, kind)]

    async def is_in(self, state: LineState, *, within_s: float = 20.0) -> LineStatus:
        return await self.hears(LineStatus, lambda status: status.state is state, within_s=within_s)

    async def incoming(self, count: int = 1) -> LineIncoming:
        """The count-th incoming call."""
        await self.hears(LineIncoming, lambda _: len(self.of(LineIncoming)) >= count)
        return self.of(LineIncoming)[count - 1]

    async def released(self, handle: int, *, within_s: float = 20.0) -> LineReleased:
        return await self.hears(LineReleased, lambda fact: fact.handle == handle, within_s=within_s)


async def quiet(modem: Emulator, for_s: float) -> None:
    """Until the modem has heard no command for so long."""
    async with asyncio.timeout(40):
        heard, before = (await modem("modem.status"))["commands"], -1
        while heard != before:
            await asyncio.sleep(for_s)
            heard, before = (await modem("modem.status"))["commands"], heard


def open_pcm(path: str, pcm_format: PcmFormat) -> VoicePort:
    return PcmPort(path, pcm_format)


@asynccontextmanager
async def desk(
    config: LineConfig,
    *,
    ready: bool = True,
    commits: bool = False,
    sms: SmsConfig | None = None,
    usb: UsbSource | None = None,
    personal_wire_log: bool = False,
    healing: HealingTimes | None = None,
    usb_reset: UsbReset | None = None,
    ppp_port: str | None = None,
) -> AsyncIterator[Desk]:
    """usb: in place of the USB of this machine."""
    sources = UsbSources(usb)
    source = sources.for_line(config, load_profile(config.modem))
    line = ModemLine(
        "sim",
        config,
        open_pcm=open_pcm,
        sms=sms,
        usb=source,
        personal_wire_log=personal_wire_log,
        healing=healing,
        usb_reset=usb_reset,
        ppp_port=ppp_port,
    )
    found = Desk(line, commits=commits)
    async with asyncio.TaskGroup() as tasks:
        work = (sources.run(), line.run(), found.listen(), found.read_mail())
        running = [tasks.create_task(one) for one in work]
        try:
            if ready:
                await found.is_in(LineState.READY)
            yield found
        finally:
            for task in running:
                task.cancel()
