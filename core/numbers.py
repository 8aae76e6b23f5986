"""Numbers as parties: one key for one party, what may be an SMS address, and what a number costs.

The numbering plans come from `phonenumbers` (libphonenumber's metadata). It is imported at its first use, which takes
some 20 ms (five times that on a Raspberry Pi) and 1.2 MiB: a service calls `preload` in a thread before it needs keys.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from core.dialable import EMERGENCY, compact
from core.errors import EmergencyDenied, NotDialable
from core.mcc import REGION_OF_MCC
from core.modem.pdu.model import Address, Ton

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

NumberType = Literal["unknown", "international", "national", "short"]

NAME_PREFIX = "name:"
"""Before the key of an alphanumeric sender, so that none can pass for a number."""
SHORTEST_SUBSCRIBER = 7
"""Fewer digits without a country code are a short code, unless the numbering plan says that they can't be one."""
SELECTION_DIGITS = range(2, 8)
"""Length of what may be dialled before a number to choose a carrier or hide oneself: 141, 010xx, 1010288."""
SATELLITE = ("+870", "+881", "+882", "+883", "+979")
"""Shared country codes of satellite phones, global networks and premium services (ITU-T E.164.1): all at high rates,
and mostly not in the metadata."""

_NUMERIC = re.compile(r"\+?[0-9]{1,30}")
_CODE = re.compile(r"[0-9*#]{1,30}")
_SMS_ADDRESS = re.compile(r"\+[1-9][0-9]{4,19}|[0-9]{3,20}")
"""TP-DA holds 20 digits (TS 23.040 §9.1.2.5). No country code begins with 0 (ITU-T E.164)."""
_SHORT_CODE = re.compile(r"[0-9]{3,8}")


def peer_key(number: str, region: str | None = None, *, international: bool = False) -> str:
    """The same party always gives the same key, and a key gives itself.

    +44… (E.164) where the number can be understood: with +, as `international` (type of number 1), or written as in
    `region` (ISO 3166-1). Other numbers and short codes are their digits; a name is "name:" and its small letters.
    """
    text = compact(number)
    if _NUMERIC.fullmatch(text):
        if international and not text.startswith("+"):
            text = f"+{text}"
        return _e164(text) or text if text.startswith("+") else _home_key(text, region)
    if not text or _CODE.fullmatch(text):
        return text
    return NAME_PREFIX + " ".join(number.strip().removeprefix(NAME_PREFIX).casefold().split())


def sms_address(
    text: str,
    number_type: NumberType | None = None,
    region: str | None = None,
    *,
    emergency: Literal["deny", "allow"] = "deny",
) -> Address:
    """Where a short message goes: + and digits, digits, or a short code of 3 to 8; visual separators are dropped.

    number_type None: international with +, else unknown. NotDialable for everything else, MMI strings and names
    among it; EmergencyDenied by the policy of [call].
    """
    number = compact(text)
    if not _SMS_ADDRESS.fullmatch(number):
        raise NotDialable("A short message goes to + and digits, or to a short code of 3 to 8 digits.")
    if emergency == "deny" and is_emergency(number, region):
        raise EmergencyDenied()
    digits = number.removeprefix("+")
    if number_type == "short" and not _SHORT_CODE.fullmatch(number):
        raise NotDialable("A short code has 3 to 8 digits and no +.")
    if number_type == "national":
        if digits != number:
            raise NotDialable("A national number has no +.")
        return Address(digits, Ton.NATIONAL)
    if number_type == "international" or (number_type is None and digits != number):
        return Address(digits, Ton.INTERNATIONAL)
    return Address(digits, Ton.UNKNOWN)  # short codes, too: networks expect them as 0x81


def is_emergency(number: str, region: str | None) -> bool:
    """One of the codes that reach emergency services: the widespread ones, and those of the region."""
    digits = compact(number).removeprefix("+")
    if digits in EMERGENCY:
        return True
    if region is None:
        return False
    from phonenumbers import shortnumberinfo

    return shortnumberinfo.is_emergency_number(digits, region)


def is_premium(number: str, region: str | None) -> bool:
    """Whether the numbering plan says premium rate. Short codes are known only with a region, and not all of them."""
    key = peer_key(number, region)
    if key.startswith("+"):
        if key.startswith(SATELLITE):
            return True
        parsed = _parse(key, None)
        return parsed is not None and _premium_type(parsed)
    parsed = _parse(key, region) if region and key.isdecimal() else None
    if parsed is None or region is None:
        return False
    from phonenumbers import ShortNumberCost, shortnumberinfo

    return shortnumberinfo.expected_cost_for_region(parsed, region) == ShortNumberCost.PREMIUM_RATE


def behind_selection(number: str, region: str | None) -> Iterator[str]:
    """The E.164 numbers that may stand behind a carrier or privacy prefix: 141 09… is as dear as 09….

    Only of what is no valid number by itself, and only where the rest is one as people of the region dial it.
    """
    from phonenumbers import is_valid_number, ndd_prefix_for_region

    text = compact(number)
    whole = _parse(text, region) if region else None
    if region is None or not text.isdecimal() or (whole is not None and is_valid_number(whole)):
        return
    trunk = ndd_prefix_for_region(region, True) or ""
    for cut in SELECTION_DIGITS:
        rest = text[cut:]
        if len(rest) >= SHORTEST_SUBSCRIBER and rest.startswith((trunk, "00", "011")):
            parsed = _parse(rest, region)
            if parsed is not None and is_valid_number(parsed):
                yield _format(parsed)


def spellings(number: str, region: str | None) -> tuple[str, ...]:
    """As patterns may have it: as given, its key, with 00 for +, and as dialled in the region where it is at home."""
    key = peer_key(number, region)
    found = [compact(number), key]
    if key.startswith("+"):
        found.append(f"00{key[1:]}")
        if (parsed := _parse(key, None)) is not None and region is not None:
            found += _national(parsed, region)
    return tuple(dict.fromkeys(found))


def region_of_imsi(imsi: str | None) -> str | None:
    """ISO 3166-1 country of a SIM, from the mobile country code its IMSI begins with (ITU-T E.212); None: unknown."""
    return REGION_OF_MCC.get(imsi[:3]) if imsi else None


def known_region(region: str) -> bool:
    """Whether there is a numbering plan for it. Loads the plans."""
    from phonenumbers import SUPPORTED_REGIONS

    return region in SUPPORTED_REGIONS


def preload(*regions: str) -> None:
    """Imports the numbering plans and those of the regions; blocking, so in a thread."""
    from phonenumbers import shortnumberinfo

    for region in regions:
        shortnumberinfo.is_emergency_number("000", region)
        spellings("0000000", region)
        is_premium("+18005550100", region)


def _home_key(digits: str, region: str | None) -> str:
    """Key of a number without +, as written in the region."""
    parsed = _parse(digits, region) if region else None
    if parsed is None or region is None:
        return digits
    from phonenumbers import ValidationResult, is_possible_number_with_reason, is_valid_number, shortnumberinfo

    if len(digits) < SHORTEST_SUBSCRIBER:
        short = shortnumberinfo.is_possible_short_number_for_region(parsed, region)
        understood = is_valid_number(parsed) and not short
    else:
        possible = is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
        short = shortnumberinfo.is_valid_short_number_for_region(parsed, region)
        understood = is_valid_number(parsed) or (possible and not short)
    return (_e164(_format(parsed)) or digits) if understood else digits


def _e164(text: str, again: int = 3) -> str | None:
    """+digits in E.164, None when no such number is possible. Again until it stays: trunk prefixes may stand in it."""
    from phonenumbers import ValidationResult, is_possible_number_with_reason

    parsed = _parse(text, None)
    if parsed is None or is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    found = _format(parsed)
    return found if found == text or again == 0 else _e164(found, again - 1) or found


def _parse(text: str, region: str | None) -> "PhoneNumber | None":
    from phonenumbers import NumberParseException, parse

    try:
        return parse(text, region)
    except NumberParseException:
        return None


def _format(parsed: "PhoneNumber") -> str:
    from phonenumbers import PhoneNumberFormat, format_number

    return format_number(parsed, PhoneNumberFormat.E164)


def _national(parsed: "PhoneNumber", region: str) -> list[str]:
    """With the trunk prefix; without where people dial it so: then "77*" is not taken for the 077… of Britain."""
    from phonenumbers import country_code_for_region, national_significant_number, ndd_prefix_for_region

    if parsed.country_code != country_code_for_region(region):
        return []
    significant, trunk = national_significant_number(parsed), ndd_prefix_for_region(region, True) or ""
    return [trunk + significant, significant] if trunk in ("", "1") else [trunk + significant]


def _premium_type(parsed: "PhoneNumber") -> bool:
    from phonenumbers import PhoneNumberType, number_type

    return number_type(parsed) == PhoneNumberType.PREMIUM_RATE
