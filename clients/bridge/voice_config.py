"""The station's voice configuration (wire formats §1.6): asked for on every ring, kept for when nobody answers."""

import asyncio
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from clients.bridge.address import interface_address
from clients.bridge.settings import VoiceConfigTable
from clients.bridge.vps import Vps, VpsError

Json = dict[str, Any]

KEYS = ("tts_secret_key", "tts_access_link", "azure_key", "azure_region", "openai_key", "google_key", "liepa_key")
"""Fields for the speech services; the first two belong to whatever tts_model names."""
OLD_NAMES = {"whisper_model": "stt_model", "tts_provider": "tts_model"}
"""Of runtime_voice_config.json, to what the web hook calls them."""
CACHED = (
    "whisper_model", "tts_provider", "language", "vad_threshold", "silence_timeout", "answer_after_rings",
    "welcome_message", "voice_settings", "updated_at",
)  # fmt: skip
LANGUAGE_CHARS, VOICE_CHARS, SETTING_CHARS, SETTINGS, GREETING_CHARS, KEY_CHARS = 16, 64, 200, 16, 2000, 4096
"""What call.configure takes."""

_log = logging.getLogger("dialtone.bridge")


class BadVoiceConfig(ValueError):
    """The answer says that there is none, or is none."""


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """answer_after_rings: -1 or 1 to 10; None: not said. voice_settings and keys as call.configure takes them."""

    language: str | None = None
    engine: str | None = None
    voice: str | None = None
    welcome: str | None = None
    answer_after_rings: int | None = None
    voice_settings: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def two_letters(self) -> str:
        """As the VPS wants languages; "auto" while none is known."""
        return self.language[:2].lower() if self.language else "auto"

    def steps(self) -> list[Json]:
        """Parameters for call.configure: all, then with less and less of what an engine may refuse."""
        language: Json = {"language": self.language} if self.language else {}
        engine: Json = {"tts_engine": self.engine} if self.engine else {}
        if self.keys:
            engine["keys"] = self.keys
        if self.voice_settings:
            engine["voice_settings"] = self.voice_settings
        full = {**language, **engine, **({"voice": self.voice} if self.voice else {})}
        found = [full, {**language, **engine}, language, {}]
        return [one for at, one in enumerate(found) if one not in found[:at]]


def read_answer(body: object) -> Json:
    """`data` of the answer. BadVoiceConfig: success is not true; the status is 200 either way."""
    if not isinstance(body, dict) or body.get("success") is not True:
        raise BadVoiceConfig("the VPS has no configuration for this station")
    data = body.get("data")
    if not isinstance(data, dict):
        raise BadVoiceConfig("the answer has no data")
    return data


def voice_config(data: Json) -> VoiceConfig:
    """From `data` of the answer or from the cache file, in both spellings; what makes no sense is left out."""
    data = {OLD_NAMES.get(name, name): value for name, value in data.items()}
    given = data.get("voice_settings")
    settings = given if isinstance(given, dict) else {}
    voice = _text(settings.get("voice")) or _text(settings.get("voice_name"))
    rest = {name: text for name, value in settings.items() if (text := _setting(name, value)) is not None}
    engine = _text(data.get("tts_model"))
    language = _text(data.get("language"))
    welcome = _text(data.get("welcome_message"))
    return VoiceConfig(
        language=language if language and language != "auto" and len(language) <= LANGUAGE_CHARS else None,
        engine=engine.lower()[:32] if engine else None,
        voice=voice[:VOICE_CHARS] if voice else None,
        welcome=welcome[:GREETING_CHARS] if welcome else None,
        answer_after_rings=rings(data.get("answer_after_rings")),
        voice_settings=dict(list(rest.items())[:SETTINGS]),
        keys=_keys(data, settings),
    )


def rings(value: object) -> int | None:
    """-1 (never) or 1 to 10. A 0 answers at once; PHP sends numbers as text, too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return -1 if number < 0 else min(max(number, 1), 10)


def cached(data: Json, *, with_keys: bool) -> Json:
    """What runtime_voice_config.json holds. Keys are not of the old format, and only written when asked for."""
    kept: Json = {name: data.get(OLD_NAMES.get(name, name)) for name in CACHED}
    if with_keys:
        return kept | {name: data[name] for name in KEYS if name in data}
    if isinstance(settings := kept["voice_settings"], dict):
        kept["voice_settings"] = {name: value for name, value in settings.items() if name not in KEYS}
    return kept


def write_cache(path: Path, data: Json) -> None:
    """Whole or not at all, readable by the owner alone. OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)  # with whatever mode it was left
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(data), indent=2))
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def read_cache(path: Path) -> Json | None:
    """None where there is none, or none that can be read."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as problem:
        _log.warning("the kept voice configuration can't be read: %s", type(problem).__name__)
        return None
    return found if isinstance(found, dict) else None


class VoiceConfigs:
    """The newest configuration that is known. One per bridge."""

    def __init__(self, table: VoiceConfigTable, cache: Path, vps: Vps) -> None:
        self._table, self._cache, self._vps = table, cache, vps
        self._known: VoiceConfig | None = None
        self._given: Json | None = None
        self._written: Json | None = None
        self._writing = asyncio.Lock()

    @property
    def known(self) -> VoiceConfig:
        """The last answer of this run, else that of the cache file, else nothing in particular."""
        if self._known is None:
            kept = read_cache(self._cache)
            self._known = voice_config(kept) if kept is not None else VoiceConfig()
        return self._known

    async def fetch(self) -> VoiceConfig:
        """Asks; what is answered is `keep`'s to write down. VpsError or BadVoiceConfig."""
        table = self._table
        if table.url is None:
            return self.known
        params = {"include_key": "1"}
        address = table.ip or interface_address(table.interface)
        if table.phone_nr is not None:
            params["phone_nr"] = table.phone_nr
        elif address is not None:
            params["ip"] = address
        data = read_answer(await self._vps.get(table.url, params, table.timeout_s))
        self._known = voice_config(data)
        self._given = cached(data, with_keys=table.cache_keys)
        return self._known

    async def try_fetch(self) -> VoiceConfig | None:
        """None, and a line in the log, where there is no answer."""
        try:
            return await self.fetch()
        except (VpsError, BadVoiceConfig) as problem:
            _log.warning("no voice configuration: %s", problem)
            return None

    async def keep(self) -> None:
        """The newest answer to the disk, which may take longer than a ring may wait. Only what has changed: rings are
        many, and SD cards are not for ever."""
        async with self._writing:
            data = self._given
            if data is None or data == self._written:
                return
            try:
                await asyncio.to_thread(write_cache, self._cache, data)
                self._written = data
            except OSError as problem:
                _log.warning("the voice configuration is not kept: %s", problem.strerror)


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _setting(name: str, value: object) -> str | None:
    """Scalars as text, as engines want them; voices and keys stand elsewhere."""
    if name in ("voice", "voice_name", *KEYS) or isinstance(value, bool):
        return None
    text = str(value) if isinstance(value, str | int | float) else ""
    return text if text and len(text) <= SETTING_CHARS else None


def _keys(data: Json, settings: Json) -> dict[str, str]:
    """Keys stand beside voice_settings, in some stations within."""
    both = {name: _text(data.get(name)) or _text(settings.get(name)) for name in KEYS}
    return {name: value for name, value in both.items() if value is not None and len(value) <= KEY_CHARS}
