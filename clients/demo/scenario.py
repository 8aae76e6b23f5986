"""The demo's call: what the caller says and when, and what must come of it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import dialtone
from clients.demo.stage import DemoFailed
from clients.demo.timeline import Timeline
from dialtone import Event

VOICE = "en-gb-x-rp+f5"
"""None of the voices that the recogniser makes its templates with."""
SNR_DB = 22
LINE_NOISE_DBFS = -55
"""All through the call, also where nobody speaks: an ordinary line, 30 dB below its speech."""
CALLER = "+447700900123"
"""From the range that Ofcom keeps for drama."""
RING_S = 1.5
QUIET_MS = 300
BARGE_AFTER_S = 1.2
ANSWER_S = 12.0
"""Rings and audio take 5 s, a recognised turn some 1.5 s."""
REPLY_S = 15.0


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of the caller. answer: key of phrases.json; any_words: a message, which nobody has to understand.

    barges_in: said into the reply before it. then_tone: the answer is followed by the tone.
    """

    text: str
    answer: str
    any_words: bool = False
    barges_in: bool = False
    then_tone: bool = False


SCRIPT = (
    Line("what are your opening hours", "hours"),
    Line("i would like to leave a message", "leave_message", then_tone=True),
    Line("this is peter green, my van has lost a wheel, please call me", "saved", any_words=True),
    Line("please repeat that", "saved"),
    Line("how much does it cost", "price", barges_in=True),
    Line("thank you goodbye", "goodbye"),
)


@dataclass(slots=True)
class Turn:
    """What came of one Line. Times are CLOCK_MONOTONIC; speech and reply are places in the timeline."""

    line: Line
    started_s: float
    ended_s: float
    speech: int | None = None
    reply: int | None = None


@dataclass(slots=True)
class Outcome:
    turns: list[Turn] = field(default_factory=list)
    call_id: str | None = None
    problem: str | None = None


class Conversation:
    """Drives the emulator's far end through SCRIPT, by what is heard on the line."""

    def __init__(self, modem: dialtone.Link, timeline: Timeline, texts: dict[str, str]) -> None:
        self._modem, self._timeline, self._texts = modem, timeline, texts
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Never raises for what goes wrong in the call: that stands in the outcome, for the checks to tell."""
        try:
            await self._call()
        except (DemoFailed, dialtone.DialtoneError) as problem:
            self.outcome.problem = str(problem)
        return self.outcome

    async def _call(self) -> None:
        await self._ask("call.incoming", number=CALLER, ring_s=RING_S)
        connected = await self._timeline.wait_for("call.connected", ANSWER_S)
        await self._ask("far.noise", dbfs=LINE_NOISE_DBFS)
        self.outcome.call_id = self._timeline.seen[connected].event.call_id
        reply = await self._timeline.wait_for("call.speaking", ANSWER_S, after=connected)
        for line in SCRIPT:
            if not line.barges_in:
                await self._heard_out(reply)
            turn = await self._say(line, reply)
            reply = await self._answered(turn)
        await self._heard_out(reply)
        await self._ask("far.hangup")
        await self._timeline.wait_for("call.ended", REPLY_S, after=reply)

    async def _say(self, line: Line, reply: int) -> Turn:
        if line.barges_in:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._timeline.seen[reply].at_s + BARGE_AFTER_S - loop.time()))
        said = await self._ask("far.say", text=line.text, voice=VOICE, snr_db=SNR_DB, telephone=True, wait=True)
        if said["started_s"] is None or said["ended_s"] is None:
            raise DemoFailed(f"the caller was cut off before {line.text!r} was said")
        turn = Turn(line, said["started_s"], said["ended_s"])
        self.outcome.turns.append(turn)
        return turn

    async def _answered(self, turn: Turn) -> int:
        """Waits for the words and for the reply to them; its place."""
        after = next(
            (place for place, one in enumerate(self._timeline.seen) if one.at_s >= turn.started_s),
            len(self._timeline.seen),
        )
        turn.speech = await self._timeline.wait_for("call.speech", REPLY_S, after=after)
        turn.reply = await self._timeline.wait_for("call.speaking", REPLY_S, after=turn.speech)
        if not turn.line.then_tone or not self._is_answer(turn):
            return turn.reply  # a wrong answer is for the checks to tell; the call goes on
        return await self._timeline.wait_for("call.speaking", REPLY_S, after=turn.reply + 1)

    def _is_answer(self, turn: Turn) -> bool:
        assert turn.reply is not None
        return bool(self._timeline.seen[turn.reply].event.params.get("text") == self._texts[turn.line.answer])

    async def _heard_out(self, reply: int) -> None:
        """The reply was played to its end, and the caller has heard the quiet after it."""
        utterance = self._timeline.seen[reply].event.params["utterance"]

        def is_it(event: Event) -> bool:
            return bool(event.params["utterance"] == utterance)

        await self._timeline.wait_for("call.spoken", REPLY_S, after=reply, such=is_it)
        await self._ask("far.wait_quiet", quiet_ms=QUIET_MS, timeout_s=REPLY_S)

    async def _ask(self, method: str, **params: Any) -> Any:
        return await self._modem.request(method, params, timeout_s=30.0)
