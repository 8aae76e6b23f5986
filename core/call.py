"""One call as the service holds it, and as clients read it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from core.bus import Cause
from core.clock import new_call_id, rfc3339
from core.config import CallConfig
from core.errors import NotNow
from core.events import CallAudio
from core.line import AudioReport, CallState, Direction, EndReason
from core.steering import Claim

if TYPE_CHECKING:
    from core.conversation import Conversation


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What call.configure can change, in memory only. keys are secrets and never shown."""

    language: str
    answer_after_rings: int
    reject_by: str
    greeting: str | None = None
    voice: str | None = None
    tts_engine: str | None = None
    stt_engine: str | None = None
    record: bool | None = None
    detect: bool = True
    voice_settings: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: CallConfig) -> "CallSettings":
        return cls(
            config.language,
            config.answer_after_rings,
            config.reject_by,
            config.greeting,
            detect=config.detect_answer,
        )

    def changed(self, **changes: object) -> "CallSettings":
        """A copy with those that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


class Handled(StrEnum):
    """A service of the core that has a call for itself: brains and watches leave it alone meanwhile."""

    VOICEMAIL = "voicemail"
    TRANSFER = "transfer"  # the caller's call, or the one to the person


class CallInfo(Struct, frozen=True, kw_only=True):
    """A call as methods and state.get show it. Times are RFC 3339, UTC; holder is the client that steers it."""

    call_id: str
    line: str
    direction: Direction
    state: CallState
    number: str | None = None
    withheld: bool = False
    started_at: str | None = None
    connected_at: str | None = None
    duration_s: float = 0.0
    rings: int = 0
    holder: str | None = None
    handled: Handled | None = None
    reason: EndReason | None = None
    network_text: str | None = None
    seq: int | None = None


@dataclass(slots=True, eq=False)
class Call:
    """Mutable, owned by CallService; lives from the first ring to a minute after its end.

    by_policy: the core answered it, no client did. mailbox: its answer is for voicemail. handled: a service of the
    core has it; on_key: what that does with keys. joined: its voice is mixed into that of another call, whose audio is
    the open one.
    """

    line: str
    handle: int
    direction: Direction
    settings: CallSettings
    state: CallState
    number: str | None = None
    withheld: bool = False
    waiting: bool = False
    call_id: str = field(default_factory=new_call_id)
    started_at: str = field(default_factory=rfc3339)
    started_s: float = field(default_factory=time.monotonic)
    connected_at: str | None = None
    connected_s: float | None = None
    ended_s: float | None = None
    rings: int = 0
    claim: Claim | None = None
    cause: Cause | None = None
    policy_ready: bool = False
    answering: bool = False
    watched: bool = False
    by_policy: bool = False
    mailbox: bool = False
    handled: Handled | None = None
    joined: bool = False
    on_key: Callable[[str], None] | None = None
    reminded: bool = False
    audio_failed: bool = False
    end_hint: EndReason | None = None
    reason: EndReason | None = None
    network_text: str | None = None
    recording: str | None = None
    audio: CallAudio | None = None
    conversation: "Conversation | None" = None
    configured: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def live(self) -> bool:
        return self.state is not CallState.ENDED

    @property
    def duration_s(self) -> float:
        """Since the answer; 0 for a call that was never connected."""
        if self.connected_s is None:
            return 0.0
        end_s = self.ended_s if self.ended_s is not None else time.monotonic()
        return round(end_s - self.connected_s, 3)

    def refuse_while_handled(self) -> None:
        """NotNow while a service of the core has the call: clients may end it, and listen."""
        if self.handled is not None:
            raise NotNow(
                f"The call is in the hands of {self.handled} until that is over; it can be hung up meanwhile.",
                handled=self.handled.value,
            )

    def refuse_while_transferred(self) -> None:
        """NotNow: a transfer puts calls on hold and takes them back by itself."""
        if self.handled is Handled.TRANSFER:
            self.refuse_while_handled()

    async def ended_within(self, timeout_s: float) -> bool:
        """Waits for the end of the call, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.over.wait()
        except TimeoutError:
            return False
        return True

    def info(self) -> CallInfo:
        return CallInfo(
            call_id=self.call_id,
            line=self.line,
            direction=self.direction,
            state=self.state,
            number=self.number,
            withheld=self.withheld,
            started_at=self.started_at,
            connected_at=self.connected_at,
            duration_s=self.duration_s,
            rings=self.rings,
            holder=self.claim.name if self.claim else None,
            handled=self.handled,
            reason=self.reason,
            network_text=self.network_text,
        )


def audio_of(report: AudioReport) -> CallAudio:
    """The line's report in the vocabulary of clients."""
    return CallAudio(**{name: getattr(report, name) for name in CallAudio.__struct_fields__})
