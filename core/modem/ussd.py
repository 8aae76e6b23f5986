"""USSD of one life of the modem: one request at a time, and what the network says by itself. TS 27.007 §7.15."""

import asyncio
import time
from collections.abc import Callable

from core.errors import InvalidParams, ModemBusy, ModemRefused, TimedOut
from core.line import LineMessage, LineUssd, UssdAnswer, UssdState
from core.modem import lines_sms as lines
from core.modem.at import Command, Reply, Urc
from core.modem.echoes import Echoes
from core.modem.lines_error import error_of
from core.modem.port import AtPort, AtTimeout, PortLost
from core.modem.profile import MessageProfile
from core.modem.ussd_text import decode, encode

TAKEN_S = 15.0
"""Until OK to AT+CUSD=1: at once by the manual; the answer itself takes 5 to 20 s with a fall-back to 2G or 3G."""

CANCELLED_S = 5.0
"""How long a +CUSD: 2 may follow our own AT+CUSD=2."""

CANCEL = Command("AT+CUSD=2")
_STATES = tuple(UssdState)


class UssdControl:
    """`on_urc` is called by the pumps, the rest by the line. Raises PortLost and AtTimeout beside PublicErrors."""

    def __init__(self, port: AtPort, profile: MessageProfile, tell: Callable[[LineMessage], None]) -> None:
        self._port = port
        self._profile = profile
        self._tell = tell
        self._echoes = Echoes()
        self._charset: str | None = profile.idle_charset
        self._answer: asyncio.Future[UssdAnswer] | None = None
        self._open = False
        self._cancelled_s = float("-inf")

    @property
    def active(self) -> bool:
        """Whether a request waits for the network, or a session is open."""
        return self._answer is not None or self._open

    def on_urc(self, port: str, urc: Urc) -> None:
        """One URC of either port."""
        found, now_s = lines.cusd(urc.text), time.monotonic()
        if found is None or not self._echoes.is_new(port, urc.text, now_s):
            return
        text = decode(found.text, found.dcs, self._charset) if found.text is not None else None
        state = _STATES[found.state]
        self._open = state is UssdState.REPLY_WANTED
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(UssdAnswer(state, text))
        elif text is not None or self._open or now_s - self._cancelled_s > CANCELLED_S:
            self._tell(LineUssd(state, text))

    async def ask(self, text: str, *, timeout_s: float) -> UssdAnswer:
        """A request, or the reply in an open session. ModemBusy while another one waits."""
        if self._answer is not None:
            raise ModemBusy("This line waits for the answer to another USSD request.")
        self._answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(text, self._answer, timeout_s)
        except (TimeoutError, AtTimeout, asyncio.CancelledError) as given_up:
            self._cancelled_s, self._open = time.monotonic(), False
            self._port.post(CANCEL)
            if isinstance(given_up, asyncio.CancelledError):
                raise
            raise TimedOut("The network did not answer the USSD code in time.") from None
        finally:
            self._answer = None
            self._leave_charset()

    async def cancel(self) -> None:
        """Ends the open session; a request that still waits gets TERMINATED."""
        waits = self._answer is not None and not self._answer.done()
        if not waits and not self._open:
            return
        if self._answer is not None and waits:
            self._answer.set_result(UssdAnswer(UssdState.TERMINATED, None))
        self._cancelled_s, self._open = time.monotonic(), False
        await self._port.send(CANCEL)

    def lose(self) -> None:
        """The life is over."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(PortLost("the modem went"))
            self._answer.exception()

    async def _exchange(self, text: str, answer: asyncio.Future[UssdAnswer], timeout_s: float) -> UssdAnswer:
        coded = encode(text, self._profile.charset)
        if coded is None:
            raise InvalidParams("text: 1 to 182 characters that USSD and this modem can carry.", path="text")
        await self._enter_charset()
        if self._charset != self._profile.charset and (coded := encode(text, self._charset)) is None:
            raise ModemRefused("The modem takes plain letters and digits only.")
        command = f'AT+CUSD=1,"{coded[0]}",{coded[1]}'
        if len(command) > 559:
            raise InvalidParams("text: too long for this modem.", path="text")
        reply = await self._port.send(Command(command, min(TAKEN_S, timeout_s)))
        if not reply.ok and not answer.done():
            error = error_of(reply.final)
            raise ModemRefused(network_text=error.text if error is not None else None)
        return await answer

    async def _enter_charset(self) -> None:
        charset = self._profile.charset
        if charset is None:
            return
        self._charset = charset  # from now on it may be in force, also when nobody waits any more
        if not (await self._port.send(Command(f'AT+CSCS="{charset}"'))).ok:
            self._charset = self._profile.idle_charset

    def _leave_charset(self) -> None:
        """Back as it was: in UCS2 other answers are hexadecimal as well, and sticks hung after hours (field report)."""
        if self._charset != self._profile.idle_charset:
            self._charset = self._profile.idle_charset
            self._port.post(Command(f'AT+CSCS="{self._charset}"')).add_done_callback(self._left)

    def _left(self, answer: asyncio.Future[Reply]) -> None:
        """Some firmware wants even the name of the next character set in the one in force."""
        if not answer.exception() and not answer.result().ok:
            name = self._profile.idle_charset.encode("utf-16-be").hex().upper()
            self._port.post(Command(f'AT+CSCS="{name}"'))
