"""What may stand between the quotes of AT+CGDCONT and AT+CGAUTH. Pure."""

import re

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z", re.ASCII)
_OPERATOR_ID = re.compile(r"\.mnc[0-9]{3}\.mcc[0-9]{3}\.gprs\Z", re.ASCII | re.IGNORECASE)
_RESERVED = ("rac", "lac", "sgsn", "rnc")
MAX_NETWORK_ID_OCTETS = 63
MAX_CREDENTIAL_CHARS = 64
"""Ours: the longest in the databases has 32."""


def apn_is_sound(apn: str) -> bool:
    """Whether this is an access point name by TS 23.003 §9.1: labels of letters, digits and hyphens with dots between.

    The network identifier (all but a trailing operator identifier, `.mnc###.mcc###.gprs`) has at most 63 octets as
    coded, a length octet before each label, which keeps the whole below its 100; it begins with none of rac, lac, sgsn,
    rnc and does not end in .gprs. Nothing of this kind can end a quoted string or a command line.
    """
    network_id = _OPERATOR_ID.sub("", apn)
    lowered = network_id.lower()
    if len(network_id) + 1 > MAX_NETWORK_ID_OCTETS or lowered.startswith(_RESERVED) or lowered.endswith(".gprs"):
        return False
    return all(_LABEL.match(label) for label in apn.split("."))


def credential_is_sound(text: str) -> bool:
    """Whether a user name or password fits a quoted AT string: printable ASCII without quote and backslash."""
    return len(text) <= MAX_CREDENTIAL_CHARS and all(" " <= char <= "~" and char not in '"\\' for char in text)
