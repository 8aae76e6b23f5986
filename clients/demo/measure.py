"""From the timeline and the recording to figures: per turn, per reply. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clients.demo.scenario import Turn
from clients.demo.timeline import Seen
from clients.demo.wav import GAP_MS, Recording, Run, Samples, find_gaps, silent_runs, trim

WINDOW_BEFORE_S = 0.25
WINDOW_AFTER_S = 0.35
"""An event reaches us some milliseconds after its frame; on a busy machine some hundred."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One utterance of ours: when it was on the line, and how much of it."""

    utterance: int
    text: str | None
    speaking_s: float
    spoken_s: float
    played_ms: int
    completed: bool


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """The same in the recording. natural: pauses of the synthesis itself longer than GAP_MS; gaps: what is no pause.

    found: False where the recording holds nothing at that place.
    """

    reply: Reply
    found: bool
    gaps: tuple[Run, ...]
    natural: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """Milliseconds from the end of the caller's speech. They include the 800 ms after which a turn is over."""

    said: str
    heard: str | None
    recognised_ms: int | None
    first_byte_ms: int | None


def replies(seen: Sequence[Seen]) -> list[Reply]:
    """Every utterance that was begun and ended."""
    begun: dict[int, Seen] = {}
    found = []
    for one in seen:
        params = one.event.params
        if one.event.name == "call.speaking":
            begun[params["utterance"]] = one
        elif one.event.name == "call.spoken" and (start := begun.pop(params["utterance"], None)) is not None:
            found.append(
                Reply(
                    params["utterance"],
                    params["text"],
                    start.at_s,
                    one.at_s,
                    params["played_ms"],
                    params["completed"],
                )
            )
    return found


def reply_audio(said: Sequence[Reply], recording: Recording, references: Mapping[str, Samples]) -> list[ReplyAudio]:
    """Looks at each reply with a reference in the right channel.

    The recording's clock is fixed by the first reply: its first loud sample is the first loud one on the channel.
    """
    right, rate_hz = recording.channels[1], recording.rate_hz
    lead, rest = trim(right)
    if not said or not len(rest):
        return [ReplyAudio(reply, False, (), ()) for reply in said if reply.text in references]
    zero_s = said[0].speaking_s + _lead_s(references, said[0].text, rate_hz) - lead / rate_hz
    found = []
    for at, reply in enumerate(said):
        if reply.text is None or reply.text not in references:
            continue
        end_s = reply.spoken_s + WINDOW_AFTER_S
        if at + 1 < len(said):
            end_s = min(end_s, said[at + 1].speaking_s)
        start = max(0, int((reply.speaking_s - WINDOW_BEFORE_S - zero_s) * rate_hz))
        window = right[start : max(start, int((end_s - zero_s) * rate_hz))]
        found.append(_compare(reply, window, references[reply.text], rate_hz))
    return found


def turn_times(turns: Sequence[Turn], seen: Sequence[Seen]) -> list[TurnTimes]:
    found = []
    for turn in turns:
        speech = seen[turn.speech] if turn.speech is not None else None
        reply = seen[turn.reply] if turn.reply is not None else None
        found.append(
            TurnTimes(
                turn.line.text,
                speech.event.params.get("text") if speech else None,
                _ms(speech.at_s - turn.ended_s) if speech else None,
                _ms(reply.at_s - turn.ended_s) if reply else None,
            )
        )
    return found


def _compare(reply: Reply, window: Samples, reference: Samples, rate_hz: int) -> ReplyAudio:
    skipped, spoken = trim(reference)
    played = spoken[: max(0, reply.played_ms * rate_hz // 1000 - skipped)]
    _, recorded = trim(window)
    if not len(played):  # cut before its first sound
        return ReplyAudio(reply, True, (), ())
    gaps = tuple(find_gaps(recorded, played, rate_hz)) if len(recorded) else ()
    natural = tuple(silent_runs(played, rate_hz, GAP_MS))
    return ReplyAudio(reply, bool(len(recorded)), gaps, natural)


def _lead_s(references: Mapping[str, Samples], text: str | None, rate_hz: int) -> float:
    reference = references.get(text or "")
    return trim(reference)[0] / rate_hz if reference is not None else 0.0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
