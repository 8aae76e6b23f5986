"""What of a long turn is heard again, and what is not."""

from core.audio import PcmFormat
from core.media.stt import Transcript
from core.turn_pieces import TURN_PCM_MAX_S, TurnPieces

FORMAT = PcmFormat(8000)


def seconds(count: float) -> bytes:
    return bytes(int(FORMAT.bytes_per_s * count))


def heard(text: str | None, confidence: float | None = None, problem: str | None = None) -> Transcript:
    return Transcript(text, text is not None, confidence, "en", "whisper", 100, problem=problem)


def test_a_short_turn_is_heard_whole_again_with_each_chunk() -> None:
    pieces = TurnPieces(FORMAT, 28.0)
    for length in (10, 20, 28):
        pieces.add(seconds(10 if length < 28 else 8))
        (piece,) = pieces.unheard()
        assert len(piece.pcm) == FORMAT.bytes_per_s * length
        assert pieces.joined() is None
        pieces.settle(piece, heard(f"{length} s"))
    found = pieces.joined()
    assert found is not None and found.text == "28 s" and found.audio_ms == 28_000


def test_of_a_long_turn_only_the_last_part_is_heard_again() -> None:
    pieces = TurnPieces(FORMAT, 28.0)
    pieces.add(seconds(20))
    pieces.settle(next(pieces.unheard()), heard("one", 1.0))
    for words in ("two", "two three"):
        pieces.add(seconds(10))
        (piece,) = pieces.unheard()
        pieces.settle(piece, heard(words, 0.5))
    found = pieces.joined()
    assert found is not None
    assert (found.text, found.audio_ms, found.took_ms, found.understood) == ("one two three", 40_000, 200, True)
    assert found.confidence == 0.625, "weighed by letters"


def test_what_was_not_ready_when_the_next_part_began_is_heard_first() -> None:
    pieces = TurnPieces(FORMAT, 28.0)
    pieces.add(seconds(20))
    pieces.add(seconds(20))
    first, second = pieces.unheard()
    pieces.settle(first, heard(None, problem="whisper: timeout"))
    assert pieces.joined() is None
    pieces.settle(second, heard("two"))
    found = pieces.joined()
    assert found is not None and (found.text, found.problem, found.understood) == ("two", "whisper: timeout", True)
    assert first.pcm == b"", "it is not kept when it can't grow any more"


def test_an_engine_without_a_window_gets_the_whole_turn_up_to_a_bound() -> None:
    pieces = TurnPieces(FORMAT, None)
    for _ in range(8):
        pieces.add(seconds(10))
    (piece,) = pieces.unheard()
    assert len(piece.pcm) == FORMAT.bytes_per_s * TURN_PCM_MAX_S


def test_a_turn_in_which_nothing_was_understood_says_so() -> None:
    pieces = TurnPieces(FORMAT, 28.0)
    for _ in range(2):
        pieces.add(seconds(20))
    for piece in pieces.unheard():
        pieces.settle(piece, heard(None))
    found = pieces.joined()
    assert found is not None and (found.text, found.understood, found.confidence) == (None, False, None)
