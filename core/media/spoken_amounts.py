"""Money and plain numbers as words, and what looks like a number and is none. Pure."""

import re

from core.media.spoken_words import Numerals, Part, Reading, Rule

_CURRENCIES = {
    "€": "EUR", "eur": "EUR", "$": "USD", "us$": "USD", "usd": "USD", "£": "GBP", "gbp": "GBP", "chf": "CHF",
    "pln": "PLN", "zł": "PLN", "sek": "SEK", "nok": "NOK", "dkk": "DKK", "czk": "CZK", "kč": "CZK", "rub": "RUB",
    "₽": "RUB", "uah": "UAH", "₴": "UAH", "jpy": "JPY", "¥": "JPY",
}  # fmt: skip
_SIGN = r"US\$|[€$£₽₴¥]"
_CODE = r"US\$|[€$£₽₴¥]|EUR\b|USD\b|GBP\b|CHF\b|PLN\b|zł|SEK\b|NOK\b|DKK\b|CZK\b|Kč|RUB\b|UAH\b|JPY\b"
_DIGITS = r"\d{1,3}(?:[.,'\u00a0\u202f ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_END = r"(?![\w]|[.,]\d)"
_LARGE = r"million|mln|milli|mio|mrd|billion|bn|thousand|tausend|tūkst|k\b|m\b"
_MORE = rf"(?!\s?(?:{_LARGE}))"
_BEFORE = re.compile(rf"(?<![\w.,])(?P<unit>{_SIGN})\s?(?P<amount>{_DIGITS}){_END}{_MORE}", re.IGNORECASE)
_AFTER = re.compile(rf"(?<![\w.,])(?P<amount>{_DIGITS})(?:,[-–])?\s?(?P<unit>{_CODE})", re.IGNORECASE)
_WHOLE_MAX = 10**12

_LEFT = re.compile(
    r"\b(?:https?://|www\.)\S+|\S+@\S+\.\w+"  # addresses
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"  # IPv4
    r"|(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"  # dates
    r"|(?<!\d)\d{1,2}(?P<sep>[-/.])\d{1,2}(?P=sep)(?:\d{4}|\d{2})(?!\d)"
    rf"|(?:{_SIGN})\s?\d[\d.,]*\s?(?:{_LARGE})"  # $5 million
)
_ORDINAL = re.compile(r"(?<![\w.,])(?P<number>\d{1,6})(?:st|nd|rd|th)\b")
_NUMBER = re.compile(
    r"(?<![\w.,:])(?P<number>\d{1,3}(?:[.,\u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)(?![\w:]|[.,]\d)"
)


def _left(match: re.Match[str], speaker: Numerals) -> Reading | None:
    return Reading(match.start(), match.end())


def _money(match: re.Match[str], speaker: Numerals) -> Reading | None:
    currency = _CURRENCIES[match["unit"].lower()]
    whole, cents = _amount(match["amount"])
    if whole > _WHOLE_MAX:
        return None
    words = speaker.money(whole, cents, currency)
    if words is None:
        return None
    if speaker.language == "en":
        words = _english(words, currency, whole)
    return Reading(match.start(), match.end(), (Part(words, match.start(), match.end()),))


def _english(words: str, currency: str, whole: int) -> str:
    """num2words says "five euro" and "five pounds sterling"."""
    if currency == "EUR" and whole != 1:
        return re.sub(r"\beuro\b", "euros", words)
    return words.replace(" sterling", "")


def _amount(written: str) -> tuple[int, int]:
    """Whole and hundredths. One or two digits behind the last point or comma are hundredths, three are thousands."""
    found = re.fullmatch(r"(?P<whole>.*?)(?:[.,](?P<part>\d{1,2}))?", written)
    assert found is not None
    whole = int("".join(char for char in found["whole"] if char.isdigit()))
    part = found["part"] or ""
    return whole, int(part.ljust(2, "0")) if part else 0


def _ordinal(match: re.Match[str], speaker: Numerals) -> Reading | None:
    words = speaker.ordinal(int(match["number"])) if speaker.language == "en" else None
    return None if words is None else Reading(match.start(), match.end(), (Part(words, match.start(), match.end()),))


def _number(match: re.Match[str], speaker: Numerals) -> Reading | None:
    written = match["number"]
    if len(written) > 20 or not written.isascii():
        written = re.sub("[\u00a0\u202f]", "", written)
        if len(written) > 20 or not written.isascii():
            return None
    words = _number_words(written, speaker)
    return None if words is None else Reading(match.start(), match.end(), (Part(words, match.start(), match.end()),))


def _number_words(written: str, speaker: Numerals) -> str | None:
    if written.isdigit():
        if speaker.language == "en" and 1100 <= int(written) <= 1999:
            return speaker.year(int(written))
        return speaker.cardinal(int(written))
    thousands = "." if speaker.decimal == "," else ","
    plain = (
        written.replace(thousands, "")
        if re.fullmatch(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\D\d+)?", written)
        else written
    )
    whole, _, part = plain.replace(",", ".").partition(".")
    return speaker.cardinal(f"{int(whole)}.{part}") if part else speaker.cardinal(int(whole))


LEFT_ALONE = (Rule(_LEFT, _left),)
MONEY = (Rule(_BEFORE, _money), Rule(_AFTER, _money))
NUMBERS = (Rule(_ORDINAL, _ordinal), Rule(_NUMBER, _number))
