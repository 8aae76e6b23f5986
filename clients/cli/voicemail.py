"""dialtone voicemail: what callers left."""

import argparse
import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from clients.cli.command import FAILED, OK, UsageError
from clients.cli.output import print_json, print_table, show
from clients.cli.verbs import Verbs, add_verb
from dialtone.errors import RpcError
from dialtone.sync import request_with

DESCRIPTION = """\
Lists, plays, exports and deletes messages that callers left, and sets what they hear before the tone.

Example:
  dialtone voicemail list --new
  dialtone voicemail play vm_1795246560_k2fqabcd
  dialtone voicemail greeting --text "Please leave a message."
"""
COLUMNS = ("voicemail_id", "received_at", "number", "duration_s", "heard_at", "text")
PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
)
"""Programs that play a WAV file, the first that is installed; all but aplay play OGG as well."""
KINDS = {"": "wav", ".wav": "wav", ".ogg": "ogg", ".opus": "ogg"}
"""What is written under a name."""
EXAMPLE_ID = "vm_1795246560_k2fqabcd"
PLAY_LIMIT_S = 3600.0


class VoicemailCommand:
    help = "messages that callers left"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        _add_list(verbs)
        _one(verbs, "play", "play a message, and mark it as heard")
        export = _one(verbs, "export", "write a message to a file")
        export.add_argument("file", metavar="FILE", help="to write; .ogg is OGG Opus, else WAV; - is stdout")
        _one(verbs, "delete", "delete a message for good")
        _add_greeting(verbs)

    def run(self, args: argparse.Namespace) -> int:
        match args.verb:
            case "list":
                return _list(args)
            case "play":
                return _play(args)
            case "export":
                return _export(args)
            case "delete":
                _ask(args, "voicemail.delete", voicemail_id=args.id)
                print_json({}) if args.json else print("deleted")
                return OK
            case _:
                return _greeting(args)


def _ask(args: argparse.Namespace, method: str, **params: object) -> Any:
    given = {name: value for name, value in params.items() if value is not None}
    return request_with(method, given, path=args.socket, timeout_s=60.0)


def _add_list(verbs: Verbs) -> None:
    listing = add_verb(verbs, "list", "messages, newest first", "dialtone voicemail list --new")
    listing.add_argument("--new", action="store_true", help="only those that nobody has heard")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    listing.add_argument("--before", metavar="ID", help="older than this message")
    listing.add_argument("--line", metavar="NAME", help="of which line (default all)")


def _one(verbs: Verbs, word: str, text: str) -> argparse.ArgumentParser:
    file = " message.wav" if word == "export" else ""
    parser = add_verb(verbs, word, text, f"dialtone voicemail {word} {EXAMPLE_ID}{file}")
    parser.add_argument("id", metavar="ID", help="the message's id")
    return parser


def _add_greeting(verbs: Verbs) -> None:
    example = 'dialtone voicemail greeting --text "Please leave a message."'
    greeting = add_verb(verbs, "greeting", "show or set what callers hear before the tone", example)
    wanted = greeting.add_mutually_exclusive_group()
    wanted.add_argument("--text", metavar="TEXT", help="a text to speak")
    wanted.add_argument("--file", metavar="FILE", help="a recording: WAV, OGG, FLAC or MP3")
    wanted.add_argument("--reset", action="store_true", help="as in core.toml again")
    greeting.add_argument("--line", metavar="NAME", help="of which line (default all)")


def _list(args: argparse.Namespace) -> int:
    found = _ask(args, "voicemail.list", limit=args.limit, before=args.before, line=args.line, unheard=args.new or None)
    if args.json:
        print_json(found)
        return OK
    messages = found["voicemails"]
    if not messages:
        print("No new messages." if args.new else "No messages.")
        return OK
    print_table("Voicemail", COLUMNS, [[_cell(each, name) for name in COLUMNS] for each in messages])
    if found.get("next"):
        print(f"Older ones: dialtone voicemail list --before {show(found['next'])}")
    return OK


def _cell(message: dict[str, Any], name: str) -> object:
    if name == "number" and message["withheld"]:
        return "withheld"
    if name == "text" and message["partial"]:
        return f"{message['text'] or ''} (cut off)".strip()
    return message[name]


def _player(voicemail_id: str, kind: str) -> tuple[str, ...]:
    able = [each for each in PLAYERS if kind == "wav" or each[0] != "aplay"]
    player = next((each for each in able if shutil.which(each[0])), None)
    if player is None:
        names = ", ".join(each[0] for each in able)
        raise UsageError(f"None of {names} is installed; use: dialtone voicemail export {voicemail_id} message.{kind}")
    return player


def _play(args: argparse.Namespace) -> int:
    kind = "wav"
    try:
        player = _player(args.id, kind)
        found = _ask(args, "voicemail.audio", voicemail_id=args.id, format=kind)
    except RpcError as problem:
        if problem.kind != "limit":
            raise
        kind = "ogg"  # a long one
        player = _player(args.id, kind)
        found = _ask(args, "voicemail.audio", voicemail_id=args.id, format=kind)
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as file:
        file.write(base64.b64decode(found["audio"]))
        file.flush()
        played = subprocess.run([*player, file.name], check=False, timeout=PLAY_LIMIT_S)
    if played.returncode != 0:
        print(f"{player[0]} could not play the message.", file=sys.stderr)
        return FAILED
    message = _ask(args, "voicemail.mark_heard", voicemail_id=args.id)
    if args.json:
        print_json(message)
    return OK


def _export(args: argparse.Namespace) -> int:
    kind = KINDS.get(Path(args.file).suffix.lower())
    if kind is None:
        raise UsageError(f"{args.file}: a message is written as .wav, .ogg or .opus")
    found = _ask(args, "voicemail.audio", voicemail_id=args.id, format=kind)
    data = base64.b64decode(found["audio"])
    if args.file == "-":
        sys.stdout.buffer.write(data)
        return OK
    try:
        Path(args.file).write_bytes(data)
    except OSError as problem:
        raise UsageError(f"{args.file}: {problem.strerror}") from None
    if args.json:
        print_json({"file": args.file, "duration_ms": found["duration_ms"]})
    else:
        print(f"{found['duration_ms'] / 1000:.1f} s written")
    return OK


def _greeting(args: argparse.Namespace) -> int:
    if args.text is None and args.file is None and not args.reset:
        found = _ask(args, "voicemail.get_greeting", line=args.line)
        if args.json:
            print_json(found)
        else:
            print(show(found["text"]) if found["text"] else "A recording.")
        return OK
    audio = None
    if args.file is not None:
        try:
            audio = base64.b64encode(Path(args.file).read_bytes()).decode()
        except OSError as problem:
            raise UsageError(f"{args.file}: {problem.strerror}") from None
    _ask(args, "voicemail.set_greeting", text=args.text, audio=audio, line=args.line)
    print_json({}) if args.json else print("ok")
    return OK


COMMAND = VoicemailCommand()
