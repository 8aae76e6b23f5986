"""Framing: bytes to messages and back, for every way in which JSON-RPC clients mark where a message ends.

Pure: no I/O, no clock. `Decoder.feed` never raises and may be given any cut of the stream; what can't be read is a
`WireFault` after the messages that came before it. Contents are not looked at here beyond the first byte.

length:  4-byte big-endian length, then that many bytes (the existing voice clients, wire-formats §6.1)
lines:   one JSON text per line (newline-delimited JSON); blank lines are nothing
headers: `Content-Length: n`, an empty line, n bytes (base protocol of the Language Server Protocol, 3.17)
auto:    the first byte decides, and answers go out in kind
"""

from dataclasses import dataclass
from enum import StrEnum

LENGTH_BYTES = 4
MAX_HEADER_BYTES = 4096
"""Two headers exist; anything this long is not one of them."""

_BLANK = b" \t\r\n"


class Framing(StrEnum):
    AUTO = "auto"
    LENGTH = "length"
    LINES = "lines"
    HEADERS = "headers"


class FaultKind(StrEnum):
    GARBAGE = "garbage"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class WireFault:
    """Why a stream can't be read any further. `reason` holds nothing that the peer sent."""

    kind: FaultKind
    reason: str


def encode(framing: Framing, message: bytes) -> bytes:
    """One frame, to be written in one go. Before the first byte has decided (auto) a line is the best guess."""
    if framing is Framing.LENGTH:
        return len(message).to_bytes(LENGTH_BYTES, "big") + message
    if framing is Framing.HEADERS:
        return b"Content-Length: %d\r\n\r\n" % len(message) + message
    return message + b"\n"


class Decoder:
    """One direction of one connection. `framing` is auto until the first byte has come."""

    def __init__(self, framing: Framing, max_bytes: int) -> None:
        self.framing = framing
        self.fault: WireFault | None = None
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer known to hold no end of line or of headers
        self._body_bytes: int | None = None  # headers framing: what the headers have announced

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. After a fault: nothing, and the bytes are not kept."""
        if self.fault is not None:
            return []
        self._buffer += data
        messages: list[bytes] = []
        if self.framing is Framing.AUTO and not self._decide():
            return messages
        while (message := self._take()) is not None:
            messages.append(message)
        if self.fault is not None:
            self._buffer.clear()
        return messages

    def end(self) -> list[bytes]:
        """The peer sends no more. A last line needs no newline (jayson and `echo -n` leave it out); in the other
        framings a half message is a fault."""
        if self.fault is not None:
            return []
        rest = bytes(self._buffer)
        self._buffer.clear()
        if self.framing in (Framing.LINES, Framing.AUTO):
            text = rest.strip(_BLANK)
            return [text] if text else []
        if rest or self._body_bytes is not None:
            self._fail(FaultKind.TRUNCATED, "the connection ended inside a message")
        return []

    def _fail(self, kind: FaultKind, reason: str) -> None:
        self.fault = WireFault(kind, reason)

    def _decide(self) -> bool:
        blank = len(self._buffer) - len(self._buffer.lstrip(_BLANK))
        del self._buffer[:blank]
        if not self._buffer:
            return False
        first = self._buffer[0]
        if first == 0:
            self.framing = Framing.LENGTH
        elif first in b"{[":
            self.framing = Framing.LINES
        elif first in b"Cc":
            self.framing = Framing.HEADERS
        else:
            self._buffer.clear()
            self._fail(FaultKind.GARBAGE, "the first byte is none of 0x00, {, [ and C")
            return False
        return True

    def _take(self) -> bytes | None:
        if self.framing is Framing.LINES:
            return self._take_line()
        return self._take_length() if self.framing is Framing.LENGTH else self._take_headers()

    def _too_large(self, size: int) -> bool:
        if size <= self._max_bytes:
            return False
        self._fail(FaultKind.TOO_LARGE, f"a message of more than {self._max_bytes} bytes")
        return True

    def _take_length(self) -> bytes | None:
        if self.fault is not None or len(self._buffer) < LENGTH_BYTES:
            return None
        size = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
        if self._too_large(size) or len(self._buffer) < LENGTH_BYTES + size:
            return None
        return self._cut(LENGTH_BYTES, size)

    def _take_line(self) -> bytes | None:
        while self.fault is None:
            end = self._buffer.find(b"\n", self._searched)
            if end < 0:
                self._searched = len(self._buffer)
                self._too_large(len(self._buffer))
                return None
            self._searched = 0
            if self._too_large(end):
                return None
            line = bytes(self._buffer[:end]).strip(_BLANK)
            del self._buffer[: end + 1]
            if line:
                return line
        return None

    def _take_headers(self) -> bytes | None:
        if self.fault is None and self._body_bytes is None:
            self._read_headers()
        if self.fault is not None or self._body_bytes is None or len(self._buffer) < self._body_bytes:
            return None
        size, self._body_bytes = self._body_bytes, None
        return self._cut(0, size)

    def _read_headers(self) -> None:
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            # Three more may be the first part of the empty line: the same limit however the bytes are cut.
            if len(self._buffer) > MAX_HEADER_BYTES + 3:
                self._fail(FaultKind.GARBAGE, f"headers of more than {MAX_HEADER_BYTES} bytes")
            return
        self._searched = 0
        if end > MAX_HEADER_BYTES:
            self._fail(FaultKind.GARBAGE, f"headers of more than {MAX_HEADER_BYTES} bytes")
            return
        block = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        size = _content_length(block)
        if size is None:
            self._fail(FaultKind.GARBAGE, "headers without one plain Content-Length")
        elif not self._too_large(size):
            self._body_bytes = size

    def _cut(self, skip: int, size: int) -> bytes:
        message = bytes(self._buffer[skip : skip + size])
        del self._buffer[: skip + size]
        return message


def _content_length(block: bytes) -> int | None:
    """The one Content-Length among `Name: value` lines; None where there is none, two, or a line is no header."""
    found: int | None = None
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not name or name != name.strip(_BLANK):
            return None
        if name.lower() != b"content-length":
            continue
        # Twelve digits are a terabyte: more are nonsense, and int() of thousands of digits takes its time.
        if found is not None or not value.isdigit() or len(value) > 12:
            return None
        found = int(value)
    return found
