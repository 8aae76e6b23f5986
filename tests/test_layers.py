"""The direction of imports, read from the files themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FOUNDATION = {"audio", "bus", "clock", "config", "errors", "espeak", "events", "lazy", "line", "log"}
LEAVES = {"modem", "media", "net", "store", "helper"}
LAYER_OF = dict.fromkeys(FOUNDATION, 0) | dict.fromkeys(LEAVES, 1) | {"rpc": 3, "daemon": 4, "__main__": 5}
SERVICES = 2


def imports_of(path: Path) -> set[str]:
    """Names below core that a file imports when it is run (not those for type checking alone)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if name.split(".")[0] in ("core", "clients", "tests", "bench", "dialtone")}
    return found


def part(module: str) -> str:
    """core.modem.at -> modem."""
    names = module.split(".")
    return names[1] if len(names) > 1 else ""


def layer(module: str) -> int:
    return LAYER_OF.get(part(module), SERVICES)


def wrong_arrows(path: Path) -> list[str]:
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    wrong = []
    for name in imports_of(path):
        if name == "core":
            continue
        same = part(name) == part(own)
        up = layer(name) > layer(own) or (layer(name) == layer(own) == 1 and not same) or name.split(".")[0] != "core"
        daemon = own != "core.__main__" and part(name) == "daemon"
        if (up or daemon) and not same:
            wrong.append(f"{own} imports {name}")
    return wrong


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_core_imports_only_downwards(path: Path) -> None:
    assert wrong_arrows(path) == []


@pytest.mark.parametrize("path", sorted((ROOT / "clients").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_clients_never_import_the_core(path: Path) -> None:
    assert [name for name in imports_of(path) if name.split(".")[0] == "core"] == []


def test_the_sdk_imports_nothing_but_python_and_itself() -> None:
    for path in (ROOT / "clients/python/dialtone").rglob("*.py"):
        assert {name.split(".")[0] for name in imports_of(path)} <= {"dialtone"}, path


def test_the_helper_imports_nothing_else_of_core() -> None:
    for path in (ROOT / "core/helper").rglob("*.py"):
        assert {part(name) for name in imports_of(path)} <= {"helper"}, path


def test_a_wrong_arrow_would_be_seen(tmp_path: Path) -> None:
    wrong = ROOT / "core/modem/at.py"
    tree = ast.parse("from core.store.store import Store")
    assert isinstance(tree.body[0], ast.ImportFrom)
    assert layer("core.store.store") == layer(".".join(wrong.relative_to(ROOT).with_suffix("").parts)) == 1
    assert layer("core.calls") > layer("core.modem.at") and layer("core.rpc.server") > layer("core.calls")
