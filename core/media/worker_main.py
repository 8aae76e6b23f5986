"""The worker process of one STT engine: `python -m core.media.worker_main <fd> <pid of core>`.

It is started by core.media.workers alone, with one socket open and nothing else. It ends when that socket does, and
when core dies.
"""

import contextlib
import ctypes
import os
import queue
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from core.media.engines import Recogniser, stt_engines
from core.media.worker_protocol import Done, Open, Opened, Part, Prepare, Stop, Transcribe, encode, to_worker

NICENESS = 10
"""A tenth of the weight of the core, for whose event loop the voice waits when that holds the interpreter. With 5, and
other programs beside it, single frames came tens of milliseconds late more often (bench stt)."""
OOM_SCORE = 500
"""Where memory runs out the kernel takes the recogniser, which comes back, and not the core with its calls."""
_PR_SET_PDEATHSIG = 1


def main(fd: int, parent_pid: int) -> None:
    """Serves until the socket ends."""
    _die_with(parent_pid)
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for core, which then ends its workers
    with Connection(fd) as connection:
        first = to_worker.decode(connection.recv_bytes())
        if not isinstance(first, Open):
            return
        try:
            _bound_memory(first.memory_bytes)
            recogniser = stt_engines()[first.engine].open(first.model, first.threads, first.threshold)
        except Exception as problem:  # whatever a model file or a missing library comes up with
            text = f"{type(problem).__name__}: {problem}"[:300]
            connection.send_bytes(encode(Opened(problem=text, no_memory=isinstance(problem, MemoryError))))
            return
        connection.send_bytes(encode(Opened()))
        _serve(connection, recogniser)


def _serve(connection: Connection, recogniser: Recogniser) -> None:
    """Jobs in this thread, messages in another: a Stop must arrive while the engine computes."""
    jobs: queue.Queue[Prepare | Transcribe] = queue.Queue()  # core has one in flight, so at most one waits here
    stopped: set[int] = set()

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = to_worker.decode(connection.recv_bytes())
                if isinstance(message, Stop):
                    stopped.add(message.id)
                elif not isinstance(message, Open):
                    jobs.put(message)
        os._exit(0)  # core has closed the socket or is gone; the engine may be deep in a computation

    threading.Thread(target=read, name="read", daemon=True).start()
    while True:
        job = jobs.get()
        done = _run(recogniser, job, stopped)
        stopped.discard(job.id)
        with contextlib.suppress(OSError):
            connection.send_bytes(encode(done))


def _run(recogniser: Recogniser, job: Prepare | Transcribe, stopped: set[int]) -> Done:
    def unwanted() -> bool:
        return job.id in stopped

    try:
        if isinstance(job, Prepare):
            recogniser.prepare(job.phrases, job.language, unwanted)
            return Done(id=job.id)
        heard = recogniser.transcribe(job.pcm, job.rate_hz, job.language, job.phrases, unwanted)
        parts = tuple(
            Part(text=part.text, start_ms=part.start_ms, end_ms=part.end_ms, confidence=part.confidence)
            for part in heard.stretches
        )
        return Done(id=job.id, text=heard.text, confidence=heard.confidence, language=heard.language, parts=parts)
    except Exception as problem:  # one utterance's failure is reported; the next may go well
        return Done(id=job.id, failed=type(problem).__name__)


def _bound_memory(memory_bytes: int | None) -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _die_with(parent_pid: int) -> None:
    """SIGKILL when the thread that started this process ends, prctl(2); the socket's end covers what this misses."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
