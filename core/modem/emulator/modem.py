"""The stick as a whole: its state, its ports, who hears which unsolicited line, and how it starts and restarts."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from core.log import Log
from core.modem.emulator.at_line import Command
from core.modem.emulator.at_port import AtPort, PortSettings
from core.modem.emulator.call_control import CallControl
from core.modem.emulator.data_call import DataNetwork
from core.modem.emulator.far_end import FarEnd
from core.modem.emulator.faults import Cure, FaultKind, Faults
from core.modem.emulator.gps import Gps
from core.modem.emulator.options import CONTEXTS, Counters, DialScript, Options, Radio, Sim, SimState
from core.modem.emulator.pcm import PcmEndpoint
from core.modem.emulator.personality import PERSONALITIES
from core.modem.emulator.ptys import AT_PORTS, NMEA_PORT, PortSet
from core.modem.emulator.reply import Reply
from core.modem.emulator.settings import OUTPORT, Settings
from core.modem.emulator.sms_arrival import Arrivals
from core.modem.emulator.sms_network import SmsNetwork
from core.modem.emulator.sms_store import CAPACITY, SmsStore
from core.modem.emulator.transcript import Transcript
from core.modem.emulator.ussd import Ussd

_RESET_GRACE_S = 0.1
"""From the OK to AT+CRESET until the ports go; the OK must be read before."""

_log = Log("emulator")


class Modem:
    """Shared by command handlers and control methods. Everything but the PCM thread runs on one loop."""

    def __init__(self, options: Options, tasks: asyncio.TaskGroup) -> None:
        self.options = options
        self.personality = PERSONALITIES[options.model]
        self.tasks = tasks
        self.loop = asyncio.get_running_loop()
        self.random = random.Random(options.seed)
        self.faults = Faults()
        self.sim = Sim(pin=options.pin or "1234", pin_enabled=options.pin is not None)
        self.radio = Radio()
        self.script = DialScript()
        self.sms = SmsStore(CAPACITY | {"ME": options.sms_me, "SM": options.sms_sm})
        self.network = SmsNetwork(self)
        self.arrivals = Arrivals(self)
        self.settings = Settings()
        self.counters = Counters()
        self.transcript = Transcript(options.transcript)
        voice_port = self.personality.voice_port
        self.data = DataNetwork(options.directory / "data", self.loop)
        self.ports = PortSet(
            options.directory,
            self._on_bytes,
            self.loop,
            count=self.personality.ports,
            voice_port=voice_port,
            on_closed=self._on_closed,
        )
        self.far = FarEnd(self.loop, seed=options.seed)
        self.pcm = PcmEndpoint(
            self.ports.ports[voice_port],
            self.far,
            self.faults,
            seed=options.seed,
            burst_frames=options.burst_frames,
            on_flow=self._on_flow if self.personality.flow is not None else None,
        )
        self.calls = CallControl(self)
        self.at = {interface: self._at_port(interface) for interface in AT_PORTS}
        self.gps = Gps(self._send_nmea)
        self.contexts = dict(CONTEXTS)
        self.active_contexts = {1, 2}
        self.volte = False
        self.call_waiting = True
        self.call_knobs: dict[str, int] = {}
        self.record_path: Path | None = None
        self.ussd = Ussd(self)
        self.power_cycles = 0
        """How often the stick lost its power; who waits for something in it compares."""
        self._sim_ready_s = 0.0
        self._restarting = False
        self._boot: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Plugs in, already booted, so that whoever waits for the ports finds a working modem."""
        self._power_on()
        self._sim_ready_s = 0.0
        self.ports.plug()
        for interface, port in self.at.items():
            self.tasks.create_task(port.run(), name=f"emulator.at{interface}")
        self.tasks.create_task(self._run_gps(), name="emulator.gps")

    def close(self) -> None:
        self.pcm.close()
        self.ports.close()
        self.data.close()
        self.transcript.close()

    # --- who hears what ---

    def urc(self, text: str | None, want: Callable[[PortSettings], bool] | None = None) -> None:
        """Sends an unsolicited line to the ports that AT+CATR names and that `want` it by their own settings.

        None: this family has no such line.
        """
        if text is None:
            return
        for port in self.audible():
            if want is None or want(port.settings):
                port.urc(text)

    def audible(self) -> list[AtPort]:
        """The ports that AT+CATR lets hear unsolicited lines."""
        return [self.at[interface] for interface in self.personality.urc_ports(self.settings)]

    def _on_flow(self, go: bool) -> None:
        """On the PCM thread."""
        if self.personality.flow is not None:
            self.loop.call_soon_threadsafe(self.urc, self.personality.flow[go])

    async def storm(self, text: str, per_s: int, duration_s: float) -> None:
        """One line again and again, in bursts of 10 ms."""
        began_s, said = time.monotonic(), 0
        while (passed_s := time.monotonic() - began_s) < duration_s:
            for _ in range(int(passed_s * per_s) - said):
                self.urc(text)
                said += 1
            await asyncio.sleep(0.01)

    def later(self, delay_s: float, step: Callable[[], None], name: str) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay_s)
            step()

        self.tasks.create_task(wait(), name=f"emulator.{name}")

    # --- SIM and network ---

    @property
    def sim_state(self) -> SimState:
        """As AT sees it: busy for a moment after each start."""
        hung = time.monotonic() < self._sim_ready_s or self.faults.get(FaultKind.SIM_HUNG) is not None
        if self.sim.state is not SimState.ABSENT and hung:
            return SimState.BUSY
        return self.sim.state

    @property
    def registration(self) -> int:
        """<stat> of +CREG: 1 home, 2 searching, 0 not searching, 3 denied."""
        if self.radio.cfun != 1 or self.sim_state is not SimState.READY:
            return 0
        if (stuck := self.faults.get(FaultKind.NETWORK_STUCK)) is not None:
            return 3 if stuck.denied else 2
        return 1 if self.radio.registered else 2

    @property
    def access_mode(self) -> int:
        """<stat> of +CNSMOD: 0 none, 1 GSM, 4 WCDMA, 8 LTE."""
        return {"gsm": 1, "wcdma": 4, "lte": 8}[self.radio.technology] if self.registration == 1 else 0

    def tell_registration(self) -> None:
        """+CREG, +CGREG and +CEREG to the ports that asked, each in the form it asked for; messages come again."""
        for port in self.audible():
            for name, mode in port.settings.registration.items():
                if mode:
                    port.urc(f"{name}: {self.registration_fields(name, mode)}")
        self.arrivals.pump()

    def registration_fields(self, name: str, mode: int) -> str:
        if name == "+CEREG" and self.registration == 1 and self.radio.technology != "lte":
            return "4"  # unknown, which is normal there (spec §1.6)
        if mode < 2 or self.registration != 1:
            return str(self.registration)
        act = ",7" if name == "+CEREG" else ""
        return f'{self.registration},"{self.radio.area}","{self.radio.cell}"{act}'

    @property
    def smsc(self) -> str:
        """The service centre's number, from AT+CSCA."""
        return self.settings["+CSCA"].split('"')[1]

    def unlock_sim(self) -> None:
        self.sim.state = SimState.READY
        self.sim.pin_tries, self.sim.puk_tries = 3, 10
        self.later(0.05, self._tell_unlocked, "unlock")

    def _tell_unlocked(self) -> None:
        for text in ("+CPIN: READY", *self.personality.after_pin, self.personality.sms_done, self.personality.pb_done):
            self.urc(text)
        self.tell_registration()

    # --- plug, unplug, reset ---

    def unplug(self) -> None:
        """Power and bus are gone at once; calls drop, and nobody is told."""
        self._power_off(Cure.POWER)
        self.ports.unplug()

    def brownout(self) -> None:
        """The supply gave in: gone at once, back by itself after reset_s."""
        if self.ports.plugged and not self._restarting:
            self._restarting = True
            self.unplug()
            self.later(self.options.reset_s, self._back, "brownout")

    def _back(self) -> None:
        self._restarting = False
        if not self.ports.plugged:
            self.replug()

    def replug(self, *, renumber: bool = False) -> None:
        self._power_on()
        self.ports.plug(renumber=renumber)
        self._boot = self.tasks.create_task(self._tell_boot(), name="emulator.boot")

    def reset(self, *, renumber: bool = False) -> None:
        """AT+CRESET: gone after a moment, back after reset_s. One at a time."""
        if not self._restarting and self.ports.plugged:
            self._restarting = True
            self.tasks.create_task(self._restart(renumber=renumber), name="emulator.reset")

    async def _restart(self, *, renumber: bool) -> None:
        await asyncio.sleep(_RESET_GRACE_S)
        if self.ports.plugged:
            self._power_off(Cure.RESET)
            self.ports.unplug()
            await asyncio.sleep(self.options.reset_s)
        self._restarting = False
        if not self.ports.plugged:
            self.replug(renumber=renumber)

    def _power_off(self, cure: Cure) -> None:
        if self._boot is not None:
            self._boot.cancel()
        self.power_cycles += 1
        self.arrivals.power_off()
        self.ussd.drop()
        self.calls.drop_all()
        self.pcm.unregister()
        self.faults.cure(cure)
        for port in self.at.values():
            port.reset()

    def _power_on(self) -> None:
        self.pcm.power_on()
        self.settings.power_on()
        self.radio.cfun = 1
        self.gps.power_on()
        self.call_knobs.clear()
        self._sim_ready_s = time.monotonic() + self.options.boot_s * 0.4
        if self.sim.pin_enabled and self.sim.state is SimState.READY:
            self.sim.state = SimState.PIN

    async def _tell_boot(self) -> None:
        """RDY, +CPIN, SMS DONE, PB DONE (spec §1.3); the last two only with an unlocked SIM."""
        step_s = self.options.boot_s / 5
        await asyncio.sleep(step_s)
        for text in ("RDY", *self.personality.after_start):
            self.urc(text)
        await asyncio.sleep(step_s)
        await asyncio.sleep(max(0.0, self._sim_ready_s - time.monotonic()))
        if self.sim.state in (SimState.READY, SimState.PIN, SimState.PUK):
            self.urc(f"+CPIN: {self.sim.state}")
        if self.sim.state is SimState.READY:
            for text in self.personality.after_pin:
                self.urc(text)
            self.tell_registration()
            await asyncio.sleep(2 * step_s)
            self.urc(self.personality.sms_done)
            await asyncio.sleep(step_s)
            self.urc(self.personality.pb_done)

    async def _run_gps(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.gps.tick()

    # --- bytes ---

    def _at_port(self, interface: int) -> AtPort:
        return AtPort(
            interface, self._execute, self._send, self.faults,
            double_cr=self.options.double_cr, trace=self.transcript.write,
        )  # fmt: skip

    def _send(self, interface: int, data: bytes) -> None:
        self.ports.ports[interface].send(data, self.loop)

    def _send_nmea(self, data: bytes) -> None:
        if self.settings[OUTPORT] != "usbnmea":
            return
        self._send(NMEA_PORT, data)

    def _on_bytes(self, interface: int, data: bytes) -> None:
        if interface in self.at:
            self.at[interface].feed(data)

    def _on_closed(self, interface: int) -> None:
        if interface in self.at:
            self.at[interface].closed()

    async def _execute(self, port: AtPort, command: Command) -> Reply:
        from core.modem.emulator.commands import run_command  # the tables need Modem's type

        self.counters.commands += 1
        if self.faults.strike(FaultKind.BROWNOUT, command.text, port.interface) is not None:
            self.brownout()
            return Reply(silent=True)
        return await run_command(self, port, command)

    def cpcmreg_refused(self) -> bool:
        """Whether this AT+CPCMREG=1 meets a fault."""
        return self.faults.strike(FaultKind.CPCMREG_REFUSED) is not None or self.pcm.degraded_refusal()
