"""dialtone audio-library: recorded phrases, fetched from a share (sync-audio-library.sh)."""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from clients.cli.command import FAILED, UsageError
from clients.cli.output import print_json, print_table
from clients.cli.verbs import add_verb
from clients.station import kept
from clients.station.common import CANNOT_LOOK, OK, Context, add_options, context
from clients.station.programs import ProgramMissing, ProgramTooSlow, run
from clients.station.rsync import CONNECTING, Figures, figures, meaning, passes

DESCRIPTION = """\
Copies the audio library from the share that station.toml names ([audio_library] source), with rsync: first everything,
keeping what is only here, then the directories called silence_fills as exact copies. Exit code: 0 done, 1 failed,
2 nothing is configured, 3 the share is not reached.

Example:
  dialtone audio-library sync
  dialtone audio-library status       # how the last one went
"""
STATE = "audio-library.json"


@dataclass(frozen=True, slots=True)
class Synced:
    """step: of the two; 0: none was begun. exit_code: rsync's. problem: None where it went well."""

    ok: bool
    at: str
    duration_s: float
    step: int
    exit_code: int | None
    files: int
    deleted: int
    size_bytes: int
    problem: str | None


class LibraryCommand:
    help = "fetch the audio library from a share"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        add_options(add_verb(verbs, "sync", "fetch what is new", "dialtone audio-library sync"))
        add_options(add_verb(verbs, "status", "how the last sync went", "dialtone audio-library status"))

    def run(self, args: argparse.Namespace) -> int:
        about = context(args)
        return _status(about, as_json=args.json) if args.verb == "status" else _sync(about, as_json=args.json)


def _sync(about: Context, *, as_json: bool) -> int:
    library = about.settings.audio_library
    if library.source is None:
        raise UsageError("nothing to fetch from: station.toml has no [audio_library] source")
    try:
        Path(library.dest).mkdir(parents=True, exist_ok=True)
        about.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(f"{problem.filename}: {problem.strerror}") from None
    with _alone(about.state / "audio-library.lock") as alone:
        if not alone:
            print("dialtone: another sync is running", file=sys.stderr)
            return FAILED
        done = _passes(about)
        kept.keep(about.state / STATE, asdict(done))
    _show(done, as_json=as_json)
    if done.ok:
        return OK
    return CANNOT_LOOK if done.exit_code is None or done.exit_code in CONNECTING else FAILED


def _passes(about: Context) -> Synced:
    """The second pass only after the first went well: it deletes."""
    library = about.settings.audio_library
    began_s, at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    total, step, code, problem = Figures(), 0, None, None
    try:
        for words in passes(library):
            step += 1
            left_s = library.timeout_s - (time.monotonic() - began_s)
            ran = run(words, max(1.0, left_s))
            code = ran.code
            if code != 0:
                problem = f"{meaning(code)}: {ran.last_words}"
                break
            total += figures(ran.out)
    except ProgramMissing:
        problem, code = "rsync is not installed: sudo apt install rsync", None
    except ProgramTooSlow:
        problem, code = f"it took longer than {library.timeout_s:g} s", 30
    took_s = round(time.monotonic() - began_s, 1)
    return Synced(problem is None, at, took_s, step, code, total.files, total.deleted, total.size_bytes, problem)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """False inside while another sync runs: a timer may be faster than a slow line."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


def _status(about: Context, *, as_json: bool) -> int:
    found = kept.load(about.state / STATE)
    if not found:
        if as_json:
            print_json(None)
        else:
            print("The audio library was never synced here.")
        return FAILED
    if as_json:
        print_json(found)
    else:
        print_table("Last sync", ("what", "value"), list(found.items()))
    return OK if found.get("ok") is True else FAILED


def _show(done: Synced, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
    elif done.ok:
        words = f"{done.files} files fetched ({done.size_bytes} bytes), {done.deleted} deleted"
        print(f"Audio library: {words}, in {done.duration_s:g} s.")
    else:
        print(f"dialtone: {done.problem}", file=sys.stderr)


COMMAND = LibraryCommand()
