"""The SIM card of one life: its PIN and PUK, entered with care, and whether it is still the same card.

TS 27.007 §8.3 (CPIN). A SIM blocks after three wrong PINs, and is waste after ten wrong PUKs: so tries are counted
before each, the last one is never taken, and what was wrong once is not sent again. Codes stand in no log and no error.
"""

import asyncio
import re
from dataclasses import dataclass, field
from enum import Enum, auto

from core.errors import InvalidParams, ModemBusy, ModemRefused, NotNow, SimLocked
from core.log import Log
from core.modem.at import Command, Reply
from core.modem.lines_error import error_of
from core.modem.lines_network import iccid
from core.modem.lines_report import PinTries
from core.modem.lines_sim import pin_tries
from core.modem.pins import Pins
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import BringUpProfile
from core.modem.status import StatusWatch

MIN_TRIES = 2
"""The last try is left to a person who has the card's papers in hand."""

ENTER_S = 15.0
PIN, PUK, READY = "SIM PIN", "SIM PUK", "READY"
_WRONG = (12, 16)
"""+CME ERROR: incorrect password; and SIM PUK required, after the third."""

PUK_ADVICE = (
    "The SIM asks for its PUK: too many PINs were wrong. It is in the operator's letter or customer account. Enter it"
    " with modem.unlock {puk, pin}, where pin is a new one of your choice. Ten wrong PUKs destroy the card."
)
LAST_TRY = "The last try is never taken here: enter the code in a phone, then put the SIM back."


def may_send(left: int | None, *, asked: bool) -> bool:
    """Whether a code may go to the SIM with so many tries left; None: the modem doesn't tell, then only if a person
    asked for it."""
    return asked if left is None else left >= MIN_TRIES


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One code for one card. puk: then pin is the new one."""

    card: str | None
    pin: str = field(repr=False)
    puk: str | None = field(repr=False)

    @property
    def code(self) -> str:
        return self.puk or self.pin

    @property
    def command(self) -> str:
        return f'AT+CPIN="{self.pin}"' if self.puk is None else f'AT+CPIN="{self.puk}","{self.pin}"'


class _Outcome(Enum):
    OPEN = auto()
    WRONG = auto()
    UNHEARD = auto()  # refused for another reason: a busy SIM


class SimControl:
    """`enter` is called by the life when the SIM wants its PIN, `unlock` by a person. Raises PortLost besides."""

    def __init__(self, port: AtPort, status: StatusWatch, pins: Pins, profile: BringUpProfile) -> None:
        self._port = port
        self._status = status
        self._pins = pins
        self._profile = profile
        self._log = Log("modem.sim")
        self._turn = asyncio.Lock()
        self._advice: tuple[str, str] | None = None  # for which state, what a person should do
        self._seen: str | None = None
        self.tries: PinTries | None = None
        """As last read."""

    def reason(self, state: str) -> str:
        """Why a line with its SIM in that state can't be used, and what to do."""
        if state == PUK:
            return f"SIM: {PUK}: {PUK_ADVICE}"
        known = self._advice
        return f"SIM: {state}: {known[1]}" if known is not None and known[0] == state else f"SIM: {state}"

    async def enter(self) -> None:
        """Enters the PIN that is known for this card, if it asks for one; at most once for each card and PIN."""
        async with self._turn:
            if self._status.facts.sim != PIN or (self._advice is not None and self._advice[0] == PIN):
                return
            advice = await self._enter_known()
            self._advice = (PIN, advice) if advice is not None else None

    def forget(self) -> None:
        """The SIM is open, or gone: what was advised doesn't hold for the next one."""
        self._advice = None

    async def unlock(self, pin: str, puk: str | None = None) -> None:
        """As Line.unlock. InvalidParams for what is no PIN, NotNow when the SIM asks for something else."""
        if not re.fullmatch(r"[0-9]{4,8}", pin, re.ASCII):
            raise InvalidParams("pin: 4 to 8 digits.", path="pin")
        if puk is not None and not re.fullmatch(r"[0-9]{8}", puk, re.ASCII):
            raise InvalidParams("puk: 8 digits.", path="puk")
        async with self._turn:
            await self._status.ask_sim()
            state = self._status.facts.sim
            tries = await self._read_tries()
            if state == PUK and puk is None:
                raise SimLocked(PUK_ADVICE, tries_left=tries.puk if tries else None)
            if state not in (PIN, PUK) or (state == PIN and puk is not None):
                raise NotNow(
                    "The SIM asks for its PIN, not for its PUK." if puk and state == PIN else _not_asked(state)
                )
            attempt, left = _Attempt(await self._card(), pin, puk), _left(tries, puk)
            if not may_send(left, asked=True):
                raise SimLocked(f"The SIM takes one more try at most. {LAST_TRY}", tries_left=left)
            if self._pins.was_wrong(attempt.card, attempt.code):
                raise SimLocked("That code was wrong before and is not tried again.", tries_left=left)
            outcome = await self._send(attempt, left)
            if outcome is _Outcome.WRONG:
                raise SimLocked("The PUK is wrong." if puk else "The PIN is wrong.", tries_left=_left(self.tries, puk))
            if outcome is _Outcome.UNHEARD:
                raise ModemRefused("The SIM did not take the code, and did not count it. Try again in a moment.")

    async def is_another(self) -> bool:
        """Whether the open card is another one than at the last look. Afterwards the status knows who it is."""
        facts = self._status.facts
        card = await self._card() if facts.imsi is not None else None
        if facts.imsi is None or (card is not None and card != facts.iccid):
            facts.imsi = facts.iccid = None
            await self._status.ask_sim()
        before, self._seen = self._seen, facts.iccid or self._seen
        return before is not None and before != self._seen

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _enter_known(self) -> str | None:
        """What a person should do, if it did not open; None: nothing was found out, so try again."""
        card = await self._card()
        pin = self._pins.candidate(card)
        if pin is None:
            wrong = "the configured PIN is wrong and is not tried again; " if self._pins.is_configured else ""
            return wrong + "enter it with modem.unlock" + ("" if wrong else ", or set pin in core.toml")
        left = _left(await self._read_tries(), None)
        if not may_send(left, asked=False):
            if left is None:
                return "the modem does not tell how many tries are left; enter the PIN with modem.unlock"
            return f"{left} tries left. {LAST_TRY}"
        match await self._send(_Attempt(card, pin, None), left):
            case _Outcome.WRONG:
                now = f" ({self.tries.pin} tries left)" if self.tries is not None else ""
                return f"the configured PIN is wrong and is not tried again{now}; enter the right one with modem.unlock"
            case _:
                return None

    async def _send(self, attempt: "_Attempt", left: int | None) -> "_Outcome":
        """Sends a code that may be sent. AtTimeout when the modem is silent over it."""
        self._pins.sending(attempt.card, attempt.code)
        try:
            reply = await self._port.send(Command(attempt.command, ENTER_S))
        except AtTimeout:
            await self._judge(attempt, left, None)
            raise
        if not reply.ok:
            return await self._judge(attempt, left, reply)
        self._pins.right(attempt.card, attempt.pin)
        self._log.info("the SIM took its code")
        await self._status.ask_sim()
        return _Outcome.OPEN

    async def _judge(self, attempt: "_Attempt", left: int | None, reply: Reply | None) -> "_Outcome":
        """A refusal that says nothing about the code counts as wrong unless it has not cost a try."""
        error = error_of(reply.final) if reply is not None else None
        now = _left(await self._read_tries(), attempt.puk)
        await self._status.ask_sim()
        self._log.warning("the SIM refused a code", tries_left=now, cme=error.code if error else None)
        if (error is not None and error.code in _WRONG) or left is None or now != left:
            return _Outcome.WRONG
        self._pins.not_counted(attempt.card, attempt.code)
        return _Outcome.UNHEARD

    async def _read_tries(self) -> PinTries | None:
        self.tries = None
        if self._profile.pin_tries is not None:
            reply = await self._ask(self._profile.pin_tries)
            self.tries = next((found for line in reply for found in [pin_tries(line)] if found), None)
        return self.tries

    async def _card(self) -> str | None:
        lines = await self._ask(self._profile.iccid)
        return next((found for line in lines for found in [iccid(line)] if found), None)

    async def _ask(self, command: Command) -> tuple[str, ...]:
        try:
            return (await self._port.send(command)).lines
        except (AtTimeout, ModemBusy):
            return ()


def _left(tries: PinTries | None, puk: str | None) -> int | None:
    return None if tries is None else tries.puk if puk is not None else tries.pin


def _not_asked(state: str | None) -> str:
    return (
        "The SIM asks for no PIN now." if state == READY else f"The SIM can't be unlocked now: {state or 'no answer'}."
    )
