"""The process of a Piper voice as the operating system has it: how it is started, and what it is given."""

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from core.media.piper_worker_protocol import Frames, Load

END_S = 2.0
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH")
"""Of core's, which may hold keys of speech services."""


@dataclass(slots=True, eq=False)
class Child:
    process: "subprocess.Popen[bytes]"
    connection: socket.socket
    frames: Frames = field(default_factory=Frames)
    loaded: bool = False

    @classmethod
    def start(cls, settings: Load) -> "Child":
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "core.media.piper_worker_main",
                        str(theirs.fileno()),
                        str(os.getpid()),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # libraries print what they like, phonemes of callers' names among it
                    pass_fds=(theirs.fileno(),),
                    env=_environment(settings.threads),
                    start_new_session=True,  # no signals from core's terminal
                )
        except BaseException:
            ours.close()
            raise
        ours.setblocking(False)
        return cls(process, ours)


def _environment(threads: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    root = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [kept.get("PYTHONPATH")])])
    return kept | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))


def wait_for(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
