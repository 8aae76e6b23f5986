"""What is known of a message memory: nothing is offered twice, and nothing deleted that isn't known to be safe."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.line import HeldPdu, Place
from core.modem.lines_sms import Listed
from core.modem.shelf import Fate, Shelf


def _listed(*pdus: tuple[int, str]) -> list[Listed]:
    return [Listed(index, True, pdu) for index, pdu in pdus]


def test_what_is_new_is_offered_once_and_by_index() -> None:
    shelf = Shelf(3, "ME")
    assert shelf.listed(_listed((5, "BB"), (0, "AA"))) == [
        HeldPdu("AA", Place(3, "ME", 0)),
        HeldPdu("BB", Place(3, "ME", 5)),
    ]
    assert shelf.listed(_listed((0, "AA"), (5, "BB"), (6, "CC"))) == [HeldPdu("CC", Place(3, "ME", 6))]


def test_a_place_taken_by_another_message_is_offered_and_not_deleted() -> None:
    shelf = Shelf(1, "ME")
    shelf.listed(_listed((0, "AA")))
    shelf.discard(0)
    shelf.deleting([0])  # and no answer came
    assert shelf.listed(_listed((0, "BB"))) == [HeldPdu("BB", Place(1, "ME", 0))]
    assert shelf.of(Fate.DOOMED) == []


def test_a_deletion_that_did_nothing_is_repeated_only_after_a_list() -> None:
    shelf = Shelf(1, "ME")
    shelf.listed(_listed((0, "AA")))
    shelf.discard(0)
    shelf.deleting([0])
    assert shelf.of(Fate.DOOMED) == []
    assert shelf.listed(_listed((0, "AA"))) == []
    assert shelf.of(Fate.DOOMED) == [0]


def test_messages_that_were_written_to_the_memory_are_left_alone() -> None:
    shelf = Shelf(1, "SM")
    assert shelf.listed([Listed(0, False, "AA"), Listed(1, True, None)]) == []
    shelf.discard(0)
    assert shelf.of(Fate.DOOMED) == []
    assert not shelf.must_be_listed(2)


def test_what_was_kept_is_offered_again_when_asked_for() -> None:
    shelf = Shelf(1, "SM")
    offered = shelf.listed(_listed((0, "AA")))
    shelf.keep(0)
    assert shelf.listed(_listed((0, "AA"))) == []
    shelf.discard(0)  # too late: it was not written
    assert shelf.offer_again()
    assert shelf.listed(_listed((0, "AA"))) == offered
    assert not shelf.offer_again()


def test_a_count_that_no_list_explains_is_asked_about_once() -> None:
    shelf = Shelf(1, "SM")
    assert not shelf.must_be_listed(0)
    assert shelf.must_be_listed(2)
    shelf.listed(_listed((0, "AA")))
    assert shelf.must_be_listed(2)
    assert not shelf.must_be_listed(2)
    assert shelf.must_be_listed(2, thorough=True)
    assert shelf.must_be_listed(3)


class Memory(RuleBasedStateMachine):
    """A modem's memory with seven places beside the shelf; some deletions go wrong, each message has its own PDU."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf(1, "ME")
        self.slots: dict[int, str] = {}
        self.offered: list[HeldPdu] = []
        self.unanswered: list[HeldPdu] = []
        self.safe: set[str] = set()
        self.next = 1

    @precondition(lambda self: len(self.slots) < 7)
    @rule()
    def arrives(self) -> None:
        index = next(index for index in range(7) if index not in self.slots)
        self.slots[index] = f"{self.next:04X}"
        self.next += 1

    @rule()
    def is_listed(self) -> None:
        new = self.shelf.listed(_listed(*self.slots.items()))
        self.offered += new
        self.unanswered += new

    @precondition(lambda self: self.unanswered)
    @rule(at=st.integers(0, 6))
    def is_written(self, at: int) -> None:
        item = self.unanswered.pop(at % len(self.unanswered))
        assert item.place is not None
        self.safe.add(item.pdu)
        self.shelf.discard(item.place.index)

    @rule(count=st.integers(1, 4), works=st.lists(st.booleans(), min_size=4, max_size=4))
    def is_deleted(self, count: int, works: list[bool]) -> None:
        indices = self.shelf.of(Fate.DOOMED)[:count]
        self.shelf.deleting(indices)
        for index, work in zip(indices, works, strict=False):
            if work:
                assert self.slots[index] in self.safe
                del self.slots[index]
        if all(works[: len(indices)]):
            self.shelf.deleted(indices)

    @invariant()
    def nothing_is_offered_twice(self) -> None:
        assert len({item.pdu for item in self.offered}) == len(self.offered)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {f"{number:04X}" for number in range(1, self.next)} <= self.safe | set(self.slots.values())


TestMemory = Memory.TestCase
