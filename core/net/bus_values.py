"""Values that came over D-Bus, typed at the door. A property that is missing or of another type is its type's zero:
versions of a service differ in what they have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard


class BusFailed(Exception):
    """name: of the D-Bus error ("org.freedesktop.DBus.Error.ServiceUnknown"), or one of the words below. text: the
    service's own, which may name networks: never for a log."""

    NO_BUS = "no_bus"
    TIMEOUT = "timeout"
    BUSY = "busy"

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.text = text


ABSENT = frozenset(
    f"org.freedesktop.DBus.Error.{word}" for word in ("ServiceUnknown", "NameHasNoOwner", "Disconnected")
) | {BusFailed.NO_BUS}
"""Names of BusFailed when the service is not there at all."""

GONE = frozenset(
    f"org.freedesktop.DBus.Error.{word}" for word in ("UnknownObject", "UnknownMethod", "UnknownInterface")
)
"""… and when the object is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Properties:
    """All properties of one interface of one object."""

    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, name: str) -> str:
        found = self.values.get(name)
        return found if isinstance(found, str) else ""

    def path(self, name: str) -> str | None:
        """An object path; NetworkManager's "/" is none."""
        found = self.text(name)
        return found if found not in ("", "/") else None

    def number(self, name: str) -> int:
        found = self.values.get(name)
        return found if isinstance(found, int) else 0

    def flag(self, name: str, default: bool = False) -> bool:
        found = self.values.get(name)
        return found if isinstance(found, bool) else default

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.values.get(name)
        return tuple(one for one in found if isinstance(one, str)) if _is_sequence(found) else ()

    def octets(self, name: str) -> bytes:
        """An array of bytes, as pydbus unpacks it: a list of numbers, or bytes."""
        found = self.values.get(name)
        if isinstance(found, bytes):
            return found
        return bytes(one for one in found if isinstance(one, int) and 0 <= one < 256) if _is_sequence(found) else b""

    def each(self, name: str) -> tuple["Properties", ...]:
        """An array of dictionaries."""
        found = self.values.get(name)
        return tuple(Properties(one) for one in found if isinstance(one, dict)) if _is_sequence(found) else ()

    def group(self, name: str) -> "Properties":
        """A dictionary."""
        found = self.values.get(name)
        return Properties(found) if isinstance(found, dict) else Properties()


def _is_sequence(found: object) -> TypeGuard[Sequence[object]]:
    return isinstance(found, Sequence) and not isinstance(found, str)
