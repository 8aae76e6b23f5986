"""The few servers of a test's internet: web pages, name server, portal. Threads of the test's process whose sockets
were opened inside a namespace; what they answer is changed by plain attributes."""

import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

_A = 1
_IN = 1


class WebServer(ThreadingHTTPServer):
    """/generate_204 has 204, everything else `status` and a page; with portal=True each address has `status`.

    seen: path and Host of each request, in order.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, *, portal: bool = False, login: str = "/login") -> None:
        self.portal = portal
        self.status = 302 if portal else 200
        self.login = login
        self.seen: list[tuple[str, str]] = []
        super().__init__(("0.0.0.0", port), _Pages)
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news here."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class _Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebServer
    timeout = 8.0
    """Of a connection whose client's last packet was lost: the network of a test loses some."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Host", "")))
        if self.path == "/generate_204" and not self.server.portal:
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = b"<html><body>Welcome, please log in.</body></html>"
        self.send_response(self.server.status)
        if 300 <= self.server.status < 400:
            self.send_header("Location", self.server.login)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `seen` instead."""


class NameServer:
    """Answers A over UDP from `names` (name without a last dot, lower case → addresses); other names have NXDOMAIN.

    rcode: when not 0, every answer has it (2 is SERVFAIL). seen: the names asked for, in order.
    """

    def __init__(self, addresses: tuple[str, ...], names: dict[str, tuple[str, ...]]) -> None:
        self.names = names
        self.rcode = 0
        self.seen: list[str] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        for address in addresses:
            # One socket an address: a socket for all of them would answer from the wrong one.
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets.append(sock)
            sock.bind((address, 53))
            sock.settimeout(0.1)
            self._threads.append(Thread(target=self._serve, args=(sock,), daemon=True))
        self._running = True
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._running = False
        for thread in self._threads:
            thread.join(5)
        for sock in self._sockets:
            sock.close()

    def _serve(self, sock: socket.socket) -> None:
        while self._running:
            try:
                question, sender = sock.recvfrom(4096)
            except OSError:
                continue
            if (answer := self._answer(question)) is not None:
                try:
                    sock.sendto(answer, sender)
                except OSError:
                    continue

    def _answer(self, message: bytes) -> bytes | None:
        """RFC 1035 §4.1; one question, no name compression in it. None for what is no question."""
        if len(message) < 17 or message[2] & 0x80:
            return None
        labels, at = [], 12
        while at < len(message) and (size := message[at]):
            labels.append(message[at + 1 : at + 1 + size].decode("ascii", "replace"))
            at += size + 1
        end = at + 5
        name = ".".join(labels).lower()
        self.seen.append(name)
        kind, klass = struct.unpack("!HH", message[at + 1 : end])
        addresses = self.names.get(name)
        rcode = self.rcode or (3 if addresses is None else 0)
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, _A, _IN, 1, 4) + socket.inet_aton(address)
            for address in (addresses or ())
            if kind == _A and klass == _IN and not rcode
        )
        head = message[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(records) // 16, 0, 0)
        return head + message[12:end] + records
