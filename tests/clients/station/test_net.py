"""dialtone net as a process: what it asks, what it prints, how it ends; and the doctor's lines about the internet."""

import json
from pathlib import Path
from typing import Any

import pytest

from clients.doctor import station
from clients.doctor.finding import Verdict
from clients.doctor.internet import internet, pings, reverse_path
from core.rpc.methods import load
from tests.clients.station.conftest import Desk
from tests.clients.test_cli import run
from tests.clients.tiny_core import Json, Refused, TinyCore
from tests.rpc.schema import ProtocolSchema

SCHEMA = ProtocolSchema.of(load())
BAD = "\x1b[31mred"
UUID = "5d6bb4c4-6ec0-4c83-b7b3-1c0c1f3d0a11"
LINK: Json = {
    "interface": "eth0", "kind": "ethernet", "up": True, "carrier": True, "usable": True, "metric": 100,
    "addresses": ["192.168.77.10/24"], "gateway": "192.168.77.1", "dns": ["192.168.77.1"], "connection": BAD,
}  # fmt: skip
STATUS: Json = {
    "state": "backup", "mode": "auto", "since": "2026-11-21T07:16:00.123Z", "reason": "nothing answers",
    "cause": "down", "interface": "wwan0", "primary": "eth0", "default": "wwan0", "links": [LINK],
    "verdict": "down", "fails": 3, "answers": 0,
    "backup": {
        "state": "up", "traffic": True, "kind": "qmi", "interface": "wwan0", "address": "10.64.0.2/30",
        "gateway": "10.64.0.1", "dns": ["10.64.0.1"], "cause": None, "text": None, "retry_s": None, "barred": None,
        "contested": False,
        "probe": {"interface": "wwan0", "verdict": "ok", "detail": "well", "at": "2026-11-21T07:16:00.123Z",
                  "rtt_ms": 41.0},
    },
    "data": {"day": "2026-11-21", "used_mb": 12.3, "limit_mb": 500},
    "primary_probe": {"interface": "eth0", "verdict": "down", "detail": "no answer from 8.8.8.8",
                      "at": "2026-11-21T07:16:00.123Z", "rtt_ms": None},
    "vpn": {"interface": "wg0", "state": "up", "reason": "", "handshake_age_s": 21.0, "ping_ms": 40.0,
            "endpoint": "203.0.113.10:443", "restarts": 0, "next_restart_s": None},
    "helper": None, "troubles": [], "redacted": [],
}  # fmt: skip
WELL = STATUS | {"state": "primary", "verdict": "ok", "fails": 0, "cause": None, "interface": "eth0"}


def serve(core: TinyCore, found: Json) -> None:
    core.handlers["net.status"] = core.handlers["net.failover"] = lambda _: found


# --- requests

ASKED: list[tuple[str, str, str, Json]] = [
    ("status", "", "net.status", {}),
    ("check", "", "net.check", {"reason": "manual"}),
    ("failover on", "", "net.failover", {"mode": "on"}),
    ("failover off", "", "net.failover", {"mode": "off"}),
    ("failover auto", "", "net.failover", {"mode": "auto"}),
    ("vpn", "", "net.vpn", {}),
    ("vpn --restart", "", "net.vpn", {"restart": True}),
    ("wifi list", "", "net.wifi.list", {}),
    ("wifi list --rescan", "", "net.wifi.list", {"rescan": True}),
    ("wifi saved", "", "net.wifi.saved", {}),
    (f"wifi priority {UUID} 10", "", "net.wifi.set_priority", {"uuid": UUID, "priority": 10}),
    (f"wifi priority {UUID} -5", "", "net.wifi.set_priority", {"uuid": UUID, "priority": -5}),
    ("wifi connect Home", "correct horse\n", "net.wifi.connect", {"network": "Home", "password": "correct horse"}),
    ("wifi connect Home --open", "", "net.wifi.connect", {"network": "Home"}),
]


@pytest.mark.parametrize(("words", "typed", "method", "params"), ASKED)
async def test_a_verb_asks_for_what_it_says(
    core: TinyCore, desk: Desk, words: str, typed: str, method: str, params: Json
) -> None:
    core.handlers[method] = lambda _: {"state": "up", "anything": [1, "ä"]}
    ran = await desk.run("net", *words.split(), "--json", socket=core.path, stdin=typed.encode())
    assert (ran.code, ran.err, json.loads(ran.out)) == (0, "", {"state": "up", "anything": [1, "ä"]})
    assert core.asked(method) == [params]
    SCHEMA.check_request(method, params)


@pytest.mark.parametrize(
    ("words", "typed"),
    [("", ""), ("failover", ""), ("failover maybe", ""), ("wifi", ""), ("wifi priority x 1000", ""),
     ("wifi connect Home", "\n"), ("wifi connect Home", "x" * 65)],
)  # fmt: skip
async def test_a_wrong_command_line_is_code_2_and_asks_nothing(
    core: TinyCore, desk: Desk, words: str, typed: str
) -> None:
    ran = await run("net", *words.split(), socket=core.path, stdin=typed.encode())
    assert (ran.code, ran.out, core.requests) == (2, "", [])
    assert "x" * 65 not in ran.err


@pytest.mark.parametrize("verb", ["status", "check", "failover", "vpn", "wifi"])
async def test_every_verb_shows_an_example(verb: str) -> None:
    ran = await run("net", verb, "--help")
    assert (ran.code, ran.err) == (0, "") and f"Example:\n  dialtone net {verb}" in ran.out


# --- what is shown


async def test_the_status_says_which_way_is_used_and_why_without_steering_the_terminal(
    core: TinyCore, desk: Desk
) -> None:
    SCHEMA.check_reply("net.status", {"result": STATUS})
    serve(core, STATUS)
    ran = await desk.run("net", "status", socket=core.path)
    assert (ran.code, ran.err) == (0, "") and "\x1b" not in ran.out
    for words in (
        "backup since", "nothing answers (down)", "eth0: down, 3 times", "wwan0: up, 10.64.0.2/30, ok",
        "12.3 of 500 MB", "wg0: up, handshake 21 s ago", "192.168.77.1",
    ):  # fmt: skip
        assert words in ran.out


@pytest.mark.parametrize(
    ("state", "verdict", "code"),
    [("primary", "ok", 0), ("primary", None, 0), ("backup", "down", 0), ("recovering", "ok", 0), ("off", "ok", 0),
     ("suspect", "down", 1), ("starting_backup", "down", 1), ("both_down", "down", 1), ("off", "down", 1),
     ("starting_backup", "ok", 0), ("starting_backup", None, 1), ("both_down", "ok", 1)],
)  # fmt: skip
async def test_the_exit_code_of_status_says_whether_something_leads_out(
    core: TinyCore, desk: Desk, state: str, verdict: str | None, code: int
) -> None:
    serve(core, STATUS | {"state": state, "verdict": verdict})
    assert (await desk.run("net", "status", socket=core.path)).code == code


async def test_what_is_wrong_with_the_backup_is_said_with_its_next_try(core: TinyCore, desk: Desk) -> None:
    wrong = STATUS["backup"] | {
        "state": "down", "address": None, "probe": None, "cause": "apn_refused", "text": "unknown-apn", "retry_s": 14.2,
    }  # fmt: skip
    trouble = {"state": "both_down", "backup": wrong, "vpn": None, "helper": "no helper", "troubles": ["watch broke"]}
    serve(core, STATUS | trouble)
    ran = await desk.run("net", "status", socket=core.path)
    assert "wwan0: down, unknown-apn (apn_refused), next try in 14 s" in ran.out
    assert "no helper" in ran.out and "Being started again: watch broke" in ran.out and "VPN" not in ran.out
    serve(core, STATUS | {"backup": wrong | {"barred": "the day's data is used up"}})
    assert "may not be started: the day's data is used up" in (await desk.run("net", "status", socket=core.path)).out


async def test_what_was_seen_of_a_backup_that_is_down_by_now_is_not_said_of_it(core: TinyCore, desk: Desk) -> None:
    serve(core, STATUS | {"backup": STATUS["backup"] | {"state": "down", "address": None}})
    shown = (await desk.run("net", "status", socket=core.path)).out
    assert "wwan0: down" in shown and "wwan0: down, ok" not in shown


async def test_what_a_user_may_not_see_is_named_as_hidden(core: TinyCore, desk: Desk) -> None:
    hidden = LINK | {"addresses": [], "gateway": None, "dns": [], "connection": None}
    serve(core, STATUS | {"links": [hidden], "redacted": ["links.addresses", "links.gateway"]})
    assert "(admin only)" in (await desk.run("net", "status", socket=core.path)).out


async def test_wifi_is_listed_and_nothing_in_reach_is_said(core: TinyCore, desk: Desk) -> None:
    core.handlers["net.wifi.list"] = lambda _: {
        "networks": [{"ssid": BAD, "strength_percent": 81, "security": "wpa2", "active": True, "saved": False}]
    }
    ran = await desk.run("net", "wifi", "list", socket=core.path)
    assert ran.code == 0 and "wpa2" in ran.out and "81" in ran.out and "\x1b" not in ran.out
    core.handlers["net.wifi.list"] = lambda _: {"networks": []}
    assert "No Wi-Fi" in (await desk.run("net", "wifi", "list", socket=core.path)).out


async def test_a_vpn_that_is_not_up_is_code_1_and_what_the_core_refuses_is_said(core: TinyCore, desk: Desk) -> None:
    core.handlers["net.vpn"] = lambda _: STATUS["vpn"] | {"state": "stale", "reason": "no handshake"}
    ran = await desk.run("net", "vpn", socket=core.path)
    assert ran.code == 1 and "no handshake" in ran.out

    def refuse(_: Any) -> Any:
        raise Refused(-32029, "net_failed", "The backup can't be switched on: budget.", trouble="budget")

    core.handlers["net.failover"] = refuse
    ran = await desk.run("net", "failover", "on", socket=core.path)
    assert (ran.code, ran.out) == (1, "") and "can't be switched on" in ran.err
    assert (await desk.run("net", "status")).code == 3


# --- the doctor


def doctor(found: Json | Exception) -> dict[str, tuple[Verdict, str]]:
    def ask(method: str, params: Json) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    return {each.check: (each.verdict, f"{each.text} {each.advice or ''}") for each in internet(ask)}


def test_the_doctor_says_that_all_is_well() -> None:
    said = doctor(WELL)
    assert said["net"][0] is said["net.backup"][0] is said["net.vpn"][0] is Verdict.OK
    said = doctor(WELL | {"vpn": None, "verdict": None})
    assert "net.vpn" not in said and "not looked at yet" in said["net"][1]


@pytest.mark.parametrize(
    ("wrong", "check", "words"),
    [
        ({"verdict": "captive"}, "net", "Log in on the portal"),
        ({"primary": None}, "net", "no main link"),
        ({"helper": "it does not run"}, "net.helper", "dialtone-helper"),
        ({"backup": STATUS["backup"] | {"cause": "program_missing"}}, "net.backup", "libqmi-utils"),
        ({"backup": STATUS["backup"] | {"contested": True}}, "net.backup", "NetworkManager"),
        ({"vpn": STATUS["vpn"] | {"state": "down", "reason": "gone"}}, "net.vpn", "gone"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(wrong: Json, check: str, words: str) -> None:
    verdict, text = doctor(WELL | wrong)[check]
    assert verdict is Verdict.PROBLEM and words in text


def test_the_doctor_warns_of_what_somebody_switched_by_hand_and_of_a_backup_that_may_not_start() -> None:
    assert doctor(WELL | {"mode": "off"})["net.backup"][0] is Verdict.WARNING
    barred = STATUS["backup"] | {"barred": "bearer is none"}
    assert "bearer is none" in doctor(WELL | {"backup": barred})["net.backup"][1]


def test_the_doctor_says_once_that_the_sim_carries_the_traffic_and_calls_no_warning_a_problem() -> None:
    told = {"notes": ["net: the SIM's data carries the traffic", "media.vad: silero stands in"]}
    assert ["media.vad" in each.text for each in station.notes(lambda _method, _params: told)] == [True]
    raised = [{"alarm": "net_backup", "severity": "warning"}, {"alarm": "net_down", "severity": "error"}]
    found = list(station.alarms({"alarms": raised}))
    assert [each.verdict for each in found] == [Verdict.WARNING, Verdict.PROBLEM]
    assert all("docs/network.md" in (each.advice or "") for each in found)


def test_a_core_that_does_not_watch_the_internet_is_no_problem() -> None:
    from dialtone.errors import RpcError

    said = doctor(RpcError(-32028, "not enabled", {"kind": "net_unavailable"}))
    assert said["net"][0] is Verdict.SKIPPED


def test_ping_sockets_for_nobody_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "proc/sys/net/ipv4/ping_group_range"
    file.parent.mkdir(parents=True)
    file.write_text("1\t0\n")
    assert [each.verdict for each in pings(tmp_path)] == [Verdict.WARNING]
    file.write_text("0\t2147483647\n")
    assert list(pings(tmp_path)) == []


@pytest.mark.parametrize(
    ("everywhere", "here", "warned"), [("0", "0", False), ("0", "1", True), ("1", "0", True), ("2", "1", False)]
)
def test_a_strict_reverse_path_filter_is_told(tmp_path: Path, everywhere: str, here: str, warned: bool) -> None:
    for name, value in (("all", everywhere), ("eth0", here)):
        (tmp_path / f"proc/sys/net/ipv4/conf/{name}").mkdir(parents=True)
        (tmp_path / f"proc/sys/net/ipv4/conf/{name}/rp_filter").write_text(f"{value}\n")
    assert [each.verdict for each in reverse_path("eth0", tmp_path)] == [Verdict.WARNING] * warned
    assert list(reverse_path("wlan0", tmp_path)) == list(reverse_path(None, tmp_path)) == []
