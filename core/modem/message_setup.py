"""Sets the modem up for short messages, once its SIM is ready. What a firmware doesn't know it answers with ERROR."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import ModemBusy
from core.log import Log
from core.modem import lines_sms as lines
from core.modem.at import Command, Reply
from core.modem.memories import Memories
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import MessageProfile

_log = Log("modem.messages")


@dataclass(frozen=True, slots=True)
class Setup:
    """What came of it. pdu_mode: in text mode the modem would send a PDU's digits as text, to a wrong number.

    must_ack: each direct delivery wants AT+CNMA. stored: there is a memory for received messages.
    """

    pdu_mode: bool
    must_ack: bool
    stored: bool
    smsc: str | None


async def set_up(ports: Sequence[AtPort], profile: MessageProfile, memories: Memories) -> Setup:
    """ports: all of the modem, the one for messages first. Raises PortLost only."""
    for port in ports:
        for command in profile.init_port:
            await _ask(port, command)
        for command in profile.routing:
            reply = await _ask(port, command)
            if reply is not None and reply.ok:
                break
    mode = await _lines(ports[0], "AT+CMGF?")
    if "+CMGF: 0" not in mode:
        _log.warning("the modem is not known to be in PDU mode: nothing can be sent")
    service = [lines.csms(line) for line in await _lines(ports[0], "AT+CSMS?")]
    centre = [lines.csca(line) for line in await _lines(ports[0], "AT+CSCA?")]
    try:
        stored = await memories.choose(profile.storage)
    except (AtTimeout, ModemBusy):
        stored = False
    smsc = next((number for number in centre if number is not None), None)
    return Setup("+CMGF: 0" in mode, 1 in service, stored, smsc)


async def _lines(port: AtPort, question: str) -> tuple[str, ...]:
    reply = await _ask(port, Command(question))
    return reply.lines if reply is not None else ()


async def _ask(port: AtPort, command: Command) -> Reply | None:
    try:
        return await port.send(command)
    except (AtTimeout, ModemBusy):
        _log.warning("a command for messages got no answer", port=port.name, command=command.text)
        return None
