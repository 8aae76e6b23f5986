"""From what a person wants to send to SMS-SUBMITs: choice of alphabet, cutting, numbering."""

from collections.abc import Callable
from dataclasses import replace

from core.modem.pdu import gsm7
from core.modem.pdu.cutting import Measure, cut_anywhere, cut_numbered, cut_readably
from core.modem.pdu.header import Header, sort_elements, write_header
from core.modem.pdu.model import Address, Alphabet, Concat, Options, PduError, Submit, TooManyParts
from core.modem.pdu.tpdu import encode_submit
from core.modem.pdu.user_data import MAX_OCTETS, MAX_SEPTETS, encode_body, septets_of, whole

_MAX_CONCATENATED = 255
"""One octet counts the parts (TS 23.040 §9.2.3.24.1)."""

_CUTS: dict[str, tuple[Callable[[str, Measure, int], list[str]], str]] = {
    "separate": (cut_readably, ""),
    "numbered": (cut_numbered, "0123456789/ "),
}
"""How each kind of cutting is done, and what it adds to the text: some national alphabets lack the stroke."""


def compose(
    destination: Address, *, text: str | None = None, data: bytes | None = None, options: Options | None = None
) -> tuple[Submit, ...]:
    """The messages, in order, that bring text (or data) to the destination.

    Without options.alphabet a text goes as GSM 7-bit when its default and extension table have all of its characters,
    else as UCS-2 (TS 23.038 §6.2). Ports and elements go into every part, and their octets count. PduError for what
    can't be, TooManyParts above options.max_parts.
    """
    options = options or Options()
    if (text is None) == (data is None):
        raise PduError("a message has text or data")
    if not destination.number:
        raise PduError("a message needs a recipient")
    text = None if text is None else whole(text)
    header = _header(options)
    message = _whole_message(destination, text, data, header, options)
    coded = encode_body(text, data, message.alphabet, header)
    fits = len(coded) <= _room(message.alphabet, header)
    parts = (message,) if fits else _parts(message, header, options)
    for part in parts:  # what is accepted here is known to encode
        encode_submit(part)
    return parts


def _whole_message(
    destination: Address, text: str | None, data: bytes | None, header: Header, options: Options
) -> Submit:
    return Submit(
        destination=destination,
        text=text,
        data=data,
        alphabet=_alphabet(text, options.alphabet, header),
        message_class=options.message_class,
        elements=header.elements,
        concat=header.concat,
        ports=header.ports,
        pid=options.pid,
        validity=options.validity,
        report=options.report,
        reject_duplicates=options.reject_duplicates,
        reply_path=options.reply_path,
    )


def _parts(message: Submit, header: Header, options: Options) -> tuple[Submit, ...]:
    if header.concat is not None:
        raise PduError("a message that is a part itself can't be cut")
    if options.split == "concat":
        return _concatenated(message, header, options)
    if message.text is None:
        raise PduError("data can be cut only into concatenated parts")
    if options.split not in _CUTS:
        raise PduError("a text is cut concat, separate or numbered")
    cut, extra = _CUTS[options.split]
    encode_body(extra, None, message.alphabet, header)
    texts = cut(message.text, _measure(message.alphabet, header), _room(message.alphabet, header))
    _allow(len(texts), options.max_parts)
    return tuple([replace(message, text=text) for text in texts])


def _concatenated(message: Submit, header: Header, options: Options) -> tuple[Submit, ...]:
    concat = Concat(options.reference, 1, 1, options.wide_reference)
    room = _room(message.alphabet, replace(header, concat=concat))
    if room < 1:
        raise PduError("the header leaves no room")
    if (data := message.data) is not None:
        bodies = [replace(message, data=data[at : at + room]) for at in range(0, len(data), room)]
    else:
        texts = cut_anywhere(message.text or "", _measure(message.alphabet, header), room)
        bodies = [replace(message, text=text) for text in texts]
    total = len(bodies)
    _allow(total, min(options.max_parts, _MAX_CONCATENATED))
    return tuple([replace(body, concat=replace(concat, total=total, number=at)) for at, body in enumerate(bodies, 1)])


def _header(options: Options) -> Header:
    header = sort_elements(options.elements)
    return replace(header, ports=options.ports or header.ports)


def _alphabet(text: str | None, wanted: Alphabet | None, header: Header) -> Alphabet:
    if text is None:
        return wanted or Alphabet.BINARY
    if wanted is not None:
        return wanted
    return Alphabet.UCS2 if gsm7.encode(text, header.locking, header.single) is None else Alphabet.GSM7


def _room(alphabet: Alphabet, header: Header) -> int:
    """Septets, or octets (of UCS-2 an even number), that a message with this header holds; PduError for none."""
    head = len(write_header(header))
    if alphabet is Alphabet.GSM7:
        return MAX_SEPTETS - septets_of(head)
    return MAX_OCTETS - head & (~1 if alphabet is Alphabet.UCS2 else ~0)


def _measure(alphabet: Alphabet, header: Header) -> Measure:
    """Septets or octets of one character."""
    if alphabet is Alphabet.UCS2:
        return lambda character: 4 if character > "\uffff" else 2
    table = gsm7.codes(header.locking, header.single)
    return lambda character: len(table[character])


def _allow(parts: int, most: int) -> None:
    if parts > most:
        raise TooManyParts(parts)
