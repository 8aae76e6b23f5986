#!/usr/bin/env python3
"""Sends the caller's voice through a program and back: its stdin is what the caller says, its stdout what they hear.

Raw 16-bit little-endian samples, mono, 8 kHz. With `cat` the caller hears an echo.
"""

import os
import socket
import subprocess
import sys
import threading

import dialtone


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: through.py COMMAND [ARGUMENT …]", file=sys.stderr)
        return 2
    which = {"call_id": os.environ["CALL"]} if os.environ.get("CALL") else {}
    try:
        # What the program makes faster than the line takes it would only be an ever longer delay: it is dropped.
        info = dialtone.request_with("call.attach", {"role": "talker", "rate_hz": 8000, "when_full": "drop"} | which)
    except dialtone.DialtoneError as problem:
        print(f"through: {problem}", file=sys.stderr)
        return 1
    with socket.socket(socket.AF_UNIX) as voice:
        voice.connect(info["path"])
        with subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as program:
            back = threading.Thread(target=give_back, args=(program, voice), daemon=True)
            back.start()
            hear(voice, program)
            back.join(2.0)
    return 0


def hear(voice: socket.socket, program: "subprocess.Popen[bytes]") -> None:
    """The caller to the program, until the call is over or the program ends."""
    assert program.stdin is not None
    try:
        while data := voice.recv(4096):
            program.stdin.write(data)
    except (BrokenPipeError, ConnectionError):
        pass
    finally:
        program.stdin.close()


def give_back(program: "subprocess.Popen[bytes]", voice: socket.socket) -> None:
    """The program to the caller."""
    assert program.stdout is not None
    try:
        while data := program.stdout.read(320):
            voice.sendall(data)
    except (BrokenPipeError, ConnectionError):
        pass


if __name__ == "__main__":
    sys.exit(main())
