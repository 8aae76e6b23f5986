"""Times of day as they are said. Pure. Languages without a form of their own: hour, then minutes, as two numbers."""

import re

from core.media.spoken_words import Numerals, Part, Reading, Rule

_TIME = re.compile(
    r"(?<![\w:.,+\-])(?P<hour>[01]?\d|2[0-4])(?P<mark>[:.])(?P<minute>[0-5]\d)(?P<seconds>:[0-5]\d)?(?!\d|[:.,]\d)"
    r"(?P<after>\s?(?:[ap]\.?m\b\.?|Uhr\b|uur\b|h\b))?",
    re.IGNORECASE,
)
_ONE_HOUR = {"de": "ein", "fr": "une"}


def _read(match: re.Match[str], speaker: Numerals) -> Reading | None:
    after = (match["after"] or "").strip().lower()
    if match["seconds"] or (match["mark"] == "." and after in ("", "h")):
        return None  # a duration; a decimal, a date or a version
    hour, minute = int(match["hour"]), int(match["minute"])
    words = _words(hour, minute, after, speaker)
    if words is None:
        return None
    # A word for the hour that the form says itself (Uhr) is part of what was replaced; am and pm stay.
    end = match.end() if after in ("uhr", "uur", "h") else match.end("minute")
    return Reading(match.start(), end, (Part(words, match.start(), end),))


def _words(hour: int, minute: int, after: str, speaker: Numerals) -> str | None:
    hours, minutes, zero = speaker.cardinal(hour), speaker.cardinal(minute), speaker.cardinal(0)
    if hours is None or minutes is None or zero is None:
        return None
    match speaker.language:
        case "en":
            return _english(hour, hours, minute, minutes, after)
        case "de":
            hours = _ONE_HOUR["de"] if hour == 1 else hours
            return f"{hours} Uhr {minutes}" if minute else f"{hours} Uhr"
        case "fr":
            hours = f"{hours[:-2]}une" if hours.endswith("un") else hours
            return f"{hours} heure{'s' if hour > 1 else ''}" + (f" {minutes}" if minute else "")
        case "nl":
            return f"{hours} uur {minutes}" if minute else f"{hours} uur"
        case _:
            return f"{hours} {zero} {minutes}" if minute < 10 else f"{hours} {minutes}"


def _english(hour: int, hours: str, minute: int, minutes: str, after: str) -> str:
    if minute == 0:
        return hours if after else f"{hours} o'clock" if 1 <= hour <= 12 else f"{hours} hundred"
    return f"{hours} oh {minutes}" if minute < 10 else f"{hours} {minutes}"


RULES = (Rule(_TIME, _read),)
