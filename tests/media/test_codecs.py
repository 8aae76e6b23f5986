"""Audio files in and out."""

import contextlib
import os
import subprocess
import sys
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidParams, LimitExceeded
from core.media.codecs import decode_audio, encode_ogg_opus, encode_wav, resample_pcm


def sine(rate_hz: int, seconds: float = 1.0, frequency_hz: float = 440.0) -> bytes:
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    return (10_000 * np.sin(2 * np.pi * frequency_hz * times)).astype("<i2").tobytes()


def samples_of(pcm: bytes) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)


def loudest_hz(pcm: bytes, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples_of(pcm)))
    return float(np.argmax(spectrum)) * rate_hz / (len(pcm) / 2)


def file_of(samples: object, rate_hz: int, kind: str, subtype: str | None = None) -> bytes:
    out = BytesIO()
    soundfile.write(out, samples, rate_hz, format=kind, subtype=subtype)
    return out.getvalue()


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_opus_comes_back_as_the_same_sound_and_length(rate_hz: int) -> None:
    encoded = encode_ogg_opus(sine(rate_hz, 2.0), rate_hz)
    assert encoded[:4] == b"OggS"
    assert b"OpusHead" in encoded[:64]
    assert len(encoded) < 20_000
    decoded = decode_audio(encoded, rate_hz)
    assert abs(len(decoded) - rate_hz * 4) <= rate_hz // 10
    assert loudest_hz(decoded, rate_hz) == pytest.approx(440, abs=2)


def test_opus_of_nothing_is_still_a_file_that_decodes() -> None:
    decoded = decode_audio(encode_ogg_opus(b"", 8000), 8000)
    assert len(decoded) <= 640
    assert not any(decoded)


@pytest.mark.parametrize("milliseconds", [1, 20, 21, 119])
def test_opus_takes_the_shortest_chunks(milliseconds: int) -> None:
    assert encode_ogg_opus(sine(8000, milliseconds / 1000), 8000)[:4] == b"OggS"


def test_opus_refuses_a_rate_that_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="11025"):
        encode_ogg_opus(b"", 11025)


@given(pcm=st.binary(max_size=2000).map(lambda data: data[: len(data) // 2 * 2]))
@settings(max_examples=50, deadline=None)
def test_wav_comes_back_bit_by_bit(pcm: bytes) -> None:
    data = encode_wav(pcm, 8000)
    with wave.open(BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.readframes(10_000)) == (8000, 1, pcm)
    assert decode_audio(data, 8000) == pcm


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="whole samples"):
        encode_wav(b"\0", 8000)
    with pytest.raises(ValueError, match="whole samples"):
        encode_ogg_opus(b"\0", 8000)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")],
)
@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_files_of_clients_come_at_the_rate_of_the_line(kind: str, subtype: str, rate_hz: int) -> None:
    mono = samples_of(sine(rate_hz)) / 32768
    decoded = decode_audio(file_of(np.stack([mono, mono], axis=1), rate_hz, kind, subtype), 8000)
    assert abs(len(decoded) - 16_000) <= 40
    assert loudest_hz(decoded, 8000) == pytest.approx(440, abs=2)
    assert np.abs(samples_of(decoded)).max() == pytest.approx(10_000, rel=0.06)


def test_what_the_line_cannot_carry_does_not_come_back_as_another_tone() -> None:
    decoded = decode_audio(encode_wav(sine(48000, 1.0, 6000.0), 48000), 8000)
    assert np.abs(samples_of(decoded)[400:-400]).max() < 20


def test_samples_beyond_full_scale_are_clipped_not_wrapped() -> None:
    data = file_of(np.array([2.0, -2.0, np.nan, np.inf], dtype=np.float32), 8000, "WAV", "FLOAT")
    assert samples_of(decode_audio(data, 8000)).tolist() == [32767, -32768, 0, 32767]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"RIFF",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"OggS" + bytes(100),
        b"fLaC" + b"\xff" * 100,
        b"ID3\x03 an mp3",
        b".snd" + bytes(100),
        b"<html>not found</html>",
    ],
)
def test_junk_is_a_wrong_parameter(junk: bytes) -> None:
    with pytest.raises(InvalidParams):
        decode_audio(junk, 8000)


@settings(max_examples=150, deadline=None)
@given(
    magic=st.sampled_from([b"RIFF", b"OggS", b"fLaC"]),
    cut=st.integers(0, 600),
    tail=st.binary(max_size=80),
)
def test_damaged_files_decode_to_something_or_are_refused(magic: bytes, cut: int, tail: bytes) -> None:
    whole = {b"RIFF": encode_wav(sine(8000, 0.02), 8000), b"OggS": OGG, b"fLaC": FLAC}[magic]
    with contextlib.suppress(InvalidParams, LimitExceeded):
        assert len(decode_audio(whole[:cut] + tail, 8000)) % 2 == 0


OGG = encode_ogg_opus(sine(8000, 0.1), 8000)
FLAC = file_of(samples_of(sine(8000, 0.1)) / 32768, 8000, "FLAC")


def test_a_file_that_is_too_big_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = encode_wav(sine(8000), 8000)
    (tmp_path / "big.wav").write_bytes(data)
    for source in (data, tmp_path / "big.wav"):
        with pytest.raises(LimitExceeded):
            decode_audio(source, 8000, max_bytes=1000)


def test_a_plain_wav_that_is_too_long_is_refused_like_any_other() -> None:
    for rate_hz in (8000, 16000):
        with pytest.raises(LimitExceeded):
            decode_audio(encode_wav(bytes(40_000), 8000), rate_hz, max_duration_s=2)


def test_a_small_file_that_lasts_for_hours_is_refused(tmp_path: Path) -> None:
    data = file_of(np.zeros(8000 * 700), 8000, "FLAC")
    assert len(data) < 100_000
    with pytest.raises(LimitExceeded):
        decode_audio(data, 8000)


def test_a_path_is_read_and_a_missing_one_is_a_wrong_parameter(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode_wav(sine(8000), 8000))
    assert decode_audio(tmp_path / "a.wav", 8000) == sine(8000)
    with pytest.raises(InvalidParams):
        decode_audio(tmp_path / "none.wav", 8000)
    with pytest.raises(InvalidParams):
        decode_audio(tmp_path, 8000)


def test_a_fifo_does_not_hang_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidParams):
        decode_audio(tmp_path / "pipe", 8000)


def test_resampling_keeps_the_tone_and_the_length() -> None:
    out = resample_pcm(sine(22050), 22050, 8000)
    assert abs(len(out) - 16_000) <= 4
    assert loudest_hz(out, 8000) == pytest.approx(440, abs=2)
    assert resample_pcm(sine(8000), 8000, 8000) == sine(8000)


def test_an_idle_core_does_not_load_the_codecs() -> None:
    program = (
        "import sys, core.media.codecs, core.media.vad; print({'soundfile', 'soxr', 'webrtcvad'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True, timeout=30) == "set()\n"
