"""dialtone models: speech models listed, fetched, verified."""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.cli.command import FAILED, OK, UsageError
from clients.cli.output import on_terminal, print_json, print_table
from clients.cli.verbs import add_verb
from clients.models.catalogue import Model, ModelFile, mirrors, models
from clients.models.fetch import FetchFailed, Progress, fetch, look_up
from clients.models.folder import State, models_dir, others, state_of, suggested, verify

DESCRIPTION = """\
Whisper models (speech to text) and Piper voices (text to speech) for the daemon, which takes them up by itself at its
next start: they lie in one folder, DIALTONE_MODELS or [media] models_dir. What is suggested fits this machine's memory
as the models' authors state it; how quick it is here `python -m bench stt` tells.

Example:
  dialtone models list --language de
  dialtone models get whisper-base de_DE-thorsten-low
"""

_VOICE = re.compile(r"[a-z]{2,3}_[A-Z]{2}-[a-z0-9_]+-(x_low|low|medium|high)")


class ModelsCommand:
    help = "speech models: list, fetch, verify"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
        listed = add_verb(verbs, "list", "what there is, and what lies here", "dialtone models list --language ro")
        listed.add_argument("--language", metavar="TAG", help="only models for this language")
        listed.add_argument("--here", action="store_true", help="only models in the folder")
        get = add_verb(
            verbs, "get", "fetch models; goes on where it was broken off", "dialtone models get whisper-base"
        )
        get.add_argument("names", nargs="+", metavar="NAME")
        get.add_argument("--mirror", action="append", metavar="URL", help="instead of the usual place; may be repeated")
        check = add_verb(verbs, "verify", "read models and compare their digests", "dialtone models verify")
        check.add_argument("names", nargs="*", metavar="NAME", help="default: all of the catalogue that lie here")
        path = add_verb(verbs, "path", "where a model lies, or the folder", "dialtone models path whisper-base")
        path.add_argument("name", nargs="?", metavar="NAME")
        for verb in verbs.choices.values():
            verb.add_argument("--dir", metavar="DIR", help="the models folder")

    def run(self, args: argparse.Namespace) -> int:
        folder = models_dir(args.dir)
        match args.verb:
            case "list":
                return _list(args, folder)
            case "get":
                return _get(args, folder)
            case "verify":
                return _verify(args, folder)
            case _:
                return _path(args, folder)


def _list(args: argparse.Namespace, folder: Path) -> int:
    wanted = args.language.lower().replace("_", "-").partition("-")[0] if args.language else None
    chosen = suggested(args.language or "en")
    rows = []
    for model in models().values():
        state = state_of(model, folder)
        if wanted and model.language != "any" and model.language.lower().partition("-")[0] != wanted:
            continue
        if args.here and state is State.ABSENT:
            continue
        rows.append(_row(model, state, model.name in chosen))
    rows += [
        {"name": path.name, "kind": "whisper" if path.suffix == ".bin" else "onnx", "language": None,
         "size_mib": path.stat().st_size >> 20, "state": "own", "suggested": False}
        for path in others(folder)
    ]  # fmt: skip
    if args.json:
        print_json({"dir": str(folder), "models": rows})
        return OK
    columns = ("name", "kind", "language", "size_mib", "state", "suggested")
    print_table(f"Models in {folder}", columns, [[row[name] for name in columns] for row in rows])
    return OK


def _row(model: Model, state: State, chosen: bool) -> dict[str, object]:
    return {
        "name": model.name,
        "kind": model.kind,
        "language": model.language,
        "size_mib": model.size_bytes >> 20,
        "state": state.value,
        "suggested": chosen,
    }


def _get(args: argparse.Namespace, folder: Path) -> int:
    try:
        wanted = [_model(name, args.mirror) for name in args.names]
    except FetchFailed as problem:
        print(f"dialtone models: {problem}", file=sys.stderr)
        return FAILED
    for model in wanted:
        try:
            with _progress(quiet=args.json) as progress:
                asyncio.run(fetch(model, folder, args.mirror or mirrors()[model.kind], progress))
        except FetchFailed as problem:
            print(f"dialtone models: {model.name}: {problem}", file=sys.stderr)
            return FAILED
        except OSError as problem:
            print(f"dialtone models: {problem.filename or folder}: {problem.strerror}", file=sys.stderr)
            return FAILED
    found = [{"name": model.name, "files": [str(folder / file.name) for file in model.files]} for model in wanted]
    if args.json:
        print_json(found)
    else:
        for model in wanted:
            print(f"{model.name}: good, in {folder}")
    return OK


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar for people at a terminal, a line per tenth otherwise."""
    if quiet:
        yield lambda file, have, total: None
        return
    if not (on_terminal() and sys.stderr.isatty()):
        yield _tenths()
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    with Bar(console=Console(stderr=True)) as bar:

        def show(file: ModelFile, have: int, total: int | None) -> None:
            if file.name not in tasks:
                tasks[file.name] = bar.add_task(file.name, total=total)
            bar.update(tasks[file.name], completed=have, total=total)

        yield show


def _tenths() -> Progress:
    told: dict[str, int] = {}

    def show(file: ModelFile, have: int, total: int | None) -> None:
        tenth = have * 10 // (total or file.size_bytes or 1)
        if told.get(file.name) != tenth:
            told[file.name] = tenth
            print(f"{file.name}: {have >> 20} of {(total or file.size_bytes) >> 20} MiB", file=sys.stderr)

    return show


def _verify(args: argparse.Namespace, folder: Path) -> int:
    wanted = [_model(name, remote=False) for name in args.names] or [
        model for model in models().values() if state_of(model, folder) is not State.ABSENT
    ]
    found = {model.name: verify(model, folder) for model in wanted}
    if args.json:
        print_json(found)
    else:
        for name, state in found.items():
            print(f"{name}: {state}")
        if not found:
            print(f"{folder}: no model of the catalogue lies here")
    return OK if all(state is State.GOOD for state in found.values()) else FAILED


def _path(args: argparse.Namespace, folder: Path) -> int:
    if args.name is None:
        print_json({"dir": str(folder)}) if args.json else print(folder)
        return OK
    model = _model(args.name, remote=False)
    paths = [str(folder / file.name) for file in model.files]
    if state_of(model, folder) is not State.PRESENT:
        print(f"dialtone models: {model.name} is not here; dialtone models get {model.name}", file=sys.stderr)
        return FAILED
    print_json({"name": model.name, "files": paths}) if args.json else print(paths[0])
    return OK


def _model(name: str, asked: list[str] | None = None, *, remote: bool = True) -> Model:
    """The model of that name: from the catalogue, else a Piper voice from the mirror's own list."""
    known = models()
    for candidate in (name, f"whisper-{name}"):
        if candidate in known:
            return known[candidate]
    if remote and _VOICE.fullmatch(name):
        found = asyncio.run(look_up(name, asked or mirrors()["piper"]))
        if found is not None:
            return found
    raise UsageError(f"{name}: there is no such model; dialtone models list names them")


COMMAND = ModelsCommand()
