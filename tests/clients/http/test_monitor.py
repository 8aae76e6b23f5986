"""/monitor/… of the old monitoring API: real commands behind it, notifications to a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from clients.http_api.monitor import ASYNC, ENDPOINTS, SYNC
from tests.clients.http.raw import curl, exchange, http10_get
from tests.clients.http.service import Service, http_service
from tests.clients.station.conftest import Vps, a_vps
from tests.clients.station.programs import SYSTEMCTL, Programs, entry
from tests.station import station

STARTED = {"status": "success", "message": "Monitoring task started in background"}


@asynccontextmanager
async def monitored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, emulator: bool = False, monitor: str = "", scopes: str = ""
) -> AsyncIterator[tuple[Service, Vps, Programs]]:
    """station.toml and bridge.toml of the test, its programs first in PATH."""
    programs = Programs(tmp_path)
    programs.add("systemctl", SYSTEMCTL.split("\n\n")[0])
    programs.add("journalctl", entry(1_795_000_000, "disk full", PRIORITY="3", SYSLOG_IDENTIFIER="rsyslogd"))
    monkeypatch.setenv("PATH", programs.env["PATH"])
    async with a_vps() as vps, station(emulator=emulator) as made, made.phone() as (phone, _):
        if emulator:
            await made.ready(phone)
        (tmp_path / "station.toml").write_text(f'state = "{tmp_path}/state"\n[network]\nurls = ["{vps.url}"]\n')
        (tmp_path / "bridge.toml").write_text(
            f'station = "gateway-a"\n[outbox]\npath = "{tmp_path}/bridge.db"\n[events]\nnotify_url = "{vps.url}"\n'
        )
        config = (
            f'[monitor]\nstation_config = "{tmp_path}/station.toml"\nbridge_config = "{tmp_path}/bridge.toml"\n'
            f'{monitor}\n[[listen]]\nport = 0\nserves = ["monitor"]\nopen_scopes = ["observe"]\n{scopes}'
        )
        async with http_service(tmp_path, made.socket, config) as web:
            yield web, vps, programs


async def ask(web: Service, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    async with web.session.request(method, web.base + path, json=body) as answer:
        return answer.status, await answer.json()


def is_running(pid: str) -> bool:
    return Path(f"/proc/{pid}/exe").exists()


@pytest.mark.timeout(300)  # a dozen programs, one after the other
async def test_every_action_answers_at_once_and_its_result_comes_as_a_notification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        "vpn": "VPN interface wg0 not found", "system": "CPU: ", "system-full": "System Report",
        "network": "Network Status", "ec25": "Modem Status Report", "sim7600": "Modem Status Report",
        "tts": "TTS HEALTH STATUS", "test": "Test message from gateway-a", "custom": "Custom monitoring request",
        "logs": "disk full",
    }  # fmt: skip
    assert set(expected) == set(ASYNC)
    async with monitored(tmp_path, monkeypatch, emulator=True) as (web, vps, _):
        for count, (action, words) in enumerate(expected.items(), start=1):
            method = "POST" if count % 2 else "GET"
            assert await ask(web, f"/monitor/{action}", method) == (200, STARTED | {"action": action})
            message = (await vps.wait(count))["message"]
            assert words in message, action
        severities = {body["message"].split()[0]: body["severity"] for body in vps.bodies}
        assert (severities["VPN"], severities["CPU:"]) == ("error", "info")


@pytest.mark.timeout(180)
async def test_services_and_texts_of_the_caller_are_notifications_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path, monkeypatch) as (web, vps, programs):
        body = {"message": "Back-up is done, ačiū", "severity": "warning"}
        assert (await exchange(web.base, curl("/monitor/custom", json.dumps(body)))).json["action"] == "custom"
        found = await vps.wait(1)
        assert (found["message"], found["severity"]) == (body["message"], "warning")
        code, told = await ask(web, "/monitor/services")
        assert (code, told["action"], told["status"]) == (200, "services", "success")
        assert "dialtone-core: RUNNING" in (await vps.wait(2))["message"]
        assert (await exchange(web.base, http10_get("/monitor/service/wg-quick@wg0"))).json == {
            "status": "success", "service": "wg-quick@wg0", "message": "Service check started in background",
        }  # fmt: skip
        assert (await vps.wait(3))["message"] == "Service wg-quick@wg0 is running"
        assert programs.calls("systemctl")[-1][-1] == "wg-quick@wg0.service"
        for name in ("-H", "a%20b", "x;y", "%2e%2e%2fx", "a" * 300):
            assert (await ask(web, f"/monitor/service/{name}"))[0] in (400, 404)
        assert len(vps.bodies) == 3


@pytest.mark.timeout(180)
async def test_sync_gives_the_whole_output_and_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitored(tmp_path, monkeypatch, emulator=True) as (web, vps, _):
        for action, words, code in (("system", "CPU: ", 0), ("tts", "Healthy", 0), ("logs", "disk full", 1)):
            status, found = await ask(web, f"/monitor/{action}/sync", "POST")
            assert (status, found["status"], found["action"], found["return_code"]) == (200, "success", action, code)
            assert words in found["stdout"] and found["stderr"] == ""
        _, found = await ask(web, "/monitor/sim7600/sync")
        assert "IMEI: (admin only)" in found["stdout"], "this caller has observe alone"
        assert vps.bodies == []


async def test_actions_that_are_not_known_are_400_with_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path, monkeypatch) as (web, _, _programs):
        text = f"Invalid action. Valid actions: {', '.join(ASYNC)}"
        assert await ask(web, "/monitor/reboot", "POST") == (400, {"status": "error", "message": text})
        text = f"Invalid action. Valid actions: {', '.join(SYNC)}"
        assert await ask(web, "/monitor/custom/sync") == (400, {"status": "error", "message": text})
        code, told = await ask(web, "/monitor/help", "POST")
        assert (code, set(told), told["endpoints"]) == (200, {"endpoints", "methods", "note"}, ENDPOINTS)
        assert (await ask(web, "/monitor/modem_reset"))[0] == 403, "observe is not enough"


async def test_what_takes_too_long_is_504_and_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path, monkeypatch, monitor="timeout_s = 8.0") as (web, _, programs):
        pid_file = tmp_path / "pid"
        programs.add("journalctl", then=f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
        code, told = await ask(web, "/monitor/logs/sync")
        assert (code, told) == (504, {"status": "error", "message": "Script execution timed out (8s)"})
        assert pid_file.exists()
        async with asyncio.timeout(30):
            while is_running(pid_file.read_text()):  # noqa: ASYNC110 - it is nobody's child here
                await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
async def test_an_action_that_runs_is_not_started_twice_and_there_is_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path, monkeypatch) as (web, _, programs):
        programs.add("journalctl", then="time.sleep(60)")
        programs.add("systemctl", then="time.sleep(60)")
        for _ in range(3):
            assert (await ask(web, "/monitor/logs"))[0] == 200
        for number in range(7):
            assert (await ask(web, f"/monitor/service/unit{number}"))[0] == 200
        code, told = await ask(web, "/monitor/service/unit99")
        assert (code, told["status"]) == (503, "error")
        async with asyncio.timeout(30):
            while not programs.calls("journalctl"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        assert len(programs.calls("journalctl")) == 1
        web.process.terminate()
        async with asyncio.timeout(30):
            assert await web.process.wait() == 0, "what runs in the background does not hold it up"


async def test_the_modem_is_reset_for_an_admin(tmp_path: Path) -> None:
    listen = '[[listen]]\nport = 0\nserves = ["monitor"]\nopen_scopes = ["observe", "admin"]\n'
    async with (
        station() as made,
        made.phone("modem.*") as (phone, watch),
        http_service(tmp_path, made.socket, listen) as web,
    ):
        await made.ready(phone)
        assert await ask(web, "/monitor/modem_reset", "POST") == (
            200, {"status": "success", "action": "modem_reset", "message": "Modem reset started"},
        )  # fmt: skip
        await watch.wait("modem.state", lambda params: params["state"] != "ready")


async def test_the_old_apis_are_described_where_they_are_served(tmp_path: Path) -> None:
    listen = '[[listen]]\nport = 0\nserves = ["modern", "phone"]\n[[listen]]\nport = 0\nserves = ["monitor"]\n'
    async with station(emulator=False) as made, http_service(tmp_path, made.socket, listen) as web:
        async with web.session.get(f"{web.bases['modern+phone']}/v1/openapi.json") as answer:
            document = await answer.json()
        validate(document)
        assert {"/phone_call", "/send_sms", "/api/send-sms", "/monitor/{action}/sync"} <= set(document["paths"])
        async with web.session.get(f"{web.bases['monitor']}/monitor/help") as answer:
            assert answer.status == 200
        async with web.session.get(f"{web.bases['modern+phone']}/monitor/help") as answer:
            assert answer.status == 404
