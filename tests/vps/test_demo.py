"""The demo with the VPS: emulator, core, local brain, bridge and stand-in, all real."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(290)
async def test_the_demo_with_the_vps_passes_its_own_checks_and_leaves_what_was_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.vps.demo", "--out", str(tmp_path)]
    pipe = asyncio.subprocess.PIPE
    for left in (1, 0):  # a spoken conversation beside other tests on two cores: a second try is allowed
        child = await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=pipe, env=os.environ | {"TERM": "dumb"}
        )
        try:
            async with asyncio.timeout(130):
                out, err = await child.communicate()
        except TimeoutError:  # SIGTERM: then it ends what it started
            child.terminate()
            out, err = await child.communicate()
        if child.returncode == 0:
            break
        print(out.decode() + err.decode())
        assert left, "the demo failed twice"
    figures = json.loads((tmp_path / "timing.json").read_text())
    assert len(figures["turns"]) == 3 and all(check["ok"] for check in figures["checks"])
    asked = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert {one["endpoint"] for one in asked} == {"voice_config", "transcribe", "phone", "sms"}
    assert (tmp_path / "call.wav").stat().st_size > 100_000
    assert "the call is with receptionist" in (tmp_path / "timeline.txt").read_text()
