"""Sees from outside when the backup's interface has its address and when the first packet comes through the carrier."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

from tests.net.namespaces import VPS, Network

PORT = 9009
EVERY_S = 0.004
CARRIER_SIDE = "198.51.100.6"
"""As which the VPS sees what comes by the carrier."""
_RTMGRP_IPV4_IFADDR = 0x10
_RTM_NEWADDR = 20
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")


class Eyes:
    """Three threads: one sends datagrams by whatever way the kernel has, one waits for them at the VPS, one hears of
    addresses by netlink. Times are monotonic."""

    def __init__(self, net: Network) -> None:
        self._net = net
        self._stop = Event()
        self._up_s: float | None = None
        self._arrived_s: float | None = None
        self._threads: list[Thread] = []

    def forget(self) -> None:
        self._up_s = self._arrived_s = None

    async def carried(self, timeout_s: float = 20.0) -> tuple[float, float]:
        """(when wwan0 got its address, when the first packet after that came through the carrier)."""
        async with asyncio.timeout(timeout_s):
            while self._up_s is None or self._arrived_s is None:  # noqa: ASYNC110 - threads tell
                await asyncio.sleep(0.01)
            return self._up_s, self._arrived_s

    def __enter__(self) -> Self:
        with self._net.host.inside():
            self._begin(self._send)
            self._begin(self._hear)
        with self._net.internet.inside():
            self._begin(self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)

    def _begin(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        thread.start()  # it belongs to the namespace that this one is in
        self._threads.append(thread)

    def _send(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self._stop.wait(EVERY_S):
                try:
                    sock.sendto(b"here", (VPS, PORT))
                except OSError:
                    continue  # no way out for the moment

    def _receive(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((VPS, PORT))
            sock.settimeout(0.2)
            while not self._stop.is_set():
                try:
                    _, (sender, _) = sock.recvfrom(64)
                except TimeoutError:
                    continue
                if sender == CARRIER_SIDE and self._up_s is not None and self._arrived_s is None:
                    self._arrived_s = time.monotonic()

    def _hear(self) -> None:
        wwan0 = socket.if_nametoindex("wwan0")
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.bind((0, _RTMGRP_IPV4_IFADDR))
            sock.settimeout(0.2)
            while not self._stop.is_set():
                try:
                    data = sock.recv(65536)
                except TimeoutError:
                    continue
                kind = _HEADER.unpack_from(data)[1]
                if kind == _RTM_NEWADDR and _ADDRESS.unpack_from(data, _HEADER.size)[4] == wwan0:
                    self._up_s = time.monotonic()
