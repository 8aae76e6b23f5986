"""Which engine says a text: the configured ones, opened once, with their voices, and who is put aside."""

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from core.config import TtsConfig
from core.errors import EngineMissing, InvalidParams, PublicError
from core.log import Log
from core.media.engines import Failure, SpeechFailed, Synthesiser, Trait, traits_of, tts_engine, tts_engines
from core.media.tts_aside import Aside, Who
from core.media.tts_ask import Ask, SpeechKey
from core.media.tts_turns import Turns

log = Log("tts")

AUTO = "auto"
LAST_RESORT = "espeak"
"""It needs neither a model nor a network."""
PARALLEL = 8
"""Sentences that one engine makes at a time, unless it says SINGLE: what a service grants its smaller customers."""
SPEEDS_WPM = (80, 450)
_NOT_HEARD = ("key", "headers", "timeout_s", "allow_http", "threads")
"""Settings of engines that change nothing about their voice; the first two are secrets besides."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """An engine with the voice that it says one text in."""

    name: str
    synthesiser: Synthesiser
    traits: frozenset[Trait]
    turns: Turns
    voice: str
    language: str
    speed_wpm: int
    who: Who
    key: SpeechKey


@dataclass(slots=True, eq=False)
class _Opened:
    synthesiser: Synthesiser
    traits: frozenset[Trait]
    turns: Turns
    settings: str


@dataclass(slots=True, eq=False)
class EngineBook:
    """Finding engines imports their files and asks them for voices: `load` and `speakers` block until `loaded`."""

    config: TtsConfig
    aside: Aside = field(default_factory=Aside)
    loaded: bool = False
    _opened: dict[str, _Opened] = field(default_factory=dict)
    _voiceless: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Everything that the first text would wait for, but the engines' own start."""
        from core.media.tts_resample import Resampler

        Resampler(22050, 8000)  # imports numpy and soxr
        for name in self.order(None):
            self._open(name)
        self.loaded = True

    @property
    def primary(self) -> str:
        """Who says a text that names no engine."""
        if self.config.engine != AUTO:
            return self.config.engine
        piper = self._open("piper")
        return "piper" if piper is not None and piper.synthesiser.missing({}) is None else LAST_RESORT

    def order(self, engine: str | None, *, fallback: bool = True) -> tuple[str, ...]:
        first = engine if engine is not None and engine != AUTO else self.primary
        return tuple(dict.fromkeys((first, *self.config.fallback))) if fallback else (first,)

    def synthesiser(self, name: str) -> Synthesiser:
        """EngineMissing, with those that there are."""
        return self._known(name).synthesiser

    @property
    def opened(self) -> list[tuple[str, Synthesiser]]:
        return [(name, opened.synthesiser) for name, opened in self._opened.items()]

    def speakers(self, ask: Ask) -> tuple[Speaker, ...]:
        """In the order in which they are asked. EngineMissing, InvalidParams.

        With a voice, the first that has it begins, and the others say the rest in their own voice for the language.
        """
        names = self.order(ask.engine, fallback=ask.fallback)
        self._known(names[0])
        found: list[Speaker] = []
        for name in names:
            opened = self._open(name)
            if opened is None:
                continue
            voice = self._voice(name, opened.synthesiser, ask, begins=not found)
            if voice is None and name == LAST_RESORT and (found or not ask.strict):
                voice = self._any_voice(opened.synthesiser, found[0].voice if found else ask.voice, ask.language)
            if voice is not None:
                found.append(self._speaker(name, opened, voice, ask))
        if found:
            return tuple(found)
        raise self._nobody(ask)

    def check(self, ask: Ask, *, complete: bool) -> None:
        """The error that `speakers` would raise, also where only others than the engine that is named would speak."""
        first = self.speakers(ask)[0]
        if ask.engine is None or ask.engine == AUTO:
            return
        if first.name != ask.engine:
            raise self._nobody(ask)
        if complete and (reason := first.synthesiser.missing(ask.keys)) is not None:
            raise EngineMissing(reason)

    def now(self, speakers: tuple[Speaker, ...]) -> tuple[Speaker, ...]:
        """Without those that are put aside; all of them where nobody is left, since silence is no better."""
        return tuple(speaker for speaker in speakers if self.out(speaker) is None) or speakers

    def out(self, speaker: Speaker) -> Failure | None:
        """Why it is put aside, if it is."""
        return self.aside.reason(speaker.who, time.monotonic())

    def probe(self, speaker: Speaker) -> bool:
        """Whether this text finds out for the others if an engine that failed works again."""
        return self.aside.trying(speaker.who, time.monotonic(), self.config.late_s)

    def failed(self, speaker: Speaker, problem: SpeechFailed) -> None:
        out_s = self.aside.failed(speaker.who, problem, time.monotonic())
        log.warning(
            "a speech engine failed",
            engine=speaker.name,
            reason=str(problem.reason),
            problem=problem.text,
            aside_s=round(out_s, 1),
        )

    # --- inside -------------------------------------------------------------------------------------------------------

    def _voice(self, name: str, synthesiser: Synthesiser, ask: Ask, *, begins: bool) -> str | None:
        """The voice asked for; else the configured one if it speaks the language; else the language's own."""
        if ask.voice is not None and begins:
            return ask.voice if synthesiser.has_voice(ask.voice) else None
        language = ask.language or self.config.language
        own = getattr(self.config, name, None)
        configured: str | None = getattr(own, "voice", None) or (self.config.voice if name == self.primary else None)
        suits = ask.language is None or primary_tag(ask.language) == primary_tag(self.config.language)
        if ask.voice is None and configured is not None and suits:
            if synthesiser.has_voice(configured):
                return configured
            if name not in self._voiceless:  # a wrong word in core.toml must not make the station mute
                self._voiceless.add(name)
                log.warning("the engine has no voice of the configured name and takes its own", engine=name)
        return synthesiser.voice_for(language)

    def _any_voice(self, synthesiser: Synthesiser, wanted: str | None, language: str | None) -> str | None:
        """For a voice or language that this engine doesn't know: one of that language, else of the voice's, else of the
        station's. A strange accent is better than silence."""
        languages = (language, _language_of(wanted or ""), self.config.language, "en")
        return next(filter(None, (synthesiser.voice_for(language) for language in languages if language)), None)

    def _speaker(self, name: str, opened: _Opened, voice: str, ask: Ask) -> Speaker:
        config = self.config
        language = _language_of(voice) or ask.language or config.language
        speed_wpm = _speed(ask.style, config.speed_wpm)
        style = tuple(sorted(ask.style.items()))
        key = SpeechKey(name, voice, language, speed_wpm, ask.rate_hz, ask.text, style, opened.settings)
        who = Who(name, voice, hash(frozenset(ask.keys.items())))
        return Speaker(name, opened.synthesiser, opened.traits, opened.turns, voice, language, speed_wpm, who, key)

    def _nobody(self, ask: Ask) -> PublicError:
        """Why nobody speaks so. An engine without a model or package has no voices at all, and says how to get them."""
        named = ask.engine if ask.engine != AUTO else None
        if named is not None and (reason := self._known(named).synthesiser.missing(ask.keys)) is not None:
            return EngineMissing(reason)
        if ask.voice is not None:
            nobody = f"The engine {named} has no such voice" if named else "No speech engine has such a voice"
            return InvalidParams(f"{nobody}; tts.voices lists them.", path="voice")
        nobody = f"The engine {named} doesn't speak" if named else "No speech engine speaks"
        return InvalidParams(f"{nobody} that language.", path="language")

    def _known(self, name: str) -> _Opened:
        opened = self._open(name)
        if opened is None:
            known = ", ".join(sorted(tts_engines()))
            raise EngineMissing(f"There is no speech engine of that name; there are: {known}.", path="engine")
        return opened

    def _open(self, name: str) -> _Opened | None:
        if (found := self._opened.get(name)) is not None:
            return found
        with self._lock:
            if name not in self._opened:
                engine = tts_engine(name)
                if engine is None:
                    return None
                traits = traits_of(engine)
                turns = Turns(1 if Trait.SINGLE in traits else PARALLEL)
                settings = _settings(self.config, name)
                self._opened[name] = _Opened(engine.open(self.config), traits, turns, settings)
            return self._opened[name]


def primary_tag(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]


def _language_of(voice: str) -> str | None:
    """Most voices are named by their language: en-us+f2, de-DE-KatjaNeural, de_DE-thorsten-medium."""
    plain = voice.replace("_", "-").partition("+")[0]
    parts = plain.split("-")
    if not (parts[0].isascii() and parts[0].isalpha() and (len(parts[0]) == 2 or (len(parts[0]) == 3 and parts[1:]))):
        return None
    region = [part for part in parts[1:2] if len(part) == 2 and part.isalpha()]
    return "-".join([parts[0].lower(), *region])


def _speed(style: Mapping[str, str], default: int) -> int:
    """speed_wpm of voice_settings; what is no number is left out."""
    try:
        wanted = int(style.get("speed_wpm", default))
    except ValueError:
        return default
    return min(max(wanted, SPEEDS_WPM[0]), SPEEDS_WPM[1])


def _settings(config: TtsConfig, name: str) -> str:
    """A hash of what changes the engine's voice in core.toml, so that audio of before is not taken for it."""
    own = getattr(config, name, None)
    table: dict[str, object] = {} if own is None else msgspec.to_builtins(own)
    table = {field: value for field, value in table.items() if field not in _NOT_HEARD}
    content = msgspec.json.encode([table, config.model if name == "piper" else None, config.normalise])
    return hashlib.sha256(content).hexdigest()[:16]
