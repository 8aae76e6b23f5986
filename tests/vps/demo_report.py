"""What must be true of the demo, its times, and the files that it leaves. Pure but for write()."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clients.demo.checks import Check
from clients.demo.timeline import Seen
from tests.vps import Request, Vps
from tests.vps.demo_calls import MESSAGES, TURNS, WELCOME, Outcome

LOCAL = "receptionist"
ORDER = {"call_1": ("ring", "call_started", "transcription", "transcription", "transcription", "call_ended")}


def checks(outcome: Outcome, seen: Sequence[Seen], server: Vps, hours: str) -> list[Check]:
    found = [Check(outcome.problem is None, f"the story came to its end ({outcome.problem or 'it did'})")]
    if len(outcome.calls) == 2:
        first, second = outcome.calls
        found += _first(first, seen) + _second(second, seen, hours) + [_events(server, first, second)]
    found.append(_messages(server))
    wrong = list(dict.fromkeys(server.violations))
    found.append(Check(not wrong, f"each of {len(server.requests)} requests was as documented ({wrong or 'all'})"))
    return found


def _first(call: str, seen: Sequence[Seen]) -> list[Check]:
    said = _said(call, seen)
    wanted = [WELCOME, *(turn.response for turn in TURNS)]
    heard = [one.event.params for one in seen if one.event.name == "call.speech" and one.event.call_id == call]
    words = [params["text"] for params in heard if params["engine"] == "remote"]
    ended = [one.event.params["reason"] for one in seen if one.event.name == "call.ended" and one.event.call_id == call]
    return [
        Check(said == wanted, f"the caller heard the welcome and each reply of the VPS to its end ({len(said)})"),
        Check(words == [turn.transcription for turn in TURNS], f"what the VPS understood is in the journal ({words})"),
        Check(ended == ["local_hangup"], f"after the farewell the call was ended from here ({ended})"),
    ]


def _second(call: str, seen: Sequence[Seen], hours: str) -> list[Check]:
    said = _said(call, seen)
    held = [
        one.event.params["holder"] for one in seen if one.event.name == "call.claimed" and one.event.call_id == call
    ]
    return [
        Check(held[-1:] == [LOCAL], f"without the VPS the local brain had the second call ({held})"),
        Check(hours in said, "and answered what it was asked"),
    ]


def _events(server: Vps, *calls: str) -> Check:
    """Each call's events, once or more, in order."""
    told = {call: _first_arrivals(server.of("phone"), call) for call in calls}
    right = (
        told[calls[0]] == list(ORDER["call_1"])
        and told[calls[1]][:2] == ["ring", "call_started"]
        and told[calls[1]][-1:] == ["call_ended"]
    )
    return Check(right, f"the VPS knows of both calls, in order ({', '.join(' '.join(one) for one in told.values())})")


def _first_arrivals(requests: Sequence[Request], call: str) -> list[str]:
    known, found = set(), []
    for one in requests:
        if one.body["callId"] == call and one.key not in known:
            known.add(one.key)
            found.append(str(one.body["event"]))
    return found


def _messages(server: Vps) -> Check:
    texts = list(dict.fromkeys(str(one.body["message"]) for one in server.of("sms") if one.accepted))
    return Check(texts == list(MESSAGES), f"both messages reached the VPS, in order ({len(texts)})")


def _said(call: str, seen: Sequence[Seen]) -> list[str]:
    ours = [one.event for one in seen if one.event.name == "call.spoken" and one.event.call_id == call]
    return [str(event.params["text"]) for event in ours if event.params["completed"] and event.params.get("text")]


def turn_times(seen: Sequence[Seen], server: Vps) -> list[dict[str, float]]:
    """Of each turn with the VPS, in ms: the end of the turn to its end signal, the answer's way to the first byte. The
    bridge may be told of the end before us: turns are seconds apart, so the nearest one is meant."""
    found = []
    ends = [one for one in seen if one.event.name == "call.turn_end"]
    for request in server.ends:
        of_call = [one.at_s for one in ends if one.event.call_id == request.body["call_id"]]
        after = [one for one in seen if one.event.name == "call.speaking" and one.at_s > request.arrived_s]
        if of_call and after:
            ended_s = min(of_call, key=lambda at_s: abs(at_s - request.begun_s))
            found.append(
                {
                    "end_signal_ms": round(max(0.0, request.begun_s - ended_s) * 1000, 1),
                    "first_byte_ms": round((after[0].at_s - request.arrived_s) * 1000, 1),
                }
            )
    return found


def shown(request: Request) -> dict[str, Any]:
    """For requests.jsonl: audio as its size."""
    body = request.body
    if isinstance(body, dict) and isinstance(body.get("audio"), str):
        body = body | {"audio": f"<{len(body['audio'])} characters>"}
    return {
        "at_s": round(request.arrived_s, 3),
        "endpoint": request.endpoint,
        "key": request.key,
        "behaviour": str(request.behaviour),
        "status": request.status,
        "body": body,
        "problems": request.problems,
    }


def write(out: Path, seen: Sequence[Seen], server: Vps, found: Sequence[Check]) -> None:
    """requests.jsonl and timing.json."""
    lines = [json.dumps(shown(one), ensure_ascii=False) for one in server.requests]
    (out / "requests.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    figures = {"unit": "ms", "turns": turn_times(seen, server), "checks": [asdict(one) for one in found]}
    (out / "timing.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
