"""Keys and tones: the limits of ITU-T Q.24 as measured, talk-off on generated speech, networks' tones recognised, and
what four calls cost."""

import itertools
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from bench.callers import ESPEAK_VOICES, FLITE_VOICES
from bench.figures import Figure
from core import espeak
from core.audio import LINE_FORMAT, PTIME_MS
from core.media.codecs import resample_pcm
from core.media.shaping import Shaper
from core.media.tones import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector, tone
from core.media.tones_bank import ToneBank
from core.media.tones_match import Found, Matcher, ToneListener, ced, cng, progress
from core.media.tones_table import CED_HZ, CNG_HZ, NETWORKS, SIT, Cadence, Tone, cadence, on_off

Samples = npt.NDArray[np.float64]

RATE_HZ = LINE_FORMAT.rate_hz
CORE_SHARE_PERCENT = 2.0
CALLS = 4
TALK_MINUTES, TALK_MINUTES_QUICK = 24.0, 3.0
TALK_GAINS_DB = (-12.0, 0.0, 9.0)

ROOT = Path(__file__).parent.parent


async def run(quick: bool) -> list[Figure]:
    """All figures; some 40 s, quick under 10 s."""
    speech = _speech(TALK_MINUTES_QUICK if quick else TALK_MINUTES)
    return [*_q24(), *_talk_off(speech), *_networks(), _cost(speech), *_shaping(speech)]


# --- keys ----------------------------------------------------------------------------------------------------------


def _q24() -> list[Figure]:
    def key(
        ms: float = 60, off: float = 0.0, level: float = -20.0, twist: float = 0.0, noise: float = -70.0
    ) -> Samples:
        return _keys(ms=ms, off=off, low_dbfs=level, high_dbfs=level + twist, noise_dbfs=noise)

    def highest(values: Iterable[float], sound: Callable[[float], Samples], share: float = 1.0) -> float:
        return max((value for value in values if _heard_share(sound(value)) >= share), default=math.nan)

    def lowest(values: Iterable[float], sound: Callable[[float], Samples], share: float = 1.0) -> float:
        return min((value for value in values if _heard_share(sound(value)) >= share), default=math.nan)

    ms, percent, db = np.arange(16, 60, 2.0), np.arange(0.1, 5, 0.1), np.arange(0, 15, 0.5)
    any_ms = min(value for value in ms if _heard_share(key(ms=value)) > 0)
    all_ms = lowest(ms, lambda value: key(ms=value))
    above = highest(percent, lambda value: key(off=value / 100))
    below = highest(percent, lambda value: key(off=-value / 100))
    all_percent = min(above, below)
    any_percent = highest(percent, lambda value: key(off=value / 100), 1e-9)
    return [
        _limit("frequency always accepted", all_percent, "%", ">= 1.5", all_percent >= 1.5),
        _limit("frequency never accepted above", any_percent, "%", "<= 3.5", any_percent <= 3.5),
        _limit("duration always accepted", all_ms, "ms", "<= 40", all_ms <= 40),
        _limit("duration never accepted below", any_ms, "ms", ">= 20", bool(any_ms >= 20)),
        _limit("high tone over low tone", highest(db, lambda v: key(twist=v)), "dB accepted", ">= 4", None),
        _limit("low tone over high tone", highest(db, lambda v: key(level=-14, twist=-v)), "dB accepted", ">= 8", None),
        _limit("quietest tone", lowest(np.arange(-50, -20, 1.0), lambda v: key(level=v)), "dBFS", "<= -29", None),
        _limit("noise below each tone", lowest(db, lambda v: key(noise=-20 - v)), "dB needed", "<= 15", None),
    ]  # fmt: skip


def _limit(name: str, value: float, unit: str, target: str, ok: bool | None) -> Figure:
    if ok is None:
        bound = float(target.split()[1])
        ok = value >= bound if target.startswith(">=") else value <= bound
    return Figure(name=f"keys: {name}", value=round(float(value), 2), unit=unit, target=target, ok=bool(ok))


def _keys(*, ms: float, off: float, low_dbfs: float, high_dbfs: float, noise_dbfs: float) -> Samples:
    """All sixteen keys, each beginning at another place within the detector's windows."""
    rng, parts = np.random.default_rng(7), []
    for row, column in itertools.product(range(4), range(4)):
        times = np.arange(round(RATE_HZ * ms / 1000)) / RATE_HZ
        low = 10 ** (low_dbfs / 20) * np.sin(2 * math.pi * LOW_HZ[row] * (1 + off) * times)
        high = 10 ** (high_dbfs / 20) * np.sin(2 * math.pi * HIGH_HZ[column] * (1 + off) * times)
        parts += [np.zeros(800 + rng.integers(0, 160)), math.sqrt(2) * (low + high)]
    samples = np.concatenate([*parts, np.zeros(800)])
    return samples + rng.normal(0, 10 ** (noise_dbfs / 20), len(samples))


def _heard_share(samples: Samples) -> float:
    wanted = "".join(KEYS[row][column] for row, column in itertools.product(range(4), range(4)))
    heard = _heard_keys(_pcm(samples))
    return sum(key in heard for key in wanted) / len(wanted)


def _heard_keys(pcm: bytes) -> list[str]:
    detector = DtmfDetector(RATE_HZ)
    return [key for frame in _frames(pcm) for key in detector.feed(frame)]


def _talk_off(speech: bytes) -> list[Figure]:
    """Keys and tones that are none, in speech at three levels and in noise."""
    minutes = len(speech) / 16000 / 60
    samples = np.frombuffer(speech, "<i2") / 32768
    keys = tones = 0
    for gain_db in TALK_GAINS_DB:
        pcm = _pcm(samples * 10 ** (gain_db / 20))
        keys += len(_heard_keys(pcm))
        tones += len(_heard_tones(pcm))
    noise = _pcm(np.random.default_rng(3).normal(0, 0.1, RATE_HZ * 120))
    detail: dict[str, float | int | str | bool | None] = {
        "minutes": round(minutes * len(TALK_GAINS_DB), 1),
        "different_minutes": round(minutes, 1),
    }
    return [
        Figure("keys: in speech that has none", keys, "keys", "0", keys == 0, detail),
        Figure("tones: in speech that has none", tones, "tones", "0", tones == 0, detail),
        Figure("keys: in 2 min of noise", len(_heard_keys(noise)), "keys", "0", not _heard_keys(noise)),
    ]


# --- tones -----------------------------------------------------------------------------------------------------------


def _networks() -> list[Figure]:
    """Each tone of each country at three levels, with noise 15 dB below it, told by its name first and in what time."""
    right, told, late_s = 0, 0, []
    kinds = (Tone.DIAL, Tone.RINGBACK, Tone.BUSY, Tone.CONGESTION)
    for country, what, level_db in itertools.product(NETWORKS, kinds, (-20.0, -8.0, 0.0)):
        once = tone(cadence(what, country), RATE_HZ)
        found = _heard_tones(_noisy(once * max(4, math.ceil(12 * 16000 / len(once))), level_db), country)
        same = NETWORKS[country].busy == NETWORKS[country].congestion
        names = [Tone.BUSY if same and each.tone is Tone.CONGESTION else each.tone for each in found]
        wanted = Tone.BUSY if (same or country == "es") and what is Tone.CONGESTION else what
        told += 1
        right += bool(names) and names[0] is wanted
        late_s += [each.duration_ms / 1000 for each in found[:1]]
    others: dict[str, tuple[Cadence, list[Matcher]]] = {
        "sit": (SIT, progress("eu")),
        "cng": (cadence(Tone.CNG, "eu"), [cng]),
        "ced": (on_off((CED_HZ,), 3000, 1000), [ced]),
    }
    heard = sum(
        [each.tone.value for each in _heard(_noisy(tone(what, RATE_HZ) * 3, -8.0), matchers)][:1] == [name]
        for name, (what, matchers) in others.items()
    )
    detail: dict[str, float | int | str | bool | None] = {
        "countries": len(NETWORKS),
        "slowest_s": round(max(late_s), 1),
        "mean_s": round(float(np.mean(late_s)), 1),
    }
    return [
        Figure("tones: of networks, named rightly", right, f"of {told}", f">= {told}", right >= told, detail),
        Figure("tones: SIT, calling fax, answering fax", heard, "of 3", ">= 3", heard == 3, {"cng_hz": CNG_HZ}),
    ]


def _noisy(pcm: bytes, level_db: float) -> bytes:
    samples = np.concatenate((np.zeros(4000), np.frombuffer(pcm, "<i2") / 32768 * 10 ** (level_db / 20)))
    noise = 10 ** ((-15.0 + level_db - 15.0) / 20)
    return _pcm(samples + np.random.default_rng(5).normal(0, noise, len(samples)))


def _heard_tones(pcm: bytes, country: str = "eu") -> list[Found]:
    return _heard(pcm, [*progress(country), cng, ced])


def _heard(pcm: bytes, matchers: list[Matcher]) -> list[Found]:
    bank, listener = ToneBank(RATE_HZ), ToneListener(matchers)
    return [found for frame in _frames(pcm) for found in listener.feed(bank.feed(frame))]


def _cost(speech: bytes) -> Figure:
    """CPU time of this thread for keys and tones in four calls: one talks, one listens to ringback, one is on hold with
    noise, one is silent."""
    seconds = min(60, len(speech) // 16000)
    ringing = tone(NETWORKS["us"].ringback, RATE_HZ) * 10
    noise = _pcm(np.random.default_rng(6).normal(0, 0.02, RATE_HZ * 60))
    calls = [part[: seconds * 16000] for part in (speech, ringing, noise, bytes(60 * 16000))]
    spent_s = 0.0
    per_call = {}
    for name, pcm in zip(("talking", "ringback", "noise", "silence"), calls, strict=True):
        detector, bank, listener = DtmfDetector(RATE_HZ), ToneBank(RATE_HZ), ToneListener([*progress("eu"), cng, ced])
        frames = _frames(pcm)
        started_s = time.thread_time()
        for frame in frames:
            detector.feed(frame)
            listener.feed(bank.feed(frame))
        took_s = time.thread_time() - started_s
        spent_s += took_s / len(frames)
        per_call[f"{name}_us"] = round(took_s / len(frames) * 1e6, 1)
    value = spent_s / (PTIME_MS / 1000) * 100
    return Figure(
        name=f"tones: keys and tones in {CALLS} calls",
        value=round(value, 2),
        unit="% of a core",
        target=f"<= {CORE_SHARE_PERCENT:g}",
        ok=value <= CORE_SHARE_PERCENT,
        detail=dict(per_call),
    )


# --- what is done to the sound ---------------------------------------------------------------------------------------


def _shaping(speech: bytes) -> list[Figure]:
    """Cost of gain, limiter and clarity for a frame, and what 20 dB too much leaves of a tone."""
    frames = _frames(speech)[:3000]
    shape = Shaper(RATE_HZ, 12.0, clarity=True, frames=True)
    started_s = time.thread_time()
    for frame in frames:
        shape.feed(frame)
    us = (time.thread_time() - started_s) / len(frames) * 1e6
    times = np.arange(RATE_HZ * 3) / RATE_HZ
    loud = Shaper(RATE_HZ, 20.0, frames=True)
    sine = _pcm(0.5 * np.sin(2 * np.pi * 1000 * times))
    out = np.frombuffer(b"".join(loud.feed(frame) for frame in _frames(sine)), "<i2")[RATE_HZ:].astype(np.float64)
    power = np.abs(np.fft.rfft(out)) ** 2
    hz = np.fft.rfftfreq(len(out), 1 / RATE_HZ)
    pure = (hz > 960) & (hz < 1040)
    left_db = 10 * math.log10(power[~pure].sum() / power[pure].sum())
    return [
        Figure("shaping: gain, limiter and clarity", round(us, 1), "us a frame", "<= 300", us <= 300),
        Figure("limiter: harmonics of a tone 20 dB too loud", round(left_db, 1), "dB", "<= -40", left_db <= -40),
    ]


# --- material --------------------------------------------------------------------------------------------------------


def _speech(minutes: float) -> bytes:
    """The project's own documents read aloud by eight voices, half of them flite's where that is installed."""
    words = " ".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    plain = "".join(each if each.isalnum() or each in " .,;?!" else " " for each in words.replace("\n", " ")).split()
    texts = (" ".join(plain[at : at + 60]) for at in itertools.count(0, 60) if at < len(plain))
    voices = [*ESPEAK_VOICES, *(FLITE_VOICES if shutil.which("flite") else ())]
    made = bytearray()
    with tempfile.TemporaryDirectory(prefix="dialtone-bench-") as folder:
        for text, voice in zip(texts, itertools.cycle(voices), strict=False):
            made += _espeak(text, voice) if voice in ESPEAK_VOICES else _flite(text, voice, Path(folder) / "said.wav")
            if len(made) >= minutes * 60 * 16000:
                break
    return bytes(made)


def _espeak(text: str, voice: str) -> bytes:
    said = espeak.synthesize(text, voice=voice)
    return resample_pcm(said.pcm, said.rate_hz, RATE_HZ)


def _flite(text: str, voice: str, path: Path) -> bytes:
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=120)
    samples, rate_hz = soundfile.read(path, dtype="int16")
    return resample_pcm(samples.tobytes(), rate_hz, RATE_HZ)


def _frames(pcm: bytes) -> list[bytes]:
    size = LINE_FORMAT.frame_bytes
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def _pcm(samples: Samples) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
