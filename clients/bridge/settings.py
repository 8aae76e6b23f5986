"""bridge.toml: where the VPS is, and what the bridge does. An address that is not there switches its part off."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from clients.bridge.texts import Phrase

DEFAULT_FILE = Path("/etc/dialtone/bridge.toml")

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Url = Annotated[str, Meta(pattern="^https?://[^/]+", max_length=2000)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
LanguageName = Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]


class SettingsError(Exception):
    """bridge.toml is wrong; one line."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    def __repr__(self) -> str:
        return type(self).__name__  # tables hold tokens and passwords, which must not get into a log


class VpsTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[vps]: who turns speech into replies. token, ca_file and verify_tls hold for every request of the bridge to
    its own VPS. health_url: what is asked while it is down; default: the origin of transcribe_url."""

    transcribe_url: Url | None = None
    transcribe_timeout_s: Seconds = 10.0
    retry_within_s: Seconds = 5.0
    token: Annotated[str, Meta(max_length=4096)] | None = None
    ca_file: str | None = None
    verify_tls: bool = True
    health_url: Url | None = None
    probe_every_s: Seconds = 5.0
    probe_timeout_s: Seconds = 1.2
    hold_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0


class VoiceConfigTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[voice_config]: asked on every ring. ip: by default the address of `interface`; phone_nr stands in place of it.
    apply_within_s: how long a ring waits for a fresh answer before the cache counts. welcome "after_caller": as the
    old station did, once the caller has said something."""

    url: Url | None = None
    ip: Annotated[str, Meta(max_length=64)] | None = None
    interface: Annotated[str, Meta(min_length=1, max_length=15)] = "wg0"
    phone_nr: Annotated[str, Meta(max_length=20)] | None = None
    cache: str | None = None
    cache_keys: bool = False
    timeout_s: Seconds = 5.0
    apply_within_s: Annotated[float, Meta(gt=0, lt=2)] = 1.4
    welcome: Literal["at_answer", "after_caller", "off"] = "at_answer"


class BrainTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[brain]. max_silence_s: the longest that a caller hears nothing while an answer is awaited. speakers: clients
    that may also speak in our calls; the VPS speaks through `dialtone http`."""

    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 10
    max_silence_s: Annotated[float, Meta(ge=2, le=60)] = 6.0
    speakers: tuple[Annotated[str, Meta(max_length=64)], ...] = ("http",)
    texts: dict[LanguageName, dict[Phrase, Text]] = field(default_factory=dict)


class EventsTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[events]: what happened, for the VPS: phone events, received messages, notifications."""

    url: Url | None = None
    sms_url: Url | None = None
    notify_url: Url | None = None
    timeout_s: Seconds = 10.0


class OwnerTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[owner]: how the owner hears of missed calls and messages."""

    notify: bool = False
    sms_to: tuple[Annotated[str, Meta(pattern=r"^\+[0-9]{5,15}$")], ...] = ()
    email: bool = False


class EmailTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """[email]: an SMTP server. tls: "starttls", "tls" from the first byte, or "off"."""

    host: str | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "off"] = "starttls"
    user: str | None = None
    password: str | None = None
    sender: str | None = None
    to: tuple[str, ...] = ()
    timeout_s: Seconds = 30.0


class WebhookTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[webhook]]: events of these topics to that URL, signed with the secret where one is given."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,40}$")]
    url: Url
    topics: tuple[str, ...] = ("*",)
    secret: str | None = None
    token: str | None = None
    timeout_s: Seconds = 10.0


class CommandTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[command]: programs of this computer; words, no shell."""

    sms: tuple[str, ...] = ()
    timeout_s: Seconds = 30.0


class OutboxTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[outbox]: what waits to be delivered. When it is full the oldest dead letters go first, then the oldest rows."""

    path: str | None = None
    max_rows: Annotated[int, Meta(ge=100)] = 100_000
    max_bytes: Annotated[int, Meta(ge=1_000_000)] = 256 * 1024 * 1024


class Settings(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of bridge.toml. station: what the VPS calls this computer; default: its host name."""

    station: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    vps: VpsTable = VpsTable()
    voice_config: VoiceConfigTable = VoiceConfigTable()
    brain: BrainTable = BrainTable()
    events: EventsTable = EventsTable()
    owner: OwnerTable = OwnerTable()
    email: EmailTable = EmailTable()
    webhook: tuple[WebhookTable, ...] = ()
    command: CommandTable = CommandTable()
    outbox: OutboxTable = OutboxTable()

    @property
    def cache_path(self) -> Path:
        return Path(self.voice_config.cache or state_dir() / "runtime_voice_config.json")

    @property
    def outbox_path(self) -> Path:
        return Path(self.outbox.path or state_dir() / "bridge.db")


def state_dir() -> Path:
    """/var/lib/dialtone for root and for services that systemd gave it, below XDG_STATE_HOME for everyone else."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone"


def read_settings(path: Path | None) -> Settings:
    """Reads the file; without one the usual place, and the defaults where nothing is there. SettingsError."""
    if path is None:
        if not DEFAULT_FILE.exists():
            return Settings()
        path = DEFAULT_FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError(f"{path}: can't be read: {problem.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SettingsError(f"{path}: {problem}") from None
    return parse_settings(raw, str(path))


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """The same from tables read already; `source` names the file in errors."""
    try:
        settings = msgspec.convert(raw, Settings)
    except msgspec.ValidationError as problem:
        raise SettingsError(f"{source}: {problem}") from None
    if (refused := _refused(settings)) is not None:
        raise SettingsError(f"{source}: {refused}")
    return settings


def _refused(settings: Settings) -> str | None:
    """What msgspec can't see."""
    vps = settings.vps
    if vps.ca_file is not None and not vps.verify_tls:
        return "vps: ca_file is of no use with verify_tls = false"
    for key, url in (("transcribe_url", vps.transcribe_url), ("health_url", vps.health_url)):
        if url is not None and not _has_host(url):
            return f"vps.{key}: no host in that address"
    names = [webhook.name for webhook in settings.webhook]
    if len(set(names)) < len(names):
        return "webhook: two have the same name"
    return None


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
