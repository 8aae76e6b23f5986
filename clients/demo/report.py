"""The files that the demo leaves: the recording, what was said, and the times."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from clients.demo.checks import Check
from clients.demo.measure import ReplyAudio, TurnTimes
from clients.demo.timeline import Seen


def transcript(seen: Sequence[Seen]) -> str:
    """Who said what, with seconds since the call was answered. What was cut is what the caller really heard."""
    start_s = next((one.at_s for one in seen if one.event.name == "call.connected"), 0.0)
    lines = []
    for one in seen:
        params = one.event.params
        if one.event.name == "call.speech":
            text = params.get("text") if params.get("understood") else "(not understood)"
            lines.append(f"{one.at_s - start_s:6.1f}  caller: {text}")
        elif one.event.name == "call.spoken":
            cut = "" if params.get("completed") else " -- (interrupted)"
            lines.append(f"{one.at_s - start_s:6.1f}  we:     {params.get('heard_text') or '(tone)'}{cut}")
    return "\n".join(lines) + "\n"


def timing(times: Sequence[TurnTimes], seen: Sequence[Seen], measured: Sequence[ReplyAudio]) -> dict[str, object]:
    """What timing.json holds. All in milliseconds."""
    barged = [one.event.params for one in seen if one.event.name == "call.barge_in"]
    return {
        "unit": "ms",
        "turns": [asdict(one) for one in times],
        "barge_in": [{"reaction_ms": one["reaction_ms"], "played_ms": one["played_ms"]} for one in barged],
        "replies": [
            {
                "utterance": audio.reply.utterance,
                "played_ms": audio.reply.played_ms,
                "completed": audio.reply.completed,
                "gaps": [asdict(gap) for gap in audio.gaps],
                "natural_pauses": [asdict(pause) for pause in audio.natural],
            }
            for audio in measured
        ],
    }


def write_report(out: Path, seen: Sequence[Seen], figures: dict[str, object], checks: Sequence[Check]) -> None:
    (out / "transcript.txt").write_text(transcript(seen), encoding="utf-8")
    figures = figures | {"checks": [asdict(check) for check in checks]}
    (out / "timing.json").write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
