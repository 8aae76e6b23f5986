"""Speech on disk: whole or not there, bounded, and never in anybody's way."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import TtsConfig
from core.espeak import WordMark
from core.media.speech_cache import Made
from core.media.speech_disk import DiskCache, decode, encode, file_name
from core.media.tts import Ask, TtsService
from core.media.tts_ask import SpeechKey

MADE = Made(bytes(range(250)) * 64, (WordMark(0, 5, 0), WordMark(6, 11, 420)))
SIZE = len(encode(MADE, 8000))


def key(text: str, **changes: str | int) -> SpeechKey:
    fields = {"engine": "espeak", "voice": "en-us", "language": "en", "speed_wpm": 165, "rate_hz": 8000, "text": text}
    return SpeechKey(**{**fields, **changes})  # type: ignore[arg-type]


def cache(folder: Path, max_bytes: int = 10 * SIZE, free_bytes_min: int = 0) -> DiskCache:
    return DiskCache(folder, max_bytes, free_bytes_min)


@given(
    pcm=st.binary(max_size=400).map(lambda pcm: pcm[: len(pcm) // 2 * 2]),
    places=st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), max_size=5),
)
def test_a_file_holds_what_was_put_into_it(pcm: bytes, places: list[tuple[int, int, int]]) -> None:
    made = Made(pcm, tuple(WordMark(*place) for place in places))
    assert decode(encode(made, 16000), 16000) == made


@given(cut=st.integers(0, SIZE - 1), flip=st.integers(0, SIZE - 1))
def test_whatever_is_cut_or_changed_is_noticed(cut: int, flip: int) -> None:
    whole = encode(MADE, 8000)
    changed = bytearray(whole)
    changed[flip] ^= 0x40
    for damaged in (whole[:cut], bytes(changed), whole + b"\0"):
        with pytest.raises(ValueError, match=r"damaged|not a file"):
            decode(damaged, 8000)


def test_what_is_kept_survives_a_restart_and_each_key_is_its_own(tmp_path: Path) -> None:
    cache(tmp_path).put(key("hello"), MADE)
    again = cache(tmp_path)
    assert again.get(key("hello")) == MADE
    for other in (key("Hello"), key("hello", voice="de"), key("hello", rate_hz=16000), key("hello", settings="other")):
        assert again.get(other) is None


def test_the_text_is_not_on_the_disk_and_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "speech"
    cache(folder).put(key("a secret appointment"), MADE)
    [file] = folder.iterdir()
    assert b"secret" not in file.read_bytes() and "secret" not in file.name
    assert file.stat().st_mode & 0o777 == 0o600 and folder.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_a_miss_and_goes_away(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.put(key("hello"), MADE)
    path = tmp_path / file_name(key("hello"))
    path.write_bytes(path.read_bytes()[:-7])
    assert kept.get(key("hello")) is None and not path.exists()
    assert kept.put(key("hello"), MADE) and kept.get(key("hello")) == MADE


def test_a_file_that_somebody_removed_is_a_miss(tmp_path: Path) -> None:
    kept = cache(tmp_path)
    kept.put(key("hello"), MADE)
    (tmp_path / file_name(key("hello"))).unlink()
    assert kept.get(key("hello")) is None and kept.bytes_kept == 0


def test_the_least_recently_used_go_when_the_bound_is_reached_also_after_a_restart(tmp_path: Path) -> None:
    first = cache(tmp_path, 4 * SIZE)
    for number in range(4):
        first.put(key(f"text {number}"), MADE)
        os.utime(tmp_path / file_name(key(f"text {number}")), (1000 + number, 1000 + number))
    assert first.get(key("text 0")) == MADE  # used now: the newest
    second = cache(tmp_path, 4 * SIZE)
    for number in (4, 5):
        second.put(key(f"text {number}"), MADE)
    kept = {number for number in range(6) if second.holds(key(f"text {number}"))}
    assert kept == {0, 3, 4, 5}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4 * SIZE
    assert sum(cache(tmp_path, 2 * SIZE).holds(key(f"text {number}")) for number in range(6)) == 2


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    kept = cache(tmp_path, free_bytes_min=2**62)
    assert kept.put(key("hello"), MADE) is False
    assert list(tmp_path.iterdir()) == []


def test_what_is_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    assert cache(tmp_path, SIZE - 1).put(key("hello"), MADE) is False


def test_leftovers_of_a_killed_daemon_go_and_foreign_files_stay(tmp_path: Path) -> None:
    part = tmp_path / (file_name(key("hello")).removesuffix(".speech") + ".123.part")
    part.write_bytes(b"half")
    (tmp_path / "letters.txt").write_text("mine")
    assert cache(tmp_path).get(key("hello")) is None
    assert [file.name for file in tmp_path.iterdir()] == ["letters.txt"]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_keeping(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    kept = cache(blocked / "speech")
    assert kept.put(key("hello"), MADE) is False and kept.get(key("hello")) is None


def test_threads_may_use_it_at_once(tmp_path: Path) -> None:
    kept = cache(tmp_path, 5 * SIZE)
    wrong: list[str] = []

    def work(seed: int) -> None:
        for step in range(60):
            wanted = key(f"text {(seed * 7 + step) % 9}")
            if step % 2:
                kept.put(wanted, MADE)
            elif kept.get(wanted) not in (None, MADE):
                wrong.append(wanted.text)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert wrong == [] and kept.bytes_kept <= 5 * SIZE
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == kept.bytes_kept


def _files(folder: Path) -> int:
    return len(list(folder.glob("*.speech")))


async def test_a_text_made_ahead_is_on_disk_and_is_said_after_a_restart_without_its_engine(tmp_path: Path) -> None:
    first = TtsService(TtsConfig(), tmp_path)
    await first.start()
    ask = Ask("Good morning, how can I help you?", 8000)

    async with asyncio.timeout(30):
        while await first.prefetch([ask]) == 0:  # noqa: ASYNC110 - it is what a client would do
            await asyncio.sleep(0.02)
    made = await first.synthesize(ask.text, rate_hz=8000)
    await first.close()
    assert _files(tmp_path) == 1
    second = TtsService(TtsConfig(), tmp_path)
    await second.start()
    assert await second.prefetch([ask]) == 1
    again = await second.synthesize(ask.text, rate_hz=8000)
    assert again == made and len(again[1]) == 7
    await second.close()


async def test_what_is_said_once_stays_off_the_disk_and_what_is_said_again_does_not(tmp_path: Path) -> None:
    for times, files in ((1, 0), (2, 1), (4, 1)):
        folder = tmp_path / str(times)
        service = TtsService(TtsConfig(), folder)
        await service.start()
        for _ in range(times):
            await service.synthesize("Goodbye.", rate_hz=8000)

        async with asyncio.timeout(30):
            while _files(folder) < files:  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.02)
        await service.close()
        assert _files(folder) == files
