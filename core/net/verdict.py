"""From what a look at a link saw to what it means. Pure.

Order of belief: a portal's page is proof of a portal, whatever else answers (many let pings out). A 204 is proof of the
internet, as ICMP is blocked in some networks. Else an echo or a TCP connection is proof that packets come and go; names
must then work, too. A web server that is silent, or has an error, proves nothing: it may be the one that is blocked. An
answer to a name proves that the name server works, not that the internet does: it may come from the router's memory.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from core.events import NetVerdict

_LONGEST_DETAIL = 400


class Icmp(StrEnum):
    ANSWERED = "answered"
    SILENT = "silent"
    IMPOSSIBLE = "impossible"  # this process may not ask


class Names(StrEnum):
    """NXDOMAIN is ANSWERED: the server works, and for a name that was configured wrongly the SIM's data are no cure."""

    ANSWERED = "answered"
    FAILED = "failed"  # silence, SERVFAIL or REFUSED of every server
    SKIPPED = "skipped"


class Web(StrEnum):
    NO_CONTENT = "no_content"  # 204, or 200 without content, which some proxies make of it
    PORTAL = "portal"  # 200 with a page, 3xx, 511
    SILENT = "silent"  # no answer, or one that says nothing (4xx, 5xx)
    SKIPPED = "skipped"


class Part(StrEnum):
    """In the order in which people are told."""

    ICMP = "icmp"
    TCP = "tcp"
    WEB = "web"
    NAMES = "dns"


@dataclass(slots=True)
class Seen:
    """What is known so far; None: not yet. tcp: whether somebody accepted a connection, asked only when no echo comes.

    texts: for people.
    """

    icmp: Icmp | None = None
    names: Names | None = None
    web: Web | None = None
    tcp: bool | None = None
    texts: dict[Part, str] = field(default_factory=dict)

    def give_up(self, part: Part) -> None:
        """It could not be asked; that says nothing about the link."""
        match part:
            case Part.ICMP:
                self.icmp = Icmp.IMPOSSIBLE
            case Part.TCP:
                self.tcp = False
            case Part.WEB:
                self.web = Web.SKIPPED
            case Part.NAMES:
                self.names = Names.SKIPPED


def judge(seen: Seen) -> NetVerdict | None:
    """None as long as what is still to come may change it."""
    if seen.web is Web.PORTAL:
        return NetVerdict.CAPTIVE
    if seen.names is None or seen.web is None:
        return None
    names_work = seen.names is not Names.FAILED
    if seen.web is Web.NO_CONTENT or seen.icmp is Icmp.ANSWERED or seen.tcp:
        return NetVerdict.OK if names_work else NetVerdict.DNS_FAILED
    if seen.icmp is None or seen.tcp is None:
        return None
    if seen.icmp is Icmp.IMPOSSIBLE and seen.web is Web.SKIPPED and seen.names is Names.ANSWERED:
        return NetVerdict.OK  # nothing better could be asked
    return NetVerdict.DOWN


def final(seen: Seen) -> NetVerdict:
    """The time is over: what has not answered by now is silent."""
    closed = Seen(
        icmp=seen.icmp or Icmp.SILENT,
        names=seen.names or Names.FAILED,
        web=seen.web or Web.SILENT,
        tcp=bool(seen.tcp),
    )
    verdict = judge(closed)
    assert verdict is not None  # nothing is open
    return verdict


def detail(seen: Seen) -> str:
    """The parts' texts."""
    text = "; ".join(text for part in Part if (text := seen.texts.get(part)))
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 2] + " …"
