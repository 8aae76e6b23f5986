"""dialtone-helper: the few things that need root, as a closed list of verbs on a socket of its own.

It runs as root and imports nothing of the rest. A request is one line of JSON, {"verb": "usb_reset", "path": "1-1.4"};
the answer one line, {"ok": true} or {"error": "…"}. Whoever asks is known by SO_PEERCRED: root and the one user named.
"""

import argparse
import contextlib
import json
import os
import pwd
import re
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

SOCKET = "/run/dialtone/helper.sock"
MAX_REQUEST_BYTES = 4096
PATIENCE_S = 10.0
"""For a client to say what it wants. One at a time: resets are seconds, and minutes apart."""

OFF_S, ON_S = 3.0, 1.0
"""How long the device stays off, and how long the kernel then has to begin (the old station waited 3 and 5 s)."""

ALIVE_EVERY_S = 20.0
"""A third of the watchdog of dialtone-helper.service; a request takes at most PATIENCE_S and a reset."""

MODEM_VENDORS = frozenset({"1e0e", "2c7c"})
"""SIMCom and Quectel: nothing else on the bus is ever touched."""

_USB_PATH = re.compile(r"[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}")


class Refused(Exception):
    """A request that is not carried out; the text goes to whoever asked."""


def usb_reset(request: dict[str, Any], root: Path, *, off_s: float = OFF_S, on_s: float = ON_S) -> None:
    """Takes a modem off the bus and back: sysfs `authorized` 0, then 1 (Linux: Documentation/usb/authorization.rst)."""
    path = request.get("path")
    if set(request) != {"verb", "path"} or not isinstance(path, str) or not _USB_PATH.fullmatch(path):
        raise Refused("usb_reset takes path, like 1-1.4")
    device = root / "sys/bus/usb/devices" / path
    try:
        vendor = (device / "idVendor").read_text().strip()
    except OSError:
        raise Refused("there is no such USB device") from None
    if vendor not in MODEM_VENDORS:
        raise Refused("that USB device is no modem")
    authorized = device / "authorized"
    try:
        _set(authorized, b"0")
        time.sleep(off_s)
    except OSError as problem:
        raise Refused(f"the kernel refused: {problem.strerror}") from None
    finally:  # a device must not stay off because something went wrong in between
        try:
            _set(authorized, b"1")
        except OSError as problem:
            raise Refused(f"the kernel refused: {problem.strerror}") from None
    time.sleep(on_s)


VERBS = {"usb_reset": usb_reset}


def answer(line: bytes, root: Path) -> dict[str, Any]:
    """What a request gives; never raises."""
    try:
        request = json.loads(line)
        verb = VERBS.get(request["verb"]) if isinstance(request, dict) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return {"error": "a request is one JSON object with a verb"}
    if verb is None:
        return {"error": f"the verbs are: {', '.join(sorted(VERBS))}"}
    try:
        verb(request, root)
    except Refused as refused:
        return {"error": str(refused)}
    return {"ok": True}


def serve(path: Path, uid: int, root: Path) -> None:
    """Until it is killed. The socket belongs to the user that may ask, and nobody else can connect."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        old = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(old)
        os.chown(path, uid, -1)
        server.listen(4)
        print(f"dialtone-helper: serving {path} for uid {uid}", file=sys.stderr, flush=True)
        server.settimeout(ALIVE_EVERY_S)
        _tell_systemd(b"READY=1")
        while True:
            _tell_systemd(b"WATCHDOG=1")
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            with client:
                _serve_one(client, uid, root)


def _tell_systemd(message: bytes) -> None:
    """sd_notify(3), where systemd started this; otherwise nothing."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, contextlib.suppress(OSError):
        manager.settimeout(1.0)
        manager.sendto(message, os.fsencode(place.replace("@", "\0", 1) if place[0] == "@" else place))


def _serve_one(client: socket.socket, uid: int, root: Path) -> None:
    client.settimeout(PATIENCE_S)
    try:
        _, asks, _ = struct.unpack(
            "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )
        if asks not in (0, uid):
            reply: dict[str, Any] = {"error": "you are not the user that may ask"}
        else:
            line = _line(client)
            reply = answer(line, root) if line.endswith(b"\n") else {"error": "a request is one line"}
            print(f"dialtone-helper: {line[:200]!r}: {reply}", file=sys.stderr, flush=True)
        client.sendall(json.dumps(reply).encode() + b"\n")
    except OSError:
        return  # it left, or said nothing in time; the next one is served


def _line(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < MAX_REQUEST_BYTES:
        piece = client.recv(MAX_REQUEST_BYTES - len(data))
        if not piece:
            break
        data += piece
    return data


def _set(file: Path, value: bytes) -> None:
    """Without O_CREAT: only what the kernel has made is written."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, value)
    finally:
        os.close(descriptor)


class HelperCommand:
    help = "the small root process that resets USB devices for the core"
    description = "Runs as root; serves the user of the core on a socket of its own. Verbs: usb_reset."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--for-user", required=True, metavar="USER", help="who may ask: the user of dialtone core")
        parser.add_argument("--listen", type=Path, default=Path(SOCKET), metavar="PATH")
        parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)

    def run(self, args: argparse.Namespace) -> int:
        name = args.for_user
        try:
            uid = int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
        except KeyError:
            print(f"dialtone helper: there is no user {name!r}", file=sys.stderr)
            return 2
        try:
            serve(args.listen, uid, args.root)
        except OSError as problem:
            print(f"dialtone helper: {args.listen}: {problem.strerror}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        return 0


COMMAND = HelperCommand()
