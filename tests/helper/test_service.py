"""The helper as a service: SIGTERM and --recover undo everything, the watchdog is fed, HelperClient understands it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.helper.programs import PATH
from core.net.helper_client import HelperClient, HelperFailed, HelperState
from tests.helper.programs import install
from tests.helper.rig import HelperProcess, Station, helper_process, needs, needs_namespaces, small_station
from tests.net.netns import until
from tests.net.rig import UNPRIVILEGED
from tests.station import ROOT
from tests.station_units.unit_file import SYSTEMD, manager_socket, read_unit

OLD = "nameserver 192.168.77.1\n"


@pytest.fixture
def station() -> Iterator[Station]:
    with small_station() as station:
        yield station


@pytest.fixture
def helper(station: Station) -> Iterator[HelperProcess]:
    with helper_process(station.host) as helper:
        helper.resolv_conf.write_text(OLD)
        flag = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
        flag.parent.mkdir(parents=True)
        flag.write_text("N\n")
        yield helper


def all_of_it(helper: HelperProcess) -> None:
    helper.must("raw_ip", interface="wwan0")
    helper.must("link", interface="wwan0", up=True, mtu=1400)
    helper.must("address", interface="wwan0", address="10.64.0.2/24", add=True)
    for halves in (False, True):
        helper.must("route", interface="wwan0", gateway="10.64.0.1", metric=40, halves=halves, add=True)
    helper.must("block_ipv6", add=True, metric=40)
    helper.must("resolver", interface="wwan0", dns=["9.9.9.9"], set=True)


@needs_namespaces
def test_told_to_end_it_undoes_everything(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    all_of_it(helper)
    assert station.snapshot() != before and helper.resolv_conf.read_text() != OLD
    assert helper.stop() == 0
    assert station.snapshot() == before and helper.resolv_conf.read_text() == OLD


@needs_namespaces
def test_killed_and_started_again_it_goes_on_without_a_change(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    all_of_it(helper)
    during, held = station.snapshot(), helper.must("state")
    helper.kill()
    helper.start()
    assert (station.snapshot(), helper.must("state")) == (during, held)
    helper.must("recover")
    assert station.snapshot() == before and helper.resolv_conf.read_text() == OLD


@needs_namespaces
def test_recover_on_the_command_line_asks_the_helper_that_runs(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    all_of_it(helper)
    done = helper.recover_by_hand()
    assert done.returncode == 0 and "name servers of wwan0" in done.stdout
    assert station.snapshot() == before and helper.must("state")["routes"] == []


@needs_namespaces
def test_recover_on_the_command_line_does_it_itself_where_none_runs(station: Station, helper: HelperProcess) -> None:
    before = station.snapshot()
    all_of_it(helper)
    helper.kill()
    done = helper.recover_by_hand()
    assert done.returncode == 0 and "name servers of wwan0" in done.stdout
    assert station.snapshot() == before and helper.resolv_conf.read_text() == OLD


def test_recover_without_a_helper_and_without_a_right_is_no_failure() -> None:
    """ExecStopPost of the core, which is the user dialtone."""
    drop = UNPRIVILEGED if os.geteuid() == 0 else ()
    words = ["-m", "clients.cli.main", "helper", "--recover", "--listen", "/run/dialtone-helper-of-nobody/none"]
    environment = {key: value for key, value in os.environ.items() if key != "DIALTONE_HELPER"}
    done = subprocess.run([*drop, sys.executable, *words], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "none serves" in done.stderr


@needs_namespaces
def test_a_state_file_that_makes_no_sense_is_said_and_left(station: Station, helper: HelperProcess) -> None:
    helper.stop()
    helper.state_file.write_text('{"links": 7')
    helper.start()
    assert "can't be used" in helper.log and helper.must("state")["links"] == []


@needs_namespaces
def test_the_state_is_roots_alone_and_says_nothing_to_others(station: Station, helper: HelperProcess) -> None:
    all_of_it(helper)
    assert helper.state_file.stat().st_mode & 0o777 == 0o600
    assert not helper.state_file.with_name("state.json.new").exists()


@needs_namespaces
@needs("udhcpc")
async def test_the_watchdog_is_fed_while_a_verb_takes_long(station: Station, tmp_path: Path) -> None:
    """Every 20 s, and whenever somebody comes."""
    station.host.ip("link set wwan0 up")
    with helper_process(station.host, start=False) as helper, manager_socket(tmp_path / "n") as manager:
        helper.start(NOTIFY_SOCKET=str(tmp_path / "n"))
        asking = threading.Thread(target=lambda: helper.ask("dhcp", interface="wwan0", timeout_s=30))
        asking.start()
        until(lambda: bool(helper.running("udhcpc")), "udhcpc runs")
        _drain(manager)
        helper.must("state")
        async with asyncio.timeout(20):
            heard = await asyncio.get_running_loop().sock_recv(manager, 999)
        assert heard == b"WATCHDOG=1" and asking.is_alive()
        await asyncio.to_thread(helper.stop)
        await asyncio.to_thread(asking.join, 10)


def _drain(manager: socket.socket) -> None:
    while True:
        try:
            manager.recv(999)
        except BlockingIOError:
            return


@needs_namespaces
@needs("udhcpc")
def test_no_more_than_four_long_verbs_at_once(station: Station) -> None:
    for number in range(1, 6):
        station.add_link(f"wwan{number}", f"far{number}", f"10.{70 + number}.0.1/24")
        station.host.ip(f"link set wwan{number} up")
    with helper_process(station.host) as helper:
        asking = [
            threading.Thread(target=lambda n=n: helper.ask("dhcp", interface=f"wwan{n}", timeout_s=30))
            for n in range(1, 5)
        ]
        for each in asking:
            each.start()
        until(lambda: len({words[words.index("-i") + 1] for words in helper.running("udhcpc")}) == 4, "four ask")
        assert helper.trouble("dhcp", interface="wwan5", timeout_s=2) == "busy"
        assert helper.stop() == 0
        for each in asking:
            each.join(20)


@needs_namespaces
@needs("setpriv")
@needs("udhcpc")
def test_the_capabilities_of_the_unit_are_enough(station: Station) -> None:
    unit = read_unit(SYSTEMD / "dialtone-helper.service")
    kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in unit.one("CapabilityBoundingSet").split())
    drop = ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all,{kept}"]
    with helper_process(station.host, start=False) as helper:
        helper.resolv_conf.write_text(OLD)
        plain = helper.words
        helper.words = lambda *more: [*plain(*more)[:4], *drop, *plain(*more)[4:]]  # type: ignore[method-assign]
        flag = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
        flag.parent.mkdir(parents=True)
        flag.write_text("N\n")
        helper.start()
        before = station.snapshot()
        all_of_it(helper)
        assert helper.trouble("dhcp", interface="wwan0", timeout_s=1) == "dhcp_silent"
        assert helper.must("recover")["left"] == []
        assert station.snapshot() == before and helper.resolv_conf.read_text() == OLD


@needs_namespaces
async def test_the_cores_client_understands_every_answer(
    station: Station, helper: HelperProcess, tmp_path: Path
) -> None:
    client = HelperClient(helper.socket)
    assert client.barred() is None
    await client.raw_ip("wwan0")
    await client.link("wwan0", True, 1400)
    await client.address("wwan0", "10.64.0.2/24", True)
    await client.route("wwan0", "10.64.0.1", 40, halves=False, add=True)
    await client.block_ipv6(True, 40)
    await client.resolver("wwan0", ("9.9.9.9",), True)
    held = await client.state()
    assert held.routes[0].gateway == "10.64.0.1" and held.addresses[0].address == "10.64.0.2/24"
    assert held.links[0].was_raw_ip is False and held.resolver is not None and held.resolver.by == "file"
    assert held.block_ipv6 == (40,) and held.ppp == ()
    assert (await client.wg_status("wg0")).up is False
    await client.ppp_stop(0)
    assert "name servers of wwan0" in await client.recover()
    assert await client.state() == HelperState()
    with pytest.raises(HelperFailed) as refused:
        await client.link("eth0", False)
    assert refused.value.trouble == "not_allowed" and "eth0" in refused.value.text
    with pytest.raises(HelperFailed) as refused:
        await client.ppp_start("/dev/ttyUSB77", "web", auth="pap", user="anna", password="geheim")
    assert refused.value.trouble in ("no_device", "program_missing") and "geheim" not in refused.value.text


@needs_namespaces
async def test_a_lease_comes_back_as_one(station: Station) -> None:
    with helper_process(station.host, start=False) as helper:
        install(helper.folder, "udhcpc", _UDHCPC)
        helper.options = ("--path", f"{helper.folder}:{PATH}")
        helper.start()
        station.host.ip("link set wwan0 up")
        lease = await HelperClient(helper.socket).dhcp("wwan0", 20)
        assert (lease.address, lease.gateway, lease.dns, lease.mtu, lease.lease_s) == (
            "10.0.0.2/30", "10.0.0.1", ("9.9.9.9",), None, None,
        )  # fmt: skip


_UDHCPC = """
import subprocess
import sys
env = {"ip": "10.0.0.2", "mask": "30", "router": "10.0.0.1", "dns": "9.9.9.9", "mtu": "", "lease": "x"}
subprocess.run([words[words.index("-s") + 1], "bound"], env=env, check=True)
"""


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"", "failed"),
        (b"no json\n", "failed"),
        (b"[]\n", "failed"),
        (b'{"ok": 1}\n', "failed"),
        (b'{"ok": true, "up": 3}\n', "failed"),
        (b'{"error": "x"}\n', "failed"),
        (b'{"error": "x", "trouble": "busy"}\n', "busy"),
        (b"x" * (1 << 21), "failed"),
        (b'{"error": "\xff", "trouble": "busy"}\n', "failed"),
        (b'{"ok": true, "up": ' + b"[" * 100_000 + b"\n", "failed"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure_with_a_word(
    tmp_path: Path, answer: bytes, trouble: str
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(say, tmp_path / "s"):
        with pytest.raises(HelperFailed) as failed:
            await HelperClient(tmp_path / "s").wg_status("wg0")
    assert failed.value.trouble == trouble


async def test_without_a_helper_every_verb_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALTONE_HELPER", str(tmp_path / "none"))
    client = HelperClient()
    assert str(tmp_path / "none") in (client.barred() or "")
    with pytest.raises(HelperFailed) as failed:
        await client.recover()
    assert failed.value.trouble == "no_helper"
    with socket.socket(socket.AF_UNIX) as dead:  # left by one that was killed
        dead.bind(str(tmp_path / "none"))
    with pytest.raises(HelperFailed) as failed:
        await client.state()
    assert failed.value.trouble == "no_helper"


async def test_a_helper_that_never_answers_is_waited_for_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.net.helper_client.ANSWER_S", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(HelperFailed) as failed:
            await HelperClient(tmp_path / "s").dhcp("wwan0", 0.1)
    assert failed.value.trouble == "timeout"


def test_a_password_is_in_the_request_and_in_no_error(tmp_path: Path) -> None:
    with helper_process() as helper:
        line = json.dumps({"verb": "ppp_start", "tty": "/dev/ttyUSB0", "apn": "web", "auth": "pap", "user": "anna",
                           "password": "geheim\n", "unit": 0, "timeout_s": 5}).encode() + b"\n"  # fmt: skip
        assert "geheim" not in repr(helper.send(line)) + helper.log
