"""What callers of the old API had said in calls: counts for its status, and how much of it still waits."""

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dialtone
from dialtone.event import Event

CALLS_KEPT = 100
"""The oldest goes first; the old server kept every call for ever."""
EARLY_KEPT = 1000
"""Ends of utterances that were told before the core's answer to the request was read, and those of other clients."""
TOPICS = ("call.speaking", "call.spoken", "call.ended")

_log = logging.getLogger("dialtone.http")


@dataclass(slots=True)
class Said:
    """One call. start_time: Unix time of its first command. last_tts_s: how long the last speech took to make."""

    start_time: float
    responses: int = 0
    total_chars: int = 0
    last_tts_s: float | None = None
    waiting: set[int] = field(default_factory=set)


class Spoken:
    """All calls that the old API spoke in."""

    def __init__(self) -> None:
        self.language: str | None = None
        self._calls: OrderedDict[str, Said] = OrderedDict()
        self._over: OrderedDict[tuple[str, int], None] = OrderedDict()

    @property
    def queue_size(self) -> int:
        """Texts that were accepted and have not been heard to their end."""
        return sum(len(said.waiting) for said in self._calls.values())

    def stats(self) -> dict[str, dict[str, float]]:
        """As the old status had them."""
        found: dict[str, dict[str, float]] = {}
        for call_id, said in self._calls.items():
            found[call_id] = {
                "start_time": said.start_time, "responses": said.responses, "total_chars": said.total_chars,
            }  # fmt: skip
            if said.last_tts_s is not None:
                found[call_id]["last_tts_time"] = said.last_tts_s
        return found

    def command(self, call_id: str, chars: int) -> None:
        """A command for this call was carried out."""
        said = self._calls.setdefault(call_id, Said(datetime.now(UTC).timestamp()))
        said.responses += 1
        said.total_chars += chars
        while len(self._calls) > CALLS_KEPT:
            self._calls.popitem(last=False)

    def accepted(self, call_id: str, utterance: int) -> None:
        """The core took a text; its end may have been told already."""
        if (call_id, utterance) not in self._over and (said := self._calls.get(call_id)) is not None:
            said.waiting.add(utterance)

    def note(self, event: Event) -> None:
        """call.speaking, call.spoken, call.ended."""
        call_id, utterance = event.call_id, event.params.get("utterance")
        said = self._calls.get(call_id or "")
        if event.name == "call.ended" and said is not None:
            said.waiting.clear()
        if call_id is None or not isinstance(utterance, int):
            return
        if event.name == "call.spoken":
            self._over[call_id, utterance] = None
            if len(self._over) > EARLY_KEPT:
                self._over.popitem(last=False)
            if said is not None:
                said.waiting.discard(utterance)
        elif event.name == "call.speaking" and said is not None and isinstance(event.params.get("made_ms"), int):
            said.last_tts_s = event.params["made_ms"] / 1000


async def follow(path: str | None, spoken: Spoken) -> None:
    """Keeps `spoken` true until cancelled; the core may come and go."""
    try:
        async with dialtone.connect(path, name="http-spoken", topics=TOPICS, scopes=["observe"], wait_s=None) as phone:
            async for event in phone.events():
                spoken.note(event)
    except dialtone.DialtoneError as problem:
        _log.warning("speech is no longer counted: %s", problem)
