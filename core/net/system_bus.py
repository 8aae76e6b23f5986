"""The system bus (D-Bus) through pydbus, in a GLib thread of its own. It comes back by itself when the bus does."""

import asyncio
import importlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.log import Log
from core.net.bus_session import BusSession
from core.net.bus_thread import GlibThread
from core.net.bus_values import BusFailed
from core.net.gi_import import import_gi

T = TypeVar("T")

DEFAULT_ADDRESS = "unix:path=/run/dbus/system_bus_socket"
_RETRY_S = (0.5, 2.0, 5.0, 30.0)
_CONNECT_S = 5.0
_STOP_S = 2.0
_DBUS = "org.freedesktop.DBus"
_MOST_SIGNALS = 1000
"""Signals that wait for the event loop; what comes beyond is dropped and counted, and everyone is told by on_connect to
look at everything again."""

_log = Log("net.bus")


@dataclass(frozen=True, slots=True)
class BusSignal:
    path: str
    interface: str
    member: str
    args: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Which signals: of the sender (a well-known name), and as far as they are named."""

    sender: str
    interface: str
    member: str
    path: str | None = None
    arg0: str | None = None


class SystemBus:
    """`run` keeps the connection; meanwhile `do` runs functions on it and subscriptions are served."""

    def __init__(self, address: str | None = None) -> None:
        """address: DBUS_SYSTEM_BUS_ADDRESS, else the usual socket."""
        self._address = address or bus_address()
        self._thread: GlibThread | None = None
        self._connection: Any = None
        self._why_not = "nothing has connected to the bus yet"
        self._tried = asyncio.Event()
        self._closed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: dict[int, tuple[Match, Callable[[BusSignal], None]]] = {}
        self._matched: dict[int, Any] = {}  # pydbus's subscriptions; only the thread touches them
        self._listeners: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._fired_count = 0  # written by the thread alone
        self._delivered_count = 0  # written on the loop alone
        self._dropped_count = 0

    @staticmethod
    def missing() -> str | None:
        """Why it can't be used here, for people; None when it can. Loads GLib (8 MiB, 0.1 s): ask it
        once, and not on the event loop while somebody speaks."""
        problem = _library()
        if problem is not None:
            return problem
        path = bus_address().partition("unix:path=")[2].partition(",")[0]
        if path and not Path(path).is_socket():
            return f"there is no system bus at {path}: install and start dbus"
        return None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def run(self) -> None:
        """Until it is cancelled. Nothing that the bus does ends it; without its libraries it only waits."""
        problem = await asyncio.to_thread(_library)
        if problem is not None:
            _log.warning("no system bus", reason=problem)
            self._why_not = problem
            self._tried.set()
            await asyncio.Event().wait()
        self._loop = asyncio.get_running_loop()
        self._thread = thread = GlibThread()
        thread.start()
        try:
            await self._keep(thread)
        finally:
            self._thread = None
            self._drop()
            thread.stop()
            with suppress(RuntimeError):  # the loop's executor is gone at the very end
                await asyncio.shield(asyncio.to_thread(thread.join, _STOP_S))

    async def do(self, function: Callable[[BusSession], T], timeout_s: float) -> T:
        """Runs it in the bus's thread, where every call that it makes ends by this deadline. BusFailed; whatever else
        the function raises. Cancelling ends the call that is under way."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._tried.wait()
                return await self._hand_in(function, time.monotonic() + timeout_s)
        except TimeoutError:
            raise BusFailed(BusFailed.TIMEOUT) from None

    def subscribe(self, match: Match, callback: Callable[[BusSignal], None]) -> Callable[[], None]:
        """callback runs on the event loop, also after the bus was away. Returns what ends it."""
        key = self._key()
        self._subscriptions[key] = (match, callback)
        self._in_thread(partial(self._match, key, match))

        def unsubscribe() -> None:
            self._subscriptions.pop(key, None)
            self._in_thread(partial(self._unmatch, key))

        return unsubscribe

    def on_connect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """callback runs on the event loop when signals may have been missed: the bus came back, or too many came at
        once. Subscriptions are in place by then. Returns what ends it."""
        key = self._key()
        self._listeners[key] = callback
        return lambda: self._listeners.pop(key, None) and None

    async def owner(self, name: str, timeout_s: float = 5.0) -> str | None:
        """Who has this name on the bus; None when nobody has. BusFailed."""
        try:
            return await self.do(partial(_owner, name), timeout_s)
        except BusFailed as failed:
            if failed.name.endswith(".NameHasNoOwner"):
                return None
            raise

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _keep(self, thread: GlibThread) -> None:
        failures = 0
        while True:
            started_s = time.monotonic()
            self._closed.clear()
            try:
                await asyncio.wrap_future(thread.submit(self._connect))
            except BusFailed as failed:
                self._why_not = failed.text
                if failures == 0:
                    _log.warning("the system bus is not there", reason=failed.text)
                self._tried.set()
            else:
                self._tried.set()
                self._tell_listeners()
                await self._closed.wait()
                self._why_not = "the connection to the system bus was lost"
                _log.warning("the system bus closed the connection")
            failures = 0 if time.monotonic() - started_s > _RETRY_S[-1] else failures + 1
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S)) - 1])

    def _connect(self) -> None:
        """In the thread. BusFailed."""
        from gi.repository import Gio, GLib

        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        cancellable = Gio.Cancellable()
        timer = threading.Timer(_CONNECT_S, cancellable.cancel)  # a bus that accepts and says nothing
        timer.start()
        try:
            connection = Gio.DBusConnection.new_for_address_sync(self._address, flags, None, cancellable)
        except GLib.Error as problem:
            raise BusFailed(BusFailed.NO_BUS, str(problem.message)) from None
        finally:
            timer.cancel()
        connection.connect("closed", self._lost)
        self._connection = connection
        self._matched.clear()
        for key, (match, _callback) in tuple(self._subscriptions.items()):
            self._match(key, match)

    def _lost(self, connection: Any, *_why: object) -> None:
        """In the thread."""
        if connection is self._connection:
            self._connection = None
            self._on_loop(self._closed.set)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._tried.clear()
        if connection is not None:
            connection.close(None, None)  # begins it and does not wait

    async def _hand_in(self, function: Callable[[BusSession], T], deadline_s: float) -> T:
        if self._thread is None or self._connection is None:
            raise BusFailed(BusFailed.NO_BUS, self._why_not)
        from gi.repository import Gio

        cancellable = Gio.Cancellable()
        future = self._thread.submit(partial(self._perform, function, deadline_s, cancellable))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            cancellable.cancel()
            raise

    def _perform(self, function: Callable[[BusSession], T], deadline_s: float, cancellable: Any) -> T:
        """In the thread."""
        connection = self._connection
        if connection is None:
            raise BusFailed(BusFailed.NO_BUS, self._why_not)
        return function(BusSession(connection, deadline_s, cancellable))

    # --- signals ------------------------------------------------------------------------------------------------------

    def _match(self, key: int, match: Match) -> None:
        """In the thread: pydbus's subscription of one of ours, once for each connection."""
        if self._connection is None or key in self._matched or key not in self._subscriptions:
            return
        self._matched[key] = BusSession(self._connection, 0.0, None).subscribe(
            sender=match.sender,
            iface=match.interface,
            signal=match.member,
            object=match.path,
            arg0=match.arg0,
            signal_fired=partial(self._fired, key),
        )

    def _unmatch(self, key: int) -> None:
        """In the thread."""
        subscription = self._matched.pop(key, None)
        if subscription is not None:
            subscription.unsubscribe()

    def _fired(self, key: int, _sender: str, path: str, interface: str, member: str, args: tuple[object, ...]) -> None:
        """In the thread."""
        if self._fired_count - self._delivered_count >= _MOST_SIGNALS:
            self._dropped_count += 1
            return
        self._fired_count += 1
        self._on_loop(partial(self._deliver, key, BusSignal(path, interface, member, args)))

    def _deliver(self, key: int, signal: BusSignal) -> None:
        self._delivered_count += 1
        if self._dropped_count and self._delivered_count == self._fired_count:
            _log.warning("signals of the system bus were dropped", count=self._dropped_count)
            self._dropped_count = 0
            self._tell_listeners()
        found = self._subscriptions.get(key)
        if found is not None:
            found[1](signal)

    def _tell_listeners(self) -> None:
        for listener in tuple(self._listeners.values()):
            listener()

    def _key(self) -> int:
        self._next += 1
        return self._next

    def _in_thread(self, job: Callable[[], None]) -> None:
        if self._thread is not None:
            self._thread.post(job)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(callback)


def bus_address() -> str:
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or DEFAULT_ADDRESS


def _library() -> str | None:
    """Why pydbus can't be loaded; None when it is."""
    problem = import_gi()
    if problem is not None:
        return problem
    try:
        importlib.import_module("pydbus.bus")
    except ImportError:
        return "pydbus is missing: pip install 'dialtone-core[dbus]'"
    return None


def _owner(name: str, bus: BusSession) -> str:
    (found,) = bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", _DBUS, "GetNameOwner", "(s)", name)
    return str(found)
