"""Faults that a test asks for, and how often each still strikes. Pure.

Kinds named WEDGE live in the audio endpoint and go away with a reset, as field reports say (spec §3.5, §3.6).
"""

from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    LATE_REPLY = "late_reply"
    NO_REPLY = "no_reply"
    URC_IN_REPLY = "urc_in_reply"
    GARBAGE = "garbage"
    ERROR_REPLY = "error_reply"
    CPCMREG_REFUSED = "cpcmreg_refused"
    UPLINK_STUCK = "uplink_stuck"
    PARTIAL_FRAME_BLOCKS = "partial_frame_blocks"
    BYTE_SHIFT = "byte_shift"
    ECHO = "echo"
    DOWNLINK_MUTE = "downlink_mute"
    RATE_16K = "rate_16k"
    DEGRADING = "degrading"
    SIM_HUNG = "sim_hung"
    NETWORK_STUCK = "network_stuck"
    BROWNOUT = "brownout"


class Cure(StrEnum):
    """What ends a fault by itself; each stronger one does as well."""

    RADIO = "radio"
    RESET = "reset"
    POWER = "power"


WEDGE = frozenset({FaultKind.CPCMREG_REFUSED, FaultKind.UPLINK_STUCK, FaultKind.BYTE_SHIFT, FaultKind.DOWNLINK_MUTE})


@dataclass(slots=True)
class Fault:
    """One fault. times: strikes left, None for ever. command: a name (`AT+CSQ`, `CSQ`) or a start (`+CPCMREG=1`).
    port: the USB interface that it strikes at, None for both AT ports. until: what ends it, None for nothing.
    """

    kind: FaultKind
    command: str | None = None
    times: int | None = None
    delay_s: float = 0.0
    text: str = ""
    data: bytes = b""
    executed: bool = False
    after_bytes: int = 0
    after_s: float = 0.0
    delay_ms: int = 0
    gain_db: float = 0.0
    stop: bool = False
    healthy_calls: int = 1
    refusals: int = 2
    denied: bool = False
    port: int | None = None
    until: Cure | None = None

    def hits(self, command_text: str, port: int | None = None) -> bool:
        if self.port is not None and port is not None and self.port != port:
            return False
        if self.command is None:
            return True
        wanted = self.command.upper().removeprefix("AT")
        for name in (wanted, "+" + wanted):
            if command_text == name or (command_text.startswith(name) and not command_text[len(name)].isalnum()):
                return True
        return False


@dataclass(slots=True)
class Faults:
    """The faults now set; several of one kind may stand for different commands."""

    _set: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        self._set.append(fault)

    def clear(self, kind: FaultKind | None = None) -> None:
        self._set = [fault for fault in self._set if kind is not None and fault.kind != kind]

    def cure(self, by: Cure) -> None:
        """The radio was off and is on again, the modem restarted, or its power was cut."""
        cures = {Cure.RADIO: (Cure.RADIO,), Cure.RESET: (Cure.RADIO, Cure.RESET), Cure.POWER: tuple(Cure)}[by]
        wedges = WEDGE if by is not Cure.RADIO else frozenset()
        self._set = [fault for fault in self._set if fault.kind not in wedges and fault.until not in cures]

    def get(self, kind: FaultKind) -> Fault | None:
        """The latest fault of that kind, without using it up."""
        return next((fault for fault in reversed(self._set) if fault.kind == kind), None)

    def strike(self, kind: FaultKind, command_text: str = "", port: int | None = None) -> Fault | None:
        """The first fault of that kind that is meant for this command, used once; None if there is none."""
        for fault in self._set:
            if fault.kind == kind and fault.hits(command_text, port):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._set.remove(fault)
                return fault
        return None

    def names(self) -> list[str]:
        return sorted({str(fault.kind) for fault in self._set})
