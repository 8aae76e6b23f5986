"""core.toml as types: exactly the tables of the design, an unknown key is an error that names key and file."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from core.config.check import check
from core.config.line import CallConfig, LineConfig, SmsConfig
from core.config.media import MediaConfig, PagingConfig, RecordingConfig
from core.config.net import NetConfig, VpnConfig
from core.config.paths import default_config_path, default_socket_path, models_dir, state_dir
from core.config.root import Config
from core.config.speech import (
    AzureTtsConfig,
    GoogleTtsConfig,
    LiepaTtsConfig,
    OpenAiTtsConfig,
    PiperTtsConfig,
    SttConfig,
    TtsConfig,
)
from core.config.station import AccessConfig, GuardConfig, LogConfig, RpcConfig, SocketConfig, StoreConfig
from core.config.table import ConfigError

__all__ = [
    "AccessConfig",
    "AzureTtsConfig",
    "CallConfig",
    "Config",
    "ConfigError",
    "GoogleTtsConfig",
    "GuardConfig",
    "LiepaTtsConfig",
    "LineConfig",
    "LogConfig",
    "MediaConfig",
    "NetConfig",
    "OpenAiTtsConfig",
    "PagingConfig",
    "PiperTtsConfig",
    "RecordingConfig",
    "RpcConfig",
    "SmsConfig",
    "SocketConfig",
    "StoreConfig",
    "SttConfig",
    "TtsConfig",
    "VpnConfig",
    "default_config_path",
    "default_socket_path",
    "load",
    "models_dir",
    "parse",
    "state_dir",
    "with_socket",
]


def load(path: Path) -> Config:
    """Reads core.toml. ConfigError, one line with file and key, for anything wrong with it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{path}: can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: {problem}") from None
    return parse(raw, str(path))


def parse(raw: dict[str, Any], source: str) -> Config:
    """The same from tables read already; `source` is the file's name for the error text."""
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"{source}: {_readable(str(problem), _wrong_line(raw))}") from None
    check(config, raw, source)
    if config.tts.models_dir is None and config.media.models_dir is not None:
        config = replace(config, tts=replace(config.tts, models_dir=config.media.models_dir))
    return config


def with_socket(config: Config, path: str) -> Config:
    """The same with the first socket at another path: --socket of the command line."""
    first = config.rpc.socket[0] if config.rpc.socket else SocketConfig(path=path)
    sockets = (replace(first, path=path), *config.rpc.socket[1:])
    return replace(config, rpc=replace(config.rpc, socket=sockets))


def _wrong_line(raw: dict[str, Any]) -> str:
    """The name of the [line.<name>] that can't be converted: msgspec's paths don't name keys of dictionaries."""
    lines = raw.get("line")
    for name, table in lines.items() if isinstance(lines, dict) else ():
        try:
            msgspec.convert(table, LineConfig)
        except msgspec.ValidationError:
            return str(name)
    return "<name>"


def _readable(problem: str, line: str) -> str:
    """msgspec's "… - at `$.call.greeting`" as "call.greeting: …"."""
    text, _, where = problem.partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".").replace("line[...]", f"line.{line}")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        return f"{path + '.' if path else ''}{unknown[1]}: unknown key"
    return f"{path}: {text}" if path else text
