"""Where a line's ports are, and when they are no more: by USB for most, by fixed names for some."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from core.modem.session import PortPaths
from core.modem.usb import UsbModem, UsbSource
from core.modem.usb_choice import AmbiguousModem, NoSuchModem, UsbSelector, WrongComposition, choose, switch_ports
from core.modem.usb_roles import Role
from core.modem.usb_settle import MOST_S
from core.modem.usb_switch import Switcher

LOOK_S = 0.2
"""Between two looks at ports given by name, and at a tty that is said to be there and isn't: a program that was killed
leaves its links behind."""

FRESH_S = 2.0
"""For a look at the USB before a choice: without events, what was seen last may be a plug ago. It takes some ms, unless
the kernel is busy with another stick, for which no line waits."""

NOT_CONNECTED = "the modem's ports are not there"
_NEEDED = (Role.AT, Role.VOICE, Role.PCM)


@dataclass(frozen=True, slots=True)
class Found:
    """Ports that a life of the modem can be made of. usb: whose they are; None for ports given by name."""

    paths: PortPaths
    usb: UsbModem | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """What a line makes of a search: nothing there (it may come), or something that can't be used. With reasons."""

    absent: Callable[[str], None]
    unusable: Callable[[str], None]


class Ports(Protocol):
    """One reader at a time."""

    async def find(self, tell: Tell) -> Found:
        """Waits for as long as it takes."""
        ...

    async def gone(self, found: Found) -> str:
        """Until these ports aren't there any more, or belong to another plug; why."""
        ...


VOICE = "voice"


def without(paths: PortPaths, ppp_port: str | None) -> PortPaths:
    """Leaves one of the two AT ports to PPP: the one of that path, else (also with VOICE) the voice port. The line then
    does everything on the other one. None: leaves none."""
    if ppp_port is None:
        return paths
    kept = paths.voice if os.path.realpath(ppp_port) == os.path.realpath(paths.at) else paths.at
    return replace(paths, at=kept, voice=kept)


class FixedPorts:
    """Ports given by name. They give no events, so they are looked for; only while the line has no modem."""

    def __init__(self, paths: PortPaths, *, ppp_port: str | None = None) -> None:
        self._given = paths
        self._ppp_port = ppp_port

    @property
    def _paths(self) -> PortPaths:
        """Looked at anew: these may be links that lead elsewhere by now."""
        return without(self._given, self._ppp_port)

    async def find(self, tell: Tell) -> Found:
        while not _exist(self._paths):
            tell.absent(NOT_CONNECTED)
            await asyncio.sleep(LOOK_S)
        return Found(self._paths)

    async def gone(self, found: Found) -> str:
        while _exist(found.paths):  # noqa: ASYNC110 - a path gives no event
            await asyncio.sleep(LOOK_S)
        return NOT_CONNECTED


class UsbPorts:
    """The modem that the selector chooses among those of a source. switcher: None leaves other compositions alone.
    ppp_port: as in `without`."""

    def __init__(
        self,
        source: UsbSource,
        selector: UsbSelector,
        switcher: Switcher | None = None,
        *,
        ppp_port: str | None = None,
    ) -> None:
        self._source = source
        self._ppp_port = ppp_port
        self._selector = selector
        self._switcher = switcher
        self._watch = source.watch()
        self._partial: tuple[tuple[str, int], float] | None = None  # which plug has not all its ports, since when

    async def find(self, tell: Tell) -> Found:
        while True:
            await self._look()
            again_s: float | None = None
            try:
                modem = choose(self._source.devices(), self._selector)
                paths = self._paths(modem)
                if paths is None:
                    again_s = self._tell_partial(modem, tell)
                elif _exist(paths):
                    return Found(paths, modem)
                else:
                    tell.absent(NOT_CONNECTED)
                    again_s = LOOK_S
            except NoSuchModem as none:
                tell.absent(str(none))
            except AmbiguousModem as several:
                tell.unusable(str(several))
            except WrongComposition as wrong:
                again_s = await self._wrong(wrong, tell)
            await self._change(again_s)

    async def gone(self, found: Found) -> str:
        while (why := self._why_gone(found)) is None:
            await self._change()
        return why

    def _why_gone(self, found: Found) -> str | None:
        was = found.usb
        if was is None:
            return NOT_CONNECTED
        now = next((modem for modem in self._source.devices() if modem.path == was.path), None)
        if now is None:
            return f"unplugged from USB {was.path}"
        if not now.same_plug(was):
            return f"plugged in anew at USB {was.path}"
        same = self._paths(now) == found.paths and _exist(found.paths)
        return None if same else f"its ports at USB {was.path} changed"

    def _paths(self, modem: UsbModem) -> PortPaths | None:
        paths = port_paths(modem)
        return without(paths, self._ppp_port) if paths is not None else None

    def _tell_partial(self, modem: UsbModem, tell: Tell) -> float | None:
        """A stick's ttys may come one by one over seconds. When to look again, if that is worth while."""
        missing = ", ".join(role for role in _NEEDED if modem.port(role) is None)
        reason = f"{modem.explain()} Ports missing: {missing}."
        plug, now_s = (modem.path, modem.plug), time.monotonic()
        if self._partial is None or self._partial[0] != plug:
            self._partial = (plug, now_s)
        left_s = self._partial[1] + MOST_S - now_s
        if left_s > 0:
            tell.absent(reason)
            return left_s
        tell.unusable(reason)
        return None

    async def _wrong(self, wrong: WrongComposition, tell: Tell) -> float | None:
        """Another composition: says what it is, or switches it. When to look again, without anything heard."""
        if self._switcher is None or not switch_ports(wrong.modem):
            configure = wrong.switchable and self._switcher is None
            tell.unusable(f"{wrong} With switch_composition = true Dialtone does it." if configure else str(wrong))
            return None
        return await self._switcher.switch(wrong.modem, tell.unusable)

    async def _look(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRESH_S):
                await self._source.look()

    async def _change(self, within_s: float | None = None) -> None:
        """Until something changes on the USB; a watch behind the times says so once more than needed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._watch.next()


def port_paths(modem: UsbModem) -> PortPaths | None:
    """None while one that is needed isn't there."""
    at, voice, pcm = (modem.port(role) for role in _NEEDED)
    nmea = modem.port(Role.NMEA)
    return PortPaths(at, voice, pcm, nmea) if at is not None and voice is not None and pcm is not None else None


def _exist(paths: PortPaths) -> bool:
    return all(os.path.exists(path) for path in (paths.at, paths.voice, paths.pcm))
