"""What an emulated modem was sent: its --transcript as command lines in their order."""

import ast
from collections.abc import Sequence
from pathlib import Path


class Heard:
    """`options` go to the emulator; `commands` are the lines that came on any port, or on one ("if02")."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "heard.txt"

    @property
    def options(self) -> Sequence[str]:
        return ("--transcript", str(self._path))

    def commands(self, port: str | None = None) -> list[str]:
        found: list[str] = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            link, direction, text = line.split(" ", 2)
            if direction == ">" and port in (None, link):
                found += [part for part in ast.literal_eval(text).split("\r") if part.strip("\x1b")]
        return found

    @property
    def text(self) -> str:
        """The transcript as it is, both directions."""
        return self._path.read_text(encoding="utf-8")

    def forget(self) -> None:
        self._path.write_text("", encoding="utf-8")

    def of(self, start: str) -> list[str]:
        """The commands that begin so."""
        return [command for command in self.commands() if command.startswith(start)]
