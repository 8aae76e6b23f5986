"""tools/second-try: what CI's last word on a test is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).parents[1]
TESTS = """
from pathlib import Path
import pytest
def test_good(): pass
def test_unlucky():
    seen = Path(__file__).with_name("seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError("the machine was busy")
@pytest.mark.parametrize("number", range(BROKEN))
def test_broken(number): raise AssertionError("broken")
"""


def tried(folder: Path, broken: int) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_some.py").write_text(TESTS.replace("BROKEN", str(broken)))
    return second_try(folder, "-q", "-n", "2", "--dist", "worksteal")


def second_try(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tools/second-try"), sys.executable, "-m", "pytest", "-p", "xdist", *options]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = ours | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # it starts sooner
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=170, check=False)


def test_what_passes_alone_passes_and_is_named(tmp_path: Path) -> None:
    done = tried(tmp_path, broken=0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 failed" in done.stdout and "the machine was busy" in done.stdout  # the first run is not hidden
    assert done.stdout.rstrip().endswith("wants mending: ========\ntest_some.py::test_unlucky")


@pytest.mark.parametrize("broken", [1, 9])
def test_what_fails_twice_or_in_numbers_fails(tmp_path: Path, broken: int) -> None:
    done = tried(tmp_path, broken=broken)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "wants mending" not in done.stdout
    assert ("no second try" in done.stdout) == (broken == 9)


def test_what_is_no_failed_test_has_no_second_try(tmp_path: Path) -> None:
    tried(tmp_path, broken=1)  # leaves a list of failures
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "test_some.py").unlink()
    done = second_try(tmp_path)
    assert done.returncode == 4 and "second try" not in done.stdout
