"""ports.json for scripts of the old stations: both formats in one, there only while it is true."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from core.line import LineCarrier, LineState
from core.modem.ports_json import PortsFile, ports_json
from core.modem.status import Facts
from core.modem.usb import UsbModem
from core.modem.usb_roles import Role
from tests.modem.line_desk import desk, emulator
from tests.modem.scripted import until

PORTS = {
    Role.DIAG: "/dev/ttyUSB0", Role.NMEA: "/dev/ttyUSB1", Role.AT: "/dev/ttyUSB2", Role.VOICE: "/dev/ttyUSB3",
    Role.PCM: "/dev/ttyUSB4", Role.QMI: "/dev/cdc-wdm0", Role.NET: "wwan0",
}  # fmt: skip
CARRIER = LineCarrier("Example", "LT", "246-03", "internet.tele2.lt", "ims", None, "override")
FACTS = Facts(imei="860000000000000", imsi="246030000000000")
STICK = UsbModem("1e0e", "9001", "1-1.4", 1, None, {})
FIRST_FORMAT = {
    "at_port": "/dev/ttyUSB3", "sms_port": "/dev/ttyUSB2", "audio_port": "/dev/ttyUSB4", "gps_port": "/dev/ttyUSB1",
    "diag_port": "/dev/ttyUSB0", "qmi_device": "/dev/cdc-wdm0", "wwan_interface": "wwan0", "carrier": "Example",
    "mcc_mnc": "246-03", "data_apn": "internet.tele2.lt", "ims_apn": "ims", "imsi": "246030000000000",
    "imei": "860000000000000", "usb_composition": "9001",
}  # fmt: skip
SECOND_FORMAT = {
    "config_port": "/dev/ttyUSB3", "nmea": "/dev/ttyUSB1", "sms_port": "/dev/ttyUSB2", "at_command": "/dev/ttyUSB3",
    "audio": "/dev/ttyUSB4", "apn": "internet.tele2.lt", "ims_apn": "ims", "carrier": "Example", "ppp": "/dev/ttyUSB3",
}  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_the_file_is_both_formats_at_once_and_no_more() -> None:
    assert ports_json(PORTS, FACTS, CARRIER, STICK) == FIRST_FORMAT | SECOND_FORMAT


def test_what_nobody_knows_is_left_out() -> None:
    found = ports_json({Role.AT: "/dev/at", Role.VOICE: "/dev/voice"}, Facts(), None, None)
    assert set(found) == {"at_port", "at_command", "config_port", "ppp", "sms_port"}


async def test_a_line_that_is_ready_has_its_file_and_one_without_a_modem_has_none(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text('{"at_port": "/dev/ttyUSB9"}')  # a core was killed
    async with emulator(tmp_path / "stick") as modem, desk(modem.config(ports_json=str(path))) as phone:
        await until(lambda: path.exists() and "imsi" in _read(path) and "apn" in _read(path))
        found = _read(path)
        folder = str(tmp_path / "stick")
        assert (found["at_port"], found["sms_port"]) == (f"{folder}/if03", f"{folder}/if02")
        assert (found["audio"], found["nmea"]) == (f"{folder}/if04", f"{folder}/if01")
        assert (found["imsi"], found["mcc_mnc"]) == ("234150000000001", "234-15")
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0  # it says whose SIM it is
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        await until(lambda: not path.exists())
        await modem("usb.replug")
        await until(path.exists, 20.0)
    assert not path.exists()
    assert not [name for name in os.listdir(tmp_path) if "json" in name]


async def test_a_folder_that_is_not_there_costs_the_file_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "nowhere/ports.json"
    async with emulator(tmp_path / "stick") as modem, desk(modem.config(ports_json=str(path))) as phone:
        await until(lambda: "ports.json can't be written" in caplog.text)
        assert phone.line.info.state is LineState.READY
        path.parent.mkdir()
        await modem("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        await modem("usb.replug")
        await until(path.exists, 20.0)


async def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    file = PortsFile(str(path))
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(file.run())
        for number in range(200):
            file.show({"at_port": f"/dev/ttyUSB{number}", "carrier": "x" * 5000})
            await asyncio.sleep(0)
            if path.exists():
                assert _read(path)["carrier"] == "x" * 5000
        await until(lambda: path.exists() and _read(path)["at_port"] == "/dev/ttyUSB199")
        writing.cancel()
    assert os.listdir(tmp_path) == []
