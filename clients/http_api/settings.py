"""http.toml: where the HTTP service listens, who may come in, and how much they may ask."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from clients.settings_file import SettingsError, as_type, read_file

DEFAULT_FILE = Path("/etc/dialtone/http.toml")
DEFAULT_TOKENS = "/etc/dialtone/http-tokens.toml"

ScopeName = Literal["observe", "messages", "calls", "admin"]
Side = Literal["modern", "phone", "monitor"]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Listen(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address. serves: modern (/v1, /metrics), phone (the old API of port 8088), monitor (the old one of 8070).

    auth "token": everybody needs a bearer token. auth "open": without a token a caller has open_scopes; only on a
    single address, loopback or private, never on all interfaces.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8088
    serves: tuple[Side, ...] = ("modern", "phone")
    auth: Literal["token", "open"] = "open"
    open_scopes: tuple[ScopeName, ...] = ("observe", "messages", "calls")


class Limits(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 1024 * 1024
    requests_per_minute: Annotated[int, Meta(ge=1)] = 600
    request_timeout_s: Annotated[float, Meta(gt=0)] = 60.0
    event_streams: Annotated[int, Meta(ge=1)] = 50


class Phone(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The old API of port 8088. droid_links: URLs below which a droidLink may lie; none: it is refused.

    country_code: for numbers that begin with 0, without +. hangup_held: its hangup also ends a call that another
    client steers, where the core lets this service (as an administrator).
    """

    droid_links: tuple[Annotated[str, Meta(pattern="^https?://[^/]+", max_length=2000)], ...] = ()
    country_code: Annotated[str, Meta(pattern="^([1-9][0-9]{0,2})?$")] = ""
    hangup_held: bool = True


class Monitor(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the old monitoring actions do: commands that print their finding, run without a shell.

    station_config, bridge_config: the files that these commands read, where empty those in /etc/dialtone.
    """

    timeout_s: Annotated[float, Meta(gt=0)] = 180.0
    notify: bool = True
    station_config: str = ""
    bridge_config: str = ""


class Settings(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of http.toml."""

    listen: tuple[Listen, ...] = (Listen(), Listen(port=8070, serves=("monitor",), open_scopes=("observe",)))
    tokens: str = DEFAULT_TOKENS
    limits: Limits = Limits()
    phone: Phone = Phone()
    monitor: Monitor = Monitor()


def read_settings(path: Path | None) -> Settings:
    """Reads the file; without one the usual place, and the defaults where nothing is there. SettingsError."""
    return read_file(path, DEFAULT_FILE, parse_settings)


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """The same from tables read already; `source` names the file in errors."""
    settings = as_type(raw, Settings, source)
    for listen in settings.listen:
        if (problem_text := _refused(listen)) is not None:
            raise SettingsError(f"{source}: listen {listen.host}:{listen.port}: {problem_text}")
    return settings


def _refused(listen: Listen) -> str | None:
    """Why this address must not be served like that."""
    try:
        address = ipaddress.ip_address(listen.host)
    except ValueError:
        return "host must be an IP address, so that it is certain who can reach it"
    if not listen.serves:
        return "serves is empty"
    if listen.auth == "token":
        return None
    if address.is_unspecified:
        return 'all interfaces are never served without tokens: set auth = "token", or name one address'
    if not (address.is_loopback or address.is_private):
        return 'a public address is never served without tokens: set auth = "token"'
    if "admin" in listen.open_scopes and not address.is_loopback:
        return "admin is not for callers without a token on an address that others can reach"
    return None
