"""Tones of networks, faxes and pagers, recognised among noise and speech."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import espeak
from core.audio import LINE_FORMAT
from core.config import MediaConfig, PagingConfig
from core.line import Direction
from core.media.codecs import resample_pcm
from core.media.tones_bank import ToneBank
from core.media.tones_made import beep, dtmf, tone
from core.media.tones_match import Found, Matcher, Pager, ToneListener, ced, cng, paging, progress
from core.media.tones_table import NETWORKS, Part, Tone, cadence, on_off
from core.taps import CallFrame
from core.tone_watch import ToneWatch, matchers_for

RATE_HZ = 8000
CREW = Pager("crew 1", 569.1, 857.1, 1000, 3000, 10.0)
ALL: list[Matcher] = [*progress("eu"), cng, ced, paging(CREW)]


def silence(ms: int, rate_hz: int = RATE_HZ) -> bytes:
    return bytes(2 * rate_hz * ms // 1000)


def with_noise(pcm: bytes, noise_dbfs: float = -60.0, gain_db: float = 0.0, seed: int = 1) -> bytes:
    samples = np.frombuffer(pcm, "<i2") * 10 ** (gain_db / 20)
    samples = samples + np.random.default_rng(seed).normal(0, 32768 * 10 ** (noise_dbfs / 20), len(samples))
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def sounds(*parts: tuple[tuple[float, ...], int]) -> bytes:
    return tone((*(Part(hz, ms) for hz, ms in parts), Part((), 20)), RATE_HZ)


def heard(pcm: bytes, matchers: list[Matcher] | None = None, rate_hz: int = RATE_HZ) -> list[Found]:
    bank, listener = ToneBank(rate_hz), ToneListener(ALL if matchers is None else matchers)
    size = rate_hz // 50 * 2
    frames = (pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size))
    return [found for frame in frames for found in listener.feed(bank.feed(frame))]


def names(found: list[Found]) -> list[str]:
    return [each.tone.value for each in found]


CADENCES = [(country, each) for country in NETWORKS for each in (Tone.DIAL, Tone.RINGBACK, Tone.BUSY, Tone.CONGESTION)]


@pytest.mark.parametrize(("country", "what"), CADENCES)
@pytest.mark.parametrize(("noise_dbfs", "gain_db"), [(-60.0, 0.0), (-34.0, 0.0), (-60.0, -18.0)])
def test_each_tone_of_each_country_is_told_once(country: str, what: Tone, noise_dbfs: float, gain_db: float) -> None:
    once = tone(cadence(what, country), RATE_HZ)
    pcm = silence(730) + once * max(4, math.ceil(12 * 16000 / len(once)))
    found = heard(with_noise(pcm, noise_dbfs, gain_db), progress(country))
    if (country, what) == ("pl", Tone.CONGESTION):
        what = Tone.BUSY  # the same there
    if (country, what) == ("es", Tone.CONGESTION):
        assert names(found) == ["busy", "congestion"], "it begins as busy does"
    else:
        assert names(found) == [what.value]
        assert found[0].frequency_hz == pytest.approx(cadence(what, country)[0].frequencies_hz[0], abs=2)
        assert found[0].start_ms == pytest.approx(730, abs=25)
        assert found[0].duration_ms < 7000


@pytest.mark.parametrize("what", ["eu", "us", "gb"])
def test_the_three_great_networks_are_told_whatever_country_is_configured(what: str) -> None:
    for name in ("ringback", "busy", "congestion", "dial"):
        once = tone(getattr(NETWORKS[what], name), RATE_HZ)
        assert names(heard(silence(500) + once * 12, progress("lt"))) == [name]


def test_a_wideband_line_hears_the_same() -> None:
    for name in ("ringback", "busy", "congestion", "dial"):
        once = tone(getattr(NETWORKS["us"], name), 16000)
        assert names(heard(silence(500, 16000) + once * 12, progress("us"), 16000)) == [name]


def test_what_stops_and_comes_again_is_told_again() -> None:
    busy = tone(NETWORKS["eu"].busy, RATE_HZ) * 4
    assert names(heard(busy + silence(9000) + busy)) == ["busy", "busy"]


def test_one_tone_after_another_is_told_as_such() -> None:
    ringing, busy = tone(NETWORKS["gb"].ringback, RATE_HZ) * 3, tone(NETWORKS["gb"].busy, RATE_HZ) * 4
    assert names(heard(silence(300) + ringing + busy, progress("gb"))) == ["ringback", "busy"]


def test_a_beep_or_two_are_no_busy_tone() -> None:
    for frequency_hz in (425.0, 1000.0, 1100.0):
        one = beep(RATE_HZ, frequency_hz=frequency_hz, duration_ms=500)
        assert heard(silence(500) + one + silence(500) + one + silence(4000)) == []


@pytest.mark.parametrize("gap_ms", [0, 15, 30])
@pytest.mark.parametrize("off_hz", [-40, 0, 40])
def test_sit_is_told_with_and_without_gaps_and_once_for_its_three_rounds(gap_ms: int, off_hz: float) -> None:
    parts = [part for hz in (950, 1400, 1800) for part in (((hz + off_hz,), 330), ((), gap_ms))]
    once = sounds(*parts, ((), 1000))
    found = heard(silence(300) + with_noise(once * 3, -45))
    assert names(found) == ["sit"]


@pytest.mark.parametrize("order", [(1800, 1400, 950), (950, 1800, 1400), (950, 1400, 1400)])
def test_other_orders_are_no_sit(order: tuple[float, ...]) -> None:
    assert heard(silence(300) + sounds(*(((hz,), 330) for hz in order)) + silence(500)) == []


@pytest.mark.parametrize("frequency_hz", [1065.0, 1100.0, 1135.0])
@pytest.mark.parametrize("times_ms", [(500, 3000), (430, 2600), (570, 3400)])
def test_a_calling_fax_is_told_within_the_limits_of_t30(frequency_hz: float, times_ms: tuple[int, int]) -> None:
    once = tone(on_off((frequency_hz,), *times_ms), RATE_HZ)
    assert names(heard(silence(1000) + with_noise(once * 4, -40))) == ["cng"]


@pytest.mark.parametrize(
    "wrong",
    [
        on_off((1000.0,), 500, 3000),
        on_off((1200.0,), 500, 3000),
        on_off((1100.0,), 500, 1000),
        on_off((1100.0,), 900, 3000),
    ],
)
def test_other_beeps_are_no_fax(wrong: tuple[Part, ...]) -> None:
    assert heard(silence(1000) + tone(wrong, RATE_HZ) * 4) == []


@pytest.mark.parametrize("reversals", [False, True])
def test_an_answering_fax_is_told_with_and_without_phase_reversals(reversals: bool) -> None:
    times = np.arange(3 * RATE_HZ) / RATE_HZ
    sign = np.where((times // 0.45).astype(int) % 2, -1.0, 1.0) if reversals else 1.0
    samples = 4000 * sign * np.sin(2 * np.pi * 2100 * times)
    assert names(heard(silence(400) + samples.astype("<i2").tobytes() + silence(500))) == ["ced"]


@pytest.mark.parametrize(("a_off", "b_off"), [(0, 0), (-8, 8), (8, -8)])
@pytest.mark.parametrize("times_ms", [(1000, 3000), (880, 2600), (1120, 3300)])
def test_a_pager_s_two_tones_are_told_with_their_name(a_off: float, b_off: float, times_ms: tuple[int, int]) -> None:
    pcm = sounds(((569.1 + a_off,), times_ms[0]), ((857.1 + b_off,), times_ms[1]))
    found = heard(silence(700) + with_noise(pcm, -40) + silence(400))
    assert names(found) == ["paging"]
    assert found[0].name == "crew 1"
    assert found[0].frequency_hz == pytest.approx(569.1 + a_off, abs=1.5)


@pytest.mark.parametrize(
    "parts",
    [
        (((857.1,), 1000), ((569.1,), 3000)),
        (((600.0,), 1000), ((857.1,), 3000)),
        (((569.1,), 1000), ((900.0,), 3000)),
        (((569.1,), 400), ((857.1,), 3000)),
        (((569.1,), 1000), ((857.1,), 1500)),
        (((569.1,), 1000),),
    ],
)
def test_other_tones_and_times_call_nobody_out(parts: tuple[tuple[tuple[float, ...], int], ...]) -> None:
    assert heard(silence(700) + sounds(*parts) + silence(700)) == []


def test_pages_after_each_other_are_each_told() -> None:
    page = sounds(((569.1,), 1000), ((857.1,), 3000)) + silence(1500)
    assert names(heard(silence(300) + page * 2)) == ["paging", "paging"]


@pytest.mark.parametrize("voice", ["en-us", "en-gb+m3", "de+f2", "fr-fr+f4"])
def test_speech_is_no_tone(voice: str) -> None:
    text = "One two three four five six seven. Ooooh. Eeeee. Aaaah. Yes, I'll hold the line until you are back again. "
    speech = espeak.synthesize(text * 3, voice=voice)
    pcm = resample_pcm(speech.pcm, speech.rate_hz, RATE_HZ)
    assert len(pcm) > 20 * 16000
    assert heard(pcm) == []


def test_noise_music_and_keys_are_no_tone() -> None:
    rng = np.random.default_rng(4)
    noise = np.clip(rng.normal(0, 3000, RATE_HZ * 20), -32768, 32767).astype("<i2").tobytes()
    scale = [262.0, 294.0, 330.0, 349.0, 392.0, 440.0, 494.0, 523.0, 587.0, 659.0]
    melody = b"".join(sounds(((float(rng.choice(scale)),), int(rng.choice([200, 250, 400, 500])))) for _ in range(80))
    assert heard(noise) == heard(melody) == heard(dtmf("0123456789*#" * 4, RATE_HZ)) == []


@settings(max_examples=40, deadline=None)
@given(
    on_ms=st.integers(100, 1500),
    off_ms=st.integers(100, 5000),
    frequency_hz=st.floats(300, 3300),
    second=st.one_of(st.none(), st.floats(300, 3300)),
)
def test_any_cadence_gives_at_most_one_name_and_never_raises(
    on_ms: int, off_ms: int, frequency_hz: float, second: float | None
) -> None:
    hz = (frequency_hz,) if second is None else (frequency_hz, second)
    found = heard(silence(200) + tone(on_off(hz, on_ms, off_ms), RATE_HZ) * 4)
    assert len(set(names(found))) <= 1


@pytest.mark.parametrize("delay_ms", [60, 250, 500])
def test_the_echo_of_our_own_tone_is_not_the_network_s(delay_ms: int) -> None:
    told: list[Found] = []
    watch = ToneWatch(LINE_FORMAT, ALL, told.append)
    ours = silence(500) + tone(NETWORKS["eu"].busy, RATE_HZ) * 6
    back = silence(delay_ms) + with_noise(ours, -60, -14)
    for at in range(0, len(ours), 320):
        watch.frame(CallFrame(back[at : at + 320], ours[at : at + 320], False, at // 16))
    assert told == []
    theirs = tone(NETWORKS["eu"].busy, RATE_HZ) * 6
    for at in range(0, len(theirs), 320):
        watch.frame(CallFrame(theirs[at : at + 320], silence(20), False, at // 16))
    assert names(told) == ["busy"]


def test_what_is_listened_for_by_default_and_by_configuration() -> None:
    nothing = MediaConfig(tones=())
    assert matchers_for(nothing, Direction.OUT) == [] == matchers_for(nothing, Direction.IN)
    assert matchers_for(MediaConfig(), Direction.IN) == [cng]
    assert len(matchers_for(MediaConfig(), Direction.OUT)) == len(progress("eu"))
    assert matchers_for(MediaConfig(tones=("ced", "cng")), Direction.OUT) == [cng, ced]
    pager = PagingConfig(name="x", tone_a_hz=600, tone_b_hz=900)
    assert len(matchers_for(MediaConfig(tones=(), paging=(pager,)), Direction.IN)) == 1
