"""The existing voice clients on their own socket: the bytes they send, the bytes they expect (wire-formats §6)."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from core.errors import AudioFailed, LineBusy, NotFound
from core.events import CallAlerting, CallConnected, CallEnded, CallRinging, CallSpeech, Scope
from core.line import Direction, EndReason
from core.rpc import legacy as legacy_module
from core.rpc.access import PeerId
from core.rpc.legacy import METHODS as OLD_METHODS
from core.rpc.legacy_view import old_params
from core.rpc.methods import Registry, Request, method
from tests.rpc.client import Client
from tests.rpc.service import TEST_METHODS, Running, serving, tell

MODERN: Registry = dict(TEST_METHODS)
"""The methods of today as far as the old ones need them, over one call that lives in this file."""

CALL_ID = "call_1700000000_abcd"
NUMBER = "+447700900123"


@dataclass
class Phone:
    state: str | None = None
    said: list[dict[str, Any]] = field(default_factory=list)


PHONE = Phone()


class CallParams(Struct, frozen=True, forbid_unknown_fields=True):
    number: str | None = None
    text: str | None = None
    path: str | None = None
    language: str | None = None
    user_id: str | None = None
    audio: str | None = None
    format: str | None = None


class Info(Struct, frozen=True):
    call_id: str
    state: str
    number: str
    duration_s: float


class CallStatus(Struct, frozen=True):
    active: bool
    call: Info | None


class Speech(Struct, frozen=True):
    text: str | None = None
    language: str | None = None
    audio: str | None = None
    utterance: int = 1


class Status(Struct, frozen=True):
    service: str
    version: str
    engines: dict[str, str]


class Health(Struct, frozen=True):
    status: str


def info() -> Info:
    if PHONE.state is None:
        raise NotFound()
    return Info(CALL_ID, PHONE.state, NUMBER, 12.5)


@method("call.start", errors=(LineBusy,), into=MODERN)
async def start(request: Request, params: CallParams) -> Info:
    """Place a call."""
    if PHONE.state is not None:
        raise LineBusy()
    PHONE.state = "dialing"
    assert params.number == NUMBER
    await tell(request.core.store, CallRinging(call_id=CALL_ID, number=NUMBER))
    return info()


@method("call.hangup", errors=(NotFound,), into=MODERN)
async def hangup(request: Request, params: CallParams) -> Info:
    """End it."""
    ended, PHONE.state = info(), None
    return ended


@method("call.accept", errors=(NotFound,), into=MODERN)
async def accept(request: Request, params: CallParams) -> Info:
    """Answer it."""
    return info()


@method("call.status", into=MODERN)
async def call_status(request: Request, params: CallParams) -> CallStatus:
    """What there is."""
    return CallStatus(PHONE.state == "active", info() if PHONE.state else None)


@method("call.speak", errors=(NotFound,), into=MODERN, aliases=("call.play",))
async def speak(request: Request, params: CallParams) -> Speech:
    """Say it."""
    info()
    PHONE.said.append({"text": params.text, "path": params.path, "audio": params.audio})
    return Speech()


@method("stt.transcribe", errors=(AudioFailed,), into=MODERN)
async def transcribe(request: Request, params: CallParams) -> Speech:
    """Understand it."""
    if params.path == "broken.ogg":
        raise AudioFailed("The file holds no audio.")
    if params.path == "crash.ogg":
        raise ZeroDivisionError
    return Speech(text="hola", language=params.language)


@method("tts.synthesize", into=MODERN)
async def synthesize(request: Request, params: CallParams) -> Speech:
    """Speech of a text."""
    assert params.format == "ogg"
    return Speech(audio=base64.b64encode(f"OggS {params.text}".encode()).decode())


@method("language.get", into=MODERN, aliases=("language.set",))
async def language(request: Request, params: CallParams) -> Speech:
    """Language of a user."""
    assert isinstance(params.user_id, str)
    return Speech(language=params.language or "es")


@method("status", into=MODERN)
async def status(request: Request, params: CallParams) -> Status:
    """What is up."""
    return Status("dialtone", "0.1.0", {"tts": "espeak", "stt": "phrases"})


@method("health", into=MODERN)
async def health(request: Request, params: CallParams) -> Health:
    """All well?"""
    return Health("degraded")


@pytest.fixture
def slow_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection counts as one for events only when it has been quiet for longer than any test takes."""
    monkeypatch.setattr(legacy_module, "FIRST_EVENT_S", 300.0)


@pytest.fixture
async def legacy(tmp_path: Path) -> AsyncIterator[Running]:
    PHONE.state = None
    PHONE.said.clear()
    sockets = [{"path": str(tmp_path / "old.sock"), "events": "legacy"}, {"path": str(tmp_path / "core.sock")}]
    async with serving(tmp_path, config={"rpc": {"socket": sockets}}, methods=MODERN) as running:
        yield running


async def old(legacy: Running) -> Client:
    """An old client: length framing, and no idea of our schema."""
    client = await Client.connect(legacy.path, framing="length")
    legacy.clients.append(client)
    return client


async def ask(legacy: Running, method_name: str, **params: Any) -> Any:
    """As voice-client.ts does it: one connection, one request, the first frame is the reply."""
    client = await old(legacy)
    client.send({"jsonrpc": "2.0", "id": 1, "method": method_name, "params": params})
    reply = await client.receive()
    await client.close()
    assert reply["id"] == 1
    return reply.get("result", reply.get("error"))


async def test_the_recorded_bytes_of_a_health_request_are_answered_in_one_frame(legacy: Running) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, str(legacy.path))
        await loop.sock_sendall(
            client, bytes.fromhex("00000036") + b'{"jsonrpc":"2.0","id":1,"method":"health","params":{}}'
        )
        async with asyncio.timeout(30):
            # The old client needs the length in the same read as the beginning of the text.
            frame = await loop.sock_recv(client, 65536)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    reply = json.loads(frame[4:])
    assert reply["result"]["status"] == "ok" and not reply["result"]["timestamp"].endswith("Z")


async def test_a_request_without_id_is_answered_with_null(legacy: Running) -> None:
    client = await old(legacy)
    client.send({"jsonrpc": "2.0", "method": "health"})
    assert (await client.receive())["id"] is None


async def test_calls_have_their_old_shapes(legacy: Running) -> None:
    assert await ask(legacy, "call.hangup") == {"error": "No active call"}
    idle = {"active": False, "state": "IDLE", "call_id": None, "user_id": None, "duration": 0.0, "webrtc_state": None}
    assert await ask(legacy, "call.status") == idle
    assert await ask(legacy, "call.accept") == {"status": "auto-answered", "note": "nothing to answer"}
    assert await ask(legacy, "call.start", user_id=NUMBER) == {"status": "ringing", "call_id": CALL_ID}
    assert await ask(legacy, "call.start", user_id=NUMBER) == {"error": LineBusy.summary}
    PHONE.state = "active"
    assert await ask(legacy, "call.status") == {
        "active": True,
        "state": "ACTIVE",
        "call_id": CALL_ID,
        "user_id": NUMBER,
        "duration": 12.5,
        "webrtc_state": None,
    }
    assert await ask(legacy, "call.speak", text="hello") == {"status": "speaking", "audio_path": None}
    assert await ask(legacy, "call.play", audio_path="a.ogg") == {"status": "playing"}
    assert PHONE.said == [
        {"text": "hello", "path": None, "audio": None},
        {"text": None, "path": "a.ogg", "audio": None},
    ]
    assert await ask(legacy, "call.reject") == {"status": "ended", "duration": 12.5}


async def test_speech_and_language_have_their_old_shapes(legacy: Running) -> None:
    heard = {"text": "hola", "language": "es", "audio_path": "a.ogg"}
    assert await ask(legacy, "transcribe", audio_path="a.ogg", user_id=123) == heard
    assert await ask(legacy, "transcribe", audio_path="broken.ogg") == {"error": "The file holds no audio."}
    spoken = {"user_id": 123, "language": "ca", "language_name": "Català"}
    assert await ask(legacy, "language.set", user_id=123, language="ca") == spoken
    assert (await ask(legacy, "language.get", user_id=123))["language_name"] == "Español"


def look(path: Path) -> tuple[bytes, int, int, int]:
    """Contents, modes of file and folder, files in the folder."""
    folder = path.parent
    return path.read_bytes(), path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777, len(list(folder.iterdir()))


async def test_synthesize_gives_a_file_that_the_clients_of_the_socket_can_read_and_play(legacy: Running) -> None:
    made = await ask(legacy, "synthesize", text="hi", user_id=123)
    assert (made["language"], made["text"]) == ("es", "hi")
    path = Path(made["audio_path"])
    assert look(path) == (b"OggS hi", 0o640, 0o750, 1)
    PHONE.state = "active"
    assert await ask(legacy, "call.play", audio_path=str(path)) == {"status": "playing"}
    # It lies below no configured root, so it goes to the method of today as bytes.
    assert base64.b64decode(PHONE.said[0]["audio"]) == b"OggS hi"
    for number in range(40):
        await ask(legacy, "synthesize", text=str(number))
    assert look(path)[3] == 32


async def test_status_has_the_old_fields(legacy: Running) -> None:
    found = await ask(legacy, "status")
    assert list(found) == [
        "service",
        "version",
        "transport",
        "socket",
        "whisper_available",
        "piper_available",
        "pyrogram_available",
        "tgcalls_available",
        "supported_languages",
        "default_language",
        "active_users",
        "aiortc_available",
        "call",
    ]
    assert found["call"]["state"] == "IDLE"


async def test_failures_are_those_of_the_old_service(legacy: Running) -> None:
    for name, params in (("call.start", {}), ("transcribe", {"user_id": 1}), ("language.set", {"user_id": 1})):
        assert (await ask(legacy, name, **params))["code"] == -32000
    assert (await ask(legacy, "transcribe", audio_path="crash.ogg"))["code"] == -32000
    assert (await ask(legacy, "no.such"))["code"] == -32601
    assert (await ask(legacy, "events.subscribe"))["code"] == -32601
    client = await old(legacy)
    client.writer.write(client.frame(b"not json"))
    assert (await client.receive())["error"]["code"] == -32700


async def test_every_old_method_of_the_table_is_there() -> None:
    names = "transcribe synthesize language.set language.get status health call.start call.hangup call.status"
    assert set(OLD_METHODS) == {*names.split(), "call.speak", "call.play", "call.accept", "call.reject"}


async def test_an_event_connection_gets_the_four_old_events_with_their_old_fields(legacy: Running) -> None:
    client = await old(legacy)
    await legacy.until(lambda: len(legacy.core.sessions) == 1)
    await tell(legacy.store, CallRinging(call_id=CALL_ID, number=NUMBER))
    await tell(legacy.store, CallAlerting(call_id=CALL_ID))
    await tell(legacy.store, CallConnected(call_id=CALL_ID, direction=Direction.OUT, number=NUMBER))
    await tell(legacy.store, CallSpeech(call_id=CALL_ID, turn=1, text="hola", understood=True, language="es"))
    ended = CallEnded(
        call_id=CALL_ID, direction=Direction.OUT, reason=EndReason.REMOTE_HANGUP, number=NUMBER, duration_s=3.5
    )
    await tell(legacy.store, ended)
    assert [await client.receive() for _ in range(4)] == [
        {"jsonrpc": "2.0", "method": name, "params": {"call_id": CALL_ID} | params}
        for name, params in (
            ("call.ringing", {"user_id": NUMBER}),
            ("call.connected", {"user_id": NUMBER}),
            ("call.speech", {"user_id": NUMBER, "text": "hola", "language": "es", "audio_path": None}),
            ("call.ended", {"duration": 3.5, "reason": "hangup"}),
        )
    ]


async def test_events_that_come_at_once_arrive_as_one_frame_per_read(legacy: Running) -> None:
    """The old event reader loses both of two frames that one read gives it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        await loop.sock_connect(client, str(legacy.path))
        await legacy.until(lambda: len(legacy.core.sessions) == 1)
        connected = CallConnected(call_id=CALL_ID, direction=Direction.OUT, number=NUMBER)
        await asyncio.gather(*(tell(legacy.store, connected) for _ in range(10)))
        for _ in range(10):
            async with asyncio.timeout(30):
                frame = await loop.sock_recv(client, 65536)
            assert int.from_bytes(frame[:4], "big") == len(frame) - 4


async def test_a_connection_that_asked_never_gets_an_event(legacy: Running) -> None:
    """Those clients take the first frame for their reply."""
    asking = await old(legacy)
    asking.send({"jsonrpc": "2.0", "id": 1, "method": "call.start", "params": {"user_id": NUMBER}})
    watching = await old(legacy)
    await legacy.until(lambda: len(legacy.core.sessions) == 2)
    assert (await asking.receive())["result"]["status"] == "ringing"
    await tell(legacy.store, CallConnected(call_id=CALL_ID, direction=Direction.OUT, number=NUMBER))
    while (await watching.receive())["method"] != "call.connected":
        pass
    asking.send({"jsonrpc": "2.0", "id": 2, "method": "health"})
    assert (await asking.receive())["id"] == 2


@pytest.mark.usefixtures("slow_to_ask")  # asked for before the server begins
async def test_an_event_before_the_request_of_a_fresh_connection_does_not_come_in_between(legacy: Running) -> None:
    asking = await old(legacy)
    await legacy.until(lambda: len(legacy.core.sessions) == 1)
    await tell(legacy.store, CallRinging(call_id=CALL_ID, number=NUMBER))
    asking.send({"jsonrpc": "2.0", "id": 1, "method": "health"})
    assert (await asking.receive())["id"] == 1


async def test_a_frame_over_10_mib_closes_without_a_reply(legacy: Running) -> None:
    client = await old(legacy)
    client.writer.write((10 * 1024 * 1024 + 1).to_bytes(4, "big"))
    async with asyncio.timeout(30):
        assert await client.reader.read() == b""


async def test_the_old_habits_are_not_on_the_other_socket(legacy: Running, tmp_path: Path) -> None:
    client = await legacy.client(path=tmp_path / "core.sock", framing="length")
    client.send({"jsonrpc": "2.0", "method": "health"})
    client.send({"id": 5, "method": "health"})
    assert (await client.receive())["error"]["code"] == -32600


async def test_an_observer_on_the_old_socket_sees_no_numbers_and_no_words(tmp_path: Path) -> None:
    config = {
        "rpc": {"socket": [{"path": str(tmp_path / "old.sock"), "events": "legacy"}]},
        "access": {"users": {"4711": [Scope.OBSERVE.value]}},
    }
    peer = PeerId(1, 4711, frozenset())
    async with serving(tmp_path, config=config, methods=MODERN, identify=lambda _: peer) as server:
        client = await old(server)
        await server.until(lambda: len(server.core.sessions) == 1)
        await tell(server.store, CallRinging(call_id=CALL_ID, number=NUMBER))
        await tell(server.store, CallSpeech(call_id=CALL_ID, turn=1, text="secret", understood=True))
        assert (await client.receive())["params"] == {"call_id": CALL_ID, "user_id": None}
        speech = (await client.receive())["params"]
        assert (speech["user_id"], speech["text"]) == (None, None)


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_reason_has_an_old_word(reason: EndReason) -> None:
    word = old_params("call.ended", {"call_id": "x", "reason": reason.value, "duration_s": 1.0}, None)["reason"]
    assert word == "hangup" or word.startswith("PhoneCallDiscardReason")
    assert (word == "hangup") == (reason in (EndReason.REMOTE_HANGUP, EndReason.LOCAL_HANGUP, EndReason.REJECTED))
