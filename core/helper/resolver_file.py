"""/etc/resolv.conf where nobody else cares for it: ours instead of it, and the very file or link that was there, back.

The old one stays beside it under another name, as the same inode, and ours says in its first line whose it is. So even
a power cut, after which nothing below /run is left, leaves no station with the servers of a link that is gone.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from core.helper.refused import Refused, Trouble
from core.helper.state import sync_folder

NAME, KEPT, NEW = "resolv.conf", "resolv.conf.dialtone-kept", "resolv.conf.dialtone-new"
MOST_BYTES = 65536
"""Read and written as Latin-1, in which every byte is a letter: what others wrote stays as it is."""

_FIRST = re.compile(r"# dialtone-helper ([0-9a-f]{16}): (.*)")
_KEPT_WORDS = f"what was here is {KEPT}"
_NONE_WORDS = "there was no file here"


def set_servers(etc: Path, dns: Sequence[str]) -> None:
    """Atomic for readers, but where the file is a mount point (containers): there it is written in place."""
    file, kept = etc / NAME, etc / KEPT
    ours = is_ours(file)
    if ours is None:  # never take ours for what is to be put back
        _keep(file, kept)
    words = _NONE_WORDS if ours == _NONE_WORDS or not os.path.lexists(kept) else _KEPT_WORDS
    text = _text(dns, kept, words)
    try:
        _replace(file, etc / NEW, text)
        sync_folder(etc)
    except OSError as problem:
        raise Refused(Trouble.REFUSED, f"{file}: {problem.strerror}") from None


def put_back(etc: Path) -> bool:
    """Whether there was something to put back. Somebody else's file, written meanwhile, stays."""
    file, kept = etc / NAME, etc / KEPT
    ours = is_ours(file)
    if ours is None and not os.path.lexists(kept) and not os.path.lexists(etc / NEW):
        return False  # also where /etc is read-only
    try:
        if ours is not None and os.path.lexists(kept):
            _move(kept, file)
        elif ours == _NONE_WORDS:
            file.unlink()
        else:
            kept.unlink(missing_ok=True)
        (etc / NEW).unlink(missing_ok=True)
        sync_folder(etc)
    except OSError as problem:
        raise Refused(Trouble.REFUSED, f"{file}: {problem.strerror}") from None
    return ours is not None


def is_ours(file: Path) -> str | None:
    """What our first line says of the file before, if it is ours to the last byte; else None. A link is never ours."""
    text = "" if file.is_symlink() else _read(file)
    first, _, rest = text.partition("\n")
    found = _FIRST.fullmatch(first)
    return found[2] if found and found[1] == _digest(found[2], rest) else None


def _keep(file: Path, kept: Path) -> None:
    try:
        kept.unlink(missing_ok=True)
        if not os.path.lexists(file):
            return
        try:
            os.link(file, kept, follow_symlinks=False)
        except OSError as problem:
            if problem.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            shutil.copy2(file, kept, follow_symlinks=False)
        sync_folder(kept.parent)
    except OSError as problem:
        raise Refused(Trouble.REFUSED, f"{file} can't be kept: {problem.strerror}") from None


def _text(dns: Sequence[str], kept: Path, words: str) -> str:
    lines = [f"nameserver {each}" for each in dns]
    lines += [line for line in _read(kept).splitlines() if re.match(r"(search|domain|options)\s", line)]
    rest = "\n".join(lines) + "\n"
    return f"# dialtone-helper {_digest(words, rest)}: {words}\n{rest}"


def _digest(words: str, rest: str) -> str:
    return hashlib.sha256(f"{words}\n{rest}".encode("latin-1")).hexdigest()[:16]


def _replace(file: Path, new: Path, text: str) -> None:
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "w", encoding="latin-1") as out:
        os.fchmod(descriptor, 0o644)  # the umask of the service is 0077, and everybody reads this
        out.write(text)
        out.flush()
        os.fsync(descriptor)
    _move(new, file)


def _move(new: Path, file: Path) -> None:
    try:
        os.rename(new, file)
    except OSError as problem:
        if problem.errno != errno.EBUSY:
            raise
        with file.open("w", encoding="latin-1") as out:
            out.write(_read(new))
        new.unlink()


def _read(file: Path) -> str:
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return opened.read(MOST_BYTES).decode("latin-1")
    return ""
