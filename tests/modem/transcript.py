"""Reads transcripts: '<' modem to host, '>' a command, '>>' a command and its payload, '!' abandon, '=' an event."""

from core.modem.at import AtChannel, AtEvent, Command, Kind
from core.modem.profile import load_profile
from core.modem.wirelog import unescape


def channel(profile: str = "sim7600") -> AtChannel:
    return AtChannel(load_profile(profile).urcs)


def command_of(text: str) -> Command:
    kind = Kind.CALL if text.startswith(("ATD", "ATA")) else Kind.PLAIN
    prefixes = {"AT+CICCID": ("+ICCID:",), "AT+QGPSLOC=2": ("+QGPSLOC:",), "AT+CMGL=4": ("+CMGL:",)}.get(text)
    return Command(text, kind=kind, prefixes=prefixes)


def play(text: str, size: int, profile: str = "sim7600") -> list[AtEvent]:
    """What a channel makes of the transcript when the modem's bytes come `size` at a time."""
    at = channel(profile)
    events: list[AtEvent] = []
    for line in text.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "<":
            data = unescape(rest)
            for start in range(0, len(data), size):
                events += at.feed(data[start : start + size])
        elif mark == ">" and unescape(rest)[-1:] not in (b"\x1a", b"\x1b"):
            at.send(command_of(rest))
        elif mark == ">>":
            words, payload = rest.split(" ")
            at.send(Command(words, kind=Kind.PROMPT, prefixes=("+CMGS:",), payload=payload))
        elif mark == "!":
            at.abandon()
    return events


def expected(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("= ")]
