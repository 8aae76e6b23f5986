"""What the far end says, made ready for the line: synthesis, WAV files, telephone band, noise, DTMF tones.

Blocking and heavy (numpy and soxr are loaded here, on first use); run it in a thread, never on the pacing path.
"""

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import EngineMissing, InvalidParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SPEECH_DBFS = -20.0
"""RMS of the speech itself: what a telephone network delivers from a normal talker, give or take 3 dB."""
_ONSET = 0.02
"""Of the peak: the first and last sample above it are where speech starts and ends."""
_MARGIN_S = 0.05
"""Of line noise before and after an utterance, faded, so that noise doesn't begin with a click."""
_BAND_HZ = (300.0, 3400.0)
"""Of a telephone channel (ITU-T G.712)."""
_FILTER_TAPS = 255
_FLITE_LIMIT_S = 20.0
_DTMF_HZ = {key: (low, high) for low, row in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
            for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)}  # fmt: skip
_TONE_S, _GAP_S = 0.1, 0.1
"""ITU-T Q.24 asks for at least 40 ms each; people press about this long."""
_TONE_DBFS = -13.0
"""Each of the two sines."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """s16le mono at the line's rate; speech_start and speech_end in samples. marks: sample of each DTMF key."""

    pcm: bytes
    speech_start: int
    speech_end: int
    marks: tuple[int, ...] = ()


def synthesize(text: str, voice: str, speed_wpm: int, pitch: int) -> tuple["Samples", int]:
    """Samples in -1..1 and their rate. voice: one of espeak-ng's, or flite:NAME. Raises EngineMissing."""
    if voice.startswith("flite:"):
        return _flite(text, voice.removeprefix("flite:"))
    import numpy as np

    try:
        from core import espeak
    except ImportError as error:
        raise EngineMissing("espeak-ng is not available to this emulator; use far.play with a WAV file.") from error
    try:
        speech = espeak.synthesize(text, voice=voice, speed_wpm=speed_wpm, pitch=pitch)
    except espeak.EspeakError as error:
        raise InvalidParams("espeak-ng refused the voice, speed or pitch.", path="voice") from error
    return np.frombuffer(speech.pcm, dtype="<i2").astype(np.float32) / 32768.0, speech.rate_hz


def read_wav(path: Path) -> tuple["Samples", int]:
    """A 16-bit PCM WAV file, channels averaged. Raises InvalidParams when it is none."""
    import numpy as np

    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise InvalidParams("The WAV file must be 16-bit PCM.", path="wav")
            channels, rate_hz = file.getnchannels(), file.getframerate()
            data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768.0
    except (OSError, wave.Error, EOFError) as error:
        raise InvalidParams("The WAV file can't be read.", path="wav") from error
    return data[: len(data) // channels * channels].reshape(-1, channels).mean(axis=1), rate_hz


def prepare(
    samples: "Samples", rate_hz: int, *, line_rate_hz: int, snr_db: float | None, telephone: bool, seed: int
) -> Prepared:
    """Speech at SPEECH_DBFS, in the telephone band if asked, over noise snr_db below it."""
    import numpy as np
    import soxr

    if not len(samples):
        return Prepared(b"", 0, 0)
    voice = np.asarray(soxr.resample(samples, rate_hz, line_rate_hz), dtype=np.float32)
    if telephone:
        voice = _telephone_band(voice, line_rate_hz)
    loud = np.flatnonzero(np.abs(voice) > _ONSET * float(np.max(np.abs(voice), initial=1e-9)))
    first, last = (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(voice))
    voice = voice[first:last]
    level = float(np.sqrt(np.mean(voice**2))) or 1.0
    voice = voice * (10 ** (SPEECH_DBFS / 20) / level)
    margin = int(_MARGIN_S * line_rate_hz)
    whole = np.pad(voice, margin)
    if snr_db is not None:
        whole = whole + _noise(len(whole), line_rate_hz, SPEECH_DBFS - snr_db, seed, telephone=telephone)
    return Prepared(_to_pcm(whole), margin, margin + len(voice))


def dtmf(keys: str, line_rate_hz: int) -> Prepared:
    """The two-tone signals of the keys (ITU-T Q.23), 100 ms each with gaps of 100 ms."""
    import numpy as np

    tone_samples, gap_samples = int(_TONE_S * line_rate_hz), int(_GAP_S * line_rate_hz)
    at = np.arange(tone_samples) / line_rate_hz
    parts, marks = [np.zeros(gap_samples)], []
    for key in keys:
        low, high = _DTMF_HZ[key]
        tone = np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at)
        marks.append(sum(len(part) for part in parts))
        parts += [tone * 10 ** (_TONE_DBFS / 20) * np.sqrt(2), np.zeros(gap_samples)]
    whole = np.concatenate(parts).astype(np.float32)
    return Prepared(_to_pcm(whole), gap_samples, len(whole) - gap_samples, tuple(marks))


def dtmf_silence(keys: str, line_rate_hz: int) -> Prepared:
    """The same length and marks without a tone: keys that reach the host as +RXDTMF alone."""
    tones = dtmf(keys, line_rate_hz)
    return Prepared(bytes(len(tones.pcm)), tones.speech_start, tones.speech_end, tones.marks)


def is_dtmf(keys: str) -> bool:
    return bool(keys) and all(key in _DTMF_HZ for key in keys)


def _flite(text: str, name: str) -> tuple["Samples", int]:
    if name not in _run_flite("-lv").split(":")[-1].split():  # flite itself would take its default voice instead
        raise InvalidParams("flite has no such voice; `flite -lv` lists them.", path="voice")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "text"), Path(folder, "speech.wav")
        source.write_text(text, encoding="utf-8")
        _run_flite("-voice", name, "-f", str(source), "-o", str(out))
        return read_wav(out)


def _run_flite(*options: str) -> str:
    try:
        done = subprocess.run(["flite", *options], check=True, capture_output=True, text=True, timeout=_FLITE_LIMIT_S)
    except FileNotFoundError as error:
        raise EngineMissing("The flite program is not installed; use an espeak-ng voice.") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise EngineMissing("The flite program failed.") from error
    return done.stdout


def _telephone_band(samples: "Samples", rate_hz: int) -> "Samples":
    """A windowed-sinc band pass; linear phase, its delay taken off."""
    import numpy as np

    n = np.arange(_FILTER_TAPS) - (_FILTER_TAPS - 1) / 2
    low, high = (2 * edge / rate_hz for edge in _BAND_HZ)
    taps = (high * np.sinc(high * n) - low * np.sinc(low * n)) * np.hamming(_FILTER_TAPS)
    return np.convolve(samples, taps, mode="full")[: len(samples) + _FILTER_TAPS - 1].astype(np.float32)


def _noise(length: int, rate_hz: int, level_dbfs: float, seed: int, *, telephone: bool) -> "Samples":
    import numpy as np

    noise = np.random.default_rng(seed).standard_normal(length).astype(np.float32)
    if telephone:
        noise = _telephone_band(noise, rate_hz)[:length]
    noise *= 10 ** (level_dbfs / 20) / (float(np.sqrt(np.mean(noise**2))) or 1.0)
    fade = min(length // 2, int(_MARGIN_S * rate_hz))
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        noise[:fade] *= ramp
        noise[-fade:] *= ramp[::-1]
    return noise


def _to_pcm(samples: "Samples") -> bytes:
    import numpy as np

    return np.clip(np.rint(samples * 32767), -32768, 32767).astype("<i2").tobytes()
