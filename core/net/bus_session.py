"""What a function gets that talks over D-Bus: pydbus's bus, with every call bounded by one deadline.

pydbus 0.6.0 waits without end for properties and for methods that are called without a timeout. It asks everything of
its connection, so the connection that it is given here sets the time that is left, can be cancelled from another
thread, and never has a service started by the bus: whoever has switched NetworkManager off wants it off.
"""

import time
from typing import Any

from core.net.bus_values import BusFailed, Properties

_PROPERTIES = "org.freedesktop.DBus.Properties"


class BusSession:
    """One function's use of the bus, in the bus's thread. Every call raises BusFailed."""

    def __init__(self, connection: Any, deadline_s: float, cancellable: Any) -> None:
        """connection: a Gio.DBusConnection; deadline_s: of time.monotonic."""
        from pydbus.bus import Bus

        self.con = _Bounded(connection, deadline_s, cancellable)
        self._bus = Bus(self.con)

    def get(self, name: str, path: str | None = None) -> Any:
        """pydbus's proxy of an object, as pydbus.SystemBus().get; its members are known only at run time."""
        return self._bus.get(name, path)

    def subscribe(self, **match: Any) -> Any:
        return self._bus.subscribe(**match)

    def call(self, name: str, path: str, interface: str, method: str, signature: str = "()", *args: Any) -> Any:
        """Without introspection: the answer's values as a tuple of plain Python values."""
        return self.raw(name, path, interface, method, signature, *args).unpack()

    def raw(self, name: str, path: str, interface: str, method: str, signature: str = "()", *args: Any) -> Any:
        """The same as a GLib.Variant, for values that go back as they came."""
        from gi.repository import GLib

        parameters = GLib.Variant(signature, args) if args else None
        return self.con.call_sync(name, path, interface, method, parameters, None, 0, 0, None)

    def properties(self, name: str, path: str, interface: str) -> Properties:
        (found,) = self.call(name, path, _PROPERTIES, "GetAll", "(s)", interface)
        return Properties(found)


class _Bounded:
    """A Gio.DBusConnection as pydbus uses it."""

    def __init__(self, connection: Any, deadline_s: float, cancellable: Any) -> None:
        self._connection = connection
        self._deadline_s = deadline_s
        self._cancellable = cancellable

    def call_sync(
        self,
        name: str,
        path: str,
        interface: str,
        method: str,
        parameters: Any,
        reply_type: Any,
        _flags: int,
        _timeout_ms: int,
        _cancellable: Any,
    ) -> Any:
        from gi.repository import Gio, GLib

        left_ms = int((self._deadline_s - time.monotonic()) * 1000)
        if left_ms <= 0:
            raise BusFailed(BusFailed.TIMEOUT)
        flags = Gio.DBusCallFlags.NO_AUTO_START
        try:
            return self._connection.call_sync(
                name, path, interface, method, parameters, reply_type, flags, left_ms, self._cancellable
            )
        except GLib.Error as problem:
            raise _failure(problem) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _failure(problem: Any) -> BusFailed:
    from gi.repository import Gio

    text = str(problem.message)
    name = Gio.DBusError.get_remote_error(problem)
    if name is not None:
        return BusFailed(str(name), text.partition(f"{name}: ")[2] or text)
    if problem.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT):
        return BusFailed(BusFailed.TIMEOUT, text)
    if problem.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED):
        return BusFailed(BusFailed.TIMEOUT, text)
    if problem.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED):
        return BusFailed(BusFailed.NO_BUS, text)
    return BusFailed("failed", text)
