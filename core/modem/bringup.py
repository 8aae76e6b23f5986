"""Bring-up of one life: radio, carrier, contexts, network and VoLTE, each step driven by what the modem says.

Every step tolerates ERROR: firmware differs, and a line that can call must not wait for one that can do VoLTE. The
sequence is the old station's (power first), the waits are bounds; docs/bringup.md.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager

from core.config import LineConfig
from core.errors import ModemBusy
from core.line import LineCarrier
from core.log import Log
from core.modem import packet_plan
from core.modem.at import Command, Reply, Urc
from core.modem.bringup_steps import EARLY, SIM_PATIENCE_S, Step, Stopwatch, at_most_s, late_steps, passing
from core.modem.carrier_choice import access_for, line_carrier, look_up
from core.modem.carriers import Carrier
from core.modem.lines_error import not_known
from core.modem.lines_network import REGISTERED
from core.modem.lines_quectel import qspn
from core.modem.lines_report import cgact, cgdcont
from core.modem.lines_sim import cfun, cspn
from core.modem.past import Past
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import BringUpProfile, Switch
from core.modem.status import StatusWatch

RADIO_OFF, RADIO_ON = Command("AT+CFUN=0", 15.0), Command("AT+CFUN=1", 30.0)
ASK_S = 5.0
"""Between two questions for the network; its URCs come at once where the modem sends them."""

MAX_RAMPS_LOST = 2
"""A ramp that makes the ports vanish is done by then; one that does so each time is left out."""

_NEWS = ("+CREG:", "+CGREG:", "+CEREG:", "+CPIN:", "SMS DONE", "PB DONE", "RDY")


class BringUp:
    """`ramp` and `fit_card` before the line is ready, `drive` in a task of the life. Raises PortLost only."""

    def __init__(
        self, line: str, config: LineConfig, profile: BringUpProfile, port: AtPort, status: StatusWatch, past: Past
    ) -> None:
        self._line = line
        self._config = config
        self._profile = profile
        self._port = port
        self._status = status
        self._past = past
        self._log = Log("modem.bringup")
        self._watch = Stopwatch()
        self._news = asyncio.Event()
        self._fitted = asyncio.Event()
        self._card: tuple[str | None, str | None] | None = None
        self._carrier: Carrier | None = None
        self._ims_cid: int | None = None
        self._reported = False

    @property
    def carrier(self) -> LineCarrier | None:
        """Of the card that is in now; None until it is known."""
        return line_carrier(self._carrier) if self._carrier is not None else None

    def timing(self, step: Step) -> AbstractContextManager[None]:
        return self._watch.timing(step, time.monotonic)

    def on_urc(self, urc: Urc) -> None:
        """One URC of either port."""
        if urc.text.startswith(_NEWS):
            self._news.set()

    def ready(self) -> None:
        """The line is ready: says once what it took."""
        if not self._reported:
            self._reported = True
            self._say("line brought up", self._watch)

    # --- the radio -------------------------------------------------------------------------------------------------

    async def radio(self) -> None:
        """The ramp if it is configured; and full function in any case: a core that died within a ramp left it off."""
        if self._past.ramping:
            self._past.ramping = False
            self._past.ramps_lost += 1  # the ports vanished and are back, which for some hubs is the point of it
            self._log.info("the radio's ramp made the ports come anew", line=self._line, times=self._past.ramps_lost)
        elif self._config.ramp and self._past.ramps_lost < MAX_RAMPS_LOST:
            await self._ramp()
            return
        reply = await self._ask(Command("AT+CFUN?"))
        if any(cfun(line) in (0, 4) for line in (reply.lines if reply else ())):
            await self._ask(RADIO_ON)
            await self._until_sim()

    async def _ramp(self) -> None:
        pause_s = self._config.ramp_pause_s
        self._past.ramping = True
        await self._ask(RADIO_OFF)
        await asyncio.sleep(pause_s)
        await self._ask(RADIO_ON)
        await asyncio.sleep(pause_s)
        self._past.ramping = False
        await self._until_sim()

    async def _until_sim(self) -> None:
        """Until the SIM says something other than busy, or its patience is over."""
        until_s = time.monotonic() + SIM_PATIENCE_S
        while time.monotonic() < until_s:
            self._news.clear()
            await self._status.ask_sim()
            if not passing(self._status.facts.sim):
                return
            await self._rest(1.0)

    # --- the card --------------------------------------------------------------------------------------------------

    async def fit_card(self) -> None:
        """Fits the modem to the card that is in, once for each."""
        facts = self._status.facts
        card = (facts.imsi, facts.iccid)
        if facts.imsi is None or card == self._card:
            return
        self._card, self._carrier = card, None
        work: Mapping[Step, Callable[[], Awaitable[None]]] = {
            Step.CARRIER: self._find_carrier,
            Step.CONTEXTS: self._define_contexts,
        }
        for step in EARLY:
            await self._carry_out(step, work[step], self._watch)
        self._fitted.set()

    async def _find_carrier(self) -> None:
        facts, provider = self._status.facts, None
        if self._profile.provider is not None and (reply := await self._ask(self._profile.provider)) is not None:
            provider = next((name for line in reply.lines if (name := cspn(line) or qspn(line))), None)
        if facts.imsi is None:
            return
        self._carrier = await look_up(self._config, facts.imsi, facts.iccid, provider)
        carrier = self._carrier
        self._past.access = access_for(self._config, carrier)
        self._log.info(
            "carrier", line=self._line, name=carrier.name, network=f"{carrier.mcc}-{carrier.mnc}", apn=carrier.apn,
            ims_apn=carrier.ims_apn, source=carrier.source,
        )  # fmt: skip

    async def _define_contexts(self) -> None:
        if self._carrier is None:
            return
        access = access_for(self._config, self._carrier)
        reply = await self._ask(Command("AT+CGDCONT?"))
        defined = [found for line in (reply.lines if reply else ()) if (found := cgdcont(line)) is not None]
        self._ims_cid = packet_plan.ims_cid(defined, access.ims_apn) if access.ims_apn is not None else None
        commands = packet_plan.definitions(access, defined)
        for command in commands:
            await self._tolerate(command)
        changed = any(command.text.startswith(f"AT+CGDCONT={packet_plan.DATA_CID},") for command in commands)
        for command in packet_plan.authentication(access, self._profile.auth, changed=changed):
            if await self._tolerate(command, secret=True):
                break

    # --- after the line is ready -----------------------------------------------------------------------------------

    async def drive(self) -> None:
        """The late steps for each card, for ever."""
        while True:
            await self._fitted.wait()
            self._fitted.clear()
            watch = Stopwatch()
            steps = late_steps(self._config, ims=self._ims_cid is not None)
            work = {
                Step.NETWORK: self._await_network,
                Step.ACTIVATE: self._activate,
                Step.VOLTE: self._set_volte,
                Step.LTE_ONLY: self._set_lte_only,
            }
            for step in steps:
                await self._carry_out(step, work[step], watch)
            self._say("network set up" if self._registered else "no network yet", watch)
            if not self._registered and Step.ACTIVATE in steps:
                await self._await_network()
                await self._activate()

    @property
    def _registered(self) -> bool:
        return self._status.facts.registration in REGISTERED

    async def _await_network(self) -> None:
        while not self._registered:
            self._news.clear()
            await self._rest(ASK_S)
            if not self._registered:
                await self._status.poll()

    async def _activate(self) -> None:
        if not self._registered:
            return
        reply = await self._ask(Command("AT+CGACT?"))
        active = dict(found for line in (reply.lines if reply else ()) if (found := cgact(line)) is not None)
        for command in packet_plan.activations(active, ims=self._ims_cid, data=self._config.activate_data):
            await self._tolerate(command)

    async def _set_volte(self) -> None:
        wanted = {"on": True, "off": False}.get(self._config.volte)
        if wanted is None and (self._carrier is None or self._carrier.volte is not False):
            wanted = True  # whether it is unknown or likely: the network decides
        if wanted is not None and not await self._turn(self._profile.volte, wanted) and self._config.volte == "on":
            self._log.warning("this modem has no command for VoLTE: the network decides", line=self._line)

    async def _set_lte_only(self) -> None:
        if not await self._turn(self._profile.lte_only, True):
            self._log.warning("this modem can't be kept to LTE", line=self._line)

    async def _turn(self, switch: Switch | None, on: bool) -> bool:
        """Whether the modem has it as wanted. What it doesn't know is not asked again of this firmware, and what it
        refused is not sent again: some firmware leaves the bus over it, each time."""
        command = switch.on if switch is not None and on else switch.off if switch is not None else None
        if switch is None or command is None:
            return False
        revision = self._status.facts.revision
        known = [(revision, switch.ask.text), (revision, command.text)]
        if self._past.unknown & set(known):
            return False
        reply = await self._ask(switch.ask)
        if reply is None or not reply.ok:
            if reply is not None and not_known(reply.final):
                self._past.unknown.add(known[0])
            return False
        if any(re.match(switch.on_sign, line) for line in reply.lines) is on:
            return True
        self._past.unknown.add(known[1])
        if not await self._tolerate(command):
            return False
        self._past.unknown.discard(known[1])
        return True

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _carry_out(self, step: Step, work: Callable[[], Awaitable[None]], watch: Stopwatch) -> None:
        with watch.timing(step, time.monotonic):
            try:
                async with asyncio.timeout(at_most_s(step, self._config)):
                    await work()
            except TimeoutError:
                self._log.warning("a step of bring-up took too long and is passed over", line=self._line, step=step)

    async def _rest(self, at_most_s: float) -> None:
        """Until the modem says something of interest."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._news.wait()
        except TimeoutError:
            return

    async def _tolerate(self, command: Command, *, secret: bool = False) -> bool:
        """Whether the modem took it. secret: the command stands in no log."""
        reply = await self._ask(command)
        if reply is not None and reply.ok:
            return True
        shown = command.text.partition("=")[0] if secret else command.text
        self._log.info("refused", line=self._line, command=shown, final=reply.final if reply else "no answer")
        return False

    async def _ask(self, command: Command) -> Reply | None:
        """None when no answer came."""
        try:
            return await self._port.send(command)
        except (AtTimeout, ModemBusy):
            return None

    def _say(self, text: str, watch: Stopwatch) -> None:
        slowest = watch.slowest
        self._log.info(
            text, line=self._line, took_ms=round(watch.total_s * 1000), steps=watch.words(),
            slowest=slowest[0] if slowest else None,
        )  # fmt: skip
