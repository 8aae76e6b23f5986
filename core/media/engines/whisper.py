"""STT by whisper.cpp (pywhispercpp): any words in about a hundred languages, with a ggml model of the user's.

Models: ggml-base.bin and larger of whisper.cpp. What makes it safe on a phone line: it isn't asked about silence, and
what it says about near-silence is not believed, because it then invents ("Thank you for watching").
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soxr

from core.audio import SAMPLE_BYTES
from core.media import mfcc
from core.media.engines import Heard, Recogniser, Stretch
from core.media.mfcc import Floats
from core.media.stt_guards import Evidence, believed, is_phantom
from core.media.stt_models import read_model

if TYPE_CHECKING:
    from pywhispercpp.model import Segment

RATE_HZ = 16000
WINDOW_S = 28.0
"""The encoder works on 30 s, however little of it is speech: up to here a whole turn costs what its last word does."""
SPEECH_MIN_S = 0.12
QUIETEST_DBFS = -55.0
"""Where the loudest tenth of a second is under this, nobody spoke: a guess, far below any speech that was tried."""
LEAST_PROBABILITY = 0.25
"""The mean over a segment's tokens. A cautious guess: with real models on real lines it is not measured."""
TOKENS_FREE, TOKENS_PER_S, TOKENS_MAX = 24, 15, 220
"""The most that it may write about a stretch: a loop ends there, not when 30 s are full of it."""
SEPARATE = "Install the extra: pip install 'dialtone-core[whisper]'."
LANGUAGES = frozenset(
    [
        "en",
        "zh",
        "de",
        "es",
        "ru",
        "ko",
        "fr",
        "ja",
        "pt",
        "tr",
        "pl",
        "ca",
        "nl",
        "ar",
        "sv",
        "it",
        "id",
        "hi",
        "fi",
        "vi",
        "he",
        "uk",
        "el",
        "ms",
        "cs",
        "ro",
        "da",
        "hu",
        "ta",
        "no",
        "th",
        "ur",
        "hr",
        "bg",
        "lt",
        "la",
        "mi",
        "ml",
        "cy",
        "sk",
        "te",
        "fa",
        "lv",
        "bn",
        "sr",
        "az",
        "sl",
        "kn",
        "et",
        "mk",
        "br",
        "eu",
        "is",
        "hy",
        "ne",
        "mn",
        "bs",
        "kk",
        "sq",
        "sw",
        "gl",
        "mr",
        "pa",
        "si",
        "km",
        "sn",
        "yo",
        "so",
        "af",
        "oc",
        "ka",
        "be",
        "tg",
        "sd",
        "gu",
        "am",
        "yi",
        "lo",
        "uz",
        "fo",
        "ht",
        "ps",
        "tk",
        "nn",
        "mt",
        "sa",
        "lb",
        "my",
        "bo",
        "tl",
        "mg",
        "as",
        "tt",
        "haw",
        "ln",
        "ha",
        "ba",
        "jw",
        "su",
        "yue",
    ]
)
"""whisper_lang_str of whisper.cpp 1.8: asking it would load the library into core. A test compares them."""
_OTHER_NAMES = {"nb": "no", "iw": "he", "in": "id", "fil": "tl", "jv": "jw", "cmn": "zh"}
"""BCP 47 tags that whisper knows under another name."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The part of an utterance with speech in it, 16 kHz. start_ms: where it began. speech_s: without its margins."""

    samples: Floats
    start_ms: int
    speech_s: float
    loudest_dbfs: float


class WhisperEngine:
    kind: Literal["stt"] = "stt"
    name = "whisper"
    needs_phrases = False
    window_s: float | None = WINDOW_S

    def available(self, model: str | None) -> str | None:
        if importlib.util.find_spec("pywhispercpp") is None:
            return f"pywhispercpp is not installed. {SEPARATE}"
        if model is None:
            return (
                "There is no whisper model that fits this machine: put a ggml model of whisper.cpp, such as "
                "ggml-base.bin, into the models folder (dialtone models get), or name one as [stt] model."
            )
        if not Path(model).is_file():
            return "The file named by [stt] model does not exist."
        if read_model(Path(model)) is None:
            return "The whisper model is no whole ggml file: get it again (dialtone models get), or name another one."
        return None

    def knows(self, language: str, model: str | None) -> bool:
        found = read_model(Path(model)) if model is not None else None
        if found is not None and not found.multilingual:
            return whisper_tag(language) in ("en", "auto")
        return whisper_tag(language) is not None

    def open(self, model: str | None, threads: int, threshold: float | None) -> Recogniser:
        if (reason := self.available(model)) is not None or model is None:
            raise FileNotFoundError(reason)
        return WhisperRecogniser(model, threads)


class WhisperRecogniser:
    """A model in memory."""

    def __init__(self, model: str, threads: int) -> None:
        from pywhispercpp.model import Model

        header = read_model(Path(model))
        self._multilingual = header is None or header.multilingual
        self._model: Model = Model(
            model,
            n_threads=threads,
            print_progress=False,
            print_timestamps=False,
            print_realtime=False,
            no_context=True,
            suppress_blank=True,
            suppress_nst=True,
            no_speech_thold=0.6,
            # Where it is unsure it begins again, warmer and with five attempts side by side, up to five times over: far
            # more than a caller waits. Two attempts twice.
            temperature_inc=0.4,
            greedy={"best_of": 2},
        )
        # The first run brings the weights into memory. With a file that is no whole model pywhispercpp (1.5.1) goes on
        # as if nothing were wrong and this ends the process, which the host takes for a model that can't be loaded.
        self._model.transcribe(np.zeros(RATE_HZ, np.float32))

    def prepare(self, phrases: tuple[str, ...], language: str, stopped: Callable[[], bool]) -> None:
        """It needs no phrases; loading was all."""

    def transcribe(
        self, pcm: bytes, rate_hz: int, language: str, phrases: tuple[str, ...], stopped: Callable[[], bool]
    ) -> Heard:
        """Phrases are left out: as a prompt they come back as inventions. The confidence is the mean probability."""
        samples: Floats = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2").astype(np.float32)
        samples /= np.float32(32768)
        speech = speech_of(samples, rate_hz)
        if speech is None or stopped():
            return Heard(None, None, language)
        seconds = len(speech.samples) / RATE_HZ
        segments = self._model.transcribe(
            speech.samples,
            abort_callback=stopped,
            extract_probability=True,
            language=(whisper_tag(language) or "auto") if self._multilingual else "en",
            max_tokens=min(TOKENS_MAX, TOKENS_FREE + int(TOKENS_PER_S * min(seconds, 30.0))),
        )
        if stopped():
            return Heard(None, None, language)
        return self._heard(segments, speech, language)

    def _heard(self, segments: "list[Segment]", speech: Speech, language: str) -> Heard:
        """Of all that it wrote, what can be believed."""
        sure = [segment for segment in segments if not segment.probability < LEAST_PROBABILITY]
        kept = [segment for segment in sure if not is_phantom(segment.text, _evidence(speech, segment.probability))]
        probabilities = [segment.probability for segment in kept if not math.isnan(segment.probability)]
        probability = float(np.mean(probabilities)) if probabilities else None
        text = believed(" ".join(segment.text for segment in kept), _evidence(speech, probability))
        if text is None:
            return Heard(None, None, language)
        confidence = round(probability, 3) if probability is not None else None
        return Heard(text, confidence, self._language(language), tuple(_stretches(kept, speech)))

    def _language(self, asked: str) -> str:
        """What was asked for, or what it found."""
        if not self._multilingual:
            return "en"
        if whisper_tag(asked) not in (None, "auto"):
            return asked
        import _pywhispercpp  # type: ignore[import-not-found]

        found: str = _pywhispercpp.whisper_lang_str(_pywhispercpp.whisper_full_lang_id(self._model._ctx))  # type: ignore[attr-defined]
        return found


def whisper_tag(language: str) -> str | None:
    """whisper's name of a BCP 47 tag, "auto" for itself; None for a language that it doesn't have."""
    tag = language.lower().replace("_", "-").partition("-")[0]
    tag = _OTHER_NAMES.get(tag, tag)
    return tag if tag in LANGUAGES or tag == "auto" else None


def speech_of(samples: Floats, rate_hz: int) -> Speech | None:
    """The part with speech, 0.2 s around it, at 16 kHz; None for silence, hum, or a click."""
    narrow = samples if rate_hz == mfcc.RATE_HZ else soxr.resample(samples, rate_hz, mfcc.RATE_HZ)
    found = mfcc.speech_range(mfcc.spectra(narrow))
    loudest_dbfs = _loudest_dbfs(narrow)
    if found is None or (found[1] - found[0]) * mfcc.HOP_MS < SPEECH_MIN_S * 1000 or loudest_dbfs < QUIETEST_DBFS:
        return None
    hop = mfcc.HOP_SAMPLES * rate_hz // mfcc.RATE_HZ
    around = rate_hz // 5
    start = max(0, found[0] * hop - around)
    cut = samples[start : found[1] * hop + around]
    wide: Floats = cut if rate_hz == RATE_HZ else soxr.resample(cut, rate_hz, RATE_HZ)
    return Speech(wide, start * 1000 // rate_hz, (found[1] - found[0]) * mfcc.HOP_MS / 1000, loudest_dbfs)


def _evidence(speech: Speech, probability: float | None) -> Evidence:
    known = probability is not None and not math.isnan(probability)
    return Evidence(speech.speech_s, speech.loudest_dbfs, probability if known else None)


def _stretches(segments: "list[Segment]", speech: Speech) -> "list[Stretch]":
    """Its times count hundredths of a second and may lie beyond the audio."""
    last_ms = speech.start_ms + len(speech.samples) * 1000 // RATE_HZ
    found = []
    for segment in segments:
        text = believed(segment.text, _evidence(speech, None))
        if text is not None:
            start_ms = min(last_ms, speech.start_ms + max(0, segment.t0 * 10))
            end_ms = max(start_ms, min(last_ms, speech.start_ms + segment.t1 * 10))
            unsure = math.isnan(segment.probability)
            found.append(Stretch(text, start_ms, end_ms, None if unsure else round(segment.probability, 3)))
    return found


def _loudest_dbfs(samples: Floats) -> float:
    """Of 0.1 s."""
    block = mfcc.RATE_HZ // 10
    whole = samples[: max(1, len(samples) // block) * block]
    if len(whole) < block:
        return float("-inf")
    power = (whole.reshape(-1, block) ** 2).mean(axis=1).max()
    return float(10 * np.log10(power + 1e-12))


ENGINE = WhisperEngine()
