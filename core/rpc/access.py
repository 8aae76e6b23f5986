"""Who is at the other end of a Unix socket, and what the [access] table lets them do."""

import array
import grp
import os
import pwd
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from core.config import AccessConfig
from core.events import Scope
from core.log import Log

_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)
_SO_PEERGROUPS = 59
"""socket(7), Linux 4.13; Python has no name for it. The peer's supplementary groups at its connect."""

_PEERGROUPS_BYTES = 1024
"""256 groups; as much as Python's getsockopt takes."""

log = Log("rpc")


@dataclass(frozen=True, slots=True)
class PeerId:
    """A process at its connect. gids holds the main and all supplementary groups."""

    pid: int
    uid: int
    gids: frozenset[int]


def peer_of(sock: socket.socket) -> PeerId:
    """The kernel's word for who connected (SO_PEERCRED); nothing that the peer says counts."""
    pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return PeerId(pid, uid, frozenset({gid, *_supplementary(sock, uid, gid)}))


def _supplementary(sock: socket.socket, uid: int, gid: int) -> Iterable[int]:
    gids = array.array("I")
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _PEERGROUPS_BYTES)
    except OSError:
        try:  # a kernel without it, or a peer in more than 256 groups: what the group database says
            return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
        except KeyError:
            return ()
    gids.frombytes(raw)
    return gids


_IMPLIED = {
    Scope.OBSERVE: frozenset({Scope.OBSERVE}),
    Scope.MESSAGES: frozenset({Scope.MESSAGES, Scope.OBSERVE}),
    Scope.CALLS: frozenset({Scope.CALLS, Scope.OBSERVE}),
    Scope.ADMIN: frozenset(Scope),
}
"""Who may steer calls may also look at them, so messages and calls hold observe; admin holds all."""


class Access:
    """The [access] table with names looked up once, at the start. Names that don't exist are logged and count for
    nobody."""

    def __init__(self, config: AccessConfig, owner_uid: int | None = None) -> None:
        owner = os.geteuid() if owner_uid is None else owner_uid
        self._users: dict[int, frozenset[Scope]] = {}
        self._groups: dict[int, frozenset[Scope]] = {}
        for name, scopes in config.users.items():
            self._grant(self._users, _number(name, "user"), scopes)
        for name, scopes in config.groups.items():
            self._grant(self._groups, _number(name, "group"), scopes)
        self._users[0] = self._users[owner] = _IMPLIED[Scope.ADMIN]

    def scopes(self, peer: PeerId) -> frozenset[Scope]:
        """All that user and groups of a peer give it together; empty for someone unknown."""
        found = set(self._users.get(peer.uid, ()))
        for gid in peer.gids:
            found |= self._groups.get(gid, frozenset())
        return frozenset(found)

    @staticmethod
    def _grant(table: dict[int, frozenset[Scope]], number: int | None, scopes: tuple[str, ...]) -> None:
        if number is not None:
            implied = (_IMPLIED[Scope(scope)] for scope in scopes)
            table[number] = table.get(number, frozenset()).union(*implied)


def with_implied(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """These and those that they hold."""
    return frozenset().union(*(_IMPLIED[scope] for scope in scopes))


def _number(name: str, kind: str) -> int | None:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        log.warning("access names nobody", kind=kind, name=name)
        return None
