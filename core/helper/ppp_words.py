"""pppd's and chat's words for a dial, and what they say when they end (pppd(8), chat(8), both of ppp 2.4.9 and 2.5)."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from core.helper.programs import Ended
from core.helper.refused import Refused, Trouble

SPEED = "115200"
"""Over USB without a meaning, but pppd wants one."""

CHAT_S = 20
"""For each answer. A modem that has to register first takes that long to say CONNECT."""


@dataclass(frozen=True, slots=True)
class Dial:
    """auth: none, pap or chap."""

    tty: str
    apn: str
    auth: str
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"Dial(tty={self.tty!r}, apn={self.apn!r}, auth={self.auth!r})"


def command(dial: Dial, unit: int, folder: Path, script: Path, pppd: str, chat: str) -> list[str]:
    """No secrets: everybody may read it in /proc. Settles nothing but the interface itself: no route, no resolv.conf
    (/etc/ppp/ip-up, which does, is not run), whatever /etc/ppp/options says."""
    connect = shlex.join([chat, "-s", "-S", "-f", f"{folder}/chat"])  # pppd gives it to a shell
    return [
        pppd, dial.tty, SPEED, "file", f"{folder}/options", "connect", connect,
        "nodetach", "logfd", "2", "unit", str(unit), "ip-up-script", str(script), "ip-down-script", "/bin/true",
        "noauth", "nodefaultroute", "usepeerdns", "noproxyarp", "noipv6", "noipdefault",
        "ipcp-accept-local", "ipcp-accept-remote",
        "ipcp-max-configure", "30", "ipcp-max-failure", "30",  # modems say Nak until the network has given theirs
        "novj", "novjccomp", "noccp",  # compression breaks on SIMCom (field reports)
        "modem", "nocrtscts", "nolock", "maxfail", "1", "lcp-echo-interval", "30", "lcp-echo-failure", "4",
        *_auth_words(dial.auth),
    ]  # fmt: skip


def _auth_words(auth: str) -> list[str]:
    """What the other end may not ask for. Without a login pppd refuses by itself what it has no secret for."""
    never = ["refuse-mschap", "refuse-mschap-v2", "refuse-eap"]
    return never + {"pap": ["refuse-chap"], "chap": ["refuse-pap"]}.get(auth, [])


def secrets_file(dial: Dial) -> str:
    """For pppd's `file`: words in double quotes, with \\ before " and \\ (pppd(8), OPTIONS FILES)."""
    names = {"user": dial.user, "password": dial.password}
    lines = [f"{name} {_quoted(value)}\n" for name, value in names.items() if value is not None]
    return "hide-password\n" + "".join(lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def chat_script(dial: Dial) -> str:
    """Context 1 is the one that the bring-up gives its name; 3GPP TS 27.007 §10.1.1 and §10.2.1.1 (*99***1#)."""
    aborts = [f"ABORT '{word}'" for word in ("BUSY", "NO CARRIER", "NO DIALTONE", "NO ANSWER", "ERROR")]
    dialled = [
        f"TIMEOUT {CHAT_S}",
        "'' AT",
        f'OK \'AT+CGDCONT=1,"IP","{dial.apn}"\'',
        "OK ATD*99***1#",
        "CONNECT '\\c'",
    ]
    return "\n".join([*aborts, *dialled]) + "\n"


def why_ended(ended: Ended) -> Refused:
    """EXIT STATUS of pppd(8)."""
    if ended.code == 8:
        return _why_no_connect(ended)
    trouble, text = {
        4: (Trouble.NO_DEVICE, "the kernel has no PPP, or there is no /dev/ppp"),
        6: (Trouble.NO_DEVICE, "another program has the port"),
        7: (Trouble.NO_DEVICE, "the port can't be opened"),
        10: (Trouble.FAILED, "the network and pppd did not agree (LCP or IPCP)"),
        15: (Trouble.FAILED, "the modem stopped answering"),
        16: (Trouble.NO_NETWORK, "the modem hung up"),
        17: (Trouble.FAILED, "the port gives back what is sent"),
        19: (Trouble.APN_REFUSED, "the network refused the login"),
    }.get(ended.code, (Trouble.FAILED, f"pppd ended with {ended.code}"))
    return Refused(trouble, text)


def _why_no_connect(ended: Ended) -> Refused:
    """chat's last words: "Failed (NO CARRIER)", or that nothing came."""
    if "(NO CARRIER)" in ended.words:
        return Refused(Trouble.NO_NETWORK, "the modem has no carrier for data")
    if "(ERROR)" in ended.words:
        return Refused(Trouble.APN_REFUSED, "the modem refused the APN or the dial")
    if any(f"({word})" in ended.words for word in ("BUSY", "NO DIALTONE", "NO ANSWER")):
        return Refused(Trouble.NO_NETWORK, "the modem could not dial")
    return Refused(Trouble.TIMEOUT, "the modem did not answer the dial")
