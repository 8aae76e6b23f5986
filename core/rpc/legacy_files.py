"""Files that the old `synthesize` answers with: those clients want a path, where ours want bytes."""

import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from core.config import SocketConfig
from core.rpc.listen import group_id

FILES_KEPT = 32
"""An old client reads its file at once or plays it into the call; after that nobody needs it."""


class SpokenFiles:
    """A folder beside the legacy socket, readable by whom the socket is open to. All of this blocks: call it on a
    thread, any thread."""

    def __init__(self, config: SocketConfig) -> None:
        self._directory = Path(f"{config.path}.speech")
        self._config = config
        # Those who may write to the socket may read the files; nobody else writes them.
        self._file_mode = int(config.mode, 8) & 0o644 | 0o600
        self._next = 0
        self._lock = threading.Lock()

    def keep(self, data: bytes) -> Path:
        """Writes an OGG file and gives its path; the one FILES_KEPT ago is overwritten."""
        with self._lock:
            self._prepare()
            path = self._directory / f"speech-{self._next % FILES_KEPT:02d}.ogg"
            self._next += 1
            fresh = path.with_suffix(".new")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
            self._give(fresh, self._file_mode)
            fresh.rename(path)
        return path

    def read(self, path: str) -> bytes | None:
        """The bytes of one of these files; None for any other path."""
        if Path(path).parent != self._directory:
            return None
        with suppress(OSError):
            return Path(path).read_bytes()
        return None

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _prepare(self) -> None:
        if not self._directory.is_dir():
            self._directory.mkdir(mode=0o700)
            readers = self._file_mode & 0o444
            self._give(self._directory, 0o700 | readers | readers >> 2)

    def _give(self, path: Path, mode: int) -> None:
        gid = group_id(self._config)
        if gid is not None:
            os.chown(path, -1, gid)
        path.chmod(mode)
