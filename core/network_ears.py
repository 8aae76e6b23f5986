"""What of the phone's life concerns the internet connection, heard on the daemon's own bus. The phone waits for it
never."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from core.bus import Bus, Published

SMS_GAP_S = 5.0
"""A campaign of short messages is one request each so often."""

RESETS = frozenset({"radio", "reset", "usb_reset", "power"})
"""Rungs of the recovery ladder that end a data session."""


class Ears:
    """needed(reason): somebody calls, is called, or a message goes or comes. modem_gone(text), modem_back(): of the
    line whose data is the backup."""

    def __init__(
        self,
        bus: Bus,
        line: str | None,
        *,
        needed: Callable[[str], None],
        modem_gone: Callable[[str], None],
        modem_back: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._line = line
        self._needed = needed
        self._modem_gone = modem_gone
        self._modem_back = modem_back
        self._sms_s: float | None = None

    async def run(self) -> None:
        """Until cancelled; from now on, not what has been."""
        waker = asyncio.Event()
        self._bus.watch(waker)
        place = self._bus.next_index
        try:
            while True:
                await waker.wait()
                waker.clear()
                place = self._read(place)
        finally:
            self._bus.unwatch(waker)

    def _read(self, place: int) -> int:
        while True:
            try:
                happened = self._bus.get(place)
            except IndexError:  # a burst of thousands: what was in it is old by now
                return self._bus.next_index
            if happened is None:
                return place
            place += 1
            self._hear(happened)

    def _hear(self, happened: Published) -> None:
        params = happened.params
        match happened.spec.topic:
            case "call.incoming":
                self._needed("incoming call")
            case "call.ringing":
                self._needed("outgoing call")
            case "sms.received":
                self._message("message received")
            case "sms.status" if params.get("state") == "queued" and not params.get("attempts"):
                self._message("message to send")
            case "modem.state" | "modem.lost" | "modem.recovery" if params.get("line") == self._line:
                self._modem(happened.spec.topic, params)

    def _message(self, reason: str) -> None:
        now_s = monotonic()
        if self._sms_s is None or now_s - self._sms_s >= SMS_GAP_S:
            self._sms_s = now_s
            self._needed(reason)

    def _modem(self, topic: str, params: Mapping[str, Any]) -> None:
        state = params.get("state")
        if topic == "modem.recovery":
            if state == "started" and params.get("rung") in RESETS:
                self._modem_gone(f"the modem is being restarted ({params['rung']})")
        elif topic == "modem.lost" or state in ("offline", "reconnecting"):
            self._modem_gone("the modem is gone")
        elif state == "ready":
            self._modem_back()
