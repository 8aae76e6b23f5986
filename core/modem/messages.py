"""Short messages of one life of the modem: what lies in its memories, what it hands over, and what we send.

Received messages stay in the modem until the service says that they are safe; one task lists, deletes and counts, one
command at a time, so that a message to send, which takes its turn at the same port, waits for one command at most.
TS 27.005; the reference of the modem, §4.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence

from core.errors import ModemBusy
from core.line import (
    MAIL_ITEMS,
    HeldPdu,
    LineLateReference,
    LineLateRefusal,
    LineMail,
    LineMemory,
    LineMessage,
    MemoryUse,
    Place,
)
from core.log import Log
from core.modem import lines_sms as lines
from core.modem.at import Command, Reply, Urc
from core.modem.echoes import Echoes
from core.modem.lines_error import error_of
from core.modem.memories import Memories
from core.modem.message_setup import Setup, set_up
from core.modem.outgoing import Outgoing, refusal
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import MessageProfile
from core.modem.shelf import Fate, Shelf

RETRY_S = 2.0
"""After a step that failed, doubled up to the time between two sweeps: SIMs are busy for seconds at the start."""

CHAIN_S = 0.25
"""A chain of deletions that takes longer is cut: a hang-up or a message may wait behind it."""

FIRST_CHAIN = 4
DELETE_S = 5.0
"""And a second for each message."""


class MessageBox:
    """`drive` and the pumps run in the life's tasks; the rest is called by the line. Raises PortLost."""

    def __init__(
        self,
        ports: Sequence[AtPort],
        profile: MessageProfile,
        tell: Callable[[LineMessage], None],
        lives: Iterator[int],
        *,
        sweep_s: float,
    ) -> None:
        """ports: all AT ports of the modem, the one that messages go through first."""
        self._ports = ports
        self._port = ports[0]
        self._profile = profile
        self._tell = tell
        self._lives = lives
        self._sweep_s = sweep_s
        self._log = Log("modem.messages")
        self._echoes = Echoes()
        self._wake = asyncio.Event()
        self._sim_ready = False
        self._full = False
        self._next_sweep_s = time.monotonic() + sweep_s
        self._next_retry_s = float("inf")
        self._begin_life()

    def _begin_life(self) -> None:
        """Nothing that was known holds any more: the modem restarted, or its SIM went."""
        profile = self._profile
        self._life = next(self._lives)
        self._shelves = {name: Shelf(self._life, name) for name in profile.memories + profile.seldom}
        self._memories = Memories(self._port)
        self._outgoing = Outgoing(self._port, keeps_link=profile.keeps_link)
        self._setup: Setup | None = None
        self._wanted = set(self._shelves)
        self._postponed: set[str] = set()
        self._count_due = self._thorough = False
        self._retry_s = RETRY_S
        self._chain, self._chain_max = min(FIRST_CHAIN, profile.deletes), profile.deletes
        self._acks = 0

    # --- from the modem --------------------------------------------------------------------------------------------

    def on_sim(self, state: str | None) -> None:
        """The SIM's state changed."""
        if self._sim_ready and state != "READY":
            self._begin_life()
        self._sim_ready = state == "READY"
        self._wake.set()

    def on_urc(self, port: str, urc: Urc) -> None:
        """One URC of either port."""
        line = urc.text
        if not line.startswith(("+CM", "+CD", "+SMS FULL", "RDY", "SMS DONE", "+CPIN: READY")):
            return
        if not self._echoes.is_new(port, f"{line} {urc.pdu}", time.monotonic()):
            return
        if urc.pdu is not None and line.startswith(("+CMT:", "+CDS:")):
            self._on_direct(urc.pdu)
        elif (place := lines.stored(line)) is not None:
            self._wanted |= {place.memory} if place.memory in self._shelves else set(self._shelves)
        elif line.startswith(("+CMGS:", "+CMS ERROR:")):
            self._on_late(line)
        elif line == "RDY" or (line == "+CPIN: READY" and self._sim_ready):
            self._begin_life()  # the modem, or its SIM, started while we thought that it was there
        elif line in ("SMS DONE", "+SMS FULL"):
            self._wanted |= set(self._shelves)
            if line == "+SMS FULL":
                self._set_full(True)
        self._wake.set()

    def _on_direct(self, pdu: str) -> None:
        """+CMT or +CDS: flash messages come so even when all others are stored."""
        if not re.fullmatch(r"([0-9A-Fa-f]{2})+", pdu):
            self._log.warning("a message that was handed over directly is no PDU", pii_line=pdu)
            return
        self._tell(LineMail((HeldPdu(pdu.upper(), None),)))
        self._acks += self._setup is not None and self._setup.must_ack

    def _on_late(self, line: str) -> None:
        """The answer to a message that we had given up on."""
        if (reference := lines.cmgs(line)) is not None:
            self._tell(LineLateReference(reference))
        elif (error := error_of(line)) is not None:
            refused = refusal(error)
            self._tell(LineLateRefusal(refused.cms, refused.text))

    # --- from the line ---------------------------------------------------------------------------------------------

    @property
    def can_send(self) -> bool:
        """Whether the modem is set up for it and its port not busy with a message that gets no answer."""
        return self._sim_ready and self._setup is not None and self._setup.pdu_mode and not self._port.deaf

    @property
    def smsc(self) -> str | None:
        return self._setup.smsc if self._setup is not None else None

    @property
    def memories(self) -> tuple[MemoryUse, ...]:
        uses = self._memories.uses
        return tuple(MemoryUse(name, uses[name].used, uses[name].total) for name in self._shelves if name in uses)

    async def send(self, tpdu: bytes, *, smsc: str | None, more: bool, timeout_s: float) -> int:
        """As Line.send_tpdu; AtTimeout and PortLost where that has PublicErrors."""
        if self._setup is None or not self._setup.pdu_mode:
            raise ModemBusy("The modem is being set up for messages.")
        return await self._outgoing.send(tpdu, smsc=smsc, more=more, timeout_s=timeout_s)

    def discard(self, places: Sequence[Place]) -> None:
        for place in places:
            if place.life == self._life and place.memory in self._shelves:
                self._shelves[place.memory].discard(place.index)
        self._wake.set()

    def keep(self, places: Sequence[Place]) -> None:
        for place in places:
            if place.life == self._life and place.memory in self._shelves:
                self._shelves[place.memory].keep(place.index)

    # --- the task --------------------------------------------------------------------------------------------------

    async def drive(self) -> None:
        """Keeps the modem's memories empty. Ends by PortLost."""
        while True:
            await self._rest()
            if not self._sim_ready:
                continue
            self._take_what_is_due(time.monotonic())
            try:
                await self._work()
            except (AtTimeout, ModemBusy):
                self._count_due = True
                self._put_off()

    async def _rest(self) -> None:
        due_s = min(self._next_sweep_s, self._next_retry_s)
        try:
            async with asyncio.timeout(max(0.0, due_s - time.monotonic()) if self._sim_ready else None):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _take_what_is_due(self, now_s: float) -> None:
        if now_s >= self._next_sweep_s:
            self._next_sweep_s = now_s + self._sweep_s
            self._count_due = self._thorough = True
            self._wanted |= {name for name, shelf in self._shelves.items() if shelf.offer_again()}
        if now_s >= self._next_retry_s:
            self._next_retry_s = float("inf")
            self._wanted |= self._postponed
            self._postponed = set()

    def _put_off(self, *memories: str) -> None:
        """These are listed again in a while."""
        self._postponed |= set(memories)
        if self._next_retry_s == float("inf"):
            self._next_retry_s = time.monotonic() + self._retry_s
            self._retry_s = min(self._retry_s * 2, self._sweep_s)

    async def _work(self) -> None:
        """All there is to do now."""
        while self._sim_ready:
            doomed = next((shelf for shelf in self._shelves.values() if shelf.of(Fate.DOOMED)), None)
            if self._acks:
                self._acks -= 1
                await self._port.send(Command("AT+CNMA"))
            elif self._setup is None or not self._setup.stored:
                if not await self._set_up():
                    self._put_off()
                    return
            elif doomed is not None:
                await self._delete(doomed)
            elif self._wanted:
                name = next(name for name in self._shelves if name in self._wanted)
                self._wanted.remove(name)
                await self._list(self._shelves[name])
            elif self._count_due:
                self._count_due = False
                await self._count()
            else:
                return

    async def _set_up(self) -> bool:
        """Whether messages can be fetched now."""
        life = self._life
        setup = await set_up(self._ports, self._profile, self._memories)
        if life != self._life:
            return True  # and begins again
        self._setup = setup
        return setup.stored

    async def _list(self, shelf: Shelf) -> None:
        """Offers what is new there."""
        command = Command("AT+CMGL=4", self._profile.list_timeout_s, prefixes=("+CMGL:",))
        reply = await self._within(shelf, command)
        if shelf.life != self._life:
            return
        if reply is None and shelf.memory in self._profile.seldom:
            return  # this firmware has none
        if reply is None or not reply.ok:
            self._put_off(shelf.memory)
            return
        new = shelf.listed(lines.cmgl(reply.lines))
        for at in range(0, len(new), MAIL_ITEMS):
            self._tell(LineMail(tuple(new[at : at + MAIL_ITEMS])))

    async def _delete(self, shelf: Shelf) -> None:
        """As many as one line may chain."""
        indices = shelf.of(Fate.DOOMED)[: self._chain]
        command = Command("AT" + ";".join(f"+CMGD={index}" for index in indices), DELETE_S + len(indices))
        started_s = time.monotonic()
        shelf.deleting(indices)
        reply = await self._within(shelf, command)
        self._count_due = True
        if reply is not None and reply.ok:
            shelf.deleted(indices)
            slow = time.monotonic() - started_s > CHAIN_S
            self._chain = max(1, self._chain // 2) if slow else min(self._chain * 2, self._chain_max)
        elif reply is not None and len(indices) > 1:
            self._chain = self._chain_max = 1
            self._wanted.add(shelf.memory)  # some of them may be gone, and their places taken anew
        else:
            self._put_off(shelf.memory)

    async def _count(self) -> None:
        """One question for all memories in the usual case; lists those that hold more than we know of."""
        memories, thorough, self._thorough = self._memories, self._thorough, False
        counted = await memories.count()
        for name, shelf in self._shelves.items():
            if name not in counted and (name in self._profile.memories or len(shelf)) and await memories.select(name):
                counted.add(name)
            if shelf.life != self._life:
                return
            if name in counted and shelf.must_be_listed(memories.uses[name].used, thorough=thorough):
                self._wanted.add(name)
        self._set_full(memories.full)
        if not self._wanted and not self._postponed:
            self._retry_s = RETRY_S

    async def _within(self, shelf: Shelf, command: Command) -> Reply | None:
        try:
            return await self._memories.within(shelf.memory, command)
        except (AtTimeout, ModemBusy):
            if shelf.life == self._life:
                self._put_off(shelf.memory)
            raise

    def _set_full(self, full: bool | None) -> None:
        if full is not None and full is not self._full:
            self._full = full
            self._log.warning("the modem's message memory is full" if full else "the modem has room for messages again")
            self._tell(LineMemory(full))
