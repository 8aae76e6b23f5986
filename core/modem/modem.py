"""ModemLine: a modem with its SIM as a Line. Finds the modem, brings it up, loses it, finds it again."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count

from core.config import LineConfig, SmsConfig
from core.errors import ModemOffline
from core.line import (
    AudioPort,
    AudioReport,
    LineData,
    LineEvent,
    LineFix,
    LineInfo,
    LineMemory,
    LineMessage,
    LineReport,
    LineState,
    LineStatus,
    LineUssd,
    Place,
    UssdAnswer,
)
from core.log import Log
from core.modem.absence import Absence
from core.modem.call_audio import PcmFactory
from core.modem.call_state import Intent
from core.modem.data_access import line_data
from core.modem.endings import End, first, joined, public
from core.modem.facts import FactQueue
from core.modem.gnss import Positioning
from core.modem.healing import Healer, HealingTimes
from core.modem.past import past_of
from core.modem.port import PortLost, PortSilent, PortTaken
from core.modem.ports_json import PortsFile, content_of
from core.modem.profile import load_profile
from core.modem.raw_at import checked
from core.modem.report_ports import ports_by_role
from core.modem.rungs import UsbReset
from core.modem.session import Session
from core.modem.status import Facts
from core.modem.usb import UsbModem, UsbSource
from core.modem.usb_holder import held
from core.modem.usb_lock import locked
from core.modem.usb_ports import LOOK_S, Found, Tell
from core.modem.usb_sources import ports_of

BACK_OFF_MAX_S = 30.0


class ModemLine:
    """A core.line.Line. usb: where its modem comes from, run by whoever made it; None when its ports are given by name.
    personal_wire_log: the wire log keeps numbers and texts (log_personal_data).
    ppp_port: the AT port that belongs to PPP, "voice" or a path; the line does everything on its other one."""

    def __init__(
        self,
        name: str,
        config: LineConfig,
        *,
        open_pcm: PcmFactory,
        usb: UsbSource | None = None,
        personal_wire_log: bool = False,
        sms: SmsConfig | None = None,
        usb_reset: UsbReset | None = None,
        healing: HealingTimes | None = None,
        ppp_port: str | None = None,
    ) -> None:
        self._name = name
        self._config = config
        self._sms = sms or SmsConfig()
        self._profile = load_profile(config.modem)
        self._ports = ports_of(config, self._profile, usb, ppp_port=ppp_port)
        self._found: Found | None = None
        self._open_pcm = open_pcm
        self._personal_wire_log = personal_wire_log
        self._log = Log("modem")
        self._facts: FactQueue[LineEvent] = FactQueue(name)
        self._mail: FactQueue[LineMessage] = FactQueue(name, expendable=(LineMemory, LineUssd))
        self._lives: Iterator[int] = count(1)
        self._handles: Iterator[int] = count(1)
        self._reports: dict[int, AudioReport] = {}
        self._past = past_of(config)
        self._positioning = Positioning(self._profile.gnss, self._facts.put, on=config.gnss)
        self._usb_path = config.usb_path
        self._healer = Healer(
            name,
            config,
            self._profile.reset,
            self._facts.put,
            times=healing,
            usb_reset=usb_reset,
            usb_path=lambda: self._usb_path,
        )
        self._session: Session | None = None
        self._leaving: Session | None = None  # over, but its audio may still have to be stopped
        self._state = LineState.OFFLINE
        self._reason: str | None = None
        self._told: tuple[LineState, str | None] | None = None
        self._seen = False
        self._absence = Absence(config.lost_after_s, self._say_lost)
        self._last_known = Facts()
        self._ports_file = PortsFile(config.ports_json)

    @property
    def name(self) -> str:
        return self._name

    @property
    def info(self) -> LineInfo:
        known = self._session.status.facts if self._session is not None else self._last_known
        live = self._session is not None
        return LineInfo(
            name=self._name,
            state=self._state,
            reason=self._reason,
            manufacturer=known.manufacturer,
            model=known.model,
            revision=known.revision,
            imei=known.imei,
            imsi=known.imsi if live else None,
            iccid=known.iccid if live else None,
            sim=known.sim if live else None,
            operator=known.operator if live else None,
            registration=known.registration if live else None,
            rssi_dbm=known.rssi_dbm if live else None,
            signal=known.signal if live else None,
            smsc=self._session.messages.smsc if self._session is not None else None,
            memories=self._session.messages.memories if self._session is not None else (),
            restarting_s=self._healer.restarting_s,
        )

    @property
    def usb(self) -> UsbModem | None:
        """The stick of this life; None between two lives, and where the ports are given by name."""
        return self._found.usb if self._found is not None else None

    async def run(self) -> None:
        """For ever. Each life is a task of its own: a group that fails in a loop breaks asyncio.timeout on 3.11."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._absence.run(), name=f"modem.{self._name}.absence")
            tasks.create_task(self._ports_file.run(), name=f"modem.{self._name}.ports_json")
            tasks.create_task(self._healer.run(), name=f"modem.{self._name}.recovery")
            tell = Tell(self._set_away, lambda reason: self._set_state(LineState.FAILED, reason))
            wait_s = LOOK_S
            while True:
                found = await self._ports.find(tell)
                lived = await joined(tasks.create_task(self._one_life(tasks, found), name=f"modem.{self._name}.life"))
                wait_s = LOOK_S if lived else min(wait_s * 2, BACK_OFF_MAX_S)
                if await self._back_off(wait_s, found):
                    wait_s = LOOK_S

    async def next(self) -> LineEvent:
        return await self._facts.get()

    async def dial(self, number: str, *, hide_number: bool = False) -> int:
        self._healer.permit()
        with public():
            return await self._serving().voice.dial(number, hide_number=hide_number)

    async def answer(self, handle: int) -> None:
        self._healer.permit(answering=True)
        with public():
            await self._serving().voice.answer(handle)

    async def reject(self, handle: int) -> None:
        with public():
            await self._serving().voice.hang_up(handle, Intent.REJECT)

    async def hangup(self, handle: int) -> None:
        with suppress(ModemOffline), public():  # without a modem its call is over already, and said to be
            await self._serving().voice.hang_up(handle, Intent.HANGUP)

    async def hold(self, handle: int) -> None:
        with public():
            await self._serving().voice.hold(handle)

    async def resume_held(self, handle: int) -> None:
        with public():
            await self._serving().voice.resume_held(handle)

    async def swap(self) -> None:
        with public():
            await self._serving().voice.swap()

    async def join(self) -> None:
        with public():
            await self._serving().voice.join()

    async def send_dtmf(self, handle: int, digits: str) -> None:
        with public():
            await self._serving().voice.send_keys(handle, digits)

    async def open_audio(self, handle: int) -> AudioPort:
        with public():
            return await self._serving().audio.open(handle)

    async def close_audio(self, handle: int) -> AudioReport | None:
        session = self._session or self._leaving
        if session is None:
            return self._reports.pop(handle, None)
        with public():
            report = await session.audio.close(handle)
        if report is not None and session is self._session:  # else the modem starts anew anyway
            self._healer.note_audio(handle, report)
        return report

    # --- messages --------------------------------------------------------------------------------------------------

    async def next_message(self) -> LineMessage:
        return await self._mail.get()

    async def discard(self, places: Sequence[Place]) -> None:
        """Answers at once; the deletion follows, and what it misses is deleted after a later sweep."""
        if self._session is not None:
            self._session.messages.discard(places)

    def keep(self, places: Sequence[Place]) -> None:
        if self._session is not None:
            self._session.messages.keep(places)

    @property
    def can_send(self) -> bool:
        return self._session is not None and self._session.can_send and self._healer.restarting_s is None

    async def send_tpdu(self, tpdu: bytes, *, smsc: str | None = None, more: bool = False, timeout_s: float) -> int:
        with self._healer.handing_over(), public():
            return await self._serving().messages.send(tpdu, smsc=smsc, more=more, timeout_s=timeout_s)

    async def ussd(self, text: str, *, timeout_s: float) -> UssdAnswer:
        self._healer.permit()
        with public():
            return await self._serving().ussd.ask(text, timeout_s=timeout_s)

    async def ussd_cancel(self) -> None:
        with public():
            await self._serving().ussd.cancel()

    async def report(self) -> LineReport:
        with public():
            session = self._serving()
            found = await session.reporter.report(gap_s=self._past.gap.widened_s or self._config.at_gap_s)
        ports = ports_by_role(session.paths, self.usb)
        return replace(
            found,
            usb_path=self.usb.path if self.usb is not None else None,
            ports=tuple((role.value, path) for role, path in ports.items()),
            carrier=session.carrier,
            resets_last_hour=self._healer.resets_last_hour,
            audio=self._healer.last_audio,
        )

    @property
    def data(self) -> LineData:
        paths = self._session.paths if self._session is not None else None
        return line_data(self._config, self._past.access, paths, self.usb)

    async def raw_at(self, command: str, *, timeout_s: float) -> tuple[str, ...]:
        wanted = checked(command, timeout_s)
        with public():
            reply = await self._serving().raw_at(wanted)
        return (*reply.lines, reply.final)

    async def unlock(self, pin: str, puk: str | None = None) -> None:
        with public():
            await self._serving().sim.unlock(pin, puk)

    async def restart(self, reason: str) -> None:
        await self._healer.restart(reason)

    async def locate(self, on: bool) -> None:
        with public():
            await self._positioning.switch(on)

    @property
    def location(self) -> LineFix | None:
        return self._positioning.fix

    # --- inside ----------------------------------------------------------------------------------------------------

    def _serving(self) -> Session:
        if self._session is None or not self._session.serving:
            raise ModemOffline
        return self._session

    async def _one_life(self, tasks: asyncio.TaskGroup, found: Found) -> bool:
        """From opening to loss. Whether the modem could be used."""
        try:
            async with self._healer.treatment.ports:
                with locked((found.paths.at, found.paths.voice, found.paths.pcm)):
                    return await self._live(tasks, found)
        except PortTaken as taken:
            self._set_state(LineState.FAILED, str(taken))
            return False

    async def _live(self, tasks: asyncio.TaskGroup, found: Found) -> bool:
        session = Session(
            self._name,
            self._config,
            self._sms,
            self._profile,
            self._healer.treatment.usable(found.paths),
            open_pcm=self._open_pcm,
            emit=self._facts.put,
            tell=self._mail.put,
            lives=self._lives,
            handles=self._handles,
            reports=self._reports,
            positioning=self._positioning,
            past=self._past,
            on_state=self._set_state,
            personal_wire_log=self._personal_wire_log,
        )
        self._session, self._found = session, found
        self._usb_path = found.usb.path if found.usb is not None else self._usb_path
        self._healer.life_began(session)
        end = End("cancelled")
        watching = tasks.create_task(self._watch_usb(session, found), name=f"modem.{self._name}.usb")
        try:
            end = await joined(tasks.create_task(self._serve(session), name=f"modem.{self._name}.session"))
            self._leaving = session
            lived = self._state in (LineState.READY, LineState.FAILED) and not end.taken
            self._session = None
            self._last_known = session.status.facts
            if end.taken:
                self._set_state(LineState.FAILED, end.reason)
            else:
                self._set_away(end.reason)
            return lived
        finally:
            self._session = self._found = None
            self._healer.life_ended(end)
            watching.cancel()
            await session.close()
            self._leaving = None

    async def _watch_usb(self, session: Session, found: Found) -> None:
        """Ends the session once its ports aren't those of the stick any more. Ports given by name only hang up."""
        if found.usb is not None:
            session.unplugged(await self._ports.gone(found))

    async def _serve(self, session: Session) -> End:
        """One session in a task of its own, for the same reason as in `run`; gives why it ended."""
        end = End("the modem went")
        try:
            await session.run()
        except* PortTaken as taken:
            problem = first(taken)
            if isinstance(problem, PortTaken) and problem.path is not None:
                problem = await asyncio.to_thread(held, problem.path)
            end = End(str(problem), taken=True)
        except* PortSilent as lost:
            end = End(str(first(lost)), silent=True)
        except* PortLost as lost:
            end = end if end.silent else End(str(first(lost)), fell=True)
        except* Exception:
            self._log.exception("a life of the modem ended by a mistake of ours", line=self._name)
            end = End("internal error")
        return end

    async def _back_off(self, wait_s: float, found: Found) -> bool:
        """Waits, but not once the ports have gone: what comes back then is a fresh modem. Whether they have."""
        try:
            async with asyncio.timeout(wait_s):
                await self._ports.gone(found)
        except TimeoutError:
            return False
        return True

    def _set_away(self, reason: str) -> None:
        """Gone: reconnecting for a while if it was ever there, then offline."""
        self._absence.began()
        if self._state is not LineState.OFFLINE or self._told is None:
            self._set_state(LineState.RECONNECTING if self._seen else LineState.OFFLINE, reason)

    def _say_lost(self) -> None:
        self._set_state(LineState.OFFLINE, self._reason, lost=True)

    def _set_state(self, state: LineState, reason: str | None, *, lost: bool = False) -> None:
        self._state, self._reason = state, reason
        self._ports_file.show(content_of(self._session, self.usb) if state is LineState.READY else None)
        if state in (LineState.READY, LineState.FAILED):
            self._seen = True
        self._absence.note(state)
        # Trying again is no news: while it is away only the first reason is told.
        same = self._told is not None and (
            self._told == (state, reason) or self._told[0] is state is not LineState.FAILED
        )
        if not same or lost:
            self._told = (state, reason)
            self._log.info("line", line=self._name, state=state, reason=reason, lost=lost)
            self._facts.put(LineStatus(state, reason, lost))
