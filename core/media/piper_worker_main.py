"""The process of one Piper voice: `python -m core.media.piper_worker_main <fd> <pid of core>`.

It is started by core.media.piper_worker alone, with one socket open and nothing else. It ends when that socket does,
and when core dies. The voice stays loaded: that takes seconds on a small computer, a clause takes a fraction of one.
"""

import contextlib
import ctypes
import json
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.audio import SAMPLE_BYTES
from core.media.piper_worker_protocol import Chunk, Done, Frames, FromVoice, Load, Loaded, Say, Stop, frame, to_voice

if TYPE_CHECKING:
    import onnxruntime

NICENESS = 5
OOM_SCORE = "600"
"""Of 1000: where memory runs out, the kernel takes this process before the one that holds the calls."""
VOLUME = 0.9
"""Piper scales each chunk to full scale; resampling overshoots that by up to a tenth."""
RATES_HZ = (4000, 192_000)
DOWNLOADS = "pinyin"
"""Phonemes for which piper-tts would fetch a model from the internet, in the middle of a call."""
_PR_SET_PDEATHSIG = 1


def main(fd: int, parent_pid: int) -> None:
    """Serves until the socket ends."""
    _die_with(parent_pid)
    os.nice(NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for core, which then ends its workers
    connection = socket.socket(fileno=fd)
    messages = _messages(connection)
    first = next(messages, None)
    if not isinstance(first, Load):
        return
    try:
        mouth = _Mouth(first)
    except Exception as problem:  # whatever a model file or a missing library comes up with
        connection.sendall(frame(Loaded(problem=f"{type(problem).__name__}: {problem}"[:300])))
        return
    connection.sendall(frame(Loaded(rate_hz=mouth.rate_hz)))
    _serve(connection, messages, mouth)


def _serve(connection: socket.socket, messages: "Iterator[Load | Say | Stop]", mouth: "_Mouth") -> None:
    """Sentences in this thread, messages in another: a Stop must arrive while the voice computes."""
    sentences: queue.Queue[Say] = queue.Queue()  # core has one in flight, so at most one waits here

    def read() -> None:
        with contextlib.suppress(Exception):
            for message in messages:
                if isinstance(message, Stop):
                    mouth.stop(message.id)
                elif isinstance(message, Say):
                    sentences.put(message)
        os._exit(0)  # core has closed the socket or is gone; the voice may be deep in a computation

    threading.Thread(target=read, name="read", daemon=True).start()
    while True:
        say = sentences.get()
        problem: str | None = None
        try:
            for message in mouth.say(say):
                connection.sendall(frame(message))
        except OSError:
            os._exit(0)
        except Exception as raised:  # one sentence's failure is reported; the next may go well
            problem = type(raised).__name__
        if mouth.is_stopped(say.id):  # asked after each, or the numbers of all that were stopped would be kept
            problem = None
        with contextlib.suppress(OSError):
            connection.sendall(frame(Done(id=say.id, problem=problem)))


class _Mouth:
    """A voice in memory."""

    def __init__(self, load: Load) -> None:
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig

        described = json.loads(Path(load.config).read_text(encoding="utf-8"))
        config = PiperConfig.from_dict(described)
        if config.phoneme_type.value == DOWNLOADS:
            raise ValueError("this voice needs a further model that piper-tts would download")
        if not isinstance(config.sample_rate, int) or not RATES_HZ[0] <= config.sample_rate <= RATES_HZ[1]:
            raise ValueError("audio.sample_rate is no rate in Hz")
        # PiperVoice.load has no say in the number of threads, and onnxruntime would take every core.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = load.threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads would burn a core
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(load.model, sess_options=options, providers=["CPUExecutionProvider"])
        self._session = _Session(session, self._unwanted)
        self._voice = PiperVoice(session=self._session, config=config, download_dir=Path("/nonexistent"))
        self._scale = float(config.length_scale)
        self._stopped: set[int] = set()
        self._saying = 0
        self.rate_hz: int = config.sample_rate
        # The first run is the slowest, and tells whether the file is a voice at all.
        list(self.say(Say(id=0, parts=("a",), length_scale=1.0)))

    def say(self, say: Say) -> Iterator[FromVoice]:
        from piper.config import SynthesisConfig

        self._saying = say.id
        settings = SynthesisConfig(speaker_id=say.speaker, length_scale=self._scale * say.length_scale, volume=VOLUME)
        for place, part in enumerate(say.parts):
            for chunk in self._voice.synthesize(part, settings):
                if self._unwanted():
                    return
                if pcm := chunk.audio_int16_bytes:
                    yield Chunk(id=say.id, part=place, pcm=pcm)
        if say.pause_ms:
            pause = bytes(self.rate_hz * say.pause_ms // 1000 * SAMPLE_BYTES)
            yield Chunk(id=say.id, part=len(say.parts) - 1, pcm=pause)

    def stop(self, number: int) -> None:
        """From the reading thread."""
        self._stopped.add(number)
        self._session.stop()

    def _unwanted(self) -> bool:
        return self._saying in self._stopped

    def is_stopped(self, number: int) -> bool:
        """Asked once a sentence has ended; later ones begin anew."""
        stopped = number in self._stopped
        self._stopped = {later for later in self._stopped if later > number}
        return stopped


class _Session:
    """onnxruntime's session as piper calls it, but one that can be stopped between two of its operators."""

    def __init__(self, session: "onnxruntime.InferenceSession", unwanted: Callable[[], bool]) -> None:
        self._session, self._unwanted = session, unwanted
        self._running: Any = None

    def run(self, outputs: Any, inputs: Any) -> Any:
        import onnxruntime

        options = self._running = onnxruntime.RunOptions()
        if self._unwanted():  # told before this run was there to be stopped
            options.terminate = True
        try:
            return self._session.run(outputs, inputs, options)
        finally:
            self._running = None

    def stop(self) -> None:
        running = self._running
        if running is not None:
            running.terminate = True


def _messages(connection: socket.socket) -> "Iterator[Load | Say | Stop]":
    frames = Frames()
    while data := connection.recv(65536):
        for body in frames.feed(data):
            yield to_voice.decode(body)


def _die_with(parent_pid: int) -> None:
    """SIGKILL when the thread that started this process ends, prctl(2); the socket's end covers what this misses."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
