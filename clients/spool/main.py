"""dialtone spool: smstools3's directories and files, served by the daemon instead of smsd."""

import argparse
import asyncio
import logging
import os
import shlex
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dialtone
from clients.cli.command import FAILED, INTERRUPTED, OK, UsageError
from clients.cli.notify import ServiceManager
from clients.lock_file import lock
from clients.settings_file import SettingsError
from clients.spool.desk import Desk
from clients.spool.handlers import Handlers
from clients.spool.ledger import Ledger
from clients.spool.placer import Placer
from clients.spool.receiver import TOPICS, Receiver, ScopeMissing
from clients.spool.sender import Sender
from clients.spool.settings import Settings, read_settings
from clients.spool.voice import VoiceCalls
from clients.spool.watch import Watch

DESCRIPTION = """\
Serves the spool directories of SMS Server Tools 3 (smsd): files in outgoing become messages and move to sent or
failed; what comes in becomes files in incoming; the eventhandler is run as smsd runs it. Runs until stopped.
Without --config it reads /etc/dialtone/spool.toml, or takes the defaults of smsd: /var/spool/sms.

Example:
  dialtone spool --config /etc/dialtone/spool.toml
  dialtone spool --check              # reads the configuration, looks at the directories, starts nothing
"""
LEDGER = "spool.db"

_log = logging.getLogger("dialtone.spool")


class SpoolCommand:
    help = "serve smstools3's spool directories"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", metavar="FILE", type=Path, help="spool.toml")
        parser.add_argument("--make-dirs", action="store_true", help="make directories that are not there")
        parser.add_argument("--check", action="store_true", help="check configuration and directories only")
        parser.add_argument("--verbose", action="store_true", help="tell more")

    def run(self, args: argparse.Namespace) -> int:
        logging.basicConfig(
            level=logging.DEBUG if args.verbose else logging.INFO,
            format="%(levelname)s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        try:
            settings = read_settings(args.config)
        except SettingsError as problem:
            raise UsageError(str(problem)) from None
        check_folders(settings, make=args.make_dirs)
        if args.check:
            print("ok")
            return OK
        state = settings.folder(settings.state)
        try:
            state.mkdir(mode=0o700, exist_ok=True)
            with only_one(state):
                return _run(settings, args.socket)
        except (OSError, sqlite3.Error) as problem:
            _log.error("the state directory: %s", problem)
            return FAILED


def check_folders(settings: Settings, *, make: bool) -> None:
    """UsageError, one line, where a directory is missing or can't be used."""
    folders = settings.folders()
    for key, folder in {**folders, "the parent of state": settings.folder(settings.state).parent}.items():
        try:
            if make:
                folder.mkdir(parents=True, exist_ok=True)
            usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        except OSError as problem:
            raise UsageError(f"{key} = {folder}: {problem.strerror}") from None
        if not folder.is_dir():
            raise UsageError(f"{key} = {folder}: there is no such directory; --make-dirs makes it")
        if not usable:
            raise UsageError(f"{key} = {folder}: this user may not read and write it")
    devices = {folders[key].stat().st_dev for key in ("outgoing", "checked", "failed")}
    if len(devices) > 1:
        raise UsageError("outgoing, checked and failed must be on one file system: files are moved between them")


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Two spools on one ledger would send twice. UsageError where another one runs."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not lock(descriptor):
            raise UsageError(f"{state}: another spool runs on these directories")
        yield
    finally:
        os.close(descriptor)


def _run(settings: Settings, path: str | None) -> int:
    if settings.umask is not None:
        os.umask(int(settings.umask, 8))
    try:
        asyncio.run(_serve(settings, path))
    except ScopeMissing as problem:
        _log.error("%s: give this user the scope messages in [access] of core.toml", problem)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except asyncio.CancelledError:
        pass
    return OK


async def _serve(settings: Settings, path: str | None) -> None:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    ledger = Ledger(settings.folder(settings.state) / LEDGER)
    try:
        ledger.prune(settings.keep_days)
        placer = Placer(ledger, _mode(settings))
        if finished := placer.recover():
            _log.info("%d files were put in their place that the last run had begun", finished)
        handlers = Handlers(ledger, _commands(settings), settings.handler_timeout_s)
        doing = "waiting for the core"
        # It is up before the core is: messages may be put into outgoing all the time.
        with ServiceManager.of_environment().told(lambda: doing):
            async with dialtone.connect(
                path, name="spool", consumer=settings.consumer, topics=TOPICS, wait_s=None
            ) as phone:
                _log.info("serving %s", settings.root)
                doing = f"serving {settings.root}"
                await _work(Desk(phone, settings, ledger, placer, handlers))
    finally:
        ledger.close()


async def _work(desk: Desk) -> None:
    watch = Watch(desk.folders["outgoing"], desk.settings.settle_s, desk.settings.delaytime)
    calls = VoiceCalls(desk.phone)
    sender = Sender(desk, watch, calls)

    async def woken(phone: dialtone.Phone) -> None:
        watch.changed.set()

    desk.phone.on_connect(woken)
    ended: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(desk.handlers.run(), name="spool.handlers")
            tasks.create_task(watch.run(), name="spool.watch")
            tasks.create_task(sender.run(), name="spool.send")
            tasks.create_task(calls.run(), name="spool.calls")
            tasks.create_task(Receiver(desk, sender, calls).run(), name="spool.receive")
    except* (ScopeMissing, dialtone.DialtoneError) as group:
        ended = _first(group)  # raised here it would come out in a group again
    if ended is not None:
        raise ended


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """What ended the tasks, without its wrapping."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _mode(settings: Settings) -> int:
    """The mode of files, less the umask, which is only to be had by setting it."""
    umask = os.umask(0o022)
    os.umask(umask)
    return int(settings.file_mode, 8) & ~umask


def _commands(settings: Settings) -> dict[str, list[str]]:
    given = {"event": settings.eventhandler, "alarm": settings.alarmhandler}
    return {kind: shlex.split(command) for kind, command in given.items() if command}


COMMAND = SpoolCommand()
