"""The call as it happens, a line an event."""

import os
import sys

from clients.cli.output import printable, show
from clients.demo.timeline import Seen

COLOURS = {"caller": "36", "we": "32", "problem": "31", "state": "2"}
"""SGR codes: cyan, green, red, faint."""


class Printer:
    """Colour only on a terminal that has it."""

    def __init__(self) -> None:
        self._zero_s: float | None = None
        dumb = os.environ.get("TERM", "dumb") == "dumb" or "NO_COLOR" in os.environ
        self._colour = sys.stdout.isatty() and not dumb

    def event(self, seen: Seen) -> None:
        if self._zero_s is None:
            self._zero_s = seen.at_s
        told = describe(seen)
        if told is not None:
            self.line(told[1], told[0], seen.at_s - self._zero_s)

    def line(self, text: str, kind: str = "", after_s: float | None = None) -> None:
        clock = f"{after_s:6.1f} s  " if after_s is not None else ""
        code = COLOURS.get(kind) if self._colour else None
        print(f"{clock}\x1b[{code}m{text}\x1b[0m" if code else f"{clock}{text}", flush=True)


def describe(seen: Seen) -> tuple[str, str] | None:
    """Kind and text of an event worth a line; None for the others."""
    event, params = seen.event, seen.event.params
    words = printable(str(params.get("text")))
    match event.name:
        case "call.incoming":
            return "state", f"an incoming call from {show(params.get('number'))}"
        case "call.ring":
            return "state", f"ring {show(params.get('ring'))}"
        case "call.connected":
            return "state", "answered"
        case "call.turn_start":
            return "caller", "caller speaks ..."
        case "call.speech" if params.get("understood"):
            confidence = params.get("confidence")
            sure = f", {confidence:.0%} sure" if isinstance(confidence, int | float) else ""
            return "caller", f"caller: {words}   (recognised in {show(params.get('latency_ms'))} ms{sure})"
        case "call.speech":
            return "caller", f"caller: (words nobody knows)   (after {show(params.get('latency_ms'))} ms)"
        case "call.speaking" if params.get("text") is None:
            return "we", "we:     (tone)"
        case "call.speaking":
            return "we", f"we:     {words}   (first byte after {show(params.get('latency_ms'))} ms)"
        case "call.barge_in":
            return "caller", f"caller interrupts; we are silent after {show(params.get('reaction_ms'))} ms"
        case "call.ended":
            return "state", f"ended: {show(params.get('reason'))} after {show(params.get('duration_s'))} s"
        case "modem.state":
            return "state", f"line {show(event.line)}: {show(params.get('state'))}"
        case "alarm.raised" | "call.audio_failed" | "modem.lost" | "events.lagged":
            return "problem", f"{event.name}: {show(params.get('alarm') or params.get('reason') or '')}"
        case _:
            return None
