"""Carriers: which APN, IMS APN and credentials a SIM needs, from its IMSI. See docs/carriers.md."""

from core.modem.carriers.apn import apn_is_sound, credential_is_sound
from core.modem.carriers.book import CarrierBook, find, load
from core.modem.carriers.model import Auth, Candidate, Carrier, CarrierDataError, CarrierOverride, Source

__all__ = [
    "Auth",
    "Candidate",
    "Carrier",
    "CarrierBook",
    "CarrierDataError",
    "CarrierOverride",
    "Source",
    "apn_is_sound",
    "credential_is_sound",
    "find",
    "load",
]
