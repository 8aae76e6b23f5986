"""Replies and unsolicited lines, to the byte. Pure. SIM7600 AT manual V3.00 §2.2.20 (ATV), spec/sim7600 §1.2, §1.11."""

from collections.abc import Callable
from dataclasses import dataclass

CME = {
    0: "Phone failure", 3: "operation not allowed", 4: "operation not supported", 10: "SIM not inserted",
    11: "SIM PIN required", 12: "SIM PUK required", 13: "SIM failure", 14: "SIM busy", 15: "SIM wrong",
    16: "incorrect password", 20: "memory full", 21: "invalid index", 22: "not found", 26: "dial string too long",
    27: "invalid characters in dial string", 30: "no network service", 31: "network timeout",
    50: "Incorrect parameters", 100: "Unknown",
}  # fmt: skip
CMS = {
    300: "ME failure", 301: "SMS service of ME reserved", 302: "Operation not allowed", 303: "Operation not supported",
    304: "Invalid PDU mode parameter", 305: "Invalid text mode parameter", 310: "SIM not inserted",
    311: "SIM PIN required", 313: "SIM failure", 314: "SIM busy", 315: "SIM wrong", 316: "SIM PUK required",
    320: "Memory failure", 321: "Invalid memory index", 322: "Memory full", 330: "SMSC address unknown",
    331: "No network service", 332: "Network timeout", 340: "NO +CNMA ACK EXPECTED", 341: "Buffer overflow",
    342: "SMS size more than expected", 500: "Unknown error",
}  # fmt: skip

DOUBLE_CR = ("RING", "+CRING", "NO CARRIER", "+RXDTMF")
"""Lines that the firmware frames with <CR><CR><LF>: seen by ModemManager and others on SIM7600 (spec §1.2)."""

_NUMERIC = {"OK": "0", "CONNECT": "1", "RING": "2", "NO CARRIER": "3", "ERROR": "4", "NO DIALTONE": "6", "BUSY": "7",
            "NO ANSWER": "8"}  # fmt: skip


class AtError(Exception):
    """Ends a command with a bare ERROR, as syntax errors do even with CMEE=2."""

    def final(self, cmee: int) -> str:
        return "ERROR"


class CmeError(AtError):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def final(self, cmee: int) -> str:
        if cmee == 0:
            return "ERROR"
        return f"+CME ERROR: {self.code if cmee == 1 else CME.get(self.code, 'Unknown')}"


class CmsError(AtError):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def final(self, cmee: int) -> str:
        """Causes of the network, below 256, have no text in the manual."""
        return f"+CMS ERROR: {CMS.get(self.code, self.code) if cmee == 2 else self.code}"


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer: information lines, final result, and what happens once the bytes are out.

    silent: no answer ever comes, and the port takes its next line.
    """

    lines: tuple[str, ...] = ()
    final: str = "OK"
    after: Callable[[], None] | None = None
    silent: bool = False


OK = Reply()
SILENT = Reply(silent=True)


def info(*lines: str) -> Reply:
    return Reply(lines)


def info_bytes(lines: tuple[str, ...], *, verbose: bool = True) -> bytes:
    """One command's information: its lines follow one another, framed once."""
    if not lines:
        return b""
    body = "\r\n".join(lines) + "\r\n"
    return (("\r\n" if verbose else "") + body).encode("latin-1", "replace")


def final_bytes(final: str, *, verbose: bool = True) -> bytes:
    if not verbose:
        return (_NUMERIC[final] + "\r" if final in _NUMERIC else final + "\r\n").encode("latin-1", "replace")
    return f"\r\n{final}\r\n".encode("latin-1", "replace")


def urc_bytes(text: str, *, double_cr: bool) -> bytes:
    """An unsolicited line. double_cr: this firmware has the quirk; it touches only the lines in DOUBLE_CR."""
    cr = "\r\r\n" if double_cr and text.startswith(DOUBLE_CR) else "\r\n"
    return f"{cr}{text}{cr}".encode("latin-1", "replace")
