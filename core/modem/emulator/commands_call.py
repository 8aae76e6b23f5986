"""Voice calls. SIM7600 AT manual V3.00 §6; spec/sim7600 §1.8 and the golden transcripts of §8.2."""

import asyncio
from typing import TYPE_CHECKING

from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.calls import Call, Reason, Stat
from core.modem.emulator.commands_data import dial_packet, hang_up
from core.modem.emulator.commands_sim import need_ready
from core.modem.emulator.handler import Handler, accepted, number, switch
from core.modem.emulator.reply import OK, AtError, CmeError, Reply, info

if TYPE_CHECKING:
    from core.modem.emulator.modem import Modem

_DIALABLE = frozenset("0123456789*#+ABCabcPpTtWw,")
_KEYS = frozenset("0123456789*#ABCD")
_KEY_S = 0.1
"""A tone of AT+VTS when the network's default length holds (AT+VTD=0)."""
_SUPPLEMENTARY_S = 0.2
"""AT+CCWA and the like ask the network; on air it takes seconds."""
_KEYS_KEPT = 1000


def _dial(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """ATD<number>[I|i][G|g]; a voice call. Without the semicolon it is data: packets, or what this network refuses."""
    need_ready(modem)
    number_text = command.args.rstrip("IiGg").replace(" ", "").replace("-", "")
    if not command.voice:
        return dial_packet(modem, port, number_text)
    if not number_text or not set(number_text) <= _DIALABLE:
        raise CmeError(27)
    if len(number_text) > 40:
        raise CmeError(26)
    if modem.registration != 1:
        raise CmeError(30)
    call = modem.calls.dial(number_text)
    return Reply(after=lambda: modem.calls.dialled(call))


def _answer(modem: "Modem", _port: AtPort, _command: Command) -> Reply:
    """VOICE CALL: BEGIN, OK, +CLCC 0 (traces; the manual's table has OK first)."""
    if modem.calls.answer() is None:
        return Reply(final="NO CARRIER")
    return Reply(after=modem.calls.tell_clcc)


def _chup(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """One VOICE CALL: END a call, then OK, then +CLCC 6; with ok_before_end the OK is first."""
    return OK if command.kind is Kind.TEST else _released(modem, port, modem.calls.hang_up())


def _hook(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """ATH: with the factory's AT+CVHU=1 it answers OK and does nothing (spec §1.8)."""
    number(command.args or "0", 0, 1)
    if hang_up(port):
        return OK
    return OK if modem.settings["+CVHU"] != "0" else _chup(modem, port, Command("+CHUP", Kind.EXEC))


def _released(modem: "Modem", port: AtPort, ended: list[Call]) -> Reply:
    lines = [modem.calls.end_line(call) for call in ended if call.reason is not Reason.REJECTED]

    def tell_lines() -> None:
        for line in lines:
            modem.calls.tell_voice(line)

    def after() -> None:
        if modem.options.ok_before_end:
            tell_lines()
        modem.calls.tell_released(ended)

    if not modem.options.ok_before_end:
        tell_lines()
    return Reply(after=after)


def _clcc(modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.EXEC:
        return info(*(call.clcc() for call in modem.calls.table.live()))
    if command.kind is Kind.READ:
        return info(f"+CLCC: {int(port.settings.clcc)}")
    if command.kind is Kind.TEST:
        return info("+CLCC: (0-1)")
    port.settings.clcc = bool(number(command.params()[0], 0, 1))
    return OK


def _clip(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CLIP: {int(port.settings.clip)},1")
    if command.kind is Kind.TEST:
        return info("+CLIP: (0-1)")
    port.settings.clip = bool(number(command.params()[0], 0, 1))
    return OK


def _clir(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CLIR: {modem.settings['+CLIR']},4")
    if command.kind is Kind.TEST:
        return info("+CLIR: (0-2)")
    if not modem.settings.set("+CLIR", command.args):
        raise AtError
    return OK


def _cpas(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.TEST:
        return info("+CPAS: (0,3,4)")
    live = modem.calls.table.live()
    ringing = any(call.ringing for call in live) and all(call.ringing for call in live)
    return info(f"+CPAS: {3 if ringing else 4 if live else 0}")


async def _ccwa(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """AT+CCWA=<n>[,<mode>]: the unsolicited lines are the port's, the service is the network's."""
    if command.kind is Kind.READ:
        return info(f"+CCWA: {int(port.settings.ccwa)}")
    if command.kind is Kind.TEST:
        return info("+CCWA: (0-1)")
    params = command.params()
    port.settings.ccwa = bool(number(params[0], 0, 1))
    if len(params) == 1 or not params[1]:
        return OK
    mode = number(params[1], 0, 2)
    await asyncio.sleep(_SUPPLEMENTARY_S)
    if mode == 2:
        return info(f"+CCWA: {int(modem.call_waiting)},1")
    modem.call_waiting = mode == 1
    return OK


def _chld(modem: "Modem", port: AtPort, command: Command) -> Reply:
    """TS 22.030 §6.5.5. 0 reject waiting or drop held; 1 drop active, take the other; 2 swap; 3 join."""
    if command.kind is Kind.TEST:
        return info("+CHLD: (0,1,1x,2,2x,3,4)")
    if command.kind is not Kind.SET:
        raise AtError
    digits = command.args
    if digits not in ("0", "1", "2", "3", "4") and not (
        len(digits) == 2 and digits[0] in "12" and digits[1] in "1234567"
    ):
        raise AtError
    calls = modem.calls
    table = calls.table
    if not table.live():
        raise CmeError(3)
    if digits == "0":
        return _chld_drop(modem, port)
    if digits == "1":
        return _chld_take(modem, port, table.with_stat(Stat.ACTIVE))
    if digits[0] == "1":
        call = table.find(int(digits[1]))
        if call is None:
            raise CmeError(3)
        calls.hang_up_one(call)
        return _released(modem, port, [call])
    if digits[0] == "2":
        return _chld_swap(modem, digits)
    if digits == "3":
        return _chld_join(modem)
    for call in (joined := table.with_stat(Stat.ACTIVE, Stat.HELD)):
        calls.hang_up_one(call)
    return _released(modem, port, joined)


def _chld_drop(modem: "Modem", port: AtPort) -> Reply:
    table = modem.calls.table
    ringing = table.with_stat(Stat.WAITING, Stat.INCOMING)
    doomed = ringing or table.with_stat(Stat.HELD)
    for call in doomed:
        modem.calls.hang_up_one(call, Reason.REJECTED if ringing else Reason.LOCAL_HANGUP)
    return _released(modem, port, doomed)


def _chld_take(modem: "Modem", port: AtPort, doomed: list[Call]) -> Reply:
    other = [*modem.calls.table.with_stat(Stat.WAITING), *modem.calls.table.with_stat(Stat.HELD)]
    for call in doomed:
        modem.calls.hang_up_one(call)
    if other:
        modem.calls.take(other[0])
    return _released(modem, port, doomed)


def _chld_swap(modem: "Modem", digits: str) -> Reply:
    table = modem.calls.table
    if len(digits) == 2:
        kept = table.find(int(digits[1]))
        if kept is None or kept.stat not in (Stat.ACTIVE, Stat.HELD):
            raise CmeError(3)
        modem.calls.take(kept)
        return Reply(after=modem.calls.tell_clcc)
    other = [*table.with_stat(Stat.WAITING), *table.with_stat(Stat.HELD), *table.with_stat(Stat.INCOMING)]
    if other:
        modem.calls.take(other[0])
    else:
        modem.calls.hold()
    return Reply(after=modem.calls.tell_clcc)


def _chld_join(modem: "Modem") -> Reply:
    joined = modem.calls.table.with_stat(Stat.ACTIVE, Stat.HELD)
    if len(joined) < 2:
        raise CmeError(3)
    modem.calls.join(joined)
    return Reply(after=modem.calls.tell_clcc)


def _ceer(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    return OK if command.kind is Kind.TEST else info(f"+CEER: {modem.calls.ceer}")


def _cssn(_modem: "Modem", port: AtPort, command: Command) -> Reply:
    if command.kind is Kind.READ:
        return info(f"+CSSN: {int(port.settings.cssi)},{int(port.settings.cssu)}")
    if command.kind is Kind.TEST:
        return info("+CSSN: (0-1),(0-1)")
    params = [*command.params(), ""]
    port.settings.cssi = bool(number(params[0] or "0", 0, 1))
    port.settings.cssu = bool(number(params[1] or "0", 0, 1))
    return OK


async def _vts(modem: "Modem", _port: AtPort, command: Command) -> Reply:
    """AT+VTS=5, =5,20 (two seconds) or ="1,2,3". The OK comes after the tones."""
    if command.kind is Kind.TEST:
        return info("+VTS: (0-9,*,#,A-D)")
    if not modem.calls.table.with_stat(Stat.ACTIVE):
        raise AtError
    keys, length_s = _keys(modem, command)
    if not 0 < len(keys) <= 29 or not set(keys) <= _KEYS:
        raise AtError
    for key in keys:
        await asyncio.sleep(length_s)
        if not modem.calls.table.with_stat(Stat.ACTIVE):
            raise AtError
        modem.counters.dtmf_sent = (modem.counters.dtmf_sent + key)[-_KEYS_KEPT:]
    return OK


def _keys(modem: "Modem", command: Command) -> tuple[str, float]:
    tenths = int(modem.settings["+VTD"])
    params = command.params()
    if not command.args.startswith('"') and len(params) == 2 and len(params[1]) > 1:
        return params[0].upper(), number(params[1], 0, 255) / 10
    keys = "".join(part.strip() for param in params for part in param.split(",")).upper()
    return keys, tenths / 10 if tenths else _KEY_S


def _set_crc(port: AtPort, value: int) -> None:
    port.settings.crc = bool(value)


COMMANDS: dict[str, Handler] = {
    "D": _dial,
    "A": _answer,
    "H": _hook,
    "+CHUP": _chup,
    "+CLCC": _clcc,
    "+CLIP": _clip,
    "+CLIR": _clir,
    "+CPAS": _cpas,
    "+CCWA": _ccwa,
    "+CHLD": _chld,
    "+CEER": _ceer,
    "+CSSN": _cssn,
    "+VTS": _vts,
    "+CRC": switch("+CRC", lambda port: int(port.settings.crc), _set_crc),
    "+CSTA": accepted,
}
