"""Files on their way into a call: any kind, any length, a block at a time."""

import gc
import os
import threading
import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidParams
from core.media.audio_file import KEPT_FRAMES, AudioFile
from core.media.codecs import encode_wav

LINE_HZ = 8000


def sine(rate_hz: int, seconds: float, frequency_hz: float = 400.0) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return 0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def mp3(seconds: float = 2.0, rate_hz: int = 44100, channels: int = 1, **options: object) -> bytes:
    samples = np.repeat(sine(rate_hz, seconds)[:, None], channels, axis=1)
    out = BytesIO()
    with soundfile.SoundFile(
        out, "w", samplerate=rate_hz, channels=channels, format="MP3", subtype="MPEG_LAYER_III", **options
    ) as file:
        file.write(samples)
    return out.getvalue()


def id3(content_bytes: int) -> bytes:
    """An ID3v2.3 tag with a picture's worth of zeros in it."""
    size = bytes(content_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + bytes(content_bytes)


def read_all(file: AudioFile) -> bytes:
    try:
        return b"".join(iter(file.read, b""))
    finally:
        file.close()


def decoded(data: bytes, rounds: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.frombuffer(read_all(AudioFile.open(data, LINE_HZ, rounds)), "<i2").astype(np.float64)


def loudest_hz(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * LINE_HZ / len(samples)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_of_every_rate_is_heard(rate_hz: int, channels: int) -> None:
    samples = decoded(mp3(rate_hz=rate_hz, channels=channels))
    assert len(samples) == pytest.approx(2 * LINE_HZ, rel=0.03)
    assert loudest_hz(samples) == pytest.approx(400, abs=2)


@pytest.mark.parametrize("kind", ["MP3", "OGG", "FLAC", "WAV"])
@pytest.mark.parametrize("rounds", [1, 2])
def test_no_silence_slips_in_between_blocks(kind: str, rounds: int, tmp_path: Path) -> None:
    path = tmp_path / "long"
    soundfile.write(path, sine(44100, 30.0), 44100, format=kind)
    samples = np.frombuffer(read_all(AudioFile.open(path, LINE_HZ, rounds)), "<i2").astype(np.float64)
    assert len(samples) == pytest.approx(rounds * 30 * LINE_HZ, rel=0.01)
    loud = np.abs(samples[: len(samples) // 80 * 80]).reshape(-1, 80).max(axis=1)
    quiet = loud < 0.8 * np.median(loud)
    assert quiet.sum() <= 6 * rounds, "at most the edges of the file, which MP3 blurs"


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
def test_mp3_of_constant_and_variable_rate_is_as_long_as_it_is(mode: str) -> None:
    samples = decoded(mp3(5.0, bitrate_mode=mode, compression_level=0.5))
    assert len(samples) == pytest.approx(5 * LINE_HZ, rel=0.02)


@pytest.mark.parametrize("tag_bytes", [0, 20, 4000, 3_000_000])
def test_an_id3_tag_of_any_size_is_passed_over(tag_bytes: int, tmp_path: Path) -> None:
    data = mp3()
    plain = decoded(data)
    if tag_bytes:
        assert np.array_equal(decoded(id3(tag_bytes) + data), plain)
    path = tmp_path / "tagged.mp3"
    path.write_bytes((id3(tag_bytes) if tag_bytes else b"") + data)
    assert np.array_equal(np.frombuffer(read_all(AudioFile.open(path, LINE_HZ)), "<i2"), plain)


@pytest.mark.parametrize("inside", [b"FORM\0\0\0\0AIFF", b".snd" + bytes(40), b"", b"ID3"])
def test_an_id3_tag_is_no_way_for_other_formats(inside: bytes) -> None:
    with pytest.raises(InvalidParams):
        AudioFile.open(id3(100) + inside, LINE_HZ)


@pytest.mark.parametrize(("kind", "minutes"), [("WAV", 60), ("FLAC", 60), ("OGG", 8), ("MP3", 8)])
def test_a_long_file_begins_at_once_and_takes_no_memory(kind: str, minutes: int, tmp_path: Path) -> None:
    path = tmp_path / "long"
    with soundfile.SoundFile(path, "w", samplerate=8000, channels=1, format=kind) as file:
        for _ in range(minutes):
            file.write(sine(8000, 60.0))
    gc.collect()
    tracemalloc.start()
    file_open = AudioFile.open(path, LINE_HZ)
    first = file_open.read()
    at_first = tracemalloc.get_traced_memory()[1]
    total = len(first)
    for _ in range(400):
        total += len(file_open.read())
    at_most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    file_open.close()
    assert 0 < len(first) < 4 * 16000
    assert total >= 3_000_000
    assert at_first < 2_000_000 and at_most < 2_000_000


@pytest.mark.parametrize("rounds", [2, 3, 7])
def test_rounds_follow_each_other_without_a_gap_or_a_click(rounds: int) -> None:
    once = (sine(LINE_HZ, 1.0) * 32767).astype("<i2").tobytes()  # whole waves, so that a step would be seen
    samples = decoded(encode_wav(once, LINE_HZ), rounds)
    assert len(samples) == rounds * LINE_HZ
    assert np.abs(np.diff(samples)).max() <= np.abs(np.diff(samples[: LINE_HZ - 1])).max() + 2


def test_rounds_at_another_rate_join_as_well() -> None:
    out = BytesIO()
    soundfile.write(out, sine(44100, 1.0), 44100, format="WAV")
    samples = decoded(out.getvalue(), 4)
    assert len(samples) == pytest.approx(4 * LINE_HZ, abs=2)
    middle = samples[LINE_HZ // 2 : -LINE_HZ // 2]
    assert np.abs(np.diff(middle)).max() <= 1.02 * np.abs(np.diff(middle[: LINE_HZ // 4])).max()


def test_a_file_too_long_to_be_kept_is_read_again_for_each_round(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    count = KEPT_FRAMES + 1000
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, count), 8000, format="FLAC")
    once = np.frombuffer(read_all(AudioFile.open(path, LINE_HZ)), "<i2")
    twice = np.frombuffer(read_all(AudioFile.open(path, LINE_HZ, 2)), "<i2")
    assert np.array_equal(twice, np.concatenate((once, once)))


def test_one_sample_for_ever_costs_no_more_than_any_sound() -> None:
    file = AudioFile.open(encode_wav(b"\x10\x00", LINE_HZ), LINE_HZ, 0)
    try:
        blocks = [file.read() for _ in range(50)]
    finally:
        file.close()
    assert min(map(len, blocks[1:])) >= 8000


@pytest.mark.parametrize("rounds", [1, 3, 0])
def test_a_file_without_samples_ends_at_once_however_often_it_is_to_be_played(rounds: int) -> None:
    out = BytesIO()
    soundfile.write(out, np.zeros(0), 8000, format="WAV")
    assert len(decoded(out.getvalue(), rounds)) == 0


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfb", b"ID3", b"\xff" * 5000, bytes(5000), b"#!/bin/sh\n" * 100])
def test_what_is_no_audio_is_a_wrong_parameter(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(InvalidParams):
            AudioFile.open(source, LINE_HZ)


def test_what_is_no_file_is_a_wrong_parameter(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(InvalidParams):
            AudioFile.open(path, LINE_HZ)


_SEEDS = [mp3(0.5, 16000), encode_wav(bytes(8000), 16000)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.sampled_from(_SEEDS),
    cut=st.integers(1, 4000),
    spoilt=st.lists(st.tuples(st.integers(0, 3999), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_damaged_files_play_for_a_while_or_are_refused(seed: bytes, cut: int, spoilt: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed[:cut])
    for place, junk in spoilt:
        data[place : place + len(junk)] = junk
    try:
        file = AudioFile.open(bytes(data), LINE_HZ)
    except InvalidParams:
        return
    try:
        for _ in range(200):
            if not file.read():
                break
    except InvalidParams:
        pass
    finally:
        file.close()


def test_a_cut_mp3_plays_as_far_as_it_goes() -> None:
    data = mp3(4.0)
    samples = decoded(data[: len(data) // 2])
    assert len(samples) == pytest.approx(2 * LINE_HZ, rel=0.15)


def test_a_call_that_ends_closes_a_file_that_is_being_read() -> None:
    for _ in range(20):
        file = AudioFile.open(mp3(1.0), LINE_HZ, 0)
        reading = threading.Event()

        def read(file: AudioFile = file, reading: threading.Event = reading) -> None:
            while file.read():
                reading.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert reading.wait(10)
        file.close()
        thread.join(10)
        assert not thread.is_alive()
        assert file.read() == b""
