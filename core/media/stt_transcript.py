"""What became of an utterance: words, whose they are, and what went wrong on the way."""

from dataclasses import dataclass, replace

from core.media.engines import Stretch


@dataclass(frozen=True, slots=True)
class Transcript:
    """text None: not understood, and understood says so. confidence 0..1 is the engine's own and only compares with
    itself (docs/speech.md). took_ms: from the request to the answer. audio_ms: of the audio. problem: "engine: why" of
    the engine that should have answered and did not; `engine` is then the one that took its place."""

    text: str | None
    understood: bool
    confidence: float | None
    language: str
    engine: str
    took_ms: int
    audio_ms: int = 0
    problem: str | None = None
    stretches: tuple[Stretch, ...] = ()


def join(found: list[Transcript], audio_ms: int) -> Transcript:
    """Words one after the other; the confidence is the mean of theirs, weighed by their length."""
    if len(found) == 1:
        return replace(found[0], audio_ms=audio_ms)
    heard = [words for words in found if words.text]
    sure = [(words.confidence, len(words.text or "")) for words in heard if words.confidence is not None]
    letters = sum(length for _, length in sure)
    return replace(
        (heard or found)[-1],
        text=" ".join(words.text or "" for words in heard) or None,
        understood=bool(heard),
        confidence=round(sum(value * length for value, length in sure) / letters, 3) if letters else None,
        took_ms=sum(words.took_ms for words in found),
        audio_ms=audio_ms,
        problem=next((words.problem for words in found if words.problem is not None), None),
        stretches=(),
    )
