"""Our own echo does not reach the detectors, and a caller who speaks over us does."""

import numpy as np
import pytest

from bench.echo_line import EchoLine, frames, line, speech
from core.audio import LINE_FORMAT, PcmFormat
from core.media.echo import EchoCanceller
from core.media.endpoint import Endpoint, Onset, TurnConfig
from core.media.vad import WebRtcVad

SILENCE = LINE_FORMAT.silence


def cleaned(made: EchoLine, *, subtract: bool = True) -> tuple[list[bytes], EchoCanceller]:
    canceller = EchoCanceller(LINE_FORMAT, subtract=subtract)
    out = []
    for down, up in zip(frames(made.heard), frames(made.ours), strict=True):
        frame = canceller.clean(down, up)
        out.append(SILENCE if canceller.doubtful else frame)
    return out, canceller


def onsets_ms(out: list[bytes]) -> list[int]:
    vad, endpoint = WebRtcVad(LINE_FORMAT.rate_hz), Endpoint(TurnConfig(), LINE_FORMAT)
    found = []
    for frame in out:
        found += [endpoint.now_ms for action in endpoint.step(frame, vad.is_speech(frame)) if isinstance(action, Onset)]
    return found


@pytest.mark.parametrize("subtract", [True, False], ids=["cancel", "gate"])
@pytest.mark.parametrize(("echo_db", "delay_ms"), [(-10, 100), (-20, 250), (-30, 400)])
def test_our_own_echo_never_interrupts_us(echo_db: int, delay_ms: int, subtract: bool) -> None:
    made = line(20, echo_db, delay_ms)
    if echo_db > -30:
        assert len(onsets_ms(frames(made.heard))) > 3, "it would, untreated"
    out, canceller = cleaned(made, subtract=subtract)
    assert onsets_ms(out) == []
    found_ms = canceller.delay_ms
    assert found_ms is not None and abs(found_ms - delay_ms) <= 20
    assert canceller.reduction_db > 6


def test_an_echo_that_a_speech_codec_bent_does_not_interrupt_either() -> None:
    out, _ = cleaned(line(20, -20, 250, codec=True))
    assert onsets_ms(out) == []


@pytest.mark.parametrize("echo_db", [-15, -25, None])
def test_a_caller_who_speaks_over_us_interrupts_as_soon_as_without_an_echo(echo_db: int | None) -> None:
    made = line(20, echo_db, 250, caller=True)
    out, _ = cleaned(made)
    wanted, found = onsets_ms(frames(made.caller)), onsets_ms(out)
    assert wanted
    for at_ms in wanted:
        # In the first seconds of a call an echo is not known yet, and a caller is not told from one so soon.
        late_ms = 100 if at_ms > 3000 or echo_db is None else 400
        # Where speech begins softly, what is left of an echo may make it count some frames sooner.
        assert any(-100 <= each - at_ms <= late_ms for each in found), (wanted, found)


def test_a_caller_who_speaks_with_our_first_words_is_told_from_an_echo_by_what_is_said() -> None:
    ours = line(8, None, 0).ours
    hello = speech("hello, who is there please", "en-us+m3", -22.0)
    heard = np.zeros(len(ours))
    heard[4800 : 4800 + len(hello)] = hello * 32768
    out, _ = cleaned(EchoLine(ours, *[heard.astype("<i2")] * 3))
    at_ms, found = onsets_ms(frames(heard.astype("<i2")))[0], onsets_ms(out)
    assert found and found[0] - at_ms <= 500


def test_doubtful_frames_are_there_for_the_recogniser() -> None:
    ours = line(8, None, 0).ours
    heard = speech("hello, who is there please", "en-us+m3", -22.0) * 32768
    canceller, first = EchoCanceller(LINE_FORMAT), frames(ours)[25:]
    doubtful = []
    for down, up in zip(frames(heard.astype("<i2")), first, strict=False):
        frame = canceller.clean(down, up)
        if canceller.doubtful:
            doubtful.append(frame)
    assert doubtful and all(frame != SILENCE for frame in doubtful)


def test_what_the_caller_says_is_cleaner_than_it_came() -> None:
    made = line(20, -10, 250, caller=True)
    out, _ = cleaned(made)
    got = np.frombuffer(b"".join(out), "<i2").astype(float)
    caller, heard = (samples[: len(got)].astype(float) for samples in (made.caller, made.heard))
    late = slice(len(got) // 2, None)
    spoken = np.abs(np.convolve(np.abs(caller[late]), np.ones(400), "same")) > 0
    before = np.mean((heard[late] - caller[late])[spoken] ** 2)
    after = np.mean((got[late] - caller[late])[spoken] ** 2)
    assert 10 * np.log10(before / after) > 6


def test_on_a_line_without_echo_every_frame_passes() -> None:
    made = line(15, None, 0, caller=True)
    out, canceller = cleaned(made, subtract=False)
    loud = [
        down
        for down, said in zip(frames(made.heard), frames(made.caller), strict=False)
        if np.any(np.frombuffer(said, "<i2"))
    ]
    kept = sum(frame in set(out) for frame in loud)
    assert kept >= 0.98 * len(loud)
    assert canceller.delay_ms is None and canceller.reduction_db == 0


def test_while_we_are_silent_frames_pass_untouched() -> None:
    made = line(5, None, 0, caller=True)
    canceller = EchoCanceller(LINE_FORMAT)
    for frame in frames(made.caller):
        assert canceller.clean(frame, SILENCE) == frame


@pytest.mark.parametrize("frames_later", [1, 2])
def test_an_echo_that_slips_by_whole_frames_is_followed(frames_later: int) -> None:
    made = line(24, -15, 240, slip_samples=frames_later * LINE_FORMAT.frame_samples)
    out, canceller = cleaned(made)
    assert onsets_ms(out) == []
    assert canceller.delay_ms is not None and abs(canceller.delay_ms - 240 - 20 * frames_later) <= 20


def test_after_any_other_change_of_the_path_it_learns_anew() -> None:
    made = line(24, -15, 250, slip_samples=777)
    out, _ = cleaned(made)
    later_ms = 1000 * len(made.ours) // 2 // LINE_FORMAT.rate_hz + 5000
    assert [at for at in onsets_ms(out) if at > later_ms] == []


def test_ticks_that_nobody_read_keep_the_time_of_the_line() -> None:
    made = line(20, -15, 250)
    canceller = EchoCanceller(LINE_FORMAT)
    out = []
    for place, (down, up) in enumerate(zip(frames(made.heard), frames(made.ours), strict=True)):
        frame = canceller.lost() if 400 <= place < 406 else canceller.clean(down, up)
        out.append(SILENCE if canceller.doubtful else frame)
    assert out[400:406] == [SILENCE] * 6
    assert onsets_ms(out) == []


def test_a_frame_that_did_not_come_is_silence() -> None:
    canceller = EchoCanceller(LINE_FORMAT)
    assert canceller.clean(None, b"\x10\x10" * LINE_FORMAT.frame_samples) == SILENCE


def test_it_works_at_16_khz() -> None:
    form = PcmFormat(16000)
    chance = np.random.default_rng(3)
    ours = (chance.normal(0, 3000, form.rate_hz * 6)).astype("<i2")
    heard = (np.concatenate([np.zeros(3200), ours[:-3200]]) * 0.1).astype("<i2")
    canceller, size = EchoCanceller(form), form.frame_samples
    left = [
        canceller.clean(heard[at : at + size].tobytes(), ours[at : at + size].tobytes())
        for at in range(0, len(ours), size)
    ]
    assert canceller.delay_ms == 200 and left[-1] == form.silence


@pytest.mark.parametrize("level", [0, 1, 32767])
def test_no_samples_make_it_fail(level: int) -> None:
    canceller = EchoCanceller(LINE_FORMAT)
    square = np.where(np.arange(LINE_FORMAT.frame_samples) % 16 < 8, level, -level).astype("<i2").tobytes()
    for _ in range(100):
        out = canceller.clean(square, square)
        assert len(out) == LINE_FORMAT.frame_bytes
