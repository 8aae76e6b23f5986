"""All clients attached to the voice of one call: several that listen, one that talks.

A tap of the call: each frame goes to everyone, at once. Whoever is slow, leaves or never comes is told of by an event
and costs the call nothing.
"""

from collections.abc import Callable
from pathlib import Path

from core.attach import Attachment, Gone
from core.attach_format import Outlets, StreamSpec
from core.audio import PcmFormat
from core.call import Call
from core.errors import LimitExceeded
from core.events import CallAttached, CallDetached
from core.log import Log
from core.outbox import Outbox
from core.taps import CallFrame

log = Log("attach")

CLIENTS_MAX = 8
"""Of one call, those that have not come yet included. Clients that want the same share the work."""
GAP_FRAMES_MAX = 50
"""A hole of a second is filled with silence, so that listeners keep the line's time; a longer one is left out."""


class Attachments:
    """One call's. on_takeover: a talker is there now, and a turn that the core was hearing ends."""

    def __init__(self, call: Call, pcm_format: PcmFormat, outbox: Outbox, on_takeover: Callable[[], None]) -> None:
        self._call, self._format, self._outbox = call, pcm_format, outbox
        self._on_takeover = on_takeover
        self._here: dict[int, Attachment] = {}
        self._outlets = Outlets(pcm_format)
        self._count = 0
        self._talker: Attachment | None = None
        self._last_ms: int | None = None

    @property
    def talking(self) -> bool:
        """A client does the speech of this call; without one the core does it."""
        return self._talker is not None and self._talker.talks

    def attach(self, directory: Path, spec: StreamSpec, uid: int) -> Attachment:
        """A socket for one client of that user. A new talker takes the place of the one before. LimitExceeded."""
        if spec.talker and self._talker is not None:
            self._talker.close(Gone.REPLACED)
        if len(self._here) >= CLIENTS_MAX:
            raise LimitExceeded(f"At most {CLIENTS_MAX} clients attach to a call.")
        self._count += 1
        number = self._count
        path = directory / f"{self._call.call_id}.{number}.pcm"
        made = Attachment(path, spec, self._format, uid, lambda each: self._changed(number, each))
        self._here[number] = made
        if spec.talker:
            self._talker = made
        return made

    def number(self, attachment: Attachment) -> int:
        """As events name it."""
        return next(number for number, each in self._here.items() if each is attachment)

    def frame(self, frame: CallFrame) -> None:
        """20 ms of the call to everyone."""
        ptime_ms = self._format.ptime_ms
        missing = 0 if self._last_ms is None else (frame.at_ms - self._last_ms) // ptime_ms - 1
        self._last_ms = frame.at_ms
        if not self._here:
            return
        for _ in range(missing if 0 < missing <= GAP_FRAMES_MAX else 0):
            self._give(CallFrame(b"", b"", False, frame.at_ms))
        self._give(frame)

    def uplink(self) -> bytes | None:
        """The talker's next frame for the line."""
        return self._talker.take() if self._talker is not None else None

    def flush(self) -> None:
        """What the talker sent and the line has not taken is dropped."""
        if self._talker is not None:
            self._talker.flush()

    def end_talk(self) -> None:
        """A service of the core speaks and hears from now on; listeners stay."""
        if self._talker is not None:
            self._talker.close(Gone.REPLACED)

    def close(self) -> None:
        """The call is over."""
        for attachment in tuple(self._here.values()):
            attachment.close(Gone.CALL_ENDED)

    def _give(self, frame: CallFrame) -> None:
        for attachment in tuple(self._here.values()):
            try:
                attachment.give(frame, self._outlets.encode)
            except Exception:  # one listener's trouble is not another's
                log.exception("an attached client failed", call_id=self._call.call_id)
                attachment.close(Gone.LEFT)

    def _changed(self, number: int, attachment: Attachment) -> None:
        spec = attachment.spec
        role = "talker" if spec.talker else "listener"
        line, call_id = self._call.line, self._call.call_id
        if attachment.gone is None:
            log.info("a client is attached", call_id=call_id, attachment=number, role=role)
            self._outbox.moment(
                CallAttached(line=line, call_id=call_id, attachment=number, role=role, keep_hearing=spec.keep_hearing)
            )
            if attachment.talks:
                self._on_takeover()
            return
        self._here.pop(number, None)
        if self._talker is attachment:
            self._talker = None
        log.info(
            "a client is detached",
            call_id=call_id,
            attachment=number,
            reason=attachment.gone,
            dropped_out=attachment.dropped_out,
            dropped_in=attachment.dropped_in,
        )
        self._outbox.moment(
            CallDetached(
                line=line,
                call_id=call_id,
                attachment=number,
                role=role,
                reason=attachment.gone,
                frames_out=attachment.frames_out,
                frames_in=attachment.frames_in,
                dropped_out=attachment.dropped_out,
                dropped_in=attachment.dropped_in,
            )
        )


def remove_left_sockets(directory: Path) -> None:
    """Those of a core that was killed: nobody listens there any more."""
    try:
        bound = Path("/proc/net/unix").read_text()
    except OSError:
        return
    for path in directory.glob("call_*.pcm"):
        if path.is_socket() and str(path) not in bound:
            path.unlink(missing_ok=True)
