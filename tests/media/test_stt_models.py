"""Which whisper model a machine uses."""

import struct
from pathlib import Path

import pytest

from core.config import CallConfig, Config, MediaConfig, SttConfig
from core.media.stt_models import MAGIC, Machine, WhisperModel, choose, models_in, read_model, whisper_model
from tests.media.tiny_whisper import write_model

GB = 1 << 30
STATES = {"tiny": (384, 75), "base": (512, 142), "small": (768, 466), "medium": (1024, 1500), "large-v3": (1280, 2950)}


def model(name: str, *, size_mb: int | None = None) -> WhisperModel:
    state, usual_mb = STATES[name.removesuffix(".en")]
    return WhisperModel(Path(f"ggml-{name}.bin"), (size_mb or usual_mb) << 20, state, not name.endswith(".en"))


ALL = [model(name) for name in STATES]


@pytest.mark.parametrize(
    ("memory_gb", "cores", "name"),
    [
        (0.25, 4, None),
        (1, 2, "tiny"),
        (1, 4, "base"),
        (2, 8, "small"),
        (8, 4, "base"),
        (64, 32, "large-v3"),
        (4, 32, "small"),
    ],
)
def test_the_largest_that_memory_and_cores_allow(memory_gb: float, cores: int, name: str | None) -> None:
    found = choose(ALL, Machine(int(memory_gb * GB), cores), english=False)
    assert (found.path.name if found else None) == (f"ggml-{name}.bin" if name else None)


def test_where_all_are_too_heavy_for_the_cores_the_lightest_is_better_than_none() -> None:
    found = choose([model("small"), model("medium")], Machine(16 * GB, 2), english=False)
    assert found == model("small")


def test_a_model_for_english_alone_is_for_those_who_speak_nothing_else() -> None:
    both = [model("base"), model("base.en")]
    assert choose(both, Machine(8 * GB, 4), english=True) == model("base.en")
    assert choose(both, Machine(8 * GB, 4), english=False) == model("base")
    assert choose([model("base.en")], Machine(8 * GB, 4), english=False) is None


def test_of_two_kinds_of_one_size_the_finer_is_used() -> None:
    assert choose([model("base", size_mb=57), model("base")], Machine(8 * GB, 4), english=False) == model("base")


@pytest.mark.parametrize(
    ("name", "mb"), [("tiny", 273), ("base", 388), ("small", 852), ("medium", 2100), ("large-v3", 3900)]
)
def test_the_memory_is_near_what_whisper_cpp_says_of_its_models(name: str, mb: int) -> None:
    assert abs(model(name).memory_bytes / 1e6 - mb) < mb * 0.12


def test_a_header_is_read_and_anything_else_is_no_model(tmp_path: Path) -> None:
    path = write_model(tmp_path / "ggml-tiny.bin", "hello", state=128)
    found = read_model(path)
    assert found is not None and found.state == 128 and not found.multilingual
    whole = path.read_bytes()
    for content in (whole[:200_000], b"", b"lmgg", b"RIFF" + bytes(100), struct.pack("<I11i", MAGIC, *[0] * 11)):
        path.write_bytes(content)
        assert read_model(path) is None
    assert read_model(tmp_path) is None
    assert read_model(tmp_path / "none.bin") is None


def test_the_folder_is_named_by_the_environment_or_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_model(tmp_path / folder / "ggml-tiny.en.bin", folder)
        write_model(tmp_path / folder / "other.bin", folder)
        (tmp_path / folder / "ggml-base.bin.part").write_bytes(b"half")
    config = Config(media=MediaConfig(models_dir=str(tmp_path / "one")))
    assert whisper_model(config) == tmp_path / "one/ggml-tiny.en.bin"
    monkeypatch.setenv("DIALTONE_MODELS", str(tmp_path / "two"))
    assert whisper_model(config) == tmp_path / "two/ggml-tiny.en.bin"
    assert [found.path.name for found in models_in(tmp_path / "two")] == ["ggml-tiny.en.bin"]
    monkeypatch.setenv("DIALTONE_MODELS", str(tmp_path / "none"))
    assert whisper_model(config) is None


def test_a_model_that_is_named_goes_before_all_and_one_of_another_language_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALTONE_MODELS", str(tmp_path))
    write_model(tmp_path / "ggml-tiny.en.bin", "english only")
    assert whisper_model(Config(stt=SttConfig(model="/models/mine.bin"))) == Path("/models/mine.bin")
    assert whisper_model(Config()) is not None
    assert whisper_model(Config(call=CallConfig(language="de"))) is None
    assert whisper_model(Config(stt=SttConfig(language="auto"))) is None


def test_this_machine_has_memory_and_cores() -> None:
    here = Machine.here()
    assert here.memory_bytes > 100 << 20 and here.cores >= 1
