"""Messages of callers as files."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import dialtone


def default_messages_dir() -> Path:
    """/var/lib/dialtone/messages for root, below XDG_STATE_HOME for everyone else."""
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone/messages")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone/messages"


async def save_message(
    phone: dialtone.Phone, call_id: str, turn: int, chunks: Sequence[int], folder: Path
) -> list[Path]:
    """Fetches the chunks of a turn and writes them as OGG Opus, readable by the owner alone.

    One file per chunk, so that every player plays them. DialtoneError or OSError when one can't be had.
    """
    written: list[Path] = []
    for chunk in chunks:
        audio = await phone.chunk_audio(call_id, chunk, "ogg")
        path = folder / f"{call_id}-turn{turn}-{chunk}.ogg"
        await asyncio.to_thread(_write, path, audio)
        written.append(path)
    return written


def _write(path: Path, audio: bytes) -> None:
    """Whole or not at all: a reader of the folder never meets half a message."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_suffix(".part")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(audio)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
