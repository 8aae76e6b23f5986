"""A telephone line with an echo of ours on it, made of synthetic speech: for the benchmark and the tests of echo.

The echo is what a network gives back of our voice: delayed, weaker, with the sound of a small room (30 ms), and, where
wanted, spoken through GSM full rate twice, as a mobile phone's would be; no filter can take all of that off.
"""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from core import espeak
from core.audio import LINE_FORMAT

Samples = npt.NDArray[np.float64]

RATE_HZ = LINE_FORMAT.rate_hz
OURS_DBFS, CALLER_DBFS, NOISE_DBFS = -20.0, -22.0, -60.0
"""RMS of speech: what our engines give, what a network delivers of a normal talker, and a quiet line."""
OURS = (
    "We are open from nine in the morning until five in the afternoon on Monday, Tuesday, Wednesday and Thursday.",
    "On Saturday we are here from ten until two, but never on Sundays or on public holidays.",
    "If you would like to leave a message, please speak after the tone. Otherwise stay on the line.",
    "Your table for four is booked for tomorrow at half past seven. Is there anything else that I can do for you?",
    "I am sorry, I did not understand. Could you please say that again, a little slower?",
)
CALLERS = (
    "excuse me please",
    "I would like to leave a message",
    "no, that is wrong",
    "can you repeat that",
    "yes please, that is right",
    "stop, I want to speak to somebody",
)


@dataclass(frozen=True, slots=True)
class EchoLine:
    """s16le samples of equal length. ours: sent. heard: what comes back. caller: of it what the caller says; alone:
    with the noise of the line."""

    ours: npt.NDArray[np.int16]
    heard: npt.NDArray[np.int16]
    caller: npt.NDArray[np.int16]
    alone: npt.NDArray[np.int16]


def line(
    seconds: int,
    echo_db: float | None,
    delay_ms: int,
    *,
    codec: bool = False,
    caller: bool = False,
    slip_samples: int = 0,
    seed: int = 1,
) -> EchoLine:
    """We speak all the time, with pauses. echo_db: against what we send; None: no echo. caller: speaks into each
    sentence of ours. slip_samples: the echo comes so much later from the middle on."""
    chance = np.random.default_rng(seed)
    ours, starts = _ours(seconds, chance)
    count = len(ours)
    echo = np.zeros(count)
    if echo_db is not None:
        back = np.convolve(_through_codec(ours) if codec else ours, _room(chance))[:count] * 10 ** (echo_db / 20)
        echo = _later(back, delay_ms * RATE_HZ // 1000)
        echo[count // 2 :] = _later(echo, slip_samples)[count // 2 :]
    said = np.zeros(count)
    for number, start in enumerate(starts if caller else []):
        words = speech(CALLERS[number % len(CALLERS)], ("en-us+m3", "en-gb-x-rp+f5")[number % 2], CALLER_DBFS)
        at = start + int((0.6 + 1.2 * chance.random()) * RATE_HZ)
        said[at : at + len(words)] += words[: max(0, count - at)]
    heard = echo + said
    if codec:
        heard = _through_codec(heard)
    noise = chance.normal(0, 10 ** (NOISE_DBFS / 20), count)
    return EchoLine(_pcm(ours), _pcm(heard + noise), _pcm(said), _pcm(said + noise))


def frames(samples: npt.NDArray[np.int16]) -> list[bytes]:
    """Whole frames of 20 ms."""
    size = LINE_FORMAT.frame_samples
    return [samples[at : at + size].tobytes() for at in range(0, len(samples) - size + 1, size)]


@cache
def speech(text: str, voice: str, dbfs: float) -> Samples:
    """Spoken, in the telephone band, at that level, without silence around it."""
    made = espeak.synthesize(text, voice=voice, speed_wpm=165, pitch=50)
    wide = np.frombuffer(made.pcm, "<i2").astype(np.float32) / 32768
    samples = np.asarray(soxr.resample(wide, made.rate_hz, RATE_HZ), np.float64)
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(hertz < 250) | (hertz > 3400)] = 0
    samples = np.fft.irfft(spectrum, len(samples))
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    return np.asarray(samples * 10 ** (dbfs / 20) / np.sqrt(np.mean(samples**2)))


def _ours(seconds: int, chance: np.random.Generator) -> tuple[Samples, list[int]]:
    ours = np.zeros(seconds * RATE_HZ)
    starts: list[int] = []
    at = RATE_HZ // 2
    while True:
        words = speech(OURS[len(starts) % len(OURS)], ("en-gb", "en-us+f3")[len(starts) % 2], OURS_DBFS)
        if at + len(words) + RATE_HZ > len(ours):
            return np.round(ours * 32768) / 32768, starts
        ours[at : at + len(words)] = words
        starts.append(at)
        at += len(words) + int((0.4 + 0.8 * chance.random()) * RATE_HZ)


def _room(chance: np.random.Generator) -> Samples:
    """Of power 1 in the telephone band."""
    taps = chance.normal(0, 1, 240) * np.exp(-np.arange(240) / 40)
    taps[3] += 3
    return np.asarray(taps / np.sqrt(np.mean(np.abs(np.fft.rfft(taps, 1024)[32:436]) ** 2)))


def _through_codec(samples: Samples) -> Samples:
    """GSM 06.10 full rate, there and back."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE_HZ, format="WAV", subtype="GSM610")
    file.seek(0)
    decoded, _ = soundfile.read(file)
    return np.resize(np.pad(decoded, (0, max(0, len(samples) - len(decoded)))), len(samples))


def _later(samples: Samples, by: int) -> Samples:
    return np.concatenate([np.zeros(by), samples[: len(samples) - by]]) if by else samples


def _pcm(samples: Samples) -> npt.NDArray[np.int16]:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
