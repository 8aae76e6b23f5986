"""dialtone http: the protocol, the old APIs and figures over HTTP."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path
from typing import cast, get_args

from aiohttp import web

from clients.cli.command import FAILED, INTERRUPTED, OK, UsageError
from clients.cli.notify import ServiceManager
from clients.cli.output import print_json, print_table
from clients.http_api.app import build
from clients.http_api.auth import Tokens, TokensError, good_name
from clients.http_api.limits import RateLimit
from clients.http_api.links import Links
from clients.http_api.settings import ScopeName, Settings, read_settings
from clients.http_api.site import Site
from clients.http_api.spoken import follow
from clients.settings_file import SettingsError

DESCRIPTION = """\
Serves the protocol over HTTP (/v1/rpc, /v1/events, /v1/health, /metrics), the old API of port 8088 and the old
monitoring API of port 8070. Loopback alone unless /etc/dialtone/http.toml names other addresses. Runs until stopped.

Example:
  dialtone http                                           # serve
  dialtone http --check                                   # read the configuration, start nothing
  dialtone http token add console --scopes calls,observe  # prints a token, once
  dialtone http token list
"""
SHUTDOWN_S = 2.0

_log = logging.getLogger("dialtone.http")


class HttpCommand:
    help = "serve the protocol and the old APIs over HTTP"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--config", metavar="FILE", type=Path, help="http.toml")
        parser.add_argument("--check", action="store_true", help="check the configuration only")
        parser.add_argument("--verbose", action="store_true", help="tell more")
        parser.add_argument("words", nargs="*", metavar="token add|remove|list [NAME]", help="manage tokens")
        parser.add_argument("--scopes", metavar="LIST", default="observe", help="of a new token, with commas")

    def run(self, args: argparse.Namespace) -> int:
        level = logging.DEBUG if args.verbose else logging.INFO
        logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # paths and addresses are nobody's business
        try:
            settings = read_settings(args.config)
            tokens = Tokens.read(Path(settings.tokens))
        except (SettingsError, TokensError) as problem:
            raise UsageError(str(problem)) from None
        if args.words:
            return _token(args, Path(settings.tokens), tokens)
        if args.check:
            print("ok")
            return OK
        try:
            asyncio.run(serve(settings, tokens, args.socket))
        except OSError as problem:
            _log.error("%s", problem.strerror or problem)
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        return OK


def _token(args: argparse.Namespace, path: Path, tokens: Tokens) -> int:
    match args.words:
        case ["token", "list"]:
            rows = [{"name": name, "scopes": list(scopes)} for name, scopes in tokens.names.items()]
            if args.json:
                print_json(rows)
            else:
                print_table(str(path), ("name", "scopes"), [(row["name"], ", ".join(row["scopes"])) for row in rows])
            return OK
        case ["token", "add", name] if good_name(name):
            token = tokens.add(name, _scopes(args.scopes))
            _write(tokens, path)
            print_json({"name": name, "token": token}) if args.json else print(token)
            print("It is not shown again. The service takes it up when it is started again.", file=sys.stderr)
            return OK
        case ["token", "remove", name]:
            if not tokens.remove(name):
                print(f"dialtone http: {path} has no token {name}", file=sys.stderr)
                return FAILED
            _write(tokens, path)
            return OK
    raise UsageError("token add NAME, token remove NAME or token list; a name is letters, digits, . _ and -")


def _scopes(given: str) -> list[ScopeName]:
    words = [word for word in given.split(",") if word]
    if not words or any(word not in get_args(ScopeName) for word in words):
        raise UsageError(f"--scopes: {', '.join(get_args(ScopeName))}")
    return [cast(ScopeName, word) for word in words]


def _write(tokens: Tokens, path: Path) -> None:
    try:
        tokens.write(path)
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}") from None


async def serve(settings: Settings, tokens: Tokens, socket: str | None) -> None:
    """Until SIGTERM or SIGINT. OSError where an address can't be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    refused: OSError | None = None
    try:
        async with Links(socket) as links, asyncio.TaskGroup() as tasks:
            site = Site(settings, tokens, links, RateLimit(settings.limits.requests_per_minute), tasks)
            if any("phone" in listen.serves for listen in settings.listen):
                tasks.create_task(follow(socket, site.spoken), name="http.spoken")
            await _until(stop, site)
            raise _Stopped
    except* _Stopped:
        pass  # it has ended what goes on behind requests
    except* OSError as group:
        refused = next(problem for problem in group.exceptions if isinstance(problem, OSError))
    if refused is not None:
        raise refused  # raised above it would come out in a group again


class _Stopped(Exception):
    pass


async def _until(stop: asyncio.Event, site: Site) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for listen in site.settings.listen:
            runner = web.AppRunner(build(site, listen), handle_signals=False, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, listen.host, listen.port, shutdown_timeout=SHUTDOWN_S).start()
            host, port = runner.addresses[0][:2]
            # The tests and --port 0 read this line.
            _log.info("serving %s on http://%s:%s, auth %s", "+".join(listen.serves), host, port, listen.auth)
        with ServiceManager.of_environment().told(lambda: f"{len(site.settings.listen)} addresses"):
            await stop.wait()
        _log.info("stopping")


COMMAND = HttpCommand()
