"""The AT traffic of all ports as a file of transcript lines, when --transcript asks for it."""

from pathlib import Path
from typing import TextIO


class Transcript:
    """`if03 < '\\r\\nOK\\r\\n'`: port, direction (`<` modem to host), bytes as Python writes them."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = path.open("a", encoding="utf-8", buffering=1) if path else None

    def write(self, interface: int, direction: str, data: bytes) -> None:
        if self._file is not None:
            self._file.write(f"if{interface:02d} {direction} {data.decode('latin-1')!r}\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
