"""Messages that others published with their meaning: textbook examples, and PDUs of open-source programs' tests."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.modem.pdu import (
    Address,
    Alphabet,
    Concat,
    Deliver,
    Options,
    StatusReport,
    compose,
    decode_from_mobile,
    decode_from_network,
    encode_deliver,
    encode_report,
    encode_submit,
    join_pdu,
    split_pdu,
)

VECTORS = Path(__file__).parent / "vectors"
RECEIVED = json.loads((VECTORS / "received.json").read_text())
SENT = json.loads((VECTORS / "sent.json").read_text())

KINGS = (
    "Or walk with Kings - nor lose the common touch, if neither foes nor loving friends can hurt you, If all men count "
    "with you, but none too much; If you can fill the unforgiving minute With sixty seconds' worth of distance run, "
    "Yours is the Earth and everything thats in it, And - which is more - you will be a Man, my son"
)
KINGS_PDUS = [
    "005100098156355476F80000AAA00500038803019E72D03DCC5E83EE693A1AB44CBBCF73500BE47ECB41ECF7BC0CA2A3CBA0F1BBDD7EBB41F4"
    "777D8C6681D26690BB9CA6A3CB7290F95D9E83DC6F3988FDB6A7DD6790599E2EBBC973D038EC06A1EB723A28FFAEB340493328CC6683DA6537"
    "68FCAEBBE9A07B9A8E06E5DF7516485CA783DC6F7719447FBF41EDFA18BD0325CDA0FCBB0E1A87DD",
    "005100098156355476F80000AAA005000388030240E6349B0DA2A3CBA0BADBFC969FD3F6B4FB0C6AA7DD757A19744DD3D1A0791A4FCF83E6E5"
    "F1DB4D9E9F40F7B79C8E06BDCD20727A4E0FBBC76590BCEE6681B2EFBA7C0E4ACF41747419540CCBE96850D84D0695ED65799E8E4EBBCF203A"
    "3A4C9F83D26E509ACE0205DD64500B7447A7C768507A0E6ABFE565500B947FD741F7349B0D129741",
    "005100098156355476F80000AA14050003880303C2A066D8CD02B5F3A0F9DB0D",
]


def about(vector: dict[str, Any]) -> str:
    return str(vector["about"])


def received(pdu: str) -> Deliver:
    message = decode_from_network(split_pdu(pdu)[1])
    assert isinstance(message, Deliver)
    return message


@pytest.mark.parametrize("vector", RECEIVED, ids=about)
def test_a_published_message_says_what_its_publisher_says(vector: dict[str, Any]) -> None:
    message = received(vector["pdu"])
    assert message.alphabet is Alphabet(vector["alphabet"])
    assert not message.damaged
    if "from" in vector:
        assert message.originator.text == vector["from"]
    if "text" in vector:
        assert message.text == vector["text"]
    if "data" in vector:
        assert message.data == bytes.fromhex(vector["data"])
    if "concat" in vector:
        reference, total, number = vector["concat"]
        assert message.concat == Concat(reference, total, number, vector.get("wide", False))
    assert message.message_class == vector.get("message_class")
    assert message.more == vector.get("more", message.more)
    assert message.pid == vector.get("pid", message.pid)


@pytest.mark.parametrize("vector", [vector for vector in RECEIVED if "sent_at" in vector], ids=about)
def test_a_published_time_stamp_is_read_with_its_zone(vector: dict[str, Any]) -> None:
    sent_at = received(vector["pdu"]).sent_at
    assert sent_at is not None
    assert sent_at.isoformat() == vector["sent_at"]


@pytest.mark.parametrize("vector", [vector for vector in RECEIVED if "smsc" in vector], ids=about)
def test_the_service_centre_stands_in_front(vector: dict[str, Any]) -> None:
    smsc, tpdu = split_pdu(vector["pdu"])
    assert smsc is not None
    assert smsc.text == vector["smsc"]
    assert join_pdu(tpdu, vector["smsc"]) == vector["pdu"].replace(" ", "")


@pytest.mark.parametrize("vector", [vector for vector in RECEIVED if "written" not in vector], ids=about)
def test_encoding_a_published_message_gives_its_octets_again(vector: dict[str, Any]) -> None:
    tpdu = split_pdu(vector["pdu"])[1]
    assert encode_deliver(received(vector["pdu"])).hex() == tpdu.hex()


@pytest.mark.parametrize("vector", SENT, ids=about)
def test_a_message_to_send_becomes_the_published_octets(vector: dict[str, Any]) -> None:
    validity: timedelta | datetime | None = None
    if "validity_s" in vector:
        validity = timedelta(seconds=vector["validity_s"])
    if "until" in vector:
        validity = datetime.fromisoformat(vector["until"])
    options = Options(message_class=vector.get("message_class"), report=vector.get("report", False), validity=validity)
    (message,) = compose(Address.of(vector["to"]), text=vector["text"], options=options)
    assert join_pdu(encode_submit(message), vector.get("smsc")) == vector["pdu"]
    assert decode_from_mobile(split_pdu(vector["pdu"])[1]) == message


def test_a_long_text_becomes_the_published_parts() -> None:
    options = Options(reference=0x88, validity=timedelta(days=4))
    parts = compose(Address("655345678"), text=KINGS, options=options)
    assert [join_pdu(encode_submit(part)) for part in parts] == KINGS_PDUS


def test_8_bit_data_becomes_the_published_octets() -> None:
    (message,) = compose(Address("01000000000"), data=b"Hi there...")
    assert join_pdu(encode_submit(message), "+44000000000") == (
        "07914400000000F001000B811000000000F000040B48692074686572652E2E2E"
    )


@pytest.mark.parametrize(
    ("pdu", "reference", "sent_at"),
    [
        ("0791538375000075061805810531F1019082416500400190824165004000", 24, "2010-09-28T14:56:00+01:00"),
        ("00060505810531F1010150610000400101506100004000", 5, "2010-10-05T16:00:00+01:00"),
    ],
)
def test_a_published_status_report_is_read(pdu: str, reference: int, sent_at: str) -> None:
    tpdu = split_pdu(pdu)[1]
    report = decode_from_network(tpdu)
    stamp = datetime.fromisoformat(sent_at)
    assert report == StatusReport(
        reference=reference, recipient=Address("50131"), sent_at=stamp, discharged_at=stamp, status=0
    )
    assert encode_report(report) == tpdu
