"""One request without an event loop."""

import asyncio
from pathlib import Path

import pytest

import dialtone
from tests.clients.tiny_core import Json, Refused, TinyCore


async def test_a_script_asks_and_is_answered(core: TinyCore) -> None:
    core.handlers["status"] = lambda params: {"service": "dialtone"} | params
    found = await asyncio.to_thread(dialtone.request, "status", path=core.path, verbose=True)
    assert found == {"service": "dialtone", "verbose": True}


async def test_events_before_the_answer_are_skipped(core: TinyCore) -> None:
    def noisy(_: Json) -> Json:
        core.fact("call.ended")
        return {"n": 1}

    core.handlers["status"] = noisy
    assert await asyncio.to_thread(dialtone.request, "status", path=core.path) == {"n": 1}


async def test_a_refusal_is_an_rpc_error(core: TinyCore) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32004, "not_found", "There is no live call.")

    core.handlers["call.hangup"] = refuse
    with pytest.raises(dialtone.RpcError) as caught:
        await asyncio.to_thread(dialtone.request, "call.hangup", path=core.path)
    assert caught.value.kind == "not_found"


async def test_no_answer_is_a_timeout(core: TinyCore) -> None:
    async def never(_: Json) -> None:
        await asyncio.Event().wait()

    core.handlers["slow"] = never
    with pytest.raises(dialtone.RequestTimeout):
        await asyncio.to_thread(dialtone.request, "slow", path=core.path, timeout_s=0.1)


async def test_a_daemon_that_hangs_up_is_a_lost_connection(core: TinyCore) -> None:
    async def vanish(_: Json) -> None:
        core.peers[0].writer.transport.abort()
        await asyncio.Event().wait()

    core.handlers["die"] = vanish
    with pytest.raises(dialtone.ConnectionLost):
        await asyncio.to_thread(dialtone.request, "die", path=core.path)


def test_nobody_there_is_cannot_connect(short_dir: Path) -> None:
    with pytest.raises(dialtone.CannotConnect):
        dialtone.request("status", path=short_dir / "nowhere.sock")


def test_asking_does_not_load_asyncio() -> None:
    """A script, and `dialtone status`, start in half the time without it."""
    import subprocess
    import sys

    code = "import dialtone, sys; dialtone.request; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
