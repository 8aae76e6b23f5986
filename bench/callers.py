"""Synthetic callers for the speech benchmark: voices that are no templates, over a telephone line with noise.

Neither these phrases nor these other sentences were used when the engine's thresholds were chosen.
"""

import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from core import espeak

RATE_HZ = 8000
FLITE_VOICES = ("awb", "kal16", "rms", "slt")
ESPEAK_VOICES = ("en-us+m3", "en-gb+f4", "en-029+m7", "en-gb-x-gbclan+f1")

PHRASES = (
    "that is right",
    "that is wrong",
    "good night",
    "book a table for two",
    "when do you close",
    "where is the nearest station",
    "start the washing machine",
    "stop the washing machine",
    "put me through to support",
    "the first option",
    "feed the fish",
    "tell me a joke",
    "raise the blinds",
    "what day is it",
    "check my balance",
    "call my mother",
    "there has been an accident",
    "everything is fine",
    "never mind",
    "louder please",
)
OTHERS = (
    "giraffes have long necks",
    "we had dinner at the harbour",
    "tomato salad",
    "did you hear that noise",
    "nineteen hundred and eighty four",
    "chocolate",
    "as far as I remember",
    "my sister lives in canada",
    "the tickets are sold out",
    "Margaret",
    "the code is three seven nine two",
    "somebody has taken my bicycle",
    "it will snow tomorrow",
    "I doubt it",
    "how strange",
    "forty five minutes",
    "the paper is in the drawer",
    "salt and pepper",
    "don't be late",
    "they bought an old farm",
    "just a moment",
    "christmas tree",
    "he drives much too fast",
    "in the middle of nowhere",
    "behind the curtain",
    "last summer by the sea",
    "certainly not",
    "whose turn is it",
    "turn left at the church",
    "a cup of tea",
)

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Caller:
    synthesiser: str
    voice: str

    @property
    def name(self) -> str:
        return f"{self.synthesiser} {self.voice}"

    def synthesize(self, text: str) -> Samples:
        """The bare voice at 8 kHz, full scale 1 or 32768 as its synthesiser gives it."""
        return _flite(text, self.voice) if self.synthesiser == "flite" else _espeak(text, self.voice)

    def say(self, text: str, random: np.random.Generator) -> bytes:
        """One turn as the core cuts it out, 8 kHz: 300-3400 Hz, 25 dB over the noise, silence before and after."""
        speech = self.synthesize(text)
        spectrum = np.fft.rfft(speech)
        hz = np.fft.rfftfreq(len(speech), 1 / RATE_HZ)
        spectrum[(hz < 300) | (hz > 3400)] = 0
        band = np.fft.irfft(spectrum, len(speech))
        level = random.uniform(800, 4000)
        band *= level / np.sqrt(np.mean(band**2))
        line = np.pad(band, (int(random.uniform(0.15, 0.4) * RATE_HZ), int(random.uniform(0.4, 0.8) * RATE_HZ)))
        line += random.normal(size=len(line)) * level * 10 ** (-25 / 20)
        return np.clip(line, -32768, 32767).astype("<i2").tobytes()


def callers() -> list[Caller]:
    """espeak-ng voices that aren't templates; flite's, another synthesiser altogether, where it is installed."""
    flite = FLITE_VOICES if shutil.which("flite") else ()
    return [Caller("flite", voice) for voice in flite] + [Caller("espeak", voice) for voice in ESPEAK_VOICES]


def _espeak(text: str, voice: str) -> Samples:
    speech = espeak.synthesize(text, voice=voice, speed_wpm=155)
    resampled: Samples = soxr.resample(np.frombuffer(speech.pcm, "<i2").astype(np.float64), speech.rate_hz, RATE_HZ)
    return resampled


def _flite(text: str, voice: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", path], check=True, capture_output=True, timeout=30)
        samples, rate_hz = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float64")
    resampled: Samples = soxr.resample(samples, rate_hz, RATE_HZ)
    return resampled
