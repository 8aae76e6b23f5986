"""The dialtone command as a process: help, output, errors, exit codes."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients.cli.call import ON_LIVE_CALL
from clients.cli.command import find_commands
from tests.clients.tiny_core import Json, Refused, TinyCore

DIALTONE = (sys.executable, "-m", "clients.cli.main")
DEADLINE_S = 40.0
STATUS = {
    "service": "dialtone",
    "version": "0.1.0",
    "uptime_s": 3725.0,
    "seq": 12,
    "lines": [
        {"name": "sim", "state": "ready", "model": "SIMCOM_SIM7600G-H", "operator": "Te\x1b[31mTel", "rssi_dbm": -71},
    ],
    "calls": [],
    "clients": [{"name": "receptionist", "scopes": ["admin"], "brain_priority": 0, "state": "ready"}],
    "alarms": [],
    "engines": {"tts": "espeak", "stt": "phrases"},
}
CALL = {"call_id": "call_1_aaaa", "line": "sim", "direction": "out", "state": "dialing", "number": "+447700900123"}


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


@contextlib.asynccontextmanager
async def started(*words: str, socket: Path | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    env = os.environ | ({"DIALTONE_SOCKET": str(socket)} if socket else {})
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*DIALTONE, *words, stdin=pipe, stdout=pipe, stderr=pipe, env=env)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def run(*words: str, socket: Path | None = None, stdin: bytes = b"") -> Ran:
    async with started(*words, socket=socket) as child, asyncio.timeout(DEADLINE_S):
        out, err = await child.communicate(stdin)
        assert child.returncode is not None
        return Ran(child.returncode, out.decode(), err.decode())


# --- finding commands


async def test_the_list_of_commands_names_each_with_one_line() -> None:
    ran = await run("--help")
    assert ran.code == 0
    for name in ("status", "events", "call", "rpc", "demo", "core", "emulator"):
        assert f"\n  {name} " in ran.out


async def test_no_command_shows_the_list_and_is_a_mistake() -> None:
    ran = await run()
    assert ran.code == 2
    assert "status" in ran.out


async def test_a_mistyped_command_is_told_the_near_one() -> None:
    ran = await run("statsu")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "dialtone: no command 'statsu'; did you mean 'status'?\n"


@pytest.mark.parametrize("name", ["status", "events", "call", "rpc", "demo"])
async def test_every_help_shows_an_example(name: str) -> None:
    ran = await run(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "Example:" in ran.out and f"  dialtone {name}" in ran.out


VERBS = ["start", "status", "list", "show", "say", "play", "dtmf", "record", *ON_LIVE_CALL]


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_of_call_shows_an_example(verb: str) -> None:
    ran = await run("call", verb, "--help")
    assert ran.code == 0
    assert f"Example:\n  dialtone call {verb}" in ran.out


async def test_our_commands_stand_in_the_entry_points() -> None:
    assert {"status", "events", "call", "rpc", "demo"} <= set(find_commands())


async def test_status_loads_neither_the_core_nor_asyncio(core: TinyCore) -> None:
    core.handlers["status"] = lambda _: STATUS
    code = (
        "import sys; from clients.cli.main import main; main(['status']);"
        "sys.exit(any(name in sys.modules for name in ('core', 'asyncio', 'numpy', 'rich')))"
    )
    env = os.environ | {"DIALTONE_SOCKET": str(core.path)}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=env, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(DEADLINE_S):
        assert await child.wait() == 0


# --- talking to the daemon


async def test_status_is_a_table_for_people(core: TinyCore) -> None:
    core.handlers["status"] = lambda _: STATUS
    ran = await run("status", socket=core.path)
    assert (ran.code, ran.err) == (0, "")
    assert "dialtone 0.1.0, up 1:02:05" in ran.out
    assert "SIMCOM_SIM7600G-H" in ran.out and "-71" in ran.out
    assert "No calls." in ran.out and "receptionist" in ran.out
    assert "\x1b" not in ran.out  # what others send can't steer the terminal


@pytest.mark.parametrize("words", [("--json", "status"), ("status", "--json")])
async def test_status_is_json_for_programs(core: TinyCore, words: tuple[str, ...]) -> None:
    core.handlers["status"] = lambda _: STATUS
    ran = await run(*words, socket=core.path)
    assert (ran.code, json.loads(ran.out)) == (0, STATUS)


async def test_the_socket_may_be_named_before_and_after_the_command(core: TinyCore) -> None:
    core.handlers["status"] = lambda _: STATUS
    assert (await run("--socket", str(core.path), "status")).code == 0
    assert (await run("status", "--socket", str(core.path))).code == 0
    assert (await run("call", "--socket", str(core.path), "hangup")).code == 1  # it was asked, and said no


async def test_without_a_daemon_it_says_how_to_start_one(short_dir: Path) -> None:
    for words in (("status",), ("events",), ("call", "hangup"), ("rpc", "status")):
        ran = await run(*words, socket=short_dir / "nowhere.sock")
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.count("\n") == 1
        assert ran.err.endswith("is the core running? start it with: dialtone core\n")


async def test_the_daemons_no_is_one_line_and_code_1(core: TinyCore) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32602, "invalid_params", "A parameter is\nwrong.", path="number")

    core.handlers["call.start"] = refuse
    ran = await run("call", "start", "12", socket=core.path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "dialtone: A parameter is wrong. (invalid_params) at number\n"


async def test_a_daemon_that_hangs_up_is_code_1(core: TinyCore) -> None:
    async def vanish(_: Json) -> None:
        core.peers[0].writer.transport.abort()
        await asyncio.Event().wait()

    core.handlers["status"] = vanish
    ran = await run("status", socket=core.path)
    assert ran.code == 1
    assert ran.err.startswith("dialtone: the ")


WISHES = [
    (("start", "+447700900123"), "call.start", {"number": "+447700900123"}),
    (("start", "100", "--line", "b"), "call.start", {"number": "100", "line": "b"}),
    (("start", "100", "--hide-number"), "call.start", {"number": "100", "hide_number": True}),
    (("answer",), "call.accept", {}),
    (("reject", "--call", "call_1_aaaa"), "call.reject", {"call_id": "call_1_aaaa"}),
    (("hangup",), "call.hangup", {}),
    (("hold",), "call.hold", {}),
    (("resume",), "call.resume_held", {}),
    (("swap",), "call.swap", {}),
    (("stop",), "call.stop", {}),
    (("say", "Good morning"), "call.speak", {"text": "Good morning", "wait": "spoken"}),
    (("say", "--no-wait", "Hi"), "call.speak", {"text": "Hi", "wait": "accepted"}),
    (("dtmf", "12#"), "call.dtmf", {"digits": "12#"}),
    (("dtmf", "1", "--inband"), "call.dtmf", {"digits": "1", "inband": True}),
    (("play", "--tone", "busy"), "call.play", {"tone": "busy", "wait": "spoken"}),
    (
        ("play", "--tone", "dial", "--country", "us", "--loop", "0"),
        "call.play",
        {"tone": "dial", "country": "us", "loop": 0, "wait": "accepted"},
    ),
    (("play", "/tmp/a.mp3", "--remote", "--no-wait"), "call.play", {"path": "/tmp/a.mp3", "wait": "accepted"}),
    (("record", "on"), "call.record", {"enabled": True}),
    (("record", "off"), "call.record", {"enabled": False}),
    (("list", "--limit", "3"), "call.list", {"limit": 3}),
    (("show", "call_1_aaaa"), "call.get", {"call_id": "call_1_aaaa"}),
    (("status",), "call.status", {}),
]


@pytest.mark.parametrize(("words", "method", "params"), WISHES, ids=lambda value: str(value)[:30])
async def test_each_verb_asks_for_its_method(core: TinyCore, words: tuple[str, ...], method: str, params: Json) -> None:
    core.handlers[method] = lambda _: CALL
    ran = await run("call", *words, "--json", socket=core.path)
    assert (ran.code, ran.err) == (0, "")
    assert core.asked(method) == [params]
    assert json.loads(ran.out) == CALL


async def test_a_file_to_play_goes_as_base64(core: TinyCore, tmp_path: Path) -> None:
    core.handlers["call.play"] = lambda _: CALL
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    ran = await run("call", "play", str(tmp_path / "a.wav"), "--loop", "2", socket=core.path)
    assert ran.code == 0
    assert core.asked("call.play") == [{"audio": "UklGRg==", "loop": 2, "wait": "spoken"}]
    for wrong in ((), (str(tmp_path / "a.wav"), "--tone", "busy"), (str(tmp_path / "missing.wav"),)):
        ran = await run("call", "play", *wrong, socket=core.path)
        assert ran.code == 2 and ran.err


async def test_a_call_is_shown_with_its_turns(core: TinyCore) -> None:
    turns = [{"role": "caller", "turn": 1, "text": "are you open", "confidence": 0.93, "at_ms": 900}]
    rest = {"reason": "local_hangup", "turns": turns, "audio": {"verdict": "healthy"}}
    core.handlers["call.get"] = lambda _: CALL | rest
    ran = await run("call", "show", "call_1_aaaa", socket=core.path)
    assert ran.code == 0
    assert "are you open" in ran.out and "local_hangup" in ran.out and "healthy" in ran.out


async def test_an_empty_log_says_so(core: TinyCore) -> None:
    core.handlers["call.list"] = lambda _: {"calls": [], "next": None}
    core.handlers["call.status"] = lambda _: {"active": False, "call": None}
    assert (await run("call", "list", socket=core.path)).out == "No calls.\n"
    assert (await run("call", "status", socket=core.path)).out == "No call.\n"


async def test_rpc_sends_what_it_is_given(core: TinyCore) -> None:
    core.handlers["call.speak"] = lambda params: {"utterance": 1, "text": params["text"]}
    ran = await run("rpc", "call.speak", '{"text": "hi"}', socket=core.path)
    assert json.loads(ran.out) == {"utterance": 1, "text": "hi"}
    ran = await run("rpc", "call.speak", "-", socket=core.path, stdin=b'{"text": "from stdin"}')
    assert json.loads(ran.out)["text"] == "from stdin"


MISTAKES = [
    "rpc x {",
    "rpc x [1]",
    "rpc",
    "call",
    "call fly",
    "call record maybe",
    "events --count 0",
    "events --since -1",
]


@pytest.mark.parametrize("words", MISTAKES)
async def test_a_wrong_command_line_is_code_2(core: TinyCore, words: str) -> None:
    ran = await run(*words.split(), socket=core.path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert core.requests == []


# --- events


async def test_events_are_printed_as_they_come(core: TinyCore) -> None:
    async with started("events", "--topic", "call.*", "--json", "--count", "2", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        core.fact("call.incoming", call_id="call_1_aaaa", number="+447700900123")
        core.fact("modem.state", state="ready")
        core.fact("call.ended", call_id="call_1_aaaa")
        async with asyncio.timeout(DEADLINE_S):
            out, err = await child.communicate()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["method"] for event in events] == ["call.incoming", "call.ended"]
    assert events[0]["params"]["number"] == "+447700900123"
    assert (child.returncode, err) == (0, b"")


async def test_events_read_back_for_people(core: TinyCore) -> None:
    core.fact("call.ended", call_id="call_1_aaaa", reason="remote_hangup", text="two words")
    ran = await run("events", "--since", "0", "--count", "1", socket=core.path)
    assert ran.code == 0
    [line] = ran.out.splitlines()
    assert line.startswith("2026-11-21T07:16:00.123Z")
    assert line.split(maxsplit=2)[1] == "1"
    assert line.endswith('sim call_1_aaaa reason=remote_hangup text="two words"')


async def test_events_of_a_consumer_are_acked_and_not_printed_twice(core: TinyCore) -> None:
    core.acks["backup"] = 0
    for _ in range(3):
        core.fact("call.ended")
    words = ("events", "--consumer", "backup", "--json", "--count")
    first = await run(*words, "2", socket=core.path)
    second = await run(*words, "1", socket=core.path)
    assert [json.loads(line)["params"]["seq"] for line in (first.out + second.out).splitlines()] == [1, 2, 3]
    await core.wait_for(lambda: core.acks["backup"] == 3)


@pytest.fixture
def sigint_as_in_a_terminal() -> Iterator[None]:
    """A shell starts its background jobs with SIGINT ignored, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_as_in_a_terminal")
async def test_ctrl_c_is_quiet(core: TinyCore) -> None:
    async with started("events", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE_S):
            out, err = await child.communicate()
    assert (child.returncode, out, err) == (130, b"", b"")


async def test_a_closed_pipe_is_quiet(core: TinyCore) -> None:
    for _ in range(3000):
        core.fact("call.ended")
    env = os.environ | {"DIALTONE_SOCKET": str(core.path)}
    script = f"{' '.join(DIALTONE)} events --since 0 --json | head -1"
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_shell(script, stdout=pipe, stderr=pipe, env=env)
    async with asyncio.timeout(DEADLINE_S):
        out, err = await child.communicate()
    assert (len(out.splitlines()), err) == (1, b"")
