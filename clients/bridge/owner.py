"""Tells the owner of missed calls and messages: by notification, SMS, e-mail; many at once as one digest."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import dialtone
from clients.bridge import mail, notifications
from clients.bridge.outbox.backoff import Schedule
from clients.bridge.outbox.rows import DeliveryFailed, Draft, Row, encode
from clients.bridge.outbox.store import Store, now_text
from clients.bridge.settings import OwnerTable

SMS_QUEUE = "owner.sms"
SMS_CHARS = 300
"""Two parts, or a bit more in other alphabets: the owner pays for each."""
DIGEST_LINES = 50
SAME_DIGITS = 8
"""Numbers that end alike are one, with or without country and trunk codes."""
SMS_DEADLINE_S = 40.0

Kind = Literal["missed", "message", "voicemail"]
KINDS: dict[str, Kind] = {"call.missed": "missed", "sms.received": "message", "voicemail.received": "voicemail"}
TOPICS = tuple(KINDS)
TITLES: dict[Kind, tuple[str, str]] = {
    "missed": ("missed call", "missed calls"),
    "message": ("message", "messages"),
    "voicemail": ("voicemail", "voicemails"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing for the owner. at: local time, hours and minutes."""

    kind: Kind
    number: str
    at: str
    text: str | None = None

    @property
    def line(self) -> str:
        head = f"{TITLES[self.kind][0].capitalize()} from {self.number} at {self.at}"
        return f"{head}: {self.text}" if self.text else head


@dataclass(frozen=True, slots=True)
class Owner:
    """Makes rows of facts. email_to: empty where the owner wants none; mails_messages: [email] sms does those."""

    table: OwnerTable
    email_to: Sequence[str]
    mails_messages: bool
    hostname: Callable[[], str]

    def __call__(self, event: dialtone.Event, store: Store) -> list[Draft]:
        notice = notice_of(event, include_text=self.table.include_text)
        if notice is None or notice.kind not in self.table.of:
            return []
        if self._may_tell_now(store):
            return self._drafts([notice], event.name)
        store.db.execute(
            "INSERT INTO held (seq, at, notice, added_at) VALUES (?, ?, ?, ?)",
            (event.seq, event.at, json.dumps([notice.kind, notice.number, notice.at, notice.text]), now_text()),
        )
        return []

    def digest(self, store: Store, station_id: str) -> list[str]:
        """What is held for the owner becomes one row for each way, once its time has come. Gives the queues."""
        first = store.db.execute("SELECT seq, at, added_at FROM held ORDER BY id LIMIT 1").fetchone()
        if first is None or not self._is_due(first[2]):
            return []
        with store.writing():
            rows = store.db.execute("SELECT notice FROM held ORDER BY id").fetchall()
            drafts = self._drafts([Notice(*json.loads(row[0])) for row in rows], "owner.digest")
            # A digest is named after the first fact in it, which is in no other.
            about = dialtone.Event("owner.digest", {}, seq=first[0], at=first[1])
            for draft in drafts:
                store.add(station_id, draft, about)
            store.db.execute("DELETE FROM held")
            store.db.execute("INSERT INTO paced VALUES (?)", (now_text(),))
        return [draft.queue for draft in drafts]

    def _may_tell_now(self, store: Store) -> bool:
        """Whether fewer than `burst` were told in the window, and none waits. By the clock here: what happened over
        an hour and comes at once is for a digest too."""
        since = datetime.now(UTC) - timedelta(seconds=self.table.window_s)
        store.db.execute("DELETE FROM paced WHERE at < ? OR at > ?", (_text(since), now_text()))
        (told,) = store.db.execute("SELECT count(*) FROM paced").fetchone()
        (held,) = store.db.execute("SELECT count(*) FROM held").fetchone()
        if held or told >= self.table.burst:
            return False
        store.db.execute("INSERT INTO paced VALUES (?)", (now_text(),))
        return True

    def _is_due(self, since: str) -> bool:
        waited_s = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()
        return waited_s >= self.table.window_s or waited_s < 0  # the clock was set back

    def _drafts(self, notices: list[Notice], event: str) -> list[Draft]:
        found: list[Draft] = []
        part = "digest" if event == "owner.digest" else "owner"
        if self.table.notify:
            body = notifications.notification("info", _long(notices), self.hostname())
            found.append(Draft(notifications.QUEUE, event, body, part=part))
        mailed = [notice for notice in notices if not (self.mails_messages and notice.kind == "message")]
        if mailed:
            mails = [mail.letter(to, _title(mailed), _long(mailed)) for to in self.email_to]
            found += [Draft(mail.QUEUE, event, body, part=f"{part}{at}") for at, body in enumerate(mails)]
        for at, to in enumerate(self.table.sms_to):
            # Whoever answers our notice, or a station that notifies this one, must not be told of it by SMS.
            theirs = [notice for notice in notices if not any(_same(notice.number, own) for own in self.table.sms_to)]
            if theirs:
                body = encode({"to": to, "text": _short(theirs)})
                found.append(Draft(SMS_QUEUE, event, body, part=f"{part}{at}"))
        return found


def notice_of(event: dialtone.Event, *, include_text: bool) -> Notice | None:
    """What a fact says to the owner; None: nothing."""
    kind = KINDS.get(event.name)
    if kind is None or event.params.get("silent"):
        return None
    at = datetime.fromisoformat(event.at).astimezone().strftime("%H:%M") if event.at else "?"
    text = event.params.get("text") if include_text else None
    return Notice(kind, event.params.get("number") or "a hidden number", at, text)


def _title(notices: list[Notice]) -> str:
    """ "2 missed calls, 1 message", or of one its kind and number."""
    if len(notices) == 1:
        return f"{TITLES[notices[0].kind][0].capitalize()} from {notices[0].number}"
    counted = Counter(notice.kind for notice in notices)
    return ", ".join(f"{counted[kind]} {TITLES[kind][counted[kind] > 1]}" for kind in TITLES if counted[kind])


def _long(notices: list[Notice]) -> str:
    if len(notices) == 1:
        return notices[0].line
    lines = [f"{_title(notices)} since {notices[0].at}", *(notice.line for notice in notices[:DIGEST_LINES])]
    more = len(notices) - DIGEST_LINES
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


def _short(notices: list[Notice]) -> str:
    if len(notices) == 1:
        return _cut(notices[0].line)
    numbers = Counter(notice.number for notice in notices)
    who = ", ".join(f"{number} ({times})" if times > 1 else number for number, times in numbers.most_common())
    return _cut(f"{_title(notices)} since {notices[0].at}: {who}")


def _cut(text: str) -> str:
    return text if len(text) <= SMS_CHARS else text[: SMS_CHARS - 3] + "..."


def _same(one: str, other: str) -> bool:
    ends = ["".join(filter(str.isdigit, number))[-SAME_DIGITS:] for number in (one, other)]
    return ends[0] == ends[1] and len(ends[0]) == SAME_DIGITS


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True, eq=False)
class SmsChannel:
    """The daemon's own queue of messages takes it from here; the key as client_ref makes it one message."""

    phone: dialtone.Phone
    schedule: Schedule
    queue: str = SMS_QUEUE
    deadline_s: float = SMS_DEADLINE_S

    async def deliver(self, row: Row) -> None:
        wanted: dict[str, Any] = json.loads(row.body)
        try:
            await self.phone.call("sms.send", to=wanted["to"], text=wanted["text"], client_ref=row.key)
        except dialtone.RpcError as problem:
            raise DeliveryFailed(
                f"the daemon said {problem.kind}", refused=not problem.retry, retry_after_s=problem.retry_after_s
            ) from None
        except (dialtone.ConnectionLost, dialtone.RequestTimeout):
            raise DeliveryFailed("the daemon does not answer") from None
