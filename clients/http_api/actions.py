"""Commands of the station, run for callers of the old APIs: as processes, with a deadline, without a shell."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from dataclasses import dataclass

from clients.http_api.settings import ScopeName
from clients.http_api.site import Site

RUNNING_MAX = 8
"""In the background at once. The old server started a thread for each request."""
OUTPUT_BYTES = 256 * 1024
"""Of each stream; what is beyond is read and dropped."""

_log = logging.getLogger("dialtone.http")


@dataclass(frozen=True, slots=True)
class Action:
    """words: a dialtone command without the word dialtone. Two with the same fields are the same action."""

    name: str
    words: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    stdout: str
    stderr: str
    code: int


def start(site: Site, action: Action) -> bool:
    """In the background; its result goes out as a notification. The same action that still runs is not started
    twice, as the old script's lock had it. False where too many run."""
    if action in site.running:
        return True
    if len(site.running) >= RUNNING_MAX:
        return False
    site.running.add(action)
    site.tasks.create_task(_in_background(site, action), name=f"http.action.{action.name}")
    return True


async def _in_background(site: Site, action: Action) -> None:
    words = action.words if site.settings.monitor.notify else (*action.words, "--dry-run")
    try:
        found = await run(site, Action(action.name, words, action.stdin))
        _log.info("action %s ended with %d", action.name, found.code)
    except TimeoutError:
        _log.warning("action %s took longer than %g s", action.name, site.settings.monitor.timeout_s)
    except OSError as problem:
        _log.error("action %s could not be started: %s", action.name, problem.strerror)
    finally:
        site.running.discard(action)


async def run(site: Site, action: Action, scopes: frozenset[ScopeName] | None = None) -> Finished:
    """To its end. scopes: what the command may see of the core. TimeoutError after [monitor] timeout_s; OSError."""
    monitor = site.settings.monitor
    words = [sys.executable, "-m", "clients.cli.main", *action.words]
    if site.links.path is not None:
        words += ["--socket", site.links.path]
    if monitor.station_config:
        words += ["--config", monitor.station_config]
    if monitor.bridge_config:
        words += ["--bridge-config", monitor.bridge_config]
    if scopes is not None:
        words += ["--scopes", ",".join(sorted(scopes))]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=os.environ | {"TERM": "dumb"}
    )
    try:
        async with asyncio.timeout(monitor.timeout_s):
            _, out, err, code = await asyncio.gather(
                _feed(child.stdin, action.stdin), _bounded(child.stdout), _bounded(child.stderr), child.wait()
            )
            return Finished(out, err, code)
    finally:
        if child.returncode is None:
            await _end(child)


async def _feed(stream: asyncio.StreamWriter | None, text: str) -> None:
    assert stream is not None
    with contextlib.suppress(ConnectionError):  # it may end without reading
        stream.write(text.encode())
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _bounded(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    kept = bytearray()
    while data := await stream.read(65536):
        kept += data[: OUTPUT_BYTES - len(kept)]
    return kept.decode("utf-8", "replace")


async def _end(child: asyncio.subprocess.Process) -> None:
    """It and what it started, such as a ping: they are one session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
