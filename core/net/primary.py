"""Which link is the main one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from core.net.types import LinkKind


@dataclass(frozen=True, slots=True)
class Candidate:
    """A default route that is not ours, through one interface."""

    index: int
    name: str
    metric: int
    kind: LinkKind = LinkKind.ETHERNET


@dataclass(frozen=True, slots=True)
class Chosen:
    """index: None for an interface that the configuration names and that is not there."""

    name: str
    index: int | None


@dataclass(frozen=True, slots=True)
class PrimaryRule:
    """primary: "auto" or an interface, as in [net]; never: patterns as in [net]."""

    primary: str = "auto"
    never: tuple[str, ...] = ()

    def choose(
        self,
        candidates: Sequence[Candidate],
        before: Chosen | None,
        names: Mapping[int, str],
        modem: str | None = None,
    ) -> Chosen | None:
        """The interface that is named; else that of the lowest metric; else the one of before, which has lost its route
        and is still the main link, until another one has a route. candidates: best first; names: of all links.

        A tunnel's default route (VPN) is none of a main link: it goes through one.
        """
        indexes = {name: index for index, name in names.items()}
        if self.primary != "auto":
            return Chosen(self.primary, indexes.get(self.primary))
        allowed = [
            one for one in candidates if one.kind is not LinkKind.TUNNEL and not self._forbidden(one.name, modem)
        ]
        if allowed:
            best = min(allowed, key=lambda one: one.metric)  # the first of equals, as the kernel does
            return Chosen(best.name, best.index)
        return self._as_before(before, names, indexes, modem)

    def _as_before(
        self, before: Chosen | None, names: Mapping[int, str], indexes: Mapping[str, int], modem: str | None
    ) -> Chosen | None:
        if before is None:
            return None
        name = before.name
        if name not in indexes and before.index is not None and before.index in names:
            name = names[before.index]  # renamed
        if self._forbidden(name, modem):
            return None
        return Chosen(name, indexes.get(name))

    def _forbidden(self, name: str, modem: str | None) -> bool:
        return name == modem or any(fnmatchcase(name, pattern) for pattern in self.never)
