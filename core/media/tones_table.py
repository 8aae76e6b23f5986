"""The tones that networks use, by country: one table for those we play and those we recognise.

ITU-T E.180 and its Supplement 2 (01/2003, "Various tones used in national networks"), ETSI TR 101 041-1 for the
common European ones; SIT: E.180 §7, three tones of 330 ms.
"""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """What call.tone names and call.play takes (the first six)."""

    DIAL = "dial"
    RINGBACK = "ringback"
    BUSY = "busy"
    CONGESTION = "congestion"
    SIT = "sit"
    BEEP = "beep"
    CNG = "cng"
    CED = "ced"
    PAGING = "paging"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cadence: tones that sound together, none for a pause."""

    frequencies_hz: tuple[float, ...]
    duration_ms: int


Cadence = tuple[Part, ...]
"""Repeats for ever. A single part is a continuous tone, whose duration is what one round of call.play lasts."""

CONTINUOUS_MS = 1000
"""All frequencies below are whole Hz, so that rounds of a second join without a step."""


def on_off(frequencies_hz: tuple[float, ...], *times_ms: int) -> Cadence:
    """On, off, on, off … of the same tones."""
    return tuple(Part(frequencies_hz if place % 2 == 0 else (), ms) for place, ms in enumerate(times_ms))


@dataclass(frozen=True, slots=True)
class Network:
    """The four tones of one country's network."""

    dial: Cadence
    ringback: Cadence
    busy: Cadence
    congestion: Cadence


_EU, _US_RING, _US_BUSY, _UK, _UK_RING, _FR = (
    (425.0,),
    (440.0, 480.0),
    (480.0, 620.0),
    (400.0,),
    (400.0, 450.0),
    (440.0,),
)
_US_DIAL = on_off((350.0, 440.0), CONTINUOUS_MS)
_EU_DIAL, _EU_RING = on_off(_EU, CONTINUOUS_MS), on_off(_EU, 1000, 4000)

NETWORKS = {
    "eu": Network(_EU_DIAL, _EU_RING, on_off(_EU, 500, 500), on_off(_EU, 200, 200)),
    "us": Network(_US_DIAL, on_off(_US_RING, 2000, 4000), on_off(_US_BUSY, 500, 500), on_off(_US_BUSY, 250, 250)),
    "gb": Network(
        _US_DIAL, on_off(_UK_RING, 400, 200, 400, 2000), on_off(_UK, 375, 375), on_off(_UK, 400, 350, 225, 525)
    ),
    "de": Network(_EU_DIAL, _EU_RING, on_off(_EU, 480, 480), on_off(_EU, 240, 240)),
    "fr": Network(on_off(_FR, CONTINUOUS_MS), on_off(_FR, 1500, 3500), on_off(_FR, 500, 500), on_off(_FR, 250, 250)),
    "es": Network(_EU_DIAL, on_off(_EU, 1500, 3000), on_off(_EU, 200, 200), on_off(_EU, 200, 200, 200, 200, 200, 600)),
    "it": Network(on_off(_EU, 200, 200, 600, 1000), _EU_RING, on_off(_EU, 500, 500), on_off(_EU, 200, 200)),
    "lt": Network(_EU_DIAL, _EU_RING, on_off(_EU, 350, 350), on_off(_EU, 200, 200)),
    "pl": Network(_EU_DIAL, _EU_RING, on_off(_EU, 500, 500), on_off(_EU, 500, 500)),
}
"""By country, ISO 3166; eu: what most of Europe uses."""

SIT_HZ, SIT_MS, SIT_PAUSE_MS = (950.0, 1400.0, 1800.0), 330, 1000
SIT: Cadence = (*(Part((hz,), SIT_MS) for hz in SIT_HZ), Part((), SIT_PAUSE_MS))

CNG_HZ, CNG_ON_MS, CNG_OFF_MS = 1100.0, 500, 3000
"""The calling fax: ITU-T T.30 §4.3.3.1, +/-38 Hz, times +/-15 %."""
CED_HZ = 2100.0
"""The called fax or modem, +/-15 Hz for 2.6 s to 4 s: T.30 §4.3.3.2, V.25 §2.2 (with phase reversals: V.8 ANSam)."""
BEEP_HZ, BEEP_MS, BEEP_PAUSE_MS = 1000.0, 200, 100


def cadence(tone: Tone, country: str) -> Cadence:
    """KeyError for a country that is not in the table, ValueError for a tone that has no cadence here."""
    network = NETWORKS[country]
    match tone:
        case Tone.DIAL:
            return network.dial
        case Tone.RINGBACK:
            return network.ringback
        case Tone.BUSY:
            return network.busy
        case Tone.CONGESTION:
            return network.congestion
        case Tone.SIT:
            return SIT
        case Tone.BEEP:
            return on_off((BEEP_HZ,), BEEP_MS, BEEP_PAUSE_MS)
        case Tone.CNG:
            return on_off((CNG_HZ,), CNG_ON_MS, CNG_OFF_MS)
        case Tone.CED:
            return on_off((CED_HZ,), 3000)
        case _:
            raise ValueError(f"{tone} has no cadence of its own")
