"""What the demo measures in a recording: gaps are found, pauses are not taken for them."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.demo.measure import Reply, replies, reply_audio, turn_times
from clients.demo.scenario import SCRIPT, Turn
from clients.demo.timeline import Seen
from clients.demo.wav import Recording, Run, Samples, find_gaps, read_wav, silent_runs, speech_ms, trim
from dialtone import Event

RATE_HZ = 8000


def samples(ms: int) -> int:
    return ms * RATE_HZ // 1000


def voice(ms: int, seed: int = 1) -> Samples:
    """Something loud throughout, like a vowel."""
    noise = np.random.default_rng(seed).integers(200, 6000, samples(ms))
    signs = np.where(np.arange(len(noise)) % 2 == 0, 1, -1)
    return (noise * signs).astype(np.int16)


def silence(ms: int) -> Samples:
    return np.zeros(samples(ms), np.int16)


def join(*parts: Samples) -> Samples:
    return np.concatenate(parts).astype(np.int16)


WORDS = join(voice(400), silence(150), voice(300), silence(250), voice(500))
"""1.6 s with two natural pauses."""


def test_what_was_played_as_it_was_made_has_no_gap() -> None:
    assert find_gaps(WORDS, WORDS, RATE_HZ) == []


def test_missing_frames_are_a_gap_with_place_and_length() -> None:
    recorded = join(WORDS[: samples(200)], silence(160), WORDS[samples(200) :])
    assert find_gaps(recorded, WORDS, RATE_HZ) == [Run(200, 160)]


def test_a_pause_that_became_longer_is_a_gap_of_the_difference() -> None:
    recorded = join(WORDS[: samples(450)], silence(180), WORDS[samples(450) :])
    assert find_gaps(recorded, WORDS, RATE_HZ) == [Run(400, 180)]


def test_two_gaps_and_the_pauses_after_them_are_told_apart() -> None:
    recorded = join(
        WORDS[: samples(200)], silence(160), WORDS[samples(200) : samples(1300)], silence(140), WORDS[samples(1300) :]
    )
    assert find_gaps(recorded, WORDS, RATE_HZ) == [Run(200, 160), Run(1460, 140)]


def test_a_gap_that_nobody_notices_is_none_and_shifts_what_follows() -> None:
    recorded = join(WORDS[: samples(100)], silence(90), WORDS[samples(100) :])
    assert find_gaps(recorded, WORDS, RATE_HZ) == []


@given(st.integers(20, 1590), st.integers(121, 900))
def test_wherever_frames_are_missing_it_is_found(at_ms: int, length_ms: int) -> None:
    recorded = join(WORDS[: samples(at_ms)], silence(length_ms), WORDS[samples(at_ms) :])
    found = sum(gap.length_ms for gap in find_gaps(recorded, WORDS, RATE_HZ))
    # Just before a pause nobody can say which of the two is the gap; then up to 100 ms of it pass for none.
    assert length_ms - 102 <= found <= length_ms + 2
    assert found > 100


def test_silence_is_measured_and_trimmed() -> None:
    piece = join(silence(50), voice(100), silence(120), voice(100), silence(70))
    assert silent_runs(piece, RATE_HZ, 60) == [Run(150, 120), Run(370, 70)]
    cut, rest = trim(piece)
    assert (cut, len(rest)) == (samples(50), samples(320))
    cut, rest = trim(silence(30))
    assert (cut, len(rest)) == (samples(30), 0)


def test_speech_is_counted_and_faint_noise_is_not() -> None:
    faint = (np.random.default_rng(2).standard_normal(samples(1000)) * 30).astype(np.int16)
    assert speech_ms(join(faint, voice(500), faint), RATE_HZ) == 500
    assert speech_ms(silence(0), RATE_HZ) == 0


# --- files


def write_wav(path: Path, channels: list[Samples], width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(width)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack(channels, axis=1).astype("<i2").tobytes())
    return path


def test_a_stereo_file_is_read_as_two_channels(tmp_path: Path) -> None:
    recording = read_wav(write_wav(tmp_path / "call.wav", [silence(500), voice(500)]))
    assert recording.rate_hz == RATE_HZ
    assert recording.duration_s == 0.5
    assert not recording.channels[0].any()
    assert (recording.channels[1] == voice(500)).all()


def test_what_is_no_wav_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    for content in (b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"call\.wav: "):
            read_wav(file)
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(write_wav(file, [silence(10)], width=1))


# --- replies in their places


def seen(at_s: float, name: str, **params: object) -> Seen:
    return Seen(at_s, Event.of(name, dict(params)))


def said(number: int, text: str | None, at_s: float, played_ms: int, *, completed: bool = True) -> Reply:
    return Reply(number, text, at_s, at_s + played_ms / 1000, played_ms, completed)


REFERENCES = {"one": join(silence(30), WORDS, silence(100)), "two": join(voice(800, 3), silence(200), voice(400, 4))}


def right(*parts: Samples) -> Recording:
    channel = join(*parts)
    return Recording(RATE_HZ, (np.zeros_like(channel), channel))


def test_replies_are_found_by_their_times() -> None:
    recording = right(silence(700), REFERENCES["one"], silence(1270), REFERENCES["two"], silence(500))
    spoken = [said(1, "one", 100.0, 1730), said(2, "two", 103.0, 1400)]
    first, second = reply_audio(spoken, recording, REFERENCES)
    assert first.found and second.found
    assert first.gaps == second.gaps == ()
    assert [pause.length_ms for pause in first.natural] == [150, 250]
    assert [pause.length_ms for pause in second.natural] == [200]


@pytest.mark.parametrize("late_s", [-0.1, 0.0, 0.2])
def test_events_that_reach_us_late_do_not_matter(late_s: float) -> None:
    broken = join(REFERENCES["two"][: samples(300)], silence(200), REFERENCES["two"][samples(300) :])
    recording = right(silence(700), REFERENCES["one"], silence(1270), broken, silence(500))
    spoken = [said(1, "one", 100.0, 1730), said(2, "two", 103.0 + late_s, 1600)]
    first, second = reply_audio(spoken, recording, REFERENCES)
    assert first.gaps == ()
    assert second.gaps == (Run(300, 200),)


def test_a_reply_that_was_cut_is_measured_as_far_as_it_went() -> None:
    recording = right(silence(100), REFERENCES["one"], silence(270), REFERENCES["two"][: samples(500)], silence(900))
    spoken = [said(1, "one", 5.0, 1730), said(2, "two", 7.0, 500, completed=False)]
    assert [(audio.found, audio.gaps) for audio in reply_audio(spoken, recording, REFERENCES)] == [(True, ())] * 2


def test_a_reply_that_is_not_in_the_recording_is_missed() -> None:
    recording = right(silence(100), REFERENCES["one"], silence(4000))
    spoken = [said(1, "one", 5.0, 1730), said(2, "two", 7.0, 1400)]
    assert [audio.found for audio in reply_audio(spoken, recording, REFERENCES)] == [True, False]


def test_an_empty_channel_misses_everything_but_the_tone() -> None:
    spoken = [said(1, "one", 5.0, 1730), said(2, None, 7.0, 300)]
    assert [audio.found for audio in reply_audio(spoken, right(silence(3000)), REFERENCES)] == [False]


def test_utterances_are_paired_from_their_two_events() -> None:
    found = replies(
        [
            seen(1.0, "call.speaking", utterance=1, text="a"),
            seen(2.0, "call.spoken", utterance=1, text="a", played_ms=900, completed=True),
            seen(2.1, "call.spoken", utterance=2, text="b", played_ms=0, completed=False),  # cut before it began
            seen(2.2, "call.speaking", utterance=3, text="c"),  # never ended
        ]
    )
    assert found == [Reply(1, "a", 1.0, 2.0, 900, True)]


def test_a_turns_times_are_counted_from_the_end_of_the_speech() -> None:
    events = [seen(10.9, "call.speech", text="what are your opening hours"), seen(11.0, "call.speaking")]
    turn = Turn(SCRIPT[0], started_s=8.0, ended_s=10.0, speech=0, reply=1)
    [times] = turn_times([turn], events)
    assert (times.recognised_ms, times.first_byte_ms) == (900, 1000)
    [missing] = turn_times([Turn(SCRIPT[0], 8.0, 10.0)], events)
    assert (missing.recognised_ms, missing.first_byte_ms, missing.heard) == (None, None, None)
