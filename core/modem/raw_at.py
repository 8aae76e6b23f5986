"""modem.at: which AT commands may be typed by hand. Pure.

Refused is what would take the port away from the daemon (prompts, data mode, other ways of talking), what goes around
the rules for calls, messages and PINs that other methods keep, and what brings a modem into a state that only a hand
at its plug ends. All else is the admin's own business, also where it is silly.
"""

import re
from collections.abc import Iterator

from core.errors import InvalidParams
from core.modem.at import Command

MAX_CHARS = 559
"""As the modem takes them in one line (AT manual V3.00 §1.4)."""

_CALLS = "Calls have methods of their own, which keep to the rules for them: call.start, call.accept, call.hangup."
_SENDS = "Messages are sent by sms.send, which keeps to the guard's limits and loses none."
_DATA = "It takes the port away from the daemon until the data has ended."
_TALK = "The daemon and the modem would not understand each other any more."
_RESET = "Use modem.reset, which tells everybody and waits for calls to end."
_OFF = "After it only a hand at the modem's plug or power brings it back."
_KEEPS = "The daemon reads messages, and deletes them once they are safe on its disk."
_PIN = "Use modem.unlock, which never uses up the last tries."

_BASIC = {
    "D": _CALLS, "A": _CALLS, "O": _DATA, "H": _CALLS, "E": _TALK, "Q": _TALK, "V": _TALK, "Z": _TALK, "&F": _TALK,
    "P": _CALLS, "T": _CALLS,
}  # fmt: skip
_EXTENDED = {
    "+CHUP": _CALLS, "+CHLD": _CALLS, "+CLCC": _TALK,
    "+CMGS": _SENDS, "+CMGC": _SENDS, "+CMSS": _SENDS, "+CMGSEX": _SENDS, "+CMGSO": _SENDS, "+QCMGS": _SENDS,
    "+CMGW": _DATA, "+CMGWO": _DATA, "+CNMA": _DATA, "+CGDATA": _DATA, "+CFTRANRX": _DATA, "+CIPSEND": _DATA,
    "+CCHSEND": _DATA, "+CFTPPUT": _DATA, "+CSMTPSBODY": _DATA, "+CHTTPACT": _DATA, "+HTTPDATA": _DATA,
    "+CCERTDOWN": _DATA, "+CMQTTTOPIC": _DATA, "+CMQTTPAYLOAD": _DATA, "+CMQTTSUB": _DATA, "+CMQTTUNSUB": _DATA,
    "+CMQTTWILLTOPIC": _DATA, "+CMQTTWILLMSG": _DATA, "+QISEND": _DATA, "+QFUPL": _DATA, "+QHTTPURL": _DATA,
    "+QHTTPPOST": _DATA, "+QMTPUB": _DATA, "+QPPPDROP": _DATA, "+CIPMODE": _DATA, "+NETOPEN": _DATA,
    "+CMGD": _KEEPS, "+CMGDA": _KEEPS, "+CPMS": _KEEPS, "+CSMS": _KEEPS,
    "+CMUX": _TALK, "+IPR": _TALK, "+IPREX": _TALK, "+IFC": _TALK, "+ICF": _TALK, "+CATR": _TALK, "+CSCS": _TALK,
    "+CMGF": _TALK, "+CNMI": _TALK, "+QURCCFG": _TALK,
    "+CRESET": _RESET, "+QRST": _RESET,
    "+CPOF": _OFF, "+QPOWD": _OFF, "+CUSBPIDSWITCH": _OFF, "+CRFD": _OFF,
    "+CPIN": _PIN, "+CPIN2": _PIN,
}  # fmt: skip
"""Only where they set or do something: their questions (AT+CMGF?, AT+CPIN=?) are welcome."""

_PASSIVE = frozenset({"+CLCC", "+CPIN"})
"""Without anything behind them these only read."""

_NAME = re.compile(r"[+^$*%][A-Za-z][A-Za-z0-9]*")
_ONE_BASIC = re.compile(r"(S[0-9]+(?:=[0-9]*|\?)?|&?[A-Za-z])([0-9]*)(\?|=\?)?")


def checked(command: str, timeout_s: float) -> Command:
    """The command, ready for a port. InvalidParams with the reason, which never holds the command itself."""
    text = command.strip()
    if text[:2].upper() != "AT" or not all(" " <= char <= "~" for char in text):
        raise InvalidParams("A command begins with AT and is one line of printable ASCII.", path="command")
    if len(text) > MAX_CHARS:
        raise InvalidParams(f"A command has at most {MAX_CHARS} characters.", path="command")
    answers = []
    for name, rest in _commands(text[2:]):
        if (reason := _refusal(name, rest)) is not None:
            raise InvalidParams(f"AT{name} is not taken by hand. {reason}", path="command")
        if name[0] in "+^$*%" and rest in ("", "?", "=?"):
            answers.append(f"{name}:")
    return Command("AT" + text[2:], timeout_s, prefixes=tuple(answers))


def _refusal(name: str, rest: str) -> str | None:
    if rest in ("?", "=?") or (rest == "" and name in _PASSIVE):
        return None
    if name == "+CFUN":
        return _cfun_refusal(rest)
    if name == "+CLCK" and not rest.endswith(",2"):
        return "Wrong passwords use up the SIM's tries; change its lock in a telephone."
    if name == "+CPWD":
        return "Wrong passwords use up the SIM's tries; change its PIN in a telephone."
    if name[0] == "S" and "=" in name:
        return _TALK  # S0 would answer calls, S3 and S4 change the ends of lines
    return _BASIC.get(name) or _EXTENDED.get(name)


def _cfun_refusal(rest: str) -> str | None:
    """Radio off, minimum and full are harmless: the daemon sees them and says so."""
    found = re.fullmatch(r"=0*([0-9])(?:,0*([0-9]))?", rest)
    if found is None or found[1] == "7":
        return _OFF
    return None if found[1] in "014" and found[2] in (None, "0") else _RESET


def _commands(body: str) -> Iterator[tuple[str, str]]:
    """The commands of a line without its AT, as (name in capitals, the rest): ("+CMGF", "=0"), ("D", "112;").

    V.250 §5.4: basic commands follow one another, an extended one goes up to a semicolon outside quotes.
    """
    at = 0
    while at < len(body):
        if body[at] in " ;":
            at += 1
        elif name := _NAME.match(body, at):
            end = _end(body, name.end())
            yield name[0].upper(), body[name.end() : end].replace(" ", "")
            at = end
        elif body[at] in "Dd":
            yield "D", body[at + 1 :]
            return
        elif basic := _ONE_BASIC.match(body, at):
            yield basic[1].upper(), basic[2] + (basic[3] or "")
            at = basic.end()
        else:
            raise InvalidParams("That is no AT command: a name such as +CSQ or a letter is missing.", path="command")


def _end(body: str, at: int) -> int:
    quoted = False
    for index in range(at, len(body)):
        if body[index] == '"':
            quoted = not quoted
        elif body[index] == ";" and not quoted:
            return index
    return len(body)
