"""All that is known of the networks of one mobile country code, as read from the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from core.modem.carriers.model import Auth, Source


class Access(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One data APN of a provider. plan is "prepaid", "postpaid" or ""."""

    apn: str
    plan: str = ""
    username: str = ""
    password: str = ""
    auth: Auth = Auth.NONE

    def __repr__(self) -> str:
        return f"Access({self.apn!r})"


class Provider(Struct, frozen=True, array_like=True):
    """One brand of the database. networks are MCC and MNC in one string of 5 or 6 digits."""

    country: str
    names: tuple[str, ...]
    primary: bool | None
    networks: tuple[str, ...]
    accesses: tuple[Access, ...]


class _Fact(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    apn: str | None = None
    username: str = ""
    password: str = ""
    auth: Auth | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.apn!r})"


class NetworkFact(_Fact, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Ours on a network. Without apn the databases' default stands; auth alone then says how their user is checked."""

    name: str
    country: str
    ims_apn: str = "ims"
    volte: bool | None = None
    note: str | None = None


class BrandFact(_Fact, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How a brand on a shared network is recognised; one sign is enough. Without apn the provider of that name stands.

    spn: service provider names beside the name itself. gid1, iccid, imsi: beginnings; x in imsi is any digit.
    """

    name: str
    networks: tuple[str, ...]
    spn: tuple[str, ...] = ()
    gid1: tuple[str, ...] = ()
    iccid: tuple[str, ...] = ()
    imsi: tuple[str, ...] = ()
    source: str = ""


class FileEntry(_Fact, frozen=True, omit_defaults=True, kw_only=True):
    """One entry of the user's file in the old format, checked."""

    name: str | None = None
    country: str | None = None
    ims_apn: str | None = None
    ims_domain: str | None = None
    volte: bool | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """One country code. providers come in the order of their file."""

    mcc: str
    providers: tuple[Provider, ...] = ()
    source: Source = Source.SHIPPED
    networks: Mapping[str, NetworkFact] = field(default_factory=dict)
    brands: tuple[BrandFact, ...] = ()
    entries: Mapping[str, FileEntry] = field(default_factory=dict)
    fallback: FileEntry | None = None

    @property
    def known(self) -> frozenset[str]:
        """MCC and MNC of every network that somebody lists."""
        listed = {network for provider in self.providers for network in provider.networks}
        return frozenset(listed | self.networks.keys() | self.entries.keys())
