"""The message memories of the modem: which one commands mean now, and how full each is (TS 27.005 §3.2.2).

mem1, which AT+CMGL and AT+CMGD mean, is the modem's state. It is kept here, by the one task that uses it.
"""

from collections.abc import Sequence

from core.modem import lines_sms as lines
from core.modem.at import Command, Reply
from core.modem.port import AtPort, AtTimeout

SELECT_TIMEOUT_S = 10.0
"""The SIM is read anew with it."""


class Memories:
    """In one life of the modem. Raises PortLost, AtTimeout and ModemBusy; then mem1 counts as unknown."""

    def __init__(self, port: AtPort) -> None:
        self.uses: dict[str, lines.Use] = {}
        self._port = port
        self._stores: list[str] = []  # mem1, mem2, mem3; empty when unknown

    async def choose(self, storage: Sequence[tuple[str, str, str]]) -> bool:
        """The first of these that the modem takes; False when it takes none."""
        for stores in storage:
            if await self._set(stores):
                return True
        return False

    async def within(self, memory: str, command: Command) -> Reply | None:
        """The command's answer with this memory as mem1; None when the modem doesn't take that memory."""
        if self._stores[:1] != [memory] and not await self.select(memory):
            return None
        try:
            return await self._port.send(command)
        except AtTimeout:
            self._stores = []  # silent modems may have restarted
            raise

    async def select(self, memory: str) -> bool:
        """Makes it mem1, which tells how full it is."""
        return await self._set((memory, *self._stores[1:]), 1)

    async def count(self) -> set[str]:
        """Asks how full they are; which memories the answer was about."""
        reply = await self._port.send(Command("AT+CPMS?"))
        uses = [use for line in reply.lines for use in lines.cpms(line) or ()]
        self._stores = [use.name or "" for use in uses]
        return self._learn(uses)

    @property
    def full(self) -> bool | None:
        """Whether the one for new messages has no room; None when that is not known and one of them has none."""
        receiving = self.uses.get(self._stores[2]) if len(self._stores) > 2 else None
        if receiving is not None and receiving.used >= receiving.total > 0:
            return True
        return False if all(use.used < use.total for use in self.uses.values()) else None

    async def _set(self, stores: Sequence[str], count: int = 3) -> bool:
        """AT+CPMS with the first `count` of these. Its answer has no names (SIMCom's manual)."""
        self._stores = []
        names = ",".join(f'"{name}"' for name in stores[:count])
        reply = await self._port.send(Command(f"AT+CPMS={names}", SELECT_TIMEOUT_S, prefixes=("+CPMS:",)))
        if reply.ok:
            self._stores = list(stores)
            uses = [use for line in reply.lines for use in lines.cpms(line) or ()]
            self._learn([lines.Use(use.used, use.total, name) for use, name in zip(uses, stores, strict=False)])
        return reply.ok

    def _learn(self, uses: Sequence[lines.Use]) -> set[str]:
        named = {use.name: use for use in uses if use.name}
        self.uses.update(named)
        return set(named)
