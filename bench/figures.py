"""What a benchmark gives: figures, each beside the number that it should reach."""

from msgspec import Struct, field


class Figure(Struct, frozen=True):
    """One measured number. ok is None where there is no target, or where this machine can't tell."""

    name: str
    value: float
    unit: str
    target: str = ""
    ok: bool | None = None
    detail: dict[str, float | int | str | bool | None] = field(default_factory=dict)


def percentile(samples: list[float], percent: float) -> float:
    """The nearest-rank percentile, 0 to 100; ValueError without samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]
