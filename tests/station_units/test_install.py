"""make install and make uninstall, into a folder."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.station_units.unit_file import ROOT, SERVICES, SYSTEMD, read_unit

LIB = "usr/local/lib"
pytestmark = pytest.mark.timeout(300)


def make(target: str, *variables: str, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", target, *variables], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=True
    )


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_every_file_is_where_the_system_and_the_units_look(tmp_path: Path) -> None:
    make("install", f"DESTDIR={tmp_path}", "PACKAGES=none")
    there = files(tmp_path)
    for unit in [*SERVICES, SYSTEMD / "dialtone-audio-library.timer", SYSTEMD / "dialtone-modem.target"]:
        installed = tmp_path / LIB / "systemd/system" / unit.name
        assert installed.read_text() == unit.read_text()
        assert installed.stat().st_mode & 0o777 == 0o644
    assert {f"{LIB}/sysusers.d/dialtone.conf", f"{LIB}/tmpfiles.d/dialtone.conf"} <= there
    assert {f"{LIB}/sysctl.d/50-dialtone.conf", f"{LIB}/udev/rules.d/77-dialtone.rules"} <= there
    assert os.readlink(tmp_path / "usr/local/bin/dialtone") == "/opt/dialtone/bin/dialtone"
    for unit in SERVICES:
        program = read_unit(unit).command[0]
        assert program in ("/opt/dialtone/bin/dialtone", "/opt/dialtone/bin/python")
        for wanted in re.findall(r"^Documentation=file://(\S+)", unit.read_text(), re.MULTILINE):
            name = Path(wanted).name
            assert wanted.lstrip("/") in there or not (ROOT / "docs" / name).exists(), wanted
    config = tmp_path / "etc/dialtone/core.toml"
    assert config.read_text() == (SYSTEMD / "etc/core.toml").read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    assert there.isdisjoint({f"etc/dialtone/{name}.toml" for name in ("bridge", "http", "spool", "receptionist")})


def test_what_somebody_wrote_is_never_written_over_and_data_stay(tmp_path: Path) -> None:
    make("install", f"DESTDIR={tmp_path}", "PACKAGES=none")
    config, data = tmp_path / "etc/dialtone/core.toml", tmp_path / "var/lib/dialtone/dialtone.db"
    config.write_text("[line.mine]\n")
    data.parent.mkdir(parents=True)
    data.write_text("messages")
    make("install", f"DESTDIR={tmp_path}", "PACKAGES=none")
    assert config.read_text() == "[line.mine]\n"
    make("uninstall", f"DESTDIR={tmp_path}")
    assert files(tmp_path) == {"etc/dialtone/core.toml", "var/lib/dialtone/dialtone.db"}
    assert data.read_text() == "messages"


def test_nothing_outside_the_folder_is_touched(tmp_path: Path) -> None:
    """The programs that change a machine are not even run."""
    called = tmp_path / "called"
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    names = ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "sysctl", "udevadm", "useradd", "chown")
    for name in names:
        (stand_ins / name).write_text(f'#!/bin/sh\necho "$0 $@" >>{called}\n')
        (stand_ins / name).chmod(0o755)
    path = f"{stand_ins}:{os.environ['PATH']}"
    for target in ("install", "uninstall"):
        make(target, f"DESTDIR={tmp_path}/root", "PACKAGES=none", f"PATH={path}")
    assert not called.exists()


def test_wheels_that_changed_on_the_way_are_not_installed(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "dialtone-1-py3-none-any.whl").write_text("not what was fetched")
    (wheels / "SHA256SUMS").write_text(f"{'0' * 64}  dialtone-1-py3-none-any.whl\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        make("install", f"DESTDIR={tmp_path}/root", f"WHEELS={wheels}")
    assert "dialtone-1-py3-none-any.whl: FAILED" in refused.value.stdout + refused.value.stderr
    assert not any(path.exists() for path in (tmp_path / "root/opt/dialtone", tmp_path / "root/opt/dialtone.new"))


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_a_whole_station_is_installed_from_wheels_without_a_network(tmp_path: Path) -> None:
    wheels, root = tmp_path / "wheels", tmp_path / "root"
    fetched = subprocess.run(["tools/install", "wheels", wheels], cwd=ROOT, capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"the packages can't be fetched here: {fetched.stderr[-200:]}")
    (root / "opt/dialtone/left").mkdir(parents=True)  # an older one is replaced as a whole
    offline = [] if os.geteuid() or shutil.which("unshare") is None else ["unshare", "--net"]
    subprocess.run(
        [*offline, "make", "-s", "install", f"DESTDIR={root}", f"WHEELS={wheels}"], cwd=ROOT, check=True, timeout=900
    )
    opt = root / "opt/dialtone"
    assert not (opt / "left").exists() and not (root / "opt/dialtone.new").exists()
    assert (opt / "bin/dialtone").read_text().splitlines()[0] == "#!/opt/dialtone/bin/python"
    for command in ("core", "helper", "bridge", "http", "spool", "audio-library"):
        words: list[str | Path] = [opt / "bin/python", "-I", "-m", "clients.cli.main", command, "--help"]
        assert subprocess.run(words, capture_output=True, cwd="/", check=True).stdout
    checked: list[str | Path] = [
        opt / "bin/python",
        "-I",
        "-m",
        "core",
        "--check",
        "--config",
        root / "etc/dialtone/core.toml",
    ]
    subprocess.run(checked, check=True, cwd="/")
    make("uninstall", f"DESTDIR={root}")
    assert files(root) == {"etc/dialtone/core.toml"}


def test_every_kind_of_device_that_a_rule_is_about_has_its_rule_at_once() -> None:
    """Else the control channel of a modem that was there before the install would stay root's until a replug."""
    rules = (SYSTEMD / "udev/77-dialtone.rules").read_text()
    triggered = re.findall(r"--subsystem-match=(\w+)", (ROOT / "tools/install").read_text())
    assert set(re.findall(r'SUBSYSTEM[!=]="(\w+)"', rules)) == set(triggered)
