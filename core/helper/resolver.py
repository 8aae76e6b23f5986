"""resolver: the modem's name servers while the backup carries traffic, by whatever cares for name servers here."""

import re
from pathlib import Path

from core.helper import resolver_file
from core.helper.context import Context
from core.helper.request import Request, bad
from core.helper.state import ResolverSet

TIMEOUT_S = 8.0
"""They speak with a daemon over D-Bus, or run scripts."""

EVERYTHING = "~."
"""A routing domain: this link's servers for all names (resolvectl(1))."""


def resolver(request: Request, context: Context) -> dict[str, object]:
    interface, dns = request.interface(context.patterns.interfaces), request.hosts("dns")
    wanted = request.boolean("set")
    if wanted and not dns:
        raise bad("dns has at least one address to be set")
    with context.state.reading() as held:
        now = held.resolver
    if not wanted:
        if now is not None and now.interface == interface:
            take_resolver(context, now)
        return {}
    by = _way(context)
    if now is not None and (now.by != by or (now.interface != interface and by != "file")):
        take_resolver(context, now)
        now = None
    made = ResolverSet(by, interface, list(dns))
    if by == "resolved":
        made.dns_was, made.domains_was = (now.dns_was, now.domains_was) if now else _resolved_has(context, interface)
    with context.state.intent() as held:
        held.resolver = made
    _set(context, made)
    return {}


def take_resolver(context: Context, made: ResolverSet) -> bool:
    """Whether there was something to take back."""
    if made.by == "resolved":
        there = _give_back_to_resolved(context, made)
    elif made.by == "resolvconf":
        context.programs.must("resolvconf", "-d", _record(context, made.interface), "-f", timeout_s=TIMEOUT_S)
        there = True
    else:
        there = resolver_file.put_back(context.root / "etc")
    with context.state.done() as held:
        held.resolver = None
    return there


def take_leftover(context: Context) -> bool:
    """After a power cut /run is empty, and resolv.conf may still be ours: it is put back."""
    with context.state.reading() as held:
        known = held.resolver is not None
    etc = context.root / "etc"
    return not known and resolver_file.is_ours(etc / resolver_file.NAME) is not None and resolver_file.put_back(etc)


def _way(context: Context) -> str:
    if (context.root / "run/systemd/resolve").is_dir() and context.programs.find("resolvectl"):
        return "resolved"
    return "resolvconf" if context.programs.find("resolvconf") else "file"


def _set(context: Context, made: ResolverSet) -> None:
    if made.by == "resolved":
        _resolvectl(context, "dns", made.interface, *made.dns)
        _resolvectl(context, "domain", made.interface, EVERYTHING)
    elif made.by == "resolvconf":
        text = "".join(f"nameserver {each}\n" for each in made.dns)
        # As wg-quick(8) does it: exclusive for openresolv, first by its name for Debian's resolvconf.
        context.programs.must(
            "resolvconf", "-a", _record(context, made.interface), "-m", "0", "-x",
            timeout_s=TIMEOUT_S, stdin=text.encode(),
        )  # fmt: skip
    else:
        resolver_file.set_servers(context.root / "etc", made.dns)


def _resolvectl(context: Context, *words: str) -> str:
    return context.programs.must("resolvectl", *words, timeout_s=TIMEOUT_S)


def _resolved_has(context: Context, interface: str) -> tuple[list[str], list[str]]:
    """ "Link 5 (wwan0): 10.0.0.1 10.0.0.2" """
    dns, domains = (_after_colon(_resolvectl(context, what, interface)) for what in ("dns", "domain"))
    server, domain = re.compile(r"[0-9A-Fa-f.:]+(%\w+)?(#[\w.-]+)?"), re.compile(r"~?[\w.][\w.-]*")
    return [each for each in dns if server.fullmatch(each)], [each for each in domains if domain.fullmatch(each)]


def _after_colon(text: str) -> list[str]:
    return text.partition("): ")[2].split()


def _give_back_to_resolved(context: Context, made: ResolverSet) -> bool:
    if context.kernel.link(made.interface) is None:
        return False  # resolved forgets a link with the link
    _resolvectl(context, "revert", made.interface)
    if made.dns_was:
        _resolvectl(context, "dns", made.interface, *made.dns_was)
    if made.domains_was:
        _resolvectl(context, "domain", made.interface, *made.domains_was)
    return True


def _record(context: Context, interface: str) -> str:
    """With the prefix that Debian's resolvconf sorts first, found as wg-quick finds it."""
    order = context.root / "etc/resolvconf/interface-order"
    found = re.search(r"^([A-Za-z0-9-]+)\*$", _text(order), re.MULTILINE)
    return f"{found[1] + '.' if found else ''}{interface}.dialtone"


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError):
        return ""
