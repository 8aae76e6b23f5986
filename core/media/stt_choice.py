"""Which engine hears: what [stt] says, what is installed, and whether the model turned out to be one."""

import time
from dataclasses import dataclass
from pathlib import Path

from core.config import Config
from core.errors import EngineMissing
from core.log import Log
from core.media.engines import SttEngine, engine_names, stt_engines
from core.media.stt_models import whisper_model

log = Log("stt")

ModelFile = tuple[str, int]
"""Path, and when it was changed (ns)."""

AUTO, NONE, REMOTE = "auto", "none", "remote"
WHISPER, PHRASES = "whisper", "phrases"
MODEL_KEPT_S = 5.0
"""How long a look into the models folder holds."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine of this installation. reason: why it can't be had. active: it hears the next utterance. resting: left
    out for a while after failures. model: the file it uses."""

    name: str
    available: bool
    reason: str | None
    active: bool
    loaded: bool
    resting: bool
    needs_phrases: bool
    model: str | None = None


class EngineChoice:
    """For one configuration. An engine's file is imported when it is needed, never at the start of the daemon."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._found: tuple[float, str | None] | None = None
        self._broken: ModelFile | None = None

    @property
    def wanted(self) -> str:
        """What hears the next utterance: an engine's name, "remote" or "none"."""
        return self._config.stt.engine if self._config.stt.engine != AUTO else self.local

    @property
    def local(self) -> str:
        """The engine that the core itself would ask, or "none"."""
        if self._config.stt.engine not in (AUTO, REMOTE):
            return self._config.stt.engine
        model = self.model()
        usable = model is not None and not self._is_broken(model) and stt_engines()[WHISPER].available(model) is None
        return WHISPER if usable else PHRASES

    def names(self) -> list[str]:
        """Whom to ask, in order."""
        first = self.local
        return [] if first == NONE else list(dict.fromkeys((first, *self._config.stt.fallback)))

    def unknown(self) -> list[str]:
        """Names in [stt] that are no engine's."""
        names = dict.fromkeys((self._config.stt.engine, *self._config.stt.fallback))
        return [name for name in names if name not in (AUTO, NONE, REMOTE) and name not in engine_names()]

    def engine(self, name: str) -> SttEngine:
        """EngineMissing for one that can't be had."""
        engine = stt_engines().get(name)
        if engine is None:
            raise EngineMissing(f"There is no speech engine {name}; there are: {', '.join(sorted(stt_engines()))}.")
        if (reason := engine.available(self.model())) is not None:
            raise EngineMissing(reason)
        return engine

    def reason_against(self, engine: SttEngine) -> str | None:
        """Why an engine can't be had; None: it can."""
        reason, model = engine.available(self.model()), self.model()
        if reason is None and engine.name == WHISPER and model is not None and self._is_broken(model):
            return "The model could not be loaded; the daemon's log has the reason."
        return reason

    def tag(self, engine: SttEngine, language: str) -> str | None:
        """The language as the engine can be asked for it; None where it doesn't know it."""
        if engine.knows(language, self.model()):
            return language
        # "auto" is for engines that can guess; the others hear the language of the station's calls.
        spoken = self._config.call.language
        return spoken if language == AUTO and engine.knows(spoken, self.model()) else None

    def model(self) -> str | None:
        """The whisper model, as [stt] names it or the models folder has it."""
        now_s = time.monotonic()
        if self._found is None or now_s > self._found[0]:
            found = whisper_model(self._config)
            self._found = now_s + MODEL_KEPT_S, str(found) if found is not None else None
        return self._found[1]

    def model_file(self) -> ModelFile | None:
        """The whisper model as its file is now."""
        model = self.model()
        return (model, _changed_ns(model)) if model is not None else None

    def model_failed(self, file: ModelFile | None) -> None:
        """It could not be loaded. It counts as missing until its file is another one."""
        if file is not None:
            log.error("the whisper model can't be used", model=file[0])
            self._broken = file

    def failed(self, file: ModelFile | None) -> bool:
        """Whether this is the file that could not be loaded."""
        return file is not None and file == self._broken

    def spoilt(self) -> bool:
        """Whether whisper has a model, and something else listens since it can't be used."""
        return self._config.stt.engine in (AUTO, REMOTE) and self.model() is not None and self.local != WHISPER

    def _is_broken(self, model: str) -> bool:
        return self.failed((model, _changed_ns(model)))


def _changed_ns(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
