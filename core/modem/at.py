"""AtChannel: the bytes of one AT port as events. Pure: no port, no clock, no log; any cut of the bytes gives the same.

Sources: 3GPP TS 27.007 §4 (commands and result codes), ITU-T V.250 §5.7 (result codes), and field reports on SIM7600:
lines end in any number of CR and one LF, URCs land inside answers, and a prompt has no end of line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_LINE_BYTES = 4096
"""Longer lines are garbage: the longest real one, the answer to AT+COPS=?, stays under 2 KB."""

MAX_REPLY_LINES = 1024
"""A full store of 255 messages answers AT+CMGL with 510 lines."""

_PDU_URCS = ("+CMT:", "+CDS:", "+CBM:")
"""Direct deliveries: their next line is the PDU (TS 27.005 §3.4.1), whatever it looks like."""

_TEXT_URC = "+CUSD:"
"""Its quoted text may run over several lines: menus do (field reports)."""

WHOLE_TEXT = re.compile(r'[^"]*(".*"(, ?[0-9]+)?)? *', re.DOTALL)
"""Such a line with the end of its text."""

_MAX_TEXT_LINES = 30
"""A USSD text has at most 182 characters; a quote that never closes mustn't swallow the port."""

_FINAL = re.compile(r"OK|ERROR|\+CM[ES] ERROR: ?.*")
_CALL_FINAL = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE", "CONNECT"})
_NAME = re.compile(r"AT([+^$][A-Z0-9]+)(\?|=\?)?", re.IGNORECASE)


class LocalProtocolError(Exception):
    """A misuse by our own code: a command that can't be sent as it stands. Its text never holds the command."""


class Kind(StrEnum):
    """What ends a command beside OK and errors."""

    PLAIN = "plain"
    CALL = "call"  # ATD, ATA: NO CARRIER, BUSY … answer it; for every other command they are URCs
    PROMPT = "prompt"  # waits for "> " and then takes its payload, as AT+CMGS does


@dataclass(frozen=True, slots=True)
class Command:
    """One command line without its CR.

    text: printable ASCII. prefixes: lines starting so answer it ("+CSQ:"); None derives them from the text for reading
    forms (AT+CSQ, AT+CREG?) and none for setting forms, where such a line is a URC. payload: hexadecimal PDU for the
    prompt. timeout_s: until the final result code (from the manual, or spec §1.12 where the manual says minutes); for
    a prompt it runs from the moment the payload is written, and prompt_timeout_s until the prompt comes.
    LocalProtocolError where a byte could end the line early or the line is over the modem's 559 characters.
    """

    text: str
    timeout_s: float = 5.0
    kind: Kind = Kind.PLAIN
    prefixes: tuple[str, ...] | None = None
    payload: str | None = None
    prompt_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.text.startswith("AT") or len(self.text) > 559:
            raise LocalProtocolError("a command starts with AT and has at most 559 characters")
        if not all(" " <= char <= "~" for char in self.text):
            raise LocalProtocolError("a command holds printable ASCII only")
        if (self.payload is None) is (self.kind is Kind.PROMPT):
            raise LocalProtocolError("a prompt has a payload, nothing else has one")
        if self.payload is not None and not re.fullmatch(r"[0-9A-F]*", self.payload):
            raise LocalProtocolError("a payload is upper-case hexadecimal")

    @property
    def answers(self) -> tuple[str, ...]:
        """The prefixes of its information lines."""
        if self.prefixes is not None:
            return self.prefixes
        found = _NAME.fullmatch(self.text)
        return (found[1].upper() + ":",) if found else ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A command's answer: its information lines and its final result code."""

    command: str
    final: str
    lines: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.final == "OK" or self.final.startswith("CONNECT")

    def __str__(self) -> str:
        return f"Reply({', '.join(map(repr, (self.command, self.final, *self.lines)))})"


@dataclass(frozen=True, slots=True)
class Urc:
    """An unsolicited result code; pdu is the line that came with a +CMT, +CDS or +CBM."""

    text: str
    pdu: str | None = None

    def __str__(self) -> str:
        return f"Urc({self.text!r})" if self.pdu is None else f"Urc({self.text!r}, {self.pdu!r})"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The modem waits for the payload of the command in flight."""

    def __str__(self) -> str:
        return "Prompt()"


@dataclass(frozen=True, slots=True)
class Stray:
    """A line that nobody waits for: garbage, the late answer of an abandoned command, an unknown URC."""

    text: str

    def __str__(self) -> str:
        return f"Stray({self.text!r})"


AtEvent = Reply | Urc | Prompt | Stray


class AtChannel:
    """One port's conversation. `urcs`: names ending in ":" match the start of a line, others the whole of it."""

    def __init__(self, urcs: Iterable[str]) -> None:
        names = tuple(urcs)
        self._urc_starts = tuple(name for name in names if name.endswith(":")) + _PDU_URCS
        self._urc_words = frozenset(name for name in names if not name.endswith(":")) | _CALL_FINAL
        self._buffer = bytearray()
        self._skipping = False  # the rest of a line that was too long
        self._awaits_pdu: str | None = None
        self._text: list[str] = []  # the lines of a text that goes on
        self._owed: tuple[str, ...] = ()  # how the late answer to an abandoned message would begin
        self._owes_ok = False
        self._command: Command | None = None
        self._answers: tuple[str, ...] = ()
        self._lines: list[str] = []
        self._prompted = False

    @property
    def in_flight(self) -> Command | None:
        return self._command

    def send(self, command: Command) -> bytes:
        """The bytes to write. LocalProtocolError while another command is in flight."""
        if self._command is not None:
            raise LocalProtocolError("a command is in flight")
        self._command, self._answers = command, command.answers
        self._lines, self._prompted = [], False
        return command.text.encode("ascii") + b"\r"

    def abandon(self) -> None:
        """Its timeout fired: what still comes of it is Stray, but the late answer to a message that was handed over
        is told as a Urc until the next one is."""
        if self._command is not None and self._command.kind is Kind.PROMPT and self._prompted:
            self._owed = self._command.answers
        self._end()

    def _end(self) -> None:
        self._command = None
        self._lines = []

    def feed(self, data: bytes) -> list[AtEvent]:
        """What these bytes complete. Never raises; keeps less than a line and a reply in memory."""
        events: list[AtEvent] = []
        for start in range(0, len(data), MAX_LINE_BYTES):
            self._buffer += data[start : start + MAX_LINE_BYTES]
            while (event := self._take()) is not None:
                events.extend(event)
        return events

    def _take(self) -> tuple[AtEvent, ...] | None:
        """Takes one thing off the buffer's front; None when it holds nothing whole."""
        buffer = self._buffer
        if self._skipping:
            end = buffer.find(b"\n")
            if end < 0:
                buffer.clear()
                return None
            del buffer[: end + 1]
            self._skipping = False
        blank = len(buffer) - len(buffer.lstrip(b"\r\n"))
        del buffer[:blank]
        if (taken := self._take_unended()) is not None:
            return taken
        end = buffer.find(b"\n", 0, MAX_LINE_BYTES)
        if end < 0 and len(buffer) < MAX_LINE_BYTES:
            return None
        self._skipping = end < 0
        raw = bytes(buffer[: MAX_LINE_BYTES if end < 0 else end])
        del buffer[: MAX_LINE_BYTES if end < 0 else end + 1]
        text = raw.rstrip(b"\r").decode("utf-8", "backslashreplace")
        return (Stray(text),) if self._skipping else self._classify(text)

    def _take_unended(self) -> tuple[AtEvent, ...] | None:
        """The prompt, and an echo that ends in CR alone: both have no end of line to wait for."""
        command = self._command
        if command is None or self._awaits_pdu is not None or self._text:
            return None
        if command.kind is Kind.PROMPT and not self._prompted and self._buffer.startswith(b"> "):
            del self._buffer[:2]
            self._prompted = True
            self._owed, self._owes_ok = (), False
            return (Prompt(),)
        echo = command.text.encode("ascii") + b"\r"
        if not self._lines and self._buffer.startswith(echo):
            del self._buffer[: len(echo)]
            return ()
        return None

    def _classify(self, line: str) -> tuple[AtEvent, ...]:
        """One line. What earlier lines or commands wait for goes before the rules."""
        if self._awaits_pdu is not None:  # 1: a direct delivery's PDU, whatever it looks like
            head, self._awaits_pdu = self._awaits_pdu, None
            return (Urc(head, line),)
        if self._text or line.startswith(_TEXT_URC):
            return self._text_line(line)
        return self._late(line) or self._classify_line(line)

    def _classify_line(self, line: str) -> tuple[AtEvent, ...]:
        """One whole line, by the rules of the AT layer in their order."""
        command = self._command
        if command is not None and self._is_echo(command, line):  # 2
            return ()
        if command is not None and line.startswith(self._answers):  # 3: an answer when asked for, else a URC
            return self._information(line)
        if command is not None and command.kind is Kind.CALL and self._is_call_final(line):
            return self._final(command, line)
        if line.startswith(_PDU_URCS):
            self._awaits_pdu = line
            return ()
        if line.startswith(self._urc_starts) or line in self._urc_words:  # 4
            return (Urc(line),)
        if command is not None and _FINAL.fullmatch(line):  # 5
            return self._final(command, line)
        return self._information(line) if command is not None else (Stray(line),)  # 6, 7

    def _text_line(self, line: str) -> tuple[AtEvent, ...]:
        """One line of a text in quotes: the whole as one line once it is there. A result code ends it in any case."""
        head = self._text
        if head and self._command is not None and _FINAL.fullmatch(line):
            self._text = []
            return (*self._classify_line("\n".join(head)), *self._classify(line))
        whole = "\n".join([*head, line])
        if WHOLE_TEXT.fullmatch(whole) or len(head) >= _MAX_TEXT_LINES:
            self._text = []
            return self._classify_line(whole)
        self._text = [*head, line]
        return ()

    def _late(self, line: str) -> tuple[AtEvent, ...]:
        """What an abandoned message is owed: its reference and the OK behind it; or its refusal, while only AT asks."""
        command = self._command
        if self._owed and not (command is not None and command.kind is Kind.PROMPT and self._prompted):
            refused = line.startswith("+CMS ERROR:") and (command is None or command.text == "AT")
            if refused or line.startswith(self._owed):
                self._owed, self._owes_ok = (), not refused
                return (Urc(line),)
        if self._owes_ok and line == "OK":
            self._owes_ok = False
            return (Stray(line),)
        return ()

    def _is_echo(self, command: Command, line: str) -> bool:
        if line == command.text:
            return True
        return self._prompted and command.payload is not None and line.rstrip("\x1a") == command.payload

    @staticmethod
    def _is_call_final(line: str) -> bool:
        return line in _CALL_FINAL or line.startswith("CONNECT ")

    def _information(self, line: str) -> tuple[AtEvent, ...]:
        if len(self._lines) >= MAX_REPLY_LINES:
            return (Stray(line),)
        self._lines.append(line)
        return ()

    def _final(self, command: Command, line: str) -> tuple[AtEvent, ...]:
        reply = Reply(command.text, line, tuple(self._lines))
        self._owes_ok = False
        self._end()
        return (reply,)
