"""dialtone notify as a process: what it finds out, what the VPS gets, and how it ends."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clients.bridge.notifications import QUEUE
from clients.bridge.outbox.store import Store
from clients.station import host, modem_report
from tests.clients.station.conftest import Desk, Vps
from tests.clients.station.programs import SYSTEMCTL
from tests.clients.test_cli import DEADLINE_S, DIALTONE, run
from tests.clients.test_cli_modem import STATUS
from tests.clients.tiny_core import TinyCore
from tests.station import station

COMMANDS = ("notify", "net", "tts", "logs", "services", "audio-library")


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_command_of_the_station_has_a_help_with_an_example(command: str) -> None:
    ran = await run(command, "--help")
    assert (ran.code, ran.err) == (0, "") and f"Example:\n  dialtone {command}" in ran.out
    assert f"\n  {command} " in (await run("--help")).out or command == "audio-library"


@pytest.mark.parametrize("words", ["net check", "tts health", "logs check", "audio-library sync", "sms watch"])
async def test_their_verbs_have_examples_too(words: str) -> None:
    ran = await run(*words.split(), "--help")
    assert ran.code == 0 and f"Example:\n  dialtone {words}" in ran.out


async def test_a_text_reaches_the_vps_in_the_old_body(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url, '[vps]\ntoken = "secret-1"')
    ran = await desk.run("notify", '**Modem** removed, "waiting" 20 s', "warning")
    assert (ran.code, ran.err) == (0, "") and ran.out.endswith("[warning] sent\n")
    assert vps.bodies == [
        {
            "hostname": "gateway-a [no-vpn]",
            "service": "raspberry-pi-vpn",
            "severity": "warning",
            "message": '**Modem** removed, "waiting" 20 s',
        }
    ]
    headers = vps.headers[0]
    assert headers["Content-Type"] == "application/json" and headers["Authorization"] == "Bearer secret-1"
    assert headers["Idempotency-Key"] and "secret-1" not in ran.out


@pytest.mark.parametrize(
    ("words", "stdin", "severity", "message"),
    [
        (["hello"], b"", "info", "hello"),
        (["custom", "Disk low", "error"], b"", "error", "Disk low"),
        (["Modem ready", "success"], b"", "info", "Modem ready"),
        (["hello", "--severity", "critical"], b"", "critical", "hello"),
        (["-", "warning"], "ačiū\nline\n".encode(), "warning", "ačiū\nline"),
        (["custom", "vpn"], b"", "info", "vpn"),
        (["test"], b"", "info", "Test message from gateway-a"),
    ],
)
async def test_actions_and_texts_are_told_apart_as_before(
    desk: Desk, words: list[str], stdin: bytes, severity: str, message: str
) -> None:
    ran = await desk.run("notify", *words, "--dry-run", "--json", stdin=stdin)
    found = json.loads(ran.out)
    assert (found["severity"], found["message"], found["outcome"]) == (severity, message, "dry_run")


@pytest.mark.parametrize(
    "words", [["custom"], ["service"], ["service", "a", "b"], ["vpn", "x"], ["a", "info", "more"], ["-"], ["test", "x"]]
)
async def test_a_wrong_command_line_is_one_line_and_2(desk: Desk, words: list[str]) -> None:
    ran = await desk.run("notify", *words)
    assert ran.code == 2 and ran.err.startswith("dialtone: ") and ran.err.count("\n") == 1


async def test_the_vps_token_is_for_its_own_hosts(desk: Desk, vps: Vps) -> None:
    elsewhere = '[vps]\ntoken = "secret-1"\ntranscribe_url = "http://vps.invalid/api/transcribe"'
    desk.bridge_config(vps.url, elsewhere)
    assert (await desk.run("notify", "hello")).code == 0
    desk.bridge_config(vps.url, elsewhere.replace("vps.invalid", "127.0.0.1:9000"))
    assert (await desk.run("notify", "hello")).code == 0
    assert [headers.get("Authorization") for headers in vps.headers] == [None, "Bearer secret-1"]


async def test_a_notification_that_reached_nobody_is_said(desk: Desk, vps: Vps) -> None:
    ran = await desk.run("notify", "hello")
    assert ran.code == 1 and "no [events] notify_url" in ran.err
    vps.status = 500
    desk.bridge_config(vps.url)
    ran = await desk.run("notify", "hello", "--json")
    assert ran.code == 1 and json.loads(ran.out)["detail"] == "the VPS answered HTTP 500"
    desk.bridge_config("http://127.0.0.1:1/api/send?key=secret-2")
    ran = await desk.run("notify", "hello")
    assert ran.code == 1 and "Connection refused" in ran.err and "secret-2" not in ran.err


async def test_with_a_bridge_here_it_waits_in_the_outbox(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url)
    path = desk.folder / "bridge.db"
    Store(path).close()
    for _ in range(2):
        ran = await desk.run("notify", "Twice the same.", "error")
        assert ran.code == 0 and "queued" in ran.out
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT queue, state, body, key FROM rows ORDER BY id").fetchall()
    db.close()
    assert [(queue, state, json.loads(body)["message"]) for queue, state, body, _ in rows] == [
        (QUEUE, "waiting", "Twice the same.")
    ] * 2
    assert len({key for *_, key in rows}) == 2 and vps.bodies == []


async def test_a_damaged_outbox_is_gone_around(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url)
    (desk.folder / "bridge.db").write_bytes(b"this is no database, and long enough to be looked at" * 100)
    assert (await desk.run("notify", "hello")).code == 0
    assert len(vps.bodies) == 1


async def test_the_same_notification_twice_at_once_is_sent_once(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url)
    vps.held = True
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(desk.run("notify", "The same."))
        await vps.wait(1)
        second = await desk.run("notify", "The same.", "--json")
        vps.go_on.set()
    assert (second.code, json.loads(second.out)["outcome"]) == (0, "duplicate")
    assert first.result().code == 0 and len(vps.bodies) == 1
    assert not list(desk.state.glob("*.lock"))


async def test_the_network_is_judged_by_who_answers(desk: Desk, vps: Vps) -> None:
    up, down = vps.url, "http://127.0.0.1:1/"
    for urls, severity in (([up, up], "info"), ([up, down], "warning"), ([down, down], "critical")):
        desk.configure(f"[network]\nurls = {json.dumps(urls)}\ntimeout_s = 30.0")
        found = json.loads((await desk.run("notify", "network", "--dry-run", "--json")).out)
        assert found["severity"] == severity and "Network Status" in found["message"]
    desk.configure("[network]\ntimeout_s = 30.0")
    desk.bridge_config(vps.url)
    found = json.loads((await desk.run("notify", "network", "--dry-run", "--json")).out)
    assert (found["severity"], "Reachable" in found["message"]) == ("info", True), "the bridge's servers by default"


async def test_the_tunnel_is_judged_by_interface_ping_and_handshake(desk: Desk) -> None:
    found = json.loads((await desk.run("notify", "vpn", "--dry-run", "--json")).out)
    assert found["severity"] == "error" and "wg0 not found" in found["message"]
    desk.configure('[vpn]\ninterface = "lo"\npeer = "127.0.0.1"\nping_s = 20.0\n')
    desk.programs.add("wg", "key=\t1000000000\n")
    desk.programs.add("ping", code=1)
    found = json.loads((await desk.run("notify", "vpn", "--dry-run", "--json")).out)
    assert found["severity"] == "error" and "unable to reach gateway 127.0.0.1" in found["message"]
    desk.programs.add("ping")
    found = json.loads((await desk.run("notify", "vpn", "--dry-run", "--json")).out)
    assert found["severity"] == "info" and "latest handshake" in found["message"]
    assert desk.programs.calls("wg") == [["show", "lo", "latest-handshakes"]]
    assert desk.programs.calls("ping")[-1] == ["-n", "-c", "1", "-W", "20", "-I", "lo", "127.0.0.1"]


async def test_a_service_is_judged_by_its_state(desk: Desk) -> None:
    blocks = SYSTEMCTL.split("\n\n")
    for block, severity, words in (
        (blocks[0], "info", "is running"),
        (blocks[1], "error", "is not running (failed)"),
        (blocks[2], "error", "is not installed"),
    ):
        desk.programs.add("systemctl", block)
        found = json.loads((await desk.run("notify", "service", "smstools", "--dry-run", "--json")).out)
        assert found["severity"] == severity and words in found["message"]
    assert desk.programs.calls("systemctl")[0][-2:] == ["--", "smstools.service"]


async def test_the_modem_is_told_as_the_old_script_did(desk: Desk, core: TinyCore) -> None:
    core.handlers["modem.status"] = lambda _: STATUS
    for action in ("sim7600", "ec25"):
        ran = await desk.run("notify", action, "--dry-run", "--json", socket=core.path)
        found = json.loads(ran.out)
        assert ran.code == 0 and "• IMEI: (admin only)" in found["message"] and "SIM Card: READY" in found["message"]
    assert "\x1b" not in (await desk.run("notify", "modem", "--dry-run", socket=core.path)).out
    ran = await desk.run("notify", "modem", "--dry-run", "--scopes", "observe", socket=core.path)
    assert ran.code == 0
    assert core.asked("client.hello")[-1]["scopes"] == ["observe"], "a caller gets no more than its own"
    found = json.loads((await desk.run("notify", "modem", "--dry-run", "--json")).out)
    assert (found["severity"], "not running" in found["message"]) == ("error", True)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"state": "ready", "registration": "home", "signal_percent": 60}, "info"),
        ({"state": "ready", "registration": "roaming", "signal_percent": None}, "info"),
        ({"state": "ready", "registration": "home", "signal_percent": 19}, "warning"),
        ({"state": "ready", "registration": "searching", "signal_percent": 60}, "warning"),
        ({"state": "reconnecting"}, "warning"),
        ({"state": "offline"}, "error"),
        ({"state": "failed"}, "error"),
    ],
)
def test_a_modem_is_as_bad_as_it_serves(changes: dict[str, object], severity: str) -> None:
    assert modem_report.severity(changes, 20.0) == severity


def test_an_ims_context_of_the_wrong_kind_is_pointed_out() -> None:
    contexts = [{"cid": 2, "kind": "IP", "apn": "ims", "active": False}]
    assert "should be IPV4V6" in modem_report.text({"state": "ready", "contexts": contexts})


async def test_the_whole_station_in_one_report(desk: Desk, core: TinyCore) -> None:
    core.handlers["status"] = lambda _: {"lines": [{"name": "sim", "state": "ready", "operator": None}]}
    desk.programs.add("systemctl", SYSTEMCTL)
    desk.configure("[limits]\ncpu_percent = 1000\ndisk_percent = 100\ntemperature_c = 1000\n")
    found = json.loads((await desk.run("notify", "system-full", "--dry-run", "--json", socket=core.path)).out)
    for words in ("CPU:", "Mem:", "sim: ready", "dialtone-spool failed", "Listening Ports", "Top Processes"):
        assert words in found["message"]
    assert found["severity"] == "info"
    desk.configure("[limits]\ndisk_percent = 0\n")
    found = json.loads((await desk.run("notify", "system-full", "--dry-run", "--json", socket=core.path)).out)
    assert found["severity"] == "warning"


def test_figures_of_the_kernel_are_read_as_documented(tmp_path: Path) -> None:
    assert host.cpu_times("cpu  10 1 5 80 4 0 0 0 0 0\ncpu0 1") == (16, 100)
    assert host.cpu_times("") == (0, 0)
    assert host.memory_percent("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\n") == 75
    route = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "wwan0\t00000000\t0101A8C0\t0003\t0\t0\t700\t00000000\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n"
        "eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\n"
    )
    assert host.gateway(route) == "192.168.0.1" and host.gateway("") is None
    tcp = "sl local rem st\n 0: 0100007F:1F98 00000000:0000 0A\n 1: 0100007F:0016 00000000:0000 01\n"
    assert host.listening(tcp, "") == [8088]
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    assert host.temperature_c(tmp_path) is None
    (zone / "temp").write_text("48312\n")
    assert host.temperature_c(tmp_path) == pytest.approx(48.312)


def has_rows_table(path: Path) -> bool:
    """The file is there before what belongs into it."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as db:
        return bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchall())


@pytest.mark.timeout(120)
async def test_a_running_bridge_delivers_what_is_queued_also_after_an_outage(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url, "notify = []")
    vps.status = 503
    async with station(emulator=False) as made:
        bridge = await asyncio.create_subprocess_exec(
            *DIALTONE, "bridge", "--config", str(desk.bridge), "--socket", str(made.socket)
        )
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not has_rows_table(desk.folder / "bridge.db"):  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(0.05)
            assert "queued" in (await desk.run("notify", "Held.", "error")).out
            await vps.wait(1)
            vps.status = 200
            body = await vps.wait(2)
        finally:
            bridge.terminate()
            await bridge.wait()
    assert (body["message"], body["severity"]) == ("Held.", "error")
    assert vps.headers[0]["Idempotency-Key"] == vps.headers[1]["Idempotency-Key"]
    assert vps.headers[1]["X-Dialtone-Attempt"] == "2"
