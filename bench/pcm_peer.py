"""The modems that bench/pcm.py talks to: `python -m bench.pcm_peer PORTS SECONDS BURST`, a process of its own.

Makes ptys, prints their paths, waits for a line on stdin, then sends downlink at exactly 8 kHz, BURST frames at a time,
and notes when each uplink frame comes whose first sample, its number, isn't 0. Prints, as JSON, for each port the
deviation in ms of each frame from a grid of exactly 20 ms, and how late this process itself woke.
"""

import contextlib
import json
import os
import pty
import select
import statistics
import struct
import sys
import time
import tty

FRAME_BYTES = 320
FRAME_S = 0.02
NEAR_FRAMES = 12
SETTLE_S = 1.0
"""Left out at the start: processes and phases find their place."""


def main(ports: int, seconds: float, burst: int) -> None:
    pairs = [pty.openpty() for _ in range(ports)]
    for master, slave in pairs:
        tty.setraw(slave)
        os.set_blocking(master, False)
    print(json.dumps([os.ttyname(slave) for _, slave in pairs]), flush=True)
    sys.stdin.readline()
    with contextlib.suppress(OSError, AttributeError):
        # A modem's clock does not wait for the host's other work.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    came, late_ms = _talk([master for master, _ in pairs], seconds, burst)
    print(json.dumps({"deviations_ms": [deviations_ms(frames) for frames in came], "late_ms": late_ms}), flush=True)


def deviations_ms(came: list[tuple[int, float]]) -> list[float]:
    """(number, time) of each frame against a grid of 20 ms. A step left out moves the grid, by a whole step."""
    off_s = [at_s - number * FRAME_S for number, at_s in came]
    if not off_s:
        return []
    middle_s = statistics.median(off_s)
    found = []
    for k, value_s in enumerate(off_s):
        near_s = statistics.median(off_s[max(0, k - NEAR_FRAMES) : k + NEAR_FRAMES + 1])
        grid_s = middle_s + round((near_s - middle_s) / FRAME_S) * FRAME_S
        found.append(round((value_s - grid_s) * 1000, 3))
    return found


def _talk(masters: list[int], seconds: float, burst: int) -> tuple[list[list[tuple[int, float]]], list[float]]:
    came: dict[int, list[tuple[int, float]]] = {master: [] for master in masters}
    late_ms: list[float] = []
    poll = select.poll()
    for master in masters:
        poll.register(master, select.POLLIN)
    start_s, sent = time.monotonic(), 0
    while (now_s := time.monotonic()) < start_s + seconds:
        due_s = start_s + sent * FRAME_S
        if now_s >= due_s:
            late_ms.append((now_s - due_s) * 1000)
            for master in masters:
                with contextlib.suppress(BlockingIOError):
                    os.write(master, bytes(FRAME_BYTES * burst))
            sent += burst
            continue
        for fd, _ in poll.poll((due_s - now_s) * 1000):
            data = os.read(fd, 65536)
            at_s = time.monotonic()
            if at_s >= start_s + SETTLE_S:
                numbers = (struct.unpack_from("<H", data, at)[0] for at in range(0, len(data), FRAME_BYTES))
                came[fd] += [(number, at_s) for number in numbers if number]
    return list(came.values()), late_ms


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
