"""Who calls, and what they may do: bearer tokens with scopes, kept as digests in a file of mode 0600."""

import hashlib
import hmac
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from clients.http_api.settings import Listen, ScopeName

PREFIX = "dt_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class TokensError(Exception):
    """The tokens file is wrong; one line."""


class Refused(Exception):
    """401: no token where one is needed, or one that nobody was given."""


@dataclass(frozen=True, slots=True)
class Caller:
    """name: of the token, or "open". scopes are what the core's connection for it is narrowed to."""

    name: str
    scopes: frozenset[ScopeName]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    scopes: tuple[ScopeName, ...]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    token: dict[str, _Entry] = {}


class Tokens:
    """All tokens of one file. Tokens are 192 random bits, so a plain digest keeps them."""

    def __init__(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries

    @property
    def names(self) -> dict[str, tuple[ScopeName, ...]]:
        return {name: entry.scopes for name, entry in self._entries.items()}

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """TokensError for a file that others may read, or that is no tokens file. A missing one holds none."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            raw = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls({})
        except OSError as problem:
            raise TokensError(f"{path}: can't be read: {problem.strerror}") from None
        if mode & 0o077:
            raise TokensError(f"{path}: has mode {mode:04o}; others must not read it: chmod 600 {path}")
        try:
            return cls(msgspec.convert(tomllib.loads(raw), _File).token)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
            raise TokensError(f"{path}: {problem}") from None

    def caller(self, token: str) -> Caller | None:
        """Looks at every entry, in the time of a comparison each, whether one fits or not."""
        digest = _digest(token)
        found = None
        for name, entry in self._entries.items():
            if hmac.compare_digest(entry.sha256, digest):
                found = Caller(name, frozenset(entry.scopes))
        return found

    def add(self, name: str, scopes: Sequence[ScopeName]) -> str:
        """A new token, which is to be seen only now; one of that name is replaced."""
        token = PREFIX + secrets.token_urlsafe(24)
        self._entries[name] = _Entry(_digest(token), tuple(scopes))
        return token

    def remove(self, name: str) -> bool:
        return self._entries.pop(name, None) is not None

    def write(self, path: Path) -> None:
        """Whole or not at all, and never readable for others."""
        lines = ["# Made by `dialtone http token`. Digests of tokens, not the tokens.\n"]
        for name, entry in self._entries.items():
            scopes = ", ".join(f'"{scope}"' for scope in entry.scopes)
            lines.append(f'\n[token."{name}"]\nsha256 = "{entry.sha256}"\nscopes = [{scopes}]\n')
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write("".join(lines))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)


def good_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def identify(header: str | None, listen: Listen, tokens: Tokens) -> Caller:
    """The caller by its Authorization header (RFC 6750 §2.1). Refused, without saying what is wrong with it."""
    if header is not None:
        scheme, _, token = header.partition(" ")
        caller = tokens.caller(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise Refused("this token is not known")
        return caller
    if listen.auth == "open":
        return Caller("open", frozenset(listen.open_scopes))
    raise Refused("a bearer token is needed")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
