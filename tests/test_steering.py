"""Claims and brains without a line: rights, priorities."""

from core.steering import Asker, Brains, Claim, Right


def test_only_the_holder_the_token_and_named_speakers_pass_a_claim() -> None:
    claim = Claim(1, "bot", speakers=frozenset({"console"}))
    holder, other = Asker(1, "bot"), Asker(2, "x")
    for right in Right:
        assert claim.allows(right, holder)
        assert not claim.allows(right, other)
        assert claim.allows(right, Asker(2, "x", token=claim.token))
        assert not claim.allows(right, Asker(2, "x", token="wrong"))
    assert claim.allows(Right.SPEAK, Asker(3, "console"))
    assert not claim.allows(Right.STEER, Asker(3, "console"))


def test_an_admin_may_always_hang_up_but_not_steer() -> None:
    claim = Claim(1, "bot")
    assert claim.allows(Right.HANGUP, Asker(2, "x", admin=True))
    assert not claim.allows(Right.STEER, Asker(2, "x", admin=True))


def test_a_holder_that_is_gone_has_no_connection_that_passes() -> None:
    claim = Claim(None, "bot")
    assert not claim.allows(Right.SPEAK, Asker(1, "bot"))


def test_a_claims_token_is_not_shown() -> None:
    claim = Claim(1, "bot")
    assert claim.token not in repr(claim)


def test_the_best_brain_has_the_highest_priority_and_was_first() -> None:
    brains = Brains()
    brains.register(1, "local", 0)
    brains.register(2, "bridge", 10, ["b"])
    brains.register(3, "late", 0)
    assert (best := brains.best("a")) is not None and best.session == 1
    assert (best := brains.best("b")) is not None and best.session == 2
    brains.forget(2)
    assert (best := brains.best("b")) is not None and best.session == 1
    brains.forget(1)
    brains.forget(3)
    assert brains.best("a") is None
