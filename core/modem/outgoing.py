"""Sending one short message through an AT port (TS 27.005 §4.3, §3.5.6)."""

import time

from core.line import SendRefused, SendUncertain
from core.modem import lines_sms as lines
from core.modem.at import Command, Kind
from core.modem.lines_error import AtError, error_of
from core.modem.pdu import join_pdu
from core.modem.port import AtPort, AtTimeout, HandedOver

PROMPT_S = 5.0
"""For the prompt; then ESC (spec §1.12)."""

LINK_S = 1.0
"""The modem holds the link for 1 to 5 s after a message and then forgets AT+CMMS=1 (TS 27.005 §3.5.6)."""

_AS_CMS = {
    3: 302,
    4: 303,
    10: 310,
    11: 311,
    12: 316,
    13: 313,
    14: 314,
    15: 315,
    17: 317,
    18: 318,
    20: 322,
    30: 331,
    31: 332,
}
"""+CME errors that firmware gives where TS 27.005 has a +CMS error; the numbers mean other things there."""


class Outgoing:
    """In one life of the modem, in PDU mode. Raises PortLost, AtTimeout and ModemBusy before the hand-over only."""

    def __init__(self, port: AtPort, *, keeps_link: bool) -> None:
        self._port = port
        self._keeps_link = keeps_link
        self._linked = False
        self._answered_s = float("-inf")

    async def send(self, tpdu: bytes, *, smsc: str | None, more: bool, timeout_s: float) -> int:
        """The TP-MR. SendRefused, SendUncertain."""
        if more:
            await self._keep_link()
        command = Command(
            f"AT+CMGS={len(tpdu)}", timeout_s, Kind.PROMPT, ("+CMGS:",), join_pdu(tpdu, smsc), prompt_timeout_s=PROMPT_S
        )
        try:
            reply = await self._port.send(command)
        except HandedOver as lost:
            raise SendUncertain(str(lost)) from None
        self._answered_s = time.monotonic()
        if (error := error_of(reply.final)) is not None:
            raise refusal(error)
        reference = next((found for line in reply.lines if (found := lines.cmgs(line)) is not None), None)
        if reference is None:
            raise SendUncertain("OK without a reference")
        return reference

    async def _keep_link(self) -> None:
        """AT+CMMS=1, unless it still holds. Messages go out without it as well, only slower."""
        if not self._keeps_link or (self._linked and time.monotonic() - self._answered_s < LINK_S):
            return
        try:
            self._linked = self._keeps_link = (await self._port.send(Command("AT+CMMS=1"))).ok
        except AtTimeout:
            self._keeps_link = False


def refusal(error: AtError) -> SendRefused:
    """With the number that TS 27.005 has for it."""
    cms = error.code if error.kind == "cms" else _AS_CMS.get(error.code or -1)
    return SendRefused(cms, error.text)
