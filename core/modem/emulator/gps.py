"""A GPS receiver that has or hasn't a fix: NMEA sentences at 1 Hz and the answer of AT+CGPSINFO. spec §1.10."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from core.clock import unix_s

_NO_FIX = ",,,,,,,,"


class Gps:
    """send: writes NMEA bytes. The caller runs `tick` once a second while `on`."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.on = False
        self.ready_s = 0.0
        """Before this (CLOCK_MONOTONIC) a start is refused."""
        self.fix: tuple[float, float, float] | None = None
        """Degrees north, degrees east, metres; None without satellites."""
        self.stop_s = 0.5
        """From the OK to AT+CGPS=0 until +CGPS: 0; up to 30 s by the manual V3.00."""
        self.restart_s = 2.0
        """From that OK until a start is taken again: 2 to 30 s by the manual."""
        self.silent = False
        """Runs, but nothing comes from the NMEA port."""
        self._send = send

    def start(self) -> None:
        self.on = True

    def stop(self) -> None:
        self.on = False
        self.ready_s = time.monotonic() + self.restart_s

    def power_on(self) -> None:
        """Nothing of the time before is left, but for the sky."""
        self.on = False
        self.ready_s = 0.0

    def position(self) -> str:
        """ddmm.mmmmmm,N,dddmm.mmmmmm,E,ddmmyy,hhmmss.s,altitude,speed,course."""
        if not self.on or self.fix is None:
            return _NO_FIX
        north, east, metres = self.fix
        at = datetime.fromtimestamp(unix_s(), UTC)
        return f"{_degrees(north, 'NS', 2)},{_degrees(east, 'EW', 3)},{at:%d%m%y},{at:%H%M%S}.0,{metres:.1f},0.0,0"

    def tick(self) -> None:
        """One second's sentences; the oddity of $GPVTG is real."""
        if not self.on or self.silent:
            return
        at = datetime.fromtimestamp(unix_s(), UTC)
        if self.fix is None:
            body = ("GPGGA,,,,,,0,,,,,,,,", "GPRMC,,V,,,,,,,,,,N", "GPGSA,A,1,,,,,,,,,,,,,,,")
        else:
            north, east, metres = self.fix
            place = f"{_degrees(north, 'NS', 2)},{_degrees(east, 'EW', 3)}"
            body = (
                f"GPGGA,{at:%H%M%S}.0,{place},1,08,0.9,{metres:.1f},M,0.0,M,,",
                f"GPRMC,{at:%H%M%S}.0,A,{place},0.0,0.0,{at:%d%m%y},,,A",
                "GPGSA,A,3,02,05,07,13,15,18,20,29,,,,,1.5,0.9,1.2",
            )
        for sentence in (*body, "GPVTG,NaN,T,,M,0.0,N,0.0,K,N"):
            self._send(f"${sentence}*{_checksum(sentence):02X}\r\n".encode())


def _degrees(value: float, signs: str, width: int) -> str:
    whole = int(abs(value))
    minutes = (abs(value) - whole) * 60
    return f"{whole:0{width}d}{minutes:09.6f},{signs[0] if value >= 0 else signs[1]}"


def _checksum(sentence: str) -> int:
    found = 0
    for char in sentence:
        found ^= ord(char)
    return found
