"""The files that are kept of calls, by their names: which call each belongs to and what it is."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TIMING_DIR = "timing_analysis"
LATEST = "latest.json"
UNFINISHED = ".part"
"""What is being written has this behind its name."""


class FileKind(StrEnum):
    """What a file holds; all but recording are names of the station that this one replaces."""

    RECORDING = "recording"
    INCOMING = "incoming_raw"
    OUTGOING = "outgoing_tts"
    CHUNK = "vad_chunk"
    CHUNK_TEXT = "vad_chunk_text"
    TRANSCRIPTION = "transcription"
    TIMING = "timing"


_CALL = r"(?P<call>call_\d{1,12}_[a-z2-7]{4})"
_NAMES: dict[FileKind, re.Pattern[str]] = {
    FileKind.RECORDING: re.compile(rf"{_CALL}(?:\.(?P<part>\d{{1,6}}))?\.(?:wav|ogg)"),
    FileKind.INCOMING: re.compile(rf"{_CALL}_incoming_raw_\d+\.ogg"),
    FileKind.OUTGOING: re.compile(rf"{_CALL}_outgoing_tts_\d+\.ogg"),
    FileKind.CHUNK: re.compile(rf"{_CALL}_vad_chunk_\d+_\d+\.ogg"),
    FileKind.CHUNK_TEXT: re.compile(rf"{_CALL}_vad_chunk_\d+_\d+\.wav\.txt"),
    FileKind.TRANSCRIPTION: re.compile(rf"{_CALL}_transcription\.txt"),
    FileKind.TIMING: re.compile(rf"{_CALL}\.json"),
}


@dataclass(frozen=True, slots=True)
class CallFile:
    """One file. name: relative to the recordings' folder. part: of a recording, from 1. modified_s: since 1970."""

    call_id: str
    kind: FileKind
    name: str
    path: Path
    bytes: int
    modified_s: float
    part: int = 1

    @property
    def format(self) -> str:
        return self.path.suffix.removeprefix(".")


def files_in(directory: Path) -> list[CallFile]:
    """All files of calls there, by name; other people's files are not looked at. Blocking."""
    return sorted((*_scan(directory, ""), *_scan(directory / TIMING_DIR, f"{TIMING_DIR}/")), key=lambda file: file.name)


def unfinished_in(directory: Path) -> list[Path]:
    """What a crash left half written. Blocking."""
    found = []
    for folder in (directory, directory / TIMING_DIR):
        with suppress(OSError):
            found += [path for path in folder.iterdir() if path.suffix == UNFINISHED]
    return [path for path in found if path.stem == LATEST or _named(path.stem) is not None]


def owner(name: str) -> str | None:
    """The call that a file of this name belongs to; None for other people's files."""
    found = _named(name)
    return found[1]["call"] if found is not None else None


def write_whole(path: Path, data: bytes) -> None:
    """A small file (0600) that appears under its name when it is complete. OSError. Blocking."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + UNFINISHED)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
        os.rename(part, path)
    finally:
        part.unlink(missing_ok=True)


def _scan(directory: Path, prefix: str) -> Iterator[CallFile]:
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        found = _named(entry.name)
        if found is None or (found[0] is FileKind.TIMING) != bool(prefix):
            continue
        try:
            if not entry.is_file(follow_symlinks=False):
                continue
            stat = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        kind, match = found
        part = int(match.groupdict().get("part") or 1)
        yield CallFile(match["call"], kind, prefix + entry.name, Path(entry.path), stat.st_size, stat.st_mtime, part)


def _named(name: str) -> tuple[FileKind, re.Match[str]] | None:
    for kind, pattern in _NAMES.items():
        if match := pattern.fullmatch(name):
            return kind, match
    return None
