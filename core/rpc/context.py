"""What methods can reach: one object made by the daemon, typed field by field."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.bus import Bus
from core.clock import unix_s
from core.config import Config
from core.rpc.sessions import Sessions

if TYPE_CHECKING:
    from core.rpc.methods import Registry
    from core.services import Services
    from core.store.store import Store


@dataclass(slots=True, eq=False, kw_only=True)
class Core:
    """The services, as core/daemon.py has wired them. Methods get it as `request.core`.

    methods is what rpc.discover describes; the server sets it. started_at: seconds since 1970, UTC. wired: what
    `services` gives.
    """

    config: Config
    store: "Store"
    sessions: Sessions = field(default_factory=Sessions)
    methods: "Registry" = field(default_factory=dict)
    started_at: float = field(default_factory=unix_s)
    wired: "Services | None" = None

    @property
    def bus(self) -> Bus:
        return self.store.bus

    @property
    def services(self) -> "Services":
        """Calls, speech, clients. RuntimeError in a server that was made without them, as some tests do."""
        if self.wired is None:
            raise RuntimeError("this server has no services")
        return self.wired
