"""An outgoing file to what is asked of the daemon. Pure.

What smsd would drop or cut in silence (characters outside of the alphabet, text behind the first part with Autosplit
0) is sent whole or refused with a reason here; headers that would send something else than asked are refused.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clients.spool.alphabets import MESSAGE_OCTETS, BadHex, decode_gsm, decode_hex, fits_one
from clients.spool.message_file import TRUE_WORDS, MessageFile, read_message
from clients.spool.settings import Settings

Json = dict[str, Any]
ReadInclude = Callable[[str], bytes]
"""Content of a file that an Include header names; Malformed where it may not be read."""

SPLITS = {1: "separate", 2: "numbered"}
"""Autosplit 3, the default, leaves it to the daemon: it links the parts, unless the line's modem can't bear that."""
VALIDITY_S = (300, 63 * 7 * 86400)
"""TP-VP relative (TS 23.040 §9.2.3.12.1): 5 minutes to 63 weeks."""
UNIT_S = {"min": 60, "hour": 3600, "day": 86400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}
TONE_REPEATS = 3
DEFAULT_TONES = "1234567890"
MAX_TONES = 64
MAX_REPEATS = 20
MAX_RING_S = 120


class Malformed(Exception):
    """The file can't be sent; the text is its Fail_reason."""


@dataclass(frozen=True, slots=True)
class SmsWish:
    """params: of sms.send, without client_ref. wants_report: its Message_id goes into the file."""

    params: Json
    wants_report: bool


@dataclass(frozen=True, slots=True)
class CallWish:
    """A voice call: tones are pressed `repeats` times once it is answered; ring_s: hang up when this is over."""

    number: str
    tones: str
    repeats: int
    ring_s: int | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True)
class _Body:
    """text or data; encoding only where the file asks for one. udh: without its length byte."""

    text: str | None = None
    data: bytes | None = None
    encoding: str | None = None
    udh: bytes = b""


def is_high(file: MessageFile) -> bool:
    return (file.get("Priority") or "").lower() == "high"


def read_wish(content: bytes, settings: Settings, read_include: ReadInclude) -> SmsWish | CallWish:
    """What the file wants. Malformed."""
    file = _included(read_message(content), read_include)
    number, number_type = read_number(file.get("To"), file.get("To_TOA"))
    line = _line(file, settings)
    if file.flag("Voicecall"):
        return _call(file, number, line)
    for name in ("Text_is_pdu", "DCS_hex"):
        if name in dict(file.headers) and (name == "DCS_hex" or file.flag(name)):
            raise Malformed(f"{name} is not supported")
    body = _body(file, settings)
    report = True if file.flag("Ping") else _flag_or(file, "Report", settings.request_report)
    params = {
        "to": number,
        "text": body.text,
        "data": _base64(body.data),
        "udh": _base64(body.udh or None),
        "encoding": body.encoding,
        "number_type": number_type,
        "line": line,
        "report": report,
        "priority": "high" if is_high(file) else None,
        "message_class": _class(file),
        "split": _split(file, settings, body),
        "validity_s": _validity(file.get("Validity"), settings),
        "replace_type": _replace(file),
        "silent": _silent(file, body) or None,
        "reject_duplicates": file.flag("Reject_duplicates") or None,
        "reply_path": file.flag("Reply_path") or None,
        "smsc": _smsc(file) if settings.smsc_header else None,
        "on_unknown": settings.on_unknown,
    }
    return SmsWish({name: value for name, value in params.items() if value is not None}, bool(report))


def read_number(to: str | None, toa: str | None) -> tuple[str, str | None]:
    """The number as sms.send wants it, and its type where it is not plain. Malformed: 'No destination', as smsd says.

    International without +; 00 stands for +; s and a short code; a number that begins with 0 can only be national.
    """
    plain = re.sub(r"[\s\-.()/]", "", to or "")
    short = plain[:1] in ("s", "S")
    digits = plain[1:] if short else plain
    if digits.startswith("00") and not short:
        digits = "+" + digits[2:]
    bare = digits.removeprefix("+")
    if not bare or not (bare.isascii() and bare.isdigit()):
        raise Malformed("No destination")
    wanted = (toa or "").lower()
    if wanted in ("unknown", "national"):
        return bare, wanted
    if wanted == "international":
        return "+" + bare, None
    if short:
        return bare, "short"
    if bare.startswith("0"):
        return bare, "national"
    return "+" + bare, None


def validity_s(value: str) -> int | None:
    """Seconds of a Validity: a number of TP-VP's scheme, or '3 hours'. None for what is neither (smsd ignores it)."""
    words = re.fullmatch(r"(\d{1,6})\s*([a-z]+)?", value.strip().lower())
    if words is None:
        return None
    count, word = int(words[1]), words[2]
    if word is None:
        return _scheme_s(count)
    unit = next((seconds for name, seconds in UNIT_S.items() if word.startswith(name)), None)
    return None if unit is None else max(VALIDITY_S[0], min(VALIDITY_S[1], count * unit))


def _scheme_s(value: int) -> int | None:
    if value <= 143:
        return (value + 1) * 300
    if value <= 167:
        return 12 * 3600 + (value - 143) * 1800
    if value <= 196:
        return (value - 166) * 86_400
    return (value - 192) * 604_800 if value <= 255 else None


def _included(file: MessageFile, read_include: ReadInclude) -> MessageFile:
    """The file with its Include: headers of the included one come after its own, and so does its body."""
    name = file.get("Include")
    if name is None:
        return file
    other = read_message(read_include(name))
    if other.get("Include") is not None:
        raise Malformed("An included file can't include another")
    return MessageFile((*other.headers, *file.headers), file.body + other.body)


def _line(file: MessageFile, settings: Settings) -> str | None:
    """Without [queues] the header has no meaning, as in smsd."""
    queue = file.get("Queue") or file.get("Provider")
    if not queue or not settings.queues:
        return None
    if queue not in settings.queues:
        raise Malformed(f"Queue {queue} is not configured")
    return settings.queues[queue]


# --- the body --------------------------------------------------------------------------------------------------------


def _body(file: MessageFile, settings: Settings) -> _Body:
    alphabet = (file.get("Alphabet") or settings.alphabet)[:3].lower()
    octets = _hex(file.body, file) if file.flag("Hex") and alphabet not in ("ucs", "chi", "uni") else file.body
    udh = _udh_header(file)
    if alphabet == "bin" or file.flag("Binary"):
        octets = _macros_in(octets, file)
        found = _binary(file, octets, udh)
    elif alphabet == "gsm":
        found = _Body(_macros(decode_gsm(octets), file), encoding="gsm7", udh=udh)
    elif alphabet in ("ucs", "chi", "uni"):
        found = _Body(_macros(_utf16(octets), file), encoding="ucs2", udh=udh)
    else:
        text = _macros(_eight_bit(octets, utf8=alphabet == "utf" or settings.outgoing_utf8), file)
        found = _Body(_trimmed(text) if settings.trim_text else text, udh=udh)
    if not found.text and not found.data and not file.flag("Ping"):
        raise Malformed("No text or data")
    return found


def _eight_bit(octets: bytes, *, utf8: bool) -> str:
    """ISO bodies may be UTF-8 (outgoing_utf8): what is valid UTF-8 is hardly ever meant as ISO 8859-15."""
    if utf8:
        try:
            return octets.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    return octets.decode("iso8859-15")


def _utf16(octets: bytes) -> str:
    """UTF-16BE with or without a mark. Editors and echo leave one newline byte behind; that is not of the text."""
    octets = octets.removeprefix(b"\xfe\xff")
    if len(octets) % 2:
        if not octets.endswith(b"\n"):
            raise Malformed("The body is not UTF-16BE: it has an odd number of bytes")
        octets = octets[:-1]
    return octets.decode("utf-16-be", errors="replace")


def _trimmed(text: str) -> str:
    """trim_text: white space at the end goes, unless nothing else is there (configure.html)."""
    return text.rstrip() or text


def _hex(body: bytes, file: MessageFile) -> bytes:
    try:
        return decode_hex(_macros_in(body, file))
    except BadHex as problem:
        raise Malformed(f"Hex: {problem}") from None


def _binary(file: MessageFile, octets: bytes, udh: bytes) -> _Body:
    """Binary data begins with its user data header unless UDH says no (default true), or UDH-DATA brings one."""
    if udh or file.get("System_message") or file.flag("UDH") is False:
        return _Body(data=octets, udh=udh)
    if not octets:
        return _Body()
    if len(octets) < 1 + octets[0]:
        raise Malformed("The user data header is longer than the data; say UDH: no if there is none")
    return _Body(data=octets[1 + octets[0] :], udh=octets[1 : 1 + octets[0]])


def _udh_header(file: MessageFile) -> bytes:
    """UDH-DATA: hexadecimal with the length byte first."""
    value = file.get("UDH-DATA")
    if value is None:
        return b""
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        raise Malformed("UDH-DATA is not hexadecimal") from None
    if not octets or octets[0] != len(octets) - 1:
        raise Malformed("UDH-DATA does not begin with its length")
    return octets[1:]


def _macros(text: str, file: MessageFile) -> str:
    for name, value in _macro_pairs(file):
        text = text.replace(name, value)
    return text


def _macros_in(octets: bytes, file: MessageFile) -> bytes:
    for name, value in _macro_pairs(file):
        octets = octets.replace(name.encode(), value.encode())
    return octets


def _macro_pairs(file: MessageFile) -> list[tuple[str, str]]:
    pairs = [macro.partition("=")[::2] for macro in file.all("Macro")]
    return [(name, value) for name, value in pairs if name]


# --- single headers --------------------------------------------------------------------------------------------------


def _flag_or(file: MessageFile, name: str, default: bool | None) -> bool | None:
    value = file.flag(name)
    return default if value is None else value


def _split(file: MessageFile, settings: Settings, body: _Body) -> str | None:
    value = file.get("Autosplit")
    mode = int(value) if value is not None and value in ("0", "1", "2", "3") else settings.autosplit
    if mode:
        return SPLITS.get(mode) if body.text is not None else None
    udh_octets = len(body.udh) + 1 if body.udh else 0
    if body.text is not None and not fits_one(body.text, ucs2=body.encoding == "ucs2", udh_octets=udh_octets):
        raise Malformed("The text does not fit into one message and Autosplit is 0")
    if body.data is not None and len(body.data) > MESSAGE_OCTETS - udh_octets:
        raise Malformed("The data does not fit into one message and Autosplit is 0")
    return None


def _validity(value: str | None, settings: Settings) -> int | None:
    for candidate in (value, settings.validity):
        if candidate is not None and (found := validity_s(str(candidate))) is not None:
            return found
    return None


def _class(file: MessageFile) -> int | None:
    if file.flag("Flash") or file.flag("System_message"):
        return 0
    value = file.get("Class")
    return int(value) if value is not None and value in ("0", "1", "2", "3") else None


def _replace(file: MessageFile) -> int | None:
    value = file.get("Replace")
    return int(value) if value is not None and value in tuple("1234567") else None


def _silent(file: MessageFile, body: _Body) -> bool:
    system = (file.get("System_message") or "").lower()
    if system in ("2", "tosim"):
        raise Malformed("System_message: ToSIM is not supported")
    if system in TRUE_WORDS and body.data is None:
        raise Malformed("System_message needs Alphabet: binary")
    return system in TRUE_WORDS or bool(file.flag("Ping"))


def _smsc(file: MessageFile) -> str | None:
    value = file.get("SMSC")
    return None if not value else "+" + value.removeprefix("+")


def _base64(octets: bytes | None) -> str | None:
    return None if octets is None else base64.b64encode(octets).decode()


# --- voice calls -----------------------------------------------------------------------------------------------------

_TONE = re.compile(r"TONE:\s*(?:TIME:\s*(?P<time>\d+)\s*)?(?:(?P<count>\d+)(?=\s|$)\s*)?(?P<tones>[0-9#*,\s]*)$")


def _call(file: MessageFile, number: str, line: str | None) -> CallWish:
    """TONE: [TIME: seconds] [repeats] tones with commas (fileformat.html, Voicecall)."""
    found = _TONE.match(file.body.decode("latin-1").strip())
    if found is None:
        raise Malformed("Voicecall: the text must be TONE: and tones of 0-9 # * with commas")
    count, tones = found["count"], re.sub(r"[,\s]", "", found["tones"])
    repeats = int(count) if count else TONE_REPEATS
    ring_s = int(found["time"]) if found["time"] else None
    if not 1 <= repeats <= MAX_REPEATS or len(tones) > MAX_TONES or (ring_s is not None and ring_s > MAX_RING_S):
        raise Malformed(f"Voicecall: at most {MAX_REPEATS} times {MAX_TONES} tones, and TIME: {MAX_RING_S}")
    return CallWish(number, tones or DEFAULT_TONES, repeats, ring_s, line)
