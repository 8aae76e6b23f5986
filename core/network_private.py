"""Takes addresses out of texts for people, for everyone who may not see them. Pure."""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address

HIDDEN = "(hidden)"

_FOUR = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?::\d{1,5})?(?!\w|\.\d)")
_SIX = re.compile(r"(?<![\w:.])\[?([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})\]?(?:/\d{1,3}|:\d{1,5})?(?!\w)")
"""With a length or a port."""


def without_addresses(text: str, names: Iterable[str] = ()) -> str:
    """names: what stands for an address as well, such as the host name of a VPN's endpoint."""
    for name in names:
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", HIDDEN, text, flags=re.IGNORECASE)
    return _SIX.sub(_hidden_six, _FOUR.sub(HIDDEN, text))


def _hidden_six(found: re.Match[str]) -> str:
    """A time of day looks like one."""
    try:
        IPv6Address(found[1])
    except AddressValueError:
        return found[0]
    return HIDDEN
