"""usb_reset on a made-up sysfs, and what all verbs share: who may ask, garbage, the log, the end."""

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.usb_reset import HelperUsbReset
from tests.helper.rig import HelperProcess, helper_process
from tests.net.netns import until
from tests.station import ROOT

PATHS = ("1-1", "1-2")


def device(root: Path, path: str, vendor: str) -> Path:
    found = root / "sys/bus/usb/devices" / path
    found.mkdir(parents=True)
    (found / "idVendor").write_text(f"{vendor}\n")
    (found / "authorized").write_text("1\n")
    return found


@pytest.fixture
def helper() -> Iterator[HelperProcess]:
    with helper_process() as helper:
        yield helper


async def test_modems_are_taken_off_the_bus_and_put_back_one_after_another_and_nothing_else_waits(
    helper: HelperProcess,
) -> None:
    """What it writes is heard by a pipe, in its order, however late anybody looks."""
    written = helper.root / "written"
    os.mkfifo(written)
    pipe = os.open(written, os.O_RDWR | os.O_NONBLOCK)
    for path in PATHS:
        authorized = device(helper.root, path, "1e0e") / "authorized"
        authorized.unlink()
        authorized.symlink_to(written)
    try:
        async with asyncio.TaskGroup() as tasks:
            reset = HelperUsbReset(str(helper.socket))
            assert reset.barred() is None
            both = [tasks.create_task(reset.reset(path)) for path in PATHS]
            await asyncio.to_thread(select.select, [pipe], [], [], 20)
            assert (await asyncio.to_thread(helper.must, "state"))["ok"] and not all(each.done() for each in both)
        assert os.read(pipe, 99) == b"0101"
    finally:
        os.close(pipe)
    assert all(f'"path": "{path}"' in helper.log for path in PATHS), helper.log
    assert oct(os.stat(helper.socket).st_mode & 0o777) == "0o600"


async def test_what_is_no_modem_or_no_device_is_refused_with_the_reason(helper: HelperProcess) -> None:
    disk = device(helper.root, "1-2", "0781")
    reset = HelperUsbReset(str(helper.socket))
    for path, why in (("1-2", "no modem"), ("9-9", "no such"), ("../../etc", "takes path"), ("1-1:1.0", "takes path")):
        with pytest.raises(OSError, match=why):
            await reset.reset(path)
    assert (disk / "authorized").read_text() == "1\n"


def test_garbage_ends_neither_the_helper_nor_the_next_request(helper: HelperProcess) -> None:
    for garbage in (b"\n", b"[]\n", b"{\n", b'{"verb": 1}\n', b'{"verb": "rm"}\n', b"x" * 5000, b"[" * 4000 + b"\n"):
        assert helper.send(garbage)["trouble"] == "bad_request"
    assert helper.must("state")["routes"] == []


def test_a_request_that_never_ends_keeps_nobody_waiting(helper: HelperProcess) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(helper.socket))
        silent.sendall(b'{"verb"')
        helper.must("state")
        with pytest.raises(BlockingIOError):  # it is still being waited for
            silent.recv(1, socket.MSG_DONTWAIT)


def test_more_clients_than_there_are_places_are_turned_away_and_come_later(helper: HelperProcess) -> None:
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    try:
        for each in crowd:
            each.connect(str(helper.socket))
        until(lambda: helper.ask("state") == {}, "turned away")
    finally:
        for each in crowd:
            each.close()
    until(lambda: helper.ask("state").get("ok") is True, "a place again")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_nobody_but_root_and_the_one_user_is_served() -> None:
    with helper_process(start=False) as helper:
        helper.folder.chmod(0o755)
        process = subprocess.Popen(
            helper.words("--for-user", "61234"), stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
        )
        try:
            until(helper.answers, "the helper serves")
            assert (helper.socket.stat().st_uid, helper.socket.stat().st_mode & 0o777) == (61234, 0o600)
            helper.socket.chmod(0o666)  # even then
            program = (
                "import socket,sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                's.sendall(b\'{"verb": "state"}\\n\')\nprint(s.recv(999).decode())'
            )
            said = {}
            for uid in (61234, 61235):
                words = ["setpriv", f"--reuid={uid}", "--clear-groups", "/usr/bin/python3", "-c", program]
                done = subprocess.run([*words, str(helper.socket)], capture_output=True, text=True, cwd="/")
                said[uid] = json.loads(done.stdout)
            assert said[61234]["ok"] is True and said[61235]["trouble"] == "not_allowed"
        finally:
            process.kill()
            process.wait()


def test_no_password_and_no_login_gets_into_the_log(helper: HelperProcess) -> None:
    secret = {"user": "anna-the-user", "password": "not-for-the-log"}
    helper.ask("ppp_start", tty="/dev/ttyUSB3", apn="web", auth="pap", unit=0, timeout_s=5, **secret)
    helper.ask("link", interface="wwan0", up=True, **secret)
    helper.send(json.dumps({"verb": "ppp_start", **secret}).encode()[:-1] + b"\n")  # no JSON at all
    assert "ppp_start" in helper.log
    assert "anna-the-user" not in helper.log and "not-for-the-log" not in helper.log


def test_questions_that_are_asked_all_the_time_are_not_logged(helper: HelperProcess) -> None:
    helper.must("state")
    helper.ask("wg_status", interface="eth0")
    assert '"state"' not in helper.log and "not_allowed" in helper.log


def test_without_the_helper_it_says_so(tmp_path: Path) -> None:
    assert "not running" in (HelperUsbReset(str(tmp_path / "none")).barred() or "")


def test_a_user_that_there_is_not_ends_it_for_good() -> None:
    with helper_process(start=False) as helper:
        done = subprocess.run(helper.words("--for-user", "nobody-of-that-name"), cwd=ROOT, capture_output=True)
        assert done.returncode == 2 and b"no user" in done.stderr


def test_told_to_end_it_ends_well_and_leaves_no_socket(helper: HelperProcess) -> None:
    assert helper.stop() == 0
    assert not helper.socket.exists() and "undone: nothing" in helper.log


def test_the_helper_imports_nothing_else_of_the_core_and_no_package() -> None:
    """Root's process is small: what it has loaded is Python's own and its own."""
    program = f"""import sys
sys.path.insert(0, {str(ROOT)!r})
before = set(sys.modules)
import core.helper.main
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(*loaded - sys.stdlib_module_names)"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["core"], done.stderr
