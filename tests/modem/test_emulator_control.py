"""The control socket: wrong input gives errors and nothing else, and the process starts, serves and ends cleanly."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
import tty
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import serial

from core.modem.emulator.__main__ import COMMAND
from tests.modem.emulated import ControlFailed, emulated

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"3", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"modem.status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"modem.status"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"modem.explode"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"modem.status","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"modem.status","params":{"x":1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"call.incoming","params":{"number":"+44\\r\\nATD"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"call.incoming","params":{"ring_s":-1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"dial.script","params":{"outcome":"explode"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"fault.set","params":{"kind":"explode"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"fault.set","params":{"kind":"urc_in_reply"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"sms.deliver","params":{"pdu":"ff00"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.hangup"}', -32004),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.say","params":{"text":"hi"}}', -32005),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.dtmf","params":{"digits":"1"}}', -32005),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.wait_quiet"}', -32005),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.record_stop"}', -32005),
        (b'{"jsonrpc":"2.0","id":1,"method":"far.record","params":{"path":"/no/such/folder/x.wav"}}', -32602),
    ],
)
async def test_wrong_input_gets_its_error_and_the_emulator_lives_on(tmp_path: Path, line: bytes, code: int) -> None:
    async with emulated(tmp_path) as emulator:
        answer = await emulator.raw(line + b"\n")
        assert answer["error"]["code"] == code
        assert (await emulator.control("modem.status"))["plugged"] is True


async def test_what_needs_a_call_says_how_it_is_wrong_within_one(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("call.incoming")
        await at.until("+CLCC")
        at.write("ATA\r")
        await emulator.control("call.wait", state="active")
        for method, params, kind in (
            ("far.play", {"wav": str(tmp_path / "none.wav")}, "invalid_params"),
            ("far.play", {"wav": "/dev/null"}, "invalid_params"),
            ("far.say", {"text": "hi", "voice": "klingon"}, "invalid_params"),
            (
                "far.say",
                {"text": "hi", "voice": "flite:nobody"},
                "invalid_params" if which("flite") else "engine_missing",
            ),
            ("far.wait_speech", {"timeout_s": 0.05}, "timeout"),
        ):
            with pytest.raises(ControlFailed) as caught:
                await emulator.control(method, **params)
            assert caught.value.error["data"]["kind"] == kind


async def test_a_line_over_the_limit_closes_only_its_own_connection(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        answer = await emulator.raw(b"x" * (2 << 20) + b"\n")
        assert answer["error"]["code"] == -32700
        assert (await emulator.control("modem.status"))["plugged"] is True


async def test_requests_on_one_connection_overlap_and_answers_carry_their_ids(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        reader, writer = await asyncio.open_unix_connection(str(emulator.control_path))
        wait = {"jsonrpc": "2.0", "id": "w", "method": "call.wait", "params": {"state": "ringing"}}
        incoming = {"jsonrpc": "2.0", "id": "i", "method": "call.incoming"}
        silent = {"jsonrpc": "2.0", "method": "modem.status"}
        batch = [{"jsonrpc": "2.0", "id": 5, "method": "modem.status"}, silent]
        for request in (wait, silent, incoming, batch):
            writer.write(json.dumps(request).encode() + b"\n")
        answers: list[Any] = [json.loads(await reader.readline()) for _ in range(3)]
        singles = {answer["id"] for answer in answers if isinstance(answer, dict)}
        (batched,) = [answer for answer in answers if isinstance(answer, list)]
        assert singles == {"w", "i"}
        assert [answer["id"] for answer in batched] == [5]
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_closes_its_side_is_still_answered(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        reader, writer = await asyncio.open_unix_connection(str(emulator.control_path))
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"modem.status"}\n')
        writer.write_eof()
        assert json.loads(await reader.read())["result"]["plugged"] is True
        writer.close()
        await writer.wait_closed()


async def test_unknown_commands_are_told(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        for command in ("AT+MODE=2", "AT^SYSINFO", "AT$QCRMCALL=1,1", "AT+MODE=2", "ATY"):
            await at.ask(command, "\r\nERROR\r\n")
        status = await emulator.control("modem.status")
        assert status["unknown_commands"] == ["$QCRMCALL", "+MODE", "Y", "^SYSINFO"]
        assert status["commands"] >= 5


# --- as a process ---


@contextmanager
def process(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The emulator as a program of its own, ready; ended by SIGTERM with status 0 and nothing on stderr."""
    command = [sys.executable, "-m", "core.modem.emulator", "--dir", str(tmp_path / "p"), "--log-level", "warning"]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == f"ports {tmp_path / 'p'}\n"
            control = started.stdout.readline().removeprefix("control ").strip()
            assert Path(control).is_socket()
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            _out, errors = started.communicate(timeout=40)
    assert started.returncode == 0
    assert errors == ""


def test_the_process_leaves_no_links_and_no_socket_behind(tmp_path: Path) -> None:
    with process(tmp_path, "--control", str(tmp_path / "s")):
        assert len(list((tmp_path / "p").iterdir())) == 10
    assert list((tmp_path / "p").iterdir()) == []
    assert not (tmp_path / "s").exists()


def test_it_starts_over_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.modem.emulator", "--dir", str(tmp_path / "p")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        killed.stdout.readline()
        killed.stdout.readline()
        killed.kill()
    with process(tmp_path), serial.Serial(str(tmp_path / "p/if02"), timeout=15) as port:
        port.write(b"ATE0\r")
        assert port.read_until(b"OK\r\n").endswith(b"OK\r\n")


def test_a_pyserial_program_answers_a_call_and_hears_the_caller(tmp_path: Path) -> None:
    transcript = tmp_path / "at.log"
    with process(tmp_path, "--control", str(tmp_path / "s"), "--transcript", str(transcript)):
        ports = tmp_path / "p"
        with (
            serial.Serial(str(ports / "ttyUSB3"), 115200, timeout=15, exclusive=True) as at,
            serial.Serial(str(ports / "ttyUSB4"), 921600, timeout=15) as voice,
        ):
            for command in (b"ATE0", b"AT+CLIP=1", b"AT+CLCC=1"):
                at.write(command + b"\r")
                assert at.read_until(b"OK\r\n").endswith(b"OK\r\n")
            ask(tmp_path / "s", "call.incoming")
            assert b"RING" in at.read_until(b"+CLCC: 1,1,4")
            for command in (b"ATA", b"AT+CPCMREG=1"):
                at.write(command + b"\r")
                assert at.read_until(b"\r\nOK\r\n").endswith(b"OK\r\n")
            voice.reset_input_buffer()
            ask(tmp_path / "s", "far.say", text="Good morning. " * 6, wait=False)
            heard_s = time.monotonic() + 20  # what nobody fetches in time is lost, so not always its beginning
            while max(abs(sample) for sample in array("h", voice.read(3200))) <= 2000:
                assert time.monotonic() < heard_s
            at.write(b"AT+CHUP\r")
            assert b"VOICE CALL: END: 0000" in at.read_until(b"\r\nOK\r\n")
    assert "if03 > 'AT+CHUP\\r'" in transcript.read_text()


def test_miniterm_of_pyserial_talks_to_it(tmp_path: Path) -> None:
    with process(tmp_path):
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "serial.tools.miniterm", "--raw", "--quiet", str(tmp_path / "p/if02")]
        with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as miniterm:
            os.close(slave)
            wait_until_raw(master)
            os.write(master, b"AT+CGMM\r")
            seen = b""
            while b"OK" not in seen:
                seen += os.read(master, 1024)
            assert b"SIMCOM_SIM7600G-H" in seen
            os.write(master, b"\x1d")
            assert miniterm.wait(30) == 0
        os.close(master)


def test_a_recording_under_way_is_saved_at_the_end(tmp_path: Path) -> None:
    with process(tmp_path, "--control", str(tmp_path / "s")):
        ask(tmp_path / "s", "far.record", path=str(tmp_path / "late.wav"))
    assert (tmp_path / "late.wav").read_bytes()[:4] == b"RIFF"


def test_a_control_path_that_no_socket_can_have_is_said_plainly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core.modem.emulator", "--dir", str(tmp_path), "--control", "x" * 200]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 2
    assert "shorter" in done.stderr


def test_it_loads_no_heavy_library_until_the_far_end_speaks() -> None:
    code = (
        "import sys, core.modem.emulator.service, core.modem.emulator.commands;"
        "print(sorted({'numpy', 'soxr', 'core.espeak'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.stdout == "[]\n"


def test_the_command_has_what_the_command_line_needs() -> None:
    assert COMMAND.help
    assert "dialtone emulator --dir" in COMMAND.description


def ask(control: Path, method: str, **params: object) -> object:
    """A request of a plain program, with socat's simplicity."""

    async def once() -> object:
        reader, writer = await asyncio.open_unix_connection(str(control))
        writer.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return answer["result"]

    return asyncio.run(once())


def wait_until_raw(terminal: int, timeout_s: float = 15.0) -> None:
    """Until the program at the terminal has switched it to single characters, which says that it listens."""
    deadline = time.monotonic() + timeout_s
    while termios.tcgetattr(terminal)[tty.LFLAG] & termios.ICANON:
        assert time.monotonic() < deadline, "the program never took its terminal"
        time.sleep(0.02)
