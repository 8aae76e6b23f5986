"""The examples of the SDK's README are programs that work."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.clients.tiny_core import Json, TinyCore

README = Path(__file__).parents[2] / "clients/python/README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
DEADLINE_S = 30.0


async def start(core: TinyCore, example: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    env = {"DIALTONE_SOCKET": str(core.path)}
    return await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", example, env=env, stdout=pipe, stderr=pipe)


async def output(child: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await child.communicate()
    assert err == b""
    return out.decode()


def test_there_are_four_examples() -> None:
    assert len(EXAMPLES) == 4


async def test_one_question(core: TinyCore) -> None:
    core.handlers["status"] = lambda _: {"lines": [{"state": "ready"}]}
    assert await output(await start(core, EXAMPLES[0])) == "['ready']\n"


async def test_a_phone(core: TinyCore) -> None:
    def dial(params: Json) -> Json:
        core.fact("call.connected", call_id="call_1_aaaa", direction="out")
        return {"call_id": "call_1_aaaa"}

    def hang_up(params: Json) -> Json:
        core.fact("call.ended", call_id="call_1_aaaa", reason="local_hangup")
        return params

    core.handlers |= {"call.start": dial, "call.hangup": hang_up, "call.speak": lambda _: {"utterance": 1}}
    assert await output(await start(core, EXAMPLES[1])) == "ended: local_hangup\n"
    assert core.asked("call.speak")[0]["text"] == "Your car is ready."


async def test_a_brain(core: TinyCore) -> None:
    core.handlers["call.speak"] = lambda _: {"utterance": 1}
    child = await start(core, EXAMPLES[2])
    await core.wait_asked("brain.register", timeout_s=DEADLINE_S)
    core.fact("call.speech", call_id="call_1_aaaa", turn=1, text="good morning", understood=True)
    said = await core.wait_asked("call.speak", timeout_s=DEADLINE_S)
    child.kill()
    await child.communicate()
    assert said["text"] == "good morning"


async def test_a_consumer(core: TinyCore) -> None:
    core.acks["archive"] = 0
    core.fact("call.missed", number="+447700900123")
    child = await start(core, EXAMPLES[3])
    await core.wait_for(lambda: core.acks["archive"] == 1, DEADLINE_S)
    child.kill()
    out, _ = await child.communicate()
    assert out == b"2026-11-21T07:16:00.123Z +447700900123\n"


@pytest.mark.timeout(180)
def test_the_examples_are_typed(tmp_path: Path) -> None:
    from mypy import api

    files = [tmp_path / f"example{number}.py" for number in range(len(EXAMPLES))]
    for file, example in zip(files, EXAMPLES, strict=True):
        file.write_text(example)
    out, err, code = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), *map(str, files)])
    assert code == 0, out + err
