"""What services ask of a line."""

from collections.abc import Sequence
from typing import Protocol

from core.line.audio import AudioPort, AudioReport
from core.line.facts import LineEvent, LineFix
from core.line.messages import LineMessage, Place, UssdAnswer
from core.line.report import LineData, LineInfo, LineReport


class Line(Protocol):
    """One phone line. Every method raises PublicError subclasses only (ModemOffline, ModemRefused, NotNow …)."""

    @property
    def name(self) -> str: ...

    @property
    def info(self) -> LineInfo: ...

    async def run(self) -> None:
        """Lives for ever: finds the modem, brings it up, loses it, finds it again. Cancelled by the daemon."""

    async def next(self) -> LineEvent:
        """The next fact of this line, in order, none lost. One reader: the call service."""

    async def dial(self, number: str, *, hide_number: bool = False) -> int:
        """Answers with the handle once the modem took ATD, before the far end rings. number is already validated."""

    async def answer(self, handle: int) -> None: ...

    async def reject(self, handle: int) -> None: ...

    async def hangup(self, handle: int) -> None:
        """Goes before every waiting command. A call that is gone already is no error."""

    async def hold(self, handle: int) -> None: ...

    async def resume_held(self, handle: int) -> None: ...

    async def swap(self) -> None: ...

    async def join(self) -> None:
        """Makes one conversation of the active and the held call; both are active then and share one voice. NotNow
        without such two, Unsupported where the line can't, ModemRefused where the network doesn't let it."""

    async def send_dtmf(self, handle: int, digits: str) -> None: ...

    async def open_audio(self, handle: int) -> AudioPort:
        """Opens the voice of an active call; AudioFailed after the window (12 s) is over or the call is gone."""

    async def close_audio(self, handle: int) -> AudioReport | None:
        """Closes it and gives the report; None when it was never asked for."""

    # --- messages: a second stream of facts, so that a slow disk never holds up calls ---

    async def next_message(self) -> LineMessage:
        """The next received message or USSD fact, in order. One reader: the message service."""

    async def discard(self, places: Sequence[Place]) -> None:
        """These messages are safe on disk: the line deletes them from the modem. Places of an earlier life are left
        alone. Never raises for a modem that has gone: what is still there is offered again in its next life."""

    def keep(self, places: Sequence[Place]) -> None:
        """These could not be written: they stay in the modem and are offered again with a later sweep."""

    @property
    def can_send(self) -> bool:
        """Whether a short message has a chance now: modem there, SIM ready, registered (not: unknown or denied)."""

    async def send_tpdu(self, tpdu: bytes, *, smsc: str | None = None, more: bool = False, timeout_s: float) -> int:
        """Hands one SMS-SUBMIT TPDU (no SMSC field) to the network; its TP-MR, 0 to 255, once that took it.

        more: another follows at once, so the link is kept open (AT+CMMS). timeout_s runs from the hand-over.
        SendRefused, SendUncertain; ModemOffline, ModemBusy, TimedOut only when the modem was certainly not given it.
        """

    async def ussd(self, text: str, *, timeout_s: float) -> UssdAnswer:
        """Sends a USSD request, or the reply in an open session, and waits for the network. ModemRefused, TimedOut,
        ModemOffline, ModemBusy."""

    async def ussd_cancel(self) -> None:
        """Ends the open session, if there is one."""

    # --- the modem's own life ---

    async def report(self) -> LineReport:
        """Asks the modem for everything; seconds. ModemOffline, ModemBusy."""

    @property
    def data(self) -> LineData:
        """For the internet connection. apn None: the SIM has never been read, and nothing is configured."""

    async def unlock(self, pin: str, puk: str | None = None) -> None:
        """Enters the SIM's PIN, or with `puk` a new PIN. SimLocked when it is wrong or too few tries are left."""

    async def restart(self, reason: str) -> None:
        """Resets the modem; answers once it has taken the command. NotNow during a call."""

    async def raw_at(self, command: str, *, timeout_s: float) -> tuple[str, ...]:
        """One AT command by hand: its information lines and its final result code."""

    async def locate(self, on: bool) -> None:
        """Switches satellite positioning; LineFix facts follow. Unsupported, ModemRefused."""

    @property
    def location(self) -> LineFix | None:
        """The last position; None while it is off."""
