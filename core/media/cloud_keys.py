"""Whose key goes where: keys of a call, of core.toml, of the environment, and the endpoints that they may be sent to.

A key of the station's goes to the station's own endpoint only: a client that names another endpoint for a call brings
its own key, or it could have the station's sent to itself.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ENGINE_OF_CALL = "tts_engine"
"""Says which engine the generic tts_secret_key and tts_access_link belong to."""
_KEY = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Access:
    """What a request needs. endpoint None: the service's own."""

    key: str = field(repr=False)
    endpoint: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why there is no access, and what to do. Holds no key."""

    reason: str


def find_access(
    name: str,
    keys: Mapping[str, str],
    *,
    key: str | None,
    endpoint: str | None,
    environment: tuple[str, ...],
    needs_key: bool = True,
    allow_http: bool = False,
) -> Access | Denied:
    """The call's key, else core.toml's, else the first of the environment's."""
    generic = keys.get(ENGINE_OF_CALL) == name
    calls_key = keys.get(f"{name}_key") or (keys.get("tts_secret_key") if generic else None)
    calls_endpoint = keys.get(f"{name}_endpoint") or (keys.get("tts_access_link") if generic else None)
    own_key = key or next(filter(None, map(os.environ.get, environment)), None)
    if calls_endpoint and not calls_key and (own_key or needs_key):
        return Denied("The call names an endpoint and no key of its own: the station's key is for its own endpoint.")
    found = calls_key or own_key or ""
    if not found and needs_key:
        return Denied(f"No key: set key in [tts.{name}], or {environment[0]}, or give {name}_key in call.configure.")
    if found and not _KEY.fullmatch(found):
        return Denied("The key holds characters that no key has, such as a space or a line's end.")
    chosen = calls_endpoint or endpoint
    if chosen is not None and (problem := endpoint_problem(chosen, allow_http=allow_http)) is not None:
        return Denied(problem)
    return Access(found, chosen)


def endpoint_problem(url: str, *, allow_http: bool = False) -> str | None:
    """None, or why a key and a caller's words must not be sent there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "The endpoint is no URL."
    if parts.scheme not in ("https", "http") or not host or any(ord(char) < 0x21 for char in url):
        return "The endpoint is no URL."
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "The endpoint must be without user, password and #."
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        return "The endpoint must be https, or on this machine; allow_http = true permits plain http."
    return None


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def with_path(base: str, path: str) -> str:
    """The URL of a method: `base` may be the service's root or the method's whole URL."""
    trimmed = base.rstrip("/")
    return trimmed if trimmed.endswith(path) else trimmed + path
