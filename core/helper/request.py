"""A request as data: each key is read by a function that knows what it may hold, and nothing else is believed."""

import base64
import binascii
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from core.helper.refused import Refused, Trouble

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
"""IFNAMSIZ is 16 with the final zero (linux/if.h); a name that begins with - would be read as an option."""

_APN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""TS 23.003 §9.1: labels of letters, digits and hyphens, 100 octets at most; some networks have _ in theirs."""

_TTY = re.compile(r"/dev/[A-Za-z0-9_][A-Za-z0-9_./:-]{0,80}")
_PRINTABLE = re.compile(r"[ -~]{1,64}")
_USB_PATH = re.compile(r"[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}")
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
_ENDPOINT = re.compile(r"(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})\]):([0-9]{1,5})")

SECRETS = ("user", "password")
MOST_DNS = 3
"""resolv.conf(5): MAXNS."""


def bad(text: str) -> Refused:
    return Refused(Trouble.BAD_REQUEST, text)


def parse(line: bytes) -> "Request":
    """Refused unless it is one JSON object with a verb."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("verb"), str):
        raise bad("a request is one JSON object with a verb")
    return Request(found)


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Request:
    """Every method raises Refused with trouble bad_request or not_allowed."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    @property
    def verb(self) -> str:
        return str(self._values.get("verb"))

    def only(self, keys: tuple[str, ...], optional: tuple[str, ...]) -> None:
        """Exactly these, so that a misspelt key is not silently without effect."""
        given = set(self._values) - {"verb"}
        if not set(keys) <= given <= {*keys, *optional}:
            wanted = [*keys, *(f"{key}?" for key in optional)]
            raise bad(f"{self.verb} takes {', '.join(wanted) or 'nothing'}")

    def for_log(self) -> str:
        """Without secrets; short."""
        shown = {key: "…" if key in SECRETS else value for key, value in self._values.items()}
        return json.dumps(shown, ensure_ascii=True)[:300]

    def has(self, key: str) -> bool:
        return key in self._values

    def for_key(self, key: str) -> str:
        return str(self._values.get(key))[:20]

    def interface(self, patterns: tuple[str, ...], key: str = "interface") -> str:
        name = self._matching(key, _INTERFACE, "the name of an interface")
        if name == "lo" or not fits(name, patterns):
            raise Refused(Trouble.NOT_ALLOWED, f"{name} is none of the interfaces {', '.join(patterns)}")
        return name

    def tty(self, patterns: tuple[str, ...]) -> str:
        """The device itself, whatever link was named."""
        named = self._matching("tty", _TTY, "a port below /dev")
        real = os.path.realpath(named)
        if not fits(real, patterns) or not _TTY.fullmatch(real):
            raise Refused(Trouble.NOT_ALLOWED, f"{named} is none of the ports {', '.join(patterns)}")
        return real

    def boolean(self, key: str) -> bool:
        value = self._values.get(key)
        if not isinstance(value, bool):
            raise bad(f"{key} is true or false")
        return value

    def integer(self, key: str, least: int, most: int) -> int:
        value = self._values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise bad(f"{key} is a whole number from {least} to {most}")
        return value

    def seconds(self, key: str, least: float, most: float) -> float:
        value = self._values.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise bad(f"{key} is a number of seconds from {least:g} to {most:g}")
        return float(value)

    def network_address(self, key: str) -> ipaddress.IPv4Interface:
        """a.b.c.d/n of a host."""
        text = self._matching(key, re.compile(r"[0-9.]{7,15}/[0-9]{1,2}"), "a.b.c.d/n")
        try:
            found = ipaddress.IPv4Interface(text)
        except ValueError:
            raise bad(f"{key} is a.b.c.d/n") from None
        if not is_host(found.ip) or found.network.prefixlen < 8:
            raise bad(f"{key} is the address of a host, a.b.c.d/n")
        return found

    def host(self, key: str) -> ipaddress.IPv4Address | None:
        """None for null."""
        value = self._values.get(key)
        if value is None:
            return None
        found = host(value)
        if found is None:
            raise bad(f"{key} is the IPv4 address of a host, or null")
        return found

    def hosts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) > MOST_DNS:
            raise bad(f"{key} is a list of up to {MOST_DNS} IPv4 addresses")
        found = [host(each) for each in value]
        if None in found:
            raise bad(f"{key} is a list of up to {MOST_DNS} IPv4 addresses")
        return tuple(str(each) for each in found)

    def endpoint(self, key: str) -> str:
        text = self._matching(key, _ENDPOINT, "ip:port")
        parts = _ENDPOINT.fullmatch(text)
        assert parts is not None
        four, six, port = parts.groups()
        try:
            ip = ipaddress.ip_address(four or six)
        except ValueError:
            raise bad(f"{key} is ip:port") from None
        if ip.is_unspecified or ip.is_multicast or not 0 < int(port) < 65536:
            raise bad(f"{key} is ip:port")
        return f"{ip}:{int(port)}" if four else f"[{ip}]:{int(port)}"

    def public_key(self, key: str) -> str:
        text = self._matching(key, _PUBLIC_KEY, "a public key of WireGuard")
        try:
            good = base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
        except binascii.Error:
            good = False
        if not good:
            raise bad(f"{key} is a public key of WireGuard")
        return text

    def apn(self) -> str:
        return self._matching("apn", _APN, "the name of an access point")

    def usb_path(self) -> str:
        return self._matching("path", _USB_PATH, "like 1-1.4")

    def secret(self, key: str) -> str | None:
        return self._matching(key, _PRINTABLE, "up to 64 printable ASCII characters") if self.has(key) else None

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        value = self._values.get(key)
        if not isinstance(value, str) or value not in words:
            raise bad(f"{key} is one of {', '.join(words)}")
        return value

    def _matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        """fullmatch, since $ would let a final newline through."""
        value = self._values.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise bad(f"{self.verb} takes {key}, {what}")
        return value


def is_host(ip: ipaddress.IPv4Address) -> bool:
    """Something that packets can be sent to, or come from, over a link."""
    return not (ip.is_unspecified or ip.is_multicast or ip.is_loopback or ip.is_reserved or int(ip) < 1 << 24)


def host(value: object) -> ipaddress.IPv4Address | None:
    """None unless it is written as the address of a host. A whole number is none, whatever ipaddress thinks."""
    if not isinstance(value, str):
        return None
    try:
        found = ipaddress.IPv4Address(value)
    except ValueError:
        return None
    return found if is_host(found) else None
