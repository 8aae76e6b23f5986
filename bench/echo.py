"""Our own echo: how often it interrupts us, how much of it is taken off, what stays of a caller, what it costs."""

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.echo_line import EchoLine, frames, line
from bench.figures import Figure, percentile
from core.audio import LINE_FORMAT, PTIME_MS, PcmFormat
from core.media.echo import EchoCanceller
from core.media.endpoint import Endpoint, Onset, TurnConfig
from core.media.vad import WebRtcVad

Flags = npt.NDArray[np.bool_]

MODES = ("cancel", "gate", "off")
ECHOES_DB, DELAYS_MS = (-10, -20, -30), (100, 250, 400)
KEPT_PERCENT, COST_US = 70.0, 300.0
SAME_ONSET_MS = 400


@dataclass(slots=True)
class Measured:
    """Of one echo, in one mode."""

    seconds: float = 0.0
    false: int = 0
    kept: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    missed: int = 0
    reduction_db: list[float] = field(default_factory=list)
    cost_us: list[float] = field(default_factory=list)


async def run(quick: bool) -> list[Figure]:
    """quick: one delay and 30 s of each; else three of 60 s. The rates are of a line that nobody else speaks on."""
    figures: list[Figure] = []
    seconds, delays = (30, (250,)) if quick else (60, DELAYS_MS)
    for codec in (False, True):
        for echo_db in (*ECHOES_DB, None):
            lines = [(line(seconds, echo_db, ms, codec=codec), _double(seconds, echo_db, ms, codec)) for ms in delays]
            for mode in MODES:
                measured = Measured()
                for alone, double in lines:
                    _false(measured, alone, mode)
                    _kept(measured, double, mode)
                figures.append(_figure(measured, mode, echo_db, codec))
    figures.append(_wide_cost())
    return figures


def _double(seconds: int, echo_db: float | None, delay_ms: int, codec: bool) -> EchoLine:
    return line(seconds, echo_db, delay_ms, codec=codec, caller=True, seed=2)


def _false(measured: Measured, made: EchoLine, mode: str) -> None:
    out, canceller, cost_us = _cleaned(made, mode)
    onsets, _ = _heard(out)
    measured.false += len(onsets)
    measured.seconds += len(out) * PTIME_MS / 1000
    measured.cost_us.append(cost_us)
    if canceller is not None:
        measured.reduction_db.append(canceller.reduction_db)


def _kept(measured: Measured, made: EchoLine, mode: str) -> None:
    """Which frames of the caller's speech are still speech, and how much later it interrupts than without an echo."""
    out, _, _ = _cleaned(made, mode)
    wanted_ms, wanted = _heard(frames(made.alone))
    onsets_ms, speech = _heard(out)
    measured.kept.append(100 * float(np.mean(speech[wanted])))
    for at_ms in wanted_ms:
        found = [each - at_ms for each in onsets_ms if -SAME_ONSET_MS <= each - at_ms <= 2 * SAME_ONSET_MS]
        if found:
            measured.late_ms.append(max(0, min(found)))
        elif not _spoken_at(speech, at_ms):
            measured.missed += 1


def _spoken_at(speech: Flags, at_ms: int) -> bool:
    """It was speech already: one onset stands for both words."""
    place = at_ms // PTIME_MS
    return bool(np.mean(speech[max(0, place - 6) : place + 6]) > 0.5)


def _cleaned(made: EchoLine, mode: str) -> tuple[list[bytes], EchoCanceller | None, float]:
    """What counts as heard; doubtful frames don't."""
    heard, ours = frames(made.heard), frames(made.ours)
    if mode == "off":
        return heard, None, 0.0
    canceller = EchoCanceller(LINE_FORMAT, subtract=mode == "cancel")
    started_s = time.thread_time()
    out = []
    for down, up in zip(heard, ours, strict=True):
        frame = canceller.clean(down, up)
        out.append(LINE_FORMAT.silence if canceller.doubtful else frame)
    return out, canceller, (time.thread_time() - started_s) / len(out) * 1e6


def _heard(out: list[bytes]) -> tuple[list[int], Flags]:
    """Places of onsets that would interrupt us, in ms, and which frames are speech."""
    vad, endpoint = WebRtcVad(LINE_FORMAT.rate_hz), Endpoint(TurnConfig(), LINE_FORMAT)
    onsets: list[int] = []
    speech = [vad.is_speech(frame) for frame in out]
    for frame, loud in zip(out, speech, strict=True):
        onsets += [endpoint.now_ms for action in endpoint.step(frame, loud) if isinstance(action, Onset)]
    return onsets, np.array(speech)


def _figure(measured: Measured, mode: str, echo_db: float | None, codec: bool) -> Figure:
    per_minute = measured.false / measured.seconds * 60
    kept = float(np.mean(measured.kept))
    ok = per_minute == 0 and kept >= KEPT_PERCENT and max(measured.cost_us) <= COST_US
    detail: dict[str, float | int | str | bool | None] = {
        "caller_kept_percent": round(kept, 1),
        "caller_missed": measured.missed,
        "later_ms_p95": round(percentile(measured.late_ms, 95)) if measured.late_ms else None,
        "erle_db": round(float(np.mean(measured.reduction_db)), 1) if measured.reduction_db else None,
        "us_a_frame": round(float(np.mean(measured.cost_us))),
    }
    what = ("no echo" if echo_db is None else f"echo {echo_db} dB") + (" through GSM" if codec else "")
    return Figure(
        name=f"echo: {mode}, {what}: false barge-ins",
        value=round(per_minute, 2),
        unit="a minute",
        target="" if mode == "off" else f"0, kept >= {KEPT_PERCENT:g} %",
        ok=None if mode == "off" else ok,
        detail=detail,
    )


def _wide_cost() -> Figure:
    """At 16 kHz, of noise on both sides: it works as hard on that as on speech."""
    form = PcmFormat(16000)
    chance = np.random.default_rng(1)
    noise = [(chance.normal(0, 1000, form.frame_samples)).astype("<i2").tobytes() for _ in range(500)]
    canceller = EchoCanceller(form)
    started_s = time.thread_time()
    for up, down in zip(noise, reversed(noise), strict=True):
        canceller.clean(down, up)
    cost_us = (time.thread_time() - started_s) / len(noise) * 1e6
    return Figure(
        name="echo: a frame at 16 kHz while we speak",
        value=round(cost_us),
        unit="us",
        target=f"<= {COST_US:g}",
        ok=cost_us <= COST_US,
    )
