"""What a lookup is asked and what it answers."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from core.modem.carriers.apn import apn_is_sound, credential_is_sound


class Auth(StrEnum):
    """How the data context authenticates. AT+CGAUTH numbers them 0 to 3 in this order."""

    NONE = "none"
    PAP = "pap"
    CHAP = "chap"
    PAP_OR_CHAP = "pap_or_chap"


class Source(StrEnum):
    """Where the APN of a Carrier comes from."""

    CONFIG = "config"  # core.toml
    FILE = "file"  # a carriers.json in the old station's format
    OVERRIDE = "override"  # our own facts, overrides.json
    SYSTEM = "system"  # the distribution's mobile-broadband-provider-info
    SHIPPED = "shipped"  # our copy of it
    FALLBACK = "fallback"  # nobody knows this network


class CarrierDataError(Exception):
    """A file of carriers that can't be used, or an entry of it. The lookup goes on without it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """One access that the databases list for the SIM's network. prepaid is None where they don't say."""

    name: str
    apn: str
    username: str = ""
    password: str = field(default="", repr=False)
    auth: Auth = Auth.NONE
    prepaid: bool | None = None


@dataclass(frozen=True, slots=True)
class Carrier:
    """What to configure for a SIM. Every APN and credential here is sound to quote in an AT command.

    country is ISO 3166-1 alpha-2 in capitals. mnc has 2 or 3 digits; mcc and mnc are "" when the IMSI is unreadable,
    and so is ims_domain (TS 23.003 §13.2). volte None is unknown: let the network decide.
    """

    name: str
    country: str | None
    mcc: str
    mnc: str
    apn: str
    ims_apn: str
    ims_domain: str
    username: str
    password: str = field(repr=False)
    auth: Auth
    volte: bool | None
    source: Source
    candidates: tuple[Candidate, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierOverride:
    """The user's own word, stronger than any file. None leaves a value as found; ValueError for what no modem takes.

    name is a brand on a shared network ("giffgaff") when the databases know it there, else a label.
    """

    name: str | None = None
    apn: str | None = None
    ims_apn: str | None = None
    auth: Auth | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    volte: bool | None = None

    def __post_init__(self) -> None:
        for name, apn in (("apn", self.apn), ("ims_apn", self.ims_apn)):
            if apn is not None and not apn_is_sound(apn):
                raise ValueError(f"{name} is no access point name: use letters, digits, hyphens and dots")
        for name, text in (("username", self.username), ("password", self.password)):
            if text is not None and not credential_is_sound(text):
                raise ValueError(f"{name} has characters that no modem takes, or is longer than 64")


@dataclass(frozen=True, slots=True)
class Sim:
    """What the SIM says of itself. mnc_digits is byte 4 of EF_AD (TS 31.102 §4.2.18), when it was read."""

    imsi: str = field(repr=False)
    spn: str | None = None
    iccid: str | None = field(default=None, repr=False)
    gid1: str | None = None
    mnc_digits: int | None = None
