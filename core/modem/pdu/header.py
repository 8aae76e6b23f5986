"""The user data header (TS 23.040 §9.2.3.24)."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.modem.pdu.dcs import KINDS
from core.modem.pdu.model import Concat, Element, PduError, Ports, Waiting

CONCAT_8, SPECIAL, PORTS_8, PORTS_16, CONCAT_16 = 0x00, 0x01, 0x04, 0x05, 0x08
SINGLE_SHIFT, LOCKING_SHIFT = 0x24, 0x25


@dataclass(frozen=True, slots=True)
class Header:
    """elements: those that concat and ports do not stand for, in their order."""

    elements: tuple[Element, ...] = ()
    concat: Concat | None = None
    ports: Ports | None = None

    @property
    def locking(self) -> int:
        """National language of the main table; 0 is the default alphabet (§9.2.3.24.16)."""
        return _language(self.elements, LOCKING_SHIFT)

    @property
    def single(self) -> int:
        """National language of the extension table (§9.2.3.24.15)."""
        return _language(self.elements, SINGLE_SHIFT)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Special SMS message indications (§9.2.3.24.2)."""
        return tuple(
            Waiting(KINDS[element.data[0] & 3], element.data[1] > 0, element.data[1])
            for element in self.elements
            if element.ident == SPECIAL and len(element.data) == 2
        )


NO_HEADER = Header()


def read_header(octets: bytes) -> Header | None:
    """From the octets behind UDHL; None if an element runs over the end: the whole header is then ignored (§9.2.3.24).

    An element with a length or values that can't be stays among `elements`. Of repeated ones the last counts.
    """
    elements = _split(octets)
    return None if elements is None else sort_elements(elements)


def sort_elements(elements: Iterable[Element]) -> Header:
    """Concatenation and ports get their fields."""
    concat, ports, rest = None, None, []
    for element in elements:
        if (found_concat := _concat(element)) is not None:
            concat = found_concat
        elif (found_ports := _ports(element)) is not None:
            ports = found_ports
        else:
            rest.append(element)
    return Header(tuple(rest), concat, ports)


def elements_of(octets: bytes) -> tuple[Element, ...]:
    """The elements of a header as programs hand it on, with its length octet. PduError if it is none."""
    if not octets:
        return ()
    if len(octets) != 1 + octets[0]:
        raise PduError("a user data header begins with its length")
    elements = _split(octets[1:])
    if elements is None:
        raise PduError("an element ends behind the user data header")
    return tuple(elements)


def write_header(header: Header) -> bytes:
    """With its length octet; no octets at all without elements. PduError for what does not fit."""
    octets = element_octets(header)
    if len(octets) > 139:
        raise PduError("a user data header has at most 140 octets")
    return bytes((len(octets),)) + octets if octets else b""


def element_octets(header: Header) -> bytes:
    """All elements behind one another. PduError for one that can't be; none that came from octets."""
    return b"".join([bytes((element.ident, len(element.data))) + element.data for element in _all(header)])


def waiting_element(waiting: Waiting) -> Element:
    """§9.2.3.24.2; stored like any other message."""
    return Element(SPECIAL, bytes((0x80 | KINDS.index(waiting.kind), waiting.count or 0)))


def _split(octets: bytes) -> list[Element] | None:
    elements = []
    at = 0
    while at < len(octets):
        end = at + 2 + (octets[at + 1] if at + 1 < len(octets) else 254)
        if end > len(octets):
            return None
        elements.append(Element(octets[at], octets[at + 2 : end]))
        at = end
    return elements


def _all(header: Header) -> Iterable[Element]:
    if header.concat is not None:
        yield _concat_element(header.concat)
    if header.ports is not None:
        yield _ports_element(header.ports)
    for element in header.elements:
        if not (0 <= element.ident <= 255 and len(element.data) <= 255):
            raise PduError("an information element has an octet of type and one of length")
        yield element


def _concat(element: Element) -> Concat | None:
    """None also for part 0, for a part above the total and for a total of 0 (§9.2.3.24.1): the element is ignored."""
    wide = element.ident == CONCAT_16
    if not (wide or element.ident == CONCAT_8) or len(element.data) != 3 + wide:
        return None
    total, number = element.data[-2:]
    if not 1 <= number <= total:
        return None
    return Concat(int.from_bytes(element.data[:-2], "big"), total, number, wide)


def _ports(element: Element) -> Ports | None:
    wide = element.ident == PORTS_16
    if not (wide or element.ident == PORTS_8) or len(element.data) != 2 + 2 * wide:
        return None
    half = len(element.data) // 2
    return Ports(int.from_bytes(element.data[:half], "big"), int.from_bytes(element.data[half:], "big"), wide)


def _concat_element(concat: Concat) -> Element:
    size = 2 if concat.wide else 1
    if not (0 <= concat.reference < 256**size and 1 <= concat.number <= concat.total <= 255):
        raise PduError("a part is 1 to 255 of up to 255, its reference 8 or 16 bits")
    data = concat.reference.to_bytes(size, "big") + bytes((concat.total, concat.number))
    return Element(CONCAT_16 if concat.wide else CONCAT_8, data)


def _ports_element(ports: Ports) -> Element:
    size = 2 if ports.wide else 1
    if not (0 <= ports.destination < 256**size and 0 <= ports.source < 256**size):
        raise PduError("a port is 0 to 255, or to 65535 when wide")
    data = ports.destination.to_bytes(size, "big") + ports.source.to_bytes(size, "big")
    return Element(PORTS_16 if ports.wide else PORTS_8, data)


def _language(elements: tuple[Element, ...], ident: int) -> int:
    found = [element.data[0] for element in elements if element.ident == ident and len(element.data) == 1]
    return found[-1] if found else 0
