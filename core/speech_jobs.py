"""Syntheses under way by the names that their clients gave them, so that they can be cancelled."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import InvalidParams, NotFound
from core.media.tts import TtsStream


class SpeechJobs:
    """Names are each connection's own. Bounded by the streams that the speech service makes at once."""

    def __init__(self) -> None:
        self._streams: dict[tuple[int, str], TtsStream] = {}

    @contextmanager
    def named(self, session: int, name: str | None, stream: TtsStream) -> Iterator[None]:
        """While the block runs. InvalidParams for a name that is in use."""
        if name is None:
            yield
            return
        key = (session, name)
        if key in self._streams:
            raise InvalidParams("A synthesis of that name is under way.", path="job")
        self._streams[key] = stream
        try:
            yield
        finally:
            del self._streams[key]

    async def cancel(self, session: int, name: str) -> int:
        """NotFound where it is over or never was."""
        stream = self._streams.get((session, name))
        if stream is None:
            raise NotFound("No synthesis of that name is under way.")
        await stream.cancel()
        return 1
