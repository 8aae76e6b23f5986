"""One call that the bridge steers: events to steps of the dialogue, and its actions to requests."""

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dialtone
from clients.bridge.context import Context
from clients.bridge.dialogue import Dialogue
from clients.bridge.dialogue_table import (
    Action,
    CancelEnd,
    GiveUp,
    HangUp,
    Mood,
    PostChunk,
    PostEnd,
    Say,
    Server,
    Words,
)
from clients.bridge.settings import Settings
from clients.bridge.texts import Phrase, Texts
from clients.bridge.transcription import (
    Answer,
    Audio,
    BadAnswer,
    Caller,
    chunk_request,
    end_request,
    read_answer,
)
from clients.bridge.voice_config import VoiceConfig
from clients.bridge.vps import Trouble, Vps, VpsError

CHUNKS_ON_THEIR_WAY = 50
"""As the old station's queue. One more counts as failed, and is sent again at the end of its turn."""
WORDS_WAITING = 32
"""Texts and hang-ups that wait for the core. More would mean that it hangs; the newest are dropped."""
RETRY_FIRST_S, RETRY_LAST_S = 0.1, 0.4
"""Jitter before the second end signal."""
HANG_UP_TIMEOUT_S = 40.0
"""The core lets 25 s of speech be heard before it hangs up."""
PIECE_CHARS = 4000
"""Of a text; the core takes 5000 at a time unless configured otherwise."""
LINGER_S = 2.0
"""After the end of a call for words that are on their way."""
RESULTS_S = 0.5
NAMESPACE = uuid.UUID("6d0e1f60-1f2b-5a7c-9a36-0b1c6c7a2f5e")
"""Of Idempotency-Key: a request that is sent again has the key of the first."""

_log = logging.getLogger("dialtone.bridge")


@dataclass(slots=True)
class Desk:
    """What calls share. outcome: told of every request's end (None: it went well). gave_up: a turn has no answer."""

    phone: dialtone.Phone
    vps: Vps
    settings: Settings
    texts: Texts
    tasks: asyncio.TaskGroup
    outcome: Callable[[VpsError | None, bool], None]
    gave_up: Callable[["LiveCall", VpsError], None]
    server: Server = field(default_factory=Server)


class LiveCall:
    """From when the bridge got the call until it is over, or somebody else's."""

    def __init__(self, desk: Desk, call_id: str, number: str | None) -> None:
        self.desk, self.call_id, self.number = desk, call_id, number
        self.connected = False
        self.config = VoiceConfig()
        self.dialogue = Dialogue(desk.server, desk.settings.brain.max_silence_s)
        self._context = Context()
        self._audio: dict[int, Audio] = {}
        self._spoke_ms: dict[int, int] = {}
        self._ends: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: set[asyncio.Task[None]] = set()
        self._posting = 0
        self._fetching: dict[int, asyncio.Event] = {}  # chunks that have not left for the VPS
        self._mouth: asyncio.Queue[Say | HangUp] = asyncio.Queue(WORDS_WAITING)
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._trouble = VpsError(Trouble.TIMEOUT, "no answer")
        self._speaker = self._spawn(self._speak(), "bridge.mouth")

    # --- events

    def event(self, event: dialtone.Event) -> None:
        """One of the core's about this call. Never waits."""
        params, dialogue, now_s = event.params, self.dialogue, self._now_s
        match event.name:
            case "call.turn_start":
                self._do(dialogue.turn_started(int(params["turn"])))
            case "call.chunk":
                turn = int(params["turn"])
                self._spoke_ms[turn] = self._spoke_ms.get(turn, 0) + int(params.get("duration_ms", 0))
                self._do(dialogue.chunk_cut(turn, int(params["chunk"])))
            case "call.turn_resumed":
                self._do(dialogue.resumed(int(params["turn"])))
            case "call.turn_end":
                turn = int(params["turn"])
                spoke_ms = self._spoke_ms.pop(turn, 0)
                self._do(dialogue.turn_ended(turn, int(params.get("silence_ms", 0)), spoke_ms, now_s))
            case "call.speaking":
                self._context_speaking(params)
                self._do(dialogue.speaking_began())
            case "call.spoken":
                self._context_spoken(params)
                self._do(dialogue.speaking_ended(now_s))

    def hand_over(self) -> None:
        """Somebody else steers the call now: we say and ask nothing more."""
        self._do(self.dialogue.handed_over())
        while not self._mouth.empty():
            self._mouth.get_nowait()

    def stay(self) -> None:
        """A turn was given up, and the call stays with us."""
        self._do(self.dialogue.stayed(self._now_s))

    async def results_told(self) -> None:
        """Once the core knows the words of all turns; gives up after a moment."""
        if waiting := set(self._results):
            await asyncio.wait(waiting, timeout=RESULTS_S)

    async def close(self) -> None:
        """The call is over. Words of its last turn may still come."""
        self._over = True
        self._arm()
        self._speaker.cancel()
        if waiting := set(self._tasks) - {self._speaker}:
            await asyncio.wait(waiting, timeout=LINGER_S)
        for task in set(self._tasks):
            task.cancel()

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _context_speaking(self, params: dict[str, Any]) -> None:
        text = params.get("text")
        if isinstance(text, str) and not params.get("filler") and not self.desk.texts.ours(text):
            self._context.speaking(int(params["utterance"]), text)

    def _context_spoken(self, params: dict[str, Any]) -> None:
        heard = params.get("text") if params.get("completed") else params.get("heard_text")
        self._context.spoken(int(params["utterance"]), heard if isinstance(heard, str) else None)

    # --- actions

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case PostChunk():
                    self._post_chunk(action.chunk)
                case PostEnd():
                    self._ends[action.turn] = self._spawn(self._end(action), "bridge.end")
                case CancelEnd():
                    self._cancel_end(action.turn)
                case Words():
                    self._tell_words(action)
                case Say() | HangUp():
                    self._put(action)
                case GiveUp():
                    self.desk.gave_up(self, self._trouble)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_s = self.dialogue.deadline_s if not self._over else None
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(due_s, self._silent) if due_s is not None else None

    def _silent(self) -> None:
        self._trouble = VpsError(Trouble.TIMEOUT, "the caller waited too long")
        self._do(self.dialogue.silent(self._now_s))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.desk.tasks.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _cancel_end(self, turn: int) -> None:
        task = self._ends.pop(turn, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _put(self, wish: Say | HangUp) -> None:
        try:
            self._mouth.put_nowait(wish)
        except asyncio.QueueFull:
            _log.warning("the core takes no words, call_id=%s", self.call_id)

    # --- the VPS

    @property
    def _caller(self) -> Caller:
        return Caller(self.call_id, self.number or "unknown", self.config.two_letters)

    def _post_chunk(self, chunk: int) -> None:
        if self._posting >= CHUNKS_ON_THEIR_WAY:
            _log.warning("too many chunks are on their way, call_id=%s", self.call_id)
            self._do(self.dialogue.chunk_failed(chunk))
            return
        self._posting += 1
        self._fetching[chunk] = asyncio.Event()
        self._spawn(self._chunk(chunk, self._fetching[chunk]), "bridge.chunk")

    async def _chunk(self, chunk: int, left: asyncio.Event) -> None:
        started_s = self._now_s
        try:
            audio = await self._fetch(chunk)
            body = chunk_request(self._caller, chunk, audio, str(self._context), _unix_s())
            fetched_s = self._now_s
            self._has_left(chunk, left)
            answer = await self._ask(body, f"{chunk}", self.desk.settings.vps.transcribe_timeout_s)
        except (VpsError, dialtone.DialtoneError) as problem:
            _log.warning("chunk %d did not get through, call_id=%s: %s", chunk, self.call_id, problem)
            if isinstance(problem, VpsError) and problem.is_down:
                self.desk.outcome(problem, False)
            self._do(self.dialogue.chunk_failed(chunk))
        else:
            self.desk.outcome(None, False)
            _log.debug(
                "chunk %d: %s, call_id=%s fetch_ms=%.1f answer_ms=%.1f",
                chunk, answer.status, self.call_id, (fetched_s - started_s) * 1e3, (self._now_s - fetched_s) * 1e3,
            )  # fmt: skip
            self._do(self.dialogue.chunk_answered(chunk, answer))
        finally:
            self._has_left(chunk, left)
            self._posting -= 1

    def _has_left(self, chunk: int, left: asyncio.Event) -> None:
        """Or never will."""
        left.set()
        if self._fetching.get(chunk) is left:
            del self._fetching[chunk]

    async def _fetch(self, chunk: int) -> Audio:
        """The core's Ogg Opus; kept while its turn has no answer."""
        if (known := self._audio.get(chunk)) is None:
            found = await self.desk.phone.call("call.chunk_audio", call_id=self.call_id, chunk=chunk, format="ogg")
            known = Audio(found["audio"], int(found["duration_ms"]), int(found["rate_hz"]))
            self._audio[chunk] = known
            for old in [number for number in self._audio if number not in self.dialogue.chunks]:
                del self._audio[old]
        return known

    async def _end(self, wish: PostEnd) -> None:
        table, sent_s = self.desk.settings.vps, self._now_s
        try:
            if wish.attempt > 1:
                await self._before_retry()
            for left in list(self._fetching.values()):  # a busy core: the end must not overtake what it is the end of
                await left.wait()
            audio = await self._fetch(wish.chunk) if wish.with_audio else None
            body = end_request(self._caller, wish.chunk, wish.silence_ms, audio, str(self._context), _unix_s())
            timeout_s = table.transcribe_timeout_s if wish.attempt == 1 else table.retry_within_s
            answer = await self._ask(body, f"{wish.chunk}.end", timeout_s)
        except (VpsError, dialtone.DialtoneError) as problem:
            _log.warning("end signal %d of turn %d: %s, call_id=%s", wish.attempt, wish.turn, problem, self.call_id)
            ours = VpsError(Trouble.REFUSED, "the core did not give the audio")
            self._trouble = problem if isinstance(problem, VpsError) else ours
            self._do(self.dialogue.end_failed(wish.turn))
        else:
            self.desk.outcome(None, False)
            _log.info(
                "turn %d answered: %s, call_id=%s after_ms=%d",
                wish.turn, answer.status, self.call_id, (self._now_s - sent_s) * 1e3,
            )  # fmt: skip
            self._do(self.dialogue.end_answered(wish.turn, answer))

    async def _before_retry(self) -> None:
        """A VPS that wants more time than the caller has is not asked again."""
        wanted_s, patience_s = self._trouble.retry_after_s or 0.0, self.desk.settings.vps.retry_within_s
        if wanted_s > patience_s:
            raise VpsError(Trouble.RATE_LIMITED, "it wants to be left alone for longer than the caller waits")
        await asyncio.sleep(max(wanted_s, random.uniform(RETRY_FIRST_S, RETRY_LAST_S)))

    async def _ask(self, body: bytes, what: str, timeout_s: float) -> Answer:
        """VpsError also for an answer that is none of ours."""
        url = self.desk.settings.vps.transcribe_url
        assert url is not None
        headers = {"Idempotency-Key": str(uuid.uuid5(NAMESPACE, f"{self.call_id}/{what}"))}
        found = await self.desk.vps.post(url, body, timeout_s, headers)
        try:
            return read_answer(found, self.call_id)
        except BadAnswer as problem:
            raise VpsError(Trouble.BAD_ANSWER, str(problem)) from None

    # --- the core

    def _tell_words(self, words: Words) -> None:
        if words.final and words.text:
            self._context.caller(words.text)
        task = self._spawn(self._result(words), "bridge.words")
        self._results.add(task)
        task.add_done_callback(self._results.discard)

    async def _result(self, words: Words) -> None:
        params: dict[str, Any] = {"turn": words.turn, "chunk": words.chunk, "text": words.text, "final": words.final}
        if words.whole:
            params["whole"] = True
        try:
            await self.desk.phone.call("stt.result", call_id=self.call_id, **params)
        except dialtone.DialtoneError as problem:  # most often: it came too late
            _log.info("words of turn %d were not taken, call_id=%s: %s", words.turn, self.call_id, problem)

    async def _speak(self) -> None:
        """One wish after the other, so that the farewell comes before the hang-up."""
        while True:
            wish = await self._mouth.get()
            try:
                if isinstance(wish, HangUp):
                    await self.desk.phone.call(
                        "call.hangup", timeout_s=HANG_UP_TIMEOUT_S, call_id=self.call_id, after_speech=True
                    )
                else:
                    await self._say(wish)
            except dialtone.DialtoneError as problem:
                _log.warning("the core did not take our words, call_id=%s: %s", self.call_id, problem)

    async def _say(self, wish: Say) -> None:
        how: dict[str, Any] = {"interruptible": not wish.farewell}
        text: str = wish.text
        if isinstance(wish.text, Phrase):
            text, language = self.desk.texts.text(wish.text, self.config.language)
            if self.config.language is not None and not self.config.language.lower().startswith(language[:2].lower()):
                how["language"] = language
        for piece in pieces(text):
            if self.dialogue.mood is not Mood.AWAY:
                await self.desk.phone.call("call.speak", call_id=self.call_id, text=piece, **how)


def pieces(text: str) -> list[str]:
    """A text in parts that the core takes, cut at a space where there is one."""
    found = []
    while len(text) > PIECE_CHARS:
        cut = text.rfind(" ", 1, PIECE_CHARS) if " " in text[1:PIECE_CHARS] else PIECE_CHARS
        found.append(text[:cut])
        text = text[cut:].lstrip()
    return [*found, text] if text else found


def _unix_s() -> int:
    return int(datetime.now(UTC).timestamp())
