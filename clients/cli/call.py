"""dialtone call: place, take and steer calls."""

import argparse
import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clients.cli.command import OK, UsageError
from clients.cli.listen import add_listen, run_listen
from clients.cli.output import print_json, print_table, show
from clients.cli.recordings import add_recordings, run_fetch, run_recordings
from clients.cli.verbs import Verbs, add_verb
from dialtone.methods import SPOKEN_TIMEOUT_S
from dialtone.sync import request_with

DESCRIPTION = """\
Places, takes and steers calls. Where no --call is given, the only live call is meant.

Example:
  dialtone call start +447700900123
  dialtone call say "Good morning, this is the workshop."
  dialtone call list --limit 5
"""
CALL_COLUMNS = ("call_id", "line", "direction", "state", "number", "duration_s", "reason")
TURN_COLUMNS = ("role", "turn", "text", "heard_text", "confidence", "at_ms", "latency_ms")
ON_LIVE_CALL = {
    "answer": ("call.accept", "take the call that rings"),
    "reject": ("call.reject", "refuse the call that rings"),
    "hangup": ("call.hangup", "end the call"),
    "hold": ("call.hold", "put the call on hold"),
    "resume": ("call.resume_held", "take the call on hold back"),
    "swap": ("call.swap", "swap the active call and the one on hold"),
    "stop": ("call.stop", "stop what is being said"),
}
"""Words of the command line to methods that need nothing but a call."""

SPECIAL = {"listen": run_listen, "recordings": run_recordings, "fetch": run_fetch}
"""Verbs that are more than one request and its answer."""

Printer = Callable[[Any], None]


class CallCommand:
    help = "place, take and steer calls"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        _add_start(verbs)
        for word, (_, text) in ON_LIVE_CALL.items():
            _verb(verbs, word, text, f"dialtone call {word}")
        _verb(verbs, "status", "the call that is live now", "dialtone call status")
        _add_past(verbs)
        _add_talk(verbs)
        add_listen(verbs)
        add_recordings(verbs)

    def run(self, args: argparse.Namespace) -> int:
        if (special := SPECIAL.get(args.verb)) is not None:
            return special(args)
        method, params, printer = _request(args)
        if getattr(args, "call", None) is not None:
            params["call_id"] = args.call
        timeout_s = SPOKEN_TIMEOUT_S if params.get("wait") == "spoken" else 30.0
        found = request_with(method, params, path=args.socket, timeout_s=timeout_s)
        (print_json if args.json else printer)(found)
        return OK


def _request(args: argparse.Namespace) -> tuple[str, dict[str, Any], Printer]:
    """Method, parameters and how its result is shown."""
    match args.verb:
        case "start":
            line = {"line": args.line} if args.line else {}
            hide = {"hide_number": True} if args.hide_number else {}
            return "call.start", {"number": args.number} | line | hide, _print_call
        case "status":
            return "call.status", {}, _print_live
        case "list":
            before = {"before": args.before} if args.before else {}
            return "call.list", {"limit": args.limit} | before, _print_list
        case "show":
            return "call.get", {"call_id": args.id}, _print_record
        case "say":
            return "call.speak", {"text": args.text, "wait": "accepted" if args.no_wait else "spoken"}, _print_fields
        case "play":
            return "call.play", _what_to_play(args), _print_fields
        case "dtmf":
            inband = {"inband": True} if args.inband else {}
            return "call.dtmf", {"digits": args.digits} | inband, _print_fields
        case "record":
            return "call.record", {"enabled": args.switch == "on"}, _print_fields
        case verb:
            method = ON_LIVE_CALL[verb][0]
            return method, {}, _print_fields if verb == "stop" else _print_call


def _verb(verbs: Verbs, word: str, text: str, example: str, *, on_call: bool = True) -> argparse.ArgumentParser:
    parser = add_verb(verbs, word, text, example)
    if on_call:
        parser.add_argument("--call", metavar="ID", help="which call, where several are up")
    return parser


def _add_start(verbs: Verbs) -> None:
    start = _verb(verbs, "start", "call a number", "dialtone call start +447700900123", on_call=False)
    start.add_argument("number", metavar="NUMBER", help="+ and digits, or a short code")
    start.add_argument("--line", metavar="NAME", help="which line")
    start.add_argument("--hide-number", action="store_true", help="do not show our number")


def _add_past(verbs: Verbs) -> None:
    past = _verb(verbs, "list", "calls of the past, newest first", "dialtone call list --limit 5", on_call=False)
    past.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    past.add_argument("--before", metavar="ID", help="older than this call")
    example = "dialtone call show call_1795246560_k2fq"
    show_one = _verb(verbs, "show", "one call with what was said", example, on_call=False)
    show_one.add_argument("id", metavar="ID", help="the call's id")


def _add_talk(verbs: Verbs) -> None:
    say = _verb(verbs, "say", "say a text in the call", 'dialtone call say "One moment, please."')
    say.add_argument("text", metavar="TEXT", help="what to say")
    say.add_argument("--no-wait", action="store_true", help="do not wait until it was heard")
    play = _verb(verbs, "play", "play a file or a tone in the call", "dialtone call play welcome.mp3")
    play.add_argument("file", metavar="FILE", nargs="?", help="WAV, OGG, FLAC or MP3; 7 MB at most without --remote")
    play.add_argument("--tone", metavar="NAME", help="dial, ringback, busy, congestion, sit, beep, cng, ced, or keys")
    play.add_argument("--country", metavar="CC", help="whose tones: eu us gb de fr es it lt pl")
    play.add_argument("--remote", action="store_true", help="the daemon reads FILE, below [media] roots")
    play.add_argument("--loop", type=int, default=1, metavar="N", help="how often; 0 until call stop (default 1)")
    play.add_argument("--no-wait", action="store_true", help="do not wait until it was heard")
    dtmf = _verb(verbs, "dtmf", "press keys", "dialtone call dtmf 12#")
    dtmf.add_argument("digits", metavar="DIGITS", help="0-9 * # A-D")
    dtmf.add_argument("--inband", action="store_true", help="as tones in our own voice, instead of by the modem")
    record = _verb(verbs, "record", "record the call, or stop recording it", "dialtone call record on")
    record.add_argument("switch", choices=("on", "off"), help="on or off")


def _what_to_play(args: argparse.Namespace) -> dict[str, Any]:
    """Parameters of call.play: a file goes as base64, since the daemon may not read where we may."""
    if (args.file is None) == (args.tone is None):
        raise UsageError("Give either FILE or --tone.")
    params: dict[str, Any] = {"wait": "accepted" if args.no_wait or args.loop == 0 else "spoken"}
    if args.loop != 1:
        params["loop"] = args.loop
    if args.country is not None:
        params["country"] = args.country
    if args.tone is not None:
        return params | {"tone": args.tone}
    if args.remote:
        return params | {"path": os.path.abspath(args.file)}
    try:
        data = Path(args.file).read_bytes()
    except OSError as problem:
        raise UsageError(f"{args.file}: {problem.strerror}") from None
    return params | {"audio": base64.b64encode(data).decode()}


def _print_call(found: Any) -> None:
    print_table("Call", CALL_COLUMNS, [[found.get(column) for column in CALL_COLUMNS]])


def _print_live(found: Any) -> None:
    if found.get("call"):
        _print_call(found["call"])
    else:
        print("No call.")


def _print_list(found: Any) -> None:
    calls = found.get("calls") or []
    if not calls:
        print("No calls.")
        return
    print_table("Calls", CALL_COLUMNS, [[call.get(column) for column in CALL_COLUMNS] for call in calls])
    if found.get("next"):
        print(f"Older ones: dialtone call list --before {show(found['next'])}")


def _print_record(found: Any) -> None:
    turns = found.get("turns") or []
    _print_fields({name: value for name, value in found.items() if name not in ("turns", "audio")})
    if found.get("audio"):
        print_table("Audio", ("field", "value"), list(found["audio"].items()))
    if turns:
        print_table("Turns", TURN_COLUMNS, [[turn.get(column) for column in TURN_COLUMNS] for turn in turns])


def _print_fields(found: Any) -> None:
    rows = list(found.items())
    if rows:
        print_table("Result", ("field", "value"), rows)
    else:
        print("ok")


COMMAND = CallCommand()
