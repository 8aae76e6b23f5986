"""The pure parts of the PCM port: alignment, downlink stage, rate meter and resampler, uplink writer."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.audio import PcmFormat
from core.modem.pcm_align import AlignmentMonitor, Reading, compare
from core.modem.pcm_downlink import Downlink
from core.modem.pcm_rate import RateMeter, Resampler
from core.modem.pcm_uplink import STUCK_STALLS, UplinkWriter
from tests.modem.pcm_peer import FRAME_BYTES, loudest_hz, number_of, numbered, speech, tone

FORMAT = PcmFormat()


# --- alignment ---


def shifts_in(stream: bytes, rate_hz: int = 8000) -> list[int]:
    """Frames after which a byte was to be dropped, with the byte really dropped."""
    size = rate_hz // 50 * 2
    monitor = AlignmentMonitor(rate_hz, size // 2)
    found, at, frame = [], 0, 0
    while at + size <= len(stream):
        shift = monitor.feed(stream[at : at + size])
        at += size + shift
        frame += 1
        if shift:
            found.append(frame)
    return found


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_speech_that_starts_shifted_is_noticed_in_half_a_second(rate_hz: int) -> None:
    assert shifts_in(b"\x01" + speech(4.0, rate_hz), rate_hz) == [25]


def test_a_byte_lost_in_mid_call_is_noticed_within_three_seconds_of_speech() -> None:
    voice = speech(12.0)
    lost_at = 5 * 16000 + 3
    shifts = shifts_in(voice[:lost_at] + voice[lost_at + 1 :])
    assert len(shifts) == 1
    # Windows of a second once the stream has been right: the one with the loss decides nothing, the next one does.
    assert 250 + 50 < shifts[0] <= 250 + 100


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("speech", speech(8.0)),
        ("silence", bytes(64000)),
        ("faint noise", np.random.default_rng(1).normal(0, 20, 40000).astype("<i2").tobytes()),
        ("loud noise", np.random.default_rng(2).normal(0, 8000, 40000).astype("<i2").tobytes()),
        ("a 1477 Hz key", tone(5.0, 1477, 8000)),
        ("a 3400 Hz tone", tone(5.0, 3400, 8000)),
        ("quiet speech", (np.frombuffer(speech(6.0), "<i2") // 100).astype("<i2").tobytes()),
        ("a constant offset", np.full(40000, 300, "<i2").tobytes()),
        ("clipped speech", np.clip(np.frombuffer(speech(6.0), "<i2") * 6.0, -32768, 32767).astype("<i2").tobytes()),
    ],
)
def test_a_stream_in_step_is_left_alone(name: str, stream: bytes) -> None:
    assert shifts_in(stream) == [], name


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=1, max_size=700))
def test_no_bytes_upset_the_monitor(some: bytes) -> None:
    stream = some * (320 * 60 // len(some))
    assert len(shifts_in(stream)) <= 2


def test_a_reading_wins_only_when_it_is_good_and_clearly_better() -> None:
    assert compare(0.9, 0.1, locked=False) is Reading.ALIGNED
    assert compare(0.1, 0.9, locked=False) is Reading.SHIFTED
    assert compare(0.59, 0.1, locked=False) is Reading.UNCLEAR
    assert compare(0.5, 0.64, locked=False) is Reading.UNCLEAR
    assert compare(0.4, 0.7, locked=False) is Reading.SHIFTED
    assert compare(0.4, 0.7, locked=True) is Reading.UNCLEAR


# --- downlink ---


@given(st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_any_cut_of_the_bytes_gives_the_same_frames(cuts: list[int]) -> None:
    downlink, sent, got, at = Downlink(FORMAT), b"".join(numbered(k) for k in range(40)), [], 0
    for cut in cuts:
        downlink.feed(sent[at : at + cut])
        at += cut
        while (frame := downlink.take()) is not None:
            got.append(frame)
    assert got == [numbered(k) for k in range(min(at, len(sent)) // FRAME_BYTES)]
    assert downlink.dropped_frames == 0


def test_over_200_ms_the_oldest_frames_go_whole_and_are_counted() -> None:
    downlink = Downlink(FORMAT)
    downlink.feed(b"".join(numbered(k) for k in range(25)) + b"\x07")
    frames = [downlink.take() for _ in range(10)]
    assert [number_of(frame) for frame in frames if frame] == list(range(15, 25))
    assert downlink.take() is None
    assert downlink.dropped_frames == 15
    downlink.feed(b"\x00" + numbered(7)[2:])
    assert downlink.take() == numbered(7)  # the odd byte was kept


def test_delay_that_nobody_needs_is_left_out_in_quiet_frames_only() -> None:
    downlink = Downlink(FORMAT)
    downlink.feed(b"".join(numbered(5000) for _ in range(6)))
    for _ in range(150):
        downlink.feed(numbered(5000))
        assert downlink.take() is not None
    assert downlink.staged_frames == 6
    for _ in range(20):
        downlink.feed(numbered(20))
        assert downlink.take() is not None
    assert downlink.staged_frames == 1
    assert downlink.dropped_frames == 5


def test_a_stage_that_bursts_need_is_kept() -> None:
    downlink = Downlink(FORMAT)
    for _ in range(200):
        downlink.feed(numbered(20) * 3)
        assert all(downlink.take() for _ in range(3))
    assert downlink.dropped_frames == 0


# --- rate ---


@pytest.mark.parametrize(("sent_hz", "burst"), [(8000, 1), (8000, 3), (16000, 1), (16000, 3)])
def test_the_rate_is_measured_whatever_the_bursts(sent_hz: int, burst: int) -> None:
    meter = RateMeter(FORMAT)
    for k in range(int(2.2 / 0.02 / burst)):
        meter.feed(sent_hz // 50 * 2 * burst, k * 0.02 * burst)
    assert meter.rate_hz == sent_hz


def test_8_khz_on_a_16_khz_call_is_measured() -> None:
    meter = RateMeter(PcmFormat(16000))
    for k in range(120):
        meter.feed(320, k * 0.02)
    assert meter.rate_hz == 8000


def test_bytes_that_waited_in_the_kernel_are_not_taken_for_a_higher_rate() -> None:
    meter = RateMeter(FORMAT)
    meter.feed(16000, 0.0)
    for k in range(1, 120):
        meter.feed(320, k * 0.02)
    assert meter.rate_hz == 8000


def test_a_standstill_begins_the_measurement_anew() -> None:
    meter = RateMeter(FORMAT)
    times_s = [k * 0.02 for k in range(60)] + [2.2 + k * 0.02 for k in range(110)]
    for at_s in times_s:
        meter.feed(320, at_s)
    assert meter.rate_hz == 8000  # of the time as a whole it were little more than the half


@pytest.mark.parametrize("read_bytes", [320, 4096])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_what_waited_through_a_standstill_is_no_higher_rate_in_however_many_reads(
    rate_hz: int, read_bytes: int
) -> None:
    meter = RateMeter(PcmFormat(rate_hz))
    frame_bytes = rate_hz // 50 * 2
    for k in range(30):
        meter.feed(frame_bytes, k * 0.02)
    for read in range(20_000 // read_bytes):  # what a pty keeps
        meter.feed(read_bytes, 2.0 + read * 0.0002)
    for k in range(1, 130):
        meter.feed(frame_bytes, 2.02 + k * 0.02)
    assert meter.rate_hz == rate_hz


def test_a_downlink_with_gaps_is_measured_as_nothing() -> None:
    meter = RateMeter(FORMAT)
    for k in range(0, 130, 4):
        meter.feed(320 * 3, k * 0.02)
    assert meter.done
    assert meter.rate_hz is None


@pytest.mark.parametrize("up", [True, False])
def test_resampling_keeps_pitch_level_and_length(up: bool) -> None:
    from_hz, to_hz = (8000, 16000) if up else (16000, 8000)
    size = from_hz // 50 * 2
    pcm = tone(1.0, 1000, from_hz)
    resampler = Resampler(up=up)
    out = b"".join(resampler.convert(pcm[at : at + size]) for at in range(0, len(pcm), size))
    assert len(out) == to_hz * 2
    assert abs(loudest_hz(out, to_hz) - 1000) < 2
    middle = np.frombuffer(out, "<i2")[to_hz // 10 :].astype(float)
    assert abs(np.sqrt((middle**2).mean()) - 10000 / np.sqrt(2)) < 150


def test_what_8_khz_cannot_carry_does_not_come_back_as_something_else() -> None:
    resampler = Resampler(up=False)
    pcm = tone(1.0, 6000, 16000)
    out = b"".join(resampler.convert(pcm[at : at + 640]) for at in range(0, len(pcm), 640))
    assert np.abs(np.frombuffer(out, "<i2")[100:].astype(int)).max() < 10000 / 100


# --- uplink ---


class Wire:
    """A port that takes what `room` says, and keeps it."""

    def __init__(self) -> None:
        self.room = 1 << 30
        self.taken = bytearray()

    def write(self, data: memoryview) -> int:
        count = min(self.room, len(data))
        self.room -= count
        self.taken += data[:count]
        return count


def test_a_frame_that_is_not_taken_at_all_is_dropped_after_two_frames_time() -> None:
    wire = Wire()
    wire.room = 0
    writer = UplinkWriter(wire.write, FORMAT)
    assert not writer.send(numbered(1), 0.0, ours=True)
    writer.retry(0.039)
    assert writer.pending
    writer.retry(0.041)
    assert not writer.pending
    assert (writer.stalls, writer.gone_frames) == (1, 1)
    wire.room = 1 << 30
    assert writer.send(numbered(2), 0.06, ours=True)
    assert bytes(wire.taken) == numbered(2)


def test_stalls_have_to_follow_each_other_to_mean_stuck() -> None:
    wire = Wire()
    writer = UplinkWriter(wire.write, FORMAT)
    for k in range(STUCK_STALLS * 3):
        wire.room = 1 << 30 if k % (STUCK_STALLS - 1) == 0 else 0
        if not writer.send(numbered(k), k * 1.0, ours=False):
            writer.retry(k + 0.05)
        assert not writer.stuck
    assert writer.stalls > STUCK_STALLS
    wire.room = 0
    for k in range(STUCK_STALLS):
        writer.send(numbered(k), 1000.0 + k, ours=False)
        writer.retry(1000.05 + k)
    assert writer.stuck


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_the_port_takes_when_frames_stay_whole_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    wire = Wire()
    writer = UplinkWriter(wire.write, FORMAT)
    number = 0
    for step in range(300):
        wire.room = chance.choice([0, 0, 1, 100, 319, 320, 1000])
        now_s = step * 0.01
        if writer.pending:
            writer.retry(now_s)
        elif not writer.stuck:
            number += 1
            writer.send(numbered(number), now_s, ours=True)
    whole = len(wire.taken) // FRAME_BYTES * FRAME_BYTES
    frames = [bytes(wire.taken[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES)]
    numbers = [number_of(frame) for frame in frames]
    assert frames == [numbered(k) for k in numbers]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= writer.gone_frames <= number
    assert writer.bytes_out == len(wire.taken)
