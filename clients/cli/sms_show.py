"""How messages look to people."""

import json
from typing import Any

from clients.cli.output import print_table, printable, show

Json = dict[str, Any]

SENT_COLUMNS = ("message_id", "line", "state", "number", "parts", "reason", "network_text")
LIST_COLUMNS = ("message_id", "created_at", "direction", "number", "state", "text")
QUEUE_COLUMNS = (
    "line", "can_send", "queued", "sending", "unknown", "sent_today", "failed_today", "blocked_for_s", "memories",
    "smsc",
)  # fmt: skip
SHORT_TEXT = 60


def print_sent(found: Any) -> None:
    """A message of ours, and how it stands."""
    print_table("Message", SENT_COLUMNS, [[found.get(column) for column in SENT_COLUMNS]])


def print_page(found: Any, verb: str) -> None:
    """verb: what to type for the next page."""
    messages = found.get("messages") or []
    if not messages:
        print("No messages.")
        return
    rows = [[message.get(column) for column in LIST_COLUMNS[:-1]] + [in_short(message)] for message in messages]
    print_table("Messages", LIST_COLUMNS, rows)
    if found.get("next"):
        print(f"Older ones: dialtone sms {verb} --before {show(found['next'])}")


def print_conversations(found: Any) -> None:
    conversations = found.get("conversations") or []
    if not conversations:
        print("No messages.")
        return
    rows = [
        [each.get("number"), each.get("messages"), each["last"].get("created_at"), in_short(each["last"])]
        for each in conversations
    ]
    print_table("Conversations", ("number", "messages", "last", "text"), rows)
    if found.get("next"):
        print(f"Older ones: dialtone sms conversations --before {show(found['next'])}")


def print_message(found: Any) -> None:
    """Everything that says something, and the text as it is, line by line."""
    fields = [(name, value) for name, value in found.items() if name != "text" and value not in (None, False, [], ())]
    print_table("Message", ("field", "value"), fields)
    if found.get("text") is not None:
        print("Text:")
        for line in found["text"].splitlines() or [""]:
            print(f"  {printable(line)}".rstrip())


def print_erased(found: Any) -> None:
    print_table(
        "Erased",
        ("what", "how many"),
        [(name, value) for name, value in found.items() if name not in ("scrubbed", "seq")],
    )
    if found.get("scrubbed") is False:
        print("The store is too large to be rewritten while the core runs: traces may be left in its free space.")
        print("Stop the core and run: sqlite3 FILE 'VACUUM; PRAGMA wal_checkpoint(TRUNCATE)'")


def print_queues(found: Any) -> None:
    lines = found.get("lines") or []
    if not lines:
        print("No lines.")
        return
    shown = [line | {"memories": _memories(line.get("memories") or [])} for line in lines]
    print_table("Queues", QUEUE_COLUMNS, [[line.get(column) for column in QUEUE_COLUMNS] for line in shown])


def print_line(found: Json) -> None:
    """One JSON text on a line of its own."""
    print(json.dumps(found, ensure_ascii=False))


def in_short(message: Json) -> str:
    """The text on one line, cut; for data how much there is."""
    if message.get("text") is None:
        octets = len(message.get("data") or "") * 3 // 4
        return f"({octets} bytes of data)" if octets else ""
    words = " ".join(message["text"].split())
    gap = " (parts are missing)" if message.get("incomplete") else ""
    return (words if len(words) <= SHORT_TEXT else words[: SHORT_TEXT - 1] + "…") + gap


def _memories(memories: list[Json]) -> str:
    return " ".join(f"{memory.get('name')} {memory.get('used')}/{memory.get('total')}" for memory in memories)
