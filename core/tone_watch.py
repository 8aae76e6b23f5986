"""Listens for tones of networks, faxes and pagers in what the far end of a call sends, and tells them as call.tone."""

from collections import deque
from collections.abc import Callable

from core.audio import PcmFormat
from core.call import Call
from core.config import MediaConfig
from core.events import CallTone
from core.line import Direction
from core.media.tones_bank import ToneBank
from core.media.tones_bursts import SURE_FRAMES
from core.media.tones_match import Found, Matcher, Pager, ToneListener, ced, cng, near, paging, progress
from core.outbox import Outbox
from core.taps import CallFrame

ECHO_FRAMES = 40
"""The far end's echo of a tone of ours comes back within 800 ms (sim7600.md: a tail of 100 to 500 ms)."""

BY_DEFAULT = {Direction.OUT: ("progress",), Direction.IN: ("cng",)}
"""Where we call, networks answer; where we are called, a fax may."""


class ToneWatch:
    """A tap of one call. tell: what to do with a tone that has become certain."""

    def __init__(self, pcm_format: PcmFormat, matchers: list[Matcher], tell: Callable[[Found], None]) -> None:
        self._format, self._tell = pcm_format, tell
        self._bank = ToneBank(pcm_format.rate_hz)
        self._listener = ToneListener(matchers)
        self._ours: deque[bytes] = deque(maxlen=ECHO_FRAMES)

    def frame(self, frame: CallFrame) -> None:
        """20 ms of the call."""
        self._ours.append(frame.uplink)
        for found in self._listener.feed(self._bank.feed(frame.downlink)):
            self._tell(found)
        burst = self._listener.bursts.current
        if burst is not None and burst.segments and burst.segments[-1].frames == SURE_FRAMES:
            burst.foreign = burst.foreign or self._is_echo(burst.segments[-1].tones_hz)

    def _is_echo(self, tones_hz: tuple[float, ...]) -> bool:
        """Whether these tones were in what we sent a moment ago."""
        bank = ToneBank(self._format.rate_hz)
        return any(near(tones_hz, bank.feed(frame).tones_hz) for frame in self._ours)


def tone_watch(call: Call, pcm_format: PcmFormat, media: MediaConfig, outbox: Outbox) -> ToneWatch | None:
    """None where nothing is to be listened for."""

    def tell(found: Found) -> None:
        outbox.fact(
            CallTone(
                line=call.line,
                call_id=call.call_id,
                tone=found.tone,
                frequency_hz=round(found.frequency_hz, 1),
                duration_ms=found.duration_ms,
                name=found.name,
            )
        )

    matchers = matchers_for(media, call.direction)
    return ToneWatch(pcm_format, matchers, tell) if matchers else None


def matchers_for(media: MediaConfig, direction: Direction) -> list[Matcher]:
    """What [media] tones and paging name; progress on outgoing calls and cng on incoming ones where tones is absent."""
    kinds = media.tones if media.tones is not None else BY_DEFAULT[direction]
    matchers: list[Matcher] = progress(media.tone_country) if "progress" in kinds else []
    matchers += [matcher for kind, matcher in (("cng", cng), ("ced", ced)) if kind in kinds]
    for entry in media.paging:
        pager = Pager(
            entry.name, entry.tone_a_hz, entry.tone_b_hz, entry.tone_a_ms, entry.tone_b_ms, entry.tolerance_hz
        )
        matchers.append(paging(pager))
    return matchers
