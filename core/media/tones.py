"""Tones: made (tones_made), keys heard (tones_dtmf). Networks' tones and their recognition: tones_table, tones_bank."""

from core.media.tones_dtmf import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector
from core.media.tones_made import beep, dtmf, tone

__all__ = ["HIGH_HZ", "KEYS", "LOW_HZ", "DtmfDetector", "beep", "dtmf", "tone"]
