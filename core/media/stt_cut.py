"""Where to cut long audio for a recogniser that takes half a minute at a time, or one utterance. Pure numpy.

Cuts lie in the quietest place near the end of what fits, so that words stay whole.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Levels = npt.NDArray[np.float64]
else:
    from core.lazy import np

HOP_MS = 20
LOOK_BACK = 0.4
"""The last part of what fits in which the cut may lie."""
_QUIET_FRAMES = 7
"""0.14 s: a place between words, not the stop inside a p or t."""
_MARGIN_FRAMES = 15
"""0.3 s kept on both sides of an utterance: a recogniser learns the line's noise there."""


def levels_db(pcm: bytes, rate_hz: int) -> "Levels":
    """Power of every 20 ms, s16le mono; a shorter rest is left out."""
    hop = rate_hz * HOP_MS // 1000
    samples = np.frombuffer(pcm, "<i2", count=len(pcm) // SAMPLE_BYTES // hop * hop).reshape(-1, hop)
    found = np.empty(len(samples))
    for start in range(0, len(samples), 3000):  # a minute at a time: ten minutes as floats would be 80 MB
        block = samples[start : start + 3000].astype(np.float64)
        found[start : start + 3000] = (block**2).mean(axis=1)
    levels: Levels = 10 * np.log10(found + 1.0)
    return levels


def windows(levels: "Levels", window_s: float) -> Iterator[tuple[int, int]]:
    """Frames from and to of pieces of at most window_s that are all of the audio together."""
    most, total, start = int(window_s * 1000 / HOP_MS), len(levels), 0
    while total - start > most:
        first = start + int(most * (1 - LOOK_BACK))
        near = np.convolve(levels[first : start + most], np.ones(_QUIET_FRAMES) / _QUIET_FRAMES, "same")
        inner = near[_QUIET_FRAMES // 2 : len(near) - _QUIET_FRAMES // 2]  # the edges are means of fewer frames
        cut = first + _QUIET_FRAMES // 2 + int(np.argmin(inner)) if len(inner) else start + most
        yield start, cut
        start = cut
    if total > start:
        yield start, total


def utterances(levels: "Levels", pause_ms: int) -> Iterator[tuple[int, int]]:
    """Frames from and to of stretches of sound with less than pause_ms of quiet in them, 0.3 s more on each side."""
    if len(levels) == 0:
        return
    floor, peak = np.percentile(levels, 10), np.percentile(levels, 97)
    loud = np.flatnonzero(levels > floor + max(6.0, 0.5 * (peak - floor)))  # weak sounds lie beside strong ones
    if len(loud) == 0:
        return
    gaps = np.flatnonzero(np.diff(loud) * HOP_MS > pause_ms)
    starts, ends = np.append(loud[0], loud[gaps + 1]), np.append(loud[gaps], loud[-1])
    for start, end in zip(starts, ends, strict=True):
        yield max(0, int(start) - _MARGIN_FRAMES), min(len(levels), int(end) + 1 + _MARGIN_FRAMES)


def slice_of(pcm: bytes, rate_hz: int, start: int, end: int) -> bytes:
    """The samples of frames start to end."""
    frame_bytes = rate_hz * HOP_MS // 1000 * SAMPLE_BYTES
    return pcm[start * frame_bytes : end * frame_bytes]
