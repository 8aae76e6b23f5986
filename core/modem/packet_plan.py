"""Which commands make the packet data contexts what the carrier wants. Pure: from what is set to what to send.

TS 27.007 §10.1.1 (CGDCONT), §10.1.31 (CGAUTH). Both contexts are IPV4V6: an IMS context as IP is refused by networks
(field report), and a network without IPv6 gives IPv4 alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.modem.at import Command
from core.modem.carriers import Auth
from core.modem.lines_report import ContextDefinition

DATA_CID = 1
IMS_CID = 2
KIND = "IPV4V6"
DEFINE_S = 10.0
ACTIVATE_S = 20.0
"""Seconds of the network."""

_METHODS = {Auth.NONE: (0,), Auth.PAP: (1,), Auth.CHAP: (2,), Auth.PAP_OR_CHAP: (3, 2, 1)}


@dataclass(frozen=True, slots=True)
class Access:
    """What a SIM needs. ims_apn None: no IMS context is made."""

    apn: str
    ims_apn: str | None
    auth: Auth = Auth.NONE
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def ims_cid(defined: Sequence[ContextDefinition], ims_apn: str) -> int:
    """The context that has this APN already, whatever its number (not that of the data); else IMS_CID."""
    same = (one.cid for one in defined if one.apn.lower() == ims_apn.lower() and one.cid != DATA_CID)
    return next(same, IMS_CID)


def definitions(access: Access, defined: Sequence[ContextDefinition]) -> tuple[Command, ...]:
    """One AT+CGDCONT for each context that differs; none where all is as it should be."""
    wanted = [(DATA_CID, access.apn)]
    if access.ims_apn is not None:
        wanted.append((ims_cid(defined, access.ims_apn), access.ims_apn))
    now = {one.cid: (one.kind.upper(), one.apn.lower()) for one in defined}
    return tuple(
        Command(f'AT+CGDCONT={cid},"{KIND}","{apn}"', DEFINE_S)
        for cid, apn in wanted
        if now.get(cid) != (KIND, apn.lower())
    )


def authentication(access: Access, template: str | None, *, changed: bool) -> tuple[Command, ...]:
    """AT+CGAUTH for the data context: the first of these that the modem takes counts. changed: its APN is a new one,
    so that credentials which an older one left must go.

    template: the command by family, with {cid}, {method}, {username}, {password}; None where there is none.
    """
    if template is None or (access.auth is Auth.NONE and not changed):
        return ()
    if access.auth is Auth.NONE:
        head = template.partition(",{method}")[0].format(cid=DATA_CID)
        return (Command(f"{head},0"),)
    return tuple(
        Command(template.format(cid=DATA_CID, method=method, username=access.username, password=access.password))
        for method in _METHODS[access.auth]
    )


def activations(active: dict[int, bool], *, ims: int | None, data: bool) -> tuple[Command, ...]:
    """AT+CGACT for what should be active and is not."""
    wanted = ([] if ims is None else [ims]) + ([DATA_CID] if data else [])
    return tuple(Command(f"AT+CGACT=1,{cid}", ACTIVATE_S) for cid in wanted if not active.get(cid, False))
