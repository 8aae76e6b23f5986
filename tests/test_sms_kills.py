"""kill -9 at random moments: nothing accepted is lost, nothing received is lost, no double goes unsaid.

The books are printed past pytest's capture: they are figures as much as a verdict.
"""

import pytest

from bench.peers import GammuSmsd, Peer, Smsd, missing
from tests.peer_kills import peer_kill_run
from tests.sms_kills import Books, kill_run


def check(books: Books) -> None:
    assert books.lost == []
    assert books.hidden_doubles == []
    assert books.lost_incoming == []
    assert books.told_twice == []
    assert books.kept_twice == []
    assert set(books.states.values()) <= {"sent", "unknown"}
    assert set(books.on_air) <= books.asked
    assert len(books.accepted) > books.kills and len(books.delivered) > books.kills, "the kills met some work"


@pytest.mark.timeout(240)
async def test_twenty_kills_lose_nothing_and_hide_no_double(capsys: pytest.CaptureFixture[str]) -> None:
    books = await kill_run(20, seed=1)
    with capsys.disabled():
        print(f"\nDialtone, {books}")
    check(books)


@pytest.mark.proof
async def test_two_hundred_kills_lose_nothing_and_hide_no_double(capsys: pytest.CaptureFixture[str]) -> None:
    books = await kill_run(200, seed=2)
    with capsys.disabled():
        print(f"\nDialtone, {books}")
    check(books)


@pytest.mark.proof
async def test_other_daemons_meet_the_same_kills_and_their_books_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What they lose or double is theirs: only that they were at work is asserted."""
    ours = await kill_run(21, seed=3)
    lines = [f"Dialtone, {ours}"]
    contests: list[tuple[type[Peer], int, int]] = [(Smsd, 21, 100), (GammuSmsd, 3, 4)]
    for daemon, kills, messages in contests:
        if reason := missing(*daemon.needs):
            lines.append(f"{daemon.needs[0]} {reason}")
            continue
        books = await peer_kill_run(daemon, kills, messages, seed=3)
        lines.append(f"{daemon.needs[0]}, {books}")
        assert books.kills == kills and sum(books.on_air.values()) >= kills, lines[-1]
    with capsys.disabled():
        print("", *lines, sep="\n")
    check(ours)
