"""One turn's audio as the recogniser gets it: whole while that costs nothing, in parts once it is long. Pure.

Whisper's encoder takes 30 s of sound, however little of it is speech: on one core and a model of tiny's size 2 s took
0.94 s, 28 s took 1.01 s and 31 s took 1.97 s. So up to 28 s the whole turn is heard again with each new chunk, which
gives the words their context and costs no more than the chunk alone. What came before is not heard again: its words
stay, and new ones are joined to them. Engines without such a window always get the whole turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from core.audio import PcmFormat
from core.media.stt_transcript import Transcript, join

TURN_PCM_MAX_S = 60
"""What an engine is given at once, at most; a longer turn loses its beginning there, never in the chunks."""


@dataclass(slots=True, eq=False)
class Piece:
    """found None: not heard yet, or grown since."""

    pcm: bytearray
    audio_ms: int = 0
    found: Transcript | None = None


class TurnPieces:
    """The chunks of one turn."""

    def __init__(self, pcm_format: PcmFormat, window_s: float | None) -> None:
        self._format = pcm_format
        self._window_bytes = int(pcm_format.bytes_per_s * window_s) if window_s is not None else None
        self._pieces: list[Piece] = []

    def add(self, pcm: bytes) -> None:
        """A new chunk."""
        last = self._pieces[-1] if self._pieces else None
        fits = self._window_bytes is None or last is None or len(last.pcm) + len(pcm) <= self._window_bytes
        if last is None or not fits:
            last = Piece(bytearray())
            self._pieces.append(last)
        last.pcm += pcm
        del last.pcm[: max(0, len(last.pcm) - self._format.bytes_per_s * TURN_PCM_MAX_S)]
        last.audio_ms = len(last.pcm) * 1000 // self._format.bytes_per_s
        last.found = None

    def unheard(self) -> Iterator[Piece]:
        """In order, those that have no words yet."""
        yield from [piece for piece in self._pieces if piece.found is None]

    def settle(self, piece: Piece, found: Transcript) -> None:
        """What was heard of a piece."""
        piece.found = found
        if piece is not self._pieces[-1]:
            piece.pcm.clear()  # nothing will be added to it

    def joined(self) -> Transcript | None:
        """The words of all pieces; None while one has none."""
        found = [piece.found for piece in self._pieces if piece.found is not None]
        if not found or len(found) < len(self._pieces):
            return None
        return join(found, sum(piece.audio_ms for piece in self._pieces))
