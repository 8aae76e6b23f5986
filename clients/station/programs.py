"""Programs of others, run as such: words, no shell, a deadline, bounded output."""

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUTPUT_BYTES = 16 * 1024 * 1024
"""Of both streams together; a program that says more is ended."""


class ProgramMissing(Exception):
    """It is not installed."""


class ProgramTooSlow(Exception):
    """It took longer than it may, or said more than anybody reads. It is gone."""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def last_words(self) -> str:
        """The last line of what it complained of."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return lines[-1][:300] if lines else f"it ended with {self.code}"


def run(words: Sequence[str], timeout_s: float, env: Mapping[str, str] | None = None) -> Ran:
    """To its end, in English. ProgramMissing, ProgramTooSlow."""
    surroundings = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "dumb", "PAGER": "cat"} | dict(env or {})
    pipe = subprocess.PIPE
    try:
        # In our own process group: whoever ends us, a terminal or the HTTP service, ends it with us.
        child = subprocess.Popen(list(words), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=surroundings)
    except (FileNotFoundError, PermissionError):
        raise ProgramMissing(f"{words[0]} is not installed") from None
    with child:
        try:
            out, err = _read(child, time.monotonic() + timeout_s)
            return Ran(child.wait(), out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
        finally:
            child.kill()  # nothing where it has ended


def _read(child: "subprocess.Popen[bytes]", until_s: float) -> tuple[bytes, bytes]:
    assert child.stdout is not None and child.stderr is not None
    kept = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as reading:
        for stream in kept:
            reading.register(stream, selectors.EVENT_READ)
        while reading.get_map():
            left_s = until_s - time.monotonic()
            if left_s <= 0 or sum(map(len, kept.values())) > OUTPUT_BYTES:
                raise ProgramTooSlow
            for ready, _ in reading.select(left_s):
                stream = child.stdout if ready.fileobj is child.stdout else child.stderr
                if data := os.read(stream.fileno(), 65536):
                    kept[stream] += data
                else:
                    reading.unregister(stream)
    return bytes(kept[child.stdout]), bytes(kept[child.stderr])
