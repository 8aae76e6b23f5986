"""Control methods for the far end's voice and ears."""

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct

from core.audio import SAMPLE_BYTES
from core.errors import InvalidParams, LimitExceeded, NotNow, TimedOut
from core.modem.emulator import speech
from core.modem.emulator.calls import Stat
from core.modem.emulator.control import Method
from core.modem.emulator.far_end import Utterance
from core.modem.emulator.modem import Modem

_SPEAK_LIMIT_S = 600.0
_T = TypeVar("_T")


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Say(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=4000)]
    voice: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+:.-]{1,60}$")] = "en-gb+m3"
    speed_wpm: Annotated[int, Meta(ge=80, le=450)] = 165
    pitch: Annotated[int, Meta(ge=0, le=99)] = 50
    snr_db: Annotated[float, Meta(ge=-20, le=100)] | None = 25.0
    telephone: bool = True
    wait: bool = True


class Play(Struct, frozen=True, forbid_unknown_fields=True):
    wav: Annotated[str, Meta(min_length=1)]
    snr_db: Annotated[float, Meta(ge=-20, le=100)] | None = 25.0
    telephone: bool = True
    wait: bool = True


class Noise(Struct, frozen=True, forbid_unknown_fields=True):
    dbfs: Annotated[float, Meta(ge=-100, le=0)] | None = None


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(min_length=1)]


class WaitSpeech(Struct, frozen=True, forbid_unknown_fields=True):
    timeout_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0


class WaitQuiet(Struct, frozen=True, forbid_unknown_fields=True):
    quiet_ms: Annotated[int, Meta(ge=20, le=60000)] = 600
    timeout_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0


class Dtmf(Struct, frozen=True, forbid_unknown_fields=True):
    digits: Annotated[str, Meta(pattern=r"^[0-9A-D*#]{1,64}$")]
    how: Literal["urc", "inband", "both"] = "urc"


async def say(modem: Modem, params: Say) -> object:
    """Speaks a text; answers when the last of it has gone to the pty, or with wait false when the first has."""
    _need_path(modem)
    made = await asyncio.to_thread(speech.synthesize, params.text, params.voice, params.speed_wpm, params.pitch)
    return await _speak(modem, *made, snr_db=params.snr_db, telephone=params.telephone, wait=params.wait)


async def play(modem: Modem, params: Play) -> object:
    """As far.say, with a 16-bit WAV file of any rate."""
    _need_path(modem)
    made = await asyncio.to_thread(speech.read_wav, Path(params.wav))
    return await _speak(modem, *made, snr_db=params.snr_db, telephone=params.telephone, wait=params.wait)


async def _speak(
    modem: Modem, samples: "speech.Samples", rate_hz: int, *, snr_db: float | None, telephone: bool, wait: bool
) -> object:
    prepare = partial(speech.prepare, line_rate_hz=modem.pcm.format.rate_hz, snr_db=snr_db, telephone=telephone)
    prepared = await asyncio.to_thread(prepare, samples, rate_hz, seed=modem.random.randrange(1 << 30))
    return await _utter(modem, prepared, wait=wait)


async def _utter(
    modem: Modem, prepared: speech.Prepared, *, wait: bool, keys: tuple[tuple[int, Callable[[], None]], ...] = ()
) -> object:
    _need_path(modem)
    duration_s = len(prepared.pcm) / SAMPLE_BYTES / modem.pcm.format.rate_hz
    if not prepared.pcm:
        return {"started_s": None, "ended_s": None, "duration_s": 0.0, "completed": True}
    started: asyncio.Future[bool] = modem.loop.create_future()
    ended: asyncio.Future[bool] = modem.loop.create_future()
    utterance = Utterance(prepared.pcm, prepared.speech_start, prepared.speech_end, started, ended, keys)
    if not modem.far.say(utterance):
        raise LimitExceeded("Too much is waiting to be said.")
    try:
        async with asyncio.timeout(_SPEAK_LIMIT_S):
            completed = await (ended if wait else started)
    except TimeoutError as error:
        raise TimedOut("The far end didn't get to say it in time.") from error
    return {
        "started_s": utterance.started_s, "ended_s": utterance.ended_s, "duration_s": duration_s,
        "completed": ended.result() if ended.done() else None if completed else False,
    }  # fmt: skip


def silence(modem: Modem, _params: Nothing) -> object:
    return {"cut": modem.far.silence()}


async def noise(modem: Modem, params: Noise) -> None:
    await asyncio.to_thread(modem.far.set_noise, params.dbfs)


async def dtmf(modem: Modem, params: Dtmf) -> object:
    """Presses keys: +RXDTMF lines (to ports of a modem with AT+DDET=1), tones, or both in time."""
    make = speech.dtmf_silence if params.how == "urc" else speech.dtmf
    prepared = await asyncio.to_thread(make, params.digits, modem.pcm.format.rate_hz)
    keys: list[tuple[int, Callable[[], None]]] = []
    if params.how != "inband":
        keys = [(mark, partial(_tell_key, modem, key)) for mark, key in zip(prepared.marks, params.digits, strict=True)]
    return await _utter(modem, prepared, wait=True, keys=tuple(keys))


def _tell_key(modem: Modem, key: str) -> None:
    modem.urc(modem.personality.key(modem.settings, key))


async def record(modem: Modem, params: Record) -> None:
    """Begins to record what the far end hears. The file is written by far.record_stop or at the emulator's end."""
    path = Path(params.path)
    if not await asyncio.to_thread(path.parent.is_dir):
        raise InvalidParams("The folder of that file doesn't exist.", path="path")
    await save_record(modem)
    modem.record_path = path
    modem.far.start_record()


async def record_stop(modem: Modem, _params: Nothing) -> object:
    if modem.record_path is None:
        raise NotNow("Nothing is being recorded.")
    return {"frames": await save_record(modem)}


async def save_record(modem: Modem) -> int:
    """Writes the recording that is under way, if any; its length in samples."""
    path, modem.record_path = modem.record_path, None
    if path is None:
        return 0
    pcm = modem.far.stop_record()
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(modem.far.record_rate_hz)
        file.writeframes(pcm)
    await asyncio.to_thread(path.write_bytes, data.getvalue())
    return len(pcm) // SAMPLE_BYTES


async def wait_speech(modem: Modem, params: WaitSpeech) -> object:
    at_s = await _within(modem, params.timeout_s, modem.far.wait_speech)
    if at_s is None:
        raise NotNow("The call ended before anything was heard.")
    return {"at_s": at_s}


async def wait_quiet(modem: Modem, params: WaitQuiet) -> object:
    quiet = await _within(modem, params.timeout_s, lambda: modem.far.wait_quiet(params.quiet_ms / 1000))
    if quiet is None:
        raise NotNow("The call ended before anything was heard.")
    return {"quiet_since_s": quiet.quiet_since_s, "heard_ms": quiet.heard_ms, "last_byte_s": quiet.last_byte_s}


async def _within(modem: Modem, timeout_s: float, wait: Callable[[], Awaitable[_T]]) -> _T:
    _need_path(modem)
    try:
        async with asyncio.timeout(timeout_s):
            return await wait()
    except TimeoutError as error:
        raise TimedOut("The far end heard nothing of that kind in time.") from error


def _need_path(modem: Modem) -> None:
    if not modem.calls.table.with_stat(Stat.ACTIVE, Stat.HELD, Stat.DIALING, Stat.ALERTING):
        raise NotNow("There is no call to speak into.")


METHODS: dict[str, tuple[type[Struct], Method]] = {
    "far.say": (Say, say),
    "far.play": (Play, play),
    "far.silence": (Nothing, silence),
    "far.noise": (Noise, noise),
    "far.dtmf": (Dtmf, dtmf),
    "far.record": (Record, record),
    "far.record_stop": (Nothing, record_stop),
    "far.wait_speech": (WaitSpeech, wait_speech),
    "far.wait_quiet": (WaitQuiet, wait_quiet),
}
