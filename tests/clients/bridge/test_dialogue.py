"""The conversation's machine: what is asked, said and given up, in any order of answers."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.bridge.dialogue import Dialogue
from clients.bridge.dialogue_table import (
    NEXT,
    Action,
    CancelEnd,
    GiveUp,
    HangUp,
    Mood,
    On,
    PostChunk,
    PostEnd,
    Say,
    Server,
    Words,
)
from clients.bridge.texts import Phrase
from clients.bridge.transcription import Answer, Status

LIMIT_S = 6.0
ACK = Answer(Status.PROCESSING)
REPLY = Answer(Status.SUCCESS, "tomorrow", "What time?")
FAREWELL = Answer(Status.SUCCESS, "bye", "Goodbye.", go_on=False)
ERROR = Answer(Status.ERROR, None, "Once more, please.")
EMPTY = Answer(Status.SUCCESS)


def dialogue(**how: object) -> Dialogue:
    return Dialogue(Server(), LIMIT_S, **how)  # type: ignore[arg-type]


def turn(
    talk: Dialogue, number: int = 1, chunk: int = 1, answer: Answer | None = ACK, at_s: float = 0.0
) -> list[Action]:
    """A whole turn of one chunk, acknowledged unless told otherwise; gives what its end does."""
    talk.turn_started(number)
    assert talk.chunk_cut(number, chunk) == [PostChunk(chunk)]
    if answer is not None:
        talk.chunk_answered(chunk, answer)
    return talk.turn_ended(number, 800, 1500, at_s)


def test_a_turn_is_asked_and_its_reply_said() -> None:
    talk = dialogue()
    assert turn(talk) == [PostEnd(1, 1, 800, 1, with_audio=False)]
    assert talk.end_answered(1, REPLY) == [Words(1, 1, "tomorrow", final=True, whole=True), Say("What time?")]
    assert talk.mood is Mood.LISTENING and talk.deadline_s is None


def test_a_chunk_that_failed_travels_with_the_end_signal() -> None:
    talk = dialogue()
    talk.turn_started(1)
    talk.chunk_cut(1, 1)
    talk.chunk_failed(1)
    assert talk.turn_ended(1, 800, 900, 0.0) == [PostEnd(1, 1, 800, 1, with_audio=True)]


def test_an_earlier_chunk_that_failed_is_sent_once_more_before_the_end_signal() -> None:
    talk = dialogue()
    talk.turn_started(1)
    for chunk in (1, 2):
        talk.chunk_cut(1, chunk)
    talk.chunk_failed(1)
    talk.chunk_answered(2, ACK)
    assert talk.turn_ended(1, 800, 900, 0.0) == [PostChunk(1), PostEnd(1, 2, 800, 1, with_audio=False)]


def test_the_end_signal_is_sent_twice_at_most_and_the_second_carries_what_was_not_acknowledged() -> None:
    talk = dialogue()
    assert turn(talk, answer=None) == [PostEnd(1, 1, 800, 1, with_audio=False)]
    assert talk.end_failed(1) == [PostEnd(1, 1, 800, 2, with_audio=True)]
    assert talk.end_failed(1) == [Words(1, 1, "", final=True, whole=True), GiveUp(1)]
    assert talk.end_failed(1) == [], "too late"
    assert talk.stayed(3.0) == [Say(Phrase.REPEAT)]


def test_an_answer_without_words_to_a_chunk_that_never_arrived_is_a_failure() -> None:
    talk = dialogue()
    turn(talk, answer=None)
    talk.chunk_failed(1)
    assert talk.end_answered(1, EMPTY) == [PostEnd(1, 1, 800, 2, with_audio=True)]


def test_an_error_says_its_fallback_or_asks_to_repeat_and_goes_on() -> None:
    for error, said in ((ERROR, "Once more, please."), (Answer(Status.ERROR), Phrase.REPEAT)):
        talk = dialogue()
        turn(talk)
        assert talk.end_answered(1, error)[1:] == [Say(said)]
        assert talk.mood is Mood.LISTENING


def test_the_call_ends_after_the_farewell_which_nobody_interrupts() -> None:
    talk = dialogue()
    turn(talk)
    assert talk.end_answered(1, FAREWELL)[1:] == [Say("Goodbye.", farewell=True), HangUp()]
    talk.turn_started(2)
    assert talk.chunk_cut(2, 2) == [] and talk.turn_ended(2, 800, 900, 1.0) == []


def test_a_resumed_turn_cancels_its_end_signal_and_the_reply_that_was_held() -> None:
    talk = dialogue()
    turn(talk)
    assert talk.resumed(1) == [CancelEnd(1)]
    assert talk.end_answered(1, REPLY) == []
    talk.chunk_cut(1, 2)
    assert talk.turn_ended(1, 800, 900, 2.0) == [PostEnd(1, 2, 800, 1, with_audio=False)]


def test_a_vps_that_replies_to_a_chunk_is_heard_at_the_end_of_the_turn_and_gets_no_end_signal() -> None:
    talk = dialogue()
    talk.turn_started(1)
    talk.chunk_cut(1, 1)
    assert talk.chunk_answered(1, REPLY) == [Words(1, 1, "tomorrow", final=True, whole=False)]
    assert talk.turn_ended(1, 800, 900, 0.0) == [Say("What time?")]
    # From now on it is known: the next turn waits for its chunk's answer.
    assert turn(talk, 2, 2, answer=None) == []
    assert talk.chunk_answered(2, REPLY)[1:] == [Say("What time?")]
    # It was changed to one that only acknowledges.
    assert turn(talk, 3, 3, answer=None) == []
    assert talk.chunk_answered(3, ACK) == [PostEnd(3, 3, 800, 1, with_audio=False)]


def test_a_premature_reply_to_a_chunk_is_not_said_when_the_caller_goes_on() -> None:
    talk = dialogue()
    talk.turn_started(1)
    talk.chunk_cut(1, 1)
    talk.chunk_answered(1, REPLY)
    talk.resumed(1)
    talk.chunk_cut(1, 2)
    better = Answer(Status.SUCCESS, "at ten", "Ten it is.")
    talk.chunk_answered(2, better)
    assert talk.turn_ended(1, 800, 900, 0.0) == [Say("Ten it is.")]


def test_a_premature_reply_is_not_said_either_when_nothing_better_comes() -> None:
    talk = dialogue()
    talk.turn_started(1)
    talk.chunk_cut(1, 1)
    talk.chunk_answered(1, REPLY)
    talk.resumed(1)
    talk.chunk_cut(1, 2)
    talk.chunk_answered(2, ACK)
    talk.turn_ended(1, 800, 900, 0.0)
    assert talk.end_answered(1, EMPTY) == [Words(1, 2, "", final=True, whole=True)]


def test_a_chunk_that_the_vps_could_not_use_travels_with_the_end_signal() -> None:
    talk = dialogue()
    assert turn(talk, answer=ERROR) == [PostEnd(1, 1, 800, 1, with_audio=True)]


def test_a_vps_that_knows_no_end_signal_may_refuse_it_and_still_answer_the_chunk() -> None:
    talk = dialogue()
    turn(talk, answer=None)
    assert talk.end_answered(1, ERROR) == []
    assert talk.chunk_answered(1, REPLY)[-1] == Say("What time?")
    other = dialogue()
    turn(other, answer=None)
    other.end_answered(1, ERROR)
    assert other.chunk_failed(1)[-1] == Say("Once more, please.")


def test_a_reply_that_comes_while_the_caller_talks_is_said_only_if_nothing_better_follows() -> None:
    talk = dialogue()
    turn(talk)
    talk.turn_started(2)
    assert talk.end_answered(1, REPLY) == [Words(1, 1, "tomorrow", final=True, whole=True)]
    talk.chunk_cut(2, 2)
    talk.chunk_answered(2, ACK)
    talk.turn_ended(2, 800, 900, 1.0)
    assert talk.end_answered(2, EMPTY)[1:] == [Say("What time?")]
    talk = dialogue()
    turn(talk)
    talk.turn_started(2)
    talk.end_answered(1, REPLY)
    talk.chunk_cut(2, 2)
    talk.turn_ended(2, 800, 900, 1.0)
    assert talk.end_answered(2, Answer(Status.SUCCESS, "no", "As you like."))[1:] == [Say("As you like.")]
    assert talk.held is None


def test_a_noise_does_not_make_the_answer_before_it_stale() -> None:
    talk = dialogue()
    turn(talk)
    talk.turn_started(2)
    assert talk.turn_ended(2, 800, 0, 1.0) == []
    assert talk.mood is Mood.ASKING and talk.deadline_s is not None
    assert talk.end_answered(1, REPLY)[1:] == [Say("What time?")]


def test_a_caller_who_waits_is_asked_for_patience_and_then_given_up() -> None:
    talk = dialogue()
    turn(talk, at_s=10.0)
    assert talk.deadline_s == 10.0 - 0.8 + LIMIT_S - 0.5
    assert talk.silent(14.0) == []
    assert talk.silent(14.7) == [Say(Phrase.PLEASE_WAIT)]
    talk.speaking_began()
    assert talk.deadline_s is None
    talk.speaking_ended(16.0)
    assert talk.silent(21.5) == [CancelEnd(1), Words(1, 1, "", final=True, whole=True), GiveUp(1)]
    assert talk.end_answered(1, REPLY) == [], "late"


def test_three_lost_turns_in_a_row_end_the_call_with_a_goodbye() -> None:
    talk = dialogue()
    said: list[Action] = []
    for number in (1, 2, 3):
        turn(talk, number, number)
        talk.end_failed(number)
        talk.end_failed(number)
        said += talk.stayed(0.0)
    assert said == [Say(Phrase.REPEAT), Say(Phrase.PROBLEM), Say(Phrase.GOODBYE, farewell=True), HangUp()]


def test_the_old_stations_welcome_waits_for_the_callers_first_words() -> None:
    talk = dialogue(welcome="Welcome.")
    talk.turn_started(1)
    talk.chunk_cut(1, 1)
    assert Say("Welcome.") not in talk.turn_ended(1, 800, 400, 0.0), "that was a noise"
    talk.end_answered(1, EMPTY)
    assert turn(talk, 2, 2)[0] == Say("Welcome.")
    assert Say("Welcome.") not in turn(talk, 3, 3)


def test_a_call_that_was_handed_over_is_left_alone() -> None:
    talk = dialogue()
    turn(talk)
    assert talk.handed_over() == [CancelEnd(1)]
    assert talk.end_answered(1, REPLY) == [] and talk.silent(100.0) == [] and talk.stayed(1.0) == []
    assert turn_is_ignored(talk)
    talk.taken()
    assert turn(talk, 3, 3) == [PostEnd(3, 3, 800, 1, with_audio=False)]


def turn_is_ignored(talk: Dialogue) -> bool:
    talk.turn_started(2)
    return talk.chunk_cut(2, 2) == [] and talk.turn_ended(2, 800, 900, 1.0) == []


def test_every_mood_is_reached_and_left_by_the_table_alone() -> None:
    assert set(NEXT.values()) == set(Mood)
    assert all(NEXT[mood, On.LOST] is Mood.AWAY for mood in Mood)


# --- laws


@dataclass
class World:
    """Drives a dialogue as the bridge does, with whatever the VPS and the caller do, and watches what must not be."""

    talk: Dialogue
    now_s: float = 0.0
    turn: int = 0
    chunk: int = 0
    talking: bool = False
    ends: list[PostEnd] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    open_chunks: list[int] = field(default_factory=list)
    replies: dict[str, int] = field(default_factory=dict)
    hung_up: bool = False
    quiet_since_s: float | None = None

    def done(self, actions: list[Action]) -> None:
        for action in actions:
            assert not self.hung_up, "nothing comes after the hang-up"
            match action:
                case PostChunk():
                    self.open_chunks.append(action.chunk)
                case PostEnd():
                    assert action.attempt in (1, 2)
                    self.ends.append(action)
                    posted = [end for end in self.ends if (end.turn, end.chunk) == (action.turn, action.chunk)]
                    assert len(posted) <= 2 + len([1 for end in posted if end.attempt == 1])
                case CancelEnd():
                    self.ends = [end for end in self.ends if end.turn != action.turn]
                case Say():
                    assert not self.talking or self.talk.mood is Mood.LEAVING, "we never talk over the caller"
                    if not isinstance(action.text, Phrase):
                        self.replies[action.text] = self.replies.get(action.text, 0) + 1
                        assert self.replies[action.text] == 1, "no reply is said twice"
                    self.quiet_since_s = None
                    self.done(self.talk.speaking_began())
                    self.now_s += 1.0
                    self.done(self.talk.speaking_ended(self.now_s))
                    if self.talk.mood is Mood.ASKING:
                        self.quiet_since_s = self.now_s
                case HangUp():
                    self.hung_up = True
                case GiveUp():
                    self.done(self.talk.stayed(self.now_s))
                case Words():
                    assert not (action.final is False and action.whole)

    def pass_time(self, for_s: float) -> None:
        """Timers fire when they are due; the caller never waits longer than promised."""
        end_s = self.now_s + for_s
        while (due_s := self.talk.deadline_s) is not None and due_s <= end_s:
            self.now_s = max(self.now_s, due_s)
            if self.quiet_since_s is not None:
                assert self.now_s - self.quiet_since_s <= LIMIT_S
            self.done(self.talk.silent(self.now_s))
        self.now_s = max(self.now_s, end_s)
        waits = self.talk.mood is Mood.ASKING and not self.talking
        assert not waits or self.talk.deadline_s is not None, "nobody waits without a limit"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "chunk", "resume", "end", "chunk_reply", "end_reply", "wait"]),
        st.integers(0, 5),
        st.sampled_from(["ack", "reply", "farewell", "error", "empty", "fail"]),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_whatever_happens_the_caller_is_answered_once_never_interrupted_and_never_left_in_silence(
    steps: list[tuple[str, int, str]],
) -> None:
    world = World(dialogue())
    for number, (what, which, answer) in enumerate(steps):
        if world.hung_up:
            break
        _step(world, what, which, answer, number)
        assert len(world.talk.chunks) <= 60 and len(world.talk.asks) <= 60


def _step(world: World, what: str, which: int, answer: str, number: int) -> None:
    talk = world.talk
    match what:
        case "start" if not world.talking:
            world.turn += 1
            world.talking, world.quiet_since_s = True, None
            world.done(talk.turn_started(world.turn))
        case "chunk" if world.talking:
            world.chunk += 1
            world.done(talk.chunk_cut(world.turn, world.chunk))
        case "resume" if world.talking:
            world.done(talk.resumed(world.turn))
        case "end" if world.talking:
            world.talking, world.quiet_since_s = False, world.now_s - 0.8
            world.done(talk.turn_ended(world.turn, 800, 900, world.now_s))
        case "chunk_reply" if world.open_chunks:
            chunk = world.open_chunks.pop(which % len(world.open_chunks))
            found = _answer(answer, number)
            world.done(talk.chunk_failed(chunk) if found is None else talk.chunk_answered(chunk, found))
        case "end_reply" if world.ends:
            end = world.ends.pop(which % len(world.ends))
            found = _answer(answer, number)
            world.done(talk.end_failed(end.turn) if found is None else talk.end_answered(end.turn, found))
        case "wait":
            world.pass_time(float(which))


def _answer(kind: str, number: int) -> Answer | None:
    return {
        "ack": ACK,
        "reply": Answer(Status.SUCCESS, f"words {number}", f"reply {number}"),
        "farewell": Answer(Status.SUCCESS, "bye", f"bye {number}", go_on=False),
        "error": Answer(Status.ERROR, None, f"sorry {number}"),
        "empty": EMPTY,
        "fail": None,
    }[kind]
