"""What happens in the demo: a call that the VPS holds, a message, an outage with its own call, and the way back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dialtone
from clients.demo.scenario import CALLER, LINE_NOISE_DBFS, QUIET_MS, SNR_DB, VOICE
from clients.demo.stage import DemoFailed
from clients.demo.timeline import Timeline
from dialtone import Event
from tests.vps import Turn, Vps

WELCOME = "Hello, this is the garage. What can I do for you?"
TURNS = (
    Turn(transcription="I would like an appointment", response="With pleasure. Which day suits you?"),
    Turn(transcription="tomorrow at ten", response="Tomorrow at ten. Shall I note that down?"),
    Turn(transcription="yes please, goodbye", response="It is noted. Thank you, and goodbye.", go_on=False),
)
SAID = ("i would like an appointment", "tomorrow at ten o'clock", "yes please and goodbye")
ASKED_LOCALLY, KEY_OF_ANSWER = "what are your opening hours", "hours"
MESSAGES = ("Is my car ready?", "I will be late.")
SECOND_CALLER = "+447700900456"
RING_S = 1.5
STEP_S = 20.0
BACK_S = 60.0
"""A VPS that has come back is tried first, then trusted, then given what waits."""
OUTAGE = "refuse"


@dataclass(slots=True)
class Outcome:
    """calls: the first and the second. problem: why it did not come to its end."""

    calls: tuple[str, ...] = ()
    problem: str | None = None


def is_online(event: Event) -> bool:
    return event.name == "client.state" and (event.params["client"], event.params["state"]) == ("bridge", "online")


class Scenario:
    """say: tells a person what happens next."""

    def __init__(
        self, modem: dialtone.Link, timeline: Timeline, server: Vps, hours: str, say: Callable[[str], None]
    ) -> None:
        self._modem, self._timeline, self._server, self._hours, self._say = modem, timeline, server, hours, say
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Never raises for what goes wrong in the story: that stands in the outcome."""
        try:
            await self._with_vps()
            await self._message(MESSAGES[0])
            self._say("the VPS goes away; nobody tells the bridge")
            for one in self._server.endpoints:
                one.behave(OUTAGE)
            await self._without_vps()
            await self._ask("sms.deliver", **{"from": SECOND_CALLER, "text": MESSAGES[1]})
            await self._event("sms.received", lambda event: event.params.get("text") == MESSAGES[1])
            await self._back()
        except (DemoFailed, dialtone.DialtoneError, AssertionError) as problem:
            self.outcome.problem = str(problem).splitlines()[0]
        return self.outcome

    async def _with_vps(self) -> None:
        self._say("a call; the VPS is there")
        place = await self._ring(CALLER)
        place = await self._heard(WELCOME, place)
        for said, turn in zip(SAID, TURNS, strict=True):
            await self._say_to_us(said)
            place = await self._heard(turn.response, place)
        await self._event("call.ended", after=place)

    async def _message(self, text: str) -> None:
        self._say("a message; the VPS is told")
        await self._ask("sms.deliver", **{"from": CALLER, "text": text})
        await self._server.wait("sms", lambda request: request.body["message"] == text)

    async def _without_vps(self) -> None:
        """The same ring in which the outage is noticed goes to the local brain."""
        place = await self._ring(SECOND_CALLER)
        first = await self._event("call.speaking", after=place)
        place = await self._spoken(self._timeline.seen[first].event.params["utterance"], first)
        await self._say_to_us(ASKED_LOCALLY)
        place = await self._heard(self._hours, place)
        await self._ask("far.hangup")
        await self._event("call.ended", after=place)

    async def _back(self) -> None:
        self._say("the VPS is back")
        place = len(self._timeline.seen)
        for one in self._server.endpoints:
            one.behave("ok")
        await self._event("client.state", is_online, after=place, within_s=BACK_S)
        await self._server.wait(
            "sms", lambda request: request.accepted and request.body["message"] == MESSAGES[1], timeout_s=BACK_S
        )
        await self._server.wait(
            "phone", lambda request: request.accepted and self._is_hangup(request.body), timeout_s=BACK_S
        )

    def _is_hangup(self, body: dict[str, Any]) -> bool:
        return bool(body["event"] == "call_ended" and body["callId"] == self.outcome.calls[-1])

    async def _ring(self, number: str) -> int:
        place = len(self._timeline.seen)
        await self._ask("call.incoming", number=number, ring_s=RING_S)
        connected = await self._event("call.connected", after=place)
        await self._ask("far.noise", dbfs=LINE_NOISE_DBFS)
        self.outcome.calls += (str(self._timeline.seen[connected].event.call_id),)
        return connected

    async def _say_to_us(self, text: str) -> None:
        await self._ask("far.say", text=text, voice=VOICE, snr_db=SNR_DB, telephone=True)

    async def _heard(self, text: str, after: int) -> int:
        """Until we have said that to its end, and the caller has heard the quiet after it."""
        speaking = await self._event("call.speaking", lambda event: event.params.get("text") == text, after=after)
        return await self._spoken(self._timeline.seen[speaking].event.params["utterance"], speaking)

    async def _spoken(self, utterance: int, after: int) -> int:
        place = await self._event("call.spoken", lambda event: event.params["utterance"] == utterance, after=after)
        if any(one.event.name == "call.ended" for one in self._timeline.seen[place:]):
            return place
        try:
            await self._ask("far.wait_quiet", quiet_ms=QUIET_MS, timeout_s=STEP_S)
        except dialtone.RpcError:
            await asyncio.sleep(0)  # the call ended meanwhile
        return place

    async def _event(
        self,
        name: str,
        such: Callable[[Event], bool] = lambda event: True,
        *,
        after: int = 0,
        within_s: float = STEP_S,
    ) -> int:
        return await self._timeline.wait_for(name, within_s, after=after, such=such)

    async def _ask(self, method: str, **params: Any) -> Any:
        return await self._modem.request(method, params, timeout_s=30.0)
