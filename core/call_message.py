"""Taking a message from a caller: listens until it is over, by silence, hash key, length or hang-up; then its words."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from core.audio import PTIME_MS
from core.call import Call
from core.conversation import Conversation
from core.line import CallState
from core.media.tones import beep
from core.store import calls as rows
from core.store.store import Store
from core.taps import CallFrame
from core.voicemail_file import MessageFile

LOOK_S = 0.1
"""Between two looks whether a message is over or its caller gone."""
BEEP_S = 5.0
END_KEY = "#"
MAX_DIGITS = 32
LEAST_SPEECH_MS = 300
"""Less is a cough, or the click of a receiver."""
PREROLL_MS = 400
"""A turn that began so long before the tone was over belongs to the message: people don't wait for its end."""
LOST_S = 60.0
"""A call may be on hold, or its audio gone, for so long beyond the longest message; then it is over."""


class TakenEnd(StrEnum):
    """What ended a message."""

    SILENCE = "silence"
    KEY = "key"
    LENGTH = "length"
    HANGUP = "hangup"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Taken:
    """started_ms: of the line's time. digits: keys pressed but for the last hash. spoken_ms: frames of speech."""

    end: TakenEnd
    started_ms: int
    spoken_ms: int
    digits: str

    @property
    def spoken(self) -> bool:
        return self.spoken_ms >= LEAST_SPEECH_MS


class MessageTap:
    """Hears one message. silence_ms counts from the last speech or key. hears: whether the caller can speak now; on
    hold nothing is kept, and neither silence nor length count."""

    def __init__(
        self,
        *,
        max_ms: int,
        silence_ms: int,
        file: MessageFile | None,
        ptime_ms: int = PTIME_MS,
        hears: Callable[[], bool] = lambda: True,
    ) -> None:
        self._max_ms, self._silence_ms, self._file, self._ptime_ms = max_ms, silence_ms, file, ptime_ms
        self._hears = hears
        self._heard_ms = self._quiet_ms = self._spoken_ms = 0
        self._started_ms: int | None = None
        self._digits = ""
        self.end: TakenEnd | None = None

    def frame(self, frame: CallFrame) -> None:
        if self.end is not None or not self._hears():
            return
        if self._started_ms is None:
            self._started_ms = frame.at_ms - self._ptime_ms
        if self._file is not None:
            self._file.append(frame.downlink)
        self._heard_ms += self._ptime_ms
        self._quiet_ms = 0 if frame.speech else self._quiet_ms + self._ptime_ms
        self._spoken_ms += self._ptime_ms if frame.speech else 0
        if self._quiet_ms >= self._silence_ms:
            self.end = TakenEnd.SILENCE
        elif self._heard_ms >= self._max_ms:
            self.end = TakenEnd.LENGTH

    def key(self, digit: str) -> None:
        if digit == END_KEY:
            self.end = self.end or TakenEnd.KEY
        elif self.end is None and len(self._digits) < MAX_DIGITS:
            self._digits += digit
            self._quiet_ms = 0

    def taken(self) -> Taken:
        return Taken(self.end or TakenEnd.LOST, self._started_ms or 0, self._spoken_ms, self._digits)


async def take_message(
    call: Call, conversation: Conversation, *, max_s: float, silence_s: float, file: MessageFile | None = None
) -> Taken:
    """The tone, and what follows it. Returns when the message is over or the caller has gone."""
    tap = MessageTap(
        max_ms=round(max_s * 1000),
        silence_ms=round(silence_s * 1000),
        file=file,
        hears=lambda: call.state is CallState.ACTIVE,
    )
    before, call.on_key = call.on_key, tap.key
    try:
        tone = beep(conversation.format.rate_hz, duration_ms=300)
        await _said(call, conversation, tone)
        conversation.taps.add(tap)
        until_s = time.monotonic() + max_s + LOST_S
        while tap.end is None and time.monotonic() < until_s:
            if await call.ended_within(LOOK_S) or call.ended_s is not None:
                tap.end = tap.end or TakenEnd.HANGUP
    finally:
        call.on_key = before
        conversation.taps.remove(tap)
    return tap.taken()


async def _said(call: Call, conversation: Conversation, tone: bytes) -> None:
    if not conversation.has_audio:
        return  # the caller left, or is on hold
    said = conversation.speaking.play(tone, interruptible=False)
    until_s = time.monotonic() + BEEP_S
    while not said.done.is_set() and time.monotonic() < until_s:
        if await call.ended_within(0.02):
            return


async def words_since(store: Store, call_id: str, started_ms: int) -> tuple[str | None, bool]:
    """What the call's own recogniser made of everything since then, and whether that is all of it."""
    turns = await store.read(lambda conn: rows.turns(conn, call_id))
    mine = [turn for turn in turns if turn.role == "caller" and turn.at_ms >= started_ms - PREROLL_MS]
    texts = [turn.text for turn in mine if turn.text]
    return " ".join(texts) or None, bool(mine) and len(texts) == len(mine)
