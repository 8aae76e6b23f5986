"""Who took a call, by time alone and by words: the table walked, and the judgement on made answers."""

import pytest

from bench.answered import judge
from bench.answerers import answerers
from core.events import AnsweredBy
from core.media.answered_by import NEXT, AnsweredByDetector, On, State, Verdict
from core.media.answered_phrases import PHRASES, Said, said
from core.media.tones import beep

FRAME = 320
LOUD = b"\x00\x20" * 160
QUIET = bytes(FRAME)

Script = list[tuple[str, int]]


def listen(script: Script, *, we_speak_at: int | None = None) -> list[Verdict]:
    """Verdicts on a script of ("speech" | "quiet" | "beep", ms)."""
    detector, now_ms, found = AnsweredByDetector(8000), 0, []
    for what, ms in script:
        tone = beep(8000, duration_ms=ms) if what == "beep" else b""
        for start in range(0, ms, 20):
            frame = (
                tone[start * 16 : start * 16 + FRAME].ljust(FRAME, b"\0")
                if tone
                else LOUD
                if what == "speech"
                else QUIET
            )
            now_ms += 20
            talks = we_speak_at is not None and now_ms >= we_speak_at
            verdict = detector.step(frame, speech=what != "quiet", we_speak=talks)
            if verdict is not None:
                found.append(verdict)
    return found


def who(script: Script, **how: int) -> list[tuple[str, bool]]:
    return [(verdict.answered_by.value, verdict.beep) for verdict in listen(script, **how)]


MACHINE: Script = [("quiet", 300), ("speech", 6000), ("quiet", 600), ("beep", 400), ("quiet", 3000)]
SCREENING: Script = [("quiet", 300), ("speech", 7000), ("quiet", 4000), ("speech", 1500), ("quiet", 2000)]
MENU: Script = [("quiet", 300)] + [("speech", 1800), ("quiet", 400)] * 8


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([("quiet", 500), ("speech", 600), ("quiet", 3000)], [("human", False)]),
        ([("quiet", 500), ("speech", 600), ("quiet", 1200), ("speech", 500), ("quiet", 2000)], [("human", False)]),
        (MACHINE, [("machine", False), ("machine", True)]),
        ([("quiet", 400), ("speech", 1500), ("quiet", 500), ("beep", 300), ("quiet", 2000)], [("machine", True)]),
        (SCREENING, [("machine", False), ("screening", False)]),
        (MENU, [("machine", False), ("ivr", False)]),
        ([("quiet", 6000)], [("silence", False)]),
        ([("quiet", 5000), ("speech", 600), ("quiet", 2000)], [("silence", False), ("human", False)]),
        ([("quiet", 3500), ("speech", 900), ("quiet", 2000)], [("unknown", False), ("human", False)]),
        ([("quiet", 400), ("speech", 4200), ("quiet", 3000)], [("machine", False), ("human", False)]),
        ([("beep", 500), ("quiet", 5000)], [("human", False)]),
    ],
    ids=["hello", "hello hello", "machine", "short machine", "screening", "menu", "silence", "late hello", "at 4 s",
         "receptionist", "a tone before anybody spoke is no machine's"],
)  # fmt: skip
def test_what_is_heard_decides(script: Script, expected: list[tuple[str, bool]]) -> None:
    if script[0][0] == "beep":
        assert ("machine", True) not in who(script)
    else:
        assert who(script) == expected


def test_the_first_verdict_comes_within_four_seconds_and_as_soon_as_a_person_waits() -> None:
    for script in (MACHINE, SCREENING, MENU, [("quiet", 9000)], [("quiet", 3900), ("speech", 3000)]):
        assert listen(script)[0].after_ms <= 4000
    (hello,) = listen([("quiet", 500), ("speech", 600), ("quiet", 3000)])
    assert hello.after_ms <= 500 + 600 + 820 and hello.confidence > 0.8


def test_a_person_whom_we_answer_may_speak_for_long_and_stays_a_person() -> None:
    script: Script = [("quiet", 300), ("speech", 700), ("quiet", 1500), ("speech", 9000), ("quiet", 2000)]
    assert who(script, we_speak_at=1900) == [("human", False)]
    assert who(script)[-1] == ("machine", False), "who goes on though nobody answers is none"


def test_words_decide_at_once_and_time_changes_nothing_any_more() -> None:
    detector = AnsweredByDetector(8000)
    for _ in range(100):
        detector.step(LOUD, speech=True, we_speak=False)
    told = detector.words("Hi, please say your name and why you're calling", "en-GB")
    assert told is not None and told.answered_by is AnsweredBy.SCREENING and told.confidence > 0.9
    assert detector.words("press one", "en") is None
    later = [detector.step(LOUD, speech=True, we_speak=False) for _ in range(800)]
    assert later == [None] * 800


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("For sales, press one", "en", Said.MENU),
        ("Please leave a message after the tone", "en-US", Said.MAILBOX),
        ("Press 1 to leave a message", "en", Said.MENU),
        ("Bitte hinterlassen Sie eine Nachricht nach dem Ton", "de", Said.MAILBOX),
        ("Pour le service clients, tapez 1", "fr", Said.MENU),
        ("Palikite žinutę po signalo", "lt", Said.MAILBOX),
        ("Hello, this is Jane Miller speaking", "en", None),
        ("leave a message", "xx", Said.MAILBOX),
    ],
)
def test_phrases_by_language(text: str, language: str, expected: Said | None) -> None:
    assert said(text, language) is expected


def test_every_language_has_phrases_of_every_kind_in_small_letters() -> None:
    for phrases in PHRASES.values():
        assert set(phrases) == set(Said)
        assert all(piece == piece.lower() and len(piece) >= 4 for pieces in phrases.values() for piece in pieces)


def test_the_table_never_leaves_its_states_and_every_verdict_can_be_reached() -> None:
    reached, new = {State.WAITING}, {State.WAITING}
    while new:
        new = {state for (before, _), (state, _) in NEXT.items() if before in reached} - reached
        reached |= new
    assert reached == set(State)
    assert {on for _, on in NEXT} == set(On), "nothing is heard in vain"
    assert all(0 <= confidence <= 1 for _, confidence in NEXT.values())


@pytest.mark.timeout(240)
def test_made_answers_are_judged_as_well_as_the_docs_say() -> None:
    judged = [judge(each) for each in answerers(6, flite=False)]
    people = [each for each in judged if each.answerer.who is AnsweredBy.HUMAN]
    machines = [each for each in judged if each.answerer.beep]
    right = [each.last is not None and each.last.answered_by is each.answerer.who for each in judged]
    assert sum(each.first is not None and each.first.answered_by is AnsweredBy.HUMAN for each in people) >= 8
    assert all(each.beep for each in machines) and not any(each.beep for each in people)
    assert sum(right) >= len(right) - 3
