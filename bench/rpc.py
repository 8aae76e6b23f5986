"""Round trip of a request with 8 clients, and how far apart 50 clients get the same event.

The server is a process of its own; the clients are plain sockets in this one, so that what is measured is the server
and two trips through the kernel. The figures with a call up are taken on a whole station: emulator, core, a caller who
talks. Flat out (every client asks again at once, so seven requests are always ahead of one's own) has no target.
"""

import asyncio
import json
import random
import select
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from bench.figures import Figure, percentile
from tests.station import Station, station

CLIENTS = 8
FAN_OUT = 50
PACE_S = 0.02
"""Between two requests of one client, on average: 400 requests a second in all, far more than any bot needs."""

P50_MS, P99_MS, FAN_OUT_MS = 1.0, 5.0, 10.0
HELLO = {"name": "bench", "version": "1"}
LONG = "We are open from nine until five, and on Saturdays from ten until two, but never on public holidays. "


async def run(quick: bool) -> list[Figure]:
    seconds, rounds = (2.0, 20) if quick else (8.0, 200)
    figures = []
    async with _server() as path:
        paced = await asyncio.to_thread(_round_trips, path, "client.hello", HELLO, seconds, PACE_S)
        figures += _spread("round trip, 8 clients, no call", paced)
        flat_out = await asyncio.to_thread(_round_trips, path, "client.hello", HELLO, seconds, 0.0)
        rate = len(flat_out) / seconds
        detail: dict[str, float | int | str | bool | None] = {
            "p50_ms": round(percentile(flat_out, 50), 3),
            "p99_ms": round(percentile(flat_out, 99), 3),
        }
        figures.append(Figure("requests answered, 8 clients flat out", round(rate), "1/s", detail=detail))
        figures.append(_fan_out_figure(await asyncio.to_thread(_fan_out, path, rounds)))
    async with station() as made:
        figures += _spread("round trip, 8 clients, a call up", await _with_a_call(made, seconds))
    return figures


def _spread(name: str, samples_ms: list[float]) -> list[Figure]:
    found = []
    for percent, target_ms in ((50, P50_MS), (99, P99_MS)):
        value = round(percentile(samples_ms, percent), 3)
        found.append(
            Figure(f"{name}: p{percent}", value, "ms", f"<= {target_ms:g}", value <= target_ms, {"n": len(samples_ms)})
        )
    return found


def _fan_out_figure(samples_ms: list[float]) -> Figure:
    worst = round(percentile(samples_ms, 99), 2)
    detail: dict[str, float | int | str | bool | None] = {
        "p50_ms": round(percentile(samples_ms, 50), 2),
        "max_ms": round(max(samples_ms), 2),
        "n": len(samples_ms),
    }
    name = f"event to {FAN_OUT} clients: last after the first, p99"
    return Figure(name, worst, "ms", f"<= {FAN_OUT_MS:g}", worst <= FAN_OUT_MS, detail)


async def _with_a_call(made: Station, seconds: float) -> list[float]:
    async with made.phone("*") as (phone, watch):
        await made.ready(phone, made.lines[0])
        await made.control("call.incoming", number="+447700900123", ring_s=0.3)
        await watch.wait("call.connected")
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(made.control("far.say", text=LONG * 4, wait=True))
            samples = await asyncio.to_thread(_round_trips, str(made.socket), "call.status", {}, seconds, PACE_S)
            talking.cancel()
        return samples


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.rpc_server",
            folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert process.stdin is not None and process.stdout is not None
        async with asyncio.timeout(30):
            await process.stdout.readline()
        try:
            yield f"{folder}/core.sock"
        finally:
            process.stdin.close()
            async with asyncio.timeout(30):
                await process.wait()


def _connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock


def _request(method: str, params: Mapping[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"


def _round_trips(path: str, method: str, params: Mapping[str, object], seconds: float, pace_s: float) -> list[float]:
    """Milliseconds of each request of CLIENTS clients on one thread. The order of the clients is left to chance: on
    Linux the position of a connection alone makes a difference of up to two (spikes)."""
    request = _request(method, params)
    quiet = _request("events.unsubscribe", {})
    samples: list[float] = []
    with ExitStack() as stack:
        socks = [stack.enter_context(_connect(path)) for _ in range(CLIENTS)]
        random.shuffle(socks)
        poller = select.epoll()
        stack.callback(poller.close)
        for sock in socks:
            sock.sendall(quiet)
            _line(sock)
            poller.register(sock, select.EPOLLIN)
        by_fd = {sock.fileno(): sock for sock in socks}
        due = {sock.fileno(): time.perf_counter() + random.random() * pace_s for sock in socks}
        asked: dict[int, float] = {}
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            for fd in [fd for fd, at in due.items() if at <= now]:
                del due[fd]
                asked[fd] = time.perf_counter()
                by_fd[fd].sendall(request)
            wait_s = max(0.0, min(due.values(), default=now + 0.1) - time.perf_counter())
            for fd, _ in poller.poll(wait_s):
                _line(by_fd[fd])
                answered = time.perf_counter()
                samples.append((answered - asked.pop(fd)) * 1000)
                due[fd] = answered + random.uniform(0.5, 1.5) * pace_s
    return samples


def _line(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    while data and not data.endswith(b"\n"):
        data += sock.recv(65536)
    if not data:
        raise ConnectionError("the server has closed")
    return data


def _fan_out(path: str, rounds: int) -> list[float]:
    """For each fact: milliseconds between the first of FAN_OUT clients that could read it and the last."""
    samples: list[float] = []
    with ExitStack() as stack:
        socks = [stack.enter_context(_connect(path)) for _ in range(FAN_OUT)]
        teller = stack.enter_context(_connect(path))
        poller = select.epoll()
        stack.callback(poller.close)
        for sock in socks:
            sock.sendall(_request("events.subscribe", {"topics": ["call.speech"]}))
            _line(sock)
            poller.register(sock, select.EPOLLIN)
        by_fd = {sock.fileno(): sock for sock in socks}
        teller.sendall(_request("events.unsubscribe", {}))
        _line(teller)
        for number in range(rounds):
            teller.sendall(_request("bench.speech", {"turn": number + 1}))
            arrived: dict[int, float] = {}
            while len(arrived) < FAN_OUT:
                ready = poller.poll(10)
                if not ready:
                    raise TimeoutError(f"{FAN_OUT - len(arrived)} clients never got the event")
                for fd, _ in ready:
                    _line(by_fd[fd])
                    arrived[fd] = time.perf_counter()
            samples.append((max(arrived.values()) - min(arrived.values())) * 1000)
            _line(teller)
            time.sleep(0.005)
    return samples
