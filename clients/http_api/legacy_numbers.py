"""Numbers as the clients of the old API write them. Pure."""

import re

_DIGITS = re.compile(r"[0-9]+")
_BETWEEN = re.compile(r"[ ().\-/\u00a0]")
WITH_COUNTRY_CODE = 11
"""Digits from which a number without + and without 0 is taken to have its country code: no national number that is
written without its trunk prefix is so long in the countries that these clients serve."""


def normalised(text: str, country_code: str = "") -> str:
    """+ and digits where the number can be understood; anything else as it is, for the core to judge.

    00… and long numbers get their +, 0… gets country_code where one is given, and +<country_code>0… loses the trunk
    zero that people leave in.
    """
    number = _BETWEEN.sub("", text)
    digits = number.removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return text.strip()
    if digits != number:
        return _without_trunk(number, country_code)
    if digits.startswith("00"):
        return _without_trunk(f"+{digits[2:]}", country_code)
    if digits.startswith("0"):
        return f"+{country_code}{digits[1:]}" if country_code else digits
    return _without_trunk(f"+{digits}", country_code) if len(digits) >= WITH_COUNTRY_CODE else digits


def _without_trunk(number: str, country_code: str) -> str:
    if country_code and number.startswith(f"+{country_code}0"):
        return f"+{country_code}{number[len(country_code) + 2 :]}"
    return number
