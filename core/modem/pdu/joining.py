"""The text of a message from its parts."""

from collections.abc import Iterable
from itertools import groupby

from core.modem.pdu.header import LOCKING_SHIFT, SINGLE_SHIFT, Header
from core.modem.pdu.model import Alphabet, Deliver
from core.modem.pdu.user_data import decode_coded, encode_body


def join_text(parts: Iterable[Deliver]) -> str:
    """The text of parts that follow one another; call it once for each run without a gap.

    Some senders cut a surrogate pair, or an escape from its character, over two parts: neighbours of one coding are
    therefore decoded together. Binary parts count as empty.
    """
    texts = []
    for (alphabet, header), run in groupby(parts, _coding):
        if alphabet is not Alphabet.BINARY:
            coded = b"".join([part.coded or encode_body(part.text, None, alphabet, header) for part in run])
            texts.append(decode_coded(coded, alphabet, header)[0])
    return "".join(texts)


def _coding(part: Deliver) -> tuple[Alphabet, Header]:
    """What decides how octets are read: alphabet and national languages."""
    languages = [element for element in part.elements if element.ident in (SINGLE_SHIFT, LOCKING_SHIFT)]
    return part.alphabet, Header(tuple(languages))
