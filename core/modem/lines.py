"""Lines about calls, one typed function each. None for anything that isn't such a line; no line makes them raise.

TS 27.007 §6.11 (CLIP), §6.15 (CSSI, CSSU), §7.11 (CLIP), §7.12 (CCWA), §7.18 (CLCC); SIMCom's AT manual V3.00 for the
rest. What the manual leaves open comes from field reports and is marked so.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from core.modem.fields import dialled_number, fields_of, number_at, text_at


class Stat(IntEnum):
    """<stat> of +CLCC; 6 is SIMCom's own: the call has just been disconnected."""

    ACTIVE = 0
    HELD = 1
    DIALING = 2
    ALERTING = 3
    INCOMING = 4
    WAITING = 5
    DISCONNECTED = 6


@dataclass(frozen=True, slots=True)
class ListedCall:
    """One +CLCC line. index is the modem's own id, used again after the call; number None: absent or withheld."""

    index: int
    incoming: bool
    stat: Stat
    voice: bool
    number: str | None


@dataclass(frozen=True, slots=True)
class CallerId:
    """Who calls, of +CLIP or +CCWA. withheld: the caller asked for it; number None without it: not known."""

    number: str | None
    withheld: bool


@dataclass(frozen=True, slots=True)
class CallEnd:
    """VOICE CALL: END. duration_s None: the call was never connected."""

    duration_s: int | None


@dataclass(frozen=True, slots=True)
class MissedCall:
    """MISSED_CALL. Its time of day is the modem's own clock's and not worth keeping."""

    number: str | None


def clcc(line: str) -> ListedCall | None:
    """+CLCC: <id>,<dir>,<stat>,<mode>,<mpty>[,<number>,<type>[,<alpha>]] (TS 27.007 §7.18)."""
    fields = fields_of(line, "+CLCC:")
    if fields is None:
        return None
    index, direction = number_at(fields, 0, 1, 255), number_at(fields, 1, 0, 1)
    stat, mode = number_at(fields, 2, 0, 6), number_at(fields, 3, 0, 9)
    if index is None or direction is None or stat is None or mode is None:
        return None
    number = dialled_number(text_at(fields, 5), number_at(fields, 6, 0, 255))
    return ListedCall(index, direction == 1, Stat(stat), mode == 0, number)


def clip(line: str) -> CallerId | None:
    """+CLIP: <number>,<type>[,<subaddr>,<satype>[,<alpha>[,<validity>]]]; validity 1 is withheld, 2 not available."""
    fields = fields_of(line, "+CLIP:")
    return None if fields is None else _caller(fields, number_at(fields, 5, 0, 4))


def ccwa(line: str) -> CallerId | None:
    """The URC +CCWA: <number>,<type>,<class>[,…,<validity>]. The answer to AT+CCWA? has no <type> and gives None."""
    fields = fields_of(line, "+CCWA:")
    return None if fields is None else _caller(fields, number_at(fields, 4, 0, 4))


def voice_call_began(line: str) -> bool:
    """VOICE CALL: BEGIN, which means answered (field reports; the manual doesn't say)."""
    return line.startswith("VOICE CALL:") and line[11:].strip() == "BEGIN"


def voice_call_end(line: str) -> CallEnd | None:
    """VOICE CALL: END[: HHMMSS]. The field is a time, not seconds: 000352 is 232 s."""
    found = re.fullmatch(r"VOICE CALL: ?END(?:[: ]+(.*))?", line)
    if found is None:
        return None
    time = re.fullmatch(r"([0-9]{2})([0-5][0-9])([0-5][0-9])", (found[1] or "").strip())
    return CallEnd(None if time is None else int(time[1]) * 3600 + int(time[2]) * 60 + int(time[3]))


def missed_call(line: str) -> MissedCall | None:
    """MISSED_CALL: 11:53AM 08020866256, the number left out when withheld."""
    if not line.startswith("MISSED_CALL:"):
        return None
    words = line.removeprefix("MISSED_CALL:").split()
    number = words[-1] if words else ""
    return MissedCall(number if re.fullmatch(r"\+?[0-9*#]+", number) else None)


def rxdtmf(line: str) -> str | None:
    """+RXDTMF: <key>, one of 0-9 * # A-D (after AT+DDET=1)."""
    fields = fields_of(line, "+RXDTMF:")
    key = (text_at(fields, 0) or "").upper() if fields is not None else ""
    return key if len(key) == 1 and key in "0123456789*#ABCD" else None


def cssi(line: str) -> int | None:
    """+CSSI: <code1>, about a call of ours that is being set up (TS 27.007 §7.17); 3: it is waiting at the far end."""
    fields = fields_of(line, "+CSSI:")
    return None if fields is None else number_at(fields, 0, 0, 99)


def cssu(line: str) -> int | None:
    """+CSSU: <code2>[,…] (TS 27.007 §7.17): 2 the far end holds us, 3 took us back, 5 released a held call."""
    fields = fields_of(line, "+CSSU:")
    return None if fields is None else number_at(fields, 0, 0, 99)


def cpcmreg(line: str) -> bool | None:
    """+CPCMREG: <n>, whether the PCM port carries the call: the only truth about it."""
    fields = fields_of(line, "+CPCMREG:")
    state = None if fields is None else number_at(fields, 0, 0, 1)
    return None if state is None else state == 1


def ceer(line: str) -> str | None:
    """+CEER: <text>, the network's own words about the last call that failed or ended."""
    return line.removeprefix("+CEER:").strip() or None if line.startswith("+CEER:") else None


def _caller(fields: tuple[str | None, ...], validity: int | None) -> CallerId | None:
    """<type> is 128 to 255 in TS 24.008 §10.5.4.7; without one the line isn't about a caller."""
    kind = number_at(fields, 1, 128, 255)
    if kind is None:
        return None
    number = dialled_number(text_at(fields, 0), kind)
    return CallerId(number, number is None and validity != 2)
