"""The engine that docs/speech.md shows is one."""

import re
from pathlib import Path

import pytest

from core.config import SttConfig
from core.media.engines import SttEngine, engine_names, stt_engines
from core.media.stt import SttService
from core.media.stt_rests import REST_S
from core.media.stt_trouble import Trouble
from tests.media.callers import call, silence
from tests.media.engine_folder import engine_folder

DOCS = Path(__file__).parents[2] / "docs/speech.md"


async def test_the_example_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    (source,) = [block for block in blocks if "ENGINE = Syllables()" in block]
    with engine_folder(tmp_path, monkeypatch, syllables=source):
        assert isinstance(stt_engines()["syllables"], SttEngine)
        service = SttService(SttConfig(engine="syllables"))
        try:
            found = await service.transcribe(call("goodbye"), 8000)
            assert (found.text, found.engine, found.confidence) == ("2 syllables", "syllables", 1.0)
            assert not (await service.transcribe(silence(1.0), 8000)).understood
        finally:
            await service.close()


def test_every_reason_stands_in_the_docs_and_engines_have_the_names_of_their_files() -> None:
    text = DOCS.read_text()
    table = text[text.index("## When an engine fails") : text.index("## Recordings to words")]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= set(Trouble)
    assert f"for {REST_S[0]:.0f} s at first" in table and REST_S[1] <= 330
    assert stt_engines().keys() <= engine_names()
