"""kill -9 at random moments: nothing accepted is lost, nothing received is lost, no double goes unsaid."""

import pytest

from tests.sms_kills import Books, kill_run


def check(books: Books) -> None:
    print(
        f"{books.kills} kills: {len(books.accepted)} accepted, {sum(books.on_air.values())} on the air, "
        f"{len(books.doubted)} once in doubt, {len(books.delivered)} received"
    )
    assert books.lost == []
    assert books.hidden_doubles == []
    assert books.lost_incoming == []
    assert books.told_twice == []
    assert set(books.states.values()) <= {"sent", "unknown"}
    assert set(books.on_air) <= books.asked


@pytest.mark.timeout(240)
async def test_twenty_kills_lose_nothing_and_hide_no_double() -> None:
    check(await kill_run(20, seed=1))


@pytest.mark.proof
async def test_two_hundred_kills_lose_nothing_and_hide_no_double() -> None:
    check(await kill_run(200, seed=2))
