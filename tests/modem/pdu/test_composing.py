"""From a text to messages: alphabet, room, cutting, numbering."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.pdu import (
    Address,
    Alphabet,
    Concat,
    Element,
    Options,
    PduError,
    Ports,
    Submit,
    TooManyParts,
    compose,
    decode_from_mobile,
    encode_submit,
)

TO = Address.of("+447700900123")
FAMILY = "👨\u200d👩\u200d👧\u200d👦"


def texts(text: str, **options: object) -> list[str]:
    return [part.text or "" for part in compose(TO, text=text, options=Options(**options))]  # type: ignore[arg-type]


def user_data_octets(part: Submit) -> int:
    """Octets behind TP-UDL; without a validity it stands behind 13 octets with this number."""
    return len(encode_submit(part)) - 13


@pytest.mark.parametrize(
    ("character", "single", "narrow", "wide", "alphabet"),
    [
        ("x", 160, 153, 152, Alphabet.GSM7),
        ("€", 80, 76, 76, Alphabet.GSM7),
        ("ж", 70, 67, 66, Alphabet.UCS2),
        ("😀", 35, 33, 33, Alphabet.UCS2),
    ],
)
def test_a_message_and_a_part_hold_what_the_standard_allows(
    character: str, single: int, narrow: int, wide: int, alphabet: Alphabet
) -> None:
    (whole,) = compose(TO, text=character * single)
    assert whole.alphabet is alphabet
    assert whole.concat is None
    for room, wide_reference in ((narrow, False), (wide, True)):
        options = Options(wide_reference=wide_reference)
        parts = compose(TO, text=character * (single + 1), options=options)
        assert [len(part.text or "") for part in parts] == [room, single + 1 - room]
        full = compose(TO, text=character * room * 3, options=options)
        assert [len(part.text or "") for part in full] == [room] * 3
        assert len(compose(TO, text=character * (room * 3 + 1), options=options)) == 4
        assert all(user_data_octets(part) <= 140 for part in full)


def test_data_is_cut_at_140_134_and_133_octets() -> None:
    assert [part.data for part in compose(TO, data=bytes(140))] == [bytes(140)]
    for room, wide in ((134, False), (133, True)):
        parts = compose(TO, data=bytes(range(256)), options=Options(wide_reference=wide, reference=7))
        assert b"".join([part.data or b"" for part in parts]) == bytes(range(256))
        assert [len(part.data or b"") for part in parts] == [room, 256 - room]
        assert [part.concat for part in parts] == [Concat(7, 2, 1, wide), Concat(7, 2, 2, wide)]


def test_ports_take_their_place_in_every_part() -> None:
    ports = Ports(2948, 9200)
    assert len(compose(TO, data=bytes(133), options=Options(ports=ports))) == 1
    parts = compose(TO, data=bytes(134), options=Options(ports=ports))
    assert [len(part.data or b"") for part in parts] == [128, 6]
    assert {part.ports for part in parts} == {ports}
    assert len(compose(TO, text="x" * 152, options=Options(ports=ports))) == 1
    assert [len(text) for text in texts("x" * 153, ports=ports)] == [146, 7]


def test_ports_in_raw_elements_are_ports() -> None:
    (message,) = compose(TO, data=b"x", options=Options(elements=(Element(5, bytes.fromhex("0B8423F0")),)))
    assert (message.ports, message.elements) == (Ports(2948, 9200), ())


def test_a_header_that_leaves_no_room_is_an_error() -> None:
    options = Options(elements=(Element(0x70, bytes(137)),))
    assert compose(TO, text="", options=options)
    for text in ("abc", "ж"):
        with pytest.raises(PduError):
            compose(TO, text=text, options=options)
    with pytest.raises(PduError):
        compose(TO, data=b"abc", options=options)
    with pytest.raises(PduError):
        compose(TO, text="a", options=Options(elements=(Element(0x70, bytes(138)),)))


def test_a_header_that_leaves_one_octet_sends_octet_by_octet() -> None:
    parts = compose(TO, data=b"octets!", options=Options(elements=(Element(0x70, bytes(131)),)))
    assert [part.data for part in parts] == [b"o", b"c", b"t", b"e", b"t", b"s", b"!"]
    assert all(user_data_octets(part) == 140 for part in parts)


def test_one_character_too_many_for_gsm_makes_it_ucs2() -> None:
    assert compose(TO, text="Ça va ? [100 €]\n")[0].alphabet is Alphabet.GSM7
    assert compose(TO, text="ça va ?")[0].alphabet is Alphabet.UCS2


def test_an_alphabet_can_be_asked_for() -> None:
    assert compose(TO, text="abc", options=Options(alphabet=Alphabet.UCS2))[0].alphabet is Alphabet.UCS2
    with pytest.raises(PduError):
        compose(TO, text="ж", options=Options(alphabet=Alphabet.GSM7))
    with pytest.raises(PduError):
        compose(TO, text="x", options=Options(alphabet=Alphabet.BINARY))
    with pytest.raises(PduError):
        compose(TO, data=b"x", options=Options(alphabet=Alphabet.GSM7))


def test_national_elements_make_their_letters_7_bit() -> None:
    options = Options(elements=(Element(0x24, b"\x01"), Element(0x25, b"\x01")))
    (message,) = compose(TO, text="ışık ğ" * 25, options=options)
    assert message.alphabet is Alphabet.GSM7
    assert decode_from_mobile(encode_submit(message)) == message


def test_an_extension_character_is_never_cut_from_its_escape() -> None:
    assert [len(part) for part in texts("x" * 152 + "€" * 10)] == [152, 10]


def test_a_surrogate_pair_is_never_cut() -> None:
    assert [len(part) for part in texts("ж" * 66 + "😀" * 5)] == [66, 5]


def test_a_family_stays_together_where_there_is_room() -> None:
    assert texts("ж" * 60 + FAMILY + "ж" * 20) == ["ж" * 60, FAMILY + "ж" * 20]


@pytest.mark.parametrize("cluster", [FAMILY, "e\u0301\u0323", "👍🏽", "🇩🇪", "❤\ufe0f", "नि", "\r\n"])
def test_what_is_read_as_one_character_is_not_cut(cluster: str) -> None:
    units = len(cluster.encode("utf-16-be")) // 2
    text = "ж" * (67 - units + 1) + cluster + "ж" * 30
    assert texts(text)[1].startswith(cluster)


def test_flags_are_cut_between_pairs() -> None:
    flags = "🇩🇪🇫🇷" * 20
    assert all(len(part) % 2 == 0 for part in texts(flags))
    assert [len(part) for part in texts("ж" + flags)] == [33, 32, 16]


def test_no_part_is_spent_on_keeping_characters_together() -> None:
    text = "ж" * 66 + "e\u0301" + "ж" * 66
    assert [len(part) for part in texts(text)] == [67, 67]


def test_characters_without_end_are_cut_somewhere() -> None:
    parts = texts("a" + "\u0301" * 1000)
    assert len(parts) == 15
    assert "".join(parts) == "a" + "\u0301" * 1000


def test_lone_surrogates_become_replacement_characters() -> None:
    assert texts("a\ud83d") == ["a\ufffd"]
    assert texts("\ude00\ud83d x \ud83d\ude00") == ["\ufffd\ufffd x 😀"]


def test_an_empty_text_is_one_message() -> None:
    (message,) = compose(TO, text="")
    assert (message.text, message.alphabet) == ("", Alphabet.GSM7)
    assert encode_submit(message)[-1] == 0


@pytest.mark.parametrize("text_and_data", [{}, {"text": "a", "data": b"a"}])
def test_a_message_has_text_or_data(text_and_data: dict[str, object]) -> None:
    with pytest.raises(PduError):
        compose(TO, **text_and_data)  # type: ignore[arg-type]


def test_a_message_needs_a_recipient() -> None:
    with pytest.raises(PduError):
        compose(Address(""), text="a")


def test_more_parts_than_allowed_are_counted() -> None:
    with pytest.raises(TooManyParts) as caught:
        compose(TO, text="x" * 153 * 256)
    assert caught.value.parts == 256
    assert len(compose(TO, text="x" * 153 * 255)) == 255
    with pytest.raises(TooManyParts):
        compose(TO, text="x" * 153 * 256, options=Options(max_parts=1000))
    with pytest.raises(TooManyParts) as caught:
        compose(TO, text="word " * 100, options=Options(max_parts=3, split="separate"))
    assert caught.value.parts == 4
    with pytest.raises(TooManyParts):
        compose(TO, data=bytes(141), options=Options(max_parts=1))


@pytest.mark.parametrize(
    "options",
    [
        Options(reference=256),
        Options(reference=65536, wide_reference=True),
        Options(reference=-1),
        Options(split="other"),
        Options(elements=(Element(0, b"\x01\x02\x01"),)),
    ],
)
def test_wishes_for_long_texts_that_cannot_be_are_errors(options: Options) -> None:
    with pytest.raises(PduError):
        compose(TO, text="x" * 161, options=options)


@pytest.mark.parametrize(
    "options",
    [
        Options(message_class=4),
        Options(pid=256),
        Options(validity=timedelta()),
        Options(ports=Ports(70000, 1)),
        Options(ports=Ports(256, 1, wide=False)),
        Options(elements=(Element(300, b""),)),
    ],
)
def test_wishes_that_cannot_be_are_errors_even_for_short_texts(options: Options) -> None:
    with pytest.raises(PduError):
        compose(TO, text="x", options=options)


def test_every_wish_is_in_every_part() -> None:
    options = Options(
        message_class=0, report=True, validity=timedelta(hours=1), reference=9, pid=0x41, reject_duplicates=True,
        reply_path=True,
    )  # fmt: skip
    for part in compose(TO, text="x" * 200, options=options):
        again = decode_from_mobile(encode_submit(part))
        assert again == part
        assert (again.message_class, again.report, again.validity, again.pid) == (0, True, timedelta(hours=1), 0x41)
        assert (again.reject_duplicates, again.reply_path) == (True, True)


SENTENCES = "This is the first sentence of a long message. And here comes another one! Is this a third? " * 5


def test_separate_messages_end_where_sentences_do() -> None:
    parts = texts(SENTENCES, split="separate")
    assert " ".join(parts) == SENTENCES.strip()
    assert all(part[-1] in ".!?" and len(part) <= 160 for part in parts)


def test_separate_messages_else_end_where_words_do() -> None:
    text = "several words without any end " * 12
    parts = texts(text, split="separate")
    assert " ".join(parts) == text.strip()
    assert all(140 < len(part) <= 160 for part in parts[:-1])


def test_a_word_that_fills_a_message_stays_whole() -> None:
    assert texts("x" * 160 + " " + "y" * 160, split="separate") == ["x" * 160, "y" * 160]


def test_a_text_without_spaces_is_cut_where_it_must() -> None:
    assert [len(part) for part in texts("ж" * 150, split="separate")] == [70, 70, 10]


def test_separate_messages_have_no_header() -> None:
    assert all(part.concat is None for part in compose(TO, text=SENTENCES, options=Options(split="separate")))


def test_nothing_but_spaces_is_still_a_message() -> None:
    assert texts(" " * 161, split="separate") == [" "]
    assert texts(" " * 161, split="numbered") == ["1/1  "]


def test_numbered_messages_say_their_place() -> None:
    parts = texts(SENTENCES, split="numbered")
    assert [part[:4] for part in parts] == [f"{number}/{len(parts)} " for number in range(1, len(parts) + 1)]
    assert " ".join([part[4:] for part in parts]) == SENTENCES.strip()
    assert all(len(part) <= 160 for part in parts)
    assert texts("short", split="numbered") == ["short"]
    assert texts("x" * 156 * 9, split="numbered") == [f"{number}/9 " + "x" * 156 for number in range(1, 10)]


@pytest.mark.parametrize("character", ["x", "ж", "€", "😀"])
@pytest.mark.parametrize("count", [1500, 7000, 20000])
def test_numbers_grow_with_the_message(character: str, count: int) -> None:
    parts = compose(TO, text=character * count, options=Options(split="numbered", max_parts=2000))
    total = len(parts)
    assert [(part.text or "").split(" ")[0] for part in parts] == [f"{at}/{total}" for at in range(1, total + 1)]
    assert "".join([(part.text or "").split(" ", 1)[1] for part in parts]) == character * count
    assert all(user_data_octets(part) <= 140 for part in parts)


def test_data_is_neither_numbered_nor_separated() -> None:
    for split in ("separate", "numbered"):
        with pytest.raises(PduError):
            compose(TO, data=bytes(141), options=Options(split=split))
        assert len(compose(TO, data=bytes(140), options=Options(split=split))) == 1


def test_an_alphabet_without_a_stroke_cannot_be_numbered() -> None:
    options = Options(split="numbered", alphabet=Alphabet.GSM7, elements=(Element(0x25, b"\x06"),))
    with pytest.raises(PduError):
        compose(TO, text="abc" * 100, options=options)


ANY_TEXT = st.text(max_size=600) | st.text("ab .!?\n€[😀👨\u200d👩e\u0301🇩🇪ж", max_size=600)


@given(ANY_TEXT, st.booleans(), st.sampled_from([None, Ports(1, 2), Ports(1, 2, wide=False)]))
def test_parts_make_the_text_again_and_each_fits(text: str, wide: bool, ports: Ports | None) -> None:
    options = Options(wide_reference=wide, ports=ports, reference=200)
    parts = compose(TO, text=text, options=options)
    assert "".join([part.text or "" for part in parts]) == text
    for number, part in enumerate(parts, 1):
        assert user_data_octets(part) <= 140
        assert decode_from_mobile(encode_submit(part)) == part
        assert part.concat == (None if len(parts) == 1 else Concat(200, len(parts), number, wide))


@given(ANY_TEXT, st.sampled_from(["separate", "numbered"]))
def test_cut_messages_lose_nothing_but_white_space(text: str, split: str) -> None:
    parts = compose(TO, text=text, options=Options(split=split))
    bodies = [part.text or "" for part in parts]
    if split == "numbered" and len(parts) > 1:
        bodies = [body.split(" ", 1)[1] for body in bodies]
    assert "".join("".join(bodies).split()) == "".join(text.split())
    assert all(user_data_octets(part) <= 140 for part in parts)
