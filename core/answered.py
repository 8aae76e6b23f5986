"""Who took an outgoing call, heard beside its conversation and told as call.answered_by."""

import asyncio
from typing import Protocol

from core.call import Call
from core.call_book import CallBook
from core.config import CallConfig
from core.errors import PublicError
from core.events import CallAnsweredBy
from core.line import CallState
from core.log import Log
from core.media.answered_by import AnswerConfig, AnsweredByDetector, Verdict
from core.media.level import dbfs
from core.talk import Talk
from core.taps import CallFrame

log = Log("answered")

VERDICTS_WAITING = 16
"""A call has a handful of verdicts in all; more waiting means that the disk hangs, and the newest are dropped."""
LOOK_S = 1.0
"""Between two looks whether the call is still up."""
WE_SPEAK_DBFS = -60.0
"""Comfort noise of ours lies below, words far above."""


class Words(Protocol):
    """What a recogniser made of the turn so far."""

    @property
    def text(self) -> str | None: ...
    @property
    def language(self) -> str: ...


class AnswerTap:
    """Hears every frame of one call until nothing more can come of it."""

    def __init__(self, call: Call, detector: AnsweredByDetector) -> None:
        self._call, self._detector = call, detector
        self._seen: object = None
        self.verdicts: asyncio.Queue[Verdict | None] = asyncio.Queue(VERDICTS_WAITING)

    def frame(self, frame: CallFrame) -> None:
        if self._detector.over:
            self._put(None)
            return
        if self._call.state is not CallState.ACTIVE:
            return  # on hold nobody is heard
        we_speak = dbfs(frame.uplink) > WE_SPEAK_DBFS
        self._put_if(self._detector.step(frame.downlink, speech=frame.speech, we_speak=we_speak))
        conversation = self._call.conversation
        words: Words | None = conversation.hearing.words.latest if conversation is not None else None
        if words is not None and words is not self._seen:
            self._seen = words
            if words.text:
                self._put_if(self._detector.words(words.text, words.language))

    def _put_if(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self._put(verdict)

    def _put(self, verdict: Verdict | None) -> None:
        if not self.verdicts.full():
            self.verdicts.put_nowait(verdict)


async def detect_answer(call: Call, book: CallBook, talk: Talk, config: CallConfig) -> None:
    """From the answer of an outgoing call until it is clear, or the call is over."""
    try:
        conversation = await talk.ready(call)
    except PublicError:
        return  # call.audio_failed or call.ended says so
    within_ms = round(config.detect_within_s * 1000)
    tap = AnswerTap(call, AnsweredByDetector(conversation.format.rate_hz, AnswerConfig(within_ms=within_ms)))
    conversation.taps.add(tap)
    try:
        while call.live:
            try:
                async with asyncio.timeout(LOOK_S):
                    verdict = await tap.verdicts.get()
            except TimeoutError:
                continue
            if verdict is None:
                return
            await _tell(call, book, verdict)
    finally:
        conversation.taps.remove(tap)


async def _tell(call: Call, book: CallBook, verdict: Verdict) -> None:
    event = CallAnsweredBy(
        line=call.line,
        call_id=call.call_id,
        answered_by=verdict.answered_by,
        confidence=verdict.confidence,
        beep=verdict.beep,
        after_ms=verdict.after_ms,
    )
    await book.tell(call, event)
    log.info("answered", call_id=call.call_id, by=verdict.answered_by, beep=verdict.beep, after_ms=verdict.after_ms)
