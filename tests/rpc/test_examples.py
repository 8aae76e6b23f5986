"""The examples of PROTOCOL.md, run as they stand there but for the path of the socket and the method."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.rpc.service import Running

PROTOCOL = (Path(__file__).parents[2] / "PROTOCOL.md").read_text()


def example(language: str, server: Running) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PROTOCOL, re.DOTALL)
    assert len(found) == 1
    # This server has no phone behind it; client.hello stands in for status.
    said = '"method":"client.hello","params":{"name":"example"}'
    return str(found[0]).replace("/run/dialtone/core.sock", str(server.path)).replace('"method":"status"', said)


async def output(*command: str, until: bytes | None = None) -> bytes:
    """What a program prints, at its end or once it has printed `until`."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(50):
        while (until is None or until not in said) and (more := await process.stdout.read(4096)):
            said += more
        if process.returncode is None and until is not None:
            process.terminate()
        await process.wait()
    return said


async def test_the_python_example_prints_the_result(server: Running) -> None:
    assert b"'server': 'dialtone'" in await output(sys.executable, "-c", example("python", server))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
async def test_the_node_example_prints_the_result(server: Running) -> None:
    assert b"server: 'dialtone'" in await output("node", "-e", example("js", server), until=b"server: 'dialtone'")


@pytest.mark.parametrize("tool", ["nc -N", "socat"])
async def test_the_shell_examples_print_the_reply(server: Running, tool: str) -> None:
    if shutil.which(tool.split()[0]) is None:
        pytest.skip(f"needs {tool}")
    lines = [line for line in example("sh", server).splitlines() if f"| {tool}" in line or line.startswith("S=")]
    assert len(lines) == 2
    assert b'"server":"dialtone"' in await output("sh", "-c", "\n".join(lines))
