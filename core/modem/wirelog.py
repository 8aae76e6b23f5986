"""A log of the wire in the format of the transcript tests: a field report becomes a test by copying it.

`<` modem to host, `>` host to modem, bytes as Python escapes, `#` a remark. Unless personal logging is on, numbers,
messages and the place of the cell are blotted out; what is left parses as before, since lengths and forms stay.
PINs and passwords are blotted out in any case.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from core.clock import rfc3339
from core.modem.at import WHOLE_TEXT
from core.modem.secret_text import without_secrets

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Then it becomes `.1` (one old file is kept): 8 MiB a port at most on a small card."""

_MAX_PENDING_BYTES = 4096
_REMARK_AFTER_S = 1.0

_PERSONAL = re.compile(
    r"\+?(?:AT)?\+(?:CLIP|CLCC|CCWA|CNUM|COLP|CDIP|CCFC|CUSD|CPB[RWF]|CMG[LRSW]|CMT|CDS|CBM|CSCA|CPIN|CPWD|CLCK|CGPSINFO"
    r"|CGNSSINFO|CREG|CGREG|CEREG|CPSI|CGPADDR|CGAUTH)\b"
)
_HARMLESS = re.compile(r"VOICE CALL:|\+CGMR:|Revision:|OK|ERROR")


def escape(data: bytes) -> str:
    """Bytes as the inside of a Python literal."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def unescape(text: str) -> bytes:
    """The bytes back; ValueError for text that isn't such."""
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


def scrub(line: str) -> str:
    """One line of the wire without personal data. Digits become 0 and letters of names x; the form stays."""
    if _HARMLESS.match(line):
        return line
    if text := re.match(r'((?:AT)?\+CUSD[:=][^"]*")(.*?)("(?:, ?[0-9]+)?\r?)?$', line, re.DOTALL):
        return text[1] + _blotted(text[2]) + (text[3] or "")  # it may hold quotes itself
    if re.fullmatch(r"[0-9A-Fa-f]{16,}\x1a?", line):  # a PDU, an ICCID
        return re.sub(r"[0-9A-Fa-f]", "0", line)
    if line.upper().startswith("ATD"):
        return line[:3] + re.sub(r"[0-9*#]", "0", line[3:])
    if line.startswith("MISSED_CALL:"):
        return re.sub(r"(?<=M )\+?[0-9*#]+", lambda found: _zeros(found[0]), line)
    if line.startswith("+QGPSLOC:"):  # degrees without leading zeros
        return _zeros(line)
    if call := re.match(r'\+QIND: ?"ccinfo",', line):
        return call[0] + re.sub(r'"[^"]*"?', lambda found: _blotted(found[0]), line[call.end() :])
    if _PERSONAL.match(line):
        line = re.sub(r'"[^"]*"?', lambda found: _blotted(found[0]), line)
        return re.sub(r"\b(?=[0-9A-Fa-f]*[0-9])[0-9A-Fa-f]{4,}\b", lambda found: "0" * len(found[0]), line)
    return re.sub(r"\+?[0-9]{6,}", lambda found: _zeros(found[0]), line)


class WireLog:
    """One port's file. Writes go through the page cache and are rare (AT lines, no voice), so the loop may do them.

    A disk that refuses ends the log, never the phone: `on_failure` is told once.
    """

    def __init__(
        self, path: Path, *, personal: bool = False, max_bytes: int = MAX_FILE_BYTES, on_failure: Callable[[], None]
    ) -> None:
        self._path = path
        self._personal = personal
        self._max_bytes = max_bytes
        self._on_failure = on_failure
        self._file: TextIO | None = None
        self._dead = False
        self._in_text = False  # the text of a +CUSD goes on in the next line
        self._pending = b""  # a line is scrubbed whole, so its first part waits here for the rest
        self._said_at_s = float("-inf")

    def received(self, data: bytes) -> None:
        self._pending += data
        end = self._pending.rfind(b"\n") + 1
        if not end and self._pending.endswith(b"> "):
            end = len(self._pending)
        if not end and len(self._pending) >= _MAX_PENDING_BYTES:
            end = len(self._pending)
        if end:
            whole, self._pending = self._pending[:end], self._pending[end:]
            self._write("<", whole)

    def sent(self, data: bytes) -> None:
        self._flush_pending()
        self._write(">", data[:-1] if data.endswith(b"\r") else data)

    def close(self) -> None:
        self._flush_pending()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush_pending(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, b""
            self._write("<", pending)

    def _write(self, mark: str, data: bytes) -> None:
        if self._dead:
            return
        text = data.decode("latin-1")
        parts = (without_secrets(part) for part in re.split(r"([\r\n]+|> )", text))
        text = "".join(parts if self._personal else map(self._scrubbed, parts))
        try:
            file = self._open()
            now_s = time.monotonic()
            if now_s - self._said_at_s >= _REMARK_AFTER_S:
                file.write(f"# {rfc3339()}\n")
            self._said_at_s = now_s
            file.write(f"{mark} {escape(text.encode('latin-1'))}\n")
            file.flush()
        except OSError:
            self._dead = True
            self._on_failure()

    def _scrubbed(self, part: str) -> str:
        """A part of a line, or what stands between two. The text of a +CUSD may run over many lines."""
        if self._in_text:
            self._in_text = not re.search(r'"(, ?[0-9]+)?\r?$', part) and not _HARMLESS.fullmatch(part)
            return _blotted(part)
        self._in_text = part.startswith("+CUSD:") and not WHOLE_TEXT.fullmatch(part)
        return scrub(part)

    def _open(self) -> TextIO:
        if self._file is not None and self._file.tell() >= self._max_bytes:
            self._file.close()
            self._file = None
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        if self._file is None:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._file = os.fdopen(descriptor, "a", encoding="ascii")
        return self._file


def _zeros(text: str) -> str:
    return re.sub(r"[0-9]", "0", text)


def _blotted(text: str) -> str:
    return re.sub(r"[^\W\d_]", "x", _zeros(text))
