"""[rpc], [[rpc.socket]], [access], [store], [guard] and [log]: who may do what with this station, and what it keeps."""

from typing import Annotated, Literal

from msgspec import Meta, field

from core.config.table import Natural, Positive, Table

ScopeName = Literal["observe", "messages", "calls", "admin"]


class SocketConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[rpc.socket]]`."""

    path: str
    mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$", description="Octal file mode")] = "0660"
    group: str | None = None
    framing: Literal["auto", "length", "lines", "headers"] = "auto"
    events: Literal["facts", "all", "legacy", "none"] = "facts"


class RpcConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    socket: tuple[SocketConfig, ...] = ()
    max_message_bytes: Annotated[int, Meta(ge=1024)] = 10 * 1024 * 1024
    max_requests_in_flight: Positive = 64
    max_connections: Positive = 200
    unread_bytes: Annotated[int, Meta(ge=4096)] = 1024 * 1024


class AccessConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names or numbers of users and groups to scopes. The daemon's own user and root are always admin."""

    users: dict[str, tuple[ScopeName, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[ScopeName, ...]] = field(default_factory=dict)


class StoreConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str | None = None
    journal_days: Positive = 30
    journal_events: Annotated[int, Meta(ge=1000)] = 1_000_000


GuardPattern = Annotated[str, Meta(pattern=r"^\+?[0-9*# ().\-/]+$", max_length=40)]
"""Anything else would hold no number, and nobody would know."""


class GuardConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this station may send and dial, whoever asks. Patterns: exact numbers, or a prefix with * at its end.

    0 means no limit. The per-minute limit paces the queue; the others refuse. Limits are per line.
    """

    region: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    allow: tuple[GuardPattern, ...] = ()
    deny: tuple[GuardPattern, ...] = ()
    premium: Literal["deny", "allow"] = "deny"
    sms_per_minute: Natural = 0
    sms_per_hour: Natural = 0
    sms_per_day: Natural = 0
    calls_per_hour: Natural = 0
    calls_per_day: Natural = 0
    dry_run: bool = False


class LogConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    log_personal_data: bool = False
