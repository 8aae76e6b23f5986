"""The process of an STT engine as its host sees it: started as a fresh interpreter with one socket, and ended."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from core.media.worker_protocol import Open, encode

END_S = 2.0
"""What a worker has to end by itself, and to take or give one message."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running worker, and our end of its socket."""

    process: "subprocess.Popen[bytes]"
    connection: Connection

    @classmethod
    def start(cls, settings: Open) -> "Child":
        ours, theirs = socket.socketpair()
        with theirs:
            # A child that stops in mid-message must not hold this thread for ever: that fails after this long.
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, option, _timeval(END_S))
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "core.media.worker_main", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # libraries print what they like; errors come as messages
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=_environment(settings.threads),
                start_new_session=True,  # no signals from core's terminal
            )
        child = cls(process, Connection(ours.detach()))
        try:
            child.connection.send_bytes(encode(settings))
        except OSError:  # it ended at once; nobody else would ever wait for it
            child.end(gently=False)
            raise
        return child

    def end(self, *, gently: bool) -> int | None:
        """Its exit status, negative for a signal."""
        self.connection.close()
        if gently:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(END_S)
        self.process.kill()
        return self.process.wait()


def _environment(threads: int) -> dict[str, str]:
    """Core's own, with its packages in reach, and numerical libraries held to their threads."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    limits["GGML_NO_BACKTRACE"] = "1"  # a broken model ends in abort(), for which ggml would start a debugger
    return dict(os.environ) | limits | {"PYTHONPATH": os.pathsep.join(paths)}


def _timeval(seconds: float) -> bytes:
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
