"""What must be true of the demo's call. Pure: the timeline and the measurements go in, a list of checks comes out."""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.demo.measure import ReplyAudio
from clients.demo.scenario import SCRIPT, Line, Outcome, Turn
from clients.demo.timeline import Seen
from clients.demo.wav import Recording, speech_ms

MIN_SPEECH_MS = 3000
"""Both sides say far more in this call."""


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    text: str


def check_talk(outcome: Outcome, seen: Sequence[Seen], texts: dict[str, str]) -> list[Check]:
    """The words: each turn understood and answered, one barge-in, one end."""
    found = [] if outcome.problem is None else [Check(False, f"the call went on to its end: {outcome.problem}")]
    for at, line in enumerate(SCRIPT):
        turn = outcome.turns[at] if at < len(outcome.turns) else None
        found += _check_turn(line, turn, seen, texts)
    barged = [one for one in seen if one.event.name == "call.barge_in"]
    found.append(Check(len(barged) == 1, f"one reply was interrupted by the caller ({len(barged)} were)"))
    ended = [one.event.params.get("reason") for one in seen if one.event.name == "call.ended"]
    found.append(Check(ended == ["remote_hangup"], f"the call ended once, when the caller hung up ({ended})"))
    return found


def check_recording(recording: Recording | None, problem: str | None) -> list[Check]:
    if recording is None:
        return [Check(False, f"the recording is a valid WAV ({problem})")]
    found = [Check(len(recording.channels) == 2, f"the recording is stereo ({len(recording.channels)} channels)")]
    for name, samples in zip(("the caller", "us"), recording.channels, strict=False):
        heard_ms = speech_ms(samples, recording.rate_hz)
        found.append(Check(heard_ms >= MIN_SPEECH_MS, f"the recording has speech of {name} ({heard_ms / 1000:.1f} s)"))
    return found


def check_replies(measured: Sequence[ReplyAudio]) -> list[Check]:
    if not measured:
        return [Check(False, "our replies are in the recording (none was found)")]
    lost = [audio.reply.utterance for audio in measured if not audio.found]
    gaps = [(audio.reply.utterance, gap.at_ms, gap.length_ms) for audio in measured for gap in audio.gaps]
    listed = ", ".join(f"{length} ms in utterance {number} at {at} ms" for number, at, length in gaps) or "none"
    return [
        Check(not lost, f"all {len(measured)} replies are in the recording (missing: {lost or 'none'})"),
        Check(not gaps, f"no gap over 100 ms inside a reply ({listed})"),
    ]


def check_message(files: Sequence[int]) -> Check:
    """files: the sizes of the message files in bytes."""
    return Check(bool(files) and all(size > 500 for size in files), f"the message was saved ({len(files)} OGG files)")


def _check_turn(line: Line, turn: Turn | None, seen: Sequence[Seen], texts: dict[str, str]) -> list[Check]:
    if turn is None:
        return [Check(False, f"the caller said {line.text!r} (the call did not get there)")]
    heard = seen[turn.speech].event.params if turn.speech is not None else {}
    said = seen[turn.reply].event.params.get("text") if turn.reply is not None else None
    if line.any_words:
        found = [Check(turn.speech is not None, f"the message {line.text!r} was taken as one turn")]
    else:
        understood = bool(heard.get("understood")) and heard.get("text") == line.text
        found = [Check(understood, f"{line.text!r} was understood (as {heard.get('text')!r})")]
    return [*found, Check(said == texts[line.answer], f"and answered with {said!r}")]
