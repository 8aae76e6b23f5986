"""dialtone tts: whether this station can speak (monitor_tts_health.sh)."""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dialtone
from clients.cli.command import UsageError
from clients.cli.output import print_json, print_table
from clients.cli.verbs import add_verb
from clients.station.common import CANNOT_LOOK, OK, PROBLEM, Context, add_options, ask, context
from clients.station.notify import send
from clients.station.reports import Report

DESCRIPTION = """\
Looks at the speech engines, has one say a short sentence (to nobody), and tells how long it took. With --status also
what the HTTP service has waiting. Exit code: 0 healthy, 1 not, 3 the core does not answer.

Example:
  dialtone tts health
  curl -s localhost:8088/phone_call/status | dialtone tts health --status -
"""
TEST_SPARE_S = 15.0
"""Beyond slow_s; then the test counts as failed."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Health:
    """issues: (severity, text), the worst first. test_s: until the whole test sentence was there."""

    engine: str
    engines: tuple[str, ...]
    test_s: float | None
    audio_ms: int | None
    queue_size: int | None
    active_calls: int | None
    issues: tuple[tuple[str, str], ...]


class TtsCommand:
    help = "whether this station can speak"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        health = add_verb(verbs, "health", "engines, a test sentence, what waits", "dialtone tts health")
        health.add_argument("--status", metavar="FILE", help="JSON of /phone_call/status; - is stdin")
        health.add_argument("--notify", action="store_true", help="send what was found as a notification")
        add_options(health)

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        status = _status(args.status) if args.status else {}
        try:
            found = look(about, status)
        except dialtone.ConnectionLost:
            if not args.notify:
                raise
            send(about, Report("error", "**TTS HEALTH STATUS:** dialtone is not running"), as_json=args.json)
            return CANNOT_LOOK
        looked = PROBLEM if found.issues else OK
        if args.notify:
            return send(about, report(found), as_json=args.json, looked=looked)
        if args.json:
            print_json({"ok": looked == OK} | asdict(found))
        else:
            _print(found)
        return looked


def _status(place: str) -> Json:
    try:
        text = sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8")
        found = json.loads(text)
    except OSError as problem:
        raise UsageError(f"--status {place}: {problem.strerror}") from None
    except ValueError:
        raise UsageError("--status: that is no JSON") from None
    if not isinstance(found, dict):
        raise UsageError("--status: that is no JSON object")
    return found


def look(about: Context, status: Json) -> Health:
    """dialtone.ConnectionLost where the core is not there. The test is made with this process's own scopes."""
    asking = Context(about.settings, about.bridge, about.socket, None, about.dry_run)
    listed: list[Json] = ask(asking, "tts.voices")["engines"]
    current = next((engine for engine in listed if engine.get("current")), None)
    issues = [] if current is None else list(_of_engine(current))
    if current is None:
        issues.append(("error", "no speech engine is configured"))
    test_s, audio_ms, failure = _test(asking)
    if failure is not None:
        issues.append(("error", f"the test sentence failed: {failure}"))
    elif test_s is not None and test_s > about.settings.tts.slow_s:
        issues.append(("warning", f"the test sentence took {test_s:.1f} s (more than {about.settings.tts.slow_s:g} s)"))
    issues += _of_status(about, status)
    return Health(
        engine=str(current["name"]) if current is not None else "none",
        engines=tuple(str(engine["name"]) for engine in listed if not engine.get("missing")),
        test_s=round(test_s, 3) if test_s is not None else None,
        audio_ms=audio_ms,
        queue_size=_whole(status.get("tts_queue_size")),
        active_calls=_whole(status.get("active_calls")),
        issues=tuple(sorted(issues)),  # error comes before warning
    )


def _of_engine(engine: Json) -> list[tuple[str, str]]:
    name, found = engine["name"], []
    if engine.get("missing"):
        found.append(("error", f"{name} is configured and can't speak: {engine['missing']}"))
    if engine.get("put_aside"):
        found.append(("warning", f"{name} failed lately and is not asked now: {engine['put_aside']}"))
    if engine.get("problem"):
        found.append(("warning", f"{name}: {engine['problem']}"))
    return found


def _test(about: Context) -> tuple[float | None, int | None, str | None]:
    """(seconds, ms of audio, why it failed)."""
    limit_s = about.settings.tts.slow_s + TEST_SPARE_S
    began_s = time.monotonic()
    try:
        made = ask(about, "tts.synthesize", {"text": about.settings.tts.test_text, "priority": "low"}, limit_s)
    except dialtone.ConnectionLost:
        raise
    except dialtone.DialtoneError as problem:
        return None, None, str(problem)
    took_s = time.monotonic() - began_s
    return took_s, made["duration_ms"], None if made["duration_ms"] else "it is silent"


def _of_status(about: Context, status: Json) -> list[tuple[str, str]]:
    limits, found = about.settings.tts, []
    waiting = _whole(status.get("tts_queue_size")) or 0
    if waiting > limits.queue_warning:
        found.append(("warning", f"{waiting} texts wait to be said (more than {limits.queue_warning})"))
    stats = status.get("stats")
    for said in stats.values() if isinstance(stats, dict) else ():
        last_s = said.get("last_tts_time") if isinstance(said, dict) else None
        if isinstance(last_s, int | float) and last_s > limits.slow_s:
            found.append(("warning", f"the last speech of a call took {last_s:.1f} s (more than {limits.slow_s:g} s)"))
    return found


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def report(found: Health) -> Report:
    lines = ["**TTS HEALTH STATUS:**", *[f"**{name}:** {value}" for name, value in _rows(found)]]
    lines += [f"<red>{severity}: {text}</red>" for severity, text in found.issues]
    lines.append("**Status: ISSUES DETECTED**" if found.issues else "**Status: HEALTHY**")
    return Report(found.issues[0][0] if found.issues else "info", "\n".join(lines))


def _rows(found: Health) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("Engine", found.engine),
        ("Engines that can be used", ", ".join(found.engines) or "none"),
        ("Test sentence", f"{found.test_s * 1000:.0f} ms" if found.test_s is not None else "failed"),
    ]
    if found.queue_size is not None:
        rows += [("Queue Size", found.queue_size), ("Active Calls", found.active_calls)]
    return rows


def _print(found: Health) -> None:
    print_table("Speech", ("what", "value"), _rows(found))
    for severity, text in found.issues:
        print(f"{severity}: {text}")
    if not found.issues:
        print("Healthy.")


COMMAND = TtsCommand()
