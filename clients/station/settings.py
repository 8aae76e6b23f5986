"""station.toml: what the commands that look after a station look at."""

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from clients.settings_file import as_type, read_file

DEFAULT_FILE = Path("/etc/dialtone/station.toml")

Seconds = Annotated[float, Meta(gt=0, le=86400)]
Url = Annotated[str, Meta(pattern="^https?://[^/]+", max_length=2000)]
Unit = Annotated[str, Meta(pattern=r"^[A-Za-z0-9*?\[][A-Za-z0-9:_.@\\*?\[\]-]{0,254}$")]
"""A unit's name or a pattern of names (systemd.unit(5)); never an option."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Vpn(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """peer: what must answer a ping through the tunnel."""

    interface: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,15}$")] = "wg0"
    peer: Annotated[str, Meta(pattern="^[0-9A-Fa-f.:]{2,45}$")] = "10.100.0.1"
    ping_s: Seconds = 5.0


class Network(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """urls: asked with HEAD; none: the servers that bridge.toml names."""

    urls: tuple[Url, ...] = ()
    timeout_s: Seconds = 5.0


class Limits(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Above these system-full is a warning; below signal_percent the modem's report is."""

    cpu_percent: float = 80.0
    temperature_c: float = 70.0
    disk_percent: float = 90.0
    signal_percent: float = 20.0


class Services(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """units: names and patterns. A name that systemd does not know is shown as not installed, a pattern is not."""

    units: tuple[Unit, ...] = ("dialtone*", "wg-quick@wg0.service", "ssh.service", "systemd-timesyncd.service")
    timeout_s: Seconds = 20.0


class Logs(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """watch: units whose starts, stops and failures count. first_h: how far back the first check looks."""

    watch: tuple[Unit, ...] = ("dialtone*",)
    first_h: Seconds = 1.0
    timeout_s: Seconds = 60.0


class Tts(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """queue_warning: texts that wait. slow_s: of a test sentence or of the last speech."""

    queue_warning: Annotated[int, Meta(ge=0)] = 10
    slow_s: Seconds = 30.0
    test_text: Annotated[str, Meta(min_length=1, max_length=200)] = "One, two, three."


class AudioLibrary(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """source: a directory, host:path or rsync://host/share, as rsync takes it. mirror: directories of this name are
    made exact copies, with deletions; all others only grow."""

    source: Annotated[str, Meta(pattern="^[^-].*$", max_length=4096)] | None = None
    dest: Annotated[str, Meta(pattern="^/.*$", max_length=4096)] = "/var/lib/dialtone/audio-library"
    mirror: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")] = "silence_fills"
    password_file: str | None = None
    timeout_s: Seconds = 900.0
    idle_timeout_s: Annotated[int, Meta(ge=1, le=3600)] = 60


class Settings(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of station.toml. state: the folder where commands keep their place; default: as the bridge."""

    state: str | None = None
    vpn: Vpn = Vpn()
    network: Network = Network()
    limits: Limits = Limits()
    services: Services = Services()
    logs: Logs = Logs()
    tts: Tts = Tts()
    audio_library: AudioLibrary = AudioLibrary()


def read_settings(path: Path | None) -> Settings:
    """Reads the file; without one the usual place, and the defaults where nothing is there. SettingsError."""
    return read_file(path, DEFAULT_FILE, parse_settings)


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """The same from tables read already; `source` names the file in errors."""
    return as_type(raw, Settings, source)
