"""Turns whose words come from a client (stt.result): what was answered, what is still awaited, and what comes too late.

Pure. A result is of one chunk, or of the whole turn up to it; a turn's words are those of its chunks in order, and are
there once the turn is over and its last chunk was answered.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from core.errors import NotFound, NotNow

TURNS_KEPT = 16
"""A turn is told seconds after it ended, so older ones are all told."""


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """stt.result. whole: text is the whole turn's up to this chunk. final: nothing better will come for it."""

    turn: int
    chunk: int
    text: str
    final: bool = True
    whole: bool = False
    confidence: float | None = None
    language: str | None = None


@dataclass(slots=True)
class RemoteTurn:
    """chunks: numbers in order. over: the turn ended. told: its words are out."""

    chunks: list[int] = field(default_factory=list)
    audio_ms: int = 0
    over: bool = False
    told: bool = False
    _finals: "OrderedDict[int, RemoteResult]" = field(default_factory=OrderedDict)

    @property
    def complete(self) -> bool:
        """Whether nothing more is awaited. A result of the whole turn answers for the chunks before it."""
        return self.over and bool(self.chunks) and not self.missing

    @property
    def missing(self) -> list[int]:
        """Chunks without an answer."""
        covered = max((number for number, result in self._finals.items() if result.whole), default=0)
        return [number for number in self.chunks if number > covered and number not in self._finals]

    def answer(self, result: RemoteResult) -> None:
        """Takes a final result; a second one for the same chunk stands in place of the first."""
        self._finals[result.chunk] = result
        self._finals = OrderedDict(sorted(self._finals.items()))

    def text(self, also: RemoteResult | None = None) -> str:
        """All words so far; also: a result that is not final."""
        results = dict(self._finals) | ({also.chunk: also} if also is not None else {})
        covered = max((number for number, result in results.items() if result.whole), default=0)
        return " ".join(result.text.strip() for number, result in sorted(results.items()) if number >= covered).strip()

    def confidence(self) -> float | None:
        """The mean of those that were given."""
        given = [result.confidence for result in self._finals.values() if result.confidence is not None]
        return round(sum(given) / len(given), 3) if given else None

    def language(self) -> str | None:
        return next((result.language for result in reversed(self._finals.values()) if result.language), None)


class RemoteTurns:
    """The turns of one call."""

    def __init__(self) -> None:
        self._turns: OrderedDict[int, RemoteTurn] = OrderedDict()

    def chunk(self, turn: int, chunk: int, duration_ms: int) -> RemoteTurn:
        found = self.turn(turn)
        found.chunks.append(chunk)
        found.audio_ms += duration_ms
        return found

    def turn(self, number: int) -> RemoteTurn:
        """That turn, a new one where there is none."""
        if number not in self._turns:
            self._turns[number] = RemoteTurn()
            while len(self._turns) > TURNS_KEPT:
                self._turns.popitem(last=False)
        return self._turns[number]

    def expecting(self, result: RemoteResult, last_turn: int) -> RemoteTurn:
        """The turn that a result is for. NotFound for a turn or chunk that never was, NotNow for one that is told."""
        if not 1 <= result.turn <= last_turn:
            raise NotFound("There is no such turn in this call.")
        found = self._turns.get(result.turn)
        if found is None or found.told:
            raise NotNow("Too late: the words of this turn were told already, or the core hears this call itself.")
        if result.chunk not in found.chunks:
            raise NotFound("There is no such chunk in this turn.")
        return found
