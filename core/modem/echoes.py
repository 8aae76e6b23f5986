"""The same line on two ports is one: a modem tells each of its AT ports what happens (AT+CATR=0). Pure."""

ECHO_S = 1.0
"""The two come within milliseconds; a port that is in an exchange may be late."""

MAX_LINES = 256


class Echoes:
    """Lines heard on one port and not yet on the other."""

    def __init__(self) -> None:
        self._heard: dict[str, list[tuple[str, float]]] = {}

    def is_new(self, port: str, line: str, now_s: float) -> bool:
        """False for the second port's copy. now_s: monotonic."""
        fresh = [(other, at_s) for other, at_s in self._heard.pop(line, []) if now_s - at_s < ECHO_S]
        copied = next((entry for entry in fresh if entry[0] != port), None)
        if copied is not None:
            fresh.remove(copied)
        else:
            fresh.append((port, now_s))
        if fresh:
            self._heard[line] = fresh[-MAX_LINES:]
        while len(self._heard) > MAX_LINES:
            del self._heard[next(iter(self._heard))]
        return copied is None
