"""Neural detectors through onnxruntime: Silero VAD (version 5 and 6) and TEN VAD, each from its published model file.

Inputs, outputs, windows and features are those of the projects' own code: silero-vad src/silero_vad/utils_vad.py
(OnnxWrapper), ten-vad src/aed.cc and src/stft.cc. One session serves all calls, what a call remembers is with its
detector. Inference runs where the frame is: with one thread, on the caller's own.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.media.resample import StreamResampler

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

HYSTERESIS = 0.15
"""Speech goes on until the probability is this much below the threshold (silero-vad, get_speech_timestamps)."""

SILERO_STATE = (2, 1, 128)
SILERO_WINDOWS = {8000: (256, 32), 16000: (512, 64)}
"""Rate to samples of a window (32 ms) and of the context before it."""

TEN_RATE_HZ = 16000
TEN_HOP, TEN_WINDOW, TEN_FFT = 256, 768, 1024
TEN_MELS, TEN_CONTEXT, TEN_STATES = 40, 3, 4
TEN_STATE = (1, 64)
TEN_PREEMPHASIS = 0.97
TEN_EPS = 1e-20


class VadProblem(StrEnum):
    """Why a detector that was asked for does not work."""

    MISSING = "missing"  # no such file
    NO_RUNTIME = "no_runtime"  # onnxruntime is not installed
    UNREADABLE = "unreadable"  # no ONNX model
    WRONG_MODEL = "wrong_model"  # another model than the one asked for
    RATE = "rate"  # not at this line's rate
    SLOW = "slow"  # more than its share of a frame
    CRASHED = "crashed"  # an error while it ran


class VadRefused(Exception):
    """A detector can't be used. The text says what to do, for people."""

    def __init__(self, problem: VadProblem, text: str) -> None:
        super().__init__(text)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A loaded and tried model. mean, inverse_deviation: of TEN VAD's features, 41 each."""

    engine: str
    session: Any
    inputs: tuple[str, ...]
    mean: "Floats" = field(default_factory=lambda: np.zeros(0, np.float32))
    inverse_deviation: "Floats" = field(default_factory=lambda: np.zeros(0, np.float32))


def load(engine: str, path: Path) -> OnnxModel:
    """engine: silero or ten. VadRefused for anything that can't work. Blocking, 0.1 to 0.5 s: not on the loop."""
    if not path.is_file():
        raise VadRefused(VadProblem.MISSING, f"there is no {path.name} in {path.parent}")
    try:
        import onnxruntime
    except ImportError:
        raise VadRefused(VadProblem.NO_RUNTIME, "pip install 'dialtone-core[vad]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime has a dozen exceptions of its own for it, without a common base
        raise VadRefused(VadProblem.UNREADABLE, f"{path.name} is no model that onnxruntime can read") from None
    model = _silero(session, path.name) if engine == "silero" else _ten(session, path.name)
    _try(model, path.name)
    return model


def detector_for(model: OnnxModel, rate_hz: int, threshold: float) -> "SileroDetector | TenDetector":
    """One call's detector. VadRefused for a rate that it does not work at."""
    if model.engine == "silero":
        return SileroDetector(model, rate_hz, threshold)
    return TenDetector(model, rate_hz, threshold)


class SileroDetector:
    """A probability every 32 ms, from that much and the end of what was before."""

    def __init__(self, model: OnnxModel, rate_hz: int, threshold: float) -> None:
        if rate_hz not in SILERO_WINDOWS:
            raise VadRefused(VadProblem.RATE, f"silero works at 8000 and 16000 Hz, not at {rate_hz}")
        self._model, self._decision = model, _Decision(threshold)
        self._window, self._context = SILERO_WINDOWS[rate_hz]
        self._rate = np.array(rate_hz, np.int64)
        self._state = np.zeros(SILERO_STATE, np.float32)
        self._samples: Floats = np.zeros(self._context, np.float32)

    def hears(self, frame: bytes) -> bool:
        new = np.frombuffer(frame, "<i2").astype(np.float32) / 32768
        self._samples = np.concatenate((self._samples, new))
        need = self._context + self._window
        while len(self._samples) >= need:
            found = self._model.session.run(
                None, {"input": self._samples[None, :need], "state": self._state, "sr": self._rate}
            )
            self._state = found[1]
            self._decision.take(float(found[0].reshape(-1)[0]))
            self._samples = self._samples[self._window :]
        return self._decision.speech


class TenDetector:
    """A probability every 16 ms, from the last three windows of 48 ms as 40 log mel bands each.

    The model's 41st feature is the pitch, from a tracker of a thousand lines that is not rebuilt here: it gets the
    mean, which the statistics make 0. An 8 kHz line is brought to the model's 16 kHz; the upper bands are then empty.
    """

    def __init__(self, model: OnnxModel, rate_hz: int, threshold: float) -> None:
        if rate_hz not in (8000, TEN_RATE_HZ):
            raise VadRefused(VadProblem.RATE, f"ten works at 8000 and 16000 Hz, not at {rate_hz}")
        self._model, self._decision = model, _Decision(threshold)
        self._resampler = StreamResampler(rate_hz, TEN_RATE_HZ)
        self._features = TenFeatures(model)
        self._states = [np.zeros(TEN_STATE, np.float32) for _ in range(TEN_STATES)]
        self._samples: Floats = np.zeros(0, np.float32)

    def hears(self, frame: bytes) -> bool:
        new = self._resampler.feed(np.frombuffer(frame, "<i2")).astype(np.float32)
        self._samples = np.concatenate((self._samples, new))
        while len(self._samples) >= TEN_HOP:
            stack = self._features.hop(self._samples[:TEN_HOP])
            self._samples = self._samples[TEN_HOP:]
            given = dict(zip(self._model.inputs, (stack[None], *self._states), strict=True))
            found = self._model.session.run(None, given)
            self._states = found[1:]
            self._decision.take(float(found[0].reshape(-1)[0]))
        return self._decision.speech


class TenFeatures:
    """Samples on the scale of 16 bits to what TEN VAD's network sees."""

    def __init__(self, model: OnnxModel) -> None:
        self._mean, self._inverse = model.mean, model.inverse_deviation
        self._window = np.hanning(TEN_WINDOW).astype(np.float32)
        self._bands = mel_bands()
        self._before = np.float32(0)
        self._signal = np.zeros(TEN_WINDOW, np.float32)
        self._stack = np.zeros((TEN_CONTEXT, TEN_MELS + 1), np.float32)

    def hop(self, samples: "Floats") -> "Floats":
        """The newest 256 samples; gives the last three windows' features, newest last."""
        delayed = np.concatenate(((self._before,), samples[:-1]))
        self._before = samples[-1]
        self._signal = np.concatenate((self._signal[TEN_HOP:], samples - TEN_PREEMPHASIS * delayed))
        spectrum = np.fft.rfft(self._signal * self._window, TEN_FFT)
        power = spectrum.real**2 + spectrum.imag**2
        features = np.zeros(TEN_MELS + 1, np.float32)
        # Not by "@": BLAS would spread these 20000 products over threads, and on a busy machine wait 4 ms for them.
        energy = np.einsum("bk,k->b", self._bands, power) / 32768.0**2
        features[:TEN_MELS] = np.log(energy + TEN_EPS)
        features = (features - self._mean) * self._inverse
        features[TEN_MELS] = 0  # the pitch, as if it were its mean
        self._stack = np.concatenate((self._stack[1:], features[None].astype(np.float32)))
        return self._stack


def mel_bands() -> "NDArray[np.float64]":
    """40 triangles, even on the mel scale of HTK from 0 to 8000 Hz, their edges on whole bins: [40, 513]."""
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), TEN_MELS + 2)
    edges = ((TEN_FFT + 1) * 700 * (10 ** (mels / 2595) - 1) / TEN_RATE_HZ).astype(int)
    bins = np.arange(TEN_FFT // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    bands: NDArray[np.float64] = np.clip(np.where(bins < middle, rising, falling), 0, None)
    return bands


class _Decision:
    """Probabilities to speech."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.speech = False

    def take(self, probability: float) -> None:
        """ValueError for what is none: a broken model would make the line deaf without a word."""
        if not 0.0 <= probability <= 1.0:
            raise ValueError("the model gave no probability")
        self.speech = probability >= (self._threshold - HYSTERESIS if self.speech else self._threshold)


def _silero(session: Any, name: str) -> OnnxModel:
    inputs = {put.name: put.shape for put in session.get_inputs()}
    if set(inputs) != {"input", "state", "sr"} or len(session.get_outputs()) != 2:
        older = " (it looks like version 4)" if {"h", "c"} <= set(inputs) else ""
        raise VadRefused(VadProblem.WRONG_MODEL, f"{name} is no model of Silero VAD 5 or 6{older}")
    return OnnxModel("silero", session, tuple(inputs))


def _ten(session: Any, name: str) -> OnnxModel:
    inputs = tuple(put.name for put in session.get_inputs())
    if len(inputs) != 1 + TEN_STATES or len(session.get_outputs()) != 1 + TEN_STATES:
        raise VadRefused(VadProblem.WRONG_MODEL, f"{name} is no model of TEN VAD")
    facts = session.get_modelmeta().custom_metadata_map
    try:
        statistics = [np.array(facts[key].split(","), np.float32) for key in ("mean", "inv_stddev")]
    except (KeyError, ValueError):
        statistics = []
    if [len(values) for values in statistics] != [TEN_MELS + 1] * 2:
        raise VadRefused(
            VadProblem.WRONG_MODEL,
            f"{name} does not hold the statistics of its features: take ten-vad.onnx of the releases of sherpa-onnx",
        )
    return OnnxModel("ten", session, inputs, statistics[0], statistics[1])


def _try(model: OnnxModel, name: str) -> None:
    """One second of silence: shapes that do not fit show here and not in a call. Also the first run is the slowest."""
    detector = detector_for(model, 16000, 0.5)
    try:
        for _ in range(50):
            detector.hears(bytes(640))
    except Exception as problem:
        raise VadRefused(VadProblem.WRONG_MODEL, f"{name} does not run: {type(problem).__name__}") from None
