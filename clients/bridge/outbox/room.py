"""What goes when the outbox is full, in this order, the oldest first:

1. dead letters; 2. rows of moments; 3. rows for webhooks, from the one that has most of them. Rows for the VPS and the
owner stay: with only those left nothing more is read, and what happens waits in the daemon's journal
(`store.journal_days`) with this consumer's place. Each that goes is counted, and an alarm says so.
"""

from clients.bridge.outbox.store import Store

WEBHOOK = "webhook."
"""Queues of [[webhook]] begin with it."""


class Full(Exception):
    """There is no room and nothing that may go."""


def make_room(store: Store, max_rows: int, max_bytes: int) -> None:
    """Within taking(): until the bounds hold again. Full."""
    while True:
        rows, size = store.totals()
        if rows <= max_rows and size <= max_bytes:
            return
        found = _next_to_go(store)
        if found is None:
            raise Full
        number, queue = found
        store.db.execute("DELETE FROM rows WHERE id = ?", (number,))
        store.count(queue, "dropped")


def _next_to_go(store: Store) -> tuple[int, str] | None:
    for where in ("state = 'dead'", "disposable"):
        found = store.db.execute(f"SELECT id, queue FROM rows WHERE {where} ORDER BY id LIMIT 1").fetchone()
        if found is not None:
            return int(found[0]), str(found[1])
    longest = store.db.execute(
        "SELECT queue FROM rows WHERE substr(queue, 1, ?) = ? GROUP BY queue ORDER BY count(*) DESC, min(id) LIMIT 1",
        (len(WEBHOOK), WEBHOOK),
    ).fetchone()
    if longest is None:
        return None
    oldest = store.db.execute("SELECT min(id) FROM rows WHERE queue = ?", longest).fetchone()
    return int(oldest[0]), str(longest[0])
