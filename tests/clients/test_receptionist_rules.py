"""What the receptionist says: the table, walked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.brains.receptionist.book import BookError, read_book
from clients.brains.receptionist.rules import INTENTS, MISSES, SPOKEN, TABLE, Action, Do, Mood, On, Say, Talk, step

DIALOGUES: dict[str, list[tuple[On, tuple[Action, ...]]]] = {
    "a caller is greeted, asks, and goes": [
        (On.CONNECTED, (Say.GREETING,)),
        (On.HOURS, (Say.HOURS,)),
        (On.PLACE, (Say.PLACE,)),
        (On.PRICE, (Say.PRICE,)),
        (On.GOODBYE, (Say.GOODBYE, Do.HANG_UP)),
    ],
    "a message is taken whatever it says": [
        (On.MESSAGE, (Say.LEAVE_MESSAGE, Do.TONE)),
        (On.GOODBYE, (Do.SAVE,)),
        (On.SAVED, (Say.SAVED,)),
        (On.HOURS, (Say.HOURS,)),
    ],
    "a message nobody understood is a message too": [
        (On.MESSAGE, (Say.LEAVE_MESSAGE, Do.TONE)),
        (On.UNKNOWN, (Do.SAVE,)),
        (On.SAVED, (Say.SAVED,)),
    ],
    "a message that can't be saved is admitted": [
        (On.MESSAGE, (Say.LEAVE_MESSAGE, Do.TONE)),
        (On.UNKNOWN, (Do.SAVE,)),
        (On.NOT_SAVED, (Say.NOT_SAVED,)),
        (On.KEY_ZERO, (Do.TELL_OWNER, Say.CALLBACK)),
    ],
    "repeat says the last answer, not the last excuse": [
        (On.CONNECTED, (Say.GREETING,)),
        (On.REPEAT, (Say.GREETING,)),
        (On.HOURS, (Say.HOURS,)),
        (On.UNKNOWN, (Say.AGAIN,)),
        (On.REPEAT, (Say.HOURS,)),
        (On.REPEAT, (Say.HOURS,)),
    ],
    "three misses, then a message is offered and taken": [
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.UNKNOWN, (Say.OFFER,)),
        (On.YES, (Say.LEAVE_MESSAGE, Do.TONE)),
        (On.UNKNOWN, (Do.SAVE,)),
    ],
    "an offer that is not understood is taken for a yes": [
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.UNKNOWN, (Say.OFFER,)),
        (On.REPEAT, (Say.OFFER,)),
        (On.UNKNOWN, (Say.LEAVE_MESSAGE, Do.TONE)),
    ],
    "an offer may be refused, and the misses begin anew": [
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.UNKNOWN, (Say.OFFER,)),
        (On.NO, (Say.NO,)),
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.UNKNOWN, (Say.OFFER,)),
    ],
    "what was understood in between forgives the misses": [
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.HOURS, (Say.HOURS,)),
        *[(On.UNKNOWN, (Say.AGAIN,))] * MISSES,
        (On.UNKNOWN, (Say.OFFER,)),
    ],
    "a person is promised and the owner told": [
        (On.PERSON, (Do.TELL_OWNER, Say.CALLBACK)),
        (On.KEY_ZERO, (Do.TELL_OWNER, Say.CALLBACK)),
        (On.KEY_OTHER, (Say.KEYS,)),
    ],
    "zero is heard while a message is awaited, other keys are not": [
        (On.MESSAGE, (Say.LEAVE_MESSAGE, Do.TONE)),
        (On.KEY_OTHER, ()),
        (On.KEY_ZERO, (Do.TELL_OWNER, Say.CALLBACK)),
        (On.UNKNOWN, (Say.AGAIN,)),
    ],
    "after the farewell nothing more is said": [
        (On.GOODBYE, (Say.GOODBYE, Do.HANG_UP)),
        (On.HOURS, ()),
        (On.UNKNOWN, ()),
        (On.KEY_ZERO, ()),
    ],
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    talk = Talk()
    for on, wanted in DIALOGUES[name]:
        talk, actions = step(talk, on)
        assert actions == wanted, on


@given(st.lists(st.sampled_from(list(On)), max_size=40))
def test_no_talk_leaves_the_table(happened: list[On]) -> None:
    talk = Talk()
    for on in happened:
        before = talk
        talk, actions = step(talk, on)
        assert 0 <= talk.misses <= MISSES
        assert Do.REPEAT not in actions  # it has become the answer itself
        assert (Do.HANG_UP in actions) == (talk.mood is Mood.LEAVING and before.mood is not Mood.LEAVING)
        if before.mood is Mood.LEAVING:
            assert (talk.mood, actions) == (Mood.LEAVING, ())


def test_a_caller_who_speaks_is_always_answered() -> None:
    for mood in (Mood.TALKING, Mood.OFFERED, Mood.TAKING):
        for on in SPOKEN:
            assert step(Talk(mood), on)[1]


def test_every_text_is_said_somewhere() -> None:
    said = {action for _, actions in TABLE.values() for action in actions} | {Say.OFFER}
    assert said >= set(Say)


# --- phrases and texts


def test_the_shared_book_is_whole() -> None:
    book = read_book()
    assert set(book.texts) == set(Say)
    assert set(book.intents.values()) == set(INTENTS)
    assert len(book.phrases) >= 18
    for phrase, intent in book.intents.items():
        assert book.heard(phrase) is intent


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("What are your opening hours?", On.HOURS),
        ("Um, I would like to leave a message, please.", On.MESSAGE),
        ("thank you goodbye", On.GOODBYE),
        ("No, thank you.", On.NO),
        ("nothing", On.UNKNOWN),  # holds "no" only as part of a word
        ("the weather is fine", On.UNKNOWN),
        ("", On.UNKNOWN),
        (None, On.UNKNOWN),
    ],
)
def test_what_was_understood_has_a_meaning(text: str | None, on: On) -> None:
    assert read_book().heard(text) is on


def test_texts_and_phrases_can_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[texts]\ngreeting = "Flowers!"\n[phrases]\nhours = ["When do you open?"]\n')
    book = read_book(file)
    assert book.texts[Say.GREETING] == "Flowers!"
    assert book.texts[Say.GOODBYE] == read_book().texts[Say.GOODBYE]
    assert book.heard("when do you open") is On.HOURS
    assert book.heard("what are your opening hours") is On.UNKNOWN


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ('[texts]\ngreting = "x"', "texts.greting: unknown key"),
        ('[texts]\ngreeting = " "', "texts.greeting: must be a text"),
        ('[phrases]\nhours = "x"', "phrases.hours: must be a list"),
        ('[phrases]\nunknown = ["x"]', "phrases.unknown: unknown key"),
        ("colour = 1", "colour: unknown key"),
        ("[texts", "table declaration"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, toml: str, complaint: str) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(toml)
    with pytest.raises(BookError) as caught:
        read_book(file)
    assert str(file) in str(caught.value) and complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="can't be read"):
        read_book(tmp_path / "none.toml")
