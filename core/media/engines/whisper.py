"""STT by whisper.cpp (pywhispercpp): any words in about a hundred languages, with a ggml model of the user's.

Models: ggml-base.bin and larger of whisper.cpp. What makes it safe on a phone line: it isn't asked about silence, and
what it says about near-silence is not believed, because it then invents ("Thank you for watching").
"""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soxr

from core.audio import SAMPLE_BYTES
from core.media import mfcc
from core.media.engines import Heard, Recogniser
from core.media.mfcc import Floats

if TYPE_CHECKING:
    pass

RATE_HZ = 16000
SPEECH_MIN_S = 0.12
QUIETEST_DBFS = -55.0
"""Where the loudest tenth of a second is under this, nobody spoke: a guess, far below any speech that was tried."""
LEAST_PROBABILITY = 0.25
"""The mean over a segment's tokens. A cautious guess: with real models on real lines it is not measured."""
SEPARATE = "Install the extra: pip install 'dialtone-core[whisper]'."

_NOT_SPEECH = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫]")
"""What it writes for sounds: [BLANK_AUDIO], (music), *coughs*."""


class WhisperEngine:
    kind: Literal["stt"] = "stt"
    name = "whisper"
    needs_phrases = False

    def available(self, model: str | None) -> str | None:
        if importlib.util.find_spec("pywhispercpp") is None:
            return f"pywhispercpp is not installed. {SEPARATE}"
        if model is None:
            return "Set [stt] model to a ggml model of whisper.cpp, such as ggml-base.bin."
        if not Path(model).is_file():
            return "The file named by [stt] model does not exist."
        return None

    def knows(self, language: str) -> bool:
        return True  # one that it lacks it guesses; asking it would load the library into core

    def open(self, model: str | None, threads: int, threshold: float | None) -> Recogniser:
        if (reason := self.available(model)) is not None or model is None:
            raise FileNotFoundError(reason)
        return WhisperRecogniser(model, threads)


class WhisperRecogniser:
    """A model in memory."""

    def __init__(self, model: str, threads: int) -> None:
        from pywhispercpp.model import Model

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
        segments = self._model.transcribe(
            speech,
            abort_callback=stopped,
            extract_probability=True,
            language=_language(language),
        )
        kept = [segment for segment in segments if not segment.probability < LEAST_PROBABILITY]
        text = " ".join(_NOT_SPEECH.sub(" ", " ".join(segment.text for segment in kept)).split())
        if not text or stopped():
            return Heard(None, None, language)
        probabilities = [segment.probability for segment in kept if segment.probability == segment.probability]
        confidence = round(float(np.mean(probabilities)), 3) if probabilities else None
        return Heard(text, confidence, language)


def speech_of(samples: Floats, rate_hz: int) -> Floats | None:
    """The part with speech, 0.2 s around it, at 16 kHz; None for silence, hum, or a click."""
    narrow = samples if rate_hz == mfcc.RATE_HZ else soxr.resample(samples, rate_hz, mfcc.RATE_HZ)
    power = mfcc.spectra(narrow)
    found = mfcc.speech_range(power)
    if (
        found is None
        or (found[1] - found[0]) * mfcc.HOP_MS < SPEECH_MIN_S * 1000
        or _loudest_dbfs(narrow) < QUIETEST_DBFS
    ):
        return None
    hop = mfcc.HOP_SAMPLES * rate_hz // mfcc.RATE_HZ
    around = rate_hz // 5
    cut = samples[max(0, found[0] * hop - around) : found[1] * hop + around]
    wide: Floats = cut if rate_hz == RATE_HZ else soxr.resample(cut, rate_hz, RATE_HZ)
    return wide


def _loudest_dbfs(samples: Floats) -> float:
    """Of 0.1 s."""
    block = mfcc.RATE_HZ // 10
    whole = samples[: max(1, len(samples) // block) * block]
    if len(whole) < block:
        return float("-inf")
    power = (whole.reshape(-1, block) ** 2).mean(axis=1).max()
    return float(10 * np.log10(power + 1e-12))


def _language(language: str) -> str:
    """whisper knows bare tags; "auto" lets it guess."""
    from pywhispercpp.model import Model

    tag = language.lower().replace("_", "-").partition("-")[0]
    return tag if tag in Model.available_languages() else "auto"


ENGINE = WhisperEngine()
