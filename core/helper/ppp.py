"""ppp_start, ppp_stop: a pppd that stays, and is found again after a kill of the helper."""

import os
import signal
import time
from pathlib import Path
from shutil import rmtree

from core.helper import report
from core.helper.context import Context
from core.helper.ppp_words import Dial, chat_script, command, secrets_file, why_ended
from core.helper.programs import LOOK_EVERY_S, Child, signal_group
from core.helper.refused import Refused, Trouble
from core.helper.request import Request, bad, host
from core.helper.state import PppRuns

LEAST_S, MOST_S = 2.0, 60.0
STOP_S = 4.0
"""For LCP's good-bye (RFC 1661 §5.5: Terminate-Request, again after 3 s) and the port's release."""

KILLED_S = 1.0
"""Until the kernel has done it: milliseconds, but on a busy machine."""

AUTHS = ("none", "pap", "chap")


def ppp_start(request: Request, context: Context) -> dict[str, object]:
    dial, timeout_s, unit = _dial(request, context), request.seconds("timeout_s", LEAST_S, MOST_S), _unit(request)
    context.programs.require("pppd")
    context.programs.require("chat")
    with context.state.reading() as held:
        runs = held.ppp.get(unit)
    if runs is not None:
        if is_running(context, runs):
            raise Refused(Trouble.BUSY, f"ppp{unit} is up already")
        take_ppp(context, runs)
    if not Path(dial.tty).is_char_device():
        raise Refused(Trouble.NO_DEVICE, f"there is no port {dial.tty}")
    folder = context.folders.make("ppp")
    try:
        with context.state.intent() as held:
            held.ppp[unit] = PppRuns(unit, str(folder))
        found = _up(context, _start(context, dial, unit, folder), unit, folder, timeout_s)
    except (Refused, OSError):  # OSError: recover took the folder away
        with context.state.reading() as held:
            runs = held.ppp.get(unit)
        if runs is not None and runs.folder == str(folder):
            take_ppp(context, runs)
        rmtree(folder, ignore_errors=True)
        raise
    for name in ("options", "chat"):  # read by now
        (folder / name).unlink(missing_ok=True)
    return found


def ppp_stop(request: Request, context: Context) -> dict[str, object]:
    unit = _unit(request)
    with context.state.reading() as held:
        runs = held.ppp.get(unit)
    if runs is not None:
        take_ppp(context, runs)
    return {}


def take_ppp(context: Context, runs: PppRuns) -> bool:
    """Ends it, at most 5 s. Whether something ran. Its address and routes go with its interface."""
    pid = runs.pid if runs.pid is not None and is_running(context, runs) else _by_folder(runs.folder)
    child = context.dialled.pop(runs.unit, None)  # before the end, by which a ppp_start knows whose doing it was
    if pid is not None:
        _end(pid, runs.folder)
    if child is not None:
        child.end()
        child.close()
    rmtree(runs.folder, ignore_errors=True)
    with context.state.done() as held:
        if (now := held.ppp.get(runs.unit)) is not None and now.folder == runs.folder:
            del held.ppp[runs.unit]
    return pid is not None


def is_running(context: Context, runs: PppRuns) -> bool:
    child = context.dialled.get(runs.unit)
    if child is not None and child.pid == runs.pid:
        return child.code() is None
    return runs.pid is not None and runs.started is not None and _started(runs.pid) == runs.started


def _unit(request: Request) -> int:
    return request.integer("unit", 0, 9)


def _dial(request: Request, context: Context) -> Dial:
    tty, apn, auth = request.tty(context.patterns.ttys), request.apn(), request.one_of("auth", AUTHS)
    user, password = request.secret("user"), request.secret("password")
    if auth != "none" and (user is None or password is None):
        raise bad(f"{auth} takes user and password")
    return Dial(tty, apn, auth, user, password)


def _start(context: Context, dial: Dial, unit: int, folder: Path) -> Child:
    report.write_private(folder / "options", secrets_file(dial))
    report.write_private(folder / "chat", chat_script(dial))
    script = report.write_script(folder)
    words = command(dial, unit, folder, script, context.programs.require("pppd"), context.programs.require("chat"))
    child = context.dialled[unit] = context.programs.start(words, cwd=folder)
    with context.state.done() as held:
        runs = held.ppp.get(unit)
        ours = runs is not None and runs.folder == str(folder)
        if runs is not None and ours:
            runs.pid, runs.started = child.pid, _started(child.pid)
    if not ours:  # recover came in between
        child.end()
        context.dialled.pop(unit, None)
        raise _ended_by_request(unit)
    return child


def _up(context: Context, child: Child, unit: int, folder: Path, timeout_s: float) -> dict[str, object]:
    in_time = child.wait(timeout_s, until=lambda: bool(report.told(folder)) or context.programs.stopped)
    told = report.told(folder)
    if told and child.code() is None:
        if told.get("IFNAME") != f"ppp{unit}":  # pppd takes the next free one
            raise Refused(Trouble.BUSY, f"another program has ppp{unit}")
        address, peer = host(told.get("IPLOCAL")), host(told.get("IPREMOTE"))
        if address is None or peer is None:
            raise Refused(Trouble.FAILED, "the network gave no address of a host")
        servers = [str(found) for key in ("DNS1", "DNS2") if (found := host(told.get(key))) is not None]
        return {"interface": f"ppp{unit}", "address": str(address), "peer": str(peer), "dns": servers}
    if context.programs.stopped or context.dialled.get(unit) is not child:
        raise _ended_by_request(unit)
    if not in_time:
        raise Refused(Trouble.TIMEOUT, f"no address within {timeout_s:g} s")
    raise why_ended(child.said())


def _ended_by_request(unit: int) -> Refused:
    return Refused(Trouble.STOPPING, f"ppp{unit} was ended while it began")


def _end(pid: int, folder: str) -> None:
    signal_group(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_S
    while _is_of(pid, folder) and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)
    if _is_of(pid, folder):
        signal_group(pid, signal.SIGKILL)
        end = time.monotonic() + KILLED_S
        while _is_of(pid, folder) and time.monotonic() < end:
            time.sleep(LOOK_EVERY_S)


def _by_folder(folder: str) -> int | None:
    """One that was started, but whose pid nobody wrote down before the kill."""
    found = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return next((pid for pid in found if _is_of(pid, folder)), None)


def _is_of(pid: int, folder: str) -> bool:
    """Empty for a process that has ended and was not waited for."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{folder}/options".encode() in words


def _started(pid: int) -> int | None:
    """Field 22 of proc_pid_stat(5); the name before may hold spaces and brackets. None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
