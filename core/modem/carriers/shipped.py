"""The two files of this package: networks.json (built by tools/carriers) and overrides.json (kept by hand)."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from core.modem.carriers.apn import apn_is_sound, credential_is_sound
from core.modem.carriers.area import Access, BrandFact, NetworkFact, Provider
from core.modem.carriers.model import CarrierDataError

NETWORKS_JSON = Path(__file__).parent / "networks.json"
OVERRIDES_JSON = Path(__file__).parent / "overrides.json"

_T = TypeVar("_T")


class NetworksHead(Struct, frozen=True):
    """What networks.json says of its origin. released is the day of the database it was made from."""

    source: str
    licence: str
    released: date


class Networks(NetworksHead, frozen=True):
    providers: tuple[Provider, ...]


class Overrides(Struct, frozen=True, forbid_unknown_fields=True):
    """networks by MCC and MNC in one string."""

    about: str
    networks: Mapping[str, NetworkFact]
    brands: tuple[BrandFact, ...]


def read_head(path: Path = NETWORKS_JSON) -> NetworksHead:
    """Origin and date alone. CarrierDataError if the file is damaged."""
    return _decoded(path, NetworksHead)


def read_networks(path: Path = NETWORKS_JSON, mcc: str | None = None) -> tuple[Provider, ...]:
    """As serviceproviders.read_providers, from the shipped copy. CarrierDataError if it is damaged."""
    providers = _decoded(path, Networks).providers
    for provider in providers:
        if not provider.names or not all(_access_is_sound(access) for access in provider.accesses):
            raise CarrierDataError(path, "an entry has no name, or an APN or user that no modem takes")
    return tuple(one for one in providers if mcc is None or any(code.startswith(mcc) for code in one.networks))


def read_overrides(path: Path = OVERRIDES_JSON) -> Overrides:
    """Our facts. CarrierDataError if the file is damaged."""
    overrides = _decoded(path, Overrides)
    facts = [*overrides.networks.values(), *overrides.brands]
    sound = all(_access_is_sound(Access(f.apn or "a", "", f.username, f.password)) for f in facts)
    if not sound or not all(apn_is_sound(fact.ims_apn) for fact in overrides.networks.values()):
        raise CarrierDataError(path, "an entry has an APN or user that no modem takes")
    return overrides


def _decoded(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CarrierDataError(path, f"unreadable: {error}") from error


def _access_is_sound(access: Access) -> bool:
    return apn_is_sound(access.apn) and credential_is_sound(access.username) and credential_is_sound(access.password)
