"""One TCP connection that says something every 20 ms and hears it again: how long it stood still, and that it lived.

`python -m tests.net.stream server ADDRESS PORT` echoes; `client ADDRESS PORT` talks until SIGTERM, then prints one line
of JSON. Both run inside a network namespace.
"""

import json
import selectors
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass

EVERY_S = 0.02
BEAT = b"tick-%010d\n"
BEAT_BYTES = len(BEAT % 0)


@dataclass
class Stream:
    """said, heard: beats. longest_pause_s: between two that came back. error: why it ended before it was told to."""

    said: int = 0
    heard: int = 0
    longest_pause_s: float = 0.0
    lasted_s: float = 0.0
    error: str | None = None


def serve(address: str, port: int) -> None:
    """Any number of connections after each other, for ever."""
    with socket.create_server((address, port)) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                try:
                    while data := client.recv(4096):
                        client.sendall(data)
                except OSError:
                    continue


def talk(address: str, port: int) -> Stream:
    """Until SIGTERM, or until the connection breaks. SIGUSR1: the pause so far is printed, and forgotten."""
    ended: list[int] = []
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    signal.signal(signal.SIGUSR1, lambda number, _: asked.append(number))
    found = Stream()
    with socket.create_connection((address, port), 10) as connection, selectors.DefaultSelector() as reading:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        reading.register(connection, selectors.EVENT_READ)
        print("connected", flush=True)
        began = last = time.monotonic()
        buffered = 0
        while not ended:
            if asked:
                asked.clear()
                print(json.dumps(asdict(found)), flush=True)
                found.longest_pause_s = 0.0
            try:
                connection.send(BEAT % found.said)
                found.said += 1
            except BlockingIOError:
                pass  # nothing is acknowledged: the buffer is full
            except OSError as problem:
                found.error = problem.strerror
                break
            for _ in reading.select(EVERY_S):
                try:
                    data = connection.recv(65536)
                except OSError as problem:
                    found.error = problem.strerror
                    break
                if not data:
                    found.error = "closed by the other end"
                    break
                buffered += len(data)
                now = time.monotonic()
                found.longest_pause_s, last = max(found.longest_pause_s, now - last), now
            if found.error is not None:
                break
            found.heard = buffered // BEAT_BYTES
            time.sleep(EVERY_S)
        found.longest_pause_s = max(found.longest_pause_s, time.monotonic() - last)
        found.lasted_s = time.monotonic() - began
    return found


def main(words: list[str]) -> int:
    role, address, port = words
    if role == "server":
        serve(address, int(port))
    found = talk(address, int(port))
    print(json.dumps(asdict(found)), flush=True)
    return 1 if found.error else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
