"""Which name servers this machine asks, and which of them belong to which link, as far as files tell it.

/etc/resolv.conf (resolv.conf(5)) names the machine's. Behind a stub of systemd-resolved or of NetworkManager the real
ones stand in their own files. Per link they are told by systemd-resolved and systemd-networkd (by index), and by
resolvconf of Debian and openresolv (by name); NetworkManager tells its by D-Bus (core/net/nm.py). Where nobody tells
it, the machine's belong to the main link.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from core.net.types import Link, Links

MOST_SERVERS = 8
"""Of one link: nobody asks more, and a file may hold anything."""

OUR_MARK = "dialtone"
"""In a comment of the resolv.conf that dialtone-helper writes while the SIM's data carry the traffic."""

_LARGEST_FILE = 16384


@dataclass(frozen=True, slots=True)
class ResolverFiles:
    """What stands in the files. ours: resolv.conf is dialtone-helper's, so that its servers are not the main link's."""

    servers: tuple[str, ...] = ()
    ours: bool = False
    by_index: dict[int, tuple[str, ...]] = field(default_factory=dict)
    by_name: dict[str, tuple[str, ...]] = field(default_factory=dict)


class ResolverInfo:
    """Reads them. root: "/" but in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._of_primary: tuple[str, tuple[str, ...]] | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where a change of a file may be one of the servers; not all of them exist."""
        found = [self._root / name for name in ("etc", *_STUBBED_FOLDERS, *_BY_INDEX, *_BY_NAME)]
        target = (self._root / "etc/resolv.conf").resolve().parent
        return tuple(dict.fromkeys((*found, target)))

    def read(self) -> ResolverFiles:
        """A few small files, most of them in memory. Never raises."""
        text = _text(self._root / "etc/resolv.conf")
        servers = name_servers(text)
        if servers and all(ip_address(server).is_loopback for server in servers):
            behind = (name_servers(_text(self._root / name)) for name in _BEHIND_STUB)
            servers = next((found for found in behind if found), servers)
        return ResolverFiles(
            servers=servers,
            ours=any(line[:1] in "#;" and OUR_MARK in line for line in text.splitlines() if line),
            by_index=self._by_index(),
            by_name=self._by_name(),
        )

    def attributed(self, links: Links, files: ResolverFiles) -> Links:
        """Links with their servers; those that have some already (NetworkManager's word) keep them.

        While the backup carries the traffic the machine's servers may be the carrier's: the main link keeps those that
        it had before.
        """
        if links.primary is not None and not files.ours and not links.ours and files.servers:
            self._of_primary = (links.primary, files.servers)

        def of(link: Link) -> tuple[str, ...]:
            known = link.dns or files.by_index.get(link.index) or files.by_name.get(link.interface)
            if known:
                return known
            if link.interface == links.primary and self._of_primary is not None:
                return self._of_primary[1] if self._of_primary[0] == link.interface else ()
            return ()

        found = tuple(replace(link, dns=of(link)) for link in links.links)
        return replace(links, links=found, dns=files.servers)

    def _by_index(self) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for folder, key in _BY_INDEX.items():
            for path in _files(self._root / folder):
                if path.name.isdigit() and (servers := _assigned(_text(path), key)):
                    found.setdefault(int(path.name), servers)
        return found

    def _by_name(self) -> dict[str, tuple[str, ...]]:
        """ "eth0.dhclient" and "eth0": the name ends at the first dot that a program's name follows."""
        found: dict[str, tuple[str, ...]] = {}
        for folder in _BY_NAME:
            for path in _files(self._root / folder):
                servers = name_servers(_text(path))
                name = path.name if "." not in path.name else path.name.rpartition(".")[0]
                found[name] = _unique((*found.get(name, ()), *servers))
        return found


_BEHIND_STUB = ("run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf")
_STUBBED_FOLDERS = ("run/systemd/resolve", "run/NetworkManager")
_BY_INDEX = {"run/systemd/resolve/netif": "SERVERS", "run/systemd/netif/links": "DNS"}
_BY_NAME = ("run/resolvconf/interface", "run/resolvconf/interfaces")


def name_servers(text: str) -> tuple[str, ...]:
    """The addresses of resolv.conf(5); anything else in it is passed over."""
    words = (line.split() for line in text.splitlines())
    return _unique(word[1] for word in words if len(word) >= 2 and word[0] == "nameserver")


def _assigned(text: str, key: str) -> tuple[str, ...]:
    """`KEY=1.1.1.1 9.9.9.9` of systemd's state files; a server may have a port and a name: 1.1.1.1:53#dns.name."""
    lines = (line.partition("=") for line in text.splitlines())
    found = [word.partition("#")[0] for name, _, value in lines if name == key for word in value.split()]
    return _unique(word.rpartition(":")[0] if word.count(":") == 1 else word for word in found)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if _is_address(word)))[:MOST_SERVERS]


def _is_address(word: str) -> bool:
    try:
        ip_address(word)  # IPv6 with a zone (fe80::1%eth0) is one, too
    except ValueError:
        return False
    return True


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))[:64]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""
