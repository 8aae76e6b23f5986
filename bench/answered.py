"""How well answer detection tells people from machines, on generated answers: a table of who was taken for whom, at the
first verdict (4 s at most) and in the end, with no words understood; and what a frame costs."""

import asyncio
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass

from bench.answerers import Answerer, answerers
from bench.figures import Figure, percentile
from core.audio import LINE_FORMAT
from core.events import AnsweredBy
from core.media.answered_by import AnswerConfig, AnsweredByDetector, Verdict
from core.media.vad import WebRtcVad

FIRST_RIGHT, LAST_RIGHT, BEEPS_HEARD = 90.0, 90.0, 95.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one answerer."""

    answerer: Answerer
    first: Verdict | None
    last: Verdict | None
    beep: bool


async def run(quick: bool) -> list[Figure]:
    """All figures: some 40 s, quick 15."""
    judged, us_per_frame = await asyncio.to_thread(_judge, 4 if quick else 1)
    _print(judged)
    return [*_shares(judged), _cost(us_per_frame)]


def judge(answerer: Answerer) -> Judged:
    """Runs one through the detector, as a call would."""
    vad, detector = WebRtcVad(LINE_FORMAT.rate_hz, 3), AnsweredByDetector(LINE_FORMAT.rate_hz)
    verdicts: list[Verdict] = []
    size = LINE_FORMAT.frame_bytes
    for start in range(0, len(answerer.pcm) - size + 1, size):
        frame = answerer.pcm[start : start + size]
        verdict = detector.step(frame, speech=vad.is_speech(frame), we_speak=False)
        if verdict is not None:
            verdicts.append(verdict)
        if detector.over:
            break
    first, last = (verdicts[0], verdicts[-1]) if verdicts else (None, None)
    return Judged(answerer, first, last, any(verdict.beep for verdict in verdicts))


def _judge(every: int) -> tuple[list[Judged], float]:
    made = list(answerers(every, flite=shutil.which("flite") is not None))
    started_s = time.thread_time()
    judged = [judge(each) for each in made]
    took_s = time.thread_time() - started_s
    frames = sum(len(each.pcm) // LINE_FORMAT.frame_bytes for each in made)
    return judged, took_s / frames * 1e6


def _shares(judged: list[Judged]) -> list[Figure]:
    people = [each for each in judged if each.answerer.who is AnsweredBy.HUMAN]
    machines = [each for each in judged if each.answerer.who is AnsweredBy.MACHINE]
    others = [each for each in judged if not each.answerer.beep]
    within_ms = AnswerConfig().within_ms
    after_ms = [each.first.after_ms for each in people if each.first is not None]
    last = _percent([each.last is not None and each.last.answered_by is each.answerer.who for each in judged])
    human = [_is(each.first, AnsweredBy.HUMAN) for each in people]
    not_human = [not _is(each.first, AnsweredBy.HUMAN) for each in machines]
    in_time = [each.first is not None and each.first.after_ms <= within_ms for each in judged]
    heard, wrong = [each.beep for each in machines], sum(each.beep for each in others)
    return [
        _figure("people taken for people, first verdict", _percent(human), FIRST_RIGHT),
        _figure("machines not taken for people, first verdict", _percent(not_human), FIRST_RIGHT),
        _figure("right in the end, all kinds", last, LAST_RIGHT, answers=len(judged)),
        _figure("a verdict within 4 s", _percent(in_time), 100.0),
        _figure("beeps heard", _percent(heard), BEEPS_HEARD, heard_where_none_was=wrong),
        Figure(
            name="answered: first verdict for a person",
            value=percentile([float(ms) for ms in after_ms], 50),
            unit="ms after the answer, p50",
            detail={"p95_ms": percentile([float(ms) for ms in after_ms], 95)},
        ),
    ]


def _is(verdict: Verdict | None, who: AnsweredBy) -> bool:
    return verdict is not None and verdict.answered_by is who


def _percent(right: list[bool]) -> float:
    return round(100 * sum(right) / max(1, len(right)), 1)


def _figure(name: str, value: float, target: float, **detail: int) -> Figure:
    return Figure(f"answered: {name}", value, "%", f">= {target:g}", value >= target, {**detail})


def _cost(us_per_frame: float) -> Figure:
    share = us_per_frame / 20_000 * 100
    return Figure(
        "answered: cost with VAD, while it listens", round(share, 2), "% of a core", "<= 1.5", share <= 1.5,
        {"us_per_frame": round(us_per_frame, 1)},
    )  # fmt: skip


def _print(judged: list[Judged]) -> None:
    """Rows: who it was. Columns: taken for whom, first and in the end."""
    for when in ("first", "last"):
        counts: Counter[tuple[str, str]] = Counter()
        for each in judged:
            verdict = each.first if when == "first" else each.last
            counts[each.answerer.who, verdict.answered_by if verdict is not None else "none"] += 1
        columns = [*AnsweredBy, "none"]
        print(f"{when + ' verdict':16s}" + "".join(f"{column:>11s}" for column in columns), file=sys.stderr)
        for who in AnsweredBy:
            if any(counts[who, column] for column in columns):
                cells = "".join(f"{counts[who, column] or '.':>11}" for column in columns)
                print(f"{who:16s}{cells}", file=sys.stderr)
    for each in judged:
        if each.last is None or each.last.answered_by is not each.answerer.who:
            said = each.last.answered_by if each.last is not None else "none"
            print(f"  {each.answerer.who} ({each.answerer.style}) taken for {said}", file=sys.stderr)
