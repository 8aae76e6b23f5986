"""The frame of the benchmarks: finds them by their folder, keeps them apart, and shows what broke."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.__main__ import benches
from bench.figures import percentile

ROOT = Path(__file__).parent.parent

GOOD = """
from bench.figures import Figure
async def run(quick: bool) -> list[Figure]:
    return [Figure("speed", 12.5 if quick else 1.0, "/s", ">= 10 /s", quick, {"rounds": 3})]
"""
BROKEN = """
from bench.figures import Figure
async def run(quick: bool) -> list[Figure]:
    raise ExceptionGroup("of a task group", [RuntimeError("the engine fell out")])
"""
UNCLEAN = """
import subprocess, sys
from pathlib import Path
from bench.figures import Figure
async def run(quick: bool) -> list[Figure]:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("left.pid").write_text(str(left.pid))
    return []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The frame alone, with benchmarks of the test's own."""
    (tmp_path / "bench").mkdir()
    for name in ("__init__.py", "__main__.py", "figures.py"):
        shutil.copy(ROOT / "bench" / name, tmp_path / "bench")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=folder, env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": ""}, capture_output=True, text=True, timeout=50,
    )  # fmt: skip


def test_modules_with_an_async_run_are_benchmarks_and_others_are_not() -> None:
    found = benches()
    assert "store" in found
    assert not {"figures", "__main__", "__init__"} & set(found)


def test_figures_stand_beside_their_targets_on_paper_and_in_json(folder: Path) -> None:
    (folder / "bench" / "good.py").write_text(GOOD)
    done = run(folder, "--quick", "--json", "out/bench.json")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "speed" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "good", "speed", "12.5 /s", ">= 10 /s", "yes", "rounds 3",
    ]  # fmt: skip
    report = json.loads((folder / "out" / "bench.json").read_text())
    assert report["outcomes"] == [
        {
            "bench": "good",
            "figures": [
                {
                    "name": "speed",
                    "value": 12.5,
                    "unit": "/s",
                    "target": ">= 10 /s",
                    "ok": True,
                    "detail": {"rounds": 3},
                }
            ],
            "error": None,
        }
    ]
    assert report["quick"] is True
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert report["at"].endswith("Z")


def test_a_missed_target_is_shown_and_is_no_failure(folder: Path) -> None:
    (folder / "bench" / "good.py").write_text(GOOD)
    done = run(folder)
    assert done.returncode == 0
    assert " no " in next(line for line in done.stdout.splitlines() if "speed" in line)


def test_a_benchmark_that_breaks_prints_its_error_and_leaves_the_others_alone(folder: Path) -> None:
    (folder / "bench" / "a_broken.py").write_text(BROKEN)
    (folder / "bench" / "good.py").write_text(GOOD)
    done = run(folder)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "the engine fell out" in next(line for line in done.stdout.splitlines() if "a_broken" in line)
    assert "speed" in done.stdout


def test_only_the_named_ones_run_and_an_unknown_name_is_an_error(folder: Path) -> None:
    (folder / "bench" / "a_broken.py").write_text(BROKEN)
    (folder / "bench" / "good.py").write_text(GOOD)
    assert run(folder, "good").returncode == 0
    unknown = run(folder, "fast")
    assert unknown.returncode == 2
    assert "a_broken, good" in unknown.stderr


def test_processes_that_a_benchmark_leaves_behind_are_ended(folder: Path) -> None:
    (folder / "bench" / "unclean.py").write_text(UNCLEAN)
    assert run(folder).returncode == 0
    pid = int((folder / "left.pid").read_text())
    until_s = time.monotonic() + 20
    while runs(pid):  # killed, and for a moment still there
        assert time.monotonic() < until_s
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 2.0), (75, 3.0), (95, 4.0), (100, 4.0)])
def test_percentiles_are_of_the_nearest_rank(percent: float, value: float) -> None:
    assert percentile([3.0, 1.0, 4.0, 2.0], percent) == value


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)
