"""The models folder: what lies there, whether it is whole, and which models suit this machine."""

import hashlib
import os
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from clients.models.catalogue import Model, ModelFile, models

CORE_TOML = Path("/etc/dialtone/core.toml")
READ_BYTES = 1024 * 1024
MEMORY_SHARE = 0.5
"""Of the machine's memory for one model: the rest is for everything else on a small computer."""


class State(StrEnum):
    ABSENT = "absent"
    PARTIAL = "partial"  # a download that can be resumed, or one file of two
    PRESENT = "present"  # all files are there; `verify` tells whether they are good
    GOOD = "good"  # the digests are right
    DAMAGED = "damaged"


def models_dir(given: str | None) -> Path:
    """--dir, else DIALTONE_MODELS, else [media] models_dir of the system's core.toml, else below the state folder, as
    the daemon has it."""
    named = given or os.environ.get("DIALTONE_MODELS") or _configured()
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone/models")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(state) / "dialtone/models"


def _configured() -> str | None:
    try:
        table = tomllib.loads(CORE_TOML.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    media = table.get("media")
    named = media.get("models_dir") if isinstance(media, dict) else None
    return named if isinstance(named, str) else None


def state_of(model: Model, folder: Path) -> State:
    """A look at names and sizes: quick, and says nothing of the content."""
    there = [(folder / file.name).is_file() for file in model.files]
    if all(there):
        return State.PRESENT if all(_plausible(folder / file.name, file) for file in model.files) else State.DAMAGED
    begun = any(part_of(folder, file).exists() for file in model.files)
    return State.PARTIAL if any(there) or begun else State.ABSENT


def verify(model: Model, folder: Path) -> State:
    """Reads every byte."""
    state = state_of(model, folder)
    if state is not State.PRESENT:
        return state
    return State.GOOD if all(digest(folder / file.name, file) for file in model.files) else State.DAMAGED


def digest(path: Path, file: ModelFile) -> bool:
    """Whether a file's content is the one that the catalogue knows."""
    hasher = hashlib.new(file.algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            hasher.update(block)
    return hasher.hexdigest() == file.digest


def part_of(folder: Path, file: ModelFile) -> Path:
    """Where a download lies until it is whole."""
    return folder / f"{file.name}.part"


def others(folder: Path) -> Iterator[Path]:
    """Models that the catalogue doesn't know: a user's own."""
    known = {file.name for model in models().values() for file in model.files}
    for pattern in ("ggml-*.bin", "*.onnx"):
        yield from sorted(path for path in folder.glob(pattern) if path.name not in known)


def suggested(language: str) -> list[str]:
    """Names of models for a language on this machine: the largest Whisper model that fits, and a small Piper voice.

    What fits: memory as the model's authors state it within half of the machine's; cores by a guess that nobody has
    measured on a telephone line. `dialtone models` says so.
    """
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)
    cores = os.cpu_count() or 1
    primary = language.lower().replace("_", "-").partition("-")[0]
    fitting = [
        model
        for model in models().values()
        if model.kind == "whisper"
        and model.memory_mib is not None
        and model.memory_mib <= memory_mib * MEMORY_SHARE
        and model.cores is not None
        and model.cores <= cores
        and model.language in ("any", primary)
    ]
    best = max(fitting, key=lambda model: (model.size_bytes, model.language == primary), default=None)
    voices = [m for m in models().values() if m.kind == "piper" and m.language.lower().partition("-")[0] == primary]
    exact = [m for m in voices if m.language.lower() == language.lower().replace("_", "-")]
    voice = min(exact or voices, key=lambda model: model.size_bytes, default=None)
    return [model.name for model in (best, voice) if model is not None]


def _plausible(path: Path, file: ModelFile) -> bool:
    size_bytes = path.stat().st_size
    return file.rounded or size_bytes == file.size_bytes
