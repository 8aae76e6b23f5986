"""AT command lines as a SIM7600 reads them: bytes to lines, a line to commands. Pure.

SIM7600 AT manual V3.00 §1.3 (syntax, `;` chaining, 559 characters, 39 commands), V.250 §5.2, spec/sim7600 §1.2.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

MAX_LINE = 559
MAX_CHAINED = 39
_MAX_TEXT_BYTES = 4096
"""An SMS prompt takes far less; what a runaway client sends beyond is dropped."""

_CR, _LF, _BS, _CTRL_Z, _ESC = 0x0D, 0x0A, 0x08, 0x1A, 0x1B
_PLAIN = re.compile(rb"[^\r\n\x08\x1a\x1b\x00]+")
_EXTENDED = "+$^*#%"
_S_REGISTER = re.compile(r"[Ss]\d+(=\d*|\?)?")


class Kind(Enum):
    EXEC = "exec"
    SET = "set"
    READ = "read"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a line: name in capitals with its sign (`+CSQ`, `D`, `&F`), and its arguments as typed."""

    name: str
    kind: Kind
    args: str = ""
    voice: bool = False
    """ATD only: the dial string ended with a semicolon."""

    @property
    def text(self) -> str:
        """The command as a fault names it: `+CPCMREG=1`."""
        sign = {Kind.EXEC: "", Kind.SET: "=", Kind.READ: "?", Kind.TEST: "=?"}[self.kind]
        return f"{self.name}{sign if self.name[0] in _EXTENDED else ''}{self.args}"

    def params(self) -> list[str]:
        """The arguments, split at commas outside quotes, quotes taken off, blanks trimmed; "" where left out."""
        return [_unquote(part.strip()) for part in split_outside_quotes(self.args, ",")]


@dataclass(frozen=True, slots=True)
class Line:
    """A complete command line without its CR. too_long: it was over MAX_LINE and is cut."""

    text: str
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What was typed at a prompt. sent: ended with ctrl-Z; False: given up with ESC."""

    data: bytes
    sent: bool


@dataclass(slots=True)
class LineReader:
    """Collects bytes into lines, or into a text while a prompt is open. `feed` never raises."""

    prompting: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _too_long: bool = False

    def start_prompt(self) -> None:
        self.prompting = True
        self._buffer.clear()

    def feed(self, data: bytes) -> tuple[list[Line | Text], bytes]:
        """What the bytes complete, and the bytes to echo (a stray LF and control characters are not echoed)."""
        events: list[Line | Text] = []
        echo = bytearray()
        at = 0
        while at < len(data):
            plain = _PLAIN.match(data, at)
            if plain is not None:  # most bytes are nothing special; they go in one piece
                self._take(plain.group(), echo)
                at = plain.end()
                continue
            event = self._feed_text(data[at], echo) if self.prompting else self._feed_line(data[at], echo)
            at += 1
            if event is not None:
                events.append(event)
        return events, bytes(echo)

    def _take(self, plain: bytes, echo: bytearray) -> None:
        echo += plain
        room = (_MAX_TEXT_BYTES if self.prompting else MAX_LINE) - len(self._buffer)
        self._buffer += plain[:room]
        if len(plain) > room and not self.prompting:
            self._too_long = True

    def _feed_line(self, byte: int, echo: bytearray) -> Line | None:
        if byte == _CR:
            echo.append(byte)
            line = Line(self._buffer.decode("latin-1"), self._too_long)
            self._buffer.clear()
            self._too_long = False
            return line
        if byte == _BS:
            echo.append(byte)
            del self._buffer[-1:]
        return None  # a stray LF, ctrl-Z, ESC or NUL

    def _feed_text(self, byte: int, echo: bytearray) -> Text | None:
        if byte in (_CTRL_Z, _ESC):
            self.prompting = False
            text = Text(bytes(self._buffer), byte == _CTRL_Z)
            self._buffer.clear()
            return text
        if byte == _BS:
            echo.append(byte)
            del self._buffer[-1:]
        else:
            self._take(bytes((byte,)), echo)
            echo += b"\n> " if byte == _CR else b""
        return None


def command_body(line: str) -> str | None:
    """What follows AT in a line, or None if the line holds no AT: then a modem stays silent."""
    at = line.upper().find("AT")
    return None if at < 0 else line[at + 2 :]


def split_commands(body: str) -> list[Command]:
    """The commands of a line's body, in order. Never raises: what makes no sense becomes an unknown name."""
    found: list[Command] = []
    at = 0
    while at < len(body):
        if body[at] in "; ":
            at += 1
            continue
        command, at = _next_command(body, at)
        found.append(command)
    return found


def split_outside_quotes(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    start, quoted = 0, False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _next_command(body: str, at: int) -> tuple[Command, int]:
    if body[at] in _EXTENDED:
        whole = split_outside_quotes(body[at:], ";")[0]
        return _extended(whole), at + len(whole) + 1
    if body[at] in "Dd":
        dial, semicolon, _ = body[at + 1 :].partition(";")
        return Command("D", Kind.SET, dial.strip(), voice=bool(semicolon)), at + 2 + len(dial)
    register = _S_REGISTER.match(body, at)
    if register:
        return _s_register(register.group()), register.end()
    name_length = 2 if body[at] == "&" else 1
    digits = re.match(r"\d*", body[at + name_length :])
    args = digits.group() if digits else ""
    name = body[at : at + name_length].upper()
    return Command(name, Kind.SET if args else Kind.EXEC, args), at + name_length + len(args)


def _extended(text: str) -> Command:
    match = re.match(r"(.[A-Za-z0-9_]*)(.*)", text, re.DOTALL)
    name, rest = match.groups() if match else (text, "")
    name, rest = name.upper(), rest.strip()
    if not rest:
        return Command(name, Kind.EXEC)
    if rest == "?":
        return Command(name, Kind.READ)
    if rest == "=?":
        return Command(name, Kind.TEST)
    if rest.startswith("="):
        return Command(name, Kind.SET, rest[1:].strip())
    return Command(name + rest, Kind.EXEC)


def _s_register(text: str) -> Command:
    name, equals, value = text.upper().partition("=")
    if name.endswith("?"):
        return Command(name[:-1], Kind.READ)
    return Command(name, Kind.SET if equals else Kind.EXEC, value)


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
