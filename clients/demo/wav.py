"""Measuring the recording: speech on a channel, natural pauses, and gaps where frames were missing. Pure."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

QUIET = 24
"""Samples at or under this (-63 dB below full scale) are silence: what a resampler leaves behind speech."""
SPEECH_DBFS = -45.0
FRAME_MS = 20
GAP_MS = 100
"""Longer than this and a listener notices."""
NATURAL_START_MS = 25
"""How far a pause in the recording may lie from the same pause in the reference and be the same one."""
ROUNDING_MS = 5
"""Silence that begins so near to the end of the reference comes after it; lengths may differ by it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of silence, from the start of the piece that was looked at."""

    at_ms: int
    length_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """rate_hz, and one array of samples per channel: left the caller, right us."""

    rate_hz: int
    channels: tuple[Samples, ...]

    @property
    def duration_s(self) -> float:
        return len(self.channels[0]) / self.rate_hz


def read_wav(path: Path) -> Recording:
    """ValueError, in one line, for a file that is no 16 bit WAV."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path.name}: {file.getsampwidth() * 8} bits a sample, not 16")
            count, rate_hz = file.getnchannels(), file.getframerate()
            data = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    except (wave.Error, EOFError, OSError) as problem:
        raise ValueError(f"{path.name}: {problem}") from None
    whole = data[: len(data) // count * count].reshape(-1, count)
    return Recording(rate_hz, tuple(whole[:, at].astype(np.int16) for at in range(count)))


def speech_ms(samples: Samples, rate_hz: int) -> int:
    """How much of it is louder than SPEECH_DBFS, in frames of 20 ms."""
    size = rate_hz * FRAME_MS // 1000
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return 0
    level = np.sqrt(np.mean(frames**2, axis=1)) / 32768.0
    return int(np.count_nonzero(level > 10 ** (SPEECH_DBFS / 20))) * FRAME_MS


def trim(samples: Samples) -> tuple[int, Samples]:
    """Without the silence at both ends; and the number of samples cut from the front."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > QUIET)
    if not len(loud):
        return len(samples), samples[:0]
    return int(loud[0]), samples[loud[0] : loud[-1] + 1]


def silent_runs(samples: Samples, rate_hz: int, min_ms: int) -> list[Run]:
    """Runs of silence of at least min_ms."""
    quiet = np.abs(samples.astype(np.int32)) <= QUIET
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    found = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        length_ms = (end - start) * 1000 // rate_hz
        if length_ms >= min_ms:
            found.append(Run(start * 1000 // rate_hz, length_ms))
    return found


def find_gaps(recorded: Samples, reference: Samples, rate_hz: int, min_ms: int = GAP_MS) -> list[Run]:
    """Silence in an utterance that its synthesis does not have: runs, or excess of pauses, longer than min_ms.

    Both begin at their first loud sample. What follows the end of the reference is not looked at.
    """
    natural = silent_runs(reference, rate_hz, FRAME_MS)
    end_ms = len(reference) * 1000 // rate_hz
    shift_ms = 0
    gaps = []
    for run in silent_runs(recorded, rate_hz, FRAME_MS):
        at_ms = run.at_ms - shift_ms
        if at_ms >= end_ms - ROUNDING_MS:
            break
        # Missing frames only make a pause longer: a shorter run is another one.
        fits = (pause for pause in natural if abs(pause.at_ms - at_ms) <= NATURAL_START_MS)
        lengths = [pause.length_ms for pause in fits if pause.length_ms <= run.length_ms + ROUNDING_MS]
        excess_ms = max(0, run.length_ms - max(lengths, default=0))
        if excess_ms > min_ms:
            gaps.append(Run(run.at_ms, excess_ms))
        shift_ms += excess_ms
    return gaps
