"""espeak-ng inside this process: text to PCM, without files or programs.

The library and its data come in the espeakng-loader wheel. espeak-ng keeps its voice, its rate and its callback in
global variables, so one lock stands around every synthesis: callers on other threads wait their turn. A sentence of
four seconds takes about 25 ms of one core; the GIL is free meanwhile, except in the callbacks.

API: speak_lib.h of espeak-ng 1.52.
"""

import ctypes
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import espeakng_loader

from core.audio import SAMPLE_BYTES

RATE_HZ = 22050
"""What espeak-ng synthesises; checked against what it says when it starts."""
SPEEDS_WPM = (80, 450)
PITCHES = (0, 99)

_CHUNK_MS = 60
_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth returns when the last callback has returned
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: its own way with missing data is exit(1)
_UTF8 = 1
_END_PAUSE = 0x1000
_POS_CHARACTER = 1
_RATE, _PITCH = 1, 3
_LIST_TERMINATED, _WORD = 0, 1
_VOICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}(\+[A-Za-z0-9_ -]{1,40})?", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]")
"""NUL ends a C string, \\x01 begins a command of espeak's own; surrogates aren't UTF-8. Each becomes one space, so
that the places of words stay right."""


class EspeakError(ValueError):
    """The voice doesn't exist, a setting is out of its range, or the library can't be loaded."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """When a word begins. char_start and char_end cut it out of the text; at_ms counts from the first sample."""

    char_start: int
    char_end: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Speech:
    """s16le mono PCM, and where its words are."""

    pcm: bytes
    rate_hz: int
    words: list[WordMark]


@dataclass(frozen=True, slots=True)
class Voice:
    """language is a BCP 47 tag such as "en-us" and is also what `synthesize` takes as voice."""

    name: str
    language: str


def synthesize(text: str, *, voice: str = "en-us", speed_wpm: int = 165, pitch: int = 50) -> Speech:
    """All of `text` at once; blocks. Text without anything to say gives no PCM. EspeakError as in `stream`."""
    parts: list[bytes] = []
    words: list[WordMark] = []

    def keep(pcm: bytes) -> bool:
        parts.append(pcm)
        return True

    stream(text, voice=voice, speed_wpm=speed_wpm, pitch=pitch, on_chunk=keep, on_word=words.append)
    return Speech(b"".join(parts), RATE_HZ, words)


def stream(
    text: str,
    *,
    voice: str = "en-us",
    speed_wpm: int = 165,
    pitch: int = 50,
    end_pause: bool = False,
    on_chunk: Callable[[bytes], bool],
    on_word: Callable[[WordMark], None],
) -> None:
    """Gives PCM in chunks of about 60 ms as it is made, each word before its chunk; blocks until all is said.

    on_chunk returning False ends it at once. What a callback raises comes out here. voice: a language ("en-us", "de"),
    with a variant after a plus ("en-gb+m3", "de+f2"); `voices` and `variants` list them. speed_wpm 80-450, pitch 0-99.
    EspeakError for anything else. end_pause adds the silence that stands between two sentences.
    """
    _check(voice, speed_wpm, pitch)
    cleaned = _UNSAFE.sub(" ", text)
    if not cleaned.strip():
        return
    with _lock:
        library = _library()
        _set(library, voice, speed_wpm, pitch)
        listener = _Listener(on_chunk, on_word, len(text))
        callback = _Callback(listener)
        library.espeak_SetSynthCallback(callback)
        data = cleaned.encode()
        flags = _UTF8 | (_END_PAUSE if end_pause else 0)
        status = library.espeak_Synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, flags, None, None)
        library.espeak_SetSynthCallback(_Callback(0))
    if listener.problem is not None:
        raise listener.problem
    if status != 0 and not listener.stopped:
        raise EspeakError(f"espeak-ng failed with status {status}")


def voices() -> tuple[Voice, ...]:
    """Every language that espeak-ng speaks, by its tag."""
    with _lock:
        return tuple(voice for voice, _ in _installed().values())


def has_voice(voice: str) -> bool:
    """Whether `stream` takes it."""
    language, plus, variant = voice.partition("+")
    if not _VOICE_NAME.fullmatch(voice) or (plus and variant not in variants()):
        return False
    with _lock:
        return language.lower() in _installed()


@cache
def variants() -> tuple[str, ...]:
    """What may stand after the plus of a voice: "f1" … "f5", "m1" … "m8" and others."""
    return tuple(sorted(path.name for path in (_data() / "voices" / "!v").iterdir()))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _VoiceEntry(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
_lock = threading.Lock()


class _Listener:
    """The synthesis callback: returns 0 to go on, 1 to end. ctypes would swallow what it raises, so it is kept."""

    def __init__(self, on_chunk: Callable[[bytes], bool], on_word: Callable[[WordMark], None], chars: int) -> None:
        self._chars = chars
        self._on_chunk = on_chunk
        self._on_word = on_word
        self.problem: BaseException | None = None
        self.stopped = False

    def __call__(self, wav: int | None, samples: int, events: "ctypes._Pointer[_Event]") -> int:
        if self.stopped:
            return 1
        try:
            self._words(events)
            if wav and samples > 0 and not self._on_chunk(ctypes.string_at(wav, samples * SAMPLE_BYTES)):
                self.stopped = True
        except BaseException as problem:
            self.problem = problem
            self.stopped = True
        return 1 if self.stopped else 0

    def _words(self, events: "ctypes._Pointer[_Event]") -> None:
        place = 0
        while events and events[place].type != _LIST_TERMINATED:
            event = events[place]
            if event.type == _WORD:
                start = min(max(event.text_position - 1, 0), self._chars)
                end = min(start + event.length, self._chars)  # espeak overshoots in words longer than its buffer
                self._on_word(WordMark(start, end, event.audio_position))
            place += 1


def _check(voice: str, speed_wpm: int, pitch: int) -> None:
    if not _VOICE_NAME.fullmatch(voice):
        raise EspeakError(f"{voice!r} is not the name of a voice, such as en-us or en-gb+m3")
    variant = voice.partition("+")[2]
    if variant and variant not in variants():
        raise EspeakError(f"espeak-ng has no variant {variant!r}")
    if not SPEEDS_WPM[0] <= speed_wpm <= SPEEDS_WPM[1]:
        raise EspeakError(f"speed_wpm must be {SPEEDS_WPM[0]} to {SPEEDS_WPM[1]}")
    if not PITCHES[0] <= pitch <= PITCHES[1]:
        raise EspeakError(f"pitch must be {PITCHES[0]} to {PITCHES[1]}")


def _set(library: ctypes.CDLL, voice: str, speed_wpm: int, pitch: int) -> None:
    """The voice first: loading one resets the rest. Set every time, since another caller may have changed it."""
    language, plus, variant = voice.partition("+")
    found = _installed().get(language.lower())
    # By file, since a variant can't follow a tag: "gmw/en+m3" loads where "en-gb+m3" doesn't (1.52).
    if found is None or library.espeak_SetVoiceByName((found[1] + plus + variant).encode()) != 0:
        raise EspeakError(f"espeak-ng has no voice {voice!r}")
    library.espeak_SetParameter(_RATE, speed_wpm, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)


def _data() -> Path:
    return Path(espeakng_loader.get_data_path())


@cache
def _installed() -> dict[str, tuple[Voice, str]]:
    """Tag to voice and its file below the data's lang/; only with the lock held.

    Some voices of the wheel lack their dictionary (fo, kaa, xex in 0.2.4) and would only complain on stderr.
    """
    listed = _library().espeak_ListVoices(None)
    found: dict[str, tuple[Voice, str]] = {}
    place = 0
    while listed[place]:
        entry = listed[place].contents
        place += 1
        file = entry.identifier.decode()
        language = entry.languages[1:].decode()  # a priority byte, the tag, NUL; more of the same follow
        if (_data() / f"{_dictionary(file)}_dict").exists():
            found.setdefault(language.lower(), (Voice(entry.name.decode(), language), file))
    return dict(sorted(found.items()))


def _dictionary(file: str) -> str:
    """The voice file names its dictionary where that isn't its own language's: Bokmål (nb) reads no_dict."""
    own = re.search(r"^dictionary\s+(\S+)", (_data() / "lang" / file).read_text(encoding="utf-8"), re.MULTILINE)
    return own[1] if own else file.rpartition("/")[2].partition("-")[0].lower()


@cache
def _library() -> ctypes.CDLL:
    """The library, started. Only with the lock held."""
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as problem:
        raise EspeakError(f"libespeak-ng can't be loaded: {problem}") from None
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetSynthCallback.argtypes = [_Callback]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
        ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, _CHUNK_MS, str(_data()).encode(), _DONT_EXIT)
    if rate_hz != RATE_HZ:
        raise EspeakError(f"espeak-ng can't start with the data in {_data()} (status {rate_hz})")
    return library
