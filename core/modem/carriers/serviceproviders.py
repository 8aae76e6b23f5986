"""mobile-broadband-provider-info: serviceproviders.xml (format 2.0, its DTD beside it), read as a stream.

The elements of a provider are dropped as soon as it is read, so that memory does not grow with the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, ParseError, iterparse

from core.modem.carriers.apn import apn_is_sound, credential_is_sound
from core.modem.carriers.area import Access, Provider
from core.modem.carriers.model import Auth, CarrierDataError

SYSTEM_XML = Path("/usr/share/mobile-broadband-provider-info/serviceproviders.xml")
MAX_BYTES = 8 * 1024 * 1024
"""Twenty times the file of 2023."""
_NOT_DATA = frozenset({"mms", "wap"})


def read_providers(path: Path, mcc: str | None = None) -> tuple[Provider, ...]:
    """Providers with a GSM network in this country code (None: in any), in the order of the file.

    CarrierDataError if the file can't be read, is no XML, or lists nobody at all.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CarrierDataError(path, f"larger than {MAX_BYTES} bytes")
        with path.open("rb") as file:
            providers = list(_providers(file))
    except (OSError, ParseError, ValueError) as error:
        raise CarrierDataError(path, f"unreadable: {error}") from error
    if not providers:
        raise CarrierDataError(path, "lists no provider")
    return tuple(one for one in providers if mcc is None or any(code.startswith(mcc) for code in one.networks))


def _providers(file: IO[bytes]) -> Iterator[Provider]:
    code = ""
    country: Element | None = None
    for event, element in iterparse(file, events=("start", "end")):
        if event == "start" and element.tag == "country":
            country, code = element, element.get("code", "").lower()
        elif event == "end" and element.tag == "provider":
            if (gsm := element.find("gsm")) is not None and (provider := _provider(code, element, gsm)):
                yield provider
            if country is not None:
                country.clear()


def _provider(country: str, element: Element, gsm: Element) -> Provider | None:
    """None for one without a name, or without a network code: an IMSI can't lead to it."""
    names = tuple(dict.fromkeys(name for child in element.findall("name") if (name := (child.text or "").strip())))
    codes = (child.get("mcc", "") + child.get("mnc", "") for child in gsm.findall("network-id"))
    networks = tuple(dict.fromkeys(code for code in codes if _is_network(code)))
    if not names or not networks:
        return None
    accesses = dict.fromkeys(access for child in gsm.findall("apn") if (access := _access(child)))
    primary = {"true": True, "false": False}.get(element.get("primary", ""))
    return Provider(country, names, primary, networks, tuple(accesses))


def _is_network(code: str) -> bool:
    return len(code) in (5, 6) and code.isascii() and code.isdecimal()


def _access(element: Element) -> Access | None:
    """An APN for data; None for those of picture messages and WAP alone, and for what no modem should be sent."""
    usages = {child.get("type", "") for child in element.findall("usage")}
    apn = element.get("value", "").strip()
    username = (element.findtext("username") or "").strip()
    password = (element.findtext("password") or "").strip()
    if (usages and usages <= _NOT_DATA) or not apn_is_sound(apn):
        return None
    if not (credential_is_sound(username) and credential_is_sound(password)):
        return None
    plans = {child.get("type", "") for child in element.findall("plan")}
    plan = plans.pop() if len(plans) == 1 else ""
    method = element.find("authentication")
    wanted = method.get("method", "") if method is not None else ""
    auth = Auth(wanted) if wanted in (Auth.PAP, Auth.CHAP) else Auth.PAP_OR_CHAP
    return Access(apn, plan, username, password, auth if username else Auth.NONE)
