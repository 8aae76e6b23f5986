"""Messages, calls and their facts, written as the services write them."""

from typing import Any

from core.events import CallEnded, CallIncoming, CallSpeech, SmsReceived, SmsState, SmsStatus
from core.line import CallState, Direction, EndReason
from core.store import calls, inbox, messages
from core.store.messages import NewMessage
from core.store.store import Store, Tx

AT = "2026-11-21T07:16:00.000Z"
ANNE, BEN = "+447700900123", "+447700900456"


def received(message_id: str, number: str = ANNE, text: str | None = "hello", **columns: Any) -> NewMessage:
    wanted: dict[str, Any] = {
        "message_id": message_id, "line": "sim", "direction": "in", "number": number, "peer": number, "text": text,
        "state": SmsState.RECEIVED, "created_at": AT, "updated_at": AT,
    }  # fmt: skip
    return NewMessage(**wanted | columns)


def sent(message_id: str, number: str = ANNE, text: str = "hello", **columns: Any) -> NewMessage:
    return received(message_id, number, text, **{"direction": "out", "state": SmsState.SENT} | columns)


def put(tx: Tx, row: NewMessage, *, states: tuple[str, ...] = ()) -> None:
    """A message with parts in these states, and its fact."""
    messages.insert(tx, row)
    for part, state in enumerate(states, 1):
        tx.execute(
            "INSERT INTO message_parts (message_id, part, pdu, text, state) VALUES (?, ?, ?, ?, ?)",
            (row.message_id, part, (row.text or "").encode().hex(), row.text, state),
        )
    tx.fact(
        SmsReceived(line=row.line, message_id=row.message_id, number=row.number, text=row.text)
        if row.direction == "in"
        else SmsStatus(
            line=row.line, message_id=row.message_id, state=row.state, number=row.number, client_ref=row.client_ref
        )
    )


async def fill(store: Store, *rows: NewMessage) -> None:
    def work(tx: Tx) -> None:
        for row in rows:
            put(tx, row)

    await store.write(work)


async def begin_group(store: Store, row: NewMessage, *parts: int) -> None:
    """The first parts of a message of which nobody was told yet."""

    def work(tx: Tx) -> None:
        inbox.open_group(tx, inbox.GroupKey(row.line, row.peer, 7, False, row.parts), row, row.created_at)
        for part in parts:
            inbox.add_piece(tx, row.message_id, inbox.Piece(part, "00", f"part {part}", None))

    await store.write(work)


def put_call(tx: Tx, call_id: str, number: str | None, said: str, recording: str | None = None) -> None:
    """A call that is over, with what the caller said."""
    tx.fact(CallIncoming(line="sim", call_id=call_id, number=number))
    calls.insert_call(
        tx,
        calls.CallRow(
            call_id=call_id, line="sim", direction=Direction.IN, number=number, state=CallState.ENDED, started_at=AT,
            ended_at=AT, recording=recording,
        ),
    )  # fmt: skip
    calls.add_turn(tx, calls.TurnRow(call_id=call_id, ordinal=1, turn=1, role="caller", text=said))
    tx.fact(CallSpeech(line="sim", call_id=call_id, turn=1, text=said, understood=True))
    tx.fact(
        CallEnded(
            line="sim", call_id=call_id, direction=Direction.IN, reason=EndReason.REMOTE_HANGUP, number=number,
            recording=recording,
        )
    )  # fmt: skip
