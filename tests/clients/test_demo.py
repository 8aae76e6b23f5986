"""The demo itself: emulator, core, brain and caller, all real."""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

DEMO = (sys.executable, "-m", "clients.cli.main", "demo")
START_S = 60.0
WHOLE_S = 90.0
GONE_S = 15.0
NODE = pytest.param(
    "node", marks=[pytest.mark.proof, pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")]
)


async def start(short_dir: Path, out: Path, brain: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    env = os.environ | {"TMPDIR": str(short_dir)}
    return await asyncio.create_subprocess_exec(
        *DEMO, "--brain", brain, "--out", str(out), stdout=pipe, stderr=pipe, env=env
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the demo's temporary folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue  # it ended just now
        if str(folder) in words:
            found.append(words)
    return found


async def until_running(folder: Path, count: int) -> None:
    """What a process starts has its command line for a moment, and what was killed its place in /proc."""
    async with asyncio.timeout(GONE_S):
        while len(processes_of(folder)) != count:  # noqa: ASYNC110 - other processes set no events
            await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("brain", ["python", NODE])
async def test_the_demo_passes_its_own_checks_and_leaves_nothing_running(
    short_dir: Path, tmp_path: Path, brain: str
) -> None:
    child = await start(short_dir, tmp_path, brain)
    async with asyncio.timeout(WHOLE_S):
        out, err = await child.communicate()
    assert child.returncode == 0, out.decode() + err.decode()
    assert "FAIL" not in out.decode() and "\x1b" not in out.decode()
    figures = json.loads((tmp_path / "timing.json").read_text())
    assert len(figures["turns"]) == 6
    assert all(turn["first_byte_ms"] > 0 for turn in figures["turns"])
    assert all(check["ok"] for check in figures["checks"])
    assert "caller: what are your opening hours" in (tmp_path / "transcript.txt").read_text()
    assert (tmp_path / "call.wav").stat().st_size > 500_000
    await until_running(short_dir, 0)
    assert os.listdir(short_dir) == []


@pytest.mark.timeout(90)
async def test_a_demo_that_is_stopped_takes_its_processes_with_it(short_dir: Path, tmp_path: Path) -> None:
    child = await start(short_dir, tmp_path, "python")
    assert child.stdout is not None
    async with asyncio.timeout(START_S):
        assert b"are up after" in await child.stdout.readline()
        await until_running(short_dir, 3)
        child.send_signal(signal.SIGTERM)
        _, err = await child.communicate()
    assert (child.returncode, err) == (1, b"")
    await until_running(short_dir, 0)
    assert os.listdir(short_dir) == []


@pytest.mark.timeout(90)
async def test_a_process_that_fails_is_named_with_its_last_words(short_dir: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "ports"
    blocker.mkdir()
    (blocker / "ttyUSB0").mkdir()  # where the emulator must put a link
    env = os.environ | {"TMPDIR": str(short_dir)}
    child = await asyncio.create_subprocess_exec(
        *DEMO,
        *("--out", str(tmp_path / "out"), "--port-dir", str(blocker)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    async with asyncio.timeout(START_S):
        _, err = await child.communicate()
    assert child.returncode == 1
    assert err.decode().startswith("dialtone: the demo failed: emulator ended with")
    assert err.count(b"\n") == 1
    await until_running(short_dir, 0)
