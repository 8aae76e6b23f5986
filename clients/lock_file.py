"""A file that one process at a time has locked."""

import fcntl
import time

PATIENCE_S = 2.0
"""A process that is killed while it starts a program leaves its locks to that program until it has begun: its next life
must not take that for another one of its kind."""

_GAP_S = 0.02


def lock(descriptor: int) -> bool:
    """Locks the open file, until it is closed (flock(2)). False where another process goes on having it. Blocks."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(_GAP_S)
        else:
            return True
