"""All live sessions, and which of them holds which consumer name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.events import EventsDisplaced

if TYPE_CHECKING:
    from core.rpc.session import Session


class Sessions:
    """Bounded by max_connections, which the server keeps."""

    def __init__(self) -> None:
        self._live: dict[int, Session] = {}
        self._consumers: dict[str, Session] = {}
        self._last_id = 0

    def __iter__(self) -> Iterator["Session"]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def new_id(self) -> int:
        """Ids never repeat while the process lives."""
        self._last_id += 1
        return self._last_id

    def add(self, session: "Session") -> None:
        self._live[session.id] = session

    def remove(self, session: "Session") -> None:
        self._live.pop(session.id, None)
        self.release_consumer(session)

    def get(self, session_id: int) -> "Session | None":
        return self._live.get(session_id)

    def take_consumer(self, name: str, session: "Session") -> None:
        """The name is this session's from now on. Who had it is told, and gets no more events."""
        before = self._consumers.get(name)
        if before is session:
            return
        self.release_consumer(session)
        self._consumers[name] = session
        session.consumer = name
        if before is not None:
            before.displaced()
            before.notify(EventsDisplaced(consumer=name))

    def release_consumer(self, session: "Session") -> None:
        """Its place stays on disk; only the session lets go of the name."""
        if session.consumer is not None and self._consumers.get(session.consumer) is session:
            del self._consumers[session.consumer]
        session.consumer = None
