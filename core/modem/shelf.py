"""What lies in one message memory of the modem as far as we know, and what to do with each place. Pure.

An index is used again as soon as it is free, so a place is deleted only while we know what lies there: a deletion
whose outcome is unknown waits for the next list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.line import HeldPdu, Place
from core.modem.lines_sms import Listed


class Fate(StrEnum):
    OFFERED = "offered"  # the service has it, and has not said yet
    KEPT = "kept"  # it could not be written: offered again after `offer_again`
    DOOMED = "doomed"  # safe on disk: to be deleted
    DOUBTFUL = "doubtful"  # a deletion was tried, and how it went is unknown
    FOREIGN = "foreign"  # nothing from the network: we leave it alone


@dataclass(slots=True)
class _Entry:
    pdu: str | None
    fate: Fate


class Shelf:
    """One memory in one life of the modem."""

    def __init__(self, life: int, memory: str) -> None:
        self.life = life
        self.memory = memory
        self._entries: dict[int, _Entry] = {}
        self._unexplained: tuple[int, int] | None = None

    def __len__(self) -> int:
        """How many places are taken, as far as we know."""
        return len(self._entries)

    def of(self, fate: Fate) -> list[int]:
        return sorted(index for index, entry in self._entries.items() if entry.fate is fate)

    def listed(self, found: Iterable[Listed]) -> list[HeldPdu]:
        """What is new in the whole list of the memory, by index. What it lacks is gone."""
        before, self._entries = self._entries, {}
        new: list[HeldPdu] = []
        for item in sorted(found, key=lambda item: item.index):
            known = before.get(item.index)
            if known is not None and known.pdu == item.pdu:
                if known.fate is Fate.DOUBTFUL:
                    known.fate = Fate.DOOMED
                self._entries[item.index] = known
            elif item.received and item.pdu is not None:
                self._entries[item.index] = _Entry(item.pdu, Fate.OFFERED)
                new.append(HeldPdu(item.pdu, Place(self.life, self.memory, item.index)))
            else:
                self._entries[item.index] = _Entry(item.pdu, Fate.FOREIGN)
        return new

    def discard(self, index: int) -> None:
        """It is safe. Anything that was not offered stays as it is."""
        self._change(index, Fate.DOOMED)

    def keep(self, index: int) -> None:
        self._change(index, Fate.KEPT)

    def offer_again(self) -> bool:
        """The next list offers what was kept; whether there is any."""
        kept = self.of(Fate.KEPT)
        for index in kept:
            del self._entries[index]
        return bool(kept)

    def deleting(self, indices: Sequence[int]) -> None:
        """A deletion of these goes out."""
        for index in indices:
            self._entries[index].fate = Fate.DOUBTFUL

    def deleted(self, indices: Sequence[int]) -> None:
        """The modem said OK."""
        for index in indices:
            self._entries.pop(index, None)

    def must_be_listed(self, used: int, *, thorough: bool = False) -> bool:
        """Whether a memory with `used` places taken holds something that we don't know of.

        A count that a list did not explain is asked about once, and then only when thorough.
        """
        state = (used, len(self))
        if used == len(self) or (state == self._unexplained and not thorough):
            return False
        self._unexplained = state
        return True

    def _change(self, index: int, fate: Fate) -> None:
        entry = self._entries.get(index)
        if entry is not None and entry.fate is Fate.OFFERED:
            entry.fate = fate
