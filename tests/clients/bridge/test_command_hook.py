"""[command] sms: a program of this computer for each received message."""

import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.clients.bridge.outbox_rig import Rig, rig


@pytest.fixture
async def bridge() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


def program(bridge: Rig, script: str, more: str = "") -> Path:
    path = bridge.folder / "on sms"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    bridge.configure(f'[command]\nsms = ["{path}", "$HOME; exit 9", "two"]\n{more}')
    return path


async def test_a_message_runs_the_program_with_its_words_environment_and_json(
    bridge: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_BRIDGE", "x")
    out = bridge.folder
    program(
        bridge,
        f'cat > {out}/json; env > {out}/env; printf "%s|" "$@" > {out}/words.new; mv {out}/words.new {out}/words',
    )
    async with bridge.inside():
        seq = bridge.sms("line 1\nline 2 $(id)")
        await bridge.until((out / "words").exists)
        await bridge.until(lambda: not bridge.waiting())
    assert (out / "words").read_text() == "$HOME; exit 9|two|"
    given = json.loads((out / "json").read_text())
    assert (given["seq"], given["text"], given["number"]) == (seq, "line 1\nline 2 $(id)", "+37060000000")
    env = (out / "env").read_text()
    assert "DIALTONE_FROM=+37060000000\n" in env and "DIALTONE_TEXT=line 1\nline 2 $(id)\n" in env
    assert "DIALTONE_EVENT=sms.received\n" in env and "SECRET_OF_THE_BRIDGE" not in env


async def test_messages_run_it_one_after_the_other(bridge: Rig) -> None:
    out = bridge.folder / "out"
    program(bridge, f'echo "begin $DIALTONE_TEXT" >> {out}; sleep 0.05; echo "end $DIALTONE_TEXT" >> {out}')
    async with bridge.inside():
        for number in range(4):
            bridge.sms(str(number))
        await bridge.until(lambda: not bridge.waiting() and out.exists() and len(out.read_text().split()) == 16)
    assert out.read_text().splitlines() == [f"{word} {number}" for number in range(4) for word in ("begin", "end")]


async def test_a_program_that_fails_for_now_runs_again(bridge: Rig) -> None:
    out = bridge.folder / "out"
    program(bridge, f"echo $DIALTONE_KEY >> {out}; [ $(wc -l < {out}) -gt 4 ] || exit 75")
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: out.exists() and len(out.read_text().split()) == 5)
        await bridge.until(lambda: not bridge.waiting())
    assert len(set(out.read_text().split())) == 1


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
async def test_a_program_that_refuses_becomes_a_dead_letter(bridge: Rig, script: str) -> None:
    program(bridge, script)
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: bridge.stored() == [("command.sms", "sms.received", "dead")])


async def test_a_program_that_is_not_there_becomes_a_dead_letter(bridge: Rig) -> None:
    program(bridge, "").unlink()
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: bridge.stored() == [("command.sms", "sms.received", "dead")])


async def test_a_program_that_hangs_is_ended_with_all_that_it_started(bridge: Rig) -> None:
    out = bridge.folder / "pids"
    program(bridge, f"sleep 60 & echo $! >> {out}; wait", "timeout_s = 0.3\n")
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: out.exists() and len(out.read_text().split()) >= 2)
        first = int(out.read_text().split()[0])
        await bridge.until(lambda: not _runs(first))


async def test_its_output_is_in_no_log(bridge: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    program(bridge, "echo slaptas; echo slaptas >&2; exit 1")
    async with bridge.inside():
        bridge.sms("slaptas")
        await bridge.until(lambda: [state for _, _, state in bridge.stored()] == ["dead"])
    assert "exit code 1" in caplog.text and "slaptas" not in caplog.text


async def test_a_text_that_is_too_long_for_an_environment_is_whole_in_the_json(bridge: Rig) -> None:
    out = bridge.folder
    program(bridge, f"cat > {out}/json.new; mv {out}/json.new {out}/json")
    async with bridge.inside():
        bridge.sms("ž" * 39_000)
        await bridge.until((out / "json").exists)
    assert len(json.loads((out / "json").read_text())["text"]) == 39_000


def _runs(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False
