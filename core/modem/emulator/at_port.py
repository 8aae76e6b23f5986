"""One AT port: reads command lines, runs them one after another, writes replies and unsolicited lines."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.log import Log
from core.modem.emulator.at_line import MAX_CHAINED, Command, Line, LineReader, Text, command_body, split_commands
from core.modem.emulator.data_call import DataCall
from core.modem.emulator.faults import FaultKind, Faults
from core.modem.emulator.reply import AtError, Reply, final_bytes, info_bytes, urc_bytes

_QUEUED_LINES = 32
"""Lines sent before the reply to an earlier one; a modem would lose them sooner. Beyond, they are lost."""

_log = Log("emulator.at")


@dataclass(slots=True)
class PortSettings:
    """What a SIM7600 keeps for each port. Factory values; lost with a reset (spec §4.6, §1.13)."""

    echo: bool = True
    verbose: bool = True
    quiet: bool = False
    cmee: int = 2
    clip: bool = False
    clcc: bool = False
    crc: bool = False
    ccwa: bool = False
    cssi: bool = False
    cssu: bool = False
    cnmi: tuple[int, int, int, int, int] = (2, 1, 0, 0, 0)
    registration: dict[str, int] = field(default_factory=lambda: {"+CREG": 0, "+CGREG": 0, "+CEREG": 0})
    cnsmod: bool = False
    autocsq: bool = False
    ctzr: bool = False


class AtPort:
    """Runs commands by `execute(port, command)`; all bytes go out through `send`."""

    def __init__(
        self,
        interface: int,
        execute: "Callable[[AtPort, Command], Reply | Awaitable[Reply]]",
        send: Callable[[int, bytes], None],
        faults: Faults,
        *,
        double_cr: bool,
        trace: Callable[[int, str, bytes], None],
    ) -> None:
        self.interface = interface
        self.settings = PortSettings()
        self.commands = 0
        self.interrupted = asyncio.Event()
        """Set by any byte that comes while a command runs: aborts those that a byte aborts."""
        self.data: DataCall | None = None
        """The data call on this port; while it is online, bytes are no commands and nothing unsolicited is said."""
        self._execute = execute
        self._send_bytes = send
        self._faults = faults
        self._double_cr = double_cr
        self._trace = trace
        self._reader = LineReader()
        self._lines: asyncio.Queue[Line] = asyncio.Queue(_QUEUED_LINES)
        self._prompt: asyncio.Future[Text] | None = None

    def reset(self) -> None:
        """As after power-on: settings, half lines and waiting lines are gone."""
        self.settings = PortSettings()
        self._reader = LineReader()
        self.closed()
        while not self._lines.empty():
            self._lines.get_nowait()
        if self._prompt is not None and not self._prompt.done():
            self._prompt.set_result(Text(b"", sent=False))

    def feed(self, data: bytes) -> None:
        self._trace(self.interface, ">", data)
        if self.data is not None and self.data.online:
            self.data.feed(data)
            return
        self.interrupted.set()
        events, echo = self._reader.feed(data)
        if echo and self.settings.echo:
            self.send(echo)
        for event in events:
            if isinstance(event, Text):
                if self._prompt is not None and not self._prompt.done():
                    self._prompt.set_result(event)
            elif not self._lines.full():
                self._lines.put_nowait(event)

    def send(self, data: bytes) -> None:
        self._trace(self.interface, "<", data)
        self._send_bytes(self.interface, data)

    def closed(self) -> None:
        """The host has let go of the port: a data call on it is over (DTR, V.250 §5.2.2)."""
        if self.data is not None:
            self.data.end()
            self.data = None

    def escaped(self) -> None:
        """+++ in a data call."""
        self._finish(b"", "OK")

    def urc(self, text: str) -> None:
        if self.data is not None and self.data.online:
            return
        self.send(urc_bytes(text, double_cr=self._double_cr))

    async def prompt(self) -> Text:
        """Opens a `> ` prompt and gives what is typed. A modem waits for ever, and so does this."""
        self._prompt = asyncio.get_running_loop().create_future()
        self._reader.start_prompt()
        self.send(b"\r\n> ")
        try:
            return await self._prompt
        finally:
            self._prompt = None

    async def run(self) -> None:
        """Serves lines until cancelled. A handler that fails answers ERROR and is logged: the modem lives on."""
        while True:
            line = await self._lines.get()
            body = command_body(line.text)
            if body is None:
                continue
            commands = split_commands(body)
            if line.too_long or len(commands) > MAX_CHAINED:
                self._finish(b"", "ERROR")
                continue
            await self._serve(commands)

    async def _serve(self, commands: list[Command]) -> None:
        text = ";".join(command.text for command in commands)
        if await self._swallowed(commands, text):
            return
        out, final, after = b"", "OK", list[Callable[[], None]]()
        for command in commands:
            self.commands += 1
            reply = await self._answer(command)
            if reply.silent:
                return
            out += info_bytes(reply.lines, verbose=self.settings.verbose)
            final = reply.final
            if reply.after is not None:
                after.append(reply.after)
            if final != "OK":
                break
        lost = self._faults.strike(FaultKind.NO_REPLY, text, self.interface)
        if lost is None:
            late = self._faults.strike(FaultKind.LATE_REPLY, text, self.interface)
            if late is not None:
                await asyncio.sleep(late.delay_s)
            self._finish(self._disturbed(out, text), final)
        for step in after:
            step()

    async def _swallowed(self, commands: list[Command], text: str) -> bool:
        """Faults that keep the command from being carried out at all."""
        fault = self._faults.get(FaultKind.NO_REPLY)
        if fault is not None and not fault.executed and fault.hits(text, self.interface):
            self._faults.strike(FaultKind.NO_REPLY, text, self.interface)
            return True
        error = self._faults.strike(FaultKind.ERROR_REPLY, text, self.interface)
        if error is not None:
            self.commands += len(commands)
            self._finish(b"", error.text)
            return True
        return False

    def _disturbed(self, out: bytes, text: str) -> bytes:
        garbage = self._faults.strike(FaultKind.GARBAGE, text)
        if garbage is not None:
            out = garbage.data + out
        urc = self._faults.strike(FaultKind.URC_IN_REPLY, text)
        if urc is not None:
            out += urc_bytes(urc.text, double_cr=self._double_cr)
        return out

    async def _answer(self, command: Command) -> Reply:
        self.interrupted.clear()
        try:
            reply = self._execute(self, command)
            return await reply if inspect.isawaitable(reply) else reply
        except AtError as error:
            return Reply(final=error.final(self.settings.cmee))
        except ValueError:  # a number was asked for and something else came
            return Reply(final="ERROR")
        except Exception:
            _log.exception("a command handler failed", command=command.name)
            return Reply(final="ERROR")

    def _finish(self, out: bytes, final: str) -> None:
        if not self.settings.quiet:
            out += final_bytes(final, verbose=self.settings.verbose)
        if out:
            self.send(out)
