"""Speech in as services use it: the choice of the engine, transcripts, limits."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.config import SttConfig
from core.errors import EngineMissing, InvalidParams, LimitExceeded
from core.media.engines import stt_engines, tts_engines
from core.media.stt import SttService, threads_for
from tests.media.callers import PHRASES, call, silence
from tests.media.tiny_whisper import write_model

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def service() -> AsyncIterator[SttService]:
    made = SttService(SttConfig(timeout_s=50.0))
    await made.start()
    yield made
    await made.close()


def test_engines_are_found_by_listing_their_folder() -> None:
    assert {"phrases", "whisper"} <= stt_engines().keys()
    assert "espeak" in tts_engines()


async def test_a_phrase_is_transcribed(service: SttService) -> None:
    await service.prepare(PHRASES, "en")
    found = await service.transcribe(call("what time is it"), 8000, phrases=PHRASES)
    assert (found.text, found.understood, found.engine, found.language) == ("what time is it", True, "phrases", "en")
    assert found.confidence is not None and 0.5 <= found.confidence <= 1
    assert found.took_ms > 0


async def test_noise_is_not_understood(service: SttService) -> None:
    found = await service.transcribe(silence(1.5), 8000, phrases=PHRASES[:3])
    assert (found.text, found.understood, found.confidence) == (None, False, None)


async def test_without_phrases_or_sound_no_worker_is_started(service: SttService) -> None:
    assert not (await service.transcribe(call("yes"), 8000)).understood
    assert not (await service.transcribe(b"", 8000, phrases=PHRASES)).understood
    await service.prepare((), "en")
    assert service.worker_pid is None


async def test_unprepared_phrases_are_made_when_needed(service: SttService) -> None:
    assert (await service.transcribe(call("goodbye"), 8000, phrases=("goodbye", "hello"))).text == "goodbye"


async def test_engine_none_understands_nothing() -> None:
    service = SttService(SttConfig(engine="none"))
    found = await service.transcribe(call("yes"), 8000, phrases=("yes",))
    assert (found.understood, found.engine) == (False, "none")
    assert service.worker_pid is None


async def test_whisper_takes_over_when_its_model_is_there(tmp_path: Path) -> None:
    pytest.importorskip("pywhispercpp")
    path = tmp_path / "model.bin"
    service = SttService(SttConfig(model=str(path)))
    assert service.engine_name == "phrases"
    write_model(path, "anything at all")
    assert service.engine_name == "whisper"
    found = await service.transcribe(call("yes"), 8000, timeout_s=50)
    assert (found.text, found.engine) == ("anything at all", "whisper")
    await service.close()


@pytest.mark.parametrize("prepared", [False, True])
async def test_a_broken_model_does_not_leave_the_phone_deaf(tmp_path: Path, prepared: bool) -> None:
    pytest.importorskip("pywhispercpp")
    (tmp_path / "model.bin").write_bytes(b"garbage" * 1000)
    service = SttService(SttConfig(model=str(tmp_path / "model.bin")))
    if prepared:
        await service.prepare(("yes", "no"), "en")
    found = await service.transcribe(call("yes"), 8000, phrases=("yes", "no"), timeout_s=50)
    assert (found.text, found.engine) == ("yes", "phrases")
    assert service.engine_name == "phrases"
    await service.close()


async def test_whisper_without_a_model_says_what_to_do() -> None:
    service = SttService(SttConfig(engine="whisper", fallback=()))
    with pytest.raises(EngineMissing, match="model"):
        await service.transcribe(call("yes"), 8000)
    with pytest.raises(EngineMissing):
        await service.prepare(("yes",), "en")


async def test_a_language_without_a_voice_is_named_as_the_mistake(service: SttService) -> None:
    with pytest.raises(InvalidParams) as failed:
        await service.transcribe(call("yes"), 8000, language="xx", phrases=("yes",))
    assert failed.value.details["path"] == "language"


@pytest.mark.parametrize(
    ("pcm", "rate_hz", "error"), [(bytes(8000), 44100, InvalidParams), (bytes(2_000_000), 8000, LimitExceeded)]
)
async def test_audio_out_of_bounds_is_refused(
    service: SttService, pcm: bytes, rate_hz: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await service.transcribe(pcm, rate_hz, phrases=("yes",))


async def test_the_configured_threshold_decides() -> None:
    service = SttService(SttConfig(engine="phrases", threshold=-9.0, timeout_s=50.0))
    assert not (await service.transcribe(call("yes"), 8000, phrases=("yes", "no"))).understood
    await service.close()


@pytest.mark.parametrize(
    ("cores", "wanted", "threads"), [(1, None, 1), (1, 4, 1), (2, None, 1), (4, None, 3), (4, 2, 2), (4, 64, 3)]
)
def test_one_core_is_left_to_the_clock(
    monkeypatch: pytest.MonkeyPatch, cores: int, wanted: int | None, threads: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)))
    assert threads_for(wanted) == threads


def test_an_idle_core_holds_no_engine_and_no_numpy() -> None:
    look = "import sys, core.media.stt; print(*{'numpy', 'soxr', 'core.media.engines.whisper'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
