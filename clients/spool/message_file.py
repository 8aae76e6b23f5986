"""The file format of SMS Server Tools 3: header lines, one empty line, a body. Pure: bytes in, bytes out.

Facts: fileformat.html of smstools 3.1.21, and what that program was seen to do with the files of the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
"""All other words are no (fileformat.html, note on boolean values)."""

BOM_UTF8 = b"\xef\xbb\xbf"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class MessageFile:
    """One file. Names of headers are case-sensitive; a line that is no header is kept out of them, never an error."""

    headers: tuple[Header, ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """The value of a header. Where it stands twice the last counts, as in smsd."""
        return next((value for header, value in reversed(self.headers) if header == name), None)

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header == name]

    def flag(self, name: str) -> bool | None:
        """A boolean header; None where it is not there."""
        value = self.get(name)
        return None if value is None else value.lower() in TRUE_WORDS


def read_message(content: bytes) -> MessageFile:
    """Any bytes give a file, perhaps one without headers."""
    end, body_at = _header_end(content)
    lines = _text(content[:end].removeprefix(BOM_UTF8)).split("\n")
    headers = tuple(header for line in lines if (header := _header(line)) is not None)
    return MessageFile(headers, content[body_at:])


def add_headers(content: bytes, headers: Sequence[Header]) -> bytes:
    """The file with more headers after its own; the rest stays as it is, byte by byte.

    A file without an empty line is all header: then they go to its end.
    """
    end, _ = _header_end(content)
    before, after = content[:end], content[end:]
    if before and not before.endswith(b"\n"):
        before += b"\n"
    return before + format_headers(headers) + after


def format_headers(headers: Sequence[Header]) -> bytes:
    """One line each. White space of values is folded, so that no value can make another header."""
    return b"".join(f"{name}: {' '.join(value.split())}".encode(errors="replace") + b"\n" for name, value in headers)


def _header_end(content: bytes) -> tuple[int, int]:
    """Where the empty line begins, and where the body does."""
    at = 0
    while at < len(content):
        end = content.find(b"\n", at)
        line = content[at:] if end < 0 else content[at:end]
        after = len(content) if end < 0 else end + 1
        if line in (b"", b"\r"):
            return at, after
        at = after
    return len(content), len(content)


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("iso8859-15")


def _header(line: str) -> Header | None:
    name, colon, value = line.partition(":")
    return (name.strip(), value.strip()) if colon and name.strip() else None
