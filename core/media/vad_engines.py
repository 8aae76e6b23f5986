"""The detector that [media] vad names, or WebRTC's while that one is not there, and why not."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import MediaConfig, models_dir
from core.log import Log
from core.media.vad import Detector, GatedVad, Vad, WebRtcDetector

if TYPE_CHECKING:
    from core.media.vad_onnx import OnnxModel

log = Log("vad")

WEBRTC = "webrtc"
FILES = {"silero": "silero_vad.onnx", "ten": "ten-vad.onnx"}
SHARE_MAX_MS = 1.0
"""Mean of a frame on the loop: 5 % of a core per call. A machine on which it takes more hears by WebRTC's."""
MEASURED_FRAMES = 250
"""5 s of line time for that mean."""


@dataclass(frozen=True, slots=True)
class VadFault:
    """Why the wanted detector is not used. problem: a VadProblem; text: what to do, for people."""

    problem: str
    text: str


class VadEngines:
    """One per core. Nothing is loaded unless [media] vad asks for it."""

    def __init__(self, media: MediaConfig) -> None:
        self._media = media
        self._model: OnnxModel | None = None
        self._lock = threading.Lock()
        self.wanted: str = media.vad
        self.fault: VadFault | None = None

    @property
    def engine(self) -> str:
        """What the next call is heard by."""
        return self.wanted if self._model is not None and self.fault is None else WEBRTC

    @property
    def model_path(self) -> Path | None:
        """Where the wanted detector's model is looked for."""
        if self.wanted == WEBRTC:
            return None
        return models_dir(self._media) / (self._media.vad_model or FILES[self.wanted])

    async def load(self) -> None:
        """Loads the model in a thread; calls until then are heard by WebRTC's detector. Never fails: see `fault`."""
        if self.wanted != WEBRTC:
            await asyncio.to_thread(self.load_now)

    def load_now(self) -> None:
        """The same here. Blocking."""
        from core.media.vad_onnx import VadRefused, load

        path = self.model_path
        if path is None:
            return
        with self._lock:
            try:
                self._model = load(self.wanted, path)
            except VadRefused as refused:
                self._give_up(VadFault(refused.problem, str(refused)))
                return
            except Exception as problem:  # whatever a model does, calls are heard
                self._give_up(VadFault("crashed", f"{path.name} could not be loaded: {type(problem).__name__}"))
                return
        log.info("the detector of speech is loaded", engine=self.wanted, model=path.name)

    def open(self, rate_hz: int) -> Vad:
        """One call's detector. ValueError for a rate that no detector works at."""
        spare = WebRtcDetector(rate_hz, self._media.vad_mode)
        if self.engine == WEBRTC or self._model is None:
            return GatedVad(spare, rate_hz)
        from core.media.vad_onnx import VadRefused, detector_for

        try:
            detector = detector_for(self._model, rate_hz, self._media.vad_threshold)
        except VadRefused as refused:
            log.warning("another detector of speech for this call", engine=WEBRTC, reason=str(refused))
            return GatedVad(spare, rate_hz)
        return GatedVad(Watched(detector, spare, self._give_up), rate_hz)

    def _give_up(self, fault: VadFault) -> None:
        """For good, until the next start."""
        if self.fault is None:
            self.fault = fault
            log.warning(
                "WebRTC's detector of speech stands in", wanted=self.wanted, problem=fault.problem, reason=fault.text
            )


class Watched:
    """A detector that may turn out too slow or broken; then the spare one goes on with the call."""

    def __init__(self, detector: Detector, spare: Detector, give_up: Callable[[VadFault], None]) -> None:
        self._detector, self._spare, self._give_up = detector, spare, give_up
        self._failed = False
        self._frames = self._spent_ns = 0

    def hears(self, frame: bytes) -> bool:
        spare = self._spare.hears(frame)  # it learns from every frame; 3 us
        if self._failed:
            return spare
        started_ns = time.thread_time_ns()
        try:
            heard = self._detector.hears(frame)
        except Exception as problem:  # a broken model must not end the call
            self._end(VadFault("crashed", f"it failed in a call: {type(problem).__name__}"))
            return spare
        self._spent_ns += time.thread_time_ns() - started_ns
        self._frames += 1
        if self._frames == MEASURED_FRAMES:
            self._check()
        return heard

    def _check(self) -> None:
        mean_ms = self._spent_ns / self._frames / 1e6
        self._frames = self._spent_ns = 0
        if mean_ms > SHARE_MAX_MS:
            self._end(VadFault("slow", f"it takes {mean_ms:.1f} ms of each frame of 20 ms on this machine"))

    def _end(self, fault: VadFault) -> None:
        self._failed = True
        self._give_up(fault)
