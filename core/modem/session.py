"""One life of the modem: from opening its ports to losing one of them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.config import LineConfig, SmsConfig
from core.errors import ModemBusy, NotNow
from core.line import AudioReport, LineCarrier, LineEvent, LineMessage, LineState
from core.log import Log
from core.modem.at import Command, Reply, Urc
from core.modem.bringup import BringUp
from core.modem.bringup_steps import SIM_PATIENCE_S, Step, passing, sim_poll_s
from core.modem.call_audio import CallAudio, PcmFactory, VoicePort
from core.modem.call_table import CallTable
from core.modem.gnss import Positioning, Receiver
from core.modem.lines_network import REGISTERED
from core.modem.messages import MessageBox
from core.modem.past import Past
from core.modem.port import AtPort, AtTimeout, PortLost
from core.modem.profile import ModemProfile
from core.modem.report import Reporter
from core.modem.sim import PIN, SimControl
from core.modem.status import StatusWatch
from core.modem.ussd import UssdControl
from core.modem.voice import VoiceControl
from core.modem.wirelog import WireLog

OnState = Callable[[LineState, str | None], None]


@dataclass(frozen=True, slots=True)
class PortPaths:
    """Where the ports are now. at and voice may be the same port."""

    at: str
    voice: str
    pcm: str
    nmea: str | None = field(default=None, compare=False)  # may come and go by itself


class Session:
    """`run` brings the modem up, serves it and ends by PortLost (in a group).

    Calls go through voice and audio, short messages through messages and USSD through ussd.
    """

    def __init__(
        self,
        name: str,
        config: LineConfig,
        sms: SmsConfig,
        profile: ModemProfile,
        paths: PortPaths,
        *,
        open_pcm: PcmFactory,
        emit: Callable[[LineEvent], None],
        tell: Callable[[LineMessage], None],
        lives: Iterator[int],
        handles: Iterator[int],
        reports: dict[int, AudioReport],
        positioning: Positioning,
        past: Past,
        on_state: OnState,
        personal_wire_log: bool,
    ) -> None:
        self._config = config
        self._profile = profile
        self._past = past
        self._on_state = on_state
        self._personal = personal_wire_log
        self._log = Log("modem.session")
        self._name = name
        self.paths = paths
        self._voice_port = self._port("voice", paths.voice)
        self._at_port = self._voice_port if paths.at == paths.voice else self._port("at", paths.at)
        self.table = CallTable(emit, handles)
        self.voice = VoiceControl(self._voice_port, self._at_port, self.table)
        self._sim_changed = asyncio.Event()
        self._polled = asyncio.Event()
        self.status = StatusWatch(self._at_port, emit, self._on_sim, cells=profile.cells, iccid=profile.bring_up.iccid)
        ports = (self._at_port, *(port for port in self._ports if port is not self._at_port))
        self.reporter = Reporter(ports, self.status, profile.cells + profile.report)
        self.sim = SimControl(self._at_port, self.status, past.pins, profile.bring_up)
        self._sim_spoke = False  # since the last look at its card; then the messages have begun anew already
        self._bring = BringUp(name, config, profile.bring_up, self._at_port, self.status, past)
        self.messages = MessageBox(ports, profile.messages, tell, lives, sweep_s=sms.sweep_s)
        self.ussd = UssdControl(self._at_port, profile.messages, tell)
        self._positioning = positioning
        self._pcm_factory = open_pcm
        self.audio = CallAudio(
            self.voice.ask,
            self.table,
            self._open_pcm,
            profile.pcm_format,
            profile.audio,
            window_s=config.audio_window_s,
            delay_s=config.audio_delay_s,
            reports=reports,
        )
        self.serving = False
        """True from the first look at the modem's calls on: then it can dial."""

    @property
    def can_send(self) -> bool:
        """Whether a short message has a chance now."""
        return self.serving and self.messages.can_send and self.status.facts.registration in REGISTERED

    async def raw_at(self, command: Command) -> Reply:
        """One command by hand, on the port that doesn't steer calls. NotNow where that is one port, and in a call."""
        if self._at_port is self._voice_port and self.table.live():
            raise NotNow("There is a call, and its port is the only one. Try again after it.")
        return await self._at_port.send(command)

    @property
    def carrier(self) -> LineCarrier | None:
        """Of the SIM that is in now."""
        return self._bring.carrier

    @property
    def ports(self) -> tuple[AtPort, ...]:
        """The AT ports, first the one that doesn't steer calls."""
        return tuple(reversed(self._ports))

    @property
    def _ports(self) -> tuple[AtPort, ...]:
        return (self._voice_port,) if self._at_port is self._voice_port else (self._voice_port, self._at_port)

    async def run(self) -> None:
        try:
            for port in self._ports:
                await port.open()
            async with asyncio.TaskGroup() as tasks:
                for port in self._ports:
                    tasks.create_task(port.run(), name=f"modem.{self._name}.{port.name}")
                    tasks.create_task(self._pump(port), name=f"modem.{self._name}.{port.name}.urcs")
                await self._bring_up()
                tasks.create_task(self.voice.drive(), name=f"modem.{self._name}.calls")
                tasks.create_task(self.messages.drive(), name=f"modem.{self._name}.messages")
                tasks.create_task(self._late(), name=f"modem.{self._name}.late")
                tasks.create_task(self._position(), name=f"modem.{self._name}.gnss")
                tasks.create_task(self._watch(), name=f"modem.{self._name}.status")
        finally:
            self.serving = False
            self.table.lose()
            self.ussd.lose()

    def unplugged(self, why: str) -> None:
        """The stick is gone, or another one by now: `run` ends at once, also where no port hangs up."""
        self._past.gap.lost()
        for port in self._ports:
            port.lose(PortLost(why))

    async def close(self) -> None:
        """After `run` has ended: lets go of the ports."""
        await self.audio.lose()
        for port in self._ports:
            await port.close()

    def _port(self, name: str, path: str) -> AtPort:
        wire = None
        if self._config.wire_log is not None:
            log_path = Path(f"{self._config.wire_log}.{name}")
            wire = WireLog(log_path, personal=self._personal, on_failure=self._wire_log_failed)
        urcs = self._profile.urcs
        baud, gap = self._config.baud, self._past.gap
        return AtPort(name, path, baud=baud, urcs=urcs, wire=wire, needed=lambda: self._call_goes_on(name), gap=gap)

    def _open_pcm(self) -> VoicePort:
        self._positioning.let_go()
        return self._pcm_factory(self.paths.pcm, self._profile.pcm_format)

    def _call_goes_on(self, name: str) -> bool:
        """A message without an answer, or a port gone deaf, must not cost the call that the other port steers."""
        other = next((port for port in self._ports if port.name != name), None)
        return other is not None and not other.tied_up and bool(self.table.live())

    def _wire_log_failed(self) -> None:
        self._log.warning("the wire log can't be written and is off", line=self._name)

    async def _bring_up(self) -> None:
        """Init on every port; what this firmware doesn't know it answers with ERROR, which is no reason to stop."""
        with self._bring.timing(Step.SYNC):
            for port in self._ports:
                await self._send_all(port, self._profile.init_port[:1])
        self._on_state(LineState.STARTING, None)
        with self._bring.timing(Step.RAMP):
            await self._bring.radio()
        with self._bring.timing(Step.SETTINGS):
            await self._configure()
        with self._bring.timing(Step.IDENTITY):
            await self.status.identify()
        with self._bring.timing(Step.SIM):
            await self.status.ask_sim()
        with self._bring.timing(Step.CALLS):
            await self.voice.begin()
        self.serving = True

    async def _configure(self) -> None:
        for port in self._ports:
            await self._send_all(port, self._profile.init_port)
        await self._send_all(self._voice_port, self._profile.init_once)

    async def _send_all(self, port: AtPort, commands: tuple[Command, ...]) -> None:
        for command in commands:
            try:
                reply = await port.send(command)
            except (AtTimeout, ModemBusy):
                self._log.warning("an init command got no answer", port=port.name, command=command.text)
                continue
            if not reply.ok:
                self._log.debug("an init command was refused", port=port.name, command=command.text, final=reply.final)

    async def _late(self) -> None:
        """After the first poll, which the network's seconds over these would hold up."""
        await self._polled.wait()
        await self._send_all(self._at_port, self._profile.init_late)
        await self._bring.drive()

    async def _pump(self, port: AtPort) -> None:
        while True:
            urc = await port.next_urc()
            if (known := self._profile.known(urc.text)) != urc.text:
                urc = Urc(known, urc.pdu)
            self.audio.on_urc(urc.text)
            self.voice.on_urc(port.name, urc)
            self.status.on_urc(urc)
            self._bring.on_urc(urc)
            if urc.text.startswith("+CPIN:"):  # it may be another card: looked at at once
                self._sim_spoke = True
                self._sim_changed.set()
            self.messages.on_urc(port.name, urc)
            self.ussd.on_urc(port.name, urc)
            self._positioning.on_urc(urc)

    async def _position(self) -> None:
        shared = self._at_port is self._voice_port
        receiver = Receiver(self._at_port, self.paths.nmea, lambda: bool(self.table.live()), shared=shared)
        await self._positioning.serve(receiver, self._polled)

    def _on_sim(self) -> None:
        self._sim_spoke = True
        self._sim_changed.set()
        self.messages.on_sim(self.status.facts.sim)

    async def _watch(self) -> None:
        """Polls, and says what the SIM's state makes of the line."""
        since_s: float | None = None
        configured = self.status.facts.sim == "READY"
        while True:
            self._sim_changed.clear()
            sim, now_s = self.status.facts.sim, time.monotonic()
            since_s = None if sim == "READY" else since_s if since_s is not None else now_s
            if since_s is None:
                if not configured:
                    await self._configure()  # what needs the SIM was refused before
                    configured = True
                await self._fit_card()
            elif not passing(sim) or now_s - since_s >= SIM_PATIENCE_S:
                configured = False
                if sim == PIN:
                    await self.sim.enter()
                if self.status.facts.sim != "READY":
                    self._on_state(LineState.FAILED, self.sim.reason(self.status.facts.sim or "no answer"))
            await self.status.poll()
            self._polled.set()
            await self._until_next_poll(self._config.poll_s if since_s is None else sim_poll_s(now_s - since_s))

    async def _fit_card(self) -> None:
        """The SIM is open. Another card than before has messages, a number and a carrier of its own."""
        self.sim.forget()
        spoke, self._sim_spoke = self._sim_spoke, False
        if await self.sim.is_another():
            self._on_state(LineState.STARTING, "another SIM")
            if not spoke:
                self.messages.on_sim("CHANGED")
                self.messages.on_sim("READY")
        await self._bring.fit_card()
        self._on_state(LineState.READY, self._past.reason)
        self._bring.ready()

    async def _until_next_poll(self, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._sim_changed.wait()
        except TimeoutError:
            return
