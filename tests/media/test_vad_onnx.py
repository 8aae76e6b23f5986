"""Neural detectors with the real onnxruntime: windows, states, features, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from core.media.vad import GatedVad
from core.media.vad_onnx import (
    TEN_HOP,
    OnnxModel,
    TenFeatures,
    VadProblem,
    VadRefused,
    detector_for,
    load,
    mel_bands,
)
from tests.media import tiny_vad

FRAME = {8000: 160, 16000: 320}


@pytest.fixture
def silero(tmp_path: Path) -> OnnxModel:
    return load("silero", tiny_vad.silero(tmp_path / "silero_vad.onnx"))


@pytest.fixture
def ten(tmp_path: Path) -> OnnxModel:
    return load("ten", tiny_vad.ten(tmp_path / "ten-vad.onnx"))


def sound(seconds: float, level_dbfs: float, rate_hz: int = 8000) -> list[bytes]:
    """Noise from 300 to 3400 Hz in frames of 20 ms."""
    count = round(seconds * rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(3).normal(size=count))
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    samples = np.fft.irfft(spectrum, count)
    samples *= 32768 * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))
    pcm = np.clip(samples, -32768, 32767).astype("<i2")
    size = FRAME[rate_hz]
    return [pcm[at : at + size].tobytes() for at in range(0, len(pcm) - size + 1, size)]


def silence(seconds: float, rate_hz: int = 8000) -> list[bytes]:
    return [bytes(FRAME[rate_hz] * 2)] * round(seconds * 50)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("engine", ["silero", "ten"])
def test_what_the_model_takes_for_speech_is_speech_within_60_ms_and_ends_within_120(
    engine: str, rate_hz: int, request: pytest.FixtureRequest
) -> None:
    detector = detector_for(request.getfixturevalue(engine), rate_hz, 0.5)
    frames = silence(0.5, rate_hz) + sound(1.0, -25, rate_hz) + silence(0.5, rate_hz)
    heard = [detector.hears(frame) for frame in frames]
    assert not any(heard[:25])
    assert all(heard[28:75])
    assert not any(heard[81:])


@pytest.mark.parametrize("engine", ["silero", "ten"])
def test_each_call_has_its_own_memory(engine: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(engine)
    loud, quiet = detector_for(model, 8000, 0.5), detector_for(model, 8000, 0.5)
    for noise in sound(0.5, -20):
        assert not quiet.hears(bytes(320))
        loud.hears(noise)
    assert loud.hears(bytes(320)), "the window before still counts"


class Recorded:
    """A session that keeps what it was given, before the real one runs it."""

    def __init__(self, session: object) -> None:
        self._session = session
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, names: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.given.append({name: np.array(value) for name, value in given.items()})
        return self._session.run(names, given)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(("rate_hz", "window", "context"), [(8000, 256, 32), (16000, 512, 64)])
def test_silero_gets_each_sample_once_after_the_end_of_the_window_before(
    silero: OnnxModel, rate_hz: int, window: int, context: int
) -> None:
    recorded = Recorded(silero.session)
    detector = detector_for(OnnxModel("silero", recorded, silero.inputs), rate_hz, 0.5)
    samples = (np.arange(FRAME[rate_hz] * 40) % 30_000).astype("<i2")
    for at in range(0, len(samples), FRAME[rate_hz]):
        detector.hears(samples[at : at + FRAME[rate_hz]].tobytes())
    assert len(recorded.given) == len(samples) // window
    padded = np.concatenate((np.zeros(context), samples / 32768))
    for place, given in enumerate(recorded.given):
        assert given["input"].shape == (1, context + window) and given["input"].dtype == np.float32
        assert given["input"][0] == pytest.approx(padded[place * window : place * window + context + window])
        assert given["state"].shape == (2, 1, 128) and (given["state"] == place).all(), "its own state comes back"
        assert given["sr"].shape == () and given["sr"].dtype == np.int64 and given["sr"] == rate_hz


def test_ten_gets_the_last_three_windows_and_its_states_back(ten: OnnxModel) -> None:
    recorded = Recorded(ten.session)
    model = OnnxModel("ten", recorded, ten.inputs, ten.mean, ten.inverse_deviation)
    detector = detector_for(model, 16000, 0.5)
    for frame in sound(1.0, -20, 16000):
        detector.hears(frame)
    assert len(recorded.given) == 16000 // TEN_HOP
    for place, given in enumerate(recorded.given):
        assert given["input_1"].shape == (1, 3, 41)
        assert all((given[f"input_{n}"] == place).all() for n in range(2, 6))
        if place > 1:
            assert (given["input_1"][0, :2] == recorded.given[place - 1]["input_1"][0, 1:]).all()


def test_the_bands_of_ten_are_40_triangles_that_cover_all_but_the_edges() -> None:
    bands = mel_bands()
    assert bands.shape == (40, 513)
    assert bands.min() == 0 and bands.max() == 1
    assert (bands.max(axis=1) > 0).all()
    total = bands.sum(axis=0)
    first, last = int(bands[0].argmax()), int(bands[-1].argmax())
    assert total[first : last + 1] == pytest.approx(1.0), "neighbours add up to one in between"
    assert bands[:, 512].sum() == 0


def test_the_features_of_a_tone_are_highest_in_its_band_and_follow_its_level(ten: OnnxModel) -> None:
    def features(amplitude: float) -> np.ndarray:
        made = TenFeatures(ten)
        tone = amplitude * np.sin(2 * np.pi * 1000 * np.arange(4096) / 16000)
        for at in range(0, 4096, TEN_HOP):
            stack = made.hop(tone[at : at + TEN_HOP].astype(np.float32))
        newest: np.ndarray = stack[-1]
        return newest

    loud, soft = features(10_000), features(1000)
    band = int(loud[:40].argmax())
    assert mel_bands()[band, 64] == mel_bands()[:, 64].max(), "bin 64 of 1024 at 16 kHz is 1 kHz"
    assert (loud - soft)[band] == pytest.approx(2 * np.log(10), abs=0.01)
    assert loud[40] == 0, "the pitch as its mean"


def test_a_tone_over_the_line_has_no_image_in_the_upper_bands(ten: OnnxModel) -> None:
    """8 kHz brought to 16: what comes out above 4 kHz would be speech that nobody spoke."""
    recorded = Recorded(ten.session)
    model = OnnxModel("ten", recorded, ten.inputs, ten.mean, ten.inverse_deviation)
    detector = detector_for(model, 8000, 0.5)
    tone = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype("<i2")
    for at in range(0, 8000, 160):
        detector.hears(tone[at : at + 160].tobytes())
    newest = recorded.given[-2]["input_1"][0, 2]
    assert newest[:40].max() - newest[32:40].max() > np.log(10**5), "50 dB down"


def test_the_gate_stands_before_a_neural_detector_too(silero: OnnxModel) -> None:
    """Steady noise at -25 dBFS is speech for this model; behind the gate only until the floor knows it."""
    alone, gated = detector_for(silero, 8000, 0.5), GatedVad(detector_for(silero, 8000, 0.5), 8000)
    noise = sound(5.0, -25)
    assert all([alone.hears(frame) for frame in noise][10:])
    assert not any([gated.is_speech(frame) for frame in noise][60:])


def test_speech_goes_on_until_the_probability_is_well_below_the_threshold(silero: OnnxModel) -> None:
    """A tone of this level has 0.5: not enough to begin with a threshold of 0.6, enough to go on."""
    detector = detector_for(silero, 8000, 0.6)
    tone = 32768 * np.sqrt(2) * 10 ** (tiny_vad.SILENCE_DBFS / 20) * np.sin(2 * np.pi * np.arange(160) / 8)
    at_limit = [np.rint(tone).astype("<i2").tobytes()] * 50
    assert not any(detector.hears(frame) for frame in at_limit)
    for frame in sound(0.2, -20):
        detector.hears(frame)
    assert all(detector.hears(frame) for frame in at_limit)


def refused(engine: str, path: Path) -> VadRefused:
    with pytest.raises(VadRefused) as problem:
        load(engine, path)
    return problem.value


def test_a_missing_file_and_one_that_is_no_model_are_told_apart(tmp_path: Path) -> None:
    gone = refused("silero", tmp_path / "silero_vad.onnx")
    assert gone.problem is VadProblem.MISSING and "silero_vad.onnx" in str(gone)
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"<html>404</html>" * 100)
    assert refused("ten", junk).problem is VadProblem.UNREADABLE
    junk.write_bytes(b"")
    assert refused("silero", junk).problem is VadProblem.UNREADABLE


def test_another_model_than_the_one_asked_for_is_refused_with_what_to_do(tmp_path: Path) -> None:
    ten = tiny_vad.ten(tmp_path / "ten.onnx")
    silero = tiny_vad.silero(tmp_path / "silero.onnx")
    assert refused("silero", ten).problem is VadProblem.WRONG_MODEL
    assert refused("ten", silero).problem is VadProblem.WRONG_MODEL
    plain = refused("ten", tiny_vad.ten(tmp_path / "plain.onnx", statistics=False))
    assert plain.problem is VadProblem.WRONG_MODEL and "sherpa-onnx" in str(plain)


def test_a_model_whose_shapes_do_not_fit_is_refused_when_loaded_and_not_in_a_call(tmp_path: Path) -> None:
    narrow = refused("silero", tiny_vad.silero(tmp_path / "narrow.onnx", state=64))
    assert narrow.problem is VadProblem.WRONG_MODEL
    assert refused("ten", tiny_vad.ten(tmp_path / "wide.onnx", features=80)).problem is VadProblem.WRONG_MODEL


def test_a_model_that_gives_no_probabilities_is_refused_and_does_not_make_the_line_deaf(tmp_path: Path) -> None:
    broken = refused("silero", tiny_vad.silero(tmp_path / "broken.onnx", broken=True))
    assert broken.problem is VadProblem.WRONG_MODEL


@pytest.mark.parametrize("engine", ["silero", "ten"])
def test_a_rate_that_the_detector_does_not_know_is_refused(engine: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(VadRefused) as problem:
        detector_for(request.getfixturevalue(engine), 48000, 0.5)
    assert problem.value.problem is VadProblem.RATE
