"""Engines of a test's own: files in a folder that core and workers look into, as DIALTONE_ENGINES has it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.media import engines

BODY = """
import os, signal, time
from core.media.engines import Heard

class Engine:
    kind, name, needs_phrases, window_s = "stt", "{name}", False, None
    def available(self, model): return None
    def knows(self, language, model): return language != "xx"
    def open(self, model, threads, threshold): return Engine()
    def prepare(self, phrases, language, stopped): pass
    def transcribe(self, pcm, rate_hz, language, phrases, stopped):
        {does}

ENGINE = Engine()
"""
DOES = {
    "deaf": "return Heard(None)",
    "fine": "return Heard('fine', 0.9, language)",
    "raises": "raise ValueError('a word of the caller')",
    "crashes": "os.kill(os.getpid(), signal.SIGSEGV)",
    "hangs": "time.sleep(600)",
    "slow": "time.sleep(0.3); return Heard('slow')",
    "starves": "return Heard(str(len(bytearray(1 << 33))))",
    "counts": "return Heard(f'{len(pcm) * 500 // rate_hz} ms')",
}


def write_engines(folder: Path, **sources: str) -> None:
    """Those of DOES, and others by name."""
    for name, does in DOES.items():
        (folder / f"{name}.py").write_text(BODY.format(name=name, does=does))
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


@contextmanager
def engine_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, **sources: str) -> Iterator[None]:
    """They are there in this process and in workers that it starts."""
    write_engines(folder, **sources)
    monkeypatch.setenv("DIALTONE_ENGINES", str(folder))
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(folder)])
    engines._engines.cache_clear()
    try:
        yield
    finally:
        engines._engines.cache_clear()
        for name in (*DOES, *sources):
            sys.modules.pop(f"{engines.__name__}.{name}", None)
            if hasattr(engines, name):
                delattr(engines, name)
