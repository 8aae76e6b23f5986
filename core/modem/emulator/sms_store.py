"""Short messages in the modem's memories, as raw PDUs. Pure. TS 27.005 §3; indices start at 0 on SIM7600 (spec §4.1).

Whoever wants more of a message than its PDU reads it with tpdu.py.
"""

from dataclasses import dataclass, field
from enum import IntEnum

CAPACITY = {"ME": 23, "SM": 50, "SR": 10}
"""Totals seen in the manual's example and on SIMs; daemons must not hard-code them."""
MEMORIES = ("ME", "SM", "SR", "MT")
"""MT, "all memory of the modem", is another name of ME here: what is on the SIM isn't listed with it."""


class Status(IntEnum):
    UNREAD = 0
    READ = 1
    UNSENT = 2
    SENT = 3
    ALL = 4


@dataclass(slots=True)
class Message:
    """pdu: hexadecimal, SMSC field first."""

    pdu: str
    status: Status = Status.UNREAD

    @property
    def tpdu_octets(self) -> int:
        """The <length> of AT: octets after the SMSC field."""
        octets = len(self.pdu) // 2
        return octets - 1 - int(self.pdu[:2], 16) if octets else 0


@dataclass(slots=True)
class SmsStore:
    """One dict of slots per memory. read: CPMS mem1; write: mem2; receive: mem3."""

    capacity: dict[str, int] = field(default_factory=lambda: dict(CAPACITY))
    slots: dict[str, dict[int, Message]] = field(default_factory=lambda: {memory: {} for memory in CAPACITY})
    read: str = "SM"
    write: str = "SM"
    receive: str = "SM"
    told_full: set[str] = field(default_factory=set)
    """Memories whose +SMS FULL is out and that have had no room since."""

    def at(self, memory: str) -> dict[int, Message]:
        return self.slots[real(memory)]

    def usage(self) -> list[tuple[str, int, int]]:
        return [(name, len(self.at(name)), self.capacity[real(name)]) for name in (self.read, self.write, self.receive)]

    def has_room(self, memory: str) -> bool:
        return len(self.at(memory)) < self.capacity[real(memory)]

    def add(self, memory: str, message: Message) -> int | None:
        """The index it got; None when the memory is full."""
        if not self.has_room(memory):
            return None
        slots = self.at(memory)
        index = next(i for i in range(self.capacity[real(memory)]) if i not in slots)
        slots[index] = message
        return index

    def delete(self, index: int, flag: int) -> None:
        """AT+CMGD. flag 0: that index; 1 read; 2 read and sent; 3 also unsent; 4 all."""
        slots = self.at(self.read)
        if flag == 0:
            slots.pop(index, None)
        else:
            doomed = {1: (1,), 2: (1, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3)}[flag]
            for slot in [slot for slot, message in slots.items() if message.status in doomed]:
                del slots[slot]
        if self.has_room(self.read):
            self.told_full.discard(real(self.read))


def real(memory: str) -> str:
    """The memory behind a name of AT+CPMS."""
    return "ME" if memory == "MT" else memory


def pdu_is_sound(pdu: str, tpdu_octets: int) -> bool:
    """Hexadecimal, whole octets, and as long as AT+CMGS announced."""
    try:
        octets = bytes.fromhex(pdu)
    except ValueError:
        return False
    return len(octets) > 1 and len(octets) - 1 - octets[0] == tpdu_octets
