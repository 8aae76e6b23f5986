"""Writes the messages that other people send: one text to as many SMS-DELIVERs as it needs. Pure but for the stamp.

TS 23.040 §9.2.3.24; TS 23.038. Independent of the codec that Dialtone ships (see the package's docstring).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from core.clock import unix_s
from core.modem.emulator import gsm7, tpdu

MAX_PARTS = 255
_UD_SEPTETS = 160


@dataclass(frozen=True, slots=True)
class Letter:
    """What shall arrive. content: text, or octets of a binary message. parts: at least so many. at: RFC 3339, or now.

    ports: destination and source. header: further elements of the user data header. dcs: in place of the right one.
    """

    sender: str
    content: str | bytes | None
    encoding: str | None = None
    message_class: int | None = None
    parts: int = 1
    reference: int = 0
    wide: bool = False
    smsc: str | None = None
    at: str | None = None
    ports: tuple[int, int] | None = None
    header: bytes = b""
    pid: int = 0
    dcs: int | None = None


def write(letter: Letter, smsc: str) -> list[str]:
    """PDUs with SMSC field, in the order of their parts. ValueError says what can't be."""
    encoding = letter.encoding or _encoding_for(letter.content)
    at = _time(letter.at)
    header = letter.header
    if letter.ports is not None:
        header += b"\x05\x04" + b"".join(port.to_bytes(2, "big") for port in letter.ports)
    units = _units(letter.content, encoding)
    pieces = _cut(units, encoding, len(header) + (header != b""), letter.parts, wide=letter.wide)
    made: list[str] = []
    for number, piece in enumerate(pieces, 1):
        concat = _concat(letter, len(pieces), number) if len(pieces) > 1 else b""
        octets = tpdu.write_deliver(
            letter.sender, at, piece, encoding=encoding, header=concat + header, pid=letter.pid, dcs=letter.dcs,
            message_class=letter.message_class, more=number < len(pieces),
        )  # fmt: skip
        made.append(tpdu.with_smsc(octets, smsc if letter.smsc is None else letter.smsc))
    return made


def _encoding_for(content: str | bytes | None) -> str:
    if isinstance(content, str):
        return "ucs2" if gsm7.septets_of(content) is None else "gsm7"
    return "binary"


def _time(at: str | None) -> datetime:
    return datetime.fromtimestamp(unix_s(), UTC) if at is None else datetime.fromisoformat(at)


def _units(content: str | bytes | None, encoding: str) -> list[bytes]:
    """What must not be cut: characters with their escape, surrogate pairs, octets."""
    if isinstance(content, bytes):
        return [bytes((octet,)) for octet in content]
    if encoding == "binary":
        raise ValueError("binary wants data")
    if encoding == "ucs2":
        return [char.encode("utf-16-be", "surrogatepass") for char in content or ""]
    units = [gsm7.septets_of(char) for char in content or ""]
    found = [unit for unit in units if unit is not None]
    if len(found) != len(units):
        raise ValueError("a character is not in the GSM alphabet")
    return found


def _cut(units: list[bytes], encoding: str, head_octets: int, parts: int, *, wide: bool) -> list[bytes]:
    """One piece if it fits, else pieces with room for the element that numbers them."""
    if parts == 1 and sum(map(len, units)) <= _room(encoding, head_octets):
        return [b"".join(units)]
    room = _room(encoding, (head_octets or 1) + (6 if wide else 5))
    pieces = [b""]
    for unit in units:
        if len(pieces[-1]) + len(unit) > room:
            pieces.append(b"")
        pieces[-1] += unit
    if len(pieces) < parts:
        each = len(units) / parts
        pieces = [b"".join(units[int(at * each) : int((at + 1) * each)]) for at in range(parts)]
    if len(pieces) > MAX_PARTS:
        raise ValueError("it needs more than 255 parts")
    return pieces


def _room(encoding: str, head_octets: int) -> int:
    """Septets or octets beside a header of so many octets, its length octet counted."""
    return _UD_SEPTETS - (head_octets * 8 + 6) // 7 if encoding == "gsm7" else tpdu.UD_OCTETS - head_octets


def _concat(letter: Letter, total: int, number: int) -> bytes:
    if letter.wide:
        return b"\x08\x04" + letter.reference.to_bytes(2, "big") + bytes((total, number))
    return b"\x00\x03" + bytes((letter.reference & 0xFF, total, number))
