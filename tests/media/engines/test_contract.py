"""The contract of TTS engines, kept by each of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.media.engines import tts_engines
from tests.media.engines.contract import EngineContract, Subject, seconds
from tests.media.engines.subjects import NAMES, SERVICES, subject_of


@pytest.fixture(params=NAMES)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    if request.param == "piper":
        pytest.importorskip("piper", reason="the extra 'piper' is not installed")
    async with subject_of(request.param, tmp_path) as made:
        yield made


class TestEngines(EngineContract):
    pass


def test_every_engine_that_there_is_keeps_the_contract() -> None:
    assert set(tts_engines()) == set(NAMES)


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("chunk_bytes", [1, 3, 777])
async def test_audio_cut_anywhere_is_the_same_audio(name: str, chunk_bytes: int, tmp_path: Path) -> None:
    async with subject_of(name, tmp_path) as subject:
        assert subject.service is not None
        whole = b"".join(piece.pcm for piece in await subject.said("Yes."))
        subject.service.mood.chunk_bytes = chunk_bytes
        pieces = await subject.said("Yes.")
        assert b"".join(piece.pcm for piece in pieces) == whole
        assert seconds(pieces) > 0.2
