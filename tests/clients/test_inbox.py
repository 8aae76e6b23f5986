"""The inbox: each fact once, in order, none left out, whatever the connection and the reader do."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from dialtone.event import DISPLACED, LAGGED, Event, Inbox


def fact(seq: int) -> Event:
    return Event.of("call.ended", {"seq": seq})


@dataclass
class Model:
    """A daemon that says facts again after `since`, and a link to it that may be up."""

    inbox: Inbox
    head: int = 0
    up: bool = False
    read: list[int] = field(default_factory=list)
    told: int = 0

    def subscribe(self) -> None:
        since = self.inbox.position
        self.inbox.shut()
        self.up = True
        self.inbox.open(self.head, since)
        for seq in range((since if since is not None else self.head) + 1, self.head + 1):
            self.inbox.put(fact(seq))

    def do(self, what: str) -> None:
        match what:
            case "publish":
                self.head += 1
                if self.up:
                    self.inbox.put(fact(self.head))
            case "moment" if self.up:
                self.inbox.put(Event.of("call.level", {"after_seq": self.head}))
            case "double" if self.up and self.head:
                self.inbox.put(fact(self.head))
            case "server_lag" if self.up:
                # The daemon's ring has passed us: two facts are not sent, and it says so.
                self.head += 2
                self.inbox.put(Event.of(LAGGED, {"from_seq": self.head - 1, "to_seq": self.head, "cause": "slow"}))
            case "break":
                self.up = False
                self.inbox.shut()
            case "connect" if not self.up:
                self.subscribe()
            case "take":
                self.take()

    def take(self) -> None:
        event = self.inbox.take()
        if event is None:
            if self.inbox.behind and self.up:
                self.subscribe()
        elif event.seq is not None:
            self.read.append(event.seq)
        elif event.name == LAGGED:
            self.told += 1


ACTS = ["publish", "publish", "moment", "double", "server_lag", "break", "connect", "take", "take"]


@given(st.lists(st.sampled_from(ACTS), max_size=120), st.integers(1, 5))
def test_each_fact_is_read_once_and_in_order(acts: list[str], bound: int) -> None:
    model = Model(Inbox(bound))
    model.subscribe()
    for act in acts:
        model.do(act)
        assert len(model.inbox) <= bound + 1 + acts.count("server_lag")
    model.do("connect")
    for _ in range(10 * (model.head + len(acts) + 10)):
        model.take()
    assert model.read == list(range(1, model.head + 1))


def test_a_full_inbox_tells_the_reader_what_it_missed() -> None:
    inbox = Inbox(2)
    inbox.open(10, None)
    for seq in (11, 12, 13, 14):
        inbox.put(fact(seq))
    taken = [inbox.take() for _ in range(4)]
    assert [event and event.name for event in taken] == ["call.ended", "call.ended", LAGGED, None]
    assert taken[2] is not None and taken[2].params == {"from_seq": 13, "to_seq": 13, "cause": "slow"}
    assert inbox.behind and inbox.position == 12


def test_facts_that_left_the_journal_are_told_and_not_asked_for_again() -> None:
    inbox = Inbox()
    inbox.open(50, 3)
    inbox.put(Event.of(LAGGED, {"from_seq": 4, "to_seq": 40, "cause": "expired"}))
    inbox.put(fact(41))
    assert [event.name for event in (inbox.take(), inbox.take()) if event] == [LAGGED, "call.ended"]
    assert not inbox.behind and inbox.position == 41


def test_nothing_is_taken_before_the_subscription_is_answered() -> None:
    inbox = Inbox()
    inbox.put(fact(9))
    assert inbox.take() is None


def test_a_displaced_consumer_takes_no_more() -> None:
    inbox = Inbox()
    inbox.open(1, None)
    inbox.put(Event.of(DISPLACED, {"consumer": "x"}))
    inbox.put(fact(2))
    assert inbox.displaced and inbox.take() is None


def test_an_event_has_its_places_beside_its_fields() -> None:
    event = Event.of(
        "call.dtmf", {"seq": 3, "at": "2026-11-21T07:16:00.123Z", "line": "sim", "call_id": "c", "digit": "5"}
    )
    assert (event.seq, event.at, event.line, event.call_id) == (3, "2026-11-21T07:16:00.123Z", "sim", "c")
    assert event.params["digit"] == "5"
    assert Event.of("call.level", {"after_seq": 3}).seq is None
