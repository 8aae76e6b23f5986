"""Which Piper voices lie in the models folder. Reads their descriptions (.onnx.json), never the models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import field

DESCRIPTION_BYTES_MAX = 4 * 1024 * 1024
QUALITIES = ("medium", "high", "low", "x_low")
"""Which of several voices of a language is taken: high needs a faster computer than most stations are."""


@dataclass(frozen=True, slots=True)
class PiperVoiceFile:
    """language: BCP 47. speakers: names to numbers, of voices that have several."""

    name: str
    model: Path
    config: Path
    language: str
    quality: str
    speakers: Mapping[str, int]
    description: str | None


class _Audio(msgspec.Struct):
    sample_rate: int = 0
    quality: str = ""


class _Language(msgspec.Struct):
    code: str = ""
    name_native: str = ""


class _Espeak(msgspec.Struct):
    voice: str = ""


class _Description(msgspec.Struct):
    """Of the file that the trainer writes beside a voice; only what is needed here."""

    audio: _Audio = field(default_factory=_Audio)
    espeak: _Espeak = field(default_factory=_Espeak)
    language: _Language = field(default_factory=_Language)
    dataset: str = ""
    num_speakers: int = 1
    speaker_id_map: dict[str, int] = field(default_factory=dict)


class PiperVoices:
    """Those of a folder, and one more by its path. Looked through again when the folder changes."""

    def __init__(self, folder: Path, extra: Path | None) -> None:
        self._folder, self._extra = folder, extra
        self._seen: tuple[int, int] | None = None
        self._voices: dict[str, PiperVoiceFile] = {}

    @property
    def folder(self) -> Path:
        return self._folder

    def all(self) -> Mapping[str, PiperVoiceFile]:
        """By name. The extra one goes before one of the folder's of the same name."""
        seen = _changed_ns(self._folder), _changed_ns(self._extra) if self._extra is not None else 0
        if seen != self._seen:
            paths = sorted(self._folder.glob("*.onnx")) if seen[0] else []
            found = [_read(path) for path in (*paths, *((self._extra,) if self._extra is not None else ()))]
            self._voices = {voice.name: voice for voice in found if voice is not None}
            self._seen = seen
        return self._voices

    def find(self, name: str) -> tuple[PiperVoiceFile, int | None] | None:
        """A voice and the number of its speaker, for "name" or "name#speaker"; None for no such."""
        base, _, speaker = name.partition("#")
        voice = self.all().get(base)
        if voice is None:
            return None
        if not speaker:
            return voice, None
        number = voice.speakers.get(speaker, int(speaker) if speaker.isdecimal() and len(speaker) < 6 else None)
        return (voice, number) if number in voice.speakers.values() else None

    def for_language(self, language: str) -> PiperVoiceFile | None:
        """The extra voice if it speaks the language; else of the same region first, and as QUALITIES has it."""
        tag = language.lower().replace("_", "-")
        primary = _primary(tag)
        able = [voice for voice in self.all().values() if _primary(voice.language.lower()) == primary]
        if self._extra is not None:
            chosen = next((voice for voice in able if voice.model == self._extra), None)
            if chosen is not None:
                return chosen
        return min(able, key=lambda voice: (voice.language.lower() != tag, _rank(voice), voice.name), default=None)


def _read(model: Path) -> PiperVoiceFile | None:
    """None for a model without a description, or with one that is none: it then is no Piper voice."""
    config = Path(f"{model}.json")
    try:
        if not model.is_file() or config.stat().st_size > DESCRIPTION_BYTES_MAX:
            return None
        described = msgspec.json.decode(config.read_bytes(), type=_Description)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return PiperVoiceFile(
        name=model.name.removesuffix(".onnx"),
        model=model,
        config=config,
        language=(described.language.code or described.espeak.voice or "und").replace("_", "-"),
        quality=described.audio.quality,
        speakers=described.speaker_id_map if described.num_speakers > 1 else {},
        description=", ".join(filter(None, (described.dataset, described.audio.quality))) or None,
    )


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _rank(voice: PiperVoiceFile) -> int:
    return QUALITIES.index(voice.quality) if voice.quality in QUALITIES else len(QUALITIES)


def _primary(tag: str) -> str:
    """Norwegian voices call themselves no, nb is what callers are said to speak."""
    first = tag.partition("-")[0]
    return {"nb": "no", "nn": "no"}.get(first, first)
