"""The audio library's fillers."""

import wave
from pathlib import Path

import pytest

from core.fillers import FILES_MAX, SECONDS_MAX, read_folder


def wav(path: Path, rate_hz: int, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"\x10\x10" * int(rate_hz * seconds))


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_wav_and_raw_files_come_at_the_rate_of_the_line_in_the_order_of_their_names(
    tmp_path: Path, rate_hz: int
) -> None:
    wav(tmp_path / "b.WAV", 22050, 0.5)
    (tmp_path / "a.pcm").write_bytes(b"\x20\x20" * 8000)
    (tmp_path / "notes.txt").write_text("one moment")
    raw, made = read_folder(tmp_path, rate_hz)
    assert abs(len(raw) - 2 * rate_hz) <= 4 and abs(len(made) - rate_hz) <= 40


def test_what_is_no_audio_is_left_out_and_the_others_are_there(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF and nothing")
    (tmp_path / "empty.pcm").write_bytes(b"")
    (tmp_path / "odd.pcm").write_bytes(b"\x01\x02\x03")
    wav(tmp_path / "too long.wav", 8000, SECONDS_MAX + 1)
    (tmp_path / "folder.wav").mkdir()
    assert read_folder(tmp_path, 8000) == [b"\x01\x02"]


def test_a_folder_that_is_not_there_gives_none(tmp_path: Path) -> None:
    assert read_folder(tmp_path / "nowhere", 8000) == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 5):
        (tmp_path / f"{number:03d}.pcm").write_bytes(b"\x01\x00" * 10)
    (tmp_path / "000.pcm").write_bytes(b"\x01\x00" * 8000 * 60)
    found = read_folder(tmp_path, 8000)
    assert len(found) == FILES_MAX and len(found[0]) == 16000 * SECONDS_MAX
