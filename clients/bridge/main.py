"""dialtone bridge: what a station and its VPS tell each other."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import dialtone
from clients.bridge.outbox import command as outbox_command
from clients.bridge.settings import Settings, has_deliveries, read_settings
from clients.cli.command import FAILED, INTERRUPTED, OK, UsageError
from clients.cli.notify import ServiceManager
from clients.settings_file import SettingsError

DESCRIPTION = """\
Has a VPS turn callers' speech into replies, asks it for the voice configuration on every ring, and tells it what
happens. While the VPS can't be reached the local brain takes the calls. Runs until stopped. Without --config it reads
/etc/dialtone/bridge.toml; docs/bridge.md describes it.

Example:
  dialtone bridge --config /etc/dialtone/bridge.toml
  dialtone bridge --check             # reads the configuration, starts nothing
  dialtone bridge outbox stats        # what waits to be delivered; also list, show, replay, drop
"""

_log = logging.getLogger("dialtone.bridge")

PhoneFactory = Callable[..., dialtone.Phone]
"""dialtone.connect with the socket filled in, and with as much patience as it takes."""

Part = Callable[[PhoneFactory], Coroutine[Any, Any, None]]
"""Runs until cancelled. It survives every restart of the core and of the VPS; what it raises ends the bridge."""


def parts(settings: Settings) -> list[Part]:
    """What this configuration asks for. Each imports its own, so that what is not used costs no memory."""
    found: list[Part] = []
    heard_of: Callable[[], None] | None = None
    if has_deliveries(settings):
        from clients.bridge.deliveries import Deliveries

        deliveries = Deliveries(settings)
        heard_of = deliveries.hurry
        found.append(deliveries.run)
    if settings.vps.transcribe_url or settings.voice_config.url:
        from clients.bridge.brain import Brain

        found.append(Brain(settings, heard_of).run)
    return found


class BridgeCommand:
    help = "let a VPS hold the conversations, and tell it what happens"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", metavar="FILE", type=Path, help="bridge.toml")
        parser.add_argument("--check", action="store_true", help="check the configuration only")
        parser.add_argument("--verbose", action="store_true", help="tell more")
        actions = parser.add_subparsers(dest="action", metavar="outbox", title="besides running")
        outbox = actions.add_parser(
            "outbox",
            help="what waits to be delivered",
            description=outbox_command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        outbox_command.add_arguments(outbox)

    def run(self, args: argparse.Namespace) -> int:
        level = logging.DEBUG if args.verbose else logging.INFO
        logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        try:
            settings = read_settings(args.config)
        except SettingsError as problem:
            raise UsageError(str(problem)) from None
        if args.action == "outbox":
            return outbox_command.run(args, settings.outbox_path)
        if args.check:
            print("ok")
            return OK
        try:
            wanted = parts(settings)
        except OSError as problem:
            raise UsageError(f"{problem.filename or 'ca_file'}: {problem.strerror}") from None
        if not wanted:
            raise UsageError("the configuration names no VPS, webhook or anything else to do; see docs/bridge.md")
        try:
            asyncio.run(serve(wanted, args.socket))
        except dialtone.RpcError as problem:
            _log.error("%s; the bridge needs the scope calls in [access] of core.toml", problem)
            return FAILED
        except OSError as problem:
            _log.error("%s", problem)
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        return OK


async def serve(wanted: list[Part], socket: str | None) -> None:
    """Until SIGTERM, or until a part fails."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def phone(**how: Any) -> dialtone.Phone:
        return dialtone.connect(socket, **{"name": "bridge", "wait_s": None} | how)

    ended: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(part(phone), name=f"bridge.part{at}") for at, part in enumerate(wanted)]
            with ServiceManager.of_environment().told(lambda: f"{len(running)} parts"):
                await stop.wait()
            for task in running:
                task.cancel()
    except* (dialtone.DialtoneError, OSError) as group:
        ended = _first(group)  # raised here it would come out in a group again
    if ended is not None:
        raise ended


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """What ended the tasks, without its wrapping."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


COMMAND = BridgeCommand()
