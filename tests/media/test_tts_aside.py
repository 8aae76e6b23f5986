"""For how long an engine that failed is left alone, and by whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.engines import Failure, SpeechFailed
from core.media.tts_aside import FIRST_S, KEPT, MOST_S, RETRY_AFTER_MOST_S, Aside, Who

WHO = Who("azure", "en-GB-SoniaNeural", 1)
OTHER_KEYS = Who("azure", "en-GB-SoniaNeural", 2)
OTHER_VOICE = Who("azure", "en-GB-RyanNeural", 1)
OTHER_ENGINE = Who("google", "en-GB-SoniaNeural", 1)


def test_the_time_doubles_with_each_failure_up_to_its_bound_and_success_forgets_it() -> None:
    aside, now_s = Aside(), 0.0
    times = []
    for _ in range(9):
        times.append(aside.failed(WHO, SpeechFailed(Failure.UNREACHABLE), now_s))
        now_s += 1000
    assert times[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S] and times[-1] == MOST_S
    aside.worked(WHO)
    assert aside.failed(WHO, SpeechFailed(Failure.UNREACHABLE), now_s) == FIRST_S


@pytest.mark.parametrize(("wanted_s", "got_s"), [(42.0, 42.0), (1.0, FIRST_S), (10**6, RETRY_AFTER_MOST_S)])
def test_retry_after_is_honoured_within_reason(wanted_s: float, got_s: float) -> None:
    aside = Aside()
    assert aside.failed(WHO, SpeechFailed(Failure.RATE_LIMITED, retry_after_s=wanted_s), 0.0) == got_s
    assert aside.reason(WHO, got_s - 0.1) is Failure.RATE_LIMITED and aside.reason(WHO, got_s) is None


@pytest.mark.parametrize(
    ("reason", "out"),
    [
        (Failure.UNREACHABLE, {WHO, OTHER_KEYS, OTHER_VOICE}),
        (Failure.TIMEOUT, {WHO, OTHER_KEYS, OTHER_VOICE}),
        (Failure.CRASHED, {WHO, OTHER_KEYS, OTHER_VOICE}),
        (Failure.AUTH, {WHO, OTHER_VOICE}),
        (Failure.RATE_LIMITED, {WHO, OTHER_VOICE}),
        (Failure.MISSING, {WHO, OTHER_VOICE}),
        (Failure.NO_VOICE, {WHO, OTHER_KEYS}),
    ],
)
def test_a_failure_counts_for_those_who_would_meet_it_too(reason: Failure, out: set[Who]) -> None:
    aside = Aside()
    aside.failed(WHO, SpeechFailed(reason), 0.0)
    assert {who for who in (WHO, OTHER_KEYS, OTHER_VOICE, OTHER_ENGINE) if aside.reason(who, 1.0)} == out


def test_a_first_refusal_may_be_the_texts_fault_a_second_is_not() -> None:
    aside = Aside()
    assert aside.failed(WHO, SpeechFailed(Failure.REFUSED), 0.0) == 0.0
    assert aside.failed(WHO, SpeechFailed(Failure.REFUSED), 1.0) > 0.0


def test_only_one_text_finds_out_whether_it_works_again() -> None:
    aside = Aside()
    aside.failed(WHO, SpeechFailed(Failure.TIMEOUT), 0.0)
    assert aside.reason(WHO, 6.0) is None
    assert aside.trying(WHO, 6.0, 2.5) is True
    assert aside.reason(OTHER_KEYS, 6.1) is Failure.TIMEOUT and aside.reason(OTHER_KEYS, 8.6) is None
    assert aside.trying(OTHER_ENGINE, 6.0, 2.5) is False


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from(list(Failure))), max_size=600))
def test_it_never_grows_without_bound(failures: list[tuple[int, Failure]]) -> None:
    aside = Aside()
    for number, reason in failures:
        aside.failed(Who(f"engine {number}", "voice", number), SpeechFailed(reason), 0.0)
    assert len(aside._out) <= KEPT
