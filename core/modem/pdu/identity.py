"""The network's identity of one delivery: the same message delivered twice gives the same identity twice."""

from hashlib import sha256

from core.modem.pdu.header import element_octets
from core.modem.pdu.model import Deliver
from core.modem.pdu.times import write_stamp
from core.modem.pdu.tpdu import message_header
from core.modem.pdu.user_data import encode_body


def identity(message: Deliver) -> str:
    """Hex SHA-256 of originator, TP-PID, TP-DCS, time stamp and user data with its header.

    Not of the flags in the first octet: more-messages and reply-path may differ when the service centre tries again.
    """
    header = message_header(message)
    coded = message.coded or encode_body(message.text, message.data, message.alphabet, header)
    originator = message.originator
    fields = (
        bytes((originator.ton, originator.npi, message.pid, message.dcs)),
        originator.number.encode(),
        write_stamp(message.sent_at),
        element_octets(header),
        coded,
    )
    digest = sha256()
    for field in fields:
        digest.update(len(field).to_bytes(2, "big") + field)
    return digest.hexdigest()
