"""Speech is heard, the line's own noise is not."""

from functools import cache

import numpy as np
import pytest

from core import espeak
from core.audio import LINE_FORMAT, PcmFormat
from core.media.codecs import resample_pcm
from core.media.endpoint import Endpoint, TurnAction, TurnConfig, TurnEnd, TurnStart
from core.media.tones import beep
from core.media.vad import QUIETEST_FLOOR_DBFS, NoiseFloor, WebRtcVad

FloatArray = np.ndarray[tuple[int], np.dtype[np.float64]]


def scaled(samples: FloatArray, level_dbfs: float) -> FloatArray:
    return samples * (10 ** (level_dbfs / 20) / float(np.sqrt(np.mean(samples**2))))


def white(seconds: float, level_dbfs: float) -> FloatArray:
    return scaled(np.random.default_rng(5).normal(size=round(seconds * 8000)), level_dbfs)


def pink(seconds: float, level_dbfs: float) -> FloatArray:
    """Noise as a phone line carries it: falling by 3 dB an octave, 300 to 3400 Hz."""
    count = round(seconds * 8000)
    spectrum = np.fft.rfft(np.random.default_rng(6).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / 8000)
    spectrum /= np.sqrt(np.maximum(frequencies, 50))
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    return scaled(np.fft.irfft(spectrum, count), level_dbfs)


def hum(seconds: float, level_dbfs: float) -> FloatArray:
    return scaled(np.sin(2 * np.pi * 50 * np.arange(round(seconds * 8000)) / 8000), level_dbfs)


@cache
def speech(level_dbfs: float = -22.0, rate_hz: int = 8000) -> FloatArray:
    made = espeak.synthesize("Good morning, I would like to change my appointment to Thursday.", voice="en-us")
    pcm = resample_pcm(made.pcm, made.rate_hz, rate_hz)
    return scaled(np.frombuffer(pcm, "<i2").astype(np.float64), level_dbfs)


def frames(samples: FloatArray, size: int = 160) -> list[bytes]:
    pcm = np.clip(samples * 32768, -32768, 32767).astype("<i2")
    return [pcm[at : at + size].tobytes() for at in range(0, len(pcm) - size + 1, size)]


def judged(samples: FloatArray, mode: int = 3) -> list[bool]:
    vad = WebRtcVad(8000, mode)
    return [vad.is_speech(frame) for frame in frames(samples)]


def turns(samples: FloatArray) -> list[TurnAction]:
    vad, endpoint = WebRtcVad(8000, 3), Endpoint(TurnConfig(), LINE_FORMAT)
    return [action for frame in frames(samples) for action in endpoint.step(frame, vad.is_speech(frame))]


def test_a_caller_who_speaks_at_once_is_heard_from_the_first_word() -> None:
    assert sum(judged(speech())[:40]) >= 25


@pytest.mark.parametrize("level_dbfs", [-12.0, -22.0, -32.0, -40.0])
def test_loud_and_quiet_callers_have_one_turn(level_dbfs: float) -> None:
    actions = turns(np.concatenate([np.zeros(8000), speech(level_dbfs), np.zeros(16000)]))
    ends = [action for action in actions if isinstance(action, TurnEnd)]
    assert len(ends) == 1
    assert ends[0].start_ms == pytest.approx(1000, abs=200)
    assert ends[0].end_ms == pytest.approx(1000 + len(speech()) // 8, abs=300)


@pytest.mark.parametrize("noise", [white(20, -20), pink(20, -30), pink(20, -20), hum(20, -20)])
def test_steady_noise_that_fools_the_detector_is_no_speech_after_its_first_second(noise: FloatArray) -> None:
    assert np.mean(WebRtcOnly().judged(noise)) > 0.9, "or this test tests nothing"
    said = judged(noise)
    assert np.mean(said[50:]) < 0.005
    assert [action for action in turns(noise)[2:] if isinstance(action, TurnStart)] == []


def test_steady_noise_from_the_start_makes_one_short_turn_at_most() -> None:
    ends = [action for action in turns(pink(20, -25)) if isinstance(action, TurnEnd)]
    assert len(ends) == 1
    assert ends[0].speech_ms < 1000


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_noise_does_not_become_speech_in_any_mode(mode: int) -> None:
    assert np.mean(judged(pink(20, -28), mode)[50:]) < 0.01


@pytest.mark.parametrize("noise_dbfs", [-60.0, -45.0, -38.0])
def test_a_caller_on_a_noisy_line_has_one_turn_that_ends(noise_dbfs: float) -> None:
    spoken = np.concatenate([np.zeros(4 * 8000), speech(-20.0), np.zeros(3 * 8000)])
    noisy = spoken + pink(len(spoken) / 8000, noise_dbfs)[: len(spoken)]
    ends = [action for action in turns(noisy) if isinstance(action, TurnEnd)]
    assert [end.reason for end in ends] == ["silence"]
    assert ends[0].start_ms == pytest.approx(4000, abs=250)


def test_a_caller_over_noise_that_fools_the_detector_still_ends_the_turn() -> None:
    spoken = np.concatenate([np.zeros(4 * 8000), speech(-14.0), np.zeros(3 * 8000)])
    noisy = spoken + pink(len(spoken) / 8000, -30.0)[: len(spoken)]
    assert np.mean(WebRtcOnly().judged(noisy)) > 0.9
    ends = [action for action in turns(noisy) if isinstance(action, TurnEnd) and action.start_ms > 3000]
    assert [end.reason for end in ends] == ["silence"]


def test_a_minute_of_speech_does_not_become_the_noise_floor() -> None:
    said = judged(np.tile(speech(), 20))
    third = len(said) // 3
    assert np.mean(said[-third:]) > 0.9 * np.mean(said[:third])


def test_a_tone_is_no_speech_for_long() -> None:
    tone = np.frombuffer(beep(8000, frequency_hz=300, duration_ms=5000), "<i2") / 32768
    assert sum(judged(tone)[40:]) == 0


def test_noise_that_gets_louder_during_the_call_is_learned_within_a_window() -> None:
    said = judged(np.concatenate([pink(5, -60), pink(10, -25)]))
    assert np.mean(said[250 + 160 :]) < 0.01


def test_the_floor_falls_at_once_and_ignores_what_the_modem_did_not_send() -> None:
    floor = NoiseFloor()
    for _ in range(200):
        floor.feed(-30.0)
    assert floor.dbfs == pytest.approx(-30)
    for _ in range(200):
        floor.feed(-96.0)
    assert floor.dbfs == pytest.approx(-30)
    assert floor.feed(-50.0) == pytest.approx(-50)
    assert floor.feed(-95.0) == QUIETEST_FLOOR_DBFS


def test_one_gap_in_a_window_keeps_the_floor_where_the_noise_is() -> None:
    floor = NoiseFloor()
    for place in range(1000):
        floor.feed(-50.0 if place % 150 == 0 else -20.0 - place % 12)
        assert floor.dbfs <= -50


def test_wide_band_lines_work_too() -> None:
    vad = WebRtcVad(16000, 3)
    said = [vad.is_speech(frame) for frame in frames(speech(rate_hz=16000), 320)]
    assert np.mean(said) > 0.5


def test_digital_silence_is_silence() -> None:
    assert judged(np.zeros(8000 * 5)) == [False] * 250


@pytest.mark.parametrize("size", [0, 318, 322, 640])
def test_a_frame_of_another_length_is_refused_not_taken_for_speech(size: int) -> None:
    """On an exception of its detector the station before counted the frame as speech."""
    with pytest.raises(ValueError, match="320 bytes"):
        WebRtcVad(8000).is_speech(bytes(size))


@pytest.mark.parametrize(("rate_hz", "mode"), [(11025, 3), (8000, 4), (8000, -1)])
def test_settings_that_the_detector_does_not_have_are_refused(rate_hz: int, mode: int) -> None:
    with pytest.raises(ValueError, match="detector|mode"):
        WebRtcVad(rate_hz, mode)


class WebRtcOnly:
    """The detector without our gate, to show what the gate is for."""

    def judged(self, samples: FloatArray) -> list[bool]:
        import webrtcvad

        detector = webrtcvad.Vad(3)
        size = PcmFormat().frame_samples
        return [detector.is_speech(frame, 8000) for frame in frames(samples, size)]
