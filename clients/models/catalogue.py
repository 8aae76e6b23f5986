"""Which speech models there are: whisper.cpp's for hearing, Piper's for speaking. Facts from those projects' own lists
(catalogue.json says which), so that a download can be checked against a digest that did not come with it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["whisper", "piper"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. name: in the models folder. place: below a mirror. size_bytes is about where `rounded`."""

    name: str
    place: str
    size_bytes: int
    algorithm: Literal["sha1", "md5"]
    digest: str
    rounded: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """language: BCP 47, or "any". memory_mib: what it takes when loaded, where known. cores: from how many on it is
    likely to keep up with a caller; a guess, None where nobody should rely on one."""

    kind: Kind
    name: str
    language: str
    files: tuple[ModelFile, ...]
    memory_mib: int | None = None
    cores: int | None = None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@cache
def models() -> dict[str, Model]:
    """By name, as `dialtone models get` takes it."""
    raw = json.loads((Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8"))
    found = [_whisper(**entry) for entry in raw["whisper"]] + [_piper(**entry) for entry in raw["piper"]]
    return {model.name: model for model in found}


@cache
def mirrors() -> dict[Kind, tuple[str, ...]]:
    """Where the files lie, best first."""
    raw = json.loads((Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8"))["mirrors"]
    return {"whisper": tuple(raw["whisper"]), "piper": tuple(raw["piper"])}


def _whisper(name: str, size_mib: int, memory_mib: int | None, cores: int | None, sha1: str) -> Model:
    file = f"ggml-{name}.bin"
    language = "en" if name.endswith(".en") else "any"
    parts = (ModelFile(file, file, size_mib * MIB, "sha1", sha1, rounded=True),)
    return Model("whisper", f"whisper-{name}", language, parts, memory_mib, cores)


def _piper(name: str, size_bytes: int, md5: str, json_bytes: int, json_md5: str) -> Model:
    code, speaker, quality = name.split("-", 2)
    folder = f"{code.partition('_')[0]}/{code}/{speaker}/{quality}"
    parts = (
        ModelFile(f"{name}.onnx", f"{folder}/{name}.onnx", size_bytes, "md5", md5),
        ModelFile(f"{name}.onnx.json", f"{folder}/{name}.onnx.json", json_bytes, "md5", json_md5),
    )
    return Model("piper", name, code.replace("_", "-"), parts)
