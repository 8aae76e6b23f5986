"""Streams from one telephone rate to another: what passes, what must not, and that nothing is late."""

import numpy as np
import pytest

from core.media.g711 import compress, expand
from core.media.resample import StreamResampler

RATES_HZ = (8000, 16000, 24000, 48000)
PAIRS = [(a, b) for a in RATES_HZ for b in RATES_HZ if a != b]


def through(
    samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", from_hz: int, to_hz: int
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    resampler = StreamResampler(from_hz, to_hz)
    frame = from_hz // 50
    parts = [resampler.feed(samples[at : at + frame]) for at in range(0, len(samples), frame)]
    return np.concatenate(parts).astype(np.float64)


def tone(rate_hz: int, hz: float, seconds: float = 1.0) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return (10_000 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(np.int16)


def level_db(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples[len(samples) // 4 :] ** 2)) * 2**0.5 / 10_000 + 1e-9))


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_each_frame_in_is_a_frame_out_at_once(from_hz: int, to_hz: int) -> None:
    resampler = StreamResampler(from_hz, to_hz)
    for _ in range(5):
        assert len(resampler.feed(np.zeros(from_hz // 50, np.int16))) == to_hz // 50


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
@pytest.mark.parametrize("hz", [300, 1000, 3000, 3400])
def test_speech_of_a_telephone_passes_with_its_level_and_without_images(from_hz: int, to_hz: int, hz: float) -> None:
    out = through(tone(from_hz, hz), from_hz, to_hz)
    assert -1.0 < level_db(out) < 0.1
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    peak = int(spectrum.argmax())
    assert abs(peak * to_hz / len(out) - hz) < 2
    spectrum[max(0, peak - 8) : peak + 9] = 0
    assert 20 * np.log10(spectrum.max() / 10_000 / len(out) * 4 + 1e-12) < -55


@pytest.mark.parametrize("from_hz", [16000, 24000, 48000])
def test_what_a_telephone_cannot_carry_does_not_fold_back(from_hz: int) -> None:
    assert level_db(through(tone(from_hz, 5000), from_hz, 8000)) < -55


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_the_delay_is_2_ms(from_hz: int, to_hz: int) -> None:
    click = np.zeros(from_hz // 5, np.int16)
    click[from_hz // 10] = 30_000
    out = through(click, from_hz, to_hz)
    assert abs(int(np.abs(out).argmax()) / to_hz - 0.1) < 0.0025


def test_full_scale_is_not_wrapped_around() -> None:
    square = np.where(np.arange(16000) // 20 % 2, 32767, -32768).astype(np.int16)
    out = through(square, 8000, 48000)
    assert out.max() == 32767 and out.min() == -32768


def test_a_cut_frame_is_refused() -> None:
    with pytest.raises(ValueError):
        StreamResampler(48000, 8000).feed(np.zeros(959, np.int16))


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_of_g711_survives_and_every_sample_gets_its_nearest(law: str) -> None:
    assert law in ("ulaw", "alaw")
    codes = bytes(range(256))
    linear = expand(codes, law)  # type: ignore[arg-type]
    again = compress(linear, law)  # type: ignore[arg-type]
    assert [code for code in range(256) if again[code] != code] in ([], [127])  # µ-law has two zeros
    samples = np.arange(-32768, 32768, dtype=np.int32)
    coded = expand(compress(samples.astype(np.int16), law), law).astype(np.int32)  # type: ignore[arg-type]
    best = np.abs(samples[:, None] - np.unique(linear).astype(np.int32)[None, :]).min(axis=1)
    assert np.array_equal(np.abs(coded - samples), best)


def test_g711_is_that_of_the_standard() -> None:
    """ITU-T G.711 tables 1a and 2a: largest, smallest positive and zero, scaled to 16 bits."""
    assert expand(b"\x80\x00\xff\x7f", "ulaw").tolist() == [32124, -32124, 0, 0]
    assert expand(b"\xaa\x2a\xd5\x55", "alaw").tolist() == [32256, -32256, 8, -8]
    assert compress(np.zeros(2, np.int16), "ulaw") == b"\xff\xff"
