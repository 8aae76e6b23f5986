"""STT without a model: which of the declared phrases was it, or none of them.

The phrases are synthesised by eight espeak-ng voices and compared with what the caller said. It knows nothing but
these phrases, in every language that espeak-ng speaks. How good it is, and where it fails: docs/speech.md.

The decision. For each phrase the distance of its nearest template; from it most of what the same sounds would cost in
any order is taken away (`dtw.nearest` over all templates and the numbers of the language), because a strange voice or a
bad line is far from everything. That must be under a threshold, and clearly better than the second phrase's.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr

from core import espeak
from core.audio import SAMPLE_BYTES
from core.media import dtw, mfcc
from core.media.dtw import Templates
from core.media.engines import Heard, Recogniser
from core.media.engines.espeak import ENGINE as ESPEAK
from core.media.mfcc import Floats

THRESHOLD = 1.98
"""Accepted is what scores less. One in eight other sentences does, of callers who aren't templates (docs/speech.md)."""
MARGIN_MIN = 0.06
"""Nearer than this to the second phrase it could be either: without it half as many more answers are wrong."""
WORDINGS_SEPARATOR = "|"
TEMPLATE_VOICES = 8
WORDINGS_KEPT = 800
SETS_KEPT = 8
SHORTEST_FRAMES = 6
"""0.12 s: less is a click or a cough."""

_SOUND_WEIGHT = 0.9
_MARGIN_WEIGHT, _MARGIN_MAX = 0.25, 1.0
_WARPS = (0.92, 1.0, 1.08)
"""Throats between a large man's and a child's, as seen from the templates."""
_NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "11",
    "12",
    "13",
    "20",
    "30",
    "40",
    "50",
    "100",
    "1000",
)
"""Each language reads these in its own sounds: the sounds that few declared phrases don't cover."""
_ENGLISH = ("en-us", "en-gb", "en-us+f2", "en-us+f3", "en-us+f4", "en-us+m5", "en-029", "en-gb-scotland")
_VARIANTS = ("", "+f2", "+f3", "+f4", "+m5", "+m7", "+f5", "+m3")
_LINE_NOISE = 0.003
_LEVEL = 0.1
_QUIET_S = 0.2


@dataclass(frozen=True, slots=True)
class PhraseSet:
    """What may be said. pool: every frame of the templates and of the language's numbers."""

    texts: tuple[str, ...]
    templates: Templates
    pool: Floats


class PhrasesEngine:
    kind: Literal["stt"] = "stt"
    name = "phrases"
    needs_phrases = True
    window_s: float | None = None

    def available(self, model: str | None) -> str | None:
        return ESPEAK.available()

    def knows(self, language: str, model: str | None) -> bool:
        return ESPEAK.voice_for(language) is not None

    def open(self, model: str | None, threads: int, threshold: float | None) -> Recogniser:
        return PhraseRecogniser(THRESHOLD if threshold is None else threshold)


class PhraseRecogniser:
    """threshold: the largest score that is accepted; see the module."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._wordings: OrderedDict[tuple[str, str], list[Floats]] = OrderedDict()
        self._sets: OrderedDict[tuple[str, tuple[str, ...]], PhraseSet | None] = OrderedDict()
        self._numbers: dict[str, Floats] = {}

    def prepare(self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool]) -> None:
        self.phrase_set(phrases, language, stopped)

    def transcribe(
        self, pcm: bytes, rate_hz: int, language: str, phrases: tuple[str, ...], stopped: Callable[[], bool]
    ) -> Heard:
        """The declared phrase's first wording, or None. The confidence is 0.5 at the threshold and 1 far from it; it
        is no probability."""
        expected = self.phrase_set(phrases, language, stopped)
        if expected is None or stopped():
            return Heard(None, None, language)
        scores = self.scores(pcm, rate_hz, expected)
        if scores is None:
            return Heard(None, None, language)
        order = np.argsort(scores)
        margin = float(scores[order[1]] - scores[order[0]]) if len(order) > 1 else _MARGIN_MAX
        score = float(scores[order[0]]) - _MARGIN_WEIGHT * min(margin, _MARGIN_MAX)
        if score > self._threshold or margin < MARGIN_MIN:
            return Heard(None, None, language)
        confidence = round(min(1.0, 0.5 + (self._threshold - score) / 2), 3)
        return Heard(expected.texts[int(order[0])], confidence, language)

    def scores(self, pcm: bytes, rate_hz: int, expected: PhraseSet) -> Floats | None:
        """One per phrase, smaller is nearer; None without speech, or with more of it than any phrase is long."""
        power = mfcc.spectra(_samples(pcm, rate_hz))
        found = mfcc.speech_range(power)
        if found is None or not SHORTEST_FRAMES <= found[1] - found[0] <= 2 * expected.templates.longest + 25:
            return None
        best = np.full(len(expected.texts), np.inf, np.float32)
        for warp in _WARPS:
            query = mfcc.features(power, *found, warp)
            scores = dtw.match(query, expected.templates) - _SOUND_WEIGHT * dtw.nearest(query, expected.pool)
            np.minimum.at(best, expected.templates.owner, scores)
        return best

    def phrase_set(
        self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool] = lambda: False
    ) -> PhraseSet | None:
        """None where there is nothing to say in the phrases, or when it was stopped; templates made so far are kept."""
        key = (language, phrases)
        if key not in self._sets:
            made = self._build(phrases, language, stopped)
            if stopped():
                return None
            self._sets[key] = made
            while len(self._sets) > SETS_KEPT:
                self._sets.popitem(last=False)
        self._sets.move_to_end(key)
        return self._sets[key]

    def _build(self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool]) -> PhraseSet | None:
        texts: list[str] = []
        features: list[Floats] = []
        owner: list[int] = []
        for phrase in phrases:
            wordings = wordings_of(phrase)
            made = [found for wording in wordings if not stopped() for found in self._templates(wording, language)]
            if made:
                owner += [len(texts)] * len(made)
                features += made
                texts.append(wordings[0])
        if not features or stopped():
            return None
        pool = np.concatenate([*features, self._pool(language)])
        return PhraseSet(tuple(texts), Templates.pack(features, owner), pool)

    def _templates(self, wording: str, language: str) -> list[Floats]:
        key = (language, wording)
        if key not in self._wordings:
            self._wordings[key] = list(_synthesise(wording, template_voices(language)))
            while len(self._wordings) > WORDINGS_KEPT:
                self._wordings.popitem(last=False)
        self._wordings.move_to_end(key)
        return self._wordings[key]

    def _pool(self, language: str) -> Floats:
        if language not in self._numbers:
            voices = template_voices(language)
            made = [found for text in _NUMBERS for found in _synthesise(text, voices)]
            self._numbers[language] = np.concatenate(made)
        return self._numbers[language]


def wordings_of(phrase: str) -> list[str]:
    """ "yes|yeah|yep" are three ways to say one phrase, and the first is what is reported."""
    return [wording.strip() for wording in phrase.split(WORDINGS_SEPARATOR) if wording.strip()]


def template_voices(language: str) -> tuple[str, ...]:
    """Eight voices of a language: its regions first, then variants. EspeakError for one that espeak-ng lacks."""
    primary = language.lower().replace("_", "-").partition("-")[0]
    if primary == "en":
        return _ENGLISH
    base = ESPEAK.voice_for(language)
    if base is None:
        raise espeak.EspeakError("espeak-ng doesn't speak that language")
    others = [voice.language for voice in espeak.voices() if voice.language.partition("-")[0] == base.partition("-")[0]]
    regions = dict.fromkeys([base, *others[:3]])
    variants = [base + variant for variant in _VARIANTS]
    return tuple(dict.fromkeys([*regions, *variants]))[:TEMPLATE_VOICES]


def _synthesise(wording: str, voices: tuple[str, ...]) -> Iterator[Floats]:
    """The features of each voice saying it over a good line; nothing for a text without a sound."""
    noise = np.random.default_rng(1)  # the same every time: a phrase doesn't change from one start to the next
    for voice in voices:
        speech = espeak.synthesize(wording, voice=voice)
        samples = _samples(speech.pcm, speech.rate_hz)
        if (loudness := float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0) < 1e-4:
            continue
        quiet = int(_QUIET_S * mfcc.RATE_HZ)
        line = np.pad(samples * (_LEVEL / loudness), (quiet, quiet))
        power = mfcc.spectra((line + noise.normal(size=len(line)) * _LINE_NOISE).astype(np.float32))
        if (found := mfcc.speech_range(power)) is not None:
            yield mfcc.features(power, *found)


def _samples(pcm: bytes, rate_hz: int) -> Floats:
    """-1..1 at 8 kHz."""
    samples: Floats = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2").astype(
        np.float32
    ) / np.float32(32768)
    if rate_hz != mfcc.RATE_HZ:
        samples = soxr.resample(samples, rate_hz, mfcc.RATE_HZ)
    return samples


ENGINE = PhrasesEngine()
