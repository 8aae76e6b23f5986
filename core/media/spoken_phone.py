"""Phone numbers and codes, read digit by digit in groups. Pure.

The writer's groups are kept where there are any; digits without groups are read by threes, with two, three or four at
the end (ITU-T E.123 leaves grouping to the country, and so do we not guess it).
"""

import re

from core.media.spoken_words import Numerals, Part, Reading, Rule, digits_of

_DIGITS = (7, 15)
"""Of a number that is read digit by digit: E.164 has 15 at most; shorter ones are said as numbers in most languages."""
_NUMBER = re.compile(
    r"(?<![\w.,:+])(?P<plus>\+ ?)?\(?\d+\)?(?:[ \u00a0()./\-\u2010-\u2013]{1,3}\d+\)?)*(?![\w%\u20ac$\u00a3]|[.,:]\d)"
)
_NANP = re.compile(r"\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}")
"""North American Numbering Plan: the one national form without a leading zero that can't be anything else."""
_PLUS = {
    "es": "más",
    "it": "più",
    "pt": "mais",
    "ru": "плюс",
    "uk": "плюс",
    "lt": "plius",
    "lv": "plus",
    "ja": "プラス",
}


def _read(match: re.Match[str], speaker: Numerals) -> Reading | None:
    text, start = match[0], match.start()
    if not _is_spelt(text):
        return None
    words = digits_of(speaker)
    parts: list[Part] = []
    if match["plus"]:
        parts.append(Part(_PLUS.get(speaker.language, "plus") + " ", start, start + 1))
    ends = _group_ends(text)
    places = [place for place, char in enumerate(text) if char.isdigit()]
    for count, place in enumerate(places, 1):
        more = "" if count == len(places) else ", " if count in ends else " "
        parts.append(Part(words[int(text[place])] + more, start + place, start + place + 1))
    parts[-1] = Part(parts[-1].text, parts[-1].start, match.end())
    return Reading(start, match.end(), tuple(parts))


def _is_spelt(text: str) -> bool:
    digits = "".join(char for char in text if char.isdigit())
    if not digits.isascii():
        return False
    grouped = not text.isdigit()
    if not grouped and digits[0] == "0" and len(digits) >= 3:
        return True  # 007: nobody says it as a number
    if not _DIGITS[0] <= len(digits) <= _DIGITS[1]:
        return False
    if text.startswith("+") or _NANP.fullmatch(text):
        return True
    if grouped:
        return text.lstrip("(")[0] == "0" and not re.fullmatch(r"0[.,]\d+", text)
    return not digits.endswith("000")


def _group_ends(text: str) -> set[int]:
    """After how many digits a group ends."""
    ends: set[int] = set()
    count = 0
    for group in re.findall(r"\d+", text):
        left = len(group)
        while left > 4:
            count, left = count + 3, left - 3
            ends.add(count)
        count += left
        ends.add(count)
    return ends


RULES = (Rule(_NUMBER, _read),)
