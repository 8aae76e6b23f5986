"""One process has the lock; what a killed one left behind is waited for."""

import fcntl
import os
from pathlib import Path
from threading import Timer

import pytest

from clients import lock_file
from clients.lock_file import lock


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def test_a_lock_that_another_one_keeps_is_refused_and_what_is_let_go_of_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = opened(tmp_path / "lock"), opened(tmp_path / "lock")
    assert lock(first)
    monkeypatch.setattr(lock_file, "PATIENCE_S", 0.1)
    assert not lock(second)
    monkeypatch.setattr(lock_file, "PATIENCE_S", 30.0)
    ending = Timer(0.2, os.close, [first])
    ending.start()
    assert lock(second)
    ending.join()
    third = opened(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)
    os.close(third)
