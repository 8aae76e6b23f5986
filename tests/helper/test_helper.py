"""dialtone-helper as a process of its own, on a made-up sysfs; and the core's side of it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.helper.main import answer
from core.usb_reset import HelperUsbReset
from tests.station import ROOT


def device(root: Path, path: str, vendor: str) -> Path:
    found = root / "sys/bus/usb/devices" / path
    found.mkdir(parents=True)
    (found / "idVendor").write_text(f"{vendor}\n")
    (found / "authorized").write_text("1\n")
    return found


@pytest.fixture
async def helper(tmp_path: Path) -> AsyncIterator[Path]:
    """Its socket."""
    path = tmp_path / "helper.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "helper", "--for-user", str(os.getuid()), "--listen", str(path),
        "--root", str(tmp_path), cwd=ROOT,
    )  # fmt: skip
    async with asyncio.timeout(20):
        while True:
            if path.exists() and os.access(path, os.W_OK):
                break
            await asyncio.sleep(0.02)
    yield path
    process.kill()
    await process.wait()


async def test_a_modem_is_taken_off_the_bus_and_put_back(helper: Path, tmp_path: Path) -> None:
    stick = device(tmp_path, "1-1.4", "1e0e")
    seen = set()

    async def watch() -> None:
        while True:
            seen.add((stick / "authorized").read_text().strip()[:1])
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch())
        reset = HelperUsbReset(str(helper))
        assert reset.barred() is None
        await reset.reset("1-1.4")
        watching.cancel()
    assert seen == {"0", "1"} and (stick / "authorized").read_text().startswith("1")
    assert oct(os.stat(helper).st_mode & 0o777) == "0o600"


async def test_what_is_no_modem_or_no_device_is_refused_with_the_reason(helper: Path, tmp_path: Path) -> None:
    disk = device(tmp_path, "1-2", "0781")
    reset = HelperUsbReset(str(helper))
    for path, why in (("1-2", "no modem"), ("9-9", "no such"), ("../../etc", "takes path"), ("1-1:1.0", "takes path")):
        with pytest.raises(OSError, match=why):
            await reset.reset(path)
    assert (disk / "authorized").read_text() == "1\n"


async def test_garbage_ends_neither_the_helper_nor_the_next_request(helper: Path, tmp_path: Path) -> None:
    device(tmp_path, "1-1.4", "2c7c")
    for garbage in (b"\n", b"[]\n", b"{\n", b'{"verb": 1}\n', b'{"verb": "rm"}\n', b"x" * 5000):
        reader, writer = await asyncio.open_unix_connection(str(helper))
        writer.write(garbage)
        assert "error" in json.loads(await reader.readline())
        writer.close()
    await HelperUsbReset(str(helper)).reset("1-1.4")


def test_only_listed_verbs_with_their_own_words_are_carried_out(tmp_path: Path) -> None:
    device(tmp_path, "1-1.4", "1e0e")
    for line in (b'{"verb": "usb_reset"}', b'{"verb": "usb_reset", "path": "1-1.4", "x": 1}', b'{"verb": "shell"}'):
        assert "error" in answer(line, tmp_path)


def test_without_the_helper_it_says_so(tmp_path: Path) -> None:
    assert "not running" in (HelperUsbReset(str(tmp_path / "none")).barred() or "")


def test_the_helper_imports_nothing_else_of_the_core() -> None:
    text = (ROOT / "core/helper/main.py").read_text()
    assert "from core" not in text and "import core" not in text
