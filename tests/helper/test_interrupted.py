"""Ended in the middle of something, with the disk full, its state lost or a link renamed: nothing of ours is left."""

import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.helper import server
from core.helper.context import Patterns, make_context
from core.helper.programs import PATH
from core.helper.state import RouteMade, StateFile
from core.helper.undo import go_on
from tests.helper.programs import RESOLVCONF, RESOLVECTL, install
from tests.helper.rig import HelperProcess, Station, helper_process, needs_namespaces, small_station
from tests.helper.test_helper import device
from tests.net.netns import run_program, until
from tests.station import ROOT


@pytest.fixture
def station() -> Iterator[Station]:
    with small_station() as station:
        yield station


@pytest.fixture
def helper() -> Iterator[HelperProcess]:
    with helper_process() as helper:
        yield helper


@contextmanager
def modem_off(helper: HelperProcess) -> Iterator[Path]:
    """While a reset has it off the bus: the kernel's file is a pipe, and who writes to it waits until it is heard."""
    authorized = device(helper.root, "1-1", "1e0e") / "authorized"
    authorized.unlink()
    os.mkfifo(authorized)
    asking = threading.Thread(target=lambda: helper.ask("usb_reset", path="1-1"))
    asking.start()
    try:
        assert heard(authorized) == b"0"
        yield authorized
    finally:
        asking.join(20)


def heard(authorized: Path) -> bytes:
    """What is written to it next."""
    with authorized.open("rb") as pipe:
        return pipe.read()


def killed(helper: HelperProcess, authorized: Path) -> None:
    """And the modem is as the helper has left it."""
    helper.kill()
    authorized.unlink()
    authorized.write_text("0\n")


def test_told_to_end_while_a_modem_is_off_the_bus_it_puts_it_back_first(helper: HelperProcess) -> None:
    with modem_off(helper) as authorized:
        words: list[bytes] = []
        hearing = threading.Thread(target=lambda: words.append(heard(authorized)), daemon=True)
        hearing.start()
        assert helper.stop() == 0
        hearing.join(20)
        assert words == [b"1"]


def test_a_modem_that_was_off_the_bus_when_it_was_killed_comes_back_with_the_next_start(helper: HelperProcess) -> None:
    with modem_off(helper) as authorized:
        killed(helper, authorized)
        helper.start()
        assert authorized.read_text()[:1] == "1"


def test_or_by_hand(helper: HelperProcess) -> None:
    with modem_off(helper) as authorized:
        killed(helper, authorized)
        done = helper.recover_by_hand()
        assert done.returncode == 0 and "1-1" in done.stdout
        assert authorized.read_text()[:1] == "1"


def test_recover_does_not_shorten_a_reset_that_goes_on(helper: HelperProcess) -> None:
    with modem_off(helper) as authorized:
        helper.must("recover")  # which would wait at the pipe, too
        assert heard(authorized) == b"1"


@needs_namespaces
def test_a_resolver_that_hangs_does_not_keep_the_routes_from_being_undone(station: Station, tmp_path: Path) -> None:
    slow = RESOLVECTL.replace("if verb ==", "import time\ntime.sleep(0 if verb == 'revert' else 7.8)\nif verb ==", 1)
    install(tmp_path, "resolvectl", slow)
    station.host.ip("link set wwan0 up")
    with helper_process(station.host, "--path", f"{tmp_path}:{PATH}") as helper:
        (helper.root / "run/systemd/resolve").mkdir(parents=True)
        helper.must("route", interface="wwan0", gateway=None, metric=40, halves=False, add=True)
        asking = threading.Thread(target=lambda: helper.ask("resolver", interface="wwan0", dns=["9.9.9.9"], set=True))
        asking.start()
        until(lambda: bool(helper.running("python3")) or (tmp_path / "calls").exists(), "resolvectl hangs")
        assert helper.stop() == 0, helper.log
        assert station.routes("show", "proto", "219") == []
        asking.join(20)


@needs_namespaces
def test_a_terminal_that_is_closed_undoes_everything_too(station: Station) -> None:
    station.host.ip("link set wwan0 up")
    with helper_process(station.host) as helper:
        helper.must("route", interface="wwan0", gateway=None, metric=40, halves=False, add=True)
        assert helper.process is not None
        helper.process.send_signal(signal.SIGHUP)
        assert helper.process.wait(30) == 0
        assert station.routes("show", "proto", "219") == []


def test_a_disk_that_is_full_never_leaves_half_a_state(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    state = StateFile(file)
    with state.intent() as held:
        held.routes.append(RouteMade("default", "wwan0", None, 40))
    good = file.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) + 20, hard))
    try:
        with pytest.raises(OSError), state.intent() as held:
            held.routes += [RouteMade("0.0.0.0/1", "wwan0", None, 40)] * 20
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_text() == good and not json.loads(good)["addresses"]


@needs_namespaces
def test_what_was_made_on_a_link_that_was_renamed_since_is_undone(station: Station) -> None:
    before = station.snapshot()
    with helper_process(station.host) as helper:
        helper.must("link", interface="wwan0", up=True, mtu=1400)
        helper.must("address", interface="wwan0", address="10.64.0.2/24", add=True)
        helper.must("route", interface="wwan0", gateway="10.64.0.1", metric=40, halves=False, add=True)
        run_program("ip", "-n", station.host.name, "link", "set", "wwan0", "name", "cell9")
        assert len(station.routes("show", "proto", "219")) == 1
        helper.kill()
        helper.start()
        assert helper.must("recover")["left"] == []
        station.host.ip("link set cell9 name wwan0")
        assert station.snapshot() == before


@needs_namespaces
def test_routes_of_ours_go_also_when_the_state_file_was_lost(station: Station) -> None:
    station.host.ip("link set wwan0 up")
    with helper_process(station.host) as helper:
        helper.must("route", interface="wwan0", gateway=None, metric=40, halves=True, add=True)
        helper.must("block_ipv6", add=True, metric=40)
        helper.kill()
        helper.state_file.write_text('{"links": {')
        helper.start()
        assert len(helper.must("recover")["undone"]) == 3
        assert station.routes("show", "proto", "219") == []
        assert not any("proto 219" in route for route in station.routes6())


def test_a_second_helper_with_the_same_files_does_not_start_and_the_first_goes_on(helper: HelperProcess) -> None:
    words = helper.words("--for-user", str(os.getuid()))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=40)
    assert done.returncode == 1 and "another helper" in done.stderr
    assert helper.must("state")["routes"] == []
    helper.kill()
    helper.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_started_by_hand_the_folder_it_makes_can_be_reached_by_the_user_that_may_ask() -> None:
    with helper_process(start=False) as helper:
        helper.folder.chmod(0o755)
        helper.socket = helper.folder / "new/h.sock"
        with helper.log_file.open("ab") as log:
            words = helper.words("--for-user", "61234")
            helper.process = subprocess.Popen(words, cwd=ROOT, stderr=log, umask=0o022)
        until(helper.answers, "the helper serves")
        program = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
        drop = ["setpriv", "--reuid=61234", "--clear-groups", "/usr/bin/python3", "-c", program]
        done = subprocess.run([*drop, str(helper.socket)], capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr


def test_without_ip_it_still_serves_what_needs_none(tmp_path: Path) -> None:
    with helper_process(None, "--path", str(tmp_path)) as helper:
        assert helper.trouble("usb_reset", path="1-1") == "no_device"
        assert helper.trouble("link", interface="wwan0", up=True) == "program_missing"


def test_who_speaks_too_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten letters a second that never end, or 16 of these clients keep everybody else away."""
    monkeypatch.setattr(server, "PATIENCE_S", 0.4)
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.1):
            try:
                theirs.sendall(b" ")
            except OSError:
                return

    speaking = threading.Thread(target=trickle)
    speaking.start()
    ended = threading.Timer(40.0, theirs.close)
    ended.start()
    begun = time.monotonic()
    try:
        with ours, pytest.raises(TimeoutError):
            server.read_line(ours)
        assert time.monotonic() - begun < 30
    finally:
        stop.set()
        ended.cancel()
        speaking.join()
        theirs.close()


@needs_namespaces
def test_by_hand_it_says_what_could_not_be_undone(station: Station, tmp_path: Path) -> None:
    install(tmp_path, "resolvectl", RESOLVECTL)
    with helper_process(station.host, "--path", f"{tmp_path}:{PATH}") as helper:
        (helper.root / "run/systemd/resolve").mkdir(parents=True)
        helper.must("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)
        install(tmp_path, "resolvectl", "\nwrong('the bus is not there')\n")
        for alive in (True, False):
            if not alive:
                helper.kill()
            done = helper.recover_by_hand()
            assert done.returncode == 1, alive
            assert "not undone: name servers of wwan0: resolvectl: resolvectl: the bus is not there" in done.stderr


@contextmanager
def read_only_etc(station: Station, text: str) -> Iterator[HelperProcess]:
    with helper_process(station.host, start=False) as helper:
        helper.resolv_conf.write_text(text)
        etc = helper.root / "etc"
        mount = f'mount --bind {etc} {etc} && mount -o remount,ro,bind {etc} && exec "$@"'
        plain = helper.words
        helper.words = lambda *more: [  # type: ignore[method-assign]
            *plain(*more)[:4], "unshare", "-m", "sh", "-c", mount, "sh", *plain(*more)[4:],
        ]  # fmt: skip
        yield helper


@needs_namespaces
@pytest.mark.skipif(any(os.access(f"{folder}/resolvconf", os.X_OK) for folder in PATH.split(":")), reason="resolvconf")
def test_where_etc_is_read_only_that_is_said_and_nothing_stays_to_be_undone(station: Station) -> None:
    with read_only_etc(station, "nameserver 192.168.77.1\n") as helper:
        helper.start()
        found = helper.ask("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)
        assert found["trouble"] == "refused" and "Read-only" in found["error"]
        assert helper.must("recover") == {"ok": True, "undone": [], "left": []}
        assert helper.must("state")["resolver"] is None


@needs_namespaces
@pytest.mark.skipif(any(os.access(f"{folder}/resolvconf", os.X_OK) for folder in PATH.split(":")), reason="resolvconf")
def test_a_file_of_an_earlier_start_that_cannot_be_put_back_keeps_no_helper_from_starting(station: Station) -> None:
    with helper_process(station.host) as first:
        first.resolv_conf.write_text("nameserver 192.168.77.1\n")
        first.must("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)
        ours = first.resolv_conf.read_text()
        first.kill()
    with read_only_etc(station, ours) as helper:
        (helper.root / "etc/resolv.conf.dialtone-kept").write_text("nameserver 192.168.77.1\n")
        helper.start()
        assert "not undone: resolv.conf" in helper.log
        assert helper.must("state")["resolver"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of somebody else")
@pytest.mark.parametrize("how", ["another user's", "a link", "writable by others", "a pipe"])
def test_a_state_that_somebody_else_may_have_written_is_not_believed(tmp_path: Path, how: str) -> None:
    """With --listen in /tmp, say: it names folders to remove, and words for ip."""
    precious, file = tmp_path / "precious", tmp_path / "dir/state.json"
    precious.mkdir()
    file.parent.mkdir()
    (tmp_path / "etc").mkdir()
    text = json.dumps(
        {"links": {}, "addresses": [], "routes": [], "block_ipv6": [], "resolver": None}
        | {"ppp": {"0": {"unit": 0, "folder": str(precious)}}}
    )
    real = tmp_path / "real.json" if how == "a link" else file
    os.mkfifo(real) if how == "a pipe" else real.write_text(text)
    if how == "a link":
        file.symlink_to(real)
    os.chown(real, 61234 if how == "another user's" else 0, 0)
    real.chmod(0o666 if how == "writable by others" else 0o600)
    context = make_context(tmp_path, Patterns(), file, str(tmp_path))
    go_on(context)
    assert precious.is_dir()
    with context.state.reading() as held:
        assert held.ppp == {}


def test_a_file_that_lies_in_the_states_way_is_not_written_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    os.link(other, tmp_path / "state.json.new")
    with StateFile(tmp_path / "state.json").intent() as held:
        held.block_ipv6.append(40)
    assert other.read_text() == "mine" and "40" in (tmp_path / "state.json").read_text()


def test_a_resolv_conf_that_another_program_writes_for_the_helper_can_be_read_by_everybody(tmp_path: Path) -> None:
    """Debian's resolvconf makes it anew with the umask that it was given; the helper's own is 0077."""
    install(tmp_path, "resolvconf", RESOLVCONF)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}") as helper:
        helper.must("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)
        assert (tmp_path / "record.wwan0.dialtone").stat().st_mode & 0o777 == 0o644


def test_a_resolvconf_that_cannot_take_back_now_is_asked_again_later(tmp_path: Path) -> None:
    """Debian's gives up when another holds its lock for 10 s; the modem's servers would stay for good."""
    install(tmp_path, "resolvconf", RESOLVCONF)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}") as helper:
        helper.must("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)
        install(tmp_path, "resolvconf", "\nwrong('Run lock held by another process')\n")
        assert "Run lock held" in helper.ask("resolver", interface="wwan0", dns=[], set=False)["error"]
        assert len(helper.must("recover")["left"]) == 1
        install(tmp_path, "resolvconf", RESOLVCONF)
        assert helper.must("recover")["undone"] == ["name servers of wwan0"]
        assert not (tmp_path / "record.wwan0.dialtone").exists()
