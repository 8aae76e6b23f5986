"""A modem that speaks QMI on a pty, so that the real qmicli can be used against it: at the byte boundary.

QMUX framing and messages as libqmi's data files have them (qmi-service-ctl, -wds, -wda): services 0 CTL, 1 WDS, 0x1a
WDA; a message's first TLV of type 2 is its result.
"""

import contextlib
import os
import pty
import select
import socket
import struct
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CTL, WDS, WDA = 0x00, 0x01, 0x1A
PROXY_OPEN = 0xFF00
"""Of CTL; what libqmi says to qmi-proxy first, with the device's path."""

END_REASONS = {"apn": (6, 27), "login": (6, 29), "no_network": (3, 2001), "in_use": (2, 241)}
"""Why a network doesn't start: type and reason of QmiWdsVerboseCallEndReason."""

CALL_FAILED, IDS_EXHAUSTED, INVALID_CLIENT, INVALID_HANDLE, INVALID_ARGUMENT, UNAVAILABLE = 14, 5, 7, 9, 48, 74


@dataclass
class QmiOrders:
    """What goes wrong. start: a key of END_REASONS; in_use and no_ids last until the next sync. mute: messages without
    an answer, as (service, message)."""

    start: str | None = None
    no_ids: bool = False
    protocol: str = "802-3"
    keeps_protocol: bool = False
    settings: tuple[str, str, str, str] | None = ("10.64.0.2", "255.255.255.252", "10.64.0.1", "10.64.0.1")
    mtu: int = 1430
    mute: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class QmiModem:
    """What it has given out. started: APN, user, password, authentication and IP family of each network asked for."""

    orders: QmiOrders = field(default_factory=QmiOrders)
    clients: set[int] = field(default_factory=set)
    networks: dict[int, int] = field(default_factory=dict)
    started: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    syncs: int = 0
    _next_client: int = 19
    _next_handle: int = 3767194111

    def answer(self, service: int, client: int, message: int, tlvs: dict[int, bytes]) -> bytes | None:
        if (service, message) in self.orders.mute:
            return None
        if service == CTL:
            return self._ctl(message, tlvs)
        if service == WDA:
            return self._wda(message, tlvs)
        return self._wds(client, message, tlvs) if client in self.clients else _result(INVALID_CLIENT)

    def restart(self) -> None:
        self.clients.clear()
        self.networks.clear()
        self.orders.protocol = "802-3"

    def _ctl(self, message: int, tlvs: dict[int, bytes]) -> bytes:
        match message:
            case 0x22:
                return self._give_client(tlvs[1][0])
            case 0x23:
                service, client = tlvs[1]
                if service == WDS:
                    self.clients.discard(client)
                    self.networks.pop(client, None)
                return _result() + _tlv(1, tlvs[1])
            case 0x27:
                self.syncs += 1
                self.clients.clear()
                self.networks.clear()
                self.orders.no_ids = False
                self.orders.start = None if self.orders.start == "in_use" else self.orders.start
        return _result()

    def _give_client(self, service: int) -> bytes:
        if service != WDS:
            return _result() + _tlv(1, bytes((service, 3)))
        if self.orders.no_ids:
            return _result(IDS_EXHAUSTED)
        self._next_client += 1
        self.clients.add(self._next_client)
        return _result() + _tlv(1, bytes((service, self._next_client)))

    def _wda(self, message: int, tlvs: dict[int, bytes]) -> bytes:
        if message == 0x20:
            if self.orders.keeps_protocol:
                return _result(INVALID_ARGUMENT)
            self.orders.protocol = "raw-ip" if tlvs[0x11] == struct.pack("<I", 2) else "802-3"
        protocol = _tlv(0x11, struct.pack("<I", 2 if self.orders.protocol == "raw-ip" else 1))
        off = struct.pack("<I", 0)
        return _result() + _tlv(0x10, b"\0") + protocol + _tlv(0x12, off) + _tlv(0x13, off)

    def _wds(self, client: int, message: int, tlvs: dict[int, bytes]) -> bytes:
        match message:
            case 0x20:
                return self._start(client, tlvs)
            case 0x21:
                if self.networks.get(client) != struct.unpack("<I", tlvs[1])[0]:
                    return _result(INVALID_HANDLE)
                del self.networks[client]
                return _result()
            case 0x22:
                return _result() + _tlv(1, b"\2" if client in self.networks else b"\1")
            case 0x2D:
                return self._settings(client)
        return _result(71)

    def _start(self, client: int, tlvs: dict[int, bytes]) -> bytes:
        texts = [tlvs.get(kind, b"").decode() for kind in (0x14, 0x17, 0x18)]
        self.started.append((texts[0], texts[1], texts[2], tlvs.get(0x16, b"\0")[0], tlvs.get(0x19, b"\0")[0]))
        if self.orders.start is not None:
            reason = struct.pack("<HH", *END_REASONS[self.orders.start])
            return _result(CALL_FAILED) + _tlv(0x10, struct.pack("<H", 1)) + _tlv(0x11, reason)
        self._next_handle += 1
        self.networks[client] = self._next_handle
        return _result() + _tlv(1, struct.pack("<I", self._next_handle))

    def _settings(self, client: int) -> bytes:
        if client not in self.networks or self.orders.settings is None:
            return _result(UNAVAILABLE)
        address, mask, gateway, dns = map(_address, self.orders.settings)
        found = _result() + _tlv(0x1E, address) + _tlv(0x20, gateway) + _tlv(0x21, mask) + _tlv(0x15, dns)
        return found + _tlv(0x29, struct.pack("<I", self.orders.mtu)) + _tlv(0x2B, b"\4")


@contextmanager
def qmi_pty(modem: QmiModem, link: Path) -> Iterator[None]:
    """The modem, reachable by qmicli at `link` (without --device-open-proxy)."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.ttyname(slave))
    wake, stop = os.pipe()
    thread = threading.Thread(target=_serve, args=(modem, master, wake), name="qmi modem")
    thread.start()
    try:
        yield
    finally:
        os.write(stop, b".")
        thread.join(10)
        link.unlink()
        for descriptor in (master, slave, wake, stop):
            os.close(descriptor)


@contextmanager
def qmi_proxy(modem: QmiModem) -> Iterator[list[str]]:
    """The modem, reachable through --device-open-proxy: qmi-proxy's own socket, in this network namespace alone. Gives
    the devices that were asked for."""
    asked: list[str] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0qmi-proxy")
    server.listen()

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                client, _ = server.accept()
                with client:
                    _converse(modem, client, asked)

    thread = threading.Thread(target=accept, name="qmi proxy")
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def _converse(modem: QmiModem, client: socket.socket, asked: list[str]) -> None:
    data = b""
    while piece := client.recv(4096):
        frames, data = _frames(data + piece)
        for frame in frames:
            if frame[4] == CTL and struct.unpack_from("<H", frame, 8)[0] == PROXY_OPEN:
                asked.append(_tlvs(frame[12:])[1].decode())
            if (reply := _reply(modem, frame)) is not None:
                client.sendall(reply)


def _serve(modem: QmiModem, master: int, wake: int) -> None:
    data = b""
    while True:
        ready, _, _ = select.select([master, wake], [], [])
        if wake in ready:
            return
        frames, data = _frames(data + os.read(master, 4096))
        for frame in frames:
            if (reply := _reply(modem, frame)) is not None:
                os.write(master, reply)


def _frames(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames, and the begin of the next one."""
    found = []
    while len(data) >= 3 and len(data) > (length := struct.unpack_from("<H", data, 1)[0]):
        found.append(data[: length + 1])
        data = data[length + 1 :]
    return found, data


def _reply(modem: QmiModem, frame: bytes) -> bytes | None:
    service, client = frame[4], frame[5]
    form = "<BBHH" if service == CTL else "<BHHH"
    _, transaction, message, _ = struct.unpack_from(form, frame, 6)
    answer = modem.answer(service, client, message, _tlvs(frame[6 + struct.calcsize(form) :]))
    if answer is None:
        return None
    body = struct.pack(form, 1 if service == CTL else 2, transaction, message, len(answer)) + answer
    return struct.pack("<BHBBB", 1, len(body) + 5, 0x80, service, client) + body


def _tlvs(body: bytes) -> dict[int, bytes]:
    found = {}
    while body:
        kind, length = struct.unpack_from("<BH", body)
        found[kind], body = body[3 : 3 + length], body[3 + length :]
    return found


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("<BH", kind, len(value)) + value


def _result(error: int = 0) -> bytes:
    return _tlv(2, struct.pack("<HH", int(error != 0), error))


def _address(text: str) -> bytes:
    return bytes(reversed([int(part) for part in text.split(".")]))
