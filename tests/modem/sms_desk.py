"""A host that sends and reads short messages in PDU mode, with the codec that Dialtone ships."""

from typing import Any

from core.modem.pdu import (
    Deliver,
    StatusReport,
    Submit,
    compose,
    decode_from_network,
    encode_submit,
    join_pdu,
    split_pdu,
)
from core.modem.pdu.model import Address, Options
from tests.modem.emulated import Emulated, Host

OK = "\r\nOK\r\n"
CALLER = "+447700900123"
LONG = "Every one of these words is here to make the message longer than one part can hold. " * 4
CYRILLIC = "Столик на двоих, пожалуйста. 🍽 " * 5


async def sms_host(emulator: Emulated, link: str = "if02", cnmi: str = "2,1,0,2,0") -> Host:
    """PDU mode, memory ME, and new messages told as `cnmi` says."""
    at = await emulator.at(link)
    await at.ok("AT+CMGF=0", 'AT+CPMS="ME","ME","ME"', f"AT+CNMI={cnmi}")
    return at


async def listed(at: Host) -> list[str]:
    """The PDUs in memory."""
    at.write("AT+CMGL=4\r")
    lines = (await at.until(OK)).decode().split("\r\n")
    return [line for line, before in zip(lines[1:], lines, strict=False) if before.startswith("+CMGL:")]


def deliver_of(pdu: str) -> Deliver:
    found = decode_from_network(split_pdu(pdu)[1])
    assert isinstance(found, Deliver)
    return found


def report_of(pdu: str) -> StatusReport:
    found = decode_from_network(split_pdu(pdu)[1])
    assert isinstance(found, StatusReport)
    return found


def submits(text: str, to: str = CALLER, **options: Any) -> list[bytes]:
    """The TPDUs of a text."""
    return [encode_submit(submit) for submit in parts_of(text, to, **options)]


def parts_of(text: str, to: str = CALLER, **options: Any) -> tuple[Submit, ...]:
    return compose(Address.of(to), text=text, options=Options(**options))


async def type_in(at: Host, tpdu: bytes) -> None:
    """Up to and with ctrl-Z."""
    await at.ask(f"AT+CMGS={len(tpdu)}", "\r\n> ")
    at.write(join_pdu(tpdu) + "\x1a")


async def send(at: Host, text: str, to: str = CALLER, **options: Any) -> list[str]:
    """All parts through the prompt; the answer to each."""
    answers = []
    for tpdu in submits(text, to, **options):
        await type_in(at, tpdu)
        await at.until("\r\n")
        answers.append((await at.until("\r\n")).decode().strip())
        if not answers[-1].startswith("+CMS ERROR"):
            await at.expect(OK)
    return answers
