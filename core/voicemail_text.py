"""Words of a recorded message: long ones go to the recogniser in pieces that end where it is quiet."""

from collections.abc import Iterator

from core.audio import SAMPLE_BYTES
from core.errors import PublicError
from core.log import Log
from core.media.level import dbfs
from core.media.vad import WebRtcVad
from core.speech import SpeechService
from core.voicemail_file import Recorded

log = Log("voicemail")

PIECE_S = 25.0
"""A recogniser of 30 s windows takes it whole."""
QUIET_WITHIN_S = 5.0
STEP_S = 0.2


async def transcribe(speech: SpeechService, recorded: Recorded, language: str) -> str | None:
    """What any engine can make of it; None where none can."""
    texts: list[str] = []
    for piece in pieces(recorded):
        try:
            found = await speech.transcribe(piece, recorded.rate_hz, language, None)
        except PublicError as problem:
            log.warning("a message was not transcribed", kind=problem.kind)
            continue
        if found.text:
            texts.append(found.text)
    return " ".join(texts) or None


def pieces(recorded: Recorded) -> Iterator[bytes]:
    """The PCM in pieces of at most PIECE_S, cut at the quietest moment of their last seconds."""
    pcm, step = recorded.pcm, int(STEP_S * recorded.rate_hz) * SAMPLE_BYTES
    most = int(PIECE_S / STEP_S) * step
    back = int(QUIET_WITHIN_S / STEP_S)
    while len(pcm) > most:
        places = [most - step * (1 + behind) for behind in range(back)]
        cut = min(places, key=lambda place: dbfs(pcm[place : place + step])) + step // 2 // SAMPLE_BYTES * SAMPLE_BYTES
        yield pcm[:cut]
        pcm = pcm[cut:]
    if pcm:
        yield pcm


def spoken_ms(recorded: Recorded) -> int:
    """How much of it is speech. Blocks, some 0.1 ms for each second."""
    if recorded.rate_hz not in (8000, 16000):
        return 0
    vad, frame = WebRtcVad(recorded.rate_hz, 3), recorded.rate_hz // 50 * SAMPLE_BYTES
    frames = range(0, len(recorded.pcm) - frame + 1, frame)
    return 20 * sum(vad.is_speech(recorded.pcm[start : start + frame]) for start in frames)
