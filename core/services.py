"""What the daemon has wired together, as the methods of the protocol reach it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.calls import CallService
from core.guard import Guard
from core.messages import MessageService
from core.modems import ModemService
from core.registry import ClientRegistry
from core.speech import SpeechService
from core.transfer import TransferService

if TYPE_CHECKING:
    from core.network import NetworkService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """runtime_dir: where sockets of attached calls are made, beside the main socket. network: None unless [net] is
    enabled."""

    calls: CallService
    transfers: TransferService
    messages: MessageService
    modems: ModemService
    guard: Guard
    speech: SpeechService
    clients: ClientRegistry
    runtime_dir: Path
    network: "NetworkService | None" = None

    def session_closed(self, session: int) -> None:
        """A connection is gone: what it held is let go of, after the grace where one applies."""
        self.calls.steering.session_closed(session)
        self.speech.forget(session)
