"""dialtone services and dialtone logs as processes, with systemd's own words."""

import json
import os
import subprocess
import tomllib
from datetime import UTC, datetime

import msgspec
import pytest

from clients.settings_file import SettingsError
from clients.station.journal import ENTRIES, FAILED, RESTART, STARTED, STOPPED, parse
from clients.station.services import since_text
from clients.station.settings import Settings, parse_settings
from clients.station.units import parse as parse_units
from tests.clients.station.conftest import Desk, Vps
from tests.clients.station.programs import ALL_WELL, SYSTEMCTL, entry
from tests.station import ROOT

WITHOUT_SYSTEMD = (
    "System has not been booted with systemd as init system (PID 1). Can't operate.\n"
    "Failed to connect to bus: Host is down\n"
)

# --- services


async def test_services_are_a_table_and_json_and_a_failed_one_is_1(desk: Desk) -> None:
    desk.programs.add("systemctl", SYSTEMCTL)
    desk.configure('[services]\nunits = ["dialtone*", "smstools", "wg-quick@wg0"]')
    ran = await desk.run("services")
    assert ran.code == 1 and ran.err == ""
    rows = {line.split()[0]: line.split() for line in ran.out.splitlines()[2:]}
    assert rows["dialtone-core"][1] == "running" and rows["dialtone-core"][3] == "2"
    assert rows["dialtone-spool"][1:3] == ["failed", "(failed)"]
    assert rows["ssh"][1:3] == ["not", "installed"]
    found = json.loads((await desk.run("services", "--json")).out)
    assert found["ok"] is False and [unit["name"] for unit in found["services"]][0] == "dialtone-core.service"
    asked = desk.programs.calls("systemctl")[0]
    assert asked[-4:] == ["--", "dialtone*", "smstools.service", "wg-quick@wg0.service"]
    desk.programs.add("systemctl", ALL_WELL)
    assert (await desk.run("services")).code == 0


async def test_services_go_out_as_a_notification(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url)
    desk.programs.add("systemctl", SYSTEMCTL)
    assert (await desk.run("services", "--notify")).code == 1
    assert vps.bodies[0]["severity"] == "error"
    assert "<red>dialtone-spool: FAILED (FAILED)" in vps.bodies[0]["message"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ({"code": 1, "err": WITHOUT_SYSTEMD}, "systemd does not run here"),
        ({"code": 1, "err": "Failed to parse\n"}, "systemctl: Failed to parse"),
        ({"then": "time.sleep(60)"}, "did not answer within 0.5 s"),
    ],
)
async def test_without_systemd_it_says_so_and_3(desk: Desk, program: dict[str, str], words: str) -> None:
    desk.configure("[services]\ntimeout_s = 0.5" if "then" in program else "")
    desk.programs.add("systemctl", **program)  # type: ignore[arg-type]
    ran = await desk.run("services")
    assert (ran.code, ran.out) == (3, "") and words in ran.err
    found = json.loads((await desk.run("services", "--json")).out)
    assert found["ok"] is None and words in found["error"]


def test_the_real_systemctl_is_asked_in_words_that_it_knows(desk: Desk) -> None:
    """It may say that systemd does not run; it must not say that an option is wrong."""
    desk.programs.add("systemctl", "")
    try:
        asked = subprocess.run(["systemctl", "show", "--no-pager", "--property=Id", "--", "dialtone*"],
                               capture_output=True, text=True, timeout=20)  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no systemctl here")
    assert "unrecognized" not in asked.stderr and "invalid option" not in asked.stderr


def test_units_are_parsed_with_the_time_since_they_started() -> None:
    units = {unit.name: unit for unit in parse_units(SYSTEMCTL, now_us=3_601_000_000)}
    assert units["dialtone-core.service"].up_s == 3600 and units["ssh.service"].up_s is None
    assert [units[name].is_well for name in sorted(units)] == [True, False, True]
    assert parse_units("", 0) == [] and parse_units("Nonsense\n\nMore", 0) == []


def test_times_are_told_in_the_largest_unit() -> None:
    assert [since_text(value) for value in (None, 8, 720, 18000, 3 * 86400 + 1)] == ["-", "8s", "12m", "5h", "3d"]


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        ({"services": {"units": ["-H evil"]}}, "services.units"),
        ({"services": {"units": ["a b"]}}, "services.units"),
        ({"audio_library": {"source": "--rsh=sh"}}, "audio_library.source"),
        ({"audio_library": {"mirror": "../x"}}, "audio_library.mirror"),
        ({"vpn": {"interface": "wg0; reboot"}}, "vpn.interface"),
        ({"vpn": {"peer": "-h"}}, "vpn.peer"),
        ({"logs": {"watches": []}}, "unknown field"),
    ],
)
def test_a_configuration_that_could_be_an_option_or_is_unknown_is_refused(raw: dict[str, object], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        parse_settings(raw, "station.toml")


# --- logs

JOURNAL = "\n".join(
    [
        entry(1_795_000_000, "disk full", PRIORITY="3", _SYSTEMD_UNIT="rsyslog.service"),
        entry(1_795_000_001, "disk full", PRIORITY="3", _SYSTEMD_UNIT="rsyslog.service"),
        entry(1_795_000_002, "usb 1-1: error -71", PRIORITY="2", SYSLOG_IDENTIFIER="kernel"),
        entry(1_795_000_003, [104, 105, 255], PRIORITY="3"),
        entry(1_795_000_004, "Started", MESSAGE_ID=STARTED, UNIT="dialtone-core.service", PRIORITY="6"),
        entry(1_795_000_005, "Scheduled", MESSAGE_ID=RESTART, UNIT="dialtone-spool.service", PRIORITY="6"),
        entry(1_795_000_006, "Failed", MESSAGE_ID=FAILED, UNIT="dialtone-spool.service", PRIORITY="4"),
        entry(1_795_000_007, "Failed", MESSAGE_ID=FAILED, UNIT="somebody-else.service", PRIORITY="3"),
        entry(1_795_000_008, "only information", PRIORITY="6"),
        "this line is no entry",
    ]
)


def test_entries_become_faults_with_counts_and_changes_of_watched_units() -> None:
    found = parse(JOURNAL.splitlines(), ["dialtone*"])
    assert [(fault.source, fault.text, fault.count) for fault in found.faults] == [
        ("rsyslog.service", "disk full", 2), ("kernel", "usb 1-1: error -71", 1), ("kernel", "hi\ufffd", 1),
    ]  # fmt: skip
    assert [(change.unit.removesuffix(".service"), change.what) for change in found.changes] == [
        ("dialtone-core", "started"), ("dialtone-spool", "restarted"), ("dialtone-spool", "failed"),
    ]  # fmt: skip
    assert [change.what for change in found.bad_changes] == ["restarted", "failed"]
    assert found.cursor == "s=1;i=1795000008" and found.errors == 4 and not found.more


def test_a_stop_is_no_trouble_and_a_flood_is_told() -> None:
    calm = parse([entry(1, "x", MESSAGE_ID=STOPPED, UNIT="dialtone-core.service")], ["dialtone-core"])
    assert calm.bad_changes == () and calm.changes[0].what == "stopped"
    flood = parse([entry(at, "x" * 1000, PRIORITY="3") for at in range(ENTRIES)], [])
    assert flood.more and len(flood.faults) == 1 and len(flood.faults[0].text) == 150


async def test_a_check_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    desk.programs.add("journalctl", JOURNAL)
    ran = await desk.run("logs", "check", "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["ok"], len(found["faults"]), len(found["changes"])) == (1, False, 3, 3)
    first = desk.programs.calls("journalctl")[0]
    since = next(word for word in first if word.startswith("--since=@"))
    assert datetime.now(UTC).timestamp() - int(since.removeprefix("--since=@")) == pytest.approx(3600, abs=60)
    desk.programs.add("journalctl", "")
    ran = await desk.run("logs", "check")
    assert ran.code == 0 and "No errors" in ran.out
    assert "--after-cursor=s=1;i=1795000008" in desk.programs.calls("journalctl")[1]
    await desk.run("logs", "check")
    assert "--after-cursor=s=1;i=1795000008" in desk.programs.calls("journalctl")[2], "the place is kept"
    assert (desk.state / "logs-check.json").stat().st_mode & 0o777 == 0o600


async def test_a_look_that_keeps_its_place_and_one_that_may_not_send_count_as_none(desk: Desk) -> None:
    desk.programs.add("journalctl", JOURNAL)
    assert (await desk.run("logs", "check", "--keep-place")).code == 1
    assert (await desk.run("logs", "check", "--notify", "--dry-run")).code == 1
    assert not (desk.state / "logs-check.json").exists()


async def test_what_was_found_goes_out_as_a_notification(desk: Desk, vps: Vps) -> None:
    desk.bridge_config(vps.url)
    desk.programs.add("journalctl", JOURNAL)
    assert (await desk.run("logs", "check", "--notify")).code == 1
    body = vps.bodies[0]
    assert body["severity"] == "error" and "rsyslog.service: disk full (2x)" in body["message"]
    assert "dialtone-spool.service failed" in body["message"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ({}, "the systemd journal is empty"),
        ({"err": "No journal files were found.\n"}, "no systemd journal"),
        ({"err": "Hint: You are currently not seeing messages from other users and the system.\n"}, "systemd-journal"),
        ({"code": 1, "err": "Failed to seek to cursor: Invalid argument\n"}, "Failed to seek"),
    ],
)
async def test_a_journal_that_can_not_be_read_is_no_good_news(desk: Desk, program: dict[str, str], words: str) -> None:
    desk.programs.add("journalctl", **program)  # type: ignore[arg-type]
    ran = await desk.run("logs", "check")
    assert ran.code == 3 and words in ran.err and ran.out == ""
    assert not (desk.state / "logs-check.json").exists()


async def test_a_damaged_place_is_a_first_check(desk: Desk) -> None:
    desk.programs.add("journalctl", JOURNAL)
    desk.state.mkdir()
    (desk.state / "logs-check.json").write_text('{"cursor": 5, "checked_at": "2999-01-01T00:00:00+00:00"}')
    assert (await desk.run("logs", "check")).code == 1
    assert any(word.startswith("--since=@") for word in desk.programs.calls("journalctl")[0])


def test_the_real_journalctl_knows_our_words() -> None:
    if not any(os.access(f"{folder}/journalctl", os.X_OK) for folder in os.get_exec_path()):
        pytest.skip("no journalctl here")
    words = ["journalctl", "--output=json", "--output-fields=MESSAGE,PRIORITY", "--no-pager", "--lines=5000",
             "--since=@1795000000", "PRIORITY=3", "+", f"MESSAGE_ID={FAILED}"]  # fmt: skip
    ran = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert "unrecognized" not in ran.stderr and "Failed to parse" not in ran.stderr


def test_the_example_file_shows_every_key_with_its_default() -> None:
    text = (ROOT / "docs/station.example.toml").read_text()
    assert parse_settings(tomllib.loads(text), "example") == Settings()
    for table, fields in msgspec.to_builtins(Settings()).items():
        part = text if not isinstance(fields, dict) else text.split(f"[{table}]")[1].split("\n[")[0]
        for name in fields if isinstance(fields, dict) else [table]:
            assert f"\n{name} = " in part or f"\n# {name} = " in part, f"{table}.{name}"
