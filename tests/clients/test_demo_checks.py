"""The demo's verdicts: a good call passes, each thing that can be wrong fails its own check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.demo.checks import check_message, check_recording, check_replies, check_talk
from clients.demo.measure import Reply, ReplyAudio
from clients.demo.printer import describe
from clients.demo.report import transcript
from clients.demo.scenario import SCRIPT, Outcome, Turn
from clients.demo.stage import DemoFailed, Places, brain_command, core_toml, temporary_places
from clients.demo.timeline import Seen, Timeline
from clients.demo.wav import Recording, Run
from dialtone import Event

PHRASES = Path(__file__).parents[2] / "clients/brains/phrases.json"
TEXTS: dict[str, str] = json.loads(PHRASES.read_text(encoding="utf-8"))["texts"]


def seen(at_s: float, name: str, **params: Any) -> Seen:
    return Seen(at_s, Event.of(name, params))


def good_call() -> tuple[Outcome, list[Seen]]:
    """A call in which all went as it should."""
    events = [seen(0.0, "call.incoming", number="+447700900123"), seen(5.0, "call.connected")]
    outcome = Outcome(call_id="call_1_aaaa")
    for at, line in enumerate(SCRIPT):
        if line.barges_in:
            events.append(seen(9.5 + at, "call.barge_in", utterance=4, reaction_ms=140, played_ms=1300))
        understood = not line.any_words
        text = line.text if understood else None
        events.append(seen(10.0 + at, "call.speech", turn=at + 1, text=text, understood=understood, latency_ms=80))
        events.append(seen(10.1 + at, "call.speaking", utterance=at, text=TEXTS[line.answer], latency_ms=20))
        outcome.turns.append(Turn(line, 8.0 + at, 9.0 + at, len(events) - 2, len(events) - 1))
    events.append(seen(40.0, "call.ended", reason="remote_hangup", duration_s=35.0))
    return outcome, events


def failures(outcome: Outcome, events: list[Seen]) -> list[str]:
    return [check.text for check in check_talk(outcome, events, TEXTS) if not check.ok]


def test_a_good_call_passes() -> None:
    checks = check_talk(*good_call(), TEXTS)
    assert all(check.ok for check in checks)
    assert len(checks) == 2 * len(SCRIPT) + 2


def swap(events: list[Seen], place: int | None, **params: Any) -> None:
    assert place is not None
    events[place] = seen(events[place].at_s, events[place].event.name, **(events[place].event.params | params))


def drop(events: list[Seen], name: str) -> None:
    for place, one in enumerate(events):
        if one.event.name == name:
            events[place] = seen(one.at_s, "call.level")  # turns hold places


FAULTS: dict[str, tuple[Callable[[Outcome, list[Seen]], object], str]] = {
    "a wrong word": (lambda o, e: swap(e, o.turns[0].speech, text="goodbye"), "was understood (as 'goodbye')"),
    "no word": (lambda o, e: swap(e, o.turns[3].speech, text=None, understood=False), "was understood (as None)"),
    "a wrong answer": (lambda o, e: swap(e, o.turns[1].reply, text="What?"), "and answered with 'What?'"),
    "no answer": (lambda o, e: setattr(o.turns[5], "reply", None), "and answered with None"),
    "a call that stopped": (lambda o, e: o.turns.pop(), "(the call did not get there)"),
    "a message not heard": (lambda o, e: setattr(o.turns[2], "speech", None), "was taken as one turn"),
    "no barge-in": (lambda o, e: drop(e, "call.barge_in"), "(0 were)"),
    "two barge-ins": (lambda o, e: e.append(seen(41.0, "call.barge_in")), "(2 were)"),
    "no end": (lambda o, e: drop(e, "call.ended"), "ended once, when the caller hung up ([])"),
    "an end without reason": (
        lambda o, e: swap(e, len(e) - 1, reason=None),
        "ended once, when the caller hung up ([None])",
    ),
    "two ends": (lambda o, e: e.append(e[-1]), "ended once"),
    "a problem on the way": (lambda o, e: setattr(o, "problem", "no call.speech within 15 s"), "no call.speech within"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_check(name: str) -> None:
    outcome, events = good_call()
    FAULTS[name][0](outcome, events)
    assert any(FAULTS[name][1] in text for text in failures(outcome, events)), failures(outcome, events)


def recording(*loud_ms: int) -> Recording:
    channels = []
    for ms in loud_ms:
        channel = np.zeros(8 * 10_000, np.int16)
        channel[: ms * 8] = np.where(np.arange(ms * 8) % 2 == 0, 3000, -3000)
        channels.append(channel)
    return Recording(8000, tuple(channels))


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (recording(5000, 6000), []),
        (recording(5000), ["stereo"]),
        (recording(5000, 200), ["speech of us"]),
        (recording(0, 5000), ["speech of the caller"]),
        (None, ["valid WAV (there was no call)"]),
    ],
    ids=["good", "mono", "we are silent", "the caller is silent", "none"],
)
def test_the_recording_has_both_sides(given: Recording | None, wrong: list[str]) -> None:
    failed = [check.text for check in check_recording(given, "there was no call") if not check.ok]
    assert len(failed) == len(wrong)
    assert all(part in text for part, text in zip(wrong, failed, strict=True))


def audio(*, found: bool = True, gaps: tuple[Run, ...] = ()) -> ReplyAudio:
    return ReplyAudio(Reply(3, "x", 1.0, 2.0, 1000, True), found, gaps, (Run(500, 300),))


def test_gaps_and_lost_replies_are_told() -> None:
    assert all(check.ok for check in check_replies([audio(), audio()]))
    assert [check.ok for check in check_replies([audio(), audio(found=False)])] == [False, True]
    lost, gap = check_replies([audio(gaps=(Run(700, 160),))])
    assert lost.ok and not gap.ok
    assert "160 ms in utterance 3 at 700 ms" in gap.text
    assert [check.ok for check in check_replies([])] == [False]


def test_a_message_is_a_file_with_something_in_it() -> None:
    assert check_message([4000]).ok
    assert not check_message([]).ok
    assert not check_message([4000, 0]).ok


def test_the_transcript_says_what_was_really_heard() -> None:
    text = transcript(
        [
            seen(5.0, "call.connected"),
            seen(6.5, "call.spoken", text="Hello there.", heard_text="Hello there.", completed=True),
            seen(8.0, "call.speech", text="are you open", understood=True),
            seen(9.0, "call.speech", text=None, understood=False),
            seen(9.5, "call.spoken", text="We are open all day.", heard_text="We are", completed=False),
            seen(10.0, "call.spoken", text=None, heard_text=None, completed=True),
        ]
    )
    assert text.splitlines() == [
        "   1.5  we:     Hello there.",
        "   3.0  caller: are you open",
        "   4.0  caller: (not understood)",
        "   4.5  we:     We are -- (interrupted)",
        "   5.0  we:     (tone)",
    ]


def test_events_are_lines_for_people() -> None:
    told = describe(seen(1.0, "call.speech", text="yes", understood=True, confidence=0.931, latency_ms=71))
    assert told == ("caller", "caller: yes   (recognised in 71 ms, 93% sure)")
    assert describe(seen(1.0, "call.speaking", text="a\x1b[2Jb", latency_ms=3)) == (
        "we",
        "we:     a\N{REPLACEMENT CHARACTER}[2Jb   (first byte after 3 ms)",
    )
    assert describe(seen(1.0, "call.turn_end")) is None


async def test_waiting_for_an_event_ends_with_its_name() -> None:
    timeline = Timeline()
    timeline.add(Event.of("call.speech", {"turn": 1}))
    assert await timeline.wait_for("call.speech", 1.0) == 0
    with pytest.raises(DemoFailed, match=r"no call\.speech within 0\.05 s"):
        await timeline.wait_for("call.speech", 0.05, after=1)
    with pytest.raises(DemoFailed):
        await timeline.wait_for("call.speech", 0.05, such=lambda event: event.params["turn"] == 2)


def test_sockets_lie_in_a_short_folder_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with temporary_places(tmp_path, None) as places:
        assert len(bytes(places.control)) <= 100
        assert places.base.is_dir()
        base = places.base
    assert not base.exists()
    assert list(deep.iterdir()) == []


def test_the_core_accepts_the_demos_configuration(tmp_path: Path) -> None:
    from core.config import load

    places = Places(tmp_path, tmp_path / "ports", tmp_path)
    places.config.write_text(core_toml(places), encoding="utf-8")
    config = load(places.config)
    assert config.call.answer_after_rings == 2
    assert config.line["sim"].ports_dir == str(places.ports)
    assert config.recording.enabled and config.recording.dir == str(places.recordings)


def test_without_node_the_demo_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoFailed, match="--brain python"):
        brain_command("node", Places(tmp_path, tmp_path, tmp_path))
