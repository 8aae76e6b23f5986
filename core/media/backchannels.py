"""Words of a listener, which ask for nothing: "uh-huh". By language (BCP 47, the first part)."""

import re
from collections.abc import Iterable, Mapping

BACKCHANNELS: Mapping[str, tuple[str, ...]] = {
    "en": ("uh-huh", "uh huh", "mm-hmm", "mhm", "hm", "mm", "ah", "aha", "oh", "yeah", "ok", "okay", "right", "i see",
           "sure", "got it"),
    "de": ("mhm", "hm", "aha", "ah", "ach so", "achso", "ja", "ja ja", "okay", "ok", "genau", "gut", "verstehe"),
    "es": ("ajá", "mhm", "hm", "ah", "ya", "sí", "sí sí", "vale", "claro", "okay", "ok", "entiendo"),
    "fr": ("mhm", "hm", "ah", "ah bon", "oui", "ouais", "d'accord", "ok", "okay", "voilà", "je vois"),
    "it": ("mhm", "hm", "ah", "sì", "sì sì", "ok", "okay", "va bene", "certo", "capisco", "ho capito"),
    "lt": ("mhm", "hm", "aha", "a", "taip", "jo", "gerai", "aišku", "supratau", "okei", "ok"),
    "ro": ("mhm", "hm", "aha", "a", "da", "da da", "bine", "ok", "okay", "sigur", "am înțeles"),
    "pl": ("mhm", "hm", "aha", "no", "tak", "tak tak", "dobrze", "dobra", "okej", "ok", "jasne", "rozumiem"),
}  # fmt: skip
LONGEST_WORDS = 6
"""Somebody who says more than this wants something."""


def is_backchannel(
    text: str, language: str | None, *, more: Mapping[str, Iterable[str]] | None = None, not_these: Iterable[str] = ()
) -> bool:
    """Whether a text is made of nothing but such words.

    more: languages whose list stands in place of the one here. not_these: texts that are answers in this call.
    """
    words = _words(text)
    if not words or len(words) > LONGEST_WORDS or any(_words(answer) == words for answer in not_these):
        return False
    primary = (language or "en").partition("-")[0].lower()
    given = (more or {}).get(primary)
    known = {tuple(_words(each)) for each in (given if given is not None else BACKCHANNELS.get(primary, ()))}
    longest = max((len(each) for each in known), default=0)
    while words:
        size = next((size for size in range(longest, 0, -1) if tuple(words[:size]) in known), 0)
        if size == 0:
            return False
        words = words[size:]
    return True


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold().replace("’", "'"))
