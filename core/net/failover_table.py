"""The states of the failover machine and what leads from one to another, as a table. docs/network.md draws it."""

from enum import StrEnum

from core.events import FailoverState


class On(StrEnum):
    """What happens to the connection, as far as it decides a state."""

    FAILED = "failed"
    ANSWERED = "answered"
    NEEDED = "needed"
    BARRED = "barred"
    CARRYING = "carrying"
    UNAVAILABLE = "unavailable"
    LOST = "lost"
    FORCED = "forced"
    BACK = "back"
    OFF = "off"
    ALLOWED = "allowed"


MEANING: dict[On, str] = {
    On.FAILED: "a look at the main link failed, not yet often enough; of `recovering`: it does not answer any more",
    On.ANSWERED: "the main link answered",
    On.NEEDED: "`fail_count` looks failed, or one for a call or a message, or the link has been gone for `settle_s`; "
    "unless `hold_primary_s` since the last return is not over. Or mode is `on`",
    On.BARRED: "the same, and no backup may be started: the day's data is used up, or there is none (`bearer`)",
    On.CARRYING: "the SIM's data is up and has the traffic",
    On.UNAVAILABLE: "the SIM's data does not come up, or its own looks fail `fail_count` times, or the day's data is "
    "used up; and the main link does not answer either",
    On.LOST: "the SIM's data went away: it is started again",
    On.FORCED: "mode is `on`: it stays, however well the main link does",
    On.BACK: "the main link answered `back_count` times and `hold_backup_s` is over; at once where the backup carries "
    "nothing (any more)",
    On.OFF: "mode is `off`",
    On.ALLOWED: "mode is `auto` or `on`",
}

_S = FailoverState

NEXT: dict[tuple[FailoverState, On], FailoverState] = {
    (_S.OFF, On.ALLOWED): _S.PRIMARY,
    (_S.PRIMARY, On.FAILED): _S.SUSPECT,
    (_S.PRIMARY, On.NEEDED): _S.STARTING_BACKUP,
    (_S.PRIMARY, On.BARRED): _S.BOTH_DOWN,
    (_S.PRIMARY, On.OFF): _S.OFF,
    (_S.SUSPECT, On.ANSWERED): _S.PRIMARY,
    (_S.SUSPECT, On.NEEDED): _S.STARTING_BACKUP,
    (_S.SUSPECT, On.BARRED): _S.BOTH_DOWN,
    (_S.SUSPECT, On.OFF): _S.OFF,
    (_S.STARTING_BACKUP, On.CARRYING): _S.BACKUP,
    (_S.STARTING_BACKUP, On.UNAVAILABLE): _S.BOTH_DOWN,
    (_S.STARTING_BACKUP, On.BACK): _S.PRIMARY,
    (_S.STARTING_BACKUP, On.OFF): _S.OFF,
    (_S.BACKUP, On.ANSWERED): _S.RECOVERING,
    (_S.BACKUP, On.LOST): _S.STARTING_BACKUP,
    (_S.BACKUP, On.UNAVAILABLE): _S.BOTH_DOWN,
    (_S.BACKUP, On.BACK): _S.PRIMARY,
    (_S.BACKUP, On.OFF): _S.OFF,
    (_S.RECOVERING, On.FAILED): _S.BACKUP,
    (_S.RECOVERING, On.FORCED): _S.BACKUP,
    (_S.RECOVERING, On.BACK): _S.PRIMARY,
    (_S.RECOVERING, On.OFF): _S.OFF,
    (_S.BOTH_DOWN, On.ANSWERED): _S.PRIMARY,
    (_S.BOTH_DOWN, On.CARRYING): _S.BACKUP,
    (_S.BOTH_DOWN, On.OFF): _S.OFF,
}

WITH_BACKUP = frozenset({_S.STARTING_BACKUP, _S.BACKUP, _S.RECOVERING, _S.BOTH_DOWN})
"""States in which the SIM's data is wanted. In both_down, too: both ways are tried."""

CARRIED = frozenset({_S.BACKUP, _S.RECOVERING})
"""States in which it has the traffic."""


STATES: dict[FailoverState, str] = {
    _S.OFF: "the main link, whatever it does; it is still looked at",
    _S.PRIMARY: "the main link",
    _S.SUSPECT: "the main link, which has failed, not yet often enough",
    _S.STARTING_BACKUP: "the main link, while the SIM's data is being started",
    _S.BACKUP: "the SIM's data",
    _S.RECOVERING: "the SIM's data, while the main link answers again",
    _S.BOTH_DOWN: "the main link, which does not work; the SIM's data does not come up, or may not, and is tried again",
}
"""What has the traffic."""


def diagram() -> str:
    """All of it for docs/network.md."""
    shown = [f"| `{state}` | {text} |" for state, text in STATES.items()]
    arrows = [f"    {before} --> {after} : {on}" for (before, on), after in NEXT.items() if on is not On.OFF]
    words = [f"| `{on}` | {text} |" for on, text in MEANING.items()]
    return "\n".join(
        [
            "| state | the traffic goes over |", "|---|---|", *shown, "",
            "```mermaid", "stateDiagram-v2", f"    [*] --> {_S.OFF}", *arrows, "```", "",
            f"From every state `{On.OFF}` leads to `{_S.OFF}`.", "",
            "| step | taken when |", "|---|---|", *words,
        ]
    )  # fmt: skip
