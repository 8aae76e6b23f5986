"""The detectors that the benchmark of turns compares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bench.callers import RATE_HZ
from core.config import MediaConfig
from core.media.level import dbfs
from core.media.vad import Vad
from core.media.vad_engines import VadEngines

BASELINE_DBFS = -40.0
BASELINE = "energy"
ENGINES: tuple[Literal["webrtc", "silero", "ten"], ...] = ("webrtc", "silero", "ten")


class Energy:
    """The plain baseline: a frame is speech when it is louder than -40 dBFS."""

    def is_speech(self, frame: bytes) -> bool:
        return dbfs(frame) > BASELINE_DBFS


@dataclass(frozen=True, slots=True)
class Ear:
    name: str
    open: Callable[[], Vad]


def available() -> Iterable[Ear]:
    """The baseline, WebRTC's, and those whose models are there."""
    yield Ear(BASELINE, Energy)
    for name in ENGINES:
        engines = VadEngines(MediaConfig(vad=name))
        engines.load_now()
        if engines.engine == name:
            yield Ear(name, lambda engines=engines: engines.open(RATE_HZ))  # type: ignore[misc]
