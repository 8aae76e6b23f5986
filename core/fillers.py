"""Fillers: what the caller hears while the brain thinks, from the lists of a language or from the audio library."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

from core.audio import PcmFormat
from core.call import Call
from core.config import MediaConfig
from core.errors import PublicError
from core.events import CallTurnEnd, CallTurnStart, Event
from core.hearing import Hearing
from core.log import Log
from core.media.codecs import decode_audio, resample_pcm
from core.media.filler_turn import FillerTurn, NotTwice, phrases_of
from core.outbox import Outbox
from core.speaking import Speaking
from core.speech import SpeechService

log = Log("fillers")

FOLDER = "silence_fills"
"""Of the audio library, as stations had it before; raw .pcm is s16le at 8 kHz there."""
SUFFIXES = frozenset({".wav", ".ogg", ".pcm"})
RAW_RATE_HZ = 8000
FILES_MAX, SECONDS_MAX = 50, 10.0
"""Four megabytes at 8 kHz, at the most, kept while the call lasts."""
PREPARE_S = 10.0


class Fillers:
    """One call's. `frame` is called on the 20 ms clock and never waits."""

    def __init__(
        self,
        call: Call,
        pcm_format: PcmFormat,
        media: MediaConfig,
        speech: SpeechService,
        speaking: Speaking,
        hearing: Hearing,
        outbox: Outbox,
    ) -> None:
        self._call, self._format, self._media, self._speech = call, pcm_format, media, speech
        self._speaking, self._hearing = speaking, hearing
        self._turn = FillerTurn(media.filler_after_ms, media.fillers_per_turn, pcm_format.ptime_ms)
        self._choice = NotTwice(random.Random())
        self._files: list[bytes] = []
        if self.wanted:
            outbox.watch(self._told)

    @property
    def wanted(self) -> bool:
        return self._media.filler_after_ms > 0

    async def prepare(self) -> None:
        """At the beginning of a call: reads the files, and has the phrases made where there are none."""
        if not self.wanted:
            return
        try:
            async with asyncio.timeout(PREPARE_S):
                if self._media.audio_library is not None:
                    folder = Path(self._media.audio_library) / FOLDER
                    self._files = await asyncio.to_thread(read_folder, folder, self._format.rate_hz)
                if not self._files:
                    await self._make_ahead()
        except (PublicError, TimeoutError):
            log.warning("fillers are not made ahead", call_id=self._call.call_id)

    async def _make_ahead(self) -> None:
        settings = self._call.settings
        await self._speech.make_ahead(
            phrases_of(settings.language, self._media.fillers),
            language=settings.language,
            voice=settings.voice,
            rate_hz=self._format.rate_hz,
            engine=settings.tts_engine,
            keys=settings.keys,
            style=settings.voice_settings,
        )

    def frame(self, *, allowed: bool) -> None:
        """20 ms passed. allowed: nobody else speaks for us, and the call is not on hold."""
        if not self.wanted:
            return
        if self._speaking.has_words:
            self._turn.answered()
        free = not self._speaking.busy and not self._speaking.paused and not self._hearing.in_turn
        if self._turn.frame(silent=free and allowed and self._call.claim is not None):
            self._say()

    def _told(self, event: Event) -> None:
        match event:
            case CallTurnStart():
                self._turn.answered()
            case CallTurnEnd():
                self._turn.turn_ended()
            case _:
                pass

    def _say(self) -> None:
        try:
            if self._files:
                self._speaking.play_pieces(_once(self._choice.choose(self._files)), filler=True)
            elif texts := phrases_of(self._call.settings.language, self._media.fillers):
                self._speaking.speak(self._choice.choose(texts), filler=True)
        except PublicError as problem:
            log.warning("a filler was not said", call_id=self._call.call_id, kind=problem.kind)


def read_folder(folder: Path, rate_hz: int) -> list[bytes]:
    """The first files by name, as PCM at that rate; what is no audio is left out. Blocking."""
    found: list[bytes] = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError:
        log.warning("the folder of fillers can't be read", folder=str(folder))
        return found
    for path in paths[:FILES_MAX]:
        try:
            found.append(_read(path, rate_hz))
        except (OSError, PublicError):
            log.warning("a filler can't be read", file=str(path))
    return [pcm for pcm in found if pcm]


def _read(path: Path, rate_hz: int) -> bytes:
    if path.suffix.lower() != ".pcm":
        return decode_audio(path, rate_hz, max_duration_s=SECONDS_MAX)
    with path.open("rb") as file:
        raw = file.read(PcmFormat(RAW_RATE_HZ).bytes_per_s * int(SECONDS_MAX))
    return resample_pcm(raw[: len(raw) // 2 * 2], RAW_RATE_HZ, rate_hz)


async def _once(pcm: bytes) -> AsyncGenerator[bytes, None]:
    yield pcm
