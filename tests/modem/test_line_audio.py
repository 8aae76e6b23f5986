"""The voice of a call on the emulated modem: opened and verified, refused, retried, closed, reported."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.audio import LINE_FORMAT
from core.errors import AudioFailed, ModemOffline, NotNow
from core.line import AudioPort, AudioVerdict, CallState, LineIncoming, LineProgress
from core.modem.call_audio import report_of
from tests.modem.line_desk import Desk, Emulator, desk, emulator


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as running:
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config(audio_window_s=20.0)) as running:
        yield running


async def _call(phone: Desk, modem: Emulator) -> int:
    count = len(phone.of(LineIncoming)) + 1
    await modem("call.incoming", number="+447700900123", ring_s=0.3)
    handle = (await phone.incoming(count)).handle
    await phone.line.answer(handle)
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


async def _listen(audio: AudioPort, ticks: int) -> float:
    """The longest time between two of them, in seconds: nothing is 20 ms long on a machine that stands still."""
    longest_s, before_s = 0.0, time.monotonic()
    async with asyncio.timeout(25):
        for _ in range(ticks):
            await audio.read()
            longest_s, before_s = max(longest_s, time.monotonic() - before_s), time.monotonic()
    return longest_s


async def test_a_healthy_call_opens_at_the_first_attempt_and_reports_both_directions(
    phone: Desk, modem: Emulator
) -> None:
    handle = await _call(phone, modem)
    audio = await phone.line.open_audio(handle)
    assert audio.format == LINE_FORMAT
    assert (await modem("modem.status"))["pcm"]["registered"]
    longest_s = await _listen(audio, 70)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert report.attempts == 1
    assert report.open_ms is not None
    assert min(report.bytes_in, report.bytes_out) > 40 * LINE_FORMAT.frame_bytes
    if longest_s < 0.2:
        assert report.verdict is AudioVerdict.HEALTHY
        assert 0.7 < report.in_bytes_per_s / LINE_FORMAT.bytes_per_s < 1.4
        assert 0.7 < report.out_bytes_per_s / LINE_FORMAT.bytes_per_s < 1.4
    status = await modem("modem.status")
    assert not status["pcm"]["registered"]
    assert status["pcm"]["early_bytes"] == 0
    assert await phone.line.close_audio(handle) is None


async def test_audio_that_is_refused_at_first_comes_up_later_and_is_suspect(phone: Desk, modem: Emulator) -> None:
    handle = await _call(phone, modem)
    await modem("fault.set", kind="cpcmreg_refused", times=2)
    audio = await phone.line.open_audio(handle)
    await _listen(audio, 60)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert (report.attempts, report.verdict) == (3, AudioVerdict.SUSPECT)
    assert (await modem("modem.status"))["pcm"]["early_bytes"] == 0


async def test_audio_that_never_comes_up_fails_after_the_window_and_writes_nothing(modem: Emulator) -> None:
    async with desk(modem.config(audio_window_s=5.0)) as phone:
        handle = await _call(phone, modem)
        await modem("fault.set", kind="cpcmreg_refused", times=100)
        started_s = time.monotonic()
        with pytest.raises(AudioFailed) as failed:
            await phone.line.open_audio(handle)
        assert 4.5 < time.monotonic() - started_s < 20
        attempts = failed.value.details["attempts"]
        assert isinstance(attempts, int)
        assert attempts >= 2
        report = await phone.line.close_audio(handle)
    assert report is not None
    assert (report.attempts, report.verdict, report.open_ms) == (attempts, AudioVerdict.FAILED, None)
    status = (await modem("modem.status"))["pcm"]
    assert (status["bytes_in"], status["early_bytes"]) == (0, 0)


async def test_ok_is_not_believed_without_the_read_back(phone: Desk, modem: Emulator) -> None:
    handle = await _call(phone, modem)
    await modem("fault.set", kind="error_reply", command="AT+CPCMREG?", text="ERROR", times=2)
    audio = await phone.line.open_audio(handle)
    await _listen(audio, 5)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert report.attempts > 1


async def test_opening_ends_with_the_call(phone: Desk, modem: Emulator) -> None:
    handle = await _call(phone, modem)
    await modem("fault.set", kind="cpcmreg_refused", times=100)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_fails(phone, handle))
        await asyncio.sleep(0.8)
        await modem("far.hangup")
        await phone.released(handle)


async def _fails(phone: Desk, handle: int) -> None:
    with pytest.raises(AudioFailed, match="The call ended"):
        await phone.line.open_audio(handle)


async def test_a_call_that_is_not_active_has_no_audio(phone: Desk, modem: Emulator) -> None:
    await modem("call.incoming", number="+447700900123", ring_s=0.3)
    call = await phone.incoming()
    with pytest.raises(NotNow):
        await phone.line.open_audio(call.handle)
    assert await phone.line.close_audio(call.handle) is None


async def test_five_calls_in_a_row_have_audio_and_leave_no_file_open(phone: Desk, modem: Emulator) -> None:
    files = 0
    for turn in range(5):
        handle = await _call(phone, modem)
        audio = await phone.line.open_audio(handle)
        await _listen(audio, 5)
        await phone.line.hangup(handle)
        await phone.released(handle)
        report = await phone.line.close_audio(handle)
        assert report is not None
        assert report.attempts == 1
        open_now = len(os.listdir("/proc/self/fd"))
        files = files or open_now
        assert open_now <= files, turn


async def test_a_lost_modem_closes_the_audio_and_its_report_can_still_be_had(phone: Desk, modem: Emulator) -> None:
    handle = await _call(phone, modem)
    audio = await phone.line.open_audio(handle)
    await _listen(audio, 10)
    await modem("usb.unplug")
    await phone.released(handle)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert report.bytes_in > 0
    with pytest.raises(ModemOffline):
        await phone.line.open_audio(handle)


@dataclass(frozen=True, slots=True)
class Stats:
    bytes_in: int = 80_000
    bytes_out: int = 80_000
    duration_s: float = 5.0
    downlink_dropped_frames: int = 0
    uplink_silence_frames: int = 0
    uplink_stalls: int = 0
    alignment_shifts: int = 0
    measured_rate_hz: int | None = 8000
    stuck: bool = False
    deaf: bool = False


@pytest.mark.parametrize(
    ("stats", "attempts", "verdict"),
    [
        (Stats(), 1, AudioVerdict.HEALTHY),
        (Stats(), 2, AudioVerdict.SUSPECT),
        (Stats(uplink_stalls=1), 1, AudioVerdict.SUSPECT),
        (Stats(alignment_shifts=1), 1, AudioVerdict.SUSPECT),
        (Stats(measured_rate_hz=16000), 1, AudioVerdict.SUSPECT),
        (Stats(measured_rate_hz=None), 1, AudioVerdict.HEALTHY),
        (Stats(stuck=True), 1, AudioVerdict.ONE_WAY),
        (Stats(deaf=True), 1, AudioVerdict.ONE_WAY),
        (Stats(bytes_out=3000), 1, AudioVerdict.ONE_WAY),
        (Stats(bytes_in=0), 1, AudioVerdict.ONE_WAY),
        (Stats(bytes_in=0, bytes_out=0, duration_s=0.2), 1, AudioVerdict.HEALTHY),
    ],
)
def test_the_verdict_follows_from_the_counts(stats: Stats, attempts: int, verdict: AudioVerdict) -> None:
    report = report_of(stats, LINE_FORMAT, attempts=attempts, open_ms=400)
    assert report.verdict is verdict
    assert report.in_bytes_per_s == round(stats.bytes_in / stats.duration_s)


@pytest.mark.parametrize("stats", [Stats(deaf=True), Stats(bytes_in=0)])
def test_silence_on_the_port_of_a_call_that_was_held_is_no_sign(stats: Stats) -> None:
    assert report_of(stats, LINE_FORMAT, attempts=1, open_ms=400, held=True).verdict is AudioVerdict.HEALTHY
