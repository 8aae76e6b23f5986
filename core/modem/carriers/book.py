"""CarrierBook: the files, read when a SIM asks. Nothing of them is kept but the country asked for last."""

import functools
from datetime import UTC, datetime
from pathlib import Path

from core.modem.carriers.area import Area, Provider
from core.modem.carriers.lookup import choose
from core.modem.carriers.model import Carrier, CarrierDataError, CarrierOverride, Sim, Source
from core.modem.carriers.serviceproviders import SYSTEM_XML, read_providers
from core.modem.carriers.shipped import (
    NETWORKS_JSON,
    OVERRIDES_JSON,
    Overrides,
    read_head,
    read_networks,
    read_overrides,
)
from core.modem.carriers.user_file import UserFile, read_user_file

_NO_OVERRIDES = Overrides("", {}, ())


class CarrierBook:
    """Carriers by SIM. `find` never raises: a damaged file is passed over and stands in `problems`.

    find reads files (figures in docs/carriers.md): call it off the event loop. Reads of one country are kept until
    another country or a changed file is asked for. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        user_file: Path | None = None,
        system: Path | None = SYSTEM_XML,
        shipped: Path = NETWORKS_JSON,
        overrides: Path = OVERRIDES_JSON,
    ) -> None:
        self._user_file = user_file
        self._system = system
        self._shipped = shipped
        self._overrides = overrides
        self._kept: tuple[object, Area, tuple[CarrierDataError, ...]] | None = None

    def find(
        self,
        imsi: str,
        *,
        spn: str | None = None,
        iccid: str | None = None,
        gid1: str | None = None,
        mnc_digits: int | None = None,
        override: CarrierOverride | None = None,
    ) -> Carrier:
        """The carrier of a SIM. gid1 in hex as EF_GID1 holds it, mnc_digits from EF_AD; what is unknown stays None."""
        digits = imsi.strip()
        area, _ = self._area(digits[:3] if digits[:3].isascii() and digits[:3].isdecimal() else "")
        return choose(area, Sim(digits, spn, iccid, gid1, mnc_digits), override)

    @property
    def problems(self) -> tuple[CarrierDataError, ...]:
        """What of the files could not be used in the last reading. Never an IMSI or a password."""
        kept = self._kept
        return kept[2] if kept else ()

    def _area(self, mcc: str) -> tuple[Area, tuple[CarrierDataError, ...]]:
        paths = (self._user_file, self._system, self._shipped, self._overrides)
        key = (mcc, *map(_signature, paths))
        kept = self._kept
        if kept is None or kept[0] != key:
            area, problems = self._read(mcc)
            self._kept = kept = (key, area, problems)  # one assignment: another thread sees the old or the new
        return kept[1], kept[2]

    def _read(self, mcc: str) -> tuple[Area, tuple[CarrierDataError, ...]]:
        problems: list[CarrierDataError] = []
        providers, source = self._providers(mcc, problems)
        try:
            overrides = read_overrides(self._overrides)
        except CarrierDataError as error:
            overrides = _NO_OVERRIDES
            problems.append(error)
        user = UserFile()
        if self._user_file is not None:
            try:
                user = read_user_file(self._user_file)
            except CarrierDataError as error:
                problems.append(error)
        problems += user.problems
        area = Area(
            mcc,
            providers,
            source,
            {code: fact for code, fact in overrides.networks.items() if code.startswith(mcc)} if mcc else {},
            tuple(one for one in overrides.brands if any(code.startswith(mcc) for code in one.networks)),
            {code: entry for code, entry in user.entries.items() if code.startswith(mcc)} if mcc else {},
            user.fallback,
        )
        return area, tuple(problems)

    def _providers(self, mcc: str, problems: list[CarrierDataError]) -> tuple[tuple[Provider, ...], Source]:
        """The system's database if it is there, sound and not older than our copy; else our copy."""
        if not mcc:
            return (), Source.SHIPPED
        if self._system is not None and self._system.exists() and self._system_is_newer():
            try:
                return read_providers(self._system, mcc), Source.SYSTEM
            except CarrierDataError as error:
                problems.append(error)
        try:
            return read_networks(self._shipped, mcc), Source.SHIPPED
        except CarrierDataError as error:
            problems.append(error)
            return (), Source.SHIPPED

    def _system_is_newer(self) -> bool:
        """By the file's date, which packages keep from the day of their release. A damaged copy of ours is older."""
        if self._system is None:
            return False
        try:
            changed = datetime.fromtimestamp(self._system.stat().st_mtime, UTC).date()
            return changed >= read_head(self._shipped).released
        except (CarrierDataError, OSError):
            return True


@functools.cache
def load() -> CarrierBook:
    """The book of this machine, without a user's file. Costs nothing; the first `find` reads."""
    return CarrierBook()


def find(
    imsi: str,
    *,
    spn: str | None = None,
    iccid: str | None = None,
    gid1: str | None = None,
    mnc_digits: int | None = None,
    override: CarrierOverride | None = None,
) -> Carrier:
    """As CarrierBook.find, with `load()`."""
    return load().find(imsi, spn=spn, iccid=iccid, gid1=gid1, mnc_digits=mnc_digits, override=override)


def _signature(path: Path | None) -> tuple[int, int] | None:
    """Changes when the file does."""
    try:
        return None if path is None else ((found := path.stat()).st_mtime_ns, found.st_size)
    except OSError:
        return None
