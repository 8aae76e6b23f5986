"""What a line learnt of its modem in earlier lives, so that the next one doesn't have to learn it again."""

from dataclasses import dataclass, field

from core.config import LineConfig
from core.modem.gap import Gap
from core.modem.packet_plan import Access
from core.modem.pins import Pins


@dataclass(slots=True)
class Past:
    """ramping: a ramp began and has not ended; ramps_lost: how many ended the life. unknown: commands that this
    firmware answered with ERROR, as (revision, command). access: of the SIM that was read last."""

    gap: Gap
    pins: Pins = field(repr=False)
    ramping: bool = False
    ramps_lost: int = 0
    unknown: set[tuple[str | None, str]] = field(default_factory=set)
    access: Access | None = None

    @property
    def reason(self) -> str | None:
        """What a person should know of a line that is ready."""
        if (gap_s := self.gap.widened_s) is None:
            return None
        return (
            f"the modem dropped off the bus right after quick commands: they are {gap_s:g} s apart for now;"
            " give it more power (a powered hub)"
        )


def past_of(config: LineConfig) -> Past:
    return Past(Gap(config.at_gap_s), Pins(config.pin))
