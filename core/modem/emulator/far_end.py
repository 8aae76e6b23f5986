"""The person on the other side: speaks prepared utterances, makes line noise, hears us, and can record it.

The PCM thread calls `next_frame` and `hear` each 20 ms; everything else comes from the event loop. One lock guards
both, held for microseconds. Nothing here synthesises or resamples: that is speech.py, off the pacing path.
"""

import asyncio
import random
import threading
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from core.audio import SAMPLE_BYTES
from core.modem.emulator.hearing import Hearing, Quiet, dbfs

_QUEUED_UTTERANCES = 64
"""More than a test script says ahead; beyond, far.say is refused."""
_RECORD_LIMIT_BYTES = 30 * 60 * 16000 * SAMPLE_BYTES
"""Half an hour at 16 kHz. A longer recording stops growing."""
_ECHO_MS = (20, 1000)
"""Shortest and longest delay: it is heard a frame after it was played."""

_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class Utterance:
    """s16le PCM at the line's rate; speech_start and speech_end are sample numbers of its first and last speech."""

    pcm: bytes
    speech_start: int
    speech_end: int
    started: asyncio.Future[bool]
    """True once its first speech went out; False if it was cut before."""
    ended: asyncio.Future[bool]
    """True once all was spoken, False if it was cut or the call ended."""
    keys: tuple[tuple[int, Callable[[], None]], ...] = ()
    """Steps to run on the loop when playout reaches a sample: DTMF lines in time with their tones."""
    started_s: float | None = None
    ended_s: float | None = None
    position: int = 0


@dataclass(slots=True)
class _Echo:
    """past: what was heard and does not come back yet; None before the first frame, which tells the rate."""

    delay_ms: int
    gain: float
    past: bytearray | None = None

    def hear(self, pcm: bytes, rate_hz: int) -> None:
        if self.past is None:
            self.past = bytearray(rate_hz * (self.delay_ms - _ECHO_MS[0]) // 1000 * SAMPLE_BYTES)
        self.past += pcm
        del self.past[: max(0, len(self.past) - 2 * _ECHO_MS[1] * rate_hz // 1000 * SAMPLE_BYTES)]

    def take(self, size: int) -> bytes:
        if self.past is None or len(self.past) < size:
            return b""
        pcm = bytes(self.past[:size])
        del self.past[:size]
        return array("h", (_clip(sample * self.gain) for sample in array("h", pcm))).tobytes()


class FarEnd:
    def __init__(self, loop: asyncio.AbstractEventLoop, *, seed: int) -> None:
        self._loop = loop
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._utterances: deque[Utterance] = deque()
        self._noise = b""
        self._noise_at = 0
        self._echo: _Echo | None = None
        self._hearing = Hearing()
        self._record: bytearray | None = None
        self._watchers: set[asyncio.Event] = set()
        self.record_rate_hz = 8000
        self.path_open = False

    # --- from the loop ---

    def say(self, utterance: Utterance) -> bool:
        """Queues it behind what is being said. False if the queue is full."""
        with self._lock:
            if len(self._utterances) >= _QUEUED_UTTERANCES:
                return False
            if not self._utterances:
                self._hearing.mark()
            self._utterances.append(utterance)
            return True

    def silence(self) -> int:
        """Cuts what is being said and what is queued; how many utterances that were."""
        with self._lock:
            cut = list(self._utterances)
            self._utterances.clear()
        for utterance in cut:
            self._finish(utterance, False)
        return len(cut)

    def set_noise(self, level_dbfs: float | None) -> None:
        """Continuous white noise of that RMS level, or none."""
        noise = b""
        if level_dbfs is not None:
            sigma = 32768.0 * 10 ** (level_dbfs / 20)
            gauss = self._random.gauss
            noise = array("h", (_clip(gauss(0.0, sigma)) for _ in range(16000))).tobytes()
        with self._lock:
            self._noise, self._noise_at = noise, 0

    def set_echo(self, delay_ms: int | None, gain_db: float = 0.0) -> None:
        with self._lock:
            if delay_ms is None:
                self._echo = None
            else:
                self._echo = _Echo(max(_ECHO_MS[0], min(_ECHO_MS[1], delay_ms)), 10 ** (gain_db / 20))

    def start_record(self) -> None:
        with self._lock:
            self._record = bytearray()

    def stop_record(self) -> bytes:
        with self._lock:
            record, self._record = self._record, None
            return bytes(record or b"")

    def set_path(self, *, open_: bool) -> None:
        """Whether there is a call to speak into. Its end cuts what is being said."""
        opened = open_ and not self.path_open
        self.path_open = open_
        if opened:
            with self._lock:
                self._hearing = Hearing()
                if self._echo is not None:
                    self._echo.past = None
        elif not open_:
            self.silence()
        self._wake()

    async def wait_speech(self) -> float | None:
        """When the run of our speech began that is heard now or next; None if the call ends first."""
        return await self._first(lambda: self._hearing.speaking_since())

    async def wait_quiet(self, quiet_s: float) -> Quiet | None:
        """Once we have spoken and been quiet for quiet_s; None if the call ends before we spoke."""
        quiet = await self._first(lambda: self._hearing.quiet(quiet_s))
        with self._lock:
            quiet = quiet or self._hearing.cut_off()
            self._hearing.mark()
        return quiet

    # --- from the PCM thread ---

    def next_frame(self, samples: int, at_s: float, rate_hz: int) -> bytes:
        """What the far end says in the next `samples` samples, with noise and echo; at_s: their playout."""
        size = samples * SAMPLE_BYTES
        with self._lock:
            speech = self._next_speech(samples, at_s, rate_hz)
            noise = self._next_noise(size)
            echo = self._echo.take(size) if self._echo is not None else b""
        layers = [layer for layer in (speech, noise, echo) if layer]
        if not layers:
            return bytes(size)
        return layers[0] if len(layers) == 1 else _mix(layers, samples)

    def hear(self, pcm: bytes, at_s: float, rate_hz: int, taken_s: float | None = None) -> None:
        """20 ms of ours, played to the far end at at_s; taken_s: when its last byte was taken from the port."""
        level = dbfs(pcm)
        with self._lock:
            self._hearing.frame(at_s, len(pcm) / SAMPLE_BYTES / rate_hz, level, taken_s)
            if self._echo is not None:
                self._echo.hear(pcm, rate_hz)
            if self._record is not None and len(self._record) < _RECORD_LIMIT_BYTES:
                self._record += pcm
                self.record_rate_hz = rate_hz
        if self._watchers:
            self._loop.call_soon_threadsafe(self._wake)

    # --- within ---

    async def _first(self, look: Callable[[], _T | None]) -> _T | None:
        """What `look` finds after some frame; None if the call ends first."""
        event = asyncio.Event()
        self._watchers.add(event)
        try:
            while self.path_open:
                event.clear()
                with self._lock:
                    found = look()
                if found is not None:
                    return found
                await event.wait()
            return None
        finally:
            self._watchers.discard(event)

    def _wake(self) -> None:
        for event in self._watchers:
            event.set()

    def _next_speech(self, samples: int, at_s: float, rate_hz: int) -> bytes:
        out = b""
        while self._utterances and len(out) < samples * SAMPLE_BYTES:
            utterance = self._utterances[0]
            begin = utterance.position
            room = samples - len(out) // SAMPLE_BYTES
            piece = utterance.pcm[begin * SAMPLE_BYTES : (begin + room) * SAMPLE_BYTES]
            utterance.position = end = begin + len(piece) // SAMPLE_BYTES
            origin_s = at_s + (len(out) // SAMPLE_BYTES - begin) / rate_hz
            self._note_times(utterance, begin, end, origin_s, rate_hz)
            out += piece
            if len(utterance.pcm) <= end * SAMPLE_BYTES:
                self._utterances.popleft()
                self._loop.call_soon_threadsafe(self._finish, utterance, True)
        return out + bytes(samples * SAMPLE_BYTES - len(out)) if out else b""

    def _note_times(self, utterance: Utterance, begin: int, end: int, origin_s: float, rate_hz: int) -> None:
        if begin <= utterance.speech_start < end:
            utterance.started_s = origin_s + utterance.speech_start / rate_hz
            self._loop.call_soon_threadsafe(_settle, utterance.started, True)
        if begin < utterance.speech_end <= end:
            utterance.ended_s = origin_s + utterance.speech_end / rate_hz
        for sample, step in utterance.keys:
            if begin <= sample < end:
                self._loop.call_soon_threadsafe(step)

    def _next_noise(self, size: int) -> bytes:
        if not self._noise:
            return b""
        if self._noise_at + size > len(self._noise):
            self._noise_at = 0
        piece = self._noise[self._noise_at : self._noise_at + size]
        self._noise_at += size
        return piece

    def _finish(self, utterance: Utterance, whole: bool) -> None:
        _settle(utterance.started, whole)
        _settle(utterance.ended, whole)


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


def _mix(layers: list[bytes], samples: int) -> bytes:
    arrays = [array("h", layer) for layer in layers]
    return array("h", (_clip(sum(column)) for column in zip(*arrays, strict=True))).tobytes()[: samples * SAMPLE_BYTES]


def _clip(value: float) -> int:
    return max(-32768, min(32767, int(value)))
