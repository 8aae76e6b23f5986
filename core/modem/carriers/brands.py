"""Which brand a SIM belongs to when several share a network code. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain

from core.modem.carriers.area import BrandFact, Provider
from core.modem.carriers.model import Sim

_COMMON = frozenset(
    (
        "mobile",
        "mobil",
        "mobiel",
        "telecom",
        "telekom",
        "communications",
        "internet",
        "gsm",
        "the",
        "contract",
        "prepaid",
    )
)
"""Words that half of all brands have in their names."""
_PART = re.compile(r"[/()]")


def brand_by_sign(brands: Sequence[BrandFact], sim: Sim) -> BrandFact | None:
    """The brand whose GID1, ICCID or IMSI begins as this SIM's does. The longest beginning wins."""
    found = [(length, brand) for brand in brands if (length := _sign_length(brand, sim))]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def brand_by_name(brands: Sequence[BrandFact], name: str) -> BrandFact | None:
    """The brand with exactly this name or service provider name, letters and digits compared."""
    wanted = _letters(name)
    return next((brand for brand in brands if wanted and wanted in map(_letters, (brand.name, *brand.spn))), None)


def provider_by_name(providers: Sequence[Provider], name: str) -> Provider | None:
    """The provider a service provider name means: the same letters, or all its words in the name, or the reverse.

    "O2 - UK" is O2, "ALDI TALK" is AldiTalk/MedionMobile. None when nothing or more than one thing fits.
    """
    wanted = _letters(name)
    if not wanted:
        return None
    for provider in providers:
        if wanted in _spellings(provider):
            return provider
    words = _words(name)
    ranked = sorted(((_overlap(words, provider), at) for at, provider in enumerate(providers)), reverse=True)
    if not ranked or ranked[0][0] == 0 or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
        return None
    return providers[ranked[0][1]]


def default_provider(providers: Sequence[Provider], name: str | None, apn: str | None = None) -> Provider | None:
    """The owner of a network that we know by this name and APN, as far as facts of ours name it.

    That is the one marked so, or sharing a word with the name, or listing the APN, or listed first. A provider without
    any data APN, or marked as a reseller, is taken only if nothing else is there.
    """
    usable = [provider for provider in providers if provider.accesses] or list(providers)
    if marked := next((provider for provider in usable if provider.primary), None):
        return marked
    usable = [provider for provider in usable if provider.primary is None] or usable
    words, wanted = _words(name or ""), (apn or "").lower()
    named = [provider for provider in usable if words & _words(" ".join(provider.names))]
    named.sort(key=lambda provider: len(_words(" ".join(provider.names)) - words))  # Tele2 before CARNet Tele2
    listing = (provider for provider in usable if any(one.apn.lower() == wanted for one in provider.accesses))
    return next(chain(named, listing, usable), None)


def _sign_length(brand: BrandFact, sim: Sim) -> int:
    """How many characters of a sign of this brand the SIM shows; 0 is none."""
    gid1 = (sim.gid1 or "").upper()
    lengths = [len(sign) for sign in brand.gid1 if sign and gid1.startswith(sign.upper())]
    lengths += [len(sign) for sign in brand.iccid if sign and (sim.iccid or "").startswith(sign)]
    lengths += [len(sign) for sign in brand.imsi if sign and _imsi_begins(sim.imsi, sign)]
    return max(lengths, default=0)


def _imsi_begins(imsi: str, sign: str) -> bool:
    if len(imsi) < len(sign):
        return False
    return all(wanted in (digit, "x") for digit, wanted in zip(imsi, sign, strict=False))


def _letters(text: str) -> str:
    """Letters and digits in lower case, without accents: "Más-Móvil" is masmovil."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum())


def _words(text: str) -> frozenset[str]:
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(" " if not (char.isalnum() or unicodedata.combining(char)) else char for char in plain)
    return frozenset(map(_letters, kept.split())) - _COMMON - {""}


def _spellings(provider: Provider) -> Iterable[str]:
    """Each name as a whole and in its parts: "Far EasTone / KGT" is also KGT."""
    for name in provider.names:
        yield _letters(name)
        yield from filter(None, map(_letters, _PART.split(name)))


def _overlap(words: frozenset[str], provider: Provider) -> int:
    """How many words are shared with the best name of the provider, where one has all the words of the other."""
    found = (_words(name) for name in provider.names)
    return max((len(words & own) for own in found if own and words and (words <= own or own <= words)), default=0)
