"""Short messages in the modem's memories, as raw PDUs. Pure. TS 27.005 §3; indices start at 0 on SIM7600 (spec §4.1).

The seam for everything deeper (text mode, concatenation, reports): messages are PDUs, and whoever understands PDUs
works on `Message.pdu`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

CAPACITY = {"ME": 23, "SM": 50, "SR": 10}
"""Totals seen in the manual's example and on SIMs; daemons must not hard-code them."""


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

    slots: dict[str, dict[int, Message]] = field(default_factory=lambda: {memory: {} for memory in CAPACITY})
    read: str = "SM"
    write: str = "SM"
    receive: str = "SM"
    sent: list[str] = field(default_factory=list)
    """Submitted PDUs or texts, oldest first; the newest 1000 are kept."""
    next_reference: int = 0

    def usage(self) -> list[tuple[str, int, int]]:
        return [(name, len(self.slots[name]), CAPACITY[name]) for name in (self.read, self.write, self.receive)]

    def add(self, memory: str, message: Message) -> int | None:
        """The index it got; None when the memory is full."""
        slots = self.slots[memory]
        index = next((i for i in range(CAPACITY[memory]) if i not in slots), None)
        if index is not None:
            slots[index] = message
        return index

    def submit(self, pdu: str) -> int:
        """The network took it: its message reference, 0 to 255."""
        self.sent.append(pdu)
        del self.sent[:-1000]
        reference = self.next_reference
        self.next_reference = (reference + 1) % 256
        return reference

    def delete(self, index: int, flag: int) -> None:
        """AT+CMGD. flag 0: that index; 1 read; 2 read and sent; 3 also unsent; 4 all."""
        slots = self.slots[self.read]
        if flag == 0:
            slots.pop(index, None)
            return
        doomed = {1: (1,), 2: (1, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3)}[flag]
        for slot in [slot for slot, message in slots.items() if message.status in doomed]:
            del slots[slot]


def pdu_is_sound(pdu: str, tpdu_octets: int) -> bool:
    """Hexadecimal, whole octets, and as long as AT+CMGS announced."""
    try:
        octets = bytes.fromhex(pdu)
    except ValueError:
        return False
    return len(octets) > 1 and len(octets) - 1 - octets[0] == tpdu_octets
