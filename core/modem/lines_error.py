"""Final result codes that are errors, with texts for the numbers: the modem sends either, by AT+CMEE and by firmware.

TS 27.007 §9.2 (CME), TS 27.005 §3.2.5 (CMS); the texts are SIMCom's of AT manual V3.00 §§19.1, 19.2.
"""

import re
from dataclasses import dataclass
from typing import Literal

CME = {
    0: "Phone failure", 3: "operation not allowed", 4: "operation not supported", 10: "SIM not inserted",
    11: "SIM PIN required", 12: "SIM PUK required", 13: "SIM failure", 14: "SIM busy", 15: "SIM wrong",
    16: "incorrect password", 17: "SIM PIN2 required", 18: "SIM PUK2 required", 20: "memory full",
    21: "invalid index", 22: "not found", 23: "memory failure", 24: "text string too long",
    25: "invalid characters in text string", 26: "dial string too long", 27: "invalid characters in dial string",
    30: "no network service", 31: "network timeout", 32: "network not allowed - emergency calls only",
    100: "Unknown", 103: "Illegal message", 106: "Illegal ME", 107: "GPRS services not allowed",
    111: "PLMN not allowed", 112: "Location area not allowed", 113: "Roaming not allowed in this location area",
    132: "service option not supported", 133: "requested service option not subscribed",
    134: "service option temporarily out of order", 148: "unspecified GPRS error", 149: "PDP authentication failure",
    257: "network rejected request", 258: "retry operation", 261: "unknown subscriber", 262: "service not available",
    263: "unknown class specified", 264: "unknown network message",
}  # fmt: skip
CMS = {
    300: "ME failure", 301: "SMS service of ME reserved", 302: "Operation not allowed", 303: "Operation not supported",
    304: "Invalid PDU mode parameter", 305: "Invalid text mode parameter", 310: "SIM not inserted",
    311: "SIM PIN required", 312: "PH-SIM PIN required", 313: "SIM failure", 314: "SIM busy", 315: "SIM wrong",
    316: "SIM PUK required", 317: "SIM PIN2 required", 318: "SIM PUK2 required", 320: "Memory failure",
    321: "Invalid memory index", 322: "Memory full", 330: "SMSC address unknown", 331: "No network service",
    332: "Network timeout", 340: "NO +CNMA ACK EXPECTED", 341: "Buffer overflow", 342: "SMS size more than expected",
    500: "Unknown error",
}  # fmt: skip

_CODES = {
    "cme": {text.casefold(): code for code, text in CME.items()},
    "cms": {text.casefold(): code for code, text in CMS.items()},
}


@dataclass(frozen=True, slots=True)
class AtError:
    """Why a command failed. code: where the error has a number, also when the modem sent its text.

    kind "plain" is a bare ERROR (a syntax error, even with AT+CMEE=2); "call" is NO CARRIER and its like.
    """

    kind: Literal["cme", "cms", "plain", "call"]
    code: int | None
    text: str


def not_known(final: str) -> bool:
    """Whether this error says that the firmware doesn't have the command: bare ERROR, operation not supported, unknown.
    All other errors may pass."""
    error = error_of(final)
    return error is not None and (error.kind == "plain" or (error.kind == "cme" and error.code in (4, 100)))


def error_of(final: str) -> AtError | None:
    """The error in a final result code; None for OK and CONNECT."""
    if final == "OK" or final.startswith("CONNECT"):
        return None
    found = re.fullmatch(r"\+(CM[ES]) ERROR: ?(.*)", final)
    if found is None:
        return AtError("plain" if final == "ERROR" else "call", None, final)
    kind: Literal["cme", "cms"] = "cme" if found[1] == "CME" else "cms"
    words = found[2].strip()
    if words.isascii() and words.isdigit() and len(words) <= 4:
        return AtError(kind, int(words), (CME if kind == "cme" else CMS).get(int(words), f"error {int(words)}"))
    # The manual prints a dash in code 32 that firmware sends as - or as UTF-8.
    known = _CODES[kind].get(words.replace("\u2013", "-").casefold())
    return AtError(kind, known, words)
