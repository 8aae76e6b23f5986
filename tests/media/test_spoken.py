"""Numbers as people say them, and the way back to the text as it was written."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.media.spoken import Spoken, read_out


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "Call +44 7700 900123.", "Call plus four four, seven seven zero zero, nine zero zero, one two three."),
        ("en", "555-123-4567", "five five five, one two three, four five six seven"),
        ("en", "code 007", "code zero zero seven"),
        ("en", "order 12345678", "order one two three, four five six, seven eight"),
        ("en-GB", "(020) 7946 0000", "zero two zero, seven nine four six, zero zero zero zero"),
        ("de", "0170 1234567", "null eins sieben null, eins zwei drei, vier fünf sechs sieben"),
        ("fr", "01 23 45 67 89", "zéro un, deux trois, quatre cinq, six sept, huit neuf"),
        ("lt", "+37060012345", "plius trys septyni nulis, šeši nulis nulis, vienas du trys, keturi penki"),
        ("sw", "+25471234567", "plus 2 5 4, 7 1 2, 3 4 5, 6 7"),
        ("zz-ZZ", "+25471234567", "plus 2 5 4, 7 1 2, 3 4 5, 6 7"),
        ("en", "at 9:15", "at nine fifteen"),
        ("en", "at 9:05 pm, 9:00 am", "at nine oh five pm, nine am"),
        ("en", "9:00, 14:00, 0:30", "nine o'clock, fourteen hundred, zero thirty"),
        ("de", "um 9:15, 13:00 oder 1:05", "um neun Uhr fünfzehn, dreizehn Uhr oder ein Uhr fünf"),
        ("de", "um 9.15 Uhr", "um neun Uhr fünfzehn"),
        ("fr", "à 21:05 ou 1:00", "à vingt et une heures cinq ou une heure"),
        ("nl", "om 9:30", "om negen uur dertig"),
        ("es", "a las 9:05", "a las nueve cero cinco"),
        ("en", "$5.20", "five dollars twenty cents"),
        ("en", "£1 or £2.50", "one pound or two pounds fifty pence"),
        ("en", "€1,250.50", "one thousand, two hundred and fifty euros fifty cents"),
        ("en", "1.250,50 €", "one thousand, two hundred and fifty euros fifty cents"),
        ("de", "12,50 € oder 5 EUR", "zwölf Euro fünfzig Cent oder fünf Euro"),
        ("lt", "21,50 €", "dvidešimt vienas euras penkiasdešimt centų"),
    ],
)
def test_phone_numbers_times_and_money_are_said_as_people_do(language: str, text: str, said: str) -> None:
    assert read_out(text, language, numbers=False).text == said


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "1,250 people, 12.5 of 3", "one thousand, two hundred and fifty people, twelve point five of three"),
        ("de", "1.250 Leute, 12,5", "eintausendzweihundertfünfzig Leute, zwölf Komma fünf"),
        ("en", "the 3rd of 1984", "the third of nineteen eighty-four"),
        ("lt", "21", "dvidešimt vienas"),
        ("pl", "21", "dwadzieścia jeden"),
    ],
)
def test_plain_numbers_are_words_for_engines_that_cannot_read_them(language: str, text: str, said: str) -> None:
    assert read_out(text, language).text == said
    assert read_out(text, language, numbers=False).text == text


@pytest.mark.parametrize(
    "text",
    [
        "on 2024-05-12 or 12.05.2024 or 12/05/24",
        "at 192.168.1.10",
        "see https://example.com/1234567890 or www.example.com/0123456789",
        "write to a1234567@example.com",
        "version 3.5.1",
        "$5 million or €3m",
        "a share of 0.1234567",
        "1000000 people",
        "it took 1:05:30",
        "no digits at all",
        "",
    ],
)
def test_what_only_looks_like_a_number_to_be_spelt_is_left_to_the_engine(text: str) -> None:
    assert read_out(text, "en", numbers=False) == Spoken(text)


def test_each_digit_that_was_said_stands_for_its_own_place() -> None:
    text = "Ring 0170 1234567 now"
    spoken = read_out(text, "en", numbers=False)
    assert [
        text[slice(*spoken.original(spoken.text.index(word), spoken.text.index(word) + len(word)))]
        for word in ("Ring", "seven", "five", "now")
    ] == ["Ring", "7", "5", "now"]


def test_words_that_stand_for_an_amount_stand_for_all_of_it() -> None:
    text = "It costs $5.20 today"
    spoken = read_out(text, "en")
    for word in ("five", "dollars", "cents"):
        place = spoken.text.index(word)
        assert text[slice(*spoken.original(place, place + len(word)))] == "$5.20"


_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["+44 7700 900123", "9:15", "$5.20", "12,50 €", "007", "1.250", "3rd", " ", ", ", ". ", "(", "x"]
        ),
        st.from_regex(r"[0-9+()., :/€$-]{1,12}", fullmatch=True),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=_TEXTS, language=st.sampled_from(["en", "de", "fr", "lt", "ja", "xx", "pt-BR"]), numbers=st.booleans())
@example(text="٣٤٥٦٧٨٩٠", language="ar", numbers=True)
@example(text="1²3", language="en", numbers=True)
def test_every_place_leads_back_into_the_text_and_in_order(text: str, language: str, numbers: bool) -> None:
    spoken = read_out(text, language, numbers=numbers)
    places = [spoken.original(place, place + 1) for place in range(len(spoken.text))]
    assert all(0 <= start < end <= len(text) for start, end in places)
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in zip(places, places[1:], strict=False))
    unchanged = 0
    for start, end, original_start, original_end in spoken.parts:
        assert spoken.text[unchanged:start] == text[slice(*_between(spoken, unchanged, start, text))]
        assert original_start <= original_end and start <= end
        unchanged = end
    assert text.endswith(spoken.text[unchanged:])


def _between(spoken: Spoken, start: int, end: int, text: str) -> tuple[int, int]:
    if start == end:
        return 0, 0
    return spoken.original(start, end)
