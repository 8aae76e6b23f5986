"""What is made of octets from the network, sound and broken ones."""

from datetime import UTC, datetime

import pytest

from core.modem.pdu import (
    Address,
    Alphabet,
    Concat,
    Deliver,
    Element,
    PduError,
    Ports,
    StatusReport,
    Waiting,
    WaitingKind,
    decode_from_mobile,
    decode_from_network,
    elements_of,
    encode_deliver,
    header_octets,
    identity,
    join_text,
)

STAMP = "62211181840000"
"""2026-12-11 18:48:00 UTC, as octets."""


def deliver(user_data: str, *, length: int | None = None, dcs: int = 0, first: int = 0x04, pid: int = 0) -> Deliver:
    """From 123, with these octets of user data; TP-UDL counts them unless a length is given."""
    octets = bytes.fromhex(user_data)
    tpdu = bytes((first,)) + bytes.fromhex("038121F3") + bytes((pid, dcs)) + bytes.fromhex(STAMP)
    message = decode_from_network(tpdu + bytes((len(octets) if length is None else length,)) + octets)
    assert isinstance(message, Deliver)
    return message


HELLO = "E8329BFD4697D9EC37"


@pytest.mark.parametrize(
    ("dcs", "alphabet", "message_class"),
    [
        (0x00, "gsm7", None),
        (0x04, "binary", None),
        (0x08, "ucs2", None),
        (0x0C, "gsm7", None),  # reserved alphabet
        (0x0B, "ucs2", None),  # class bits without their meaning
        (0x10, "gsm7", 0),
        (0x15, "binary", 1),
        (0x1A, "ucs2", 2),
        (0x13, "gsm7", 3),
        (0x20, "binary", None),  # compressed
        (0x38, "binary", 0),
        (0x40, "gsm7", None),  # marked for automatic deletion
        (0x59, "ucs2", 1),
        (0x80, "gsm7", None),  # reserved groups
        (0xBF, "gsm7", None),
        (0xC8, "gsm7", None),
        (0xD9, "gsm7", None),
        (0xE2, "ucs2", None),
        (0xF0, "gsm7", 0),
        (0xF7, "binary", 3),
        (0xFA, "gsm7", 2),  # reserved bit 3
    ],
)
def test_a_coding_scheme_says_alphabet_and_class(dcs: int, alphabet: str, message_class: int | None) -> None:
    message = deliver("00410042", length=4, dcs=dcs)
    assert (message.alphabet, message.message_class, message.dcs) == (Alphabet(alphabet), message_class, dcs)
    assert (message.data is None) == (alphabet != "binary")
    assert (message.text is None) == (alphabet == "binary")


@pytest.mark.parametrize(
    ("dcs", "waiting"),
    [
        (0xC8, Waiting(WaitingKind.VOICEMAIL, True)),
        (0xC0, Waiting(WaitingKind.VOICEMAIL, False)),
        (0xD9, Waiting(WaitingKind.FAX, True)),
        (0xEA, Waiting(WaitingKind.EMAIL, True)),
        (0xE3, Waiting(WaitingKind.OTHER, False)),
    ],
)
def test_a_coding_scheme_can_say_that_messages_wait(dcs: int, waiting: Waiting) -> None:
    assert deliver("00410042", dcs=dcs).waiting == (waiting,)


def test_an_element_can_say_how_many_messages_wait() -> None:
    message = deliver("0C" + "01028003" + "01028200" + "01020101", dcs=0x04, first=0x44)
    voicemail, email = Waiting(WaitingKind.VOICEMAIL, True, 3), Waiting(WaitingKind.EMAIL, False, 0)
    assert message.waiting == (voicemail, email, Waiting(WaitingKind.FAX, True, 1))
    assert message.data == b""


def test_replacement_and_silence_are_read_from_the_protocol_identifier() -> None:
    assert [deliver("", pid=pid).replace_type for pid in (0, 0x40, 0x41, 0x47, 0x48)] == [None, None, 1, 7, None]
    assert [deliver("", pid=pid).silent for pid in (0, 0x40, 0x41)] == [False, True, False]


def test_flags_of_the_first_octet_are_read() -> None:
    plain, all_set = deliver(""), deliver("", first=0xA0)
    assert (plain.more, plain.report, plain.reply_path) == (False, False, False)
    assert (all_set.more, all_set.report, all_set.reply_path) == (True, True, True)


def test_a_reserved_message_type_counts_as_a_deliver() -> None:
    assert deliver(HELLO, length=10, first=0x07).text == "hellohello"


def test_concatenation_and_ports_leave_the_other_elements() -> None:
    octets = "110003070201" + "0504" + "0B8423F0" + "7001AA" + "240101" + "41"
    message = deliver(octets, dcs=0x04, first=0x44)
    assert message.concat == Concat(7, 2, 1)
    assert message.ports == Ports(0x0B84, 0x23F0)
    assert message.elements == (Element(0x70, b"\xaa"), Element(0x24, b"\x01"))
    assert message.data == b"A"
    assert not message.damaged


def test_8_bit_ports_and_wide_references_are_read() -> None:
    message = deliver("0A" + "080412340302" + "0402F0F1" + "42", dcs=0x04, first=0x44)
    assert message.concat == Concat(0x1234, 3, 2, wide=True)
    assert message.ports == Ports(0xF0, 0xF1, wide=False)


def test_of_repeated_elements_the_last_counts() -> None:
    assert deliver("0A" + "0003070201" + "0003080302", dcs=4, first=0x44).concat == Concat(8, 3, 2)


@pytest.mark.parametrize("element", ["0003070200", "0003070203", "0003070001", "00020702", "0803120201"])
def test_a_concatenation_that_cannot_be_is_an_unknown_element(element: str) -> None:
    octets = bytes.fromhex(element)
    message = deliver(f"{len(octets):02X}" + element, dcs=4, first=0x44)
    assert message.concat is None
    assert message.elements == (Element(octets[0], octets[2:]),)


def test_a_header_can_be_handed_on_and_taken_as_octets() -> None:
    octets = bytes.fromhex("0E" + "0003070201" + "05040B8423F0" + "7001AA")
    message = deliver(octets.hex() + "41", dcs=4, first=0x44)
    assert header_octets(message) == octets
    assert [element.ident for element in elements_of(octets)] == [0x00, 0x05, 0x70]
    assert (header_octets(deliver("41", dcs=4)), elements_of(b"")) == (b"", ())


@pytest.mark.parametrize("octets", ["01", "0500030702", "05000307020101", "03000307", "0100"])
def test_octets_that_are_no_header_are_an_error(octets: str) -> None:
    with pytest.raises(PduError):
        elements_of(bytes.fromhex(octets))


def test_national_elements_choose_the_tables() -> None:
    # UDHL 06 and two elements are 8 septets; then 04 and 07 of the Turkish table, packed without fill bits
    message = deliver("06" + "250101" + "240101" + "8403", length=10, first=0x44)
    assert (message.text, message.elements) == ("€ı", (Element(0x25, b"\x01"), Element(0x24, b"\x01")))
    message = Deliver(
        originator=Address("123"),
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        text="İşte ığ €",
        elements=(Element(0x25, b"\x01"), Element(0x24, b"\x01")),
    )
    again = decode_from_network(encode_deliver(message))
    assert isinstance(again, Deliver)
    assert again.text == "İşte ığ €"
    assert len(again.coded) == 9


def test_user_data_that_ends_early_is_damaged_and_read_so_far() -> None:
    message = deliver(HELLO[:-4], length=10)
    assert (message.text, message.damaged) == ("hellohel", True)
    message = deliver("00410042", length=6, dcs=8)
    assert (message.text, message.damaged) == ("AB", True)


def test_octets_behind_the_user_data_are_ignored() -> None:
    message = deliver(HELLO + "FFFF", length=10)
    assert (message.text, message.damaged) == ("hellohello", False)


def test_more_user_data_than_a_message_holds_is_damaged_but_read() -> None:
    message = deliver("41" * 200, dcs=4)
    assert (message.data, message.damaged) == (b"A" * 200, True)
    message = deliver("00" * 224, length=255)
    assert (message.text, message.damaged) == ("@" * 255, True)
    assert identity(message)


def test_a_header_of_200_octets_still_has_an_identity() -> None:
    message = deliver("C8" + "70C6" + "AA" * 198 + "41", dcs=4, first=0x44)
    assert message.damaged
    assert message.elements == (Element(0x70, b"\xaa" * 198),)
    assert identity(message)


def test_half_a_character_at_the_end_is_damage() -> None:
    message = deliver("00410042D8", dcs=8)
    assert (message.text, message.damaged) == ("AB", True)
    message = deliver("0041D83D", dcs=8)
    assert (message.text, message.damaged) == ("A\ufffd", True)


def test_a_header_flag_on_plain_text_leaves_the_text() -> None:
    message = deliver(HELLO, length=10, first=0x44)
    assert (message.text, message.elements, message.damaged) == ("hellohello", (), True)


def test_an_element_over_the_end_of_the_header_drops_the_header_alone() -> None:
    message = deliver("050004070201" + "4142", dcs=4, first=0x44)
    assert (message.concat, message.elements, message.data, message.damaged) == (None, (), b"AB", True)


def test_a_header_flag_without_any_user_data_is_damage() -> None:
    message = deliver("", first=0x44)
    assert (message.text, message.damaged) == ("", True)


@pytest.mark.parametrize(
    ("alphabet", "text"), [("gsm7", "x" * 152 + "["), ("gsm7", "€" * 40), ("ucs2", "😀 Привет " * 6)]
)
def test_fill_bits_and_units_of_every_header_length_are_right(alphabet: str, text: str) -> None:
    for size in range(18):
        short = text[: len(text) // 2]
        message = Deliver(
            originator=Address("1"),
            sent_at=None,
            text=short,
            alphabet=Alphabet(alphabet),
            elements=(Element(0x70, bytes(size)),),
        )
        again = decode_from_network(encode_deliver(message))
        assert isinstance(again, Deliver)
        assert (again.text, again.damaged, again.elements) == (short, False, message.elements)


@pytest.mark.parametrize("octets", ["", "04", "0403", "040381", "04038121F3", "04038121F30000" + STAMP, "02", "0201"])
def test_a_tpdu_that_ends_before_its_user_data_is_an_error(octets: str) -> None:
    with pytest.raises(PduError):
        decode_from_network(bytes.fromhex(octets))


def test_answers_to_tpdus_and_commands_are_no_messages() -> None:
    with pytest.raises(PduError):
        decode_from_network(bytes.fromhex("0100" + STAMP))
    for first in ("00", "02", "03"):
        with pytest.raises(PduError):
            decode_from_mobile(bytes.fromhex(first + "00038121F3000000"))


def test_a_submit_with_broken_user_data_is_an_error() -> None:
    sound = bytes.fromhex("0100038121F300000AE8329BFD4697D9EC37")
    assert decode_from_mobile(sound).text == "hellohello"
    with pytest.raises(PduError):
        decode_from_mobile(sound[:-1])
    with pytest.raises(PduError):
        decode_from_mobile(bytes((0x41,)) + sound[1:])


def test_a_report_may_have_more_behind_its_status() -> None:
    report = decode_from_network(bytes.fromhex("0205038121F3" + STAMP + STAMP + "30" + "FF0000"))
    assert isinstance(report, StatusReport)
    assert (report.status, report.reference, report.more) == (0x30, 5, True)
    assert report.sent_at == datetime(2026, 12, 11, 18, 48, tzinfo=UTC)


def test_the_same_delivery_has_the_same_identity_whatever_its_flags() -> None:
    first, again = deliver(HELLO, length=10), deliver(HELLO, length=10, first=0xA0)
    assert identity(first) == identity(again)
    assert len(identity(first)) == 64


def test_identities_stay_what_they_are_in_stores() -> None:
    message = deliver("050003010201" + "41", dcs=4, first=0x44)
    assert identity(message) == "b25309cc0f38bf8bc8a20e7fa07741d54ce052b1369a3a1ba6c1e45c37e327b5"


def test_another_delivery_has_another_identity() -> None:
    messages = [
        deliver(HELLO, length=10),
        deliver(HELLO, length=9),
        deliver(HELLO, length=10, pid=1),
        deliver(HELLO, length=10, dcs=0xC0),
        deliver("050003010201" + "41", dcs=4, first=0x44),
        deliver("050003010202" + "41", dcs=4, first=0x44),
        deliver("050003020202" + "41", dcs=4, first=0x44),
        deliver("D83D", dcs=8),
        deliver("D83E", dcs=8),
    ]
    assert len({identity(message) for message in messages}) == len(messages)


def test_an_identity_does_not_depend_on_how_the_message_came_about() -> None:
    made = Deliver(originator=Address("123"), sent_at=datetime(2026, 12, 11, 18, 48, tzinfo=UTC), text="hellohello")
    assert identity(made) == identity(deliver(HELLO, length=10))


def test_a_character_cut_in_two_by_the_sender_is_whole_again_when_parts_are_joined() -> None:
    halves = [deliver("0041D83D", dcs=8), deliver("DE000042", dcs=8)]
    assert [part.text for part in halves] == ["A\ufffd", "\ufffdB"]
    assert join_text(halves) == "A😀B"
    escape = [deliver("C10D", length=2), deliver("65", length=1)]
    assert [part.text for part in escape] == ["A ", "e"]
    assert join_text(escape) == "A€"


@pytest.mark.parametrize(("ident", "letter"), [(0x24, "ğ"), (0x25, "ğ")])
def test_parts_in_different_languages_are_joined(ident: int, letter: str) -> None:
    turkish, plain = (
        Deliver(originator=Address("1"), sent_at=None, text=text, elements=elements)
        for text, elements in ((letter, (Element(ident, b"\x01"),)), ("ø", ()))
    )
    assert join_text([turkish, plain]) == letter + "ø"
    assert join_text([plain, turkish]) == "ø" + letter


def test_parts_in_different_alphabets_are_joined() -> None:
    assert join_text([deliver(HELLO, length=10), deliver("0416", dcs=8), deliver("41", dcs=4)]) == "hellohelloЖ"
