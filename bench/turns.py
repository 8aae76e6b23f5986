"""How well turns are taken: callers cut off in a pause, dead air after them, how soon they are heard, and what
interrupts us without being a caller. Every detector there is, beside a fixed threshold of energy with a fixed timer, on
the same audio. Silero and TEN run where their models are (DIALTONE_MODELS).

The words of a turn are those that a recogniser would give which understands 92 % of them, 100 ms after the chunk.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bench import turn_metrics
from bench.figures import Figure, percentile
from bench.turn_audio import CONDITIONS, PHRASES, RATE_HZ, Samples, Turn, frames, noise, spoken, turns
from bench.turn_metrics import Point, Silence
from core.audio import LINE_FORMAT, PTIME_MS
from core.config import MediaConfig
from core.media import turn_numbers
from core.media.echo import EchoCanceller
from core.media.endpoint import Endpoint, Onset, TurnConfig, TurnEnd
from core.media.level import dbfs
from core.media.turn_hints import Hint, hint_of
from core.media.turn_table import Turn as State
from core.media.vad import Vad
from core.media.vad_engines import VadEngines

UNDERSTOOD = 0.92
WORDS_AFTER_MS = 100
"""From the chunk to its words: what the phrase engine needs, and one frame."""
BASELINE_DBFS = -40.0
BASELINE = "energy"
ECHO_DELAY_MS, ECHO_DB = 140, -20.0
"""A mobile network's round trip, and the loss of a phone that leaks from ear to mouth; G.168 lines are better."""
OUR_TEXT = (
    "We are open from nine in the morning until five in the afternoon from Monday to Friday, and on Saturday from ten "
    "until two. If you would like to leave a message, please speak after the tone."
)
COST_MAX_US = 1000.0


class Energy:
    """The plain baseline: a frame is speech when it is louder than -40 dBFS."""

    def is_speech(self, frame: bytes) -> bool:
        return dbfs(frame) > BASELINE_DBFS


@dataclass(frozen=True, slots=True)
class Ear:
    name: str
    open: Callable[[], Vad]


async def run(quick: bool) -> list[Figure]:
    """All figures; some 60 s, quick under 10 s."""
    for language in ("en", "de", "fr", "es", "ro", "lt"):
        turn_numbers.prepare(language)
    count, seconds = (24, 15) if quick else (180, 90)
    material = {condition: turns(count, condition) for condition in CONDITIONS}
    ears = list(available())
    measured = {ear.name: {name: heard(made, ear) for name, made in material.items()} for ear in ears}
    base = measured[BASELINE]
    figures = [figure for ear in ears for figure in _taking(ear.name, measured[ear.name], base)]
    figures += [figure for ear in ears if ear.name != BASELINE for figure in _as_configured(ear, material, base)]
    figures += [_onsets(ear, material) for ear in ears]
    figures += [_interruptions(ear, seconds) for ear in ears]
    figures += [_talking_over(ear, material["clean"]) for ear in ears]
    return figures + [_cost(ear, material["clean"]) for ear in ears]


def available() -> Iterable[Ear]:
    """The baseline, WebRTC's, and those whose models are there."""
    yield Ear(BASELINE, Energy)
    for name in ("webrtc", "silero", "ten"):
        engines = VadEngines(MediaConfig(vad=name))  # type: ignore[arg-type]
        engines.load_now()
        if engines.engine == name:
            yield Ear(name, lambda engines=engines: engines.open(RATE_HZ))  # type: ignore[misc]


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
        for budget_ms in (300, 600):
            found.append(
                _figure(
                    f"turns: {name}, {policy}: pauses cut off at {budget_ms} ms of dead air",
                    {at: turn_metrics.cut_at(these, budget_ms) * 100 for at, these in points.items()},
                    turn_metrics.cut_at(plain, budget_ms) * 100,
                    "%",
                )
            )
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
    return Figure(
        name, round(value, 1), unit, "" if own else "<= energy_timer", None if own else value <= baseline, detail
    )


def _timers(silences: list[Silence]) -> list[Point]:
    return turn_metrics.timers(turn_metrics.curves(silences))


def _adaptive(silences: list[Silence]) -> list[Point]:
    return turn_metrics.adaptive(turn_metrics.curves(silences), WORDS_AFTER_MS)


def _all(measured: dict[str, list[Silence]]) -> list[Silence]:
    return [one for silences in measured.values() for one in silences]


# --- the thresholds as they are ---------------------------------------------------------------------------------------


def _as_configured(ear: Ear, material: dict[str, list[Turn]], base: dict[str, list[Silence]]) -> list[Figure]:
    """The real turn table with its default thresholds, frame by frame, with hints and without."""
    plain = turn_metrics.point(turn_metrics.curves(_all(base)), 800, 800, 800)
    found = []
    for hints in (False, True):
        cut = pauses = 0
        dead_ms: list[float] = []
        by_condition: dict[str, float] = {}
        for condition, made in material.items():
            before = (cut, pauses)
            for turn in made:
                cuts, holds, dead = _played(turn, ear, hints)
                cut, pauses = cut + cuts, pauses + holds
                dead_ms.append(dead)
            by_condition[condition] = round((cut - before[0]) / max(1, pauses - before[1]) * 100, 1)
        share = cut / max(1, pauses) * 100
        found.append(
            Figure(
                name=f"turns: {ear.name}, as configured, {'with hints' if hints else '800 ms always'}: pauses cut off",
                value=round(share, 1),
                unit="%",
                target="<= energy_timer",
                ok=share <= plain.cut_share * 100,
                detail={
                    **by_condition,
                    "dead_air_ms": round(float(np.mean(dead_ms))),
                    "dead_air_p95_ms": round(percentile(dead_ms, 95)),
                    "energy_timer": round(plain.cut_share * 100, 1),
                    "energy_timer_dead_air_ms": round(plain.dead_air_ms),
                },
            )
        )
    return found


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


# --- onsets -----------------------------------------------------------------------------------------------------------


def _onsets(ear: Ear, material: dict[str, list[Turn]]) -> Figure:
    late_ms: list[float] = []
    missed = 0
    for made in material.values():
        for turn in made:
            onset = _first_onset(turn.frames, ear.open(), turn.begin_ms)
            missed += onset is None
            late_ms += [] if onset is None else [onset]
    return Figure(
        name=f"turns: {ear.name}: speech to the onset that may interrupt us",
        value=round(percentile(late_ms, 50)),
        unit="ms, p50",
        detail={"p95_ms": round(percentile(late_ms, 95)), "missed": missed, "callers": len(late_ms) + missed},
    )


def _first_onset(made: list[bytes], vad: Vad, begin_ms: int) -> float | None:
    """When the first onset after the speech began was told; one before it, by noise, is none of the caller's."""
    endpoint = Endpoint(TurnConfig(), LINE_FORMAT)
    for place, frame in enumerate(made):
        for action in endpoint.step(frame, vad.is_speech(frame)):
            now_ms = (place + 1) * PTIME_MS
            if isinstance(action, Onset) and begin_ms <= now_ms <= begin_ms + 2000:
                return now_ms - begin_ms
    return None


def _interruptions(ear: Ear, seconds: int) -> Figure:
    """What stops us while nobody speaks: noise of each kind, and our own echo, before the canceller and after it."""
    per_minute: dict[str, float | int | str | bool | None] = {}
    total = 0.0
    random = np.random.default_rng(5)
    for condition in CONDITIONS[1:]:
        count = _count_onsets(frames(noise(condition, seconds * RATE_HZ, random)), ear.open())
        per_minute[condition] = round(count * 60 / seconds, 1)
        total += count
    uplink, downlink = _echo(seconds)
    per_minute["raw echo"] = round(_count_onsets(downlink, ear.open()) * 60 / seconds, 1)
    canceller = EchoCanceller(LINE_FORMAT)
    cleaned = [canceller.clean(heard, sent) for heard, sent in zip(downlink, uplink, strict=True)]
    count = _count_onsets(cleaned, ear.open())
    per_minute["echo"] = round(count * 60 / seconds, 1)
    return Figure(
        name=f"turns: {ear.name}: false barge-ins by noise and echo",
        value=round((total + count) * 60 / (seconds * len(CONDITIONS)), 2),
        unit="/min",
        detail={**per_minute, "seconds_each": seconds},
    )


def _count_onsets(made: list[bytes], vad: Vad) -> int:
    endpoint = Endpoint(TurnConfig(), LINE_FORMAT)
    return sum(isinstance(act, Onset) for frame in made for act in endpoint.step(frame, vad.is_speech(frame)))


def _echo(seconds: int) -> tuple[list[bytes], list[bytes]]:
    """Our speech, and what comes back of it: later, softer, coloured, coded, over a quiet line."""
    ours = _ours(seconds)
    return frames(ours), frames(_back(ours) + noise("clean", len(ours), np.random.default_rng(2)))


def _ours(seconds: int) -> Samples:
    speech = spoken("espeak", "en-us", OUR_TEXT) * 10 ** (-18 / 20)
    return np.resize(np.concatenate((speech, np.zeros(RATE_HZ // 2))), seconds * RATE_HZ)


def _back(ours: Samples) -> Samples:
    path = np.zeros(RATE_HZ * (ECHO_DELAY_MS + 30) // 1000)
    at = RATE_HZ * ECHO_DELAY_MS // 1000
    path[at : at + 200 : 10] = np.random.default_rng(4).normal(size=20) * np.exp(-np.arange(20) / 5)
    echo = np.convolve(ours, path)[: len(ours)]
    return echo * 10 ** (ECHO_DB / 20) * np.sqrt(np.mean(ours**2) / np.mean(echo**2))


def _talking_over(ear: Ear, made: list[Turn]) -> Figure:
    """A caller who speaks while we do, with our echo in the line and the canceller before the detector."""
    late_ms: list[float] = []
    missed = early = 0
    for turn in made:
        caller = np.concatenate([np.frombuffer(frame, "<i2") for frame in turn.frames]) / 32768
        lead = np.zeros(4 * RATE_HZ)  # our first words: the canceller learns the line
        ours = _ours((len(lead) + len(caller)) // RATE_HZ + 1)[: len(lead) + len(caller)]
        uplink, downlink = frames(ours), frames(np.concatenate((lead, caller)) + _back(ours))
        canceller, vad = EchoCanceller(LINE_FORMAT), ear.open()
        cleaned = [canceller.clean(heard, sent) for heard, sent in zip(downlink, uplink, strict=True)]
        begin_ms = turn.begin_ms + 4000
        early += _count_onsets(cleaned[: begin_ms // PTIME_MS], ear.open())
        onset = _first_onset(cleaned, vad, begin_ms)
        missed += onset is None
        late_ms += [] if onset is None else [onset]
    return Figure(
        name=f"turns: {ear.name}: a caller over our own voice, speech to onset",
        value=round(percentile(late_ms, 50)) if late_ms else float(turn_metrics.NEVER_MS),
        unit="ms, p50",
        detail={
            "p95_ms": round(percentile(late_ms, 95)) if late_ms else None,
            "missed": missed,
            "callers": len(made),
            "false_before": early,
        },
    )


def _cost(ear: Ear, made: list[Turn]) -> Figure:
    vad = ear.open()
    line = [frame for turn in made for frame in turn.frames]
    started_s = time.thread_time()
    for frame in line:
        vad.is_speech(frame)
    value = (time.thread_time() - started_s) / len(line) * 1e6
    return Figure(
        name=f"turns: {ear.name}: work a frame",
        value=round(value, 1),
        unit="us, mean",
        target=f"<= {COST_MAX_US:g}",
        ok=value <= COST_MAX_US,
        detail={"frames": len(line)},
    )
