"""From what a SIM says and what is known of its country to one Carrier. Pure; never raises."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.modem.carriers.area import Access, Area, BrandFact, FileEntry, NetworkFact, Provider
from core.modem.carriers.brands import brand_by_name, brand_by_sign, default_provider, provider_by_name
from core.modem.carriers.home import home_network, ims_domain
from core.modem.carriers.model import Auth, Candidate, Carrier, CarrierOverride, Sim, Source

FALLBACK_APN = "internet"
IMS_APN = "ims"
"""The well-known IMS APN of GSMA IR.88 and of nearly all networks in the facts."""
UNKNOWN = "unknown"
MAX_CANDIDATES = 64
"""The most that one code has today is 36 (505-02)."""


@dataclass(frozen=True, slots=True)
class _Network:
    """What bears on one home network."""

    code: str
    providers: tuple[Provider, ...]
    brands: tuple[BrandFact, ...]
    fact: NetworkFact | None
    entry: FileEntry | None


def choose(area: Area, sim: Sim, override: CarrierOverride | None = None) -> Carrier:
    """The carrier of a SIM: config before the user's file, before our facts and brands, before the database."""
    code = home_network(sim.imsi, area.known, sim.mnc_digits)
    network = _Network(
        code,
        tuple(provider for provider in area.providers if code in provider.networks),
        tuple(brand for brand in area.brands if code in brand.networks),
        area.networks.get(code),
        area.entries.get(code),
    )
    carrier = _with_network(_found(area, network, sim, override), area, network)
    carrier = replace(carrier, candidates=_candidates(network))
    return _with_override(carrier, override) if override else carrier


def _found(area: Area, network: _Network, sim: Sim, override: CarrierOverride | None) -> Carrier:
    """The carrier as one of the files has it. The name from config is a brand there, else it is only a label."""
    named = override.name if override else None
    if not named:
        return _recognised(area, network, sim)
    return _brand(area, network, named) or replace(_recognised(area, network, sim), name=named)


def _recognised(area: Area, network: _Network, sim: Sim) -> Carrier:
    if network.entry and network.entry.apn:
        return _of_entry(network, network.entry, Source.FILE)
    sign = brand_by_sign(network.brands, sim)
    if sign and (carrier := _of_brand(area, network, sign)):
        return carrier
    if sim.spn and (carrier := _brand(area, network, sim.spn)):
        return carrier
    return _of_network(area, network)


def _brand(area: Area, network: _Network, name: str) -> Carrier | None:
    """The brand or provider of that name on this network, unless it is the network's owner, who has own rules."""
    if brand := brand_by_name(network.brands, name):
        return _of_brand(area, network, brand)
    provider = provider_by_name(network.providers, name)
    if provider is None or provider is _owner(network) or not provider.accesses:
        return None
    return _of_provider(area, network, provider)


def _of_brand(area: Area, network: _Network, brand: BrandFact) -> Carrier | None:
    if brand.apn is None:
        provider = provider_by_name(network.providers, brand.name)
        return _of_provider(area, network, provider) if provider and provider.accesses else None
    access = Access(brand.apn, "", brand.username, brand.password, brand.auth or _usual_auth(brand.username))
    return _carrier(network, access, brand.name, Source.OVERRIDE)


def _of_entry(network: _Network, entry: FileEntry, source: Source) -> Carrier:
    auth = entry.auth or _usual_auth(entry.username)
    access = Access(entry.apn or FALLBACK_APN, "", entry.username, entry.password, auth)
    return _carrier(network, access, entry.name or (network.fact.name if network.fact else UNKNOWN), source)


def _of_provider(area: Area, network: _Network, provider: Provider) -> Carrier:
    return _carrier(network, provider.accesses[0], provider.names[0], area.source)


def _of_network(area: Area, network: _Network) -> Carrier:
    """The default of the network: our fact, else its owner in the database, else the guess every phone makes."""
    fact, owner = network.fact, _owner(network)
    if fact and fact.apn:
        auth = fact.auth or _usual_auth(fact.username)
        access = Access(fact.apn, "", fact.username, fact.password, auth)
        return _carrier(network, access, fact.name, Source.OVERRIDE)
    if owner and owner.accesses:
        carrier = _of_provider(area, network, owner)
        auth = (fact.auth if fact and carrier.username else None) or carrier.auth
        return replace(carrier, name=fact.name if fact else carrier.name, auth=auth)
    name = fact.name if fact else owner.names[0] if owner else UNKNOWN
    if area.fallback:
        return replace(_of_entry(network, area.fallback, Source.FALLBACK), name=name)
    return _carrier(network, Access(FALLBACK_APN), name, Source.FALLBACK)


def _owner(network: _Network) -> Provider | None:
    fact = network.fact
    return (
        default_provider(network.providers, fact.name, fact.apn) if fact else default_provider(network.providers, None)
    )


def _carrier(network: _Network, access: Access, name: str, source: Source) -> Carrier:
    mcc, mnc = network.code[:3], network.code[3:]
    return Carrier(
        name=name,
        country=None,
        mcc=mcc,
        mnc=mnc,
        apn=access.apn,
        ims_apn=IMS_APN,
        ims_domain=ims_domain(mcc, mnc),
        username=access.username,
        password=access.password,
        auth=access.auth,
        volte=None,
        source=source,
    )


def _with_network(carrier: Carrier, area: Area, network: _Network) -> Carrier:
    """Country, IMS and VoLTE, which belong to the network and not to the brand; the user's file has the last word."""
    fact, entry = network.fact, network.entry or (None if network.fact or network.providers else area.fallback)
    country = _country(area, network)
    if fact:
        carrier = replace(carrier, ims_apn=fact.ims_apn, volte=fact.volte, note=fact.note)
    if entry:
        carrier = replace(
            carrier,
            ims_apn=entry.ims_apn or carrier.ims_apn,
            ims_domain=entry.ims_domain or carrier.ims_domain,
            volte=carrier.volte if entry.volte is None else entry.volte,
        )
        country = entry.country or country
    return replace(carrier, country=country)


def _country(area: Area, network: _Network) -> str | None:
    if network.fact:
        return network.fact.country
    for providers in (network.providers, area.providers):
        if providers:
            return providers[0].country.upper()
    return next((fact.country for fact in area.networks.values()), None)


def _with_override(carrier: Carrier, override: CarrierOverride) -> Carrier:
    """The user's word. Another APN does not inherit the found one's user and password, except from a candidate."""
    if override.apn is not None and override.apn.lower() != carrier.apn.lower():
        known = _candidate(carrier.candidates, override.apn, carrier.name)
        carrier = replace(
            carrier,
            username=known.username if known else "",
            password=known.password if known else "",
            auth=known.auth if known else Auth.NONE,
        )
    if override.apn is not None:
        carrier = replace(carrier, apn=override.apn, source=Source.CONFIG)
    username = carrier.username if override.username is None else override.username
    password = carrier.password if override.password is None else override.password
    auth = override.auth
    if auth is None:
        auth = _usual_auth(username) if carrier.auth is Auth.NONE or not username else carrier.auth
    return replace(
        carrier,
        ims_apn=override.ims_apn or carrier.ims_apn,
        username=username,
        password=password,
        auth=auth,
        volte=carrier.volte if override.volte is None else override.volte,
    )


def _candidate(candidates: Sequence[Candidate], apn: str, name: str) -> Candidate | None:
    same = [candidate for candidate in candidates if candidate.apn.lower() == apn.lower()]
    return next((candidate for candidate in same if candidate.name == name), next(iter(same), None))


def _candidates(network: _Network) -> tuple[Candidate, ...]:
    """Facts of ours first, then the database's in its order, each brand and APN once."""
    found: dict[tuple[str, str], Candidate] = {}
    own: list[NetworkFact | BrandFact] = [network.fact] if network.fact else []
    for fact in (*own, *network.brands):
        if fact.apn is not None:
            auth = fact.auth or _usual_auth(fact.username)
            candidate = Candidate(fact.name, fact.apn, fact.username, fact.password, auth)
            found.setdefault((fact.name, fact.apn.lower()), candidate)
    for provider in network.providers:
        for access in provider.accesses:
            prepaid = {"prepaid": True, "postpaid": False}.get(access.plan)
            name = provider.names[0]
            candidate = Candidate(name, access.apn, access.username, access.password, access.auth, prepaid)
            found.setdefault((name, access.apn.lower()), candidate)
    return tuple(found.values())[:MAX_CANDIDATES]


def _usual_auth(username: str) -> Auth:
    """The databases mostly leave the method out; with a user, the network chooses."""
    return Auth.PAP_OR_CHAP if username else Auth.NONE
