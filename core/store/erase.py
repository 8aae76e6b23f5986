"""Forgetting one party: messages, calls, what was said in them, voicemail, and their facts, gone from the disk too.

Everything up to the answer is erased. It goes in many short writes, so that others get in between; the facts go first,
because only the rows know which facts are theirs. What was cut off by a crash is finished by asking again.

What stays: the numbers and times of facts, without the fields that say who and what; identities of deliveries, which
are hashes; and facts still on their way to a client that had subscribed before.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from core.errors import NotNow
from core.events import EVENTS
from core.store.group import Tx
from core.store.journal import head_seq
from core.store.retention import delete_message
from core.store.store import Store

CHUNK = 500
"""Rows deleted or rewritten per write: some 10 ms that others wait."""

PAGE_FACTS = 5000
"""Facts looked at per read."""

MERGE_PAGES = 500
"""Pages of the index of words that one write merges."""

MERGES = 100_000
"""More than any index needs; the loop has an end whatever SQLite says."""

ALSO_CLEARED = ("client_ref", "recording", "path")
"""Not personal by themselves, but their makers may have put a number into them."""

PARTIES = ("number", "to")
"""Fields of facts that say with whom; to: of a transfer to a person."""

T = TypeVar("T")
Judge = Callable[[str, str], bool]
"""Whether a number (or party key), as it was seen on a line, is the one to be forgotten. Runs on several threads."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went. call_ids: of the calls. recordings: paths in their rows. Files, of voicemail too, are the
    caller's to remove.

    scrubbed: no trace is left in the store's files; False where they are too large for it (see Store.scrub).
    """

    messages: int
    calls: int
    facts: int
    call_ids: tuple[str, ...]
    recordings: tuple[str, ...]
    scrubbed: bool


async def erase(store: Store, judge: Judge) -> Erased:
    """Forgets the party that `judge` knows. NotNow while one of its messages is on its way to the network: everything
    else is gone then, and asking again finishes it."""
    job = _Erasing(_Party(judge))
    pairs = await store.read(_everybody)
    await asyncio.to_thread(job.party.learn, pairs)
    await store.read(job.begin)
    while await store.read(job.look_at_facts):
        for chunk in _chunks(job.take_facts()):
            await store.write(lambda tx, chunk=chunk: _rewrite_facts(tx, chunk))  # type: ignore[misc]
    for ids in _chunks(sorted(job.rows)):
        await store.write(lambda tx, ids=ids: job.delete_messages(tx, ids))  # type: ignore[misc]
    await store.write(job.finish)
    await _merge_words(store)
    scrubbed = await store.scrub()
    return Erased(
        job.messages, len(job.call_ids), job.facts, tuple(sorted(job.call_ids)), tuple(sorted(job.recordings)), scrubbed
    )


class _Party:
    """The judge, asked once for each spelling on each line."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[tuple[str, str], bool] = {}

    def learn(self, pairs: Iterable[tuple[str, str]]) -> None:
        for number, line in pairs:
            self.is_meant(number, line)

    def is_meant(self, number: object, line: object) -> bool:
        if not isinstance(number, str) or not number:
            return False
        pair = (number, line if isinstance(line, str) else "")
        if pair not in self._known:
            self._known[pair] = self._judge(*pair)
        return self._known[pair]

    def spellings(self) -> list[str]:
        return sorted({number for (number, _), meant in self._known.items() if meant})


@dataclass(slots=True)
class _Erasing:
    """What is known so far, between one read or write and the next."""

    party: _Party
    rows: set[int] = field(default_factory=set)
    message_ids: set[str] = field(default_factory=set)
    call_ids: set[str] = field(default_factory=set)
    recordings: set[str] = field(default_factory=set)
    voicemails: set[str] = field(default_factory=set)
    messages: int = 0
    facts: int = 0
    _newest_message: int = 0
    _newest_call: int = 0
    _looked_until: int = 0
    _head: int = 0
    _found_facts: list[tuple[str, int]] = field(default_factory=list)

    # --- reads

    def begin(self, connection: sqlite3.Connection) -> None:
        """All of it as it stands at one moment; what comes later has higher ids."""
        self._newest_message = _highest(connection, "messages")
        self._newest_call = _highest(connection, "calls")
        self._head = head_seq(connection)
        self._collect(connection)

    def look_at_facts(self, connection: sqlite3.Connection) -> bool:
        """The next page of the journal as it was at the beginning; False when that is done."""
        if self._looked_until >= self._head:
            return False
        until = min(self._head, self._looked_until + PAGE_FACTS)
        self._found_facts += self._facts_between(connection, self._looked_until, until)
        self._looked_until = until
        return True

    def take_facts(self) -> list[tuple[str, int]]:
        """(new params, seq) of what was found since the last time."""
        found, self._found_facts = self._found_facts, []
        self.facts += len(found)
        return found

    # --- writes

    def delete_messages(self, tx: Tx, row_ids: Sequence[int]) -> None:
        for row_id in row_ids:
            deleted = tx.execute("DELETE FROM messages WHERE id = ? AND state != 'sending'", (row_id,)).rowcount
            self.messages += deleted

    def finish(self, tx: Tx) -> None:
        """Calls, and whatever came since the beginning."""
        self.rows.clear()
        self._collect(tx.connection)
        rest = self._facts_between(tx.connection, self._head, head_seq(tx.connection))
        _rewrite_facts(tx, rest)
        self.facts += len(rest)
        for row_id in self.rows:
            if _is_sending(tx, row_id):
                raise NotNow("A message to this number is on its way to the network. Ask again when it is over.")
            delete_message(tx, row_id)
        self.messages += len(self.rows)
        for call_id in self.call_ids:
            tx.execute("DELETE FROM calls WHERE call_id = ?", (call_id,))
        for voicemail_id in self.voicemails:
            tx.execute("DELETE FROM voicemails WHERE voicemail_id = ?", (voicemail_id,))
        spellings = self.party.spellings()
        tx.execute(f"DELETE FROM message_reports WHERE message_id IS NULL AND peer IN ({_marks(spellings)})", spellings)

    # --- both

    def _collect(self, connection: sqlite3.Connection) -> None:
        spellings = self.party.spellings()
        messages = connection.execute(
            f"SELECT id, message_id, peer, line FROM messages WHERE peer IN ({_marks(spellings)}) OR id > ?",
            [*spellings, self._newest_message],
        )
        for row_id, message_id, peer, line in messages:
            if self.party.is_meant(peer, line):
                self.rows.add(row_id)
                self.message_ids.add(message_id)
        calls = connection.execute(
            f"SELECT call_id, number, line, recording FROM calls WHERE number IN ({_marks(spellings)}) OR id > ?",
            [*spellings, self._newest_call],
        )
        for call_id, number, line, recording in calls:
            if self.party.is_meant(number, line):
                self.call_ids.add(call_id)
                self.recordings |= {recording} - {None}
        for voicemail_id, call_id, number, line in connection.execute(
            "SELECT voicemail_id, call_id, number, line FROM voicemails"
        ):
            if call_id in self.call_ids or self.party.is_meant(number, line):
                self.voicemails.add(voicemail_id)

    def _facts_between(self, connection: sqlite3.Connection, since: int, until: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        rows = connection.execute(
            "SELECT seq, topic, params FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq", (since, until)
        )
        for seq, topic, params in rows:
            fields = _decoded(params)
            if self._speaks_of_party(fields):
                text = msgspec.json.encode(_redacted(topic, fields)).decode()
                if text != params:
                    found.append((text, seq))
        return found

    def _speaks_of_party(self, fields: dict[str, Any]) -> bool:
        return (
            fields.get("message_id") in self.message_ids
            or fields.get("call_id") in self.call_ids
            or any(self.party.is_meant(fields.get(name), fields.get("line")) for name in PARTIES)
        )


def _everybody(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """All parties that rows name, each as seen on its line."""
    return connection.execute(
        """SELECT DISTINCT peer, line FROM messages
            UNION SELECT DISTINCT number, line FROM calls WHERE number IS NOT NULL
            UNION SELECT DISTINCT number, line FROM voicemails WHERE number IS NOT NULL
            UNION SELECT DISTINCT peer, line FROM message_reports WHERE message_id IS NULL"""
    ).fetchall()


def _redacted(topic: str, fields: dict[str, Any]) -> dict[str, Any]:
    """As clients without the scope see it. Of a topic that only a newer version knows, nothing stays."""
    spec = EVENTS.get(topic)
    if spec is None:
        return dict.fromkeys(fields)
    cleared = dict.fromkeys(name for name in ALSO_CLEARED if name in fields)
    personal = dict.fromkeys(spec.personal) | {"redacted": list(spec.personal)} if spec.personal else {}
    return fields | cleared | personal


def _decoded(params: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(params, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _rewrite_facts(tx: Tx, facts: Sequence[tuple[str, int]]) -> None:
    for params, seq in facts:
        tx.execute("UPDATE journal SET params = ? WHERE seq = ?", (params, seq))


async def _merge_words(store: Store) -> None:
    """Deleted words stay in the index, with a mark, until its parts are merged into one (FTS5 §6.8 'optimize', here
    in steps: §6.7 'merge', negative to begin with)."""
    pages = -MERGE_PAGES
    for _ in range(MERGES):
        if not await store.write(lambda tx, pages=pages: _merge(tx, pages)):  # type: ignore[misc]
            return
        pages = MERGE_PAGES


def _merge(tx: Tx, pages: int) -> bool:
    """False when there was nothing to merge: fewer than two changes, says the manual."""
    before = tx.connection.total_changes
    tx.execute("INSERT INTO message_words (message_words, rank) VALUES ('merge', ?)", (pages,))
    return tx.connection.total_changes - before >= 2


def _is_sending(tx: Tx, row_id: int) -> bool:
    return tx.execute("SELECT 1 FROM messages WHERE id = ? AND state = 'sending'", (row_id,)).fetchone() is not None


def _highest(connection: sqlite3.Connection, table: str) -> int:
    (highest,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
    return int(highest)


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
