"""The carrier of a line: what core.toml says, above what the carrier databases say of the SIM."""

import asyncio

from core.config import LineConfig
from core.line import LineCarrier
from core.log import Log
from core.modem import carriers
from core.modem.carriers import Auth, Carrier, CarrierOverride
from core.modem.packet_plan import Access

_UNKNOWN = "unknown"
_log = Log("modem.carrier")


def override_of(config: LineConfig) -> CarrierOverride:
    """The user's own word; ValueError for what no modem takes."""
    return CarrierOverride(
        name=config.carrier,
        apn=config.apn,
        ims_apn=config.ims_apn,
        auth=Auth(config.apn_auth) if config.apn_auth is not None else None,
        username=config.apn_user,
        password=config.apn_password,
        volte={"on": True, "off": False}.get(config.volte),
    )


async def look_up(config: LineConfig, imsi: str, iccid: str | None, provider: str | None) -> Carrier:
    """The carrier of a SIM; reads files, off the loop. An override that makes no sense is passed over, and said."""
    override: CarrierOverride | None = None
    try:
        override = override_of(config)
    except ValueError as problem:
        _log.error("core.toml's access point is not used", reason=str(problem))
    return await asyncio.to_thread(carriers.find, imsi, spn=provider, iccid=iccid, override=override)


def access_for(config: LineConfig, carrier: Carrier) -> Access:
    """What the contexts are made of. Without VoLTE there is no IMS context."""
    ims = None if config.volte == "off" or carrier.volte is False else carrier.ims_apn
    return Access(carrier.apn, ims, carrier.auth, carrier.username, carrier.password)


def line_carrier(carrier: Carrier) -> LineCarrier:
    """The part of it that clients see: no credentials."""
    return LineCarrier(
        name=None if carrier.name == _UNKNOWN else carrier.name,
        country=carrier.country,
        mcc_mnc=f"{carrier.mcc}-{carrier.mnc}" if carrier.mcc else "",
        apn=carrier.apn,
        ims_apn=carrier.ims_apn,
        volte=carrier.volte,
        source=str(carrier.source),
    )
