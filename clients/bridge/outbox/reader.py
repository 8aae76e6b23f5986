"""Reads the daemon's facts and has each become rows; only then it is acknowledged."""

import logging
from collections.abc import Sequence

import dialtone
from clients.bridge.outbox.box import Maker, Outbox
from clients.bridge.outbox.rows import matches
from clients.bridge.outbox.store import Store

CONSUMER = "bridge"
LAGGED = "events.lagged"
FORBIDDEN = -32007

_log = logging.getLogger("dialtone.bridge")


class Reader:
    """topics: what somebody wants. clear: those of them of which personal fields must be there."""

    def __init__(
        self,
        phone: dialtone.Phone,
        outbox: Outbox,
        makers: list[Maker],
        topics: Sequence[str],
        clear: Sequence[str],
    ) -> None:
        self._phone = phone
        self._outbox = outbox
        self._makers = makers
        self._topics = list(topics)
        self._clear = frozenset(clear)

    async def run(self, own_name: str) -> None:
        """Until cancelled. own_name: of our client, whose states are no news. RpcError where the daemon hides what
        must be told."""
        async for event in self._phone.events():
            # Our own state changes with each row that fails: telling it would make rows of rows.
            if event.name == "client.state" and event.params.get("client") == own_name:
                continue
            if event.name != LAGGED and not matches(self._topics, event):
                continue  # moments come with the prefixes of facts
            hidden = event.params.get("redacted")
            if hidden and event.name in self._clear:
                raise dialtone.RpcError(
                    FORBIDDEN, f"{event.name} came without {', '.join(hidden)}", {"kind": "forbidden", "retry": False}
                )
            if event.name == LAGGED:
                if event.params.get("cause") != "expired":
                    continue  # the same facts come again
                _log.error("facts were missed: the daemon's journal no longer has them")
                await self._outbox.insist(_count_missed)
            await self._outbox.take(event, self._makers)


def _count_missed(store: Store) -> None:
    with store.writing():
        store.count("journal", "missed")
