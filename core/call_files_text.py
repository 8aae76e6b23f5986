"""`<call_id>_transcription.txt`: what was said in a call, in blocks of text as the old station wrote them. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from core.store.calls import TurnRow

_CUT = re.compile(r"(?<=[?!,.])\s+")
"""Where the old station cut a reply for its synthesiser."""


def transcription(connected_at: str, turns: Iterable[TurnRow]) -> str:
    """A block for each turn of the caller with our words after it; #0 is what we said first. Local time.

    connected_at: RFC 3339, as the call's row has it.
    """
    began = datetime.fromisoformat(connected_at).astimezone()
    return "\n".join(_block(began, rows) for rows in _blocks(turns))


def _blocks(turns: Iterable[TurnRow]) -> Iterator[list[TurnRow]]:
    block: list[TurnRow] = []
    for row in turns:
        if row.role == "caller" and block:
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _block(began: datetime, rows: list[TurnRow]) -> str:
    first = rows[0]
    caller = first if first.role == "caller" else None
    at = began + timedelta(milliseconds=first.at_ms)
    lines = [f"[{at:%H:%M:%S}] Chunk #{caller.turn if caller else 0}:"]
    if caller is not None:
        lines.append(f"Caller: {_one_line(caller.text) or '(not understood)'}")
    said = [row for row in rows if row.role == "bot"]
    for row in said:
        text = _one_line(row.text)
        if text is None:
            continue
        heard = _one_line(row.heard_text) or ""
        lines.append(f"Bot: {text}" + ("" if heard == text else f" (heard: {heard})"))
    if caller is not None and said:
        waited_s = (said[0].at_ms - caller.at_ms - (caller.duration_ms or 0)) / 1000
        lines.append(f"VPS Processing: {waited_s:.2f}s from the end of speech to the first sound")
    pieces = [piece for row in said for piece in _CUT.split(_one_line(row.text) or "") if piece]
    if pieces:
        lines.append(f"Tokenization: {len(pieces)} | " + " | ".join(pieces))
    return "\n".join(lines) + "\n"


def _one_line(text: str | None) -> str | None:
    return " ".join(text.split()) if text else None
