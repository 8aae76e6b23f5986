"""Taking messages, the pure parts: when one is over, its file, its pieces; and when a call had its turns."""

import asyncio
import os
import threading
import wave
from pathlib import Path

import pytest

from core.audio import PcmFormat
from core.call_care import ANSWER_S, TurnCount
from core.call_message import MAX_DIGITS, MessageTap, TakenEnd
from core.taps import CallFrame
from core.voicemail_file import MessageFile, Recorded, mend, read_message
from core.voicemail_text import PIECE_S, pieces

FRAME = bytes(320)


def feed(tap: MessageTap, *spans: tuple[bool, int]) -> None:
    at_ms = 1000
    for speech, ms in spans:
        for _ in range(ms // 20):
            at_ms += 20
            tap.frame(CallFrame(FRAME, FRAME, speech, at_ms))


async def test_a_stop_in_the_middle_of_a_write_never_writes_into_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, pwrite = threading.Event(), threading.Event(), os.pwrite

    def slow(fd: int, data: bytes, offset: int) -> int:
        if offset > 44:  # the second batch of samples
            begun.set()
            assert go_on.wait(10)
        return pwrite(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", slow)
    file = MessageFile(tmp_path / "vm_1.wav", PcmFormat())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(file.run())
        async with asyncio.timeout(10):
            while not begun.is_set():
                file.append(b"\x01\x02" * 160)
                await asyncio.sleep(0.01)
        running.cancel()
    others = [(tmp_path / f"other{number}").open("w+b") for number in range(5)]
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    for other in others:
        with other:
            assert os.fstat(other.fileno()).st_size == 0
    assert not [name for name in os.listdir("/proc/self/fd") if _leads_to(name, tmp_path / "vm_1.wav")], "closed"


def _leads_to(descriptor: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except OSError:
        return False


def tap_of(file: MessageFile | None = None) -> MessageTap:
    return MessageTap(max_ms=10_000, silence_ms=2000, file=file)


def test_silence_ends_a_message_also_one_that_never_began() -> None:
    tap = tap_of()
    feed(tap, (False, 1980))
    assert tap.end is None
    feed(tap, (False, 20))
    assert tap.end is TakenEnd.SILENCE and not tap.taken().spoken
    tap = tap_of()
    feed(tap, (True, 1000), (False, 1900), (True, 400), (False, 2000), (True, 1000))
    taken = tap.taken()
    assert taken.end is TakenEnd.SILENCE and taken.spoken and taken.spoken_ms == 1400 and taken.started_ms == 1000


def test_on_hold_nothing_counts_and_nothing_is_kept() -> None:
    up = True
    tap = MessageTap(max_ms=10_000, silence_ms=2000, file=None, hears=lambda: up)
    feed(tap, (True, 1000))
    up = False
    feed(tap, (False, 30_000), (True, 30_000))
    assert tap.end is None and tap.taken().spoken_ms == 1000
    up = True
    feed(tap, (False, 2000))
    assert tap.end is TakenEnd.SILENCE


def test_length_and_the_hash_key_end_a_message_and_other_keys_are_a_number() -> None:
    tap = tap_of()
    feed(tap, (True, 12_000))
    assert tap.end is TakenEnd.LENGTH and tap.taken().spoken_ms == 10_000
    tap = tap_of()
    feed(tap, (False, 1800))
    for key in "5551234":
        tap.key(key)
    feed(tap, (False, 1800))
    assert tap.end is None, "a key counts as a sign of life"
    for key in "0" * 100 + "#9":
        tap.key(key)
    assert tap.end is TakenEnd.KEY and tap.taken().digits == ("5551234" + "0" * 100)[:MAX_DIGITS]


async def written(path: Path, seconds: int) -> MessageFile:
    file = MessageFile(path, PcmFormat())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(file.run())
        for _ in range(seconds * 50):
            file.append(b"\x01\x02" * 160)
        await file.close()
    return file


async def test_the_file_is_a_wav_and_is_read_back_whole_also_when_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vm_1.wav"
    file = await written(path, 3)
    assert file.duration_s == 3.0 and path.stat().st_mode & 0o777 == 0o600
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getframerate(), wav.getnframes()) == (1, 8000, 24_000)
    path.write_bytes(path.read_bytes()[:30_001])  # a kill between two writes
    recorded = read_message(path)
    assert recorded is not None and len(recorded.pcm) == 29_956
    mend(path, recorded)
    with wave.open(str(path)) as wav:
        assert wav.getnframes() == 29_956 // 2
    for junk in (b"", b"RIFF", b"x" * 100):
        path.write_bytes(junk)
        assert read_message(path) is None


async def test_a_folder_that_cannot_be_written_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    file = await written(tmp_path / "file" / "vm_1.wav", 1)
    assert file.problem is not None


@pytest.mark.parametrize("seconds", [0, 1, 25, 26, 80])
def test_pieces_hold_every_sample_once_and_none_is_too_long(seconds: int) -> None:
    second = b"\x00\x10" * 7000 + bytes(2000)
    made = list(pieces(Recorded(second * seconds, 8000)))
    assert b"".join(made) == second * seconds
    assert all(len(piece) <= PIECE_S * 16_000 and len(piece) % 2 == 0 for piece in made)
    assert all(piece[-2:] == b"\0\0" for piece in made), "cut where it is quiet"


def test_a_call_has_its_turns_and_the_answer_to_the_last_one() -> None:
    assert not TurnCount(0).over(99, listening=False, speaking=False, at_s=0.0)
    count = TurnCount(2)
    assert not count.over(1, listening=False, speaking=False, at_s=0.0)
    assert not count.over(2, listening=True, speaking=False, at_s=1.0)
    assert not count.over(2, listening=False, speaking=False, at_s=2.0)
    assert not count.over(2, listening=False, speaking=True, at_s=3.0)
    assert count.over(2, listening=False, speaking=False, at_s=4.0)
    silent = TurnCount(1)
    assert not silent.over(1, listening=False, speaking=False, at_s=0.0)
    assert silent.over(1, listening=False, speaking=False, at_s=ANSWER_S)
