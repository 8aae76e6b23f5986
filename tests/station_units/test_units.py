"""The units: what systemd itself thinks of them, and that they, the users and the programs fit together."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.cli.command import find_commands
from tests.station_units.unit_file import ROOT, SERVICES, SYSTEMD, Unit, read_unit

UNITS = sorted(path for path in SYSTEMD.iterdir() if path.suffix in (".service", ".timer", ".target"))
MOST_EXPOSED = {"dialtone-helper.service": "26"}
"""As systemd-analyze takes it: 2.0 for all but the helper, which is root with a network and packet sockets."""

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def services() -> list[Unit]:
    return [read_unit(path) for path in SERVICES]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A machine's files with our units, the system's own, and something to run where the units look for programs."""
    place = tmp_path / "etc/systemd/system"
    place.mkdir(parents=True)
    for path in UNITS:
        shutil.copy(path, place)
    for program in ("opt/dialtone/bin/dialtone", "opt/dialtone/bin/python", "usr/bin/install"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/usr/bin/true", tmp_path / program)
    system = next(path for path in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if path.is_dir())
    shutil.copytree(system, tmp_path / "usr/lib/systemd/system", symlinks=True)
    yield tmp_path


@needs_analyze
def test_systemd_finds_nothing_wrong_with_the_units(root: Path) -> None:
    names = [path.name for path in UNITS]
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"--root={root}", *names], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@needs_analyze
def test_a_mistake_in_a_unit_would_be_seen(root: Path) -> None:
    unit = root / "etc/systemd/system/dialtone-core.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=allways"))
    command = ["systemd-analyze", "verify", "--man=no", f"--root={root}", unit.name]
    assert "allways" in subprocess.run(command, capture_output=True, text=True).stderr


@needs_analyze
@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_exposed_to_2_at_most_and_the_helper_to_2_6(root: Path, path: Path) -> None:
    most = MOST_EXPOSED.get(path.name, "20")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={most}", f"--root={root}"]
    found = subprocess.run([*command, path.name], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-300:] + found.stderr
    assert f"Overall exposure level for {path.name}" in found.stdout


@needs_analyze
def test_a_service_without_hardening_would_be_seen(root: Path) -> None:
    unit = root / "etc/systemd/system/dialtone-core.service"
    unit.write_text(unit.read_text().replace("SystemCallFilter=@system-service\n", ""))
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", f"--root={root}"]
    assert subprocess.run([*command, unit.name], capture_output=True).returncode != 0


def test_every_user_of_a_service_is_made_and_may_connect() -> None:
    lines = [line.split() for line in (SYSTEMD / "sysusers.d/dialtone.conf").read_text().splitlines()]
    made = {words[1] for words in lines if words[:1] == ["u"]}
    members = {words[1] for words in lines if words[:1] == ["m"] and words[2] == "dialtone"}
    wanted = {unit.one("User") for unit in services() if "User" in unit.values}
    assert wanted <= made
    assert wanted - {"dialtone"} <= members
    assert ["m", "dialtone", "dialout"] in lines  # the modem's ports


def test_only_the_helper_is_root_and_has_capabilities() -> None:
    for unit in services():
        if unit.name == "dialtone-helper.service":
            allowed = "CAP_CHOWN CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW"
            assert "User" not in unit.values and unit.one("CapabilityBoundingSet") == allowed
        else:
            assert unit.one("User") != "root" and unit.one("CapabilityBoundingSet") == ""
        assert unit.one("AmbientCapabilities") == "" and unit.one("NoNewPrivileges") == "yes"


def test_the_core_may_run_its_clock_and_open_modems() -> None:
    core = read_unit(SYSTEMD / "dialtone-core.service")
    from core.modem.pcm_pump import PRIORITY

    assert int(core.one("LimitRTPRIO")) >= PRIORITY
    assert "RestrictRealtime" not in core.values and "PrivateDevices" not in core.values
    assert "char-ttyUSB rw" in core.values["DeviceAllow"]
    assert "char-usb rw" in core.values["DeviceAllow"]  # cdc-wdm


def test_the_helper_has_what_its_verbs_need() -> None:
    helper = read_unit(SYSTEMD / "dialtone-helper.service")
    families = set(helper.one("RestrictAddressFamilies").split())
    assert {"AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_INET"} <= families
    assert "PrivateNetwork" not in helper.values and "PrivateDevices" not in helper.values
    assert {"/dev/ppp rw", "char-ttyUSB rw", "char-ttyACM rw"} == set(helper.values["DeviceAllow"])
    assert helper.one("ReadWritePaths") == "/etc -/run/resolvconf"  # resolv.conf is replaced by rename
    guarded = " ".join(helper.values["ReadOnlyPaths"] + helper.values["InaccessiblePaths"])
    runs = (
        "systemd",
        "cron.d",
        "crontab",
        "sudoers",
        "sudoers.d",
        "pam.d",
        "alternatives",
        "dbus-1",
        "dhcp",
        "profile",
    )
    logins = ("bash.bashrc", "environment", "ld.so.cache", "ld.so.conf", "update-motd.d", "rc.local", "logrotate.d")
    secret = ("passwd", "group", "shadow", "gshadow", "nsswitch.conf", "hosts", "ssl", "ca-certificates.conf")
    assert {f"-/etc/{name}" for name in (*runs, *logins, *secret, "dialtone", "ssh")} <= set(guarded.split())
    from core.helper.ppp import STOP_S
    from core.helper.resolver import TIMEOUT_S
    from core.helper.verbs import LAST_WAIT_S, LEAVE_S

    assert helper.seconds("TimeoutStopSec") > 3 * LAST_WAIT_S + TIMEOUT_S + STOP_S + LEAVE_S + 10
    # A state that systemd removed between a kill and the next start would be a change that nobody undoes.
    assert helper.one("RuntimeDirectoryPreserve") == "yes"


def test_whatever_ends_the_core_the_network_is_put_back() -> None:
    core = read_unit(SYSTEMD / "dialtone-core.service")
    assert core.one("ExecStopPost") == "-/opt/dialtone/bin/dialtone helper --recover"  # -: the stop never fails by it


def test_the_services_meet_where_the_daemon_makes_its_sockets() -> None:
    core = read_unit(SYSTEMD / "dialtone-core.service")
    socket = core.environment["DIALTONE_SOCKET"]
    assert f"/run/{core.one('RuntimeDirectory')}/core.sock" == socket
    assert f'path = "{socket}"' in (SYSTEMD / "etc/core.toml").read_text()
    helper = read_unit(SYSTEMD / "dialtone-helper.service")
    asked = core.environment["DIALTONE_HELPER"]
    assert helper.command[-2:] == ["--listen", asked] and asked == f"/run/{helper.one('RuntimeDirectory')}/helper.sock"
    for unit in services():
        if unit.name not in ("dialtone-core.service", "dialtone-helper.service", "dialtone-audio-library.service"):
            assert unit.environment["DIALTONE_SOCKET"] == socket
            assert unit.one("Wants") == "dialtone-core.service" and "Requires" not in unit.values


def test_every_service_runs_a_command_that_there_is() -> None:
    commands = find_commands()
    for unit in services():
        program, first, *_ = unit.command
        if program.endswith("/dialtone"):
            assert first in commands, unit.name
        else:
            assert unit.command[1:3] == ["-m", "clients.brains.receptionist"]


def test_who_says_notify_is_fed_more_often_than_its_watchdog_asks() -> None:
    for unit in services():
        if unit.one("Type") == "notify":
            assert unit.one("NotifyAccess") == "main" and unit.seconds("WatchdogSec") >= 30
    from core.helper.server import ALIVE_EVERY_S

    helper = read_unit(SYSTEMD / "dialtone-helper.service")
    assert helper.seconds("WatchdogSec") / 2 >= ALIVE_EVERY_S


def test_private_files_belong_to_the_service_that_reads_them() -> None:
    owners = dict(re.findall(r"^z (\S+)\s+0600\s+(\S+)", (SYSTEMD / "tmpfiles.d/dialtone.conf").read_text(), re.M))
    for unit in services():
        words = unit.command
        if "--config" in words and unit.name != "dialtone-audio-library.service":
            assert owners[words[words.index("--config") + 1]] == unit.one("User")


def test_the_installed_configuration_is_good(tmp_path: Path) -> None:
    config = tmp_path / "core.toml"
    config.write_text((SYSTEMD / "etc/core.toml").read_text())
    done = subprocess.run(
        [ROOT / ".venv/bin/dialtone", "core", "--config", config, "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    from clients.brains.receptionist.book import read_book

    commented = (SYSTEMD / "etc/receptionist.example.toml").read_text().replace("# [", "[")
    example = tmp_path / "receptionist.toml"
    example.write_text(commented.replace("# greeting", "greeting").replace("# hours", "hours"))
    assert "flower shop" in str(read_book(example).texts)


def test_a_stick_that_comes_starts_the_station_once_and_only_known_ones_do() -> None:
    rules = (SYSTEMD / "udev/77-dialtone.rules").read_text()
    starting = [line for line in rules.splitlines() if "SYSTEMD_WANTS" in line]
    assert len(starting) == 1 and 'ENV{DEVTYPE}=="usb_device"' in starting[0] and 'TAG+="systemd"' in starting[0]
    assert "dialtone-modem.target" in read_unit(SYSTEMD / "dialtone-core.service").one("WantedBy")
    names = dict(re.findall(r'NUM}=="(\d\d)", SYMLINK\+="ttyUSB_SIM7600_(\w+)"', rules))
    assert names == {"00": "DIAG", "01": "NMEA", "02": "AT", "03": "VOICE", "04": "AUDIO"}
    for vendor in ("1e0e", "2c7c"):  # the control channel, for qmicli of the daemon's user
        assert re.search(f'"usbmisc", KERNEL=="cdc-wdm.*{vendor}".*GROUP="dialtone", MODE="0660"', rules)
    assert rules.index("cdc-wdm") < rules.index('SUBSYSTEM!="tty"')  # what is no tty is over there
    assert set(re.findall(r'GOTO="(\w+)"', rules)) == set(re.findall(r'LABEL="(\w+)"', rules))
