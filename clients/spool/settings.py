"""spool.toml: where the directories are and how files are read and written. Names are smsd.conf's where it has them."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from clients.settings_file import SettingsError, as_type, read_file

DEFAULT_FILE = Path("/etc/dialtone/spool.toml")
Seconds = Annotated[float, Meta(gt=0)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of spool.toml. Directories may be relative to `root`."""

    root: str = "/var/spool/sms"
    outgoing: str = "outgoing"
    checked: str = "checked"
    incoming: str = "incoming"
    sent: str = "sent"
    failed: str = "failed"
    report: str | None = None
    phonecalls: str | None = None
    state: str = ".dialtone"
    include: tuple[str, ...] = ()

    device: str = "GSM1"
    devices: dict[str, str] = field(default_factory=dict)
    queues: dict[str, str] = field(default_factory=dict)
    missed_calls: bool = False

    eventhandler: str | None = None
    alarmhandler: str | None = None
    alarmlevel: Annotated[int, Meta(ge=2, le=7)] = 4
    handler_timeout_s: Seconds = 60.0

    alphabet: Literal["ISO", "UTF-8"] = "ISO"
    outgoing_utf8: bool = True
    trim_text: bool = True
    autosplit: Annotated[int, Meta(ge=0, le=3)] = 3
    request_report: bool | None = None
    validity: int | str | None = None
    smsc_header: bool = False
    on_unknown: Literal["hold", "resend"] | None = None
    unknown_wait_s: Annotated[float, Meta(ge=0)] = 60.0
    max_file_bytes: Annotated[int, Meta(ge=1024)] = 262_144

    incoming_utf8: bool = False
    cs_convert: bool = True
    decode_unicode_text: bool = False
    date_filename: Annotated[int, Meta(ge=0, le=2)] = 0
    date_filename_format: str = "%Y-%m-%d"
    datetime_format: str = "%y-%m-%d %H:%M:%S"
    file_mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$")] = "0644"
    umask: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$")] | None = None

    delaytime: Seconds = 10.0
    settle_s: Seconds = 1.0
    consumer: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = "spool"
    keep_days: Annotated[int, Meta(ge=1)] = 35

    def folder(self, name: str) -> Path:
        """A directory of this configuration, absolute."""
        return Path(os.path.abspath(Path(self.root) / name))

    def folders(self) -> dict[str, Path]:
        """All directories by their key; the report and phonecalls directories are incoming unless configured."""
        names = {
            "outgoing": self.outgoing,
            "checked": self.checked,
            "incoming": self.incoming,
            "sent": self.sent,
            "failed": self.failed,
            "report": self.report or self.incoming,
            "phonecalls": self.phonecalls or self.incoming,
        }
        return {key: self.folder(name) for key, name in names.items()}

    def device_of(self, line: str | None) -> str:
        """What a line is called in files: its entry in `devices`, else the one device name."""
        return self.devices.get(line or "", self.device)


def read_settings(path: Path | None) -> Settings:
    """Reads the file; without one the usual place, and the defaults where nothing is there. SettingsError."""
    return read_file(path, DEFAULT_FILE, parse_settings)


def parse_settings(raw: dict[str, Any], source: str) -> Settings:
    """The same from tables read already; `source` names the file in errors."""
    settings = as_type(raw, Settings, source)
    folders = settings.folders()
    apart = [folders[key] for key in ("outgoing", "checked", "incoming", "sent", "failed")]
    if len(set(apart)) < len(apart):
        raise SettingsError(f"{source}: outgoing, checked, incoming, sent and failed must be different directories")
    if not settings.device or "/" in "".join((settings.device, *settings.devices.values())):
        raise SettingsError(f"{source}: a device name goes into file names: not empty, and without /")
    return settings
