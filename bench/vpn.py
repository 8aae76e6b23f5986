"""The VPN when the traffic goes another way: how soon the VPS reaches a silent station again.

A tunnel, dialtone-helper and the keeper in a small internet of network namespaces (tests/net); needs root. The VPS
sends a datagram every 2 ms; the old way is cut, the route is moved, the keeper is told; measured is the first datagram.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.figures import Figure, percentile
from tests.net.kept_vpn import KeptVpn, connection, kept_vpn
from tests.net.netns import why_not
from tests.net.wireguard_rig import FAR, NEAR, in_kernel, why_no_wireguard

EVERY_S = 0.002
PORT = 7070
GONE_AFTER_S = 0.5
AS_SHIPPED = {"every_s": 30.0, "ping_timeout_s": 5.0, "fail_count": 3}


async def run(quick: bool) -> list[Figure]:
    reason = why_not() or why_no_wireguard()
    if reason is not None:
        return [Figure("VPN roaming", 0, "(not measured)", detail={"why": reason})]
    times = 5 if quick else 20
    over, back = await _roaming(times, told=True)
    figures = [
        _spread("the VPS reaches a silent station again: to the backup", over),
        _spread("the VPS reaches a silent station again: to the main link", back),
        *(await _pauses(times)),
    ]
    if not quick:
        over, back = await _roaming(1, told=False)
        figures.append(Figure("the same by keepalive (25 s) alone", max(over + back), "s", detail={"n": 2}))
    return figures


async def _roaming(times: int, *, told: bool) -> tuple[list[float], list[float]]:
    """Seconds from the moved route to the first datagram: to the backup, and back."""
    over, back = [], []
    async with kept_vpn(config=AS_SHIPPED) as kept:
        await kept.wait("up")
        with _datagrams(kept) as heard_at:
            for _ in range(times):
                kept.net.mend_carrier_side()
                kept.net.cut_main()
                over.append(await _moved(kept, True, heard_at, told))
                kept.net.mend_main()
                kept.net.cut_carrier_side()
                back.append(await _moved(kept, False, heard_at, told))
    return over, back


async def _moved(kept: KeptVpn, to_backup: bool, heard_at: list[float], told: bool) -> float:
    await asyncio.sleep(0.3)  # what was on its way has arrived
    await asyncio.to_thread(kept.net.backup_route, to_backup)
    heard_at.clear()
    began = time.monotonic()
    if told:
        kept.say("roamed bench")
    async with asyncio.timeout(40):
        while not heard_at:  # noqa: ASYNC110 - another thread hears it
            await asyncio.sleep(0.001)
    first = heard_at[0]
    await asyncio.sleep(0.3)
    return first - began


@contextmanager
def _datagrams(kept: KeptVpn) -> Iterator[list[float]]:
    """From the VPS to the host; monotonic times at which they came."""
    heard_at: list[float] = []
    over = threading.Event()
    with kept.net.internet.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with kept.net.host.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, receiver:
        sender.bind((FAR, 0))
        receiver.bind((NEAR, PORT))
        receiver.settimeout(0.2)

        def send() -> None:
            while not over.wait(EVERY_S):
                sender.sendto(b"x", (NEAR, PORT))

        def receive() -> None:
            while not over.is_set():
                try:
                    receiver.recv(10)
                except TimeoutError:
                    continue
                heard_at.append(time.monotonic())

        threads = [threading.Thread(target=send, daemon=True), threading.Thread(target=receive, daemon=True)]
        for thread in threads:
            thread.start()
        try:
            yield heard_at
        finally:
            over.set()
            for thread in threads:
                thread.join(5)


async def _pauses(times: int) -> list[Figure]:
    """Of a TCP connection that is being used, both links alive."""
    over: list[float] = []
    back: list[float] = []
    gone: list[float] = []
    async with kept_vpn(config=AS_SHIPPED) as kept:
        await kept.wait("up")
        async with connection(kept.net, from_vps=True) as talking:
            await talking.goes_on()
            for _ in range(times):
                for to_backup, pauses in ((True, over), (False, back)):
                    await talking.since()
                    await asyncio.to_thread(kept.net.backup_route, to_backup)
                    kept.say("roamed bench")
                    pauses.append(await talking.goes_on())
            for _ in range(times // 4):
                kept.net.backup_route(True)
                kept.say("roamed bench")
                await talking.goes_on()
                kept.net.backup_route(False)
                kept.say("roamed bench")
                await asyncio.sleep(GONE_AFTER_S)
                kept.net.host.ip("addr del 10.64.0.2/30 dev wwan0", "link set wwan0 down")
                gone.append(await talking.goes_on(60))
                kept.net.host.ip("link set wwan0 up", "addr add 10.64.0.2/30 dev wwan0")
            found = await talking.end()
    lost = 0 if found["error"] is None else 1
    return [
        _spread("TCP in the tunnel, longest pause: to the backup, both links alive", over),
        _spread("TCP in the tunnel, longest pause: to the main link, both links alive", back),
        _spread("TCP in the tunnel, longest pause: to the main link, wwan0 is gone 0.5 s later", gone),
        Figure("TCP in the tunnel: connections lost", lost, "", "0", lost == 0, {"moves": 2 * times + len(gone)}),
    ]


def _spread(name: str, values: list[float]) -> Figure:
    detail: dict[str, float | int | str | bool | None] = {
        "worst": round(max(values) * 1000, 1), "n": len(values), "by": "kernel" if in_kernel() else "wireguard-go"
    }  # fmt: skip
    return Figure(name, percentile(values, 50) * 1000, "ms p50", detail=detail)
