"""rsync(1): its words for the two passes of the audio library, its figures and its exit codes. Pure."""

import re
from dataclasses import dataclass

from clients.station.settings import AudioLibrary

CONNECTING = (5, 10, 12, 30, 35, 255)
"""Exit codes for a source that can't be reached or broke off; 255 is ssh's."""
MEANINGS = {
    1: "a wrong option or path",
    2: "the two sides speak different versions",
    3: "a file or directory of the source can't be chosen",
    5: "the source refused the connection",
    10: "the source is not reached",
    11: "a file could not be read or written",
    12: "the connection broke off",
    13: "a diagnosis failed",
    14: "no connection between processes",
    20: "stopped by a signal",
    23: "some files could not be copied",
    24: "some files went away while they were copied",
    25: "more deletions than are allowed",
    30: "no data came for too long",
    35: "the source did not answer in time",
    127: "the program on the other side is not there",
    255: "ssh could not connect",
}
"""rsync(1), EXIT VALUES."""
_FIGURES = {
    "files": re.compile(r"Number of regular files transferred: ([0-9,.]+)"),
    "deleted": re.compile(r"Number of deleted files: ([0-9,.]+)"),
    "size_bytes": re.compile(r"Total transferred file size: ([0-9,.]+)"),
}


@dataclass(frozen=True, slots=True)
class Figures:
    files: int = 0
    deleted: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.files + other.files, self.deleted + other.deleted, self.size_bytes + other.size_bytes)


def passes(library: AudioLibrary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All but the mirrored directories, without deletions; then the mirrored ones as exact copies.

    The second pass goes into every directory and takes nothing but what lies in those of that name; what it does not
    take it does not delete, either. No owners, devices, or links that lead out of the library.
    """
    source = (library.source or "").rstrip("/") + "/"  # with its /: the contents, not a directory of that name
    always: tuple[str, ...] = (
        "rsync", "--archive", "--no-owner", "--no-group", "--no-devices", "--no-specials", "--safe-links",
        "--delay-updates", "--stats", f"--timeout={library.idle_timeout_s}",
    )  # fmt: skip
    if library.password_file is not None:
        always += (f"--password-file={library.password_file}",)
    ends = ("--", source, f"{library.dest.rstrip('/')}/")
    mirror = library.mirror
    return (
        (*always, f"--exclude={mirror}/", *ends),
        (*always, "--delete", "--include=*/", f"--include={mirror}/***", "--exclude=*",
         *ends),
    )  # fmt: skip


def figures(out: str) -> Figures:
    """Of --stats; what is not there counts as 0 (rsync before 3.1 tells no deletions)."""
    found = {name: _whole(pattern.search(out)) for name, pattern in _FIGURES.items()}
    return Figures(**found)


def meaning(code: int) -> str:
    return MEANINGS.get(code, f"rsync ended with {code}")


def _whole(match: re.Match[str] | None) -> int:
    digits = re.sub("[,.]", "", match[1]) if match is not None else ""
    return int(digits or 0)
