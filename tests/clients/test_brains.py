"""Both brains as processes, on the same socket with the same words: one contract."""

import asyncio
import base64
import contextlib
import io
import json
import shutil
import sys
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.tiny_core import Json, Refused, TinyCore

BRAINS = Path(__file__).parents[2] / "clients/brains"
BOOK = json.loads((BRAINS / "phrases.json").read_text(encoding="utf-8"))
TEXTS: dict[str, str] = BOOK["texts"]
CALL = "call_1795246560_k2fq"
OTHER_CALL = "call_1795246599_aaaa"
NUMBER = "+447700900123"
DEADLINE_S = 30.0

RECEPTIONIST = (sys.executable, "-m", "clients.brains.receptionist")
NODE = shutil.which("node")
NO_NODE = pytest.mark.skipif(NODE is None, reason="node is not installed; the Node brain was not tested")


@dataclass
class Stage:
    """A core with one call, and the brain under test."""

    core: TinyCore
    messages: Path
    brain: asyncio.subprocess.Process

    def connect(self, call_id: str = CALL) -> None:
        self.core.fact("call.connected", call_id=call_id, direction="in", number=NUMBER)

    def hears(self, text: str | None, turn: int = 1, call_id: str = CALL) -> None:
        self.core.moment("call.chunk", call_id=call_id, turn=turn, chunk=turn * 10, duration_ms=1200)
        self.core.fact("call.speech", call_id=call_id, turn=turn, text=text, understood=text is not None)

    async def says(self, *names: str) -> None:
        """Everything that was said so far, in order."""
        await self.core.wait_asked("call.speak", len(names), DEADLINE_S)
        said = [params["text"] for params in self.core.asked("call.speak")]
        assert said == [TEXTS[name] for name in names]

    async def subscribed(self) -> None:
        await self.core.wait_for(lambda: any(peer.subscribed for peer in self.core.peers), DEADLINE_S)


@pytest.fixture(params=["python", pytest.param("node", marks=NO_NODE)])
async def stage(request: pytest.FixtureRequest, core: TinyCore, tmp_path: Path) -> AsyncIterator[Stage]:
    core.handlers["state.get"] = lambda _: {"seq": len(core.journal), "calls": [], "lines": []}
    core.handlers["call.speak"] = lambda params: {"utterance": 1, "completed": True}
    core.handlers["call.play"] = lambda _: {"utterance": 2}
    core.handlers["call.hangup"] = lambda params: {"call_id": params["call_id"]}
    core.handlers["call.chunk_audio"] = lambda params: {
        "audio": base64.b64encode(b"OggS chunk %d" % params["chunk"]).decode(),
        "format": "ogg",
    }
    messages = tmp_path / "messages"
    options = ["--socket", str(core.path), "--messages", str(messages)]
    commands = {
        "python": [*RECEPTIONIST, *options],
        "node": [NODE or "node", str(BRAINS / "node/brain.js"), *options],
    }
    log = tmp_path / "brain.log"
    with log.open("wb") as file:
        brain = await asyncio.create_subprocess_exec(*commands[request.param], stderr=file)
    running = Stage(core, messages, brain)
    try:
        await running.subscribed()
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            brain.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await brain.wait()
    assert "Traceback" not in log.read_text()


async def test_it_registers_with_its_phrases(stage: Stage) -> None:
    phrases = await stage.core.wait_asked("stt.phrases", timeout_s=DEADLINE_S)
    assert phrases == {"phrases": [one for many in BOOK["phrases"].values() for one in many], "language": "en"}
    await stage.core.wait_asked("brain.register", timeout_s=DEADLINE_S)
    assert stage.core.asked("brain.register") == [{"priority": 0}]


async def test_it_greets_and_answers(stage: Stage) -> None:
    stage.connect()
    await stage.says("greeting")
    stage.hears("what are your opening hours")
    await stage.says("greeting", "hours")
    first = stage.core.asked("call.speak")[0]
    assert (first["call_id"], first["language"], first["replace"]) == (CALL, "en", True)


async def test_a_call_that_another_brain_holds_is_left_alone_until_it_is_handed_over(stage: Stage) -> None:
    stage.core.moment("call.claimed", call_id=CALL, holder="bridge")
    stage.connect()
    stage.core.moment("call.speaking", call_id=CALL, utterance=1, text="Welcome.")
    stage.hears("where are you")
    stage.core.moment("call.claimed", call_id=CALL, holder="receptionist")
    await stage.says("takeover")
    stage.core.moment("call.claimed", call_id=CALL, holder="receptionist")  # said again after a reconnect
    stage.hears("where are you", turn=2)
    await stage.says("takeover", "place")


async def test_a_caller_who_was_not_greeted_yet_is_greeted_when_the_call_is_handed_over(stage: Stage) -> None:
    stage.core.moment("call.claimed", call_id=CALL, holder="bridge")
    stage.connect()
    stage.core.moment("call.claimed", call_id=CALL, holder="receptionist")
    await stage.says("greeting")


async def test_a_call_that_is_let_go_is_answered_again(stage: Stage) -> None:
    stage.connect()
    stage.core.moment("call.claimed", call_id=CALL, holder="bridge")
    stage.hears("where are you")
    stage.core.moment("call.claimed", call_id=CALL, holder=None)
    stage.hears("where are you", turn=2)
    await stage.says("greeting", "place")


async def test_a_message_is_asked_for_saved_and_confirmed(stage: Stage) -> None:
    stage.connect()
    stage.hears("i would like to leave a message")
    await stage.says("greeting", "leave_message")
    tone = await stage.core.wait_asked("call.play", timeout_s=DEADLINE_S)
    with wave.open(io.BytesIO(base64.b64decode(tone["audio"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert 200 <= file.getnframes() / 8 <= 500
        assert max(file.readframes(2800)) > 0
    stage.hears(None, turn=2)
    await stage.says("greeting", "leave_message", "saved")
    assert stage.core.asked("call.chunk_audio") == [{"call_id": CALL, "chunk": 20, "format": "ogg"}]
    [saved] = stage.messages.iterdir()
    assert (saved.name, saved.read_bytes()) == (f"{CALL}-turn2-20.ogg", b"OggS chunk 20")
    assert saved.stat().st_mode & 0o077 == 0


async def test_a_message_that_can_not_be_had_is_admitted(stage: Stage) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32004, "not_found", "There is no such chunk.")

    stage.core.handlers["call.chunk_audio"] = refuse
    stage.connect()
    stage.hears("i would like to leave a message")
    stage.hears(None, turn=2)
    await stage.says("greeting", "leave_message", "not_saved")


async def test_it_repeats_its_last_answer(stage: Stage) -> None:
    stage.connect()
    stage.hears("where are you")
    stage.hears("please repeat that", turn=2)
    await stage.says("greeting", "place", "place")


async def test_it_asks_three_times_and_then_offers_to_take_a_message(stage: Stage) -> None:
    stage.connect()
    for turn in range(1, 5):
        stage.hears(None, turn=turn)
    stage.hears("yes", turn=5)
    await stage.says("greeting", "again", "again", "again", "offer", "leave_message")


async def test_it_hangs_up_only_after_the_farewell_was_heard(stage: Stage) -> None:
    heard = asyncio.Event()

    async def speak(params: Json) -> Json:
        if params["wait"] == "spoken":
            await heard.wait()
        return {"utterance": 1}

    stage.core.handlers["call.speak"] = speak
    stage.connect()
    stage.hears("goodbye")
    await stage.says("greeting", "goodbye")
    assert stage.core.asked("call.speak")[-1]["wait"] == "spoken"
    stage.connect(OTHER_CALL)  # another call is served meanwhile
    await stage.says("greeting", "goodbye", "greeting")
    assert stage.core.asked("call.hangup") == []
    heard.set()
    await stage.core.wait_asked("call.hangup", timeout_s=DEADLINE_S)
    assert stage.core.asked("call.hangup") == [{"call_id": CALL}]


async def test_zero_promises_a_call_back_and_tells_the_owner(stage: Stage) -> None:
    stage.connect()
    stage.core.fact("call.dtmf", call_id=CALL, digit="5")
    stage.core.fact("call.dtmf", call_id=CALL, digit="0")
    await stage.says("greeting", "keys", "callback")
    [alarm] = stage.core.asked("client.report_state")[-1]["alarms"]
    assert alarm["alarm"] == "callback_wanted"
    assert NUMBER in alarm["text"]


async def test_it_comes_back_after_a_restart_of_the_core(stage: Stage) -> None:
    stage.connect()
    await stage.says("greeting")
    await stage.core.stop()
    stage.core.fact("call.speech", call_id=CALL, turn=1, text="where are you", understood=True)
    stage.core.fact("call.ended", call_id=CALL, reason="core_restarted")
    await stage.core.start()
    await stage.core.wait_asked("brain.register", 2, DEADLINE_S)
    await stage.subscribed()
    assert len(stage.core.asked("stt.phrases")) == 2
    stage.connect(OTHER_CALL)

    def greeted() -> list[str]:
        return [one["call_id"] for one in stage.core.asked("call.speak") if one["text"] == TEXTS["greeting"]]

    await stage.core.wait_for(lambda: OTHER_CALL in greeted(), DEADLINE_S)
    assert greeted() == [CALL, OTHER_CALL]  # the first call was not greeted a second time


async def test_an_answer_that_is_refused_does_not_stop_it(stage: Stage) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32004, "not_found", "There is no such call.")

    stage.core.handlers["call.speak"] = refuse
    stage.connect()
    await stage.core.wait_asked("call.speak", timeout_s=DEADLINE_S)
    stage.core.handlers["call.speak"] = lambda _: {"utterance": 1}
    stage.hears("how much does it cost")
    await stage.says("greeting", "price")


async def test_the_python_brain_takes_over_calls_that_are_up(core: TinyCore, tmp_path: Path) -> None:
    call = {"call_id": CALL, "state": "active", "number": NUMBER}
    core.handlers["state.get"] = lambda _: {"seq": 0, "calls": [call], "lines": []}
    core.handlers["call.speak"] = lambda _: {"utterance": 1}
    words = (*RECEPTIONIST, "--socket", str(core.path), "--messages", str(tmp_path))
    brain = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
    try:
        await core.wait_asked("state.get", timeout_s=DEADLINE_S)
        core.fact("call.speech", call_id=CALL, turn=4, text="where are you", understood=True)
        said = await core.wait_asked("call.speak", timeout_s=DEADLINE_S)
        assert said["text"] == TEXTS["place"]
    finally:
        brain.terminate()
        assert await brain.wait() == 0


async def test_a_wrong_text_file_ends_it_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[texts]\nhallo = "x"\n')
    words = (*RECEPTIONIST, "--config", str(file))
    brain = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(DEADLINE_S):
        _, err = await brain.communicate()
    assert brain.returncode == 2
    assert err.decode() == f"receptionist: {file}: texts.hallo: unknown key\n"


def test_the_node_brain_stays_small_and_needs_no_packages() -> None:
    source = (BRAINS / "node/brain.js").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 100
    assert source.count("require(") == source.count('require("node:')
