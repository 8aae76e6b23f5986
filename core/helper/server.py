"""The socket: one request on each connection, one thread for each, known by SO_PEERCRED."""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from core.helper.verbs import Desk

MAX_REQUEST_BYTES = 4096
PATIENCE_S = 10.0
"""For a client to say what it wants."""

CLIENTS = 16
"""At once. More are turned away: the core asks one or two things at a time."""

ALIVE_EVERY_S = 20.0
"""A third of the watchdog of dialtone-helper.service."""

STUCK_S = 120.0
"""Longer than any verb may take (ppp_start 60 s, wg_restart 30 s): then the watchdog is no longer told that all is
well, and systemd begins anew. What was changed is on the state file."""

NAME = "dialtone-helper"


class Server:
    """Until SIGTERM, SIGINT or SIGHUP; then everything is undone. uid: who may ask, beside root."""

    def __init__(self, desk: Desk, path: Path, uid: int) -> None:
        self._desk, self._path, self._uid = desk, path, uid
        self._begun: dict[threading.Thread, float] = {}

    def run(self) -> None:
        """OSError when the socket can't be made."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        ended, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _only_wake)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            self._listen(server)
            self._accept(server, ended)
        tell_systemd(b"STOPPING=1")
        undone, _ = self._desk.undo()
        self._path.unlink(missing_ok=True)
        say(f"ends; undone: {', '.join(undone) or 'nothing'}")

    def _listen(self, server: socket.socket) -> None:
        """The socket belongs to the user that may ask, and nobody else can connect."""
        old = os.umask(0o177)
        try:
            server.bind(str(self._path))
        finally:
            os.umask(old)
        os.chown(self._path, self._uid, -1)
        server.listen(4 * CLIENTS)  # those that are turned away are told so at once
        server.setblocking(False)
        say(f"serving {self._path} for uid {self._uid}")
        tell_systemd(b"READY=1")

    def _accept(self, server: socket.socket, ended: int) -> None:
        while True:
            if not self._stuck():
                tell_systemd(b"WATCHDOG=1")
            ready, _, _ = select.select([server.fileno(), ended], [], [], ALIVE_EVERY_S)
            if ended in ready:
                return
            if server.fileno() not in ready:
                continue
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                self._begin(server.accept()[0])

    def _begin(self, client: socket.socket) -> None:
        if len(self._begun) >= CLIENTS:
            client.close()
            return
        thread = threading.Thread(target=self._serve, args=(client,), name="helper.client", daemon=True)
        self._begun[thread] = time.monotonic()
        try:
            thread.start()
        except RuntimeError:  # no more threads: this client is turned away, the helper stays
            del self._begun[thread]
            client.close()

    def _stuck(self) -> bool:
        now = time.monotonic()
        return any(now - begun > STUCK_S for begun in list(self._begun.values()))

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                self._converse(client)
        except OSError:
            pass  # it left, or said nothing in time
        finally:
            self._begun.pop(threading.current_thread(), None)

    def _converse(self, client: socket.socket) -> None:
        line = read_line(client)  # read first: who is sent away while still speaking would not hear why
        reply: dict[str, object]
        if _peer_uid(client) not in (0, self._uid):
            reply = {"error": "you are not the user that may ask", "trouble": "not_allowed"}
        elif not line.endswith(b"\n"):
            reply = {"error": "a request is one line", "trouble": "bad_request"}
        else:
            shown, reply = self._desk.answer(line)
            if shown is not None:
                say(f"{shown}: {json.dumps(reply)[:300]}")
        client.settimeout(PATIENCE_S)
        client.sendall(json.dumps(reply).encode() + b"\n")


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more; what was asked for is done all the same
        print(f"{NAME}: {text}", file=sys.stderr, flush=True)


def tell_systemd(message: bytes) -> None:
    """sd_notify(3), where systemd started this; otherwise nothing."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, contextlib.suppress(OSError):
        manager.settimeout(1.0)
        manager.sendto(message, os.fsencode(place.replace("@", "\0", 1) if place[0] == "@" else place))


def _only_wake(number: int, frame: object) -> None:
    """The pipe of set_wakeup_fd has it; nothing is done between two instructions of something else."""


def _peer_uid(client: socket.socket) -> int:
    _, uid, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


def read_line(client: socket.socket) -> bytes:
    """TimeoutError when it takes longer than PATIENCE_S, in however many pieces."""
    data, end = b"", time.monotonic() + PATIENCE_S
    while not data.endswith(b"\n") and len(data) < MAX_REQUEST_BYTES:
        client.settimeout(max(end - time.monotonic(), 0.001))
        piece = client.recv(MAX_REQUEST_BYTES - len(data))
        if not piece:
            break
        data += piece
    return data
