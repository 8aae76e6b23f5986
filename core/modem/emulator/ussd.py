"""The network's side of USSD: codes, menus, one session at a time. TS 22.090, TS 27.007 §7.15; spec/sim7600 §1.10."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from core.modem.emulator import gsm7, sms_text

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

ANSWER_S = 0.5
"""On air 5 to 20 s with a fall-back to 2G or 3G."""
_HEARD_KEPT = 1000
_GSM, _UCS2 = 15, 72
"""The two coding schemes of practice: GSM alphabet without a language, and UCS2 (TS 23.038 §5)."""


class Result(IntEnum):
    """<m> of +CUSD."""

    DONE = 0
    REPLY_WANTED = 1
    TERMINATED = 2
    UNSUPPORTED = 4
    TIMEOUT = 5


class Outcome(StrEnum):
    ANSWER = "answer"
    TERMINATED = "terminated"
    UNSUPPORTED = "unsupported"
    TIMEOUT = "timeout"
    SILENT = "silent"


_RESULTS = {
    Outcome.TERMINATED: Result.TERMINATED, Outcome.UNSUPPORTED: Result.UNSUPPORTED, Outcome.TIMEOUT: Result.TIMEOUT,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Menu:
    """What the network says. then: by answer, "*" for any other; dcs: in place of the one that suits the text.

    delay_s before it says so; wait_s is how long it waits for an answer.
    """

    text: str
    reply_wanted: bool = False
    then: dict[str, "Menu"] = field(default_factory=dict)
    outcome: Outcome = Outcome.ANSWER
    dcs: int | None = None
    delay_s: float = ANSWER_S
    wait_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the modem sent: kind is code, answer or cancel."""

    kind: str
    text: str
    at_s: float


class Ussd:
    """One per emulator. presented: AT+CUSD=1, without which no port is told anything."""

    def __init__(self, modem: "Modem") -> None:
        self._modem = modem
        self.presented = False
        self.answers = {"*100#": Menu("Balance: 10.00")}
        self.heard: deque[Heard] = deque(maxlen=_HEARD_KEPT)
        self._menu: Menu | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pending = False

    @property
    def in_session(self) -> bool:
        return self._menu is not None

    def send(self, text: str) -> bool:
        """A code, or within a session an answer. False while the network still works on the one before."""
        if self._pending:
            return False
        if self._menu is None:
            menu = self.answers.get(text, Menu("", outcome=Outcome.UNSUPPORTED))
        else:
            menu = self._menu.then.get(text) or self._menu.then.get("*") or Menu("", outcome=Outcome.TERMINATED)
        self._note("code" if self._menu is None else "answer", text)
        self._pending = True
        self._after(menu.delay_s, lambda: self._say(menu))
        return True

    def push(self, menu: Menu) -> None:
        """The network begins; it ends a session that was open."""
        self._after(menu.delay_s, lambda: self._say(menu))

    def cancel(self) -> None:
        """AT+CUSD=2."""
        self._note("cancel", "")
        self.drop()

    def end(self, result: Result) -> bool:
        """The network ends a session, or a request that it hasn't answered. False when there is none."""
        if self._menu is None and not self._pending:
            return False
        self.drop()
        self._tell(f"+CUSD: {int(result)}")
        return True

    def drop(self) -> None:
        """Nobody is told."""
        self._stop_timer()
        self._menu = None
        self._pending = False

    def _say(self, menu: Menu) -> None:
        self.drop()
        if menu.outcome is Outcome.SILENT:
            return
        if menu.outcome is not Outcome.ANSWER:
            self._tell(f"+CUSD: {int(_RESULTS[menu.outcome])}{self._fields(menu) if menu.text else ''}")
            return
        wanted = menu.reply_wanted or bool(menu.then)
        if wanted:
            self._menu = menu
            self._after(menu.wait_s, lambda: self.end(Result.TERMINATED))
        self._tell(f"+CUSD: {int(Result.REPLY_WANTED if wanted else Result.DONE)}{self._fields(menu)}")

    def _fields(self, menu: Menu) -> str:
        charset = self._modem.settings["+CSCS"]
        dcs = menu.dcs
        if dcs is None:
            dcs = _UCS2 if charset == "UCS2" or gsm7.septets_of(menu.text) is None else _GSM
        return f',"{shown(menu.text, charset, dcs, packed=self._modem.options.ussd_packed)}",{dcs}'

    def _tell(self, line: str) -> None:
        if self.presented:
            self._modem.urc(line)

    def _note(self, kind: str, text: str) -> None:
        self.heard.append(Heard(kind, text, time.monotonic()))

    def _after(self, delay_s: float, step: Callable[[], object]) -> None:
        """One thing at a time: what was to come before doesn't."""
        self._stop_timer()
        self._timer = self._modem.loop.call_later(delay_s, step)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def shown(text: str, charset: str, dcs: int, *, packed: bool) -> str:
    """The <str> of +CUSD. packed: this firmware shows dcs 15 as the septets in hexadecimal."""
    if is_ucs2(dcs) or charset == "UCS2":
        return sms_text.charset_shown(text, "UCS2")
    if packed:
        septets = gsm7.septets_of(text, replace=True) or b""
        if len(septets) % 8 == 7:  # else the filling zeros would be an @ (TS 23.038 §6.1.2.3.1)
            septets += b"\r"
        return gsm7.pack(septets).hex().upper()
    return sms_text.charset_shown(text, charset)


def read(typed: str, charset: str, dcs: int, *, packed: bool) -> str:
    """The <str> of AT+CUSD; ValueError for broken hexadecimal."""
    if is_ucs2(dcs) or charset == "UCS2":
        return sms_text.charset_read(typed, "UCS2")
    if packed:
        octets = bytes.fromhex(typed)
        return gsm7.text_of(gsm7.unpack(octets, len(octets) * 8 // 7)).removesuffix("\r")
    return sms_text.charset_read(typed, charset)


def is_ucs2(dcs: int) -> bool:
    return dcs == 0x11 or (dcs & 0xC0 == 0x40 and dcs >> 2 & 3 == 2)
