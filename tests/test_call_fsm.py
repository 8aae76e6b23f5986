"""The call table, walked from end to end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.call_fsm import TRANSITIONS, WISHES, Do, On, Wish, check, step
from core.errors import NotNow
from core.line import CallState


def test_every_state_is_reached_and_every_live_one_can_end() -> None:
    reached = {state for state, _ in TRANSITIONS.values()}
    assert reached == set(CallState)
    for state in set(CallState) - {CallState.ENDED}:
        assert step(state, On.RELEASED) is not None


def test_nothing_happens_to_a_call_that_is_over() -> None:
    assert all(step(CallState.ENDED, on) is None for on in On)


@given(st.lists(st.sampled_from(sorted(On)), max_size=30))
def test_any_order_of_reports_ends_a_call_at_most_once_and_opens_audio_only_when_connected(events: list[On]) -> None:
    state: CallState | None = None
    done: list[Do] = []
    for event in events:
        found = step(state, event)
        if found is not None:
            state, todo = found
            done += todo
            assert (Do.FINISH in todo) == (state is CallState.ENDED)
    assert done.count(Do.FINISH) <= 1 and done.count(Do.ANNOUNCE) <= 1 and done.count(Do.OPEN_AUDIO) <= 1
    if Do.OPEN_AUDIO in done:
        assert Do.TELL_CONNECTED in done and Do.TELL_MISSED not in done


@pytest.mark.parametrize(("wish", "state"), list(itertools.product(Wish, CallState)))
def test_a_wish_is_granted_only_in_its_states(wish: Wish, state: CallState) -> None:
    if state in WISHES[wish]:
        check(wish, state)
    else:
        with pytest.raises(NotNow) as refused:
            check(wish, state)
        assert state.value in refused.value.message and wish.value in refused.value.message


def test_a_hang_up_is_possible_in_every_state_but_the_last() -> None:
    assert WISHES[Wish.HANGUP] == set(CallState) - {CallState.ENDED}
