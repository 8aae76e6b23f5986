"""`python -m tests.vps [--port N] [--script FILE]`: the stand-in for programs outside of a test.

Prints addresses as bridge.toml wants them, then a line for each request (never what was said in it), and at the end
what was not as documented: then its exit code is 1. --port N: the endpoints take N, N+1 … N+4. A script is TOML:

    mode = "processing"                                # or "single"
    [behave]
    transcribe = ["ok*3", "500", "late:10", "ok"]      # words of behaviour.py; the last one stays
    notify = ["flap:5"]
    [[turn]]                                           # answers, one after the other, anew in every call
    transcription = "good morning"
    response = "Good morning."
    continue = true
    [config]                                           # fields of the voice configuration
    answer_after_rings = 2
"""

import argparse
import asyncio
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.vps import Mode, Request, Turn, described, vps
from tests.vps.behaviour import parse
from tests.vps.conversation import DEFAULT


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode = Mode.PROCESSING
    behave: dict[str, list[str]] = {}
    turn: tuple[Turn, ...] = DEFAULT
    config: dict[str, Any] = {}


def read_script(path: Path | None) -> Script:
    """ValueError for a script that can't be played."""
    script = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")) if path is not None else {}, Script)
    for words in script.behave.values():
        for word in words:
            parse(word)
    return script


class Log:
    """A line for each request, with seconds since the start."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    def __call__(self, request: Request) -> None:
        print(f"{request.arrived_s - self._began_s:8.3f}  {described(request)}", flush=True)


async def serve(port: int, script: Script, keys: bool) -> int:
    """Until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with vps(script.turn, script.mode, port=port, check=False, keys=keys, tell=Log()) as server:
        assert server.config is not None
        server.config |= script.config
        for name, words in script.behave.items():
            server.endpoint(name).behave(*words)
        print(server.toml, flush=True)
        await stop.wait()
        for problem in dict.fromkeys(server.violations):
            print(f"not as documented: {problem}", file=sys.stderr)
        return 1 if server.violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="the first of five; 0: any (default)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="behaviours and answers")
    parser.add_argument("--no-keys", action="store_true", help="facts need no Idempotency-Key")
    args = parser.parse_args()
    try:
        script = read_script(args.script)
        return asyncio.run(serve(args.port, script, not args.no_keys))
    except (OSError, ValueError, KeyError) as problem:
        print(f"tests.vps: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
