"""Wi-Fi through NetworkManager: what is in reach, what is saved, priorities, connecting.

Names of networks and passwords go to NetworkManager and back to the one who asks, never into a log or an exception.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from core.errors import NetFailed, NetUnavailable
from core.log import Log
from core.net import wifi_calls as calls
from core.net.bus_values import ABSENT, BusFailed
from core.net.nm import ACTIVE, DEVICE, NAME
from core.net.system_bus import BusSignal, Match, SystemBus
from core.net.wifi_words import SAYS, WifiConnection, WifiNetwork, WifiSecurity, WifiTrouble, is_password, trouble_of

T = TypeVar("T")
Networks = list[WifiNetwork]
Connections = list[WifiConnection]

CALL_S = 5.0
SCAN_S = 12.0
"""A scan of both bands takes 3–8 s."""
CONNECT_S = 60.0
"""NetworkManager gives the supplicant 25 s and DHCP 45 s; a network that answers takes 2–10 s."""
REASON_S = 2.0
"""For a signal that was sent before the answer that came."""
_ACTIVATED, _DEACTIVATED = 2, 4  # NMActiveConnectionState
_DEVICE_FAILED = 120  # NMDeviceState
_MOST_STEPS = 100
"""States of one connecting that wait to be read: about ten. More are dropped; the deadline remains."""

_log = Log("net.wifi")


class Wifi:
    """Any number of tasks may call. Everything raises NetUnavailable where there is no bus, no NetworkManager or no
    Wi-Fi device (data.reason: no_dbus, no_network_manager, no_wifi), and NetFailed with data.trouble."""

    def __init__(self, bus: SystemBus | None) -> None:
        self._bus = bus

    async def list(self, rescan: bool = False) -> Networks:
        """In reach as NetworkManager knows it, the strongest first. rescan: looks first, up to 12 s."""
        device = await self._device()
        if rescan:
            await self._scan(device)
        return await self._do(partial(calls.networks, device))

    async def saved(self) -> Connections:
        """Those that are tried first come first."""
        found = await self._do(calls.saved)
        return sorted((one for _, one in found), key=lambda one: (-one.priority, one.id))

    async def set_priority(self, uuid: str, priority: int) -> None:
        """priority: -999–999. Everything else of the connection stays as it is, its password too."""
        if not -999 <= priority <= 999:
            raise _failed(WifiTrouble.REFUSED, "A priority is from -999 to 999.")
        path = await self._path(uuid)
        await self._do(partial(calls.set_priority, path, priority))
        _log.info("priority of a Wi-Fi connection set", uuid=uuid, priority=priority)

    async def connect(self, uuid_or_ssid: str, password: str | None = None, *, timeout_s: float = CONNECT_S) -> None:
        """Returns when there is an address. A saved connection by its uuid or network; with a password it is given the
        new one, and has its old one again when that did not work. Else a network in reach, which is saved when it
        worked and forgotten when it did not."""
        device = await self._device()
        found = await self._saved(uuid_or_ssid)
        try:
            async with asyncio.timeout(timeout_s):
                if found is not None:
                    await self._connect_saved(device, found, password)
                else:
                    await self._connect_new(device, uuid_or_ssid, password)
        except TimeoutError:
            raise _failed(WifiTrouble.TIMEOUT) from None
        _log.info("Wi-Fi connected", new=found is None)

    # --- connecting ---------------------------------------------------------------------------------------------------

    async def _connect_saved(self, device: str, path: str, password: str | None) -> None:
        before = None
        if password is not None:
            security = await self._do(partial(calls.saved_security, path))
            if not is_password(password, security):
                raise _failed(WifiTrouble.WRONG_PASSWORD)
            before = await self._do(partial(calls.password, path))
            await self._do(partial(calls.set_password, path, password))
        try:
            with _Steps(self._using(), device) as steps:
                active = await self._do(partial(calls.activate, path, device))
                await self._until_up(steps, active)
        except (NetFailed, TimeoutError, asyncio.CancelledError):
            if before is not None:
                await asyncio.shield(self._quietly(partial(calls.set_password, path, before)))
            raise

    async def _connect_new(self, device: str, ssid: str, password: str | None) -> None:
        target = await self._do(partial(calls.access_point, device, ssid))
        if target is None:
            raise _failed(WifiTrouble.NOT_FOUND)
        _check_password(target.security, password)
        with _Steps(self._using(), device) as steps:
            path, active = await self._do(partial(calls.add_and_activate, device, target, password))
            try:
                await self._until_up(steps, active)
            except (NetFailed, TimeoutError, asyncio.CancelledError):
                # It would be tried again and again.
                await asyncio.shield(self._quietly(partial(calls.delete, path)))
                raise

    async def _until_up(self, steps: "_Steps", active: str) -> None:
        state = await self._do(partial(calls.active_state, active))
        if state == _DEACTIVATED:  # it ended before it was asked for: why, is only on its way
            with suppress(TimeoutError):
                async with asyncio.timeout(REASON_S):
                    await steps.next(active)
        while state not in (_ACTIVATED, _DEACTIVATED):
            state = await steps.next(active)
        if state == _DEACTIVATED:
            raise _failed(trouble_of(steps.device_reason, steps.connection_reason))

    async def _quietly(self, function: calls.Call[None]) -> None:
        """Tidying up after a failure, which is what the caller wants to hear of."""
        try:
            await self._do(function)
        except (NetFailed, NetUnavailable) as problem:
            _log.warning("what a failed Wi-Fi connection left could not be tidied up", error=problem.kind)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _scan(self, device: str) -> None:
        """A scan that is refused (one runs, or one ended a moment ago) is as good as done."""
        done = asyncio.Event()
        match = Match(NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", path=device, arg0=calls.WIRELESS)

        def seen(signal: BusSignal) -> None:
            changed = signal.args[1] if len(signal.args) > 1 else None
            if isinstance(changed, dict) and "LastScan" in changed:
                done.set()

        unsubscribe = self._using().subscribe(match, seen)
        try:
            if await self._do(partial(calls.request_scan, device)):
                async with asyncio.timeout(SCAN_S):
                    await done.wait()
        except TimeoutError:
            _log.info("the Wi-Fi scan did not end in time")
        finally:
            unsubscribe()

    async def _device(self) -> str:
        device = await self._do(calls.wifi_device)
        if device is None:
            raise NetUnavailable("There is no Wi-Fi device that NetworkManager manages.", reason="no_wifi")
        return device

    async def _path(self, uuid: str) -> str:
        for path, one in await self._do(calls.saved):
            if one.uuid == uuid:
                return path
        raise _failed(WifiTrouble.NOT_FOUND)

    async def _saved(self, uuid_or_ssid: str) -> str | None:
        found = await self._do(calls.saved)
        exact = (path for path, one in found if one.uuid == uuid_or_ssid)
        same = sorted(((one.priority, path) for path, one in found if one.ssid == uuid_or_ssid), reverse=True)
        return next(exact, same[0][1] if same else None)

    def _using(self) -> SystemBus:
        if self._bus is None:
            raise NetUnavailable("The system bus can't be used: install the extra `dbus`.", reason="no_dbus")
        return self._bus

    async def _do(self, function: calls.Call[T]) -> T:
        try:
            return await self._using().do(function, CALL_S)
        except BusFailed as failed:
            raise _public(failed) from None


class _Steps:
    """The states that a connection goes through, from before it is begun."""

    def __init__(self, bus: SystemBus, device: str) -> None:
        self.device_reason: int | None = None
        self.connection_reason: int | None = None
        self._bus = bus
        self._device = device
        self._states: asyncio.Queue[tuple[str, int]] = asyncio.Queue(_MOST_STEPS)
        self._unsubscribe: Sequence[Callable[[], None]] = ()

    def __enter__(self) -> "_Steps":
        of_device = Match(NAME, DEVICE, "StateChanged", path=self._device)
        of_connections = Match(NAME, ACTIVE, "StateChanged")
        self._unsubscribe = [
            self._bus.subscribe(of_device, self._device_changed),
            self._bus.subscribe(of_connections, self._connection_changed),
        ]
        return self

    def __exit__(self, *_why: object) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    async def next(self, active: str) -> int:
        """The next state of this active connection; its reasons are kept."""
        while True:
            path, state = await self._states.get()
            if path == active:
                return state

    def _device_changed(self, signal: BusSignal) -> None:
        if len(signal.args) == 3 and signal.args[0] == _DEVICE_FAILED and isinstance(signal.args[2], int):
            self.device_reason = signal.args[2]

    def _connection_changed(self, signal: BusSignal) -> None:
        if len(signal.args) != 2 or self._states.full():
            return
        state, reason = signal.args
        if isinstance(state, int) and isinstance(reason, int):
            if state == _DEACTIVATED:
                self.connection_reason = reason
            self._states.put_nowait((signal.path, state))


def _check_password(security: WifiSecurity, password: str | None) -> None:
    if security in (WifiSecurity.ENTERPRISE, WifiSecurity.WEP):
        raise _failed(WifiTrouble.UNSUPPORTED)
    if security in (WifiSecurity.OPEN, WifiSecurity.OWE):
        return
    if password is None:
        raise _failed(WifiTrouble.PASSWORD_NEEDED)
    if not is_password(password, security):
        raise _failed(WifiTrouble.WRONG_PASSWORD)


def _failed(trouble: WifiTrouble, text: str | None = None) -> NetFailed:
    return NetFailed(text or SAYS[trouble], trouble=trouble.value)


def _public(failed: BusFailed) -> NetFailed | NetUnavailable:
    """NetworkManager's own text may name networks, so only the error's name counts."""
    if failed.name == BusFailed.NO_BUS:
        return NetUnavailable("The system bus is not there.", reason="no_dbus")
    if failed.name in ABSENT:
        return NetUnavailable("NetworkManager is not running.", reason="no_network_manager")
    word = failed.name.rpartition(".")[2]
    if word in ("timeout", "NoReply", "Timeout", "TimedOut"):
        return _failed(WifiTrouble.TIMEOUT)
    if word in ("AccessDenied", "PermissionDenied", "NotAuthorized", "AuthFailed", "InteractiveAuthorizationRequired"):
        return _failed(WifiTrouble.REFUSED)
    if word in ("UnknownConnection", "UnknownDevice", "UnknownObject", "InvalidConnection.NotFound"):
        return _failed(WifiTrouble.NOT_FOUND)
    _log.warning("NetworkManager refused", error=failed.name)
    return _failed(WifiTrouble.FAILED)
