"""bridge.toml: where the VPS is, and what the bridge does. An address that is not there switches its part off."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from clients.bridge.texts import Phrase
from clients.settings_file import SettingsError, as_type, read_file

DEFAULT_FILE = Path("/etc/dialtone/bridge.toml")

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Url = Annotated[str, Meta(pattern="^https?://[^/]+", max_length=2000)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Topic = Annotated[str, Meta(pattern=r"^(\*|[a-z_]+(\.[a-z_]+)*(\.\*)?)$", max_length=80)]
Address = Annotated[str, Meta(pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=254)]
LanguageName = Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]


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
    """[events]: what happened, for the VPS: phone events, received messages, notifications. dialect: whose names a
    phone event has (docs/bridge-outbox.md). notify: events that become notifications; a text that was told within
    notify_window_s is not told again. gateway_ip: default as [voice_config] ip."""

    url: Url | None = None
    sms_url: Url | None = None
    notify_url: Url | None = None
    timeout_s: Seconds = 10.0
    dialect: Literal["bot", "voice_system", "station"] = "bot"
    notify: tuple[Topic, ...] = ("alarm.*", "modem.lost", "modem.recovery", "sms.status")
    notify_window_s: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    gateway_ip: Annotated[str, Meta(max_length=64)] | None = None


class OwnerTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[owner]: how the owner hears of missed calls and messages. More than burst notices in window_s become a digest.
    include_text: whether the words of a message are told."""

    notify: bool = False
    sms_to: tuple[Annotated[str, Meta(pattern=r"^\+[0-9]{5,15}$")], ...] = ()
    email: bool = False
    of: tuple[Literal["missed", "message", "voicemail"], ...] = ("missed", "message", "voicemail")
    include_text: bool = True
    burst: Annotated[int, Meta(ge=1, le=1000)] = 3
    window_s: Annotated[float, Meta(gt=0, le=86400)] = 300.0


class EmailTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """[email]: an SMTP server, and who gets what [owner] email and received messages (sms = true) make. tls:
    "starttls", "tls" from the first byte, or "off"."""

    host: str | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "off"] = "starttls"
    user: str | None = None
    password: str | None = None
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    sms: bool = False
    ca_file: str | None = None
    verify_tls: bool = True
    timeout_s: Seconds = 30.0


class WebhookTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[webhook]]: events of these topics to that URL, signed with the secret where one is given. retry_s: waits
    after the first, second … failure, then a dead letter; without: as [outbox] says."""

    name: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,40}$")]
    url: Url
    topics: tuple[Topic, ...] = ("*",)
    secret: Annotated[str, Meta(min_length=8, max_length=4096)] | None = None
    token: Annotated[str, Meta(max_length=4096)] | None = None
    timeout_s: Seconds = 10.0
    ca_file: str | None = None
    retry_s: tuple[Seconds, ...] = ()


class CommandTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[command]: programs of this computer; words, no shell."""

    sms: tuple[str, ...] = ()
    timeout_s: Seconds = 30.0


class OutboxTable(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[outbox]: what waits to be delivered; docs/bridge-outbox.md says what goes first when it is full. refusals: how
    many (HTTP 4xx, SMTP 5xx) make a dead letter; give_up_after_h: of failures of any kind."""

    path: str | None = None
    retry_first_s: Seconds = 1.0
    retry_cap_s: Seconds = 60.0
    refusals: Annotated[int, Meta(ge=1, le=1000)] = 6
    give_up_after_h: Annotated[float, Meta(gt=0, le=8760)] = 168.0
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


def has_deliveries(settings: Settings) -> bool:
    """Whether there is anything to do besides live speech."""
    events, told = settings.events, settings.owner
    urls = any((events.url, events.sms_url, events.notify_url))
    return urls or any((told.sms_to, told.email, settings.email.sms, settings.command.sms, settings.webhook))


def state_dir() -> Path:
    """/var/lib/dialtone for root and for services that systemd gave it, below XDG_STATE_HOME for everyone else."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone"


def read_settings(path: Path | None) -> Settings:
    """Reads the file; without one the usual place, and the defaults where nothing is there. SettingsError."""
    return read_file(path, DEFAULT_FILE, parse_settings)


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """The same from tables read already; `source` names the file in errors."""
    settings = as_type(raw, Settings, source)
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
    return _refused_delivery(settings)


def _refused_delivery(settings: Settings) -> str | None:
    """The same of what is delivered."""
    events, email = settings.events, settings.email
    urls = [("events.url", events.url), ("events.sms_url", events.sms_url), ("events.notify_url", events.notify_url)]
    urls += [(f"webhook {webhook.name}: url", webhook.url) for webhook in settings.webhook]
    for key, url in urls:
        if url is not None and not _has_host(url):
            return f"{key}: no host in that address"
    if settings.owner.notify and events.notify_url is None:
        return "owner.notify: needs events.notify_url"
    if (settings.owner.email or email.sms) and (email.host is None or email.sender is None or not email.to):
        return "email: needs host, from and to"
    if email.user is not None and (email.password is None or email.tls == "off"):
        return "email.user: needs a password, and a connection that hides it (tls)"
    if settings.command.sms and not settings.command.sms[0].startswith("/"):
        return "command.sms: the program is named by its full path"
    return None


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False
