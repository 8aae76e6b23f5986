"""The detector that the configuration asks for, and what happens when it is not there."""

import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.config import MediaConfig
from core.media.vad import GatedVad
from core.media.vad_engines import MEASURED_FRAMES, VadEngines, VadFault, Watched
from tests.media import tiny_vad

ROOT = Path(__file__).parent.parent.parent
NOISE = [
    np.clip(np.random.default_rng(place).normal(0, 32768 * 10 ** (-42 / 20), 160), -32768, 32767)
    .astype("<i2")
    .tobytes()
    for place in range(20)
]
"""Speech for the tiny models, none for WebRTC's detector, which noise of -42 dBFS does not fool."""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)
    tiny_vad.silero(tmp_path / "silero_vad.onnx")
    tiny_vad.ten(tmp_path / "ten-vad.onnx")
    return tmp_path


def hears_the_noise(engines: VadEngines) -> bool:
    vad = engines.open(8000)
    return any(vad.is_speech(frame) for frame in NOISE)


@pytest.mark.parametrize("engine", ["silero", "ten"])
async def test_a_model_in_the_folder_is_found_by_its_name_and_hears_the_calls(engine: str, models: Path) -> None:
    engines = VadEngines(MediaConfig(vad=engine, models_dir=str(models)))  # type: ignore[arg-type]
    assert engines.engine == "webrtc" and not hears_the_noise(engines), "until it is loaded"
    await engines.load()
    assert engines.engine == engine and engines.fault is None
    assert hears_the_noise(engines)


async def test_the_environment_names_the_folder_and_the_key_the_file(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(models / "silero_vad.onnx", models / "mine.onnx")
    monkeypatch.setenv("DIALTONE_MODELS", str(models))
    for name in ("mine.onnx", str(models / "mine.onnx")):
        engines = VadEngines(MediaConfig(vad="silero", vad_model=name, models_dir="/nowhere"))
        await engines.load()
        assert engines.engine == "silero"


async def test_the_threshold_of_the_configuration_counts(models: Path) -> None:
    for threshold, heard in ((0.5, True), (0.9999999, False)):
        engines = VadEngines(MediaConfig(vad="silero", models_dir=str(models), vad_threshold=threshold))
        await engines.load()
        assert hears_the_noise(engines) is heard


@pytest.mark.parametrize("engine", ["silero", "ten"])
async def test_without_its_file_webrtc_stands_in_and_the_reason_is_there(
    engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)
    engines = VadEngines(MediaConfig(vad=engine, models_dir=str(tmp_path)))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        await engines.load()
        await engines.load()
    assert engines.engine == "webrtc" and engines.wanted == engine
    assert engines.fault is not None and engines.fault.problem == "missing"
    assert engines.fault.text.endswith(f"in {tmp_path}")
    assert len(caplog.records) == 1, "told once"
    assert not hears_the_noise(engines)


async def test_webrtc_needs_nothing_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    engines = VadEngines(MediaConfig())
    await engines.load()
    assert (engines.engine, engines.fault, engines.model_path) == ("webrtc", None, None)
    assert caplog.records == []
    assert isinstance(engines.open(8000), GatedVad)


def test_without_being_asked_for_no_neural_code_is_loaded() -> None:
    code = (
        "import asyncio, sys\n"
        "from core.config import MediaConfig\n"
        "from core.media.vad_engines import VadEngines\n"
        "engines = VadEngines(MediaConfig())\n"
        "asyncio.run(engines.load())\n"
        "engines.open(8000).is_speech(bytes(320))\n"
        "print([name for name in ('onnxruntime', 'core.media.vad_onnx') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


async def test_a_line_whose_rate_the_model_does_not_know_is_heard_by_webrtc_alone(models: Path) -> None:
    engines = VadEngines(MediaConfig(vad="silero", models_dir=str(models)))
    await engines.load()
    vad = engines.open(48000)
    assert not vad.is_speech(bytes(1920))
    assert engines.fault is None and engines.engine == "silero", "other lines may well use it"


class Says:
    """A detector that takes everything for speech, or fails, or is slow."""

    def __init__(self, *, fails_at: int | None = None, busy_ms: float = 0.0) -> None:
        self.frames, self._fails_at, self._busy_ms = 0, fails_at, busy_ms

    def hears(self, frame: bytes) -> bool:
        self.frames += 1
        if self.frames == self._fails_at:
            raise RuntimeError("the model fell over")
        until = time.thread_time() + self._busy_ms / 1000
        while time.thread_time() < until:
            pass
        return True


class Never:
    frames = 0

    def hears(self, frame: bytes) -> bool:
        self.frames += 1
        return False


def test_a_model_that_fails_in_mid_call_costs_its_opinion_and_not_the_call() -> None:
    faults: list[VadFault] = []
    spare = Never()
    watched = Watched(Says(fails_at=3), spare, faults.append)
    assert [watched.hears(NOISE[0]) for _ in range(5)] == [True, True, False, False, False]
    assert [fault.problem for fault in faults] == ["crashed"]
    assert "fell over" not in faults[0].text, "an engine's own text may hold anything"
    assert spare.frames == 5, "the spare one has learned the line meanwhile"


def test_a_model_that_is_too_slow_for_this_machine_is_given_up_with_its_figure() -> None:
    faults: list[VadFault] = []
    watched = Watched(Says(busy_ms=1.5), Never(), faults.append)
    heard = [watched.hears(NOISE[0]) for _ in range(MEASURED_FRAMES + 10)]
    assert heard == [True] * MEASURED_FRAMES + [False] * 10
    assert [fault.problem for fault in faults] == ["slow"] and "ms of each frame" in faults[0].text


def test_a_quick_model_is_kept() -> None:
    faults: list[VadFault] = []
    watched = Watched(Says(), Never(), faults.append)
    assert all(watched.hears(NOISE[0]) for _ in range(MEASURED_FRAMES * 3))
    assert faults == []


async def test_what_one_call_gave_up_the_next_does_not_try(models: Path) -> None:
    engines = VadEngines(MediaConfig(vad="silero", models_dir=str(models)))
    await engines.load()
    vad = engines.open(8000)
    vad._detector._detector._samples = None  # type: ignore[attr-defined]  # the model fails at the next frame
    assert not vad.is_speech(NOISE[0])
    assert engines.engine == "webrtc" and engines.fault is not None and engines.fault.problem == "crashed"
    assert not hears_the_noise(engines)
