"""From signs to troubles: each with its patience, the most basic one first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.line import AudioReport, AudioVerdict
from core.modem.recovery import Trouble
from core.modem.symptoms import SIM_PASSING, STALLS, Signs, Symptoms, SymptomTimes, worth_a_reset

WELL = Signs(seen=True, serving=True, sim="READY", registration="home")
TIMES = SymptomTimes()

REPORT = AudioReport(
    attempts=1, open_ms=400, rate_hz=8000, measured_rate_hz=8000, bytes_in=160_000, bytes_out=160_000,
    in_bytes_per_s=16_000, out_bytes_per_s=16_000, downlink_dropped_frames=0, uplink_silence_frames=0, uplink_stalls=0,
    alignment_shifts=0, verdict=AudioVerdict.HEALTHY,
)  # fmt: skip


def _first_ill_s(signs: Signs, *, up_to_s: int = 1000) -> tuple[Trouble, int] | None:
    """The first trouble of signs that stay, and after how many seconds."""
    symptoms = Symptoms()
    for now_s in range(up_to_s):
        found = symptoms.look(float(now_s), signs)[0]
        if found is not None:
            return found, now_s
    return None


def test_a_line_that_is_well_has_no_trouble_and_is_cured_of_all() -> None:
    ill, _, cured = Symptoms().look(0.0, WELL)
    assert ill is None and cured == frozenset(Trouble)


@pytest.mark.parametrize(
    ("signs", "trouble", "after_s"),
    [
        (replace(WELL, there=False, serving=False), Trouble.ABSENT, TIMES.absent_s),
        (replace(WELL, serving=False, silent="no answer"), Trouble.SILENT, 0),
        (replace(WELL, alone=True), Trouble.ONE_PORT, TIMES.one_port_s),
        (replace(WELL, sim="BUSY"), Trouble.SIM, TIMES.sim_s),
        (replace(WELL, sim="FAILURE"), Trouble.SIM, TIMES.sim_s),
        (replace(WELL, sim="ABSENT"), Trouble.SIM, TIMES.sim_s),
        (replace(WELL, sim=None), Trouble.SIM, TIMES.sim_s),
        (replace(WELL, registration="denied"), Trouble.NETWORK, TIMES.denied_s),
        (replace(WELL, registration="searching"), Trouble.NETWORK, TIMES.network_s),
        (replace(WELL, registration="not_registered"), Trouble.NETWORK, TIMES.network_s),
        (replace(WELL, falls=TIMES.falls), Trouble.UNSTABLE, 0),
        (replace(WELL, resyncs=TIMES.resyncs), Trouble.TIMEOUTS, 0),
        (replace(WELL, audio=AudioVerdict.SUSPECT), Trouble.AUDIO, 0),
        (replace(WELL, routine=True), Trouble.ROUTINE, 0),
    ],
)
def test_a_sign_is_a_trouble_after_its_patience(signs: Signs, trouble: Trouble, after_s: float) -> None:
    assert _first_ill_s(signs) == (trouble, after_s)


@pytest.mark.parametrize(
    "signs",
    [
        Signs(there=False),  # never seen: nothing is known to be wrong with it
        Signs(seen=True),  # between two lives, or starting
        replace(WELL, sim="SIM PIN"),
        replace(WELL, sim="SIM PUK"),
        replace(WELL, registration=None),
        replace(WELL, registration="roaming"),
        replace(WELL, falls=TIMES.falls - 1),
        replace(WELL, resyncs=TIMES.resyncs - 1),
    ],
)
def test_what_a_restart_does_not_help_is_no_trouble(signs: Signs) -> None:
    assert _first_ill_s(signs) is None


def test_the_most_basic_trouble_explains_the_others() -> None:
    signs = replace(WELL, there=False, serving=False, audio=AudioVerdict.FAILED, silent="no answer")
    symptoms = Symptoms()
    symptoms.look(0.0, signs)
    assert symptoms.look(TIMES.absent_s, signs)[0] is Trouble.ABSENT


def test_a_patience_begins_anew_when_the_sign_was_gone_for_a_moment() -> None:
    symptoms = Symptoms()
    ill = replace(WELL, registration="denied")
    symptoms.look(0.0, ill)
    symptoms.look(TIMES.denied_s - 1, WELL)
    assert symptoms.look(TIMES.denied_s, ill)[0] is None
    assert symptoms.look(2 * TIMES.denied_s, ill)[0] is Trouble.NETWORK


def test_falls_long_ago_do_not_count() -> None:
    symptoms, found = Symptoms(), []
    for fall in range(1, 20):
        now_s = fall * TIMES.window_s / (TIMES.falls - 1)
        found.append(symptoms.look(now_s, replace(WELL, falls=fall))[0])
    assert set(found) == {None}


def test_after_a_rung_what_happened_before_it_counts_no_longer() -> None:
    symptoms, signs = Symptoms(), replace(WELL, resyncs=TIMES.resyncs)
    assert symptoms.look(0.0, signs)[0] is Trouble.TIMEOUTS
    symptoms.forget()
    assert symptoms.look(1.0, signs)[0] is None
    assert Trouble.TIMEOUTS in symptoms.look(1.0, signs)[2]


@given(
    there=st.booleans(),
    serving=st.booleans(),
    silent=st.sampled_from([None, "no answer"]),
    sim=st.sampled_from([*SIM_PASSING, "READY", "SIM PIN"]),
    registration=st.sampled_from([None, "home", "denied", "searching"]),
    audio=st.sampled_from([None, *AudioVerdict]),
)
def test_nothing_is_ill_and_cured_at_once_and_a_line_that_is_not_up_is_cured_of_nothing(
    there: bool,
    serving: bool,
    silent: str | None,
    sim: str | None,
    registration: str | None,
    audio: AudioVerdict | None,
) -> None:
    signs = Signs(
        there=there, seen=True, serving=serving, silent=silent, sim=sim, registration=registration, audio=audio
    )
    symptoms = Symptoms()
    for now_s in (0.0, 1000.0):
        ill, reason, cured = symptoms.look(now_s, signs)
        assert ill not in cured
        assert bool(reason) == (ill is not None)
        assert serving or not cured


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (REPORT, False),
        (replace(REPORT, verdict=AudioVerdict.ONE_WAY), True),
        (replace(REPORT, verdict=AudioVerdict.SUSPECT, attempts=2), True),
        (replace(REPORT, verdict=AudioVerdict.SUSPECT, uplink_stalls=STALLS), True),
        (replace(REPORT, verdict=AudioVerdict.SUSPECT, uplink_stalls=1), False),
        (replace(REPORT, verdict=AudioVerdict.SUSPECT, alignment_shifts=1), False),
        (replace(REPORT, verdict=AudioVerdict.SUSPECT, measured_rate_hz=16_000), True),
        (replace(REPORT, verdict=AudioVerdict.FAILED, attempts=18, open_ms=None, measured_rate_hz=None), True),
        (replace(REPORT, verdict=AudioVerdict.FAILED, attempts=1, open_ms=None, measured_rate_hz=None), False),
    ],
)
def test_a_reset_follows_only_what_foretells_a_bad_next_call(report: AudioReport, wanted: bool) -> None:
    assert worth_a_reset(report) is wanted
