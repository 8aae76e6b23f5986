"""carriers.json as the old station had it (SIM7600 carrier detection), an optional file of the user's own.

`carriers` maps MCC-MNC to entries whose brand is called `carrier` or `name`; strings named `_comment…` stand between
them. `fallback` is used for networks that nobody knows. Fields we have no use for are passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from core.modem.carriers.apn import apn_is_sound, credential_is_sound
from core.modem.carriers.area import FileEntry
from core.modem.carriers.model import Auth, CarrierDataError

MAX_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_AUTH = {"": None, "NONE": Auth.NONE, "PAP": Auth.PAP, "CHAP": Auth.CHAP, "PAP_OR_CHAP": Auth.PAP_OR_CHAP}


@dataclass(frozen=True, slots=True)
class UserFile:
    """entries by MCC and MNC in one string. problems are the entries left out, each with its key."""

    entries: Mapping[str, FileEntry] = field(default_factory=dict)
    fallback: FileEntry | None = None
    problems: tuple[CarrierDataError, ...] = ()


class _Entry(Struct, frozen=True):
    carrier: str | None = None
    name: str | None = None
    country_code: str | None = None
    data_apn: str | None = None
    ims_apn: str | None = None
    ims_domain: str | None = None
    username: str | None = None
    password: str | None = None
    auth_type: str | None = None
    volte_supported: bool | None = None


class _File(Struct, frozen=True):
    carriers: dict[str, Raw]
    fallback: Raw = Raw(b"null")


def read_user_file(path: Path) -> UserFile:
    """The entries that make sense. CarrierDataError if it is no such file; a bad entry is only left out and told."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CarrierDataError(path, f"larger than {MAX_BYTES} bytes")
        found = msgspec.json.decode(path.read_bytes().removeprefix(_BOM), type=_File)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CarrierDataError(path, f"unreadable: {error}") from error
    entries: dict[str, FileEntry] = {}
    problems: list[CarrierDataError] = []
    for key, raw in found.carriers.items():
        if not bytes(raw).startswith(b"{"):
            continue  # a _comment between the entries
        try:
            entries[_network(key)] = _entry(raw)
        except ValueError as error:
            problems.append(CarrierDataError(path, f"{key}: {error}"))
    fallback = None
    if bytes(found.fallback).startswith(b"{"):
        try:
            fallback = _entry(found.fallback)
        except ValueError as error:
            problems.append(CarrierDataError(path, f"fallback: {error}"))
    return UserFile(entries, fallback, tuple(problems))


def _network(key: str) -> str:
    """ "246-01" or "24601"; ValueError for anything else."""
    code = key.replace("-", "", 1)
    if len(code) not in (5, 6) or not (code.isascii() and code.isdecimal()):
        raise ValueError("no MCC-MNC")
    return code


def _entry(raw: Raw) -> FileEntry:
    """ValueError (msgspec's are such too) says what is wrong with it."""
    old = msgspec.json.decode(raw, type=_Entry)
    for apn in (old.data_apn, old.ims_apn):
        if apn and not apn_is_sound(apn):
            raise ValueError("no access point name")
    for text in (old.username, old.password):
        if text and not credential_is_sound(text):
            raise ValueError("a user or password no modem takes")
    if old.ims_domain and not all(map(apn_is_sound, old.ims_domain.split("."))):
        raise ValueError("no domain name")
    auth = (old.auth_type or "").upper()
    if auth not in _AUTH:
        raise ValueError("auth_type is NONE, PAP, CHAP or PAP_OR_CHAP")
    return FileEntry(
        apn=old.data_apn or None,
        username=old.username or "",
        password=old.password or "",
        auth=_AUTH[auth],
        name=old.carrier or old.name,
        country=old.country_code,
        ims_apn=old.ims_apn or None,
        ims_domain=old.ims_domain or None,
        volte=old.volte_supported,
    )
