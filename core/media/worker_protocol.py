"""What core and a speech worker say to each other: msgpack over a socket pair, one message at a time in flight."""

import msgspec
from msgspec import Struct


class Open(Struct, tag=True, frozen=True, kw_only=True):
    """The first message: which STT engine the worker is for. memory_bytes: the most address space it may have."""

    engine: str
    model: str | None
    threads: int
    threshold: float | None
    memory_bytes: int | None = None


class Prepare(Struct, tag=True, frozen=True, kw_only=True):
    id: int
    phrases: tuple[str, ...]
    language: str


class Transcribe(Struct, tag=True, frozen=True, kw_only=True):
    """pcm: s16le mono."""

    id: int
    pcm: bytes
    rate_hz: int
    language: str
    phrases: tuple[str, ...]


class Stop(Struct, tag=True, frozen=True, kw_only=True):
    """Nobody waits for the answer to `id` any more; it must come nevertheless, soon."""

    id: int


class Part(Struct, frozen=True, kw_only=True):
    """core.media.engines.Stretch on its way."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None


class Opened(Struct, tag=True, frozen=True, kw_only=True):
    """problem: why the engine can't be had; the worker ends then. no_memory: that is why."""

    problem: str | None = None
    no_memory: bool = False


class Done(Struct, tag=True, frozen=True, kw_only=True):
    """failed: the engine raised; the type of what it raised, which holds no speech."""

    id: int
    text: str | None = None
    confidence: float | None = None
    language: str | None = None
    parts: tuple[Part, ...] = ()
    failed: str | None = None


ToWorker = Open | Prepare | Transcribe | Stop
FromWorker = Opened | Done

to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
encode = msgspec.msgpack.Encoder().encode
