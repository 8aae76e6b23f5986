"""Words of recordings up to ten minutes: cut where it is quiet, heard piece by piece, joined with their times.

Callers go before files (core.media.stt_lane). What has to fit into memory is the file's PCM, 19 MB for ten minutes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.audio import SAMPLE_BYTES
from core.errors import LimitExceeded
from core.media.engines import Stretch
from core.media.stt_cut import HOP_MS, levels_db, slice_of, utterances, windows
from core.media.stt_transcript import Transcript, join

if TYPE_CHECKING:
    from core.media.stt import SttService

WAITING_MAX = 8
"""Recordings in the making; more are refused."""
PIECE_TIMEOUT_S = 120.0
"""Of one piece of half a minute: nobody holds a phone to his ear meanwhile."""
PAUSE_MS = 800
"""For an engine that hears one phrase at a time: what ends a turn in a call ends a phrase here."""
SHORT_S = 8.0
"""Up to here a recording is one utterance."""
WHOLE_S = 28.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FileTranscript:
    """All words of a recording. stretches: the same with times. duration_ms: of the recording."""

    words: Transcript
    stretches: tuple[Stretch, ...]
    duration_ms: int


class FileTranscriber:
    """Recordings, one piece at a time and engine."""

    def __init__(self, stt: "SttService") -> None:
        self._stt = stt
        self._running = 0

    async def transcribe(
        self, pcm: bytes, rate_hz: int, *, language: str | None, phrases: tuple[str, ...], progress: Progress
    ) -> FileTranscript:
        """s16le mono at 8 or 16 kHz. progress(done_ms, all_ms) after each piece. Errors as SttService.transcribe has
        them, LimitExceeded for too many at once. Cancelled: the engine stops."""
        if self._running >= WAITING_MAX:
            raise LimitExceeded(f"At most {WAITING_MAX} recordings at once.")
        self._running += 1
        try:
            pieces = await asyncio.to_thread(self._pieces, pcm, rate_hz)
            duration_ms = len(pcm) // SAMPLE_BYTES * 1000 // rate_hz
            found: list[tuple[int, Transcript]] = []
            for start, end in pieces:
                piece = slice_of(pcm, rate_hz, start, end) if len(pieces) > 1 else pcm
                heard = await self._stt.transcribe(
                    piece, rate_hz, language=language, phrases=phrases, timeout_s=PIECE_TIMEOUT_S, background=True
                )
                found.append((start * HOP_MS, heard))
                progress(end * HOP_MS if end < pieces[-1][1] else duration_ms, duration_ms)
            return FileTranscript(
                join([words for _, words in found], duration_ms), tuple(_stretches(found)), duration_ms
            )
        finally:
            self._running -= 1

    def _pieces(self, pcm: bytes, rate_hz: int) -> list[tuple[int, int]]:
        """In frames of 20 ms; at least one, so that an engine is asked."""
        levels = levels_db(pcm, rate_hz)
        window_s = self._stt.window_s
        if window_s is not None:
            found = list(windows(levels, window_s))
        elif len(levels) * HOP_MS <= SHORT_S * 1000:
            found = [(0, len(levels))]
        else:
            cut = utterances(levels, PAUSE_MS)
            found = [
                (start + first, start + last)
                for start, end in cut
                for first, last in windows(levels[start:end], WHOLE_S)
            ]
        return found or [(0, min(len(levels), int(WHOLE_S * 1000 / HOP_MS)))]


def _stretches(found: list[tuple[int, Transcript]]) -> "list[Stretch]":
    """Those of the engine, or one for the whole piece where it gives none."""
    every: list[Stretch] = []
    for start_ms, words in found:
        if words.text is not None:
            whole = Stretch(words.text, 0, words.audio_ms, words.confidence)
            every.extend(
                replace(part, start_ms=start_ms + part.start_ms, end_ms=start_ms + part.end_ms)
                for part in words.stretches or (whole,)
            )
    return every
