"""dialtone call listen: the voice of a call on stdout; with --attach also stdin into the call. Raw, no header."""

import argparse
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from clients.cli.command import OK, UsageError
from clients.cli.verbs import Verbs, add_verb
from dialtone.errors import CannotConnect
from dialtone.sync import request_with

EXAMPLE = """dialtone call listen --mix stereo | sox -t raw -r 8000 -e signed -b 16 -c 2 - call.wav
  sox hello.wav -t raw -r 8000 -e signed -b 16 -c 1 - | dialtone call listen --attach --direction in"""
READ_BYTES = 4096
SEND_BUFFER_BYTES = 4096
"""What lies in the socket can't be taken back: a quarter of a second at 8 kHz, not the usual minute."""


def add_listen(verbs: Verbs) -> None:
    listen = add_verb(verbs, "listen", "hear a call on stdout, or talk into it from stdin", EXAMPLE)
    listen.add_argument("--call", metavar="ID", help="which call, where several are up")
    listen.add_argument("--attach", action="store_true", help="talk, too: stdin goes into the call")
    listen.add_argument(
        "--mix",
        choices=("downlink", "uplink", "stereo", "mixed"),
        help="what is heard (default: mixed; downlink if talking)",
    )
    listen.add_argument("--rate", type=int, metavar="HZ", help="8000, 16000, 24000 or 48000 (default: the line's)")
    listen.add_argument("--format", choices=("pcm_s16le", "ulaw", "alaw"), default="pcm_s16le", help="of the samples")
    listen.add_argument("--seconds", type=float, metavar="S", help="stop after so long (default: with the call)")
    listen.add_argument(
        "--direction", choices=("both", "in", "out"), help="with --attach; in: talk only, until stdin ends"
    )
    listen.add_argument(
        "--keep-hearing", action="store_true", default=None, help="with --attach: the core goes on hearing turns"
    )
    listen.add_argument(
        "--live", action="store_true", help="with --attach: drop what comes faster than the line takes it, don't wait"
    )


def run_listen(args: argparse.Namespace) -> int:
    if not args.attach and (args.direction or args.keep_hearing or args.live):
        raise UsageError("--direction, --keep-hearing and --live go with --attach")
    if args.direction != "in" and sys.stdout.isatty():
        raise UsageError("audio goes to a pipe or a file, such as: dialtone call listen > call.raw")
    found = request_with("call.attach", _params(args), path=args.socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        try:
            peer.connect(found["path"])
        except OSError as problem:
            raise CannotConnect(f"{found['path']}: {problem.strerror or problem}") from None
        channels = "stereo" if found["channels"] == 2 else "mono"
        print(f"{found['format']}, {found['rate_hz']} Hz, {channels}", file=sys.stderr)
        peer.setblocking(False)
        until_s = time.monotonic() + args.seconds if args.seconds is not None else None
        _Pump(peer, until_s, sends=args.attach and args.direction != "out").run()
    return OK


def _params(args: argparse.Namespace) -> dict[str, Any]:
    params = {"role": "talker" if args.attach else "listener", "format": args.format}
    params |= {"mix": args.mix or ("downlink" if args.attach else "mixed")}
    given = {"call_id": args.call, "rate_hz": args.rate, "direction": args.direction, "keep_hearing": args.keep_hearing}
    given["when_full"] = "drop" if args.live else None
    return params | {name: value for name, value in given.items() if value is not None}


@dataclass(slots=True)
class _Pump:
    """Socket to stdout, stdin to socket, until the daemon closes the socket or the time is over."""

    peer: socket.socket
    until_s: float | None
    sends: bool
    waiting: bytes = b""
    out: int = field(default_factory=lambda: sys.stdout.fileno())
    source: int = field(default_factory=lambda: sys.stdin.fileno())

    def run(self) -> None:
        while (left_s := self._left_s()) is None or left_s > 0:
            reads = [self.peer] + ([self.source] if self.sends and not self.waiting else [])
            readable, writable, _ = select.select(reads, [self.peer] if self.waiting else [], [], left_s)
            if self.source in readable:
                self._read_source()
            if writable:
                self._send()
            if self.peer in readable and not self._receive():
                return

    def _left_s(self) -> float | None:
        return None if self.until_s is None else self.until_s - time.monotonic()

    def _read_source(self) -> None:
        self.waiting = os.read(self.source, READ_BYTES)
        if not self.waiting:
            self.sends = False
            self.peer.shutdown(socket.SHUT_WR)

    def _send(self) -> None:
        try:
            self.waiting = self.waiting[self.peer.send(self.waiting) :]
        except BlockingIOError:
            pass
        except ConnectionError:  # the call is over; what it said last can still be read
            self.sends, self.waiting = False, b""

    def _receive(self) -> bool:
        try:
            data = self.peer.recv(65536)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        view = memoryview(data)
        while view:
            view = view[os.write(self.out, view) :]
        return bool(data)
