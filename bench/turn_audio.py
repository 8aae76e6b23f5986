"""Callers' turns on a telephone line with the truth about them: where speech is, where it pauses, what was said so far.

Made here, the same at each run. Voices are espeak-ng's, and flite's where it is installed. Pauses inside turns last as
those of people do to agents: their lengths follow the curve that eot-bench (livekit) gives for silence alone over its
English turns: 55.6 % of the pauses from 200 ms on last longer than 300 ms, 21.7 % than 600, 10 % than 1000, 5 % than
1600.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.callers import RATE_HZ, Caller, Samples, callers
from core.media.g711 import compress, expand

FRAME = RATE_HZ // 50
LEAD_S, TAIL_S = 0.8, 4.0
PAUSE_MS = (200.0, 300.0, 600.0, 1000.0, 1600.0, 3000.0)
PAUSE_LONGER = (1.0, 0.556, 0.217, 0.10, 0.05, 0.0)

SENTENCES = (
    "I would like | to change my appointment | to the afternoon",
    "could you tell me | when you are open",
    "well | I was wondering | if somebody could call me back",
    "my name is Margaret | and I am calling | about the broken lift",
    "the heating | in the kitchen | does not work any more",
    "is there | a parking space near the station",
    "we are a group of students | and we would like to visit | the museum",
    "I lost my umbrella | in the blue line | this morning",
    "please tell the doctor | that I will be late",
    "it is about | the invoice from last month",
)
PHRASES = (
    "yes please",
    "no thank you",
    "opening hours",
    "talk to a person",
    "leave a message",
    "repeat that please",
    "cancel my appointment",
    "what does it cost",
)
"""What a client declares, and callers say in one go."""
NUMBERS = (
    ("en", "zero one five one | two three four five | six seven eight"),
    ("en", "it is four seven | double nine | eight two | one six"),
    ("en", "oh seven seven | zero zero nine | zero zero one two three"),
    ("en", "my customer number is twelve | thirty four | fifty six"),
    ("de", "null eins sieben | fünf fünf | acht drei zwei"),
    ("de", "meine Nummer ist einundzwanzig | vierunddreißig | achtzig"),
    ("fr", "zéro six | trente-deux | quatorze | quatre-vingts"),
    ("es", "seis uno dos | tres cuatro cinco | nueve ocho siete"),
    ("ro", "zero șapte doi | trei patru cinci | șase opt nouă"),
    ("lt", "aštuoni šeši | du trys keturi | penki šeši septyni"),
)
ESPEAK = {"fr": "fr-fr"}
"""Where the name of its voice is not the language."""

CONDITIONS = ("clean", "line noise", "babble", "music and hum")


@dataclass(frozen=True, slots=True)
class Pause:
    """One silence. begin_ms, end_ms: of its true place. said: the words before it. last: the turn is over."""

    begin_ms: int
    end_ms: int
    said: str
    language: str
    last: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """frames: 20 ms of s16le each. begin_ms: of the speech."""

    kind: str
    frames: list[bytes]
    begin_ms: int
    pauses: list[Pause]


def turns(count: int, condition: str, seed: int = 7) -> list[Turn]:
    """Sentences, expected phrases and numbers in turn, so many in all."""
    # Noise has a generator of its own: espeak-ng never speaks twice as long to the sample, and the plan must not move.
    plan, sound = (np.random.default_rng([seed, CONDITIONS.index(condition), part]) for part in (0, 1))
    made = []
    for place in range(count):
        kind = ("sentence", "phrase", "number")[place % 3]
        language, text = "en", SENTENCES[place // 3 % len(SENTENCES)]
        if kind == "phrase":
            text = PHRASES[place // 3 % len(PHRASES)]
        elif kind == "number":
            language, text = NUMBERS[place // 3 % len(NUMBERS)]
        made.append(_turn(kind, language, text, condition, plan, sound))
    return made


def _turn(
    kind: str, language: str, text: str, condition: str, random: np.random.Generator, sound: np.random.Generator
) -> Turn:
    voices = (
        callers()
        if language == "en"
        else [Caller("espeak", f"{ESPEAK.get(language, language)}+{v}") for v in ("m3", "f2", "m7")]
    )
    voice = voices[int(random.integers(len(voices)))]
    level = 10 ** (random.uniform(-30, -16) / 20)
    parts, line, at, said = text.split(" | "), [np.zeros(int(LEAD_S * RATE_HZ))], int(LEAD_S * RATE_HZ), ""
    pauses = []
    for place, part in enumerate(parts):
        speech = spoken(voice.synthesiser, voice.voice, part) * level
        said = f"{said} {part}".strip()
        last = place == len(parts) - 1
        pause = int(RATE_HZ * (TAIL_S if last else pause_ms(random) / 1000))
        line += [speech, np.zeros(pause)]
        at += len(speech)
        pauses.append(Pause(at * 1000 // RATE_HZ, (at + pause) * 1000 // RATE_HZ, said, language, last))
        at += pause
    whole = np.concatenate(line)
    return Turn(kind, frames(whole + noise(condition, len(whole), sound)), int(LEAD_S * 1000), pauses)


def pause_ms(random: np.random.Generator) -> float:
    """Evenly between the points of the curve, on a scale of logarithms."""
    longer = random.uniform()
    return float(np.exp(np.interp(-longer, [-share for share in PAUSE_LONGER], np.log(PAUSE_MS))))


@cache
def spoken(synthesiser: str, voice: str, text: str) -> Samples:
    """Band of a telephone, RMS 1 (0 dBFS), without the silence around it."""
    made = Caller(synthesiser, voice).synthesize(text)
    made = band(made)
    loud = np.flatnonzero(np.abs(made) > 0.02 * np.abs(made).max())
    made = made[loud[0] : loud[-1] + 1]
    return np.asarray(made / np.sqrt(np.mean(made**2)))


def noise(condition: str, count: int, random: np.random.Generator) -> Samples:
    """What a line of this kind carries beside the caller. RMS of full scale 1."""
    quiet = random.normal(size=count) * 10 ** (-66 / 20)
    match condition:
        case "line noise":
            return quiet + _scaled(band(random.normal(size=count)), -42)
        case "babble":
            return quiet + _scaled(_babble(count, random), -42)
        case "music and hum":
            return quiet + _scaled(_music(count, random), -42) + _scaled(_hum(count), -40)
        case _:
            return quiet


def frames(samples: Samples) -> list[bytes]:
    """Through the coder of a telephone exchange (G.711 A-law), in frames of 20 ms."""
    pcm = expand(compress(np.clip(samples * 32768, -32768, 32767).astype("<i2"), "alaw"), "alaw").tobytes()
    return [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm) - 2 * FRAME + 1, 2 * FRAME)]


def band(samples: Samples) -> Samples:
    """300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _scaled(samples: Samples, level_dbfs: float) -> Samples:
    return np.asarray(samples * (10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))))


def _babble(count: int, random: np.random.Generator) -> Samples:
    """Six people at other tables."""
    texts = [text.replace(" | ", " ") for text in SENTENCES]
    mixed = np.zeros(count)
    for voice in callers()[:6]:
        talk = np.concatenate([spoken(voice.synthesiser, voice.voice, texts[n]) for n in random.permutation(10)[:4]])
        repeated = np.resize(talk, count + len(talk))
        start = int(random.integers(len(talk)))
        mixed += repeated[start : start + count]
    return mixed


def _music(count: int, random: np.random.Generator) -> Samples:
    """Three voices of plucked strings, a chord each 0.4 s."""
    times = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    played = []
    for _ in range(count // len(times) + 1):
        root = 220 * 2 ** (int(random.integers(12)) / 12)
        chord = [root, root * 5 / 4, root * 3 / 2]
        tone = sum(np.sin(2 * np.pi * hz * k * times) / k**1.5 for hz in chord for k in range(1, 6))
        played.append(tone * np.exp(-3 * times))
    return band(np.concatenate(played)[:count])


def _hum(count: int) -> Samples:
    times = np.arange(count) / RATE_HZ
    return np.asarray(sum(np.sin(2 * np.pi * 50 * k * times) / k for k in (1, 2, 3, 5, 7)))
