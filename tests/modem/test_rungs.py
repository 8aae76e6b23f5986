"""The power command: run as it is, bounded in time and output, nothing left behind."""

import sys
import time
from pathlib import Path

import pytest

from core.modem import rungs
from core.modem.at import Command
from core.modem.rungs import NoUsbReset, ask_alone, run_power_command
from tests.modem.scripted import scripted_modem, until


def _python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


async def test_it_gets_its_arguments_as_they_are_and_the_name_of_the_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + os.environ['DIALTONE_LINE'])"
    assert await run_power_command(_python(code, str(out), "$HOME; *"), "sim") is None
    assert out.read_text() == "$HOME; *sim"


async def test_a_status_other_than_0_is_a_failure() -> None:
    assert await run_power_command(_python("raise SystemExit(3)"), "sim") == "the power command ended with 3"


async def test_a_command_that_is_not_there_is_a_failure() -> None:
    why = await run_power_command(("/nonexistent/power",), "sim")
    assert why is not None and "can't be started" in why


async def test_a_command_that_hangs_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "POWER_S", 5.0)
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    began_s = time.monotonic()
    why = await run_power_command(_python(code, str(pid_file)), "sim")
    assert why is not None and "longer than" in why
    assert time.monotonic() - began_s < 30
    child = int(pid_file.read_text())
    await until(lambda: not _alive(child))


async def test_any_amount_of_output_is_taken_and_little_of_it_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert await run_power_command(_python("print('x' * 5_000_000)"), "sim") is None
    (record,) = [record for record in caplog.records if record.message == "power command"]
    assert len(record.fields["output"]) == rungs.OUTPUT_BYTES  # type: ignore[attr-defined]


async def test_without_the_helper_a_usb_reset_says_why_it_cannot_be() -> None:
    assert "dialtone-helper" in (NoUsbReset().barred() or "")
    with pytest.raises(OSError):
        await NoUsbReset().reset("1-1")


async def test_a_bare_port_is_asked_and_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.modem.port.SYNC_GAP_S", 0.1)
    with scripted_modem() as modem:
        for _ in range(2):  # the second time it must be free again
            assert await ask_alone(modem.path, 115200, Command("AT+CSQ"))
        modem.answers["AT+CRESET"] = b"\r\nERROR\r\n"
        assert not await ask_alone(modem.path, 115200, Command("AT+CRESET"))
        modem.otherwise = None
        assert not await ask_alone(modem.path, 115200, Command("AT"))
    assert not await ask_alone("/dev/nonexistent-port", 115200, Command("AT"))


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
