"""dialtone doctor: on made-up computers, and against a whole station as a process."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from clients.doctor import host
from clients.doctor.finding import Finding, Verdict
from tests.station import ROOT, Station, station


def stick(root: Path, *, product: str = "9001", ttys: int = 5, driver: str = "option", path: str = "1-1.4") -> None:
    """A modem in a made-up sysfs."""
    device = root / "sys/bus/usb/devices" / path
    device.mkdir(parents=True)
    (device / "idVendor").write_text("1e0e\n")
    (device / "idProduct").write_text(f"{product}\n")
    (root / "drivers" / driver).mkdir(parents=True, exist_ok=True)
    for number in range(ttys):
        interface = root / "sys/bus/usb/devices" / f"{path}:1.{number}"
        (interface / f"ttyUSB{number}").mkdir(parents=True)
        (interface / "driver").symlink_to(root / "drivers" / driver)
        (root / "dev").mkdir(exist_ok=True)
        (root / "dev" / f"ttyUSB{number}").write_text("")


def named(findings: list[Finding], check: str) -> Finding:
    return next(finding for finding in findings if finding.check == check)


def test_a_modem_with_all_its_ports_is_well(tmp_path: Path) -> None:
    stick(tmp_path)
    found = host.usb(tmp_path)
    assert {finding.verdict for finding in found} == {Verdict.OK}
    assert "1-1.4" in named(found, "usb").text


def test_without_a_modem_the_cable_is_named(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/usb/devices").mkdir(parents=True)
    (found,) = host.usb(tmp_path)
    assert found.verdict is Verdict.PROBLEM and "cable" in (found.advice or "")


def test_a_computer_without_usb_is_no_problem_of_the_modem(tmp_path: Path) -> None:
    assert host.usb(tmp_path)[0].verdict is Verdict.SKIPPED


def test_another_composition_is_explained_with_the_way_back(tmp_path: Path) -> None:
    stick(tmp_path, product="9011")
    found = named(host.usb(tmp_path), "usb.composition")
    assert found.verdict is Verdict.PROBLEM and "9001" in (found.advice or "")


def test_missing_driver_and_missing_ports_are_told_apart(tmp_path: Path) -> None:
    stick(tmp_path / "a", driver="usbfs")
    stick(tmp_path / "b", ttys=3)
    assert named(host.usb(tmp_path / "a"), "usb.driver").advice == "sudo modprobe option"
    assert "3 of 5" in named(host.usb(tmp_path / "b"), "usb.ports").text


def test_modemmanager_and_smsd_are_named_with_what_to_do(tmp_path: Path) -> None:
    for pid, name in (("12", "ModemManager"), ("13", "smsd"), ("14", "bash")):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "comm").write_text(f"{name}\n")
    found = host.takers(tmp_path)
    assert [finding.verdict for finding in found] == [Verdict.WARNING, Verdict.WARNING]
    assert "ModemManager" in found[0].text and "systemctl" in (found[0].advice or "")


def test_a_kernel_that_complains_of_voltage_points_at_the_supply(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kmsg").write_text("4,1,1,-;hwmon hwmon1: Undervoltage detected!\n")
    (found,) = host.power(tmp_path)
    assert found.verdict is Verdict.PROBLEM and "powered hub" in (found.advice or "")


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    (found,) = host.disk(tmp_path)
    assert found.check == "disk" and "MiB free" in found.text


async def doctor(made: Station | None, *arguments: str) -> tuple[int, list[dict[str, str]], str]:
    socket = str(made.socket) if made is not None else "/nonexistent/core.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "doctor", "--no-usb", "--json", "--socket", socket, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=os.environ | {"TERM": "dumb"},
    )  # fmt: skip
    async with asyncio.timeout(40):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or b"[]"), errors.decode()


def verdicts(found: list[dict[str, str]]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in found}


async def test_without_a_daemon_the_doctor_says_how_to_start_it() -> None:
    code, found, errors = await doctor(None)
    assert code == 1 and not errors
    assert verdicts(found)["daemon"] == "problem"


@pytest.mark.timeout(120)
async def test_a_station_that_is_well_has_no_problem() -> None:
    async with station() as made, made.phone("modem.*") as (phone, _):
        await made.ready(phone)
        async with asyncio.timeout(45):
            while True:
                code, found, errors = await doctor(made)
                if code == 0:
                    break
        assert not errors
        seen = verdicts(found)
        assert seen["daemon"] == seen["line"] == seen["network"] == seen["signal"] == "ok"
        assert seen["brain"] == "warning"


async def test_a_locked_sim_and_a_lost_network_are_problems_with_advice() -> None:
    async with station() as made, made.phone("modem.*") as (phone, watch):
        await made.ready(phone)
        await made.control("sim.set", state="SIM PUK")
        await watch.wait("modem.state", lambda p: p["state"] == "failed")
        code, found, _ = await doctor(made)
        assert code == 1
        line = next(each for each in found if each["check"] == "line")
        assert line["verdict"] == "problem" and "unlock" in line["advice"]
