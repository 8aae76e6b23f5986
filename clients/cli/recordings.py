"""dialtone call recordings, dialtone call fetch: files that the daemon keeps of calls."""

import argparse
import base64
import os
import sys
from pathlib import PurePath
from typing import IO, Any

from clients.cli.command import OK, UsageError
from clients.cli.output import print_json, print_table
from clients.cli.verbs import Verbs, add_verb
from dialtone.sync import request_with

COLUMNS = ("name", "kind", "bytes", "modified_at")


def add_recordings(verbs: Verbs) -> None:
    listed = add_verb(verbs, "recordings", "files kept of calls", "dialtone call recordings --limit 20")
    listed.add_argument("--call", metavar="ID", help="of this call alone")
    listed.add_argument("--limit", type=int, default=50, metavar="N", help="how many, newest first (default 50)")
    example = "dialtone call fetch call_1795246560_k2fq.ogg --out call.ogg"
    fetch = add_verb(verbs, "fetch", "copy one of these files out of the daemon", example)
    fetch.add_argument("name", metavar="NAME", help="as `dialtone call recordings` shows it")
    fetch.add_argument("--out", metavar="FILE", help="where to (default: the same name here; - is stdout)")


def run_recordings(args: argparse.Namespace) -> int:
    where = {"call_id": args.call} if args.call else {}
    found = request_with("call.recordings", {"limit": args.limit} | where, path=args.socket)
    if args.json:
        print_json(found)
    elif found["files"]:
        print_table("Files of calls", COLUMNS, [[file[column] for column in COLUMNS] for file in found["files"]])
        if found.get("next") is not None:
            print(f"{len(found['files'])} of {found['total']}; more with --limit")
    else:
        print("No files.")
    return OK


def run_fetch(args: argparse.Namespace) -> int:
    """A file of that name that is there already stays as it is."""
    out = args.out or PurePath(args.name).name
    if out == "-":
        if sys.stdout.isatty():
            raise UsageError("audio goes to a pipe or a file")
        _fetch(args, sys.stdout.buffer)
        return OK
    try:
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            try:
                _fetch(args, target)
            except BaseException:
                os.unlink(out)
                raise
    except OSError as problem:
        raise UsageError(f"{out}: {problem.strerror or problem}") from None
    print(out)
    return OK


def _fetch(args: argparse.Namespace, target: IO[bytes]) -> None:
    offset: int | None = 0
    while offset is not None:
        piece: Any = request_with("call.recording_file", {"name": args.name, "offset": offset}, path=args.socket)
        target.write(base64.b64decode(piece["data"]))
        offset = piece.get("next")
