"""What the station's commands have in common: options, files, requests, notifications and how they end."""

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dialtone
from clients.bridge.settings import Settings as BridgeSettings
from clients.bridge.settings import read_settings as read_bridge
from clients.bridge.settings import state_dir
from clients.cli.command import FAILED, OK, UsageError
from clients.settings_file import SettingsError
from clients.station.settings import Settings, read_settings

PROBLEM = FAILED
"""1: it looked, and something is wrong (or a notification was not delivered)."""
CANNOT_LOOK = 3
"""Nothing can be said: a program, systemd or the core is not there."""

__all__ = ["CANNOT_LOOK", "OK", "PROBLEM", "Context", "add_options", "ask", "context"]


@dataclass(frozen=True, slots=True)
class Context:
    """settings: station.toml. bridge: bridge.toml. socket: the core's, None: the usual one. scopes: narrow to these."""

    settings: Settings
    bridge: BridgeSettings
    socket: str | None
    scopes: tuple[str, ...] | None
    dry_run: bool

    @property
    def state(self) -> Path:
        """The folder where commands keep their place."""
        return Path(self.settings.state) if self.settings.state else state_dir()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command here; given before a verb or after it."""
    quiet: Any = argparse.SUPPRESS
    parser.add_argument("--config", metavar="FILE", type=Path, default=quiet, help="station.toml")
    parser.add_argument("--bridge-config", metavar="FILE", type=Path, default=quiet, help="bridge.toml")
    parser.add_argument("--dry-run", action="store_true", default=quiet, help="send no notification")
    parser.add_argument("--scopes", metavar="LIST", default=quiet, help="ask the core for no more than these scopes")


def context(args: argparse.Namespace) -> Context:
    """The files, read. UsageError."""
    try:
        settings = read_settings(getattr(args, "config", None))
        bridge = read_bridge(getattr(args, "bridge_config", None))
    except SettingsError as problem:
        raise UsageError(str(problem)) from None
    scopes = getattr(args, "scopes", None)
    narrow = tuple(word for word in scopes.split(",") if word) if scopes is not None else None
    return Context(settings, bridge, args.socket, narrow, getattr(args, "dry_run", False))


def ask(about: Context, method: str, params: dict[str, Any] | None = None, timeout_s: float = 30.0) -> Any:
    """One request to the core. dialtone.RpcError, CannotConnect, ConnectionLost, RequestTimeout."""
    if about.scopes is None:
        return dialtone.request_with(method, params or {}, path=about.socket, timeout_s=timeout_s)
    return asyncio.run(_narrowed(about, method, params or {}, timeout_s))


async def _narrowed(about: Context, method: str, params: dict[str, Any], timeout_s: float) -> Any:
    async with dialtone.connect(about.socket, name="station", scopes=about.scopes) as phone:
        return await phone.call_with(method, params, timeout_s=timeout_s)
