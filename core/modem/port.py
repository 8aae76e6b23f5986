"""AtPort: one AT port on pyserial-asyncio. One command in flight, 32 waiting, URCs pulled by the owner.

A caller that stops waiting never stops the exchange: the port's own task finishes it, since half an exchange leaves a
modem that answers the wrong question. After three timeouts in a row it sends AT until OK comes; else the port is lost.
A short message without an answer is different: the modem may be silent for minutes over it and is waited for.
"""

import asyncio
import contextlib
import fcntl
import os
import termios
import time
from collections import deque
from collections.abc import Callable, Iterable

import serial_asyncio

from core.errors import ModemBusy
from core.log import Log
from core.modem.at import AtChannel, Command, Kind, Prompt, Reply, Stray, Urc
from core.modem.gap import Gap
from core.modem.port_errors import AtTimeout as AtTimeout
from core.modem.port_errors import HandedOver as HandedOver
from core.modem.port_errors import PortLost as PortLost
from core.modem.port_errors import PortSilent as PortSilent
from core.modem.port_errors import PortTaken as PortTaken
from core.modem.port_errors import open_failure
from core.modem.port_job import Job, PortCounts, Wakeup
from core.modem.secret_text import without_secrets
from core.modem.wirelog import WireLog

MAX_WAITING = 32
"""Commands that may wait. When full: ModemBusy, except for urgent ones, of which there are as many as calls."""

MAX_URCS = 512
"""URCs not yet pulled. When full: the oldest goes and is counted; AT+CLCC tells the truth about calls anyway."""

MAX_TIMEOUTS = 3
SYNC_TRIES = 10
SYNC_GAP_S = 0.5
"""Ten AT half a second apart: after a hot-plug the first bytes are stale and the first answers missing (spec §1.2)."""

SYNC_QUIET_S = 0.1
"""After OK, so that the OKs of earlier AT, and a late reply, are strays rather than the next command's answer."""

PROBE_S = 1.0
"""For the OK to one AT of a port that let a command time out."""

STUCK_S = 120.0
"""How long a modem may be deaf after a message that got no answer: one that the operator bars does so (field report).
A deaf port that somebody still needs for a call elsewhere is kept for longer."""

STUCK_PROBE_S = 5.0
ESC = b"\x1b"
ESCAPE_S = 2.0
"""For the OK to an ESC at a prompt."""

SHORT_S = 6.0
"""Commands with a longer timeout are worth going around."""

CLOSE_S = 2.0
"""A tty that isn't let go of by then never will be; the life goes on without it."""


class AtPort:
    """`await open()`, then `run()` in a task of the life; `send` and `next_urc` from anywhere on the loop."""

    def __init__(
        self,
        name: str,
        path: str,
        *,
        baud: int = 115200,
        urcs: Iterable[str] = (),
        wire: WireLog | None = None,
        needed: Callable[[], bool] = lambda: False,
        gap: Gap | None = None,
    ) -> None:
        """needed: whether losing this port now would harm what goes on at another one (a call). gap: of all ports."""
        self.name = name
        self.counts = PortCounts()
        self.deaf = False
        """True while the modem is silent over a message that it was handed."""
        self._needed = needed
        self._gap = gap or Gap()
        self._path = path
        self._baud = baud
        self._channel = AtChannel(urcs)
        self._wire = wire
        self._log = Log("modem.port")
        self._jobs: deque[Job] = deque()
        self._urcs: deque[Urc] = deque(maxlen=MAX_URCS)
        self._work = Wakeup()
        self._heard = Wakeup()
        self._reply: asyncio.Future[Reply] | None = None
        self._job: Job | None = None
        self._deadline: asyncio.Timeout | None = None
        self._lost: PortLost | None = None
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()
        self._timeouts_in_row = 0

    @property
    def busy(self) -> bool:
        """Whether a command is in flight or waits."""
        return self._reply is not None or bool(self._jobs)

    @property
    def tied_up(self) -> bool:
        """Whether the command in flight is one that may take long (ATD, and whatever asks the network)."""
        command = self._channel.in_flight
        return self.deaf or (command is not None and command.timeout_s > SHORT_S)

    async def open(self) -> None:
        """Opens the tty for us alone. PortTaken, or PortLost when it isn't there."""
        try:
            transport, _ = await serial_asyncio.create_serial_connection(
                asyncio.get_running_loop(), lambda: _Wire(self), self._path, baudrate=self._baud, exclusive=True
            )
        except (OSError, ValueError, termios.error) as problem:  # SerialException is an OSError
            self._closed.set()
            raise open_failure(self.name, problem, self._path) from None
        self._transport = transport
        # flock (pyserial's exclusive) keeps out those who ask; TIOCEXCL the others, but on a pty it would outlive us.
        if not _is_pty(self._path):
            with contextlib.suppress(OSError):
                fcntl.ioctl(transport.serial.fileno(), termios.TIOCEXCL)

    async def close(self) -> None:
        """Lets go of the tty; whoever waits gets PortLost."""
        self.lose(PortLost(f"port {self.name} closed"))
        transport, self._transport = self._transport, None
        if transport is None:
            self._closed.set()
        elif not transport.is_closing():
            # The transport drains before it closes, which blocks the loop while a wedged modem reads nothing.
            with contextlib.suppress(OSError, termios.error, AttributeError):
                transport.get_extra_info("serial").reset_output_buffer()
            transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._closed.wait()
        if self._wire is not None:
            self._wire.close()

    async def run(self) -> None:
        """Synchronises, then carries out what `send` queues. Ends only by PortLost or being cancelled."""
        try:
            await self._synchronise()
            while True:
                while not self._jobs:
                    self._raise_if_lost()
                    await self._work.wait()
                await self._gap.turn(self._is_urgent)
                if self._jobs:
                    await self._exchange(self._jobs.popleft())
        finally:
            self.lose(PortLost(f"port {self.name} stopped"))

    async def send(self, command: Command, *, urgent: bool = False) -> Reply:
        """One exchange. ModemBusy, AtTimeout, PortLost. An error of the modem is a Reply that isn't ok.

        urgent: goes before everything that waits (hang-up), and before a message that waits for its prompt: that one
        goes right after. A payload that is out can't be taken back, and HandedOver stands for what fails then.
        """
        self._raise_if_lost()
        if len(self._jobs) >= MAX_WAITING and not urgent:
            raise ModemBusy
        job = Job(command, asyncio.get_running_loop().create_future(), urgent)
        if urgent:
            self._jobs.appendleft(job)
            if self._job is not None:
                self._job.withdrawn = True
        else:
            self._jobs.append(job)
        self._work.set()
        return await job.waiter

    def post(self, command: Command) -> asyncio.Future[Reply]:
        """The same for who doesn't wait for the answer. Never refused: it undoes what a command before it did."""
        job = Job(command, asyncio.get_running_loop().create_future())
        if self._lost is None:
            self._jobs.append(job)
            self._work.set()
        else:
            job.fail(self._lost)
        return job.waiter

    async def next_urc(self) -> Urc:
        """The next URC, in order; PortLost after the last one. One reader."""
        while not self._urcs:
            self._raise_if_lost()
            await self._heard.wait()
        return self._urcs.popleft()

    # --- called by the transport -----------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.received(data)
        for event in self._channel.feed(data):
            match event:
                case Reply():
                    if self._reply is not None and not self._reply.done():
                        self._reply.set_result(event)
                        # Where this process stood still, its time may be over in this very turn of the loop.
                        if self._deadline is not None and not self._deadline.expired():
                            self._deadline.reschedule(None)
                case Urc():
                    self.counts.urcs_dropped += len(self._urcs) == MAX_URCS
                    self._urcs.append(event)
                    self._heard.set()
                case Prompt():
                    self._write_payload()
                case Stray():
                    self.counts.strays += 1
                    self._log.debug("stray line", port=self.name, pii_line=without_secrets(event.text))

    def lose(self, why: PortLost) -> None:
        """Ends everything that waits. The first reason counts."""
        if self._lost is None:
            self._lost = why
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(self._lost)
        while self._jobs:
            self._jobs.popleft().fail(self._lost)
        self._work.set()
        self._heard.set()

    def transport_closed(self) -> None:
        if self._lost is None:
            self._gap.lost()  # not closed by us
        self.lose(PortLost(f"port {self.name} hung up"))
        self._closed.set()

    def _is_urgent(self) -> bool:
        return bool(self._jobs) and self._jobs[0].urgent

    # --- one exchange ----------------------------------------------------------------------------------------------

    async def _exchange(self, job: Job) -> None:
        if job.command.kind is Kind.PROMPT and job.waiter.done():
            return  # nobody would learn what became of it
        started_s = time.monotonic()
        self._job = job
        try:
            reply = await self._ask(job.command)
        except PortLost as lost:
            job.fail(lost)
            raise
        except AtTimeout as timeout:
            self.counts.timeouts += 1
            self._log.warning("command timed out", port=self.name, timeout_s=job.command.timeout_s)
            job.fail(timeout)
            await self._after_timeout(job)
            return
        except asyncio.CancelledError:
            job.fail(PortLost(f"port {self.name} stopped"))
            raise
        finally:
            self._job = None
        self._timeouts_in_row = 0
        self.counts.commands += 1
        if job.escaped:
            self._put_back(job)
            return
        took_ms = round((time.monotonic() - started_s) * 1000)
        said = without_secrets(reply.command)
        self._log.debug("command", port=self.name, took_ms=took_ms, pii_command=said, pii_final=reply.final)
        if not job.waiter.done():
            job.waiter.set_result(reply)

    def _put_back(self, job: Job) -> None:
        """A message that made way at its prompt goes right behind what was urgent."""
        job.withdrawn = job.escaped = False
        self._jobs.insert(sum(waiting.urgent for waiting in self._jobs), job)

    async def _ask(self, command: Command) -> Reply:
        self._raise_if_lost()
        self._reply = asyncio.get_running_loop().create_future()
        prompts = command.kind is Kind.PROMPT
        try:
            self._gap.sent(command.text)
            self._write(self._channel.send(command))
            async with asyncio.timeout(command.prompt_timeout_s if prompts else command.timeout_s) as self._deadline:
                reply = await self._reply
            if prompts and reply.ok and self._unprompted:
                self._write(ESC)
                raise AtTimeout("OK came before the prompt: it was another command's")
            return reply
        except TimeoutError:
            self._channel.abandon()
            if prompts and self._unprompted:
                self._write(ESC)  # leaves the prompt, where the modem would take all that follows for a message
            raise AtTimeout(f"no answer within {command.timeout_s} s") from None
        except asyncio.CancelledError:
            self._channel.abandon()
            raise
        finally:
            self._reply = self._deadline = None

    @property
    def _unprompted(self) -> bool:
        """Whether the job in flight has not written anything at its prompt."""
        return self._job is not None and not (self._job.handed_over or self._job.escaped)

    async def _after_timeout(self, job: Job) -> None:
        """Once more in step with the modem before the next command goes out, or the port is lost."""
        if job.handed_over:
            await self._wait_out(STUCK_S)
            return
        self._timeouts_in_row += 1
        if self._timeouts_in_row < MAX_TIMEOUTS and await self._probe(PROBE_S):
            return
        await self._synchronise()
        self._timeouts_in_row = 0
        self.counts.resyncs += 1
        self._log.warning("port resynchronised", port=self.name)

    async def _wait_out(self, patience_s: float) -> None:
        """Until a modem that is silent over a message answers AT again. Its ^Z may also have been lost: then ESC
        leaves the prompt; what is under way no ESC takes back."""
        until_s = time.monotonic() + (STUCK_S if patience_s is None else patience_s)
        self.deaf = True
        try:
            while not await self._probe(PROBE_S):
                if time.monotonic() >= until_s and not self._needed():
                    raise PortSilent(f"no answer to AT on port {self.name}, for long")
                self._write(ESC)
                if await self._probe(STUCK_PROBE_S):
                    break
        finally:
            self.deaf = False

    async def _synchronise(self) -> None:
        for _ in range(SYNC_TRIES):
            if await self._probe(SYNC_GAP_S):
                return
            self._write(ESC)  # a core that died while sending left the modem at a prompt
        if not self._needed():
            raise PortSilent(f"no answer to AT on port {self.name}")
        await self._wait_out(0.0)

    async def _probe(self, timeout_s: float) -> bool:
        """One AT; whether OK came. A late reply of an earlier command is swallowed in the quiet that follows."""
        await self._gap.turn()
        try:
            reply = await self._ask(Command("AT", timeout_s))
        except AtTimeout:
            return False
        await asyncio.sleep(SYNC_QUIET_S)
        return reply.ok

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise self._lost or PortLost(f"port {self.name} is not open")
        if self._wire is not None:
            self._wire.sent(data)
        self._transport.write(data)

    def _write_payload(self) -> None:
        """At the prompt: the payload, or ESC when something urgent came or nobody waits for this any more."""
        job, loop = self._job, asyncio.get_running_loop()
        if job is None or job.command.payload is None or self._deadline is None or self._deadline.expired():
            return
        job.withdrawn = job.withdrawn or job.waiter.done()
        with contextlib.suppress(PortLost):
            if job.withdrawn:
                job.escaped = True
                self._write(ESC)
                self._deadline.reschedule(loop.time() + ESCAPE_S)
                return
            job.handed_over = True  # first: half of it may have gone when the write fails
            self._deadline.reschedule(loop.time() + job.command.timeout_s)
            self._write(job.command.payload.encode("ascii") + b"\x1a")

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost


class _Wire(asyncio.Protocol):
    """What pyserial-asyncio calls."""

    def __init__(self, port: AtPort) -> None:
        self._port = port

    def data_received(self, data: bytes) -> None:
        self._port.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.transport_closed()


def _is_pty(path: str) -> bool:
    return os.path.realpath(path).startswith("/dev/pts/")
