"""What the phrase engine compares: mel cepstra of telephone speech, every 20 ms. Pure numpy.

Nine coefficients and the energy, with their slopes, each brought to mean 0 and deviation 1 over the utterance, which
takes out the line's frequency response, the level and much of the voice, and then weighted by how well it tells sounds
apart. Davis and Mermelstein, 1980, for the cepstrum; more than nine coefficients follow the pitch of the voice instead
of the sound and made the results worse here.
"""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RATE_HZ: Final = 8000
HOP_SAMPLES: Final = 160
HOP_MS: Final = 20
DIMENSIONS: Final = 20

_WINDOW_SAMPLES = 256
_FFT = 512
_FILTERS = 24
_COEFFICIENTS = 9
_BAND_HZ = (250.0, 3500.0)
_SPEECH_BAND_HZ = (300.0, 3400.0)
_PREEMPHASIS = 0.95
_SLOPE_FRAMES = 2
_SPREAD = np.array((0.40, 0.43, 0.52, 0.61, 0.62, 0.76, 0.72, 0.84, 0.83, 0.33), np.float32)
"""How much each column differs from voice to voice in the same sound, as a part of how much it differs at all: measured
on aligned sentences of eight espeak-ng voices. The slopes are within 0.03 of the same. Columns count by its inverse."""
_WEIGHTS = np.tile(1 / _SPREAD, 2) * np.sqrt(len(_SPREAD) / np.sum(_SPREAD**-2))
_FLOOR = 1e-6
_PAD_FRAMES = 2
_SPEECH_OVER_NOISE_DB = 8.0
"""Between the loudest and the quietest of an utterance: with less there is no speech in it."""


def spectra(samples: Floats) -> Floats:
    """Power spectra, one row every 20 ms; samples -1..1 at 8 kHz."""
    samples = np.append(samples[:1], samples[1:] - _PREEMPHASIS * samples[:-1]).astype(np.float32)
    if len(samples) < _WINDOW_SAMPLES:
        samples = np.pad(samples, (0, _WINDOW_SAMPLES - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES)[::HOP_SAMPLES]
    power: Floats = np.abs(np.fft.rfft(frames * np.hamming(_WINDOW_SAMPLES), _FFT)).astype(np.float32) ** 2
    return power


def speech_range(power: Floats) -> tuple[int, int] | None:
    """First and last-plus-one frame of the speech in `spectra`; None where nothing stands out of the noise.

    The noise is what the quietest tenth of the frames has, so a turn needs some silence: it brings 300 ms before and
    hundreds after. The threshold lies low between noise and speech, since an m or n at the end is weak.
    """
    low, high = (int(edge * _FFT / RATE_HZ) for edge in _SPEECH_BAND_HZ)
    level_db = 10 * np.log10(power[:, low:high].sum(axis=1) + 1e-9)
    floor_db, peak_db = np.percentile(level_db, 10), np.percentile(level_db, 97)
    if peak_db - floor_db < _SPEECH_OVER_NOISE_DB:
        return None
    threshold_db = max(floor_db + 5, floor_db + (peak_db - floor_db) * 0.2, peak_db - 40)
    active = level_db > threshold_db
    steady = np.flatnonzero(np.convolve(active, np.ones(3), "same") >= 2)  # one frame alone is a click
    if len(steady) == 0:
        return None
    return max(0, int(steady[0]) - _PAD_FRAMES), min(len(active), int(steady[-1]) + 1 + _PAD_FRAMES)


def features(power: Floats, start: int, end: int, warp: float = 1.0) -> Floats:
    """One row of DIMENSIONS per frame of power[start:end]. warp over 1: as if the speaker's throat were shorter."""
    log_mel = np.log(power[start:end] @ _filters(warp) + _FLOOR)
    columns = np.column_stack([log_mel @ _cosines(), log_mel.mean(axis=1)])
    columns = _standard(columns)
    found: Floats = (np.hstack([columns, _standard(_slopes(columns))]) * _WEIGHTS).astype(np.float32)
    return found


def _standard(columns: Floats) -> Floats:
    centred: Floats = columns - columns.mean(axis=0)
    scaled: Floats = centred / (centred.std(axis=0) + 1e-6)
    return scaled


def _slopes(columns: Floats) -> Floats:
    """Regression over two frames to either side."""
    width = _SLOPE_FRAMES
    padded = np.pad(columns, ((width, width), (0, 0)), "edge")
    count = len(columns)
    return sum(
        (k * (padded[width + k : width + k + count] - padded[width - k : width - k + count]) for k in (1, 2)),
        start=np.zeros_like(columns),
    )


@cache
def _filters(warp: float) -> Floats:
    """Triangles, equally spaced in mel, as a matrix from spectrum to filter outputs."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in _BAND_HZ)
    edges = 700 * (10 ** (np.linspace(low, high, _FILTERS + 2) / 2595) - 1) * warp
    hz = np.arange(_FFT // 2 + 1)[:, None] * RATE_HZ / _FFT
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    matrix: Floats = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return matrix


@cache
def _cosines() -> Floats:
    """DCT-II without its constant term."""
    order = np.arange(1, _COEFFICIENTS + 1)
    matrix: Floats = np.cos(np.pi * (np.arange(_FILTERS) + 0.5)[:, None] * order / _FILTERS).astype(np.float32)
    return matrix
