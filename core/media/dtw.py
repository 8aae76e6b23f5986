"""Dynamic time warping of one utterance against many templates at once. Pure numpy.

Each frame of the utterance is laid on a frame of the template: the same as before, the next, or the one after that. So
every path has as many steps as the utterance has frames and results are comparable without further ado, the speaker may
be up to twice as fast as the template, and one step of the loop serves every template.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.media.mfcc import Floats

STAY_COST = 0.8
"""For staying on a frame or leaving one out; the distance of two frames that mean the same sound is about 2."""
LOOSE_FRAMES = 6
LOOSE_COST = 0.5
"""How much of a template's beginning and end may be missing, and the cost of each frame after the first."""

_CHUNK = 256
_IMPOSSIBLE = np.float32(1e9)


@dataclass(frozen=True, slots=True)
class Templates:
    """Templates of one width, longest last, padded with zeros. owner: which phrase each stands for."""

    frames: Floats
    lengths: npt.NDArray[np.intp]
    owner: npt.NDArray[np.intp]

    @classmethod
    def pack(cls, features: list[Floats], owner: list[int]) -> "Templates":
        order = sorted(range(len(features)), key=lambda index: len(features[index]))
        lengths = np.array([len(features[index]) for index in order], dtype=np.intp)
        frames = np.zeros((len(order), int(lengths[-1]), features[0].shape[1]), np.float32)
        for place, index in enumerate(order):
            frames[place, : len(features[index])] = features[index]
        return cls(frames, lengths, np.array([owner[index] for index in order], dtype=np.intp))

    @property
    def longest(self) -> int:
        return int(self.lengths[-1])


def match(query: Floats, templates: Templates) -> Floats:
    """The mean distance per frame of `query` to each template along the best path."""
    costs = []
    for start in range(0, len(templates.lengths), _CHUNK):
        lengths = templates.lengths[start : start + _CHUNK]
        frames = templates.frames[start : start + _CHUNK, : int(lengths[-1])]
        costs.append(_match(_distances(query, frames), lengths))
    return np.concatenate(costs)


def nearest(query: Floats, pool: Floats) -> float:
    """The mean distance of each frame to the nearest frame of the pool, in any order: what sound alone explains."""
    squared = (query**2).sum(axis=1)[:, None] + (pool**2).sum(axis=1) - 2 * (query @ pool.T)
    return float(np.sqrt(np.maximum(squared.min(axis=1), 0)).mean())


def _distances(query: Floats, frames: Floats) -> Floats:
    products = np.tensordot(query, frames, axes=(1, 2))
    squared = (query**2).sum(axis=1)[:, None, None] + (frames**2).sum(axis=2) - 2 * products
    distances: Floats = np.sqrt(np.maximum(squared, 0))
    return distances


def _match(distances: Floats, lengths: npt.NDArray[np.intp]) -> Floats:
    """distances: query frame, template, template frame."""
    cost = np.full_like(distances[0], _IMPOSSIBLE)
    for missing in range(min(LOOSE_FRAMES + 1, cost.shape[1])):
        cost[:, missing] = distances[0, :, missing] + LOOSE_COST * max(0, missing - 1)
    for frame in range(1, len(distances)):
        best = cost + STAY_COST
        np.minimum(best[:, 1:], cost[:, :-1], out=best[:, 1:])
        np.minimum(best[:, 2:], cost[:, :-2] + STAY_COST, out=best[:, 2:])
        cost = best + distances[frame]
    rows = np.arange(len(lengths))
    ends = [
        cost[rows, np.maximum(lengths - 1 - missing, 0)] + LOOSE_COST * max(0, missing - 1)
        for missing in range(LOOSE_FRAMES + 1)
    ]
    found: Floats = (np.min(ends, axis=0) / len(distances)).astype(np.float32)
    return found
