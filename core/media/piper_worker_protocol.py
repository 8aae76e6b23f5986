"""What core and the process of a Piper voice say to each other: msgpack, each message after its length. Pure."""

import struct
from collections.abc import Iterator

import msgspec
from msgspec import Struct

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Some 24 minutes of speech; one clause has seconds."""
_LENGTH = struct.Struct("<I")


class Load(Struct, tag=True, frozen=True, kw_only=True):
    """The first message: the voice that the process is for."""

    model: str
    config: str
    threads: int


class Say(Struct, tag=True, frozen=True, kw_only=True):
    """parts: the clauses of one sentence, answered in turn. length_scale multiplies the voice's own; 2 is half as fast.
    pause_ms: silence after the last."""

    id: int
    parts: tuple[str, ...]
    length_scale: float
    speaker: int | None = None
    pause_ms: int = 0


class Stop(Struct, tag=True, frozen=True, kw_only=True):
    """Nobody waits for `id` any more; its Done must come nevertheless, soon."""

    id: int


class Loaded(Struct, tag=True, frozen=True, kw_only=True):
    """problem: why the voice can't be had; the process ends then."""

    rate_hz: int = 0
    problem: str | None = None


class Chunk(Struct, tag=True, frozen=True, kw_only=True):
    """s16le mono of parts[part]; a part may have several."""

    id: int
    part: int
    pcm: bytes


class Done(Struct, tag=True, frozen=True, kw_only=True):
    """problem: the type of what was raised, which holds no speech."""

    id: int
    problem: str | None = None


ToVoice = Load | Say | Stop
FromVoice = Loaded | Chunk | Done

to_voice = msgspec.msgpack.Decoder(ToVoice)
from_voice = msgspec.msgpack.Decoder(FromVoice)
_encoder = msgspec.msgpack.Encoder()


class BrokenFrame(Exception):
    """A length that no message has: what writes is not the other half of this protocol."""


def frame(message: ToVoice | FromVoice) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Whole messages out of bytes cut anywhere."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._kept += data
        while len(self._kept) >= _LENGTH.size:
            size = int(_LENGTH.unpack_from(self._kept)[0])
            if size > FRAME_BYTES_MAX:
                raise BrokenFrame
            if len(self._kept) < _LENGTH.size + size:
                return
            body = bytes(self._kept[_LENGTH.size : _LENGTH.size + size])
            del self._kept[: _LENGTH.size + size]
            yield body
