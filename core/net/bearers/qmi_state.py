"""What the modem has given us and must get back: client id and packet data handle, on disk before they are used."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec


class Kept(msgspec.Struct, frozen=True):
    """device: its control device. life: of the modem that gave it (DataDevice.life); a later one has forgotten it.

    client None: one has been asked for, and what came of it stands in qmicli's own output. handle None: no network.
    """

    device: str
    life: str
    client: int | None = None
    handle: int | None = None


@dataclass(frozen=True, slots=True)
class QmiState:
    """One file. Blocking: a few hundred bytes, written at most a handful of times for each connection."""

    path: Path

    def load(self) -> Kept | None:
        """None when there is nothing, or nothing that makes sense."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError):
            return None

    def save(self, kept: Kept) -> None:
        """Survives kill -9 and, once it returns, a power failure. OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(kept))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
