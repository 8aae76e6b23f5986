"""How well turns are taken: callers cut off in a pause, dead air after them, how soon they are heard, and what
interrupts us without being a caller. Every detector there is, beside a fixed threshold of energy with a fixed timer, on
the same audio. Silero and TEN run where their models are (DIALTONE_MODELS).

The words of a turn are those that a recogniser would give which understands 92 % of them, 100 ms after the chunk.
"""

from collections.abc import Callable

import numpy as np

from bench import turn_metrics
from bench.figures import Figure, percentile
from bench.turn_audio import CONDITIONS, PHRASES, Turn, turns
from bench.turn_ears import BASELINE, Ear, available
from bench.turn_metrics import Point, Silence
from bench.turn_onsets import cost, interruptions, network_costs, onsets, talking_over
from core.audio import LINE_FORMAT, PTIME_MS
from core.media import turn_numbers
from core.media.endpoint import Endpoint, TurnConfig, TurnEnd
from core.media.turn_hints import Hint, hint_of
from core.media.turn_table import Turn as State

UNDERSTOOD = 0.92
WORDS_AFTER_MS = 100
"""From the chunk to its words: what the phrase engine needs, and one frame."""


async def run(quick: bool) -> list[Figure]:
    """All figures; some 90 s, quick 12 s."""
    for language in ("en", "de", "fr", "es", "ro", "lt"):
        turn_numbers.prepare(language)
    count, seconds = (24, 15) if quick else (120, 90)
    material = {condition: turns(count, condition) for condition in CONDITIONS}
    ears = list(available())
    measured = {ear.name: {name: heard(made, ear) for name, made in material.items()} for ear in ears}
    base = measured[BASELINE]
    figures = [figure for ear in ears for figure in _taking(ear.name, measured[ear.name], base)]
    figures += [
        figure for ear in ears if ear.name != BASELINE for figure in _as_configured(ear, material, measured[ear.name])
    ]
    figures += [onsets(ear, material) for ear in ears]
    figures += [interruptions(ear, seconds) for ear in ears]
    figures += [talking_over(ear, material["clean"][: count // 3]) for ear in ears]
    figures += [cost(ear.name, ear.open(), material["clean"]) for ear in ears]
    return figures + [*network_costs(material["clean"])]


def heard(made: list[Turn], ear: Ear) -> list[Silence]:
    """All pauses of these turns as this detector saw them."""
    random = np.random.default_rng(11)
    found = []
    for turn in made:
        vad = ear.open()
        speech = [vad.is_speech(frame) for frame in turn.frames]
        for place, pause in enumerate(turn.pauses):
            said = pause.said if random.uniform() < UNDERSTOOD else ""
            one = turn_metrics.silence(
                speech,
                pause.begin_ms,
                len(speech) * PTIME_MS if pause.last else turn.pauses[place + 1].begin_ms,
                last=pause.last,
                length_ms=pause.end_ms - pause.begin_ms,
                hint=hint_of(said, PHRASES, turn_numbers.known(pause.language)),
            )
            if one is not None:
                found.append(one)
    return found


# --- the metric of eot-bench ------------------------------------------------------------------------------------------


def _taking(name: str, measured: dict[str, list[Silence]], base: dict[str, list[Silence]]) -> list[Figure]:
    """By silence alone, then with hints, each at its best settings; the baseline is silence alone by energy."""
    policies: list[tuple[str, Callable[[list[Silence]], list[Point]]]] = [("timer", _timers)]
    if name != BASELINE:
        policies.append(("hints", _adaptive))
    found = []
    for policy, sweep in policies:
        points = {condition: sweep(silences) for condition, silences in (*measured.items(), ("all", _all(measured)))}
        plain = _timers(_all(base))
        found += [
            _figure(
                f"turns: {name}, {policy}: pauses cut off at {budget_ms} ms of dead air",
                {at: turn_metrics.cut_at(these, budget_ms) * 100 for at, these in points.items()},
                turn_metrics.cut_at(plain, budget_ms) * 100,
                "%",
            )
            for budget_ms in (300, 600)
        ]
        found.append(
            _figure(
                f"turns: {name}, {policy}: dead air at 5 % of pauses cut off",
                {at: turn_metrics.dead_air_at(these, 0.05) for at, these in points.items()},
                turn_metrics.dead_air_at(plain, 0.05),
                "ms",
            )
        )
    return found


def _figure(name: str, by_condition: dict[str, float], baseline: float, unit: str) -> Figure:
    value = by_condition["all"]
    detail: dict[str, float | int | str | bool | None] = {
        condition: round(measured, 1) for condition, measured in by_condition.items() if condition != "all"
    }
    detail |= {"energy_timer": round(baseline, 1), "ratio": round(value / baseline, 2) if baseline else None}
    own = name.startswith(f"turns: {BASELINE}")
    target = "" if own else f"<= {baseline:.4g}, the energy timer's"
    return Figure(name, round(value, 1), unit, target, None if own else value <= baseline, detail)


def _timers(silences: list[Silence]) -> list[Point]:
    return turn_metrics.timers(turn_metrics.curves(silences))


def _adaptive(silences: list[Silence]) -> list[Point]:
    return turn_metrics.adaptive(turn_metrics.curves(silences), WORDS_AFTER_MS)


def _all(measured: dict[str, list[Silence]]) -> list[Silence]:
    return [one for silences in measured.values() for one in silences]


# --- the thresholds as they are ---------------------------------------------------------------------------------------


def _as_configured(ear: Ear, material: dict[str, list[Turn]], measured: dict[str, list[Silence]]) -> list[Figure]:
    """The real turn table with its default thresholds, frame by frame, with hints and without; beside the fixed timer
    on the same detector that leaves as much dead air."""
    timers = _timers(_all(measured))
    found = []
    for hints in (False, True):
        played = [
            (condition, turn.kind, *_played(turn, ear, hints)) for condition, made in material.items() for turn in made
        ]
        share, dead_ms = _cut_percent(played), [dead for *_, dead in played]
        detail: dict[str, float | int | str | bool | None] = {
            condition: round(_cut_percent([one for one in played if one[0] == condition]), 1) for condition in material
        }
        for kind in ("sentence", "phrase", "number"):
            of_kind = [one for one in played if one[1] == kind]
            if any(holds for *_, holds, _ in of_kind):
                detail[f"{kind}s"] = round(_cut_percent(of_kind), 1)
            detail[f"{kind}_dead_air_ms"] = round(float(np.mean([dead for *_, dead in of_kind])))
        dead_air_ms = float(np.mean(dead_ms))
        found.append(
            Figure(
                name=f"turns: {ear.name}, as configured, {'with hints' if hints else '800 ms always'}: pauses cut off",
                value=round(share, 1),
                unit="%",
                detail={
                    **detail,
                    "dead_air_ms": round(dead_air_ms),
                    "dead_air_p95_ms": round(percentile(dead_ms, 95)),
                    "timer_of_same_dead_air": round(turn_metrics.cut_at(timers, dead_air_ms) * 100, 1),
                },
            )
        )
    return found


def _cut_percent(played: list[tuple[str, str, int, int, float]]) -> float:
    return sum(one[2] for one in played) / max(1, sum(one[3] for one in played)) * 100


def _played(turn: Turn, ear: Ear, hints: bool) -> tuple[int, int, float]:
    """Ends before the end, pauses that count, and dead air, ms."""
    vad, endpoint = ear.open(), Endpoint(TurnConfig(), LINE_FORMAT)
    random = np.random.default_rng(len(turn.frames))
    ends, words_at, hint = [], 0, None
    for place, frame in enumerate(turn.frames):
        now_ms = place * PTIME_MS
        if hints and endpoint.state is State.WAITING:
            if words_at == 0:
                words_at, hint = now_ms + WORDS_AFTER_MS, _hint_at(turn, now_ms, random)
            endpoint.hint(hint if now_ms >= words_at else None)
        else:
            words_at = 0
        ends += [now_ms + PTIME_MS for act in endpoint.step(frame, vad.is_speech(frame)) if isinstance(act, TurnEnd)]
    true_end_ms = turn.pauses[-1].begin_ms
    holds = [p for p in turn.pauses[:-1] if p.end_ms - p.begin_ms >= turn_metrics.HOLD_MS[0]]
    early = [at for at in ends if at < true_end_ms]
    late = [at for at in ends if at >= true_end_ms]
    return len(early), len(holds), float(late[0] - true_end_ms if late else turn_metrics.NEVER_MS)


def _hint_at(turn: Turn, now_ms: int, random: np.random.Generator) -> Hint | None:
    begun = [pause for pause in turn.pauses if pause.begin_ms <= now_ms]
    if not begun or random.uniform() >= UNDERSTOOD:
        return None
    return hint_of(begun[-1].said, PHRASES, turn_numbers.known(begun[-1].language))
