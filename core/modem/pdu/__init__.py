"""Short messages and their octets: the TPDUs of TS 23.040, the alphabets of TS 23.038. Pure.

Any octets give a value or PduError, in time that grows with their number alone.
"""

from core.modem.pdu.compose import compose
from core.modem.pdu.header import elements_of
from core.modem.pdu.identity import identity
from core.modem.pdu.joining import join_text
from core.modem.pdu.model import (
    Address,
    Alphabet,
    Concat,
    Deliver,
    Element,
    Options,
    PduError,
    Ports,
    StatusReport,
    Submit,
    Ton,
    TooManyParts,
    Waiting,
    WaitingKind,
)
from core.modem.pdu.status import ReportStatus, status_of
from core.modem.pdu.tpdu import (
    decode_from_mobile,
    decode_from_network,
    encode_deliver,
    encode_report,
    encode_submit,
    header_octets,
    join_pdu,
    split_pdu,
)

__all__ = [
    "Address",
    "Alphabet",
    "Concat",
    "Deliver",
    "Element",
    "Options",
    "PduError",
    "Ports",
    "ReportStatus",
    "StatusReport",
    "Submit",
    "Ton",
    "TooManyParts",
    "Waiting",
    "WaitingKind",
    "compose",
    "decode_from_mobile",
    "decode_from_network",
    "elements_of",
    "encode_deliver",
    "encode_report",
    "encode_submit",
    "header_octets",
    "identity",
    "join_pdu",
    "join_text",
    "split_pdu",
    "status_of",
]
