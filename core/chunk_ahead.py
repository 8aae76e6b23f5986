"""Chunks as OGG Opus before anybody asks: encoded while the caller pauses, since a pause becomes a chunk only after
half a second of it, and encoding takes some 10 ms per second of speech."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from core.log import Log
from core.media.codecs import OpusWriter

log = Log("chunks")

AHEAD_MS = 200
"""Of silence. Most pauses between words are shorter, and however often a caller goes on, no sound is encoded twice."""


class AheadEncoder:
    """One call's. `feed` and `cut` never wait: the work is done in a thread of its own, in order."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chunks")  # it ends with this object
        self._fed = b""
        self._writer: OpusWriter | None = None
        """Of the thread alone, as `_broken`: something of this chunk could not be encoded."""
        self._broken = False

    def feed(self, pending: bytes) -> None:
        """The beginning of the next chunk, as far as it is certain; each time all of it."""
        if len(pending) > len(self._fed) and pending.startswith(self._fed):
            news, self._fed = pending[len(self._fed) :], pending
            self._submit(lambda: self._write(news))

    def cut(self, pcm: bytes) -> Future[bytes | None]:
        """The chunk is whole: its file, None where it could not be made. The next one begins."""
        ahead = bool(self._fed) and pcm.startswith(self._fed)
        news = pcm[len(self._fed) :] if ahead else pcm
        self._fed = b""
        return self._submit(lambda: self._finish(news, ahead))

    def _submit(self, work: Callable[[], bytes | None]) -> Future[bytes | None]:
        return self._thread.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], bytes | None]) -> bytes | None:
        """libsndfile's troubles are its own; the audio is still there, and encoded when somebody asks."""
        try:
            return work()
        except Exception as problem:
            log.warning("a chunk was not encoded ahead", problem=type(problem).__name__)
            return None

    def _write(self, news: bytes) -> None:
        if self._broken:
            return
        self._broken = True
        self._writer = self._writer or OpusWriter(self._rate_hz)
        self._writer.write(news)
        self._broken = False

    def _finish(self, news: bytes, ahead: bool) -> bytes | None:
        if not ahead:
            self._writer, self._broken = None, False
        try:
            self._write(news)
            return None if self._broken or self._writer is None else self._writer.finish()
        finally:
            self._writer, self._broken = None, False
