"""systemd's units, asked of systemd on D-Bus by systemctl. Parsing is pure."""

import time
from dataclasses import dataclass

from clients.station.programs import ProgramMissing, ProgramTooSlow, run
from clients.station.settings import Services

PROPERTIES = (
    "Id", "Description", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "MainPID",
    "ActiveEnterTimestampMonotonic",
)  # fmt: skip
KINDS = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".device", ".scope", ".slice", ".swap")
WITHOUT_SYSTEMD = ("not been booted with systemd", "Failed to connect to bus", "Host is down")


class UnitsUnknown(Exception):
    """systemd can't be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Unit:
    """States are systemd's own words (org.freedesktop.systemd1(5)). up_s: since it became active; None: it is not."""

    name: str
    description: str
    load_state: str
    active_state: str
    sub_state: str
    enabled: str
    result: str
    restarts: int
    pid: int
    up_s: float | None

    @property
    def is_well(self) -> bool:
        """failed, or between restarts, is not well; stopped is somebody's wish."""
        return self.active_state != "failed" and self.sub_state != "auto-restart"


def parse(shown: str, now_us: int) -> list[Unit]:
    """Of systemctl show: blocks of key=value with an empty line between them; now_us on the monotonic clock."""
    found: list[Unit] = []
    for block in shown.split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in fields:
            found.append(_unit(fields, now_us))
    return found


def _unit(fields: dict[str, str], now_us: int) -> Unit:
    since_us = _number(fields.get("ActiveEnterTimestampMonotonic"))
    active = fields.get("ActiveState", "unknown")
    return Unit(
        name=fields["Id"],
        description=fields.get("Description", ""),
        load_state=fields.get("LoadState", "unknown"),
        active_state=active,
        sub_state=fields.get("SubState", ""),
        enabled=fields.get("UnitFileState", ""),
        result=fields.get("Result", ""),
        restarts=_number(fields.get("NRestarts")),
        pid=_number(fields.get("MainPID")),
        up_s=max(0.0, (now_us - since_us) / 1_000_000) if active == "active" and since_us else None,
    )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0


def one_unit(name: str, timeout_s: float) -> Unit:
    """UnitsUnknown."""
    return _show([full_name(name)], timeout_s)[0]


def units_of(services: Services) -> list[Unit]:
    """All that are configured, patterns as systemd knows them, each once, by name. UnitsUnknown."""
    found = {unit.name: unit for unit in _show([full_name(name) for name in services.units], services.timeout_s)}
    return sorted(found.values(), key=lambda unit: (not unit.name.startswith("dialtone"), unit.name))


def full_name(name: str) -> str:
    """With its kind; a name without one is a service, as for systemctl."""
    return name if name.endswith(KINDS) or any(mark in name for mark in "*?[") else f"{name}.service"


def _show(names: list[str], timeout_s: float) -> list[Unit]:
    try:
        words = ("systemctl", "show", "--no-pager", f"--property={','.join(PROPERTIES)}", "--", *names)
        ran = run(words, timeout_s)
    except ProgramMissing:
        raise UnitsUnknown("systemd is not installed here: there are no services to list") from None
    except ProgramTooSlow:
        raise UnitsUnknown(f"systemd did not answer within {timeout_s:g} s") from None
    if any(mark in ran.err for mark in WITHOUT_SYSTEMD):
        raise UnitsUnknown("systemd does not run here: there are no services to list")
    if ran.code != 0:
        raise UnitsUnknown(f"systemctl: {ran.last_words}")
    return parse(ran.out, time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)
