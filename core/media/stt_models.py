"""Which whisper model to use: the file that is named, else the largest in the models folder that fits the machine.

A ggml file of whisper.cpp begins with the word "ggml" and eleven numbers (whisper_model_load, whisper.cpp 1.8): size of
the vocabulary, of the audio side's context and state, its heads and layers, and so on. The state tells the family.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.config import Config, models_dir

MAGIC = 0x67676D6C
PATTERN = "ggml-*.bin"

_HEADER = struct.Struct("<I11i")
_LEAST_BYTES_A_WEIGHT = 0.3
"""The coarsest ggml types have some 2.6 bits; the table of tokens alone has vocabulary times state weights."""
_MULTILINGUAL_VOCABULARY = 51865
"""One token more than the English models have; large-v3 has one more language."""

CORES = {384: 1, 512: 3, 768: 6, 1024: 12, 1280: 16}
"""State of the audio side (tiny, base, small, medium, large) to the cores with which an answer comes soon enough.
A guess from the relative cost of the models: each costs about three times the one before."""
SHARE_OF_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class WhisperModel:
    """A model file by its header. state: width of the audio side."""

    path: Path
    size_bytes: int
    state: int
    multilingual: bool

    @property
    def memory_bytes(self) -> int:
        """What it takes when loaded: fits whisper.cpp's own table (tiny 273 MB to large 3.9 GB) within a tenth."""
        return int(self.size_bytes * 1.28) + 190_000_000


@dataclass(frozen=True, slots=True)
class Machine:
    memory_bytes: int
    cores: int

    @classmethod
    def here(cls) -> "Machine":
        """This one, or the part of it that a container gives us."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(min(memory, _cgroup_limit() or memory), len(os.sched_getaffinity(0)))


def read_model(path: Path) -> WhisperModel | None:
    """None for a file that is no whisper model, is cut off before its first weights, or can't be read. Looks at the
    first bytes and the size alone. whisper.cpp takes a file without weights for "an empty model for testing", and
    hears nothing with it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    if len(head) < _HEADER.size:
        return None
    magic, vocabulary, context, state, _, _, _, text_state, *_ = _HEADER.unpack(head)
    if magic != MAGIC or not (0 < vocabulary < 100_000 and 0 < context <= 10_000 and 0 < state <= 10_000):
        return None
    if size < vocabulary * text_state * _LEAST_BYTES_A_WEIGHT:
        return None
    return WhisperModel(path, size, state, vocabulary >= _MULTILINGUAL_VOCABULARY)


def whisper_model(config: Config) -> Path | None:
    """[stt] model if it is set, whatever it names; else the best of the models folder; None where nothing fits."""
    if config.stt.model is not None:
        return Path(config.stt.model)
    languages = {config.stt.language, config.call.language}
    english = all(language.lower().partition("-")[0] == "en" for language in languages)
    found = choose(list(models_in(models_dir(config.media))), Machine.here(), english=english)
    return found.path if found is not None else None


def models_in(folder: Path) -> Iterator[WhisperModel]:
    """All whisper models of a folder, by name. Half-loaded files have another ending (`dialtone models get`)."""
    try:
        paths = sorted(path for path in folder.glob(PATTERN) if path.is_file())
    except OSError:
        return
    for path in paths:
        model = read_model(path)
        if model is not None:
            yield model


def choose(models: list[WhisperModel], machine: Machine, *, english: bool) -> WhisperModel | None:
    """The largest that the cores can serve in time; where all are too heavy for that, the smallest. Memory is a must.

    english: only English is spoken. Then a model for English alone goes before its sibling, else it is no choice.
    """
    fitting = [
        model
        for model in models
        if model.memory_bytes <= machine.memory_bytes * SHARE_OF_MEMORY and (english or model.multilingual)
    ]
    quick = [model for model in fitting if cores_for(model) <= machine.cores]
    if quick:
        return max(quick, key=lambda model: (model.state, not model.multilingual, model.size_bytes, model.path.name))
    return min(fitting, key=lambda model: (model.state, model.multilingual, model.size_bytes), default=None)


def cores_for(model: WhisperModel) -> int:
    """See CORES; a state between two families counts as the larger."""
    return next((cores for state, cores in CORES.items() if model.state <= state), max(CORES.values()))


def _cgroup_limit() -> int | None:
    """memory.max of the control group, v2; None without one."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
