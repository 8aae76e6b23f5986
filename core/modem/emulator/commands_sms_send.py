"""AT+CMGS, CMGW and CMSS: the prompt, what is typed there, and what the network says. TS 27.005 §3.5, §4; spec §4.1."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.modem.emulator import sms_text, tpdu
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler, need_sms, number
from core.modem.emulator.reply import OK, SILENT, AtError, CmsError, Reply, info
from core.modem.emulator.sms_store import Message, Status, pdu_is_sound

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_MAX_TPDU_OCTETS = 176
"""A submit has at most 164 octets; what a client announces beyond is refused after it was typed."""
_STORABLE = {"0": 0, "1": 1, "2": 2, "3": 3, "REC UNREAD": 0, "REC READ": 1, "STO UNSENT": 2, "STO SENT": 3}


@dataclass(frozen=True, slots=True)
class _Typed:
    """raw: as typed; pdu: in capitals, SMSC field first, also when it was text."""

    raw: str
    pdu: str


async def _cmgs(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """Prompt, text, ctrl-Z, then +CMGS: <mr>; ESC gives OK."""
    if command.kind is Kind.TEST:
        return OK
    need_sms(modem)
    script = modem.network.script
    _check_announced(modem, command)
    if script.no_prompt is not None and script.no_prompt.strikes(""):
        return SILENT
    if script.prompt_s:
        await asyncio.sleep(script.prompt_s)
    typed = await _typed(modem, port, command)
    return OK if typed is None else await _send(modem, typed, "+CMGS")


async def _cmgw(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """AT+CMGW=<length>[,<stat>]; in text mode AT+CMGW[=<da>[,<toda>[,<stat>]]]."""
    if command.kind is Kind.TEST:
        return OK
    need_sms(modem)
    params = command.params() if command.kind is Kind.SET else [""]
    pdu_mode = modem.settings["+CMGF"] == "0"
    if pdu_mode:
        _check_announced(modem, command)
    at = 1 if pdu_mode else 2
    stat = _STORABLE.get(params[at].upper() if len(params) > at else "2")
    if stat is None:
        raise CmsError(304 if pdu_mode else 305)
    typed = await _typed(modem, port, command)
    if typed is None:
        return OK
    index = modem.sms.add(modem.sms.write, Message(typed.pdu, Status(stat)))
    if index is None:
        raise CmsError(322)
    return info(f"+CMGW: {index}")


async def _cmss(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """Sends what stands in mem2."""
    if command.kind is Kind.TEST:
        return OK
    need_sms(modem)
    message = modem.sms.at(modem.sms.write).get(number(command.params()[0], 0, 255))
    if message is None or message.status < Status.UNSENT:
        raise CmsError(321)
    reply = await _send(modem, _Typed(message.pdu, message.pdu), "+CMSS")
    message.status = Status.SENT
    return reply


def _check_announced(modem: "Modem", command: Command) -> None:
    if command.kind is not Kind.SET:
        raise AtError
    first = command.params()[0]
    if modem.settings["+CMGF"] == "0":
        number(first, 1, _MAX_TPDU_OCTETS)
    elif not first:
        raise CmsError(305)


async def _typed(modem: "Modem", port: AtPort, command: Command) -> _Typed | None:
    """The PDU (checked against the announced length) or the text as a PDU; None if given up with ESC."""
    typed = await port.prompt()
    if not typed.sent:
        return None
    text = typed.data.decode("latin-1").strip()
    party = command.params()[0] if command.kind is Kind.SET else ""
    if modem.settings["+CMGF"] == "0":
        if not pdu_is_sound(text, int(party)):
            raise CmsError(304)
        return _Typed(text.upper(), text.upper())
    try:
        return _Typed(text, tpdu.with_smsc(sms_text.submit_of(modem, party, text), ""))
    except ValueError:
        raise CmsError(305) from None


async def _send(modem: "Modem", typed: _Typed, name: str) -> Reply:
    """As the script of the network says. A modem that lost its power meanwhile has sent nothing."""
    if modem.registration != 1:
        raise CmsError(331)
    try:
        submit = tpdu.read_submit(tpdu.tpdu_of(typed.pdu))
    except ValueError:
        raise CmsError(304) from None
    network = modem.network
    if network.script.delay_s and not await _still_powered(modem, network.script.delay_s):
        return SILENT
    refusal = network.refusal(submit.party)
    if refusal is not None:
        raise CmsError(refusal.cms)
    lost = network.script.lost
    if lost is not None and lost.strikes(submit.party):
        if lost.sent:
            network.take(typed.raw, typed.pdu, submit)
        return SILENT
    reference = network.take(typed.raw, typed.pdu, submit)
    late = network.script.late
    if late is not None and late.strikes(submit.party) and not await _still_powered(modem, late.late_s):
        return SILENT
    return info(f"{name}: {reference}")


async def _still_powered(modem: "Modem", delay_s: float) -> bool:
    life = modem.power_cycles
    await asyncio.sleep(delay_s)
    return modem.power_cycles == life and modem.ports.plugged


COMMANDS: dict[str, Handler] = {
    "+CMGS": _cmgs,
    "+CMGW": _cmgw,
    "+CMSS": _cmss,
}
