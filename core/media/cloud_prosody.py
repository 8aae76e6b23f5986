"""How fast and how high, as texts of call.configure give it, in numbers that each service can be asked for. Pure.

The spellings are those of SSML 1.1 §3.2.4 (prosody): a factor ("1.2"), a change ("+20%", "-5%"), a word ("slow").
What is none of them is left out: a voice at its usual speed is better than none.
"""

import math
import re
import unicodedata
from collections.abc import Mapping

USUAL_WPM = 165
"""The default of [tts] speed_wpm; voices speak at their own usual speed then."""
RATES = {"x-slow": 0.5, "slow": 0.64, "medium": 1.0, "default": 1.0, "fast": 1.55, "x-fast": 2.0}
"""As Azure documents them (Speech service, "Customize voice and sound with SSML", Adjust prosody)."""
PITCHES = {"x-low": 0.55, "low": 0.8, "medium": 1.0, "default": 1.0, "high": 1.2, "x-high": 1.45}
FACTORS = (0.25, 4.0)
SEMITONES = (-20.0, 20.0)

_NUMBER = re.compile(r"\s*([+-]?\d{1,4}(?:[.,]\d{1,4})?)\s*(%|st)?\s*", re.ASCII)


def speed_factor(speed_wpm: int, style: Mapping[str, str]) -> float:
    """1.0 is the voice's usual speed. style's `speed`, else its `rate`, multiplies the words a minute."""
    said = style.get("speed") or style.get("rate") or ""
    factor = RATES.get(said.strip().lower(), 0.0) or _rate(said)
    return _within(speed_wpm / USUAL_WPM * factor, FACTORS)


def semitones(style: Mapping[str, str]) -> float:
    """0 is the voice's usual pitch. A bare number and "st" are semitones."""
    said = style.get("pitch", "").strip().lower()
    if said in PITCHES:
        return 12 * math.log2(PITCHES[said])
    if (found := _NUMBER.fullmatch(said)) is None:
        return 0.0
    value = float(found[1].replace(",", "."))
    if found[2] == "%":
        return _within(12 * math.log2(max(1 + value / 100, 0.01)), SEMITONES)
    return _within(value, SEMITONES)


def percent(factor: float) -> str:
    """A factor as SSML's relative change: 1.2 is +20.0%."""
    return f"{(factor - 1) * 100:+.1f}%"


def speakable(text: str) -> bool:
    """Whether there is anything to say: a letter, a digit or a sign that has a name."""
    return any(unicodedata.category(char)[0] in "LNS" for char in text)


def _rate(said: str) -> float:
    """ "+20%" is 1.2, "1.2" too."""
    found = _NUMBER.fullmatch(said)
    if found is None or found[2] == "st":
        return 1.0
    value = float(found[1].replace(",", "."))
    factor = 1 + value / 100 if found[2] else value
    return factor if factor > 0 else 1.0


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])
