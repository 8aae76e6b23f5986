"""The SDK against the real daemon, without a modem: what it sends is in the schema, and nothing is lost by kill -9."""

import asyncio
import contextlib
import inspect
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import dialtone
from dialtone.methods import Methods

DEADLINE_S = 40.0


@dataclass
class Daemon:
    folder: Path
    child: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "core.sock"

    async def start(self) -> None:
        config = self.folder / "core.toml"
        lines = ["[[rpc.socket]]", f'path = "{self.socket}"', "[store]", f'path = "{self.folder / "dialtone.db"}"']
        config.write_text("\n".join(lines), encoding="utf-8")
        words = (sys.executable, "-m", "core", "--config", str(config))
        self.child = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.child is not None
        self.child.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            await self.child.wait()


@pytest.fixture
async def daemon(short_dir: Path) -> AsyncIterator[Daemon]:
    running = Daemon(short_dir)
    await running.start()
    yield running
    if running.child is not None and running.child.returncode is None:
        await running.stop()


def phone_of(daemon: Daemon, **options: Any) -> dialtone.Phone:
    return dialtone.connect(daemon.socket, wait_s=DEADLINE_S, **options)


async def raise_alarms(phone: dialtone.Phone, *names: str) -> None:
    """Each makes a fact; the one before is cleared, which makes another."""
    for name in names:
        await phone.call("client.report_state", state="ok", alarms=[{"alarm": name}])


async def take_alarms(events: AsyncIterator[dialtone.Event], count: int) -> list[dialtone.Event]:
    async with asyncio.timeout(DEADLINE_S):
        found: list[dialtone.Event] = []
        while len(found) < count:
            event = await anext(events)
            assert event.name == "alarm.raised"
            found.append(event)
        return found


@pytest.mark.timeout(120)
async def test_nothing_is_lost_or_doubled_by_a_daemon_that_is_killed(daemon: Daemon) -> None:
    async with phone_of(daemon, name="reader", topics=["alarm.raised"]) as reader:
        events = reader.events()
        seen: list[dialtone.Event] = []
        for at in range(3):
            async with phone_of(daemon, name="writer") as writer:
                await raise_alarms(writer, f"a{at}", f"b{at}")
            if at == 1:
                seen += await take_alarms(events, 2)
            await daemon.stop(signal.SIGKILL)
            await daemon.start()
        async with phone_of(daemon, name="writer") as writer:
            await raise_alarms(writer, "last")
        seen += await take_alarms(events, 7 - len(seen))
    assert [event.params["alarm"] for event in seen] == ["a0", "b0", "a1", "b1", "a2", "b2", "last"]
    numbers = [event.seq or 0 for event in seen]
    assert numbers == sorted(set(numbers))


async def test_a_consumer_reads_on_in_another_process_of_its_own(daemon: Daemon) -> None:
    async with phone_of(daemon, consumer="archive", topics=["alarm.raised"]) as first:
        await raise_alarms(first, "one", "two", "three")
        [one, _] = await take_alarms(first.events(), 2)
        assert one.params["alarm"] == "one"
    await daemon.stop()
    await daemon.start()
    async with phone_of(daemon, consumer="archive", topics=["alarm.raised"]) as second:
        names = [event.params["alarm"] for event in await take_alarms(second.events(), 2)]
    assert names == ["two", "three"]  # two was given out before, but not done with


async def test_a_newer_reader_displaces_the_older_which_ends(daemon: Daemon) -> None:
    async with (
        phone_of(daemon, consumer="archive", topics=["alarm.raised"]) as older,
        phone_of(daemon, consumer="archive", topics=["alarm.raised"]) as newer,
    ):
        with pytest.raises(dialtone.RpcError) as caught:
            async with asyncio.timeout(DEADLINE_S):
                await anext(older.events())
        assert caught.value.kind == "displaced"
        await raise_alarms(newer, "mine")
        assert len(await take_alarms(newer.events(), 1)) == 1


async def test_a_journal_that_began_anew_is_told_and_read(daemon: Daemon) -> None:
    async with phone_of(daemon, topics=["alarm.raised"]) as phone:
        events = phone.events()
        await raise_alarms(phone, "one", "two")
        await take_alarms(events, 2)
        await daemon.stop()
        for file in daemon.folder.glob("dialtone.db*"):
            file.unlink()
        await daemon.start()
        async with asyncio.timeout(DEADLINE_S):
            lagged = await anext(events)
        assert (lagged.name, lagged.params["cause"]) == ("events.lagged", "expired")
        await phone.wait_connected(DEADLINE_S)
        await raise_alarms(phone, "new")
        assert [event.params["alarm"] for event in await take_alarms(events, 1)] == ["new"]


ARGUMENTS: dict[str, Any] = {
    "number": "+447700900123",
    "line": "sim",
    "hide_number": True,
    "call_id": "call_1_aaaa",
    "digits": "1",
    "enabled": True,
    "limit": 5,
    "before": "call_1_aaaa",
    "speakers": ["x"],
    "text": "hi",
    "language": "en",
    "voice": "en-gb",
    "interruptible": True,
    "replace": True,
    "wait": "accepted",
    "audio": b"RIFF",
    "path": "/srv/audio/x.wav",
    "tone": "busy",
    "loop": 1,
    "chunk": 1,
    "format": "ogg",
    "rate_hz": 8000,
}


class Listening(Methods):
    """Keeps what the typed methods would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, /, *, timeout_s: float | None = 30.0, **params: Any) -> Any:
        self.sent.append((method, params))
        return {"audio": "", "token": "t"}


async def test_every_typed_method_sends_what_the_schema_allows(daemon: Daemon) -> None:
    async with phone_of(daemon) as phone:
        document = await phone.call("rpc.discover")
    schema = {method["name"]: {param["name"] for param in method["params"]} for method in document["methods"]}
    required = {
        method["name"]: {param["name"] for param in method["params"] if param.get("required")}
        for method in document["methods"]
    }
    listening = Listening()
    for name, function in inspect.getmembers(Methods, inspect.iscoroutinefunction):
        if not name.startswith("_") and name != "call":
            arguments = {word: ARGUMENTS[word] for word in list(inspect.signature(function).parameters)[1:]}
            await function(listening, **arguments)
    assert len(listening.sent) >= 20
    for method, params in listening.sent:
        assert set(params) <= schema[method], method
        assert set(params) >= required[method], method


async def test_the_registrations_of_a_brain_are_accepted(daemon: Daemon) -> None:
    async with phone_of(daemon, name="brain", version="1") as phone:
        await phone.expect_phrases(["yes", "no"], "en")
        await phone.register_brain(3)
        await phone.report_state("ready", "all is well", [{"alarm": "a", "severity": "warning", "text": "x"}])
        [client] = [one for one in (await phone.status())["clients"] if one["name"] == "brain"]
        assert (client["brain_priority"], client["state"], client["detail"]) == (3, "ready", "all is well")


@pytest.mark.parametrize("words", [["status"], ["call", "status"], ["call", "list"], ["rpc", "health"]])
async def test_the_command_line_shows_it(daemon: Daemon, words: list[str]) -> None:
    async with phone_of(daemon):
        pass  # it is up
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "clients.cli.main", "--socket", str(daemon.socket), *words)
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    with contextlib.suppress(ProcessLookupError):
        async with asyncio.timeout(DEADLINE_S):
            out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert out
