"""Callers on a telephone line for the speech tests: voices that are no templates of the phrase engine."""

from functools import cache

import numpy as np
import soxr

from core import espeak

RATE_HZ = 8000
PHRASES = (
    "yes",
    "no",
    "what time is it",
    "what is the weather today",
    "leave a message",
    "call me back",
    "turn on the light",
    "turn off the light",
    "status report",
    "speak to a human",
    "thank you",
    "goodbye",
    "repeat that please",
    "help",
    "cancel",
    "open the door",
    "close the door",
    "how are you",
    "read my messages",
    "what is the temperature",
)
OTHERS = (
    "banana",
    "the quick brown fox jumps over the lazy dog",
    "could you tell me a story",
    "my cat is hungry",
    "two tickets to london",
    "purple elephants",
    "I want to buy a car",
    "it was raining all night",
    "send it by post",
    "sugar and milk",
)


@cache
def call(
    text: str,
    voice: str = "en-gb+m7",
    *,
    speed_wpm: int = 165,
    before_s: float = 0.3,
    after_s: float = 0.7,
    noise_db: float = -25.0,
    rate_hz: int = RATE_HZ,
) -> bytes:
    """One turn as the core cuts it out: 300-3400 Hz, noise (dB below the speech), silence before and after."""
    speech = espeak.synthesize(text, voice=voice, speed_wpm=speed_wpm)
    samples = soxr.resample(np.frombuffer(speech.pcm, "<i2").astype(np.float64), speech.rate_hz, rate_hz)
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    samples = np.fft.irfft(spectrum, len(samples))
    samples *= 2500 / np.sqrt(np.mean(samples**2))
    line = np.pad(samples, (int(before_s * rate_hz), int(after_s * rate_hz)))
    line += np.random.default_rng(7).normal(size=len(line)) * 2500 * 10 ** (noise_db / 20)
    return np.clip(line, -32768, 32767).astype("<i2").tobytes()


def silence(seconds: float, level: float = 20.0) -> bytes:
    """Line noise alone."""
    noise = np.random.default_rng(8).normal(size=int(seconds * RATE_HZ)) * level
    return noise.astype("<i2").tobytes()
