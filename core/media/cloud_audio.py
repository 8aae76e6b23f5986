"""Audio as speech services send it, to s16le mono: raw PCM in any pieces, WAV in any pieces, whole files. No I/O.

WAV: Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), "Waveform Audio File
Format". Services that stream WAV write sizes of 0 or 0xFFFFFFFF, since they don't know them yet.
"""

import struct
from io import BytesIO

from core.audio import SAMPLE_BYTES

PCM_FORMAT, EXTENSIBLE_FORMAT = 1, 0xFFFE
HEADER_BYTES_MAX = 64 * 1024
"""Of chunks before the audio; more is no speech."""
RATES_HZ = (4000, 192_000)
CHANNELS_MAX = 8
_BLOCK_FRAMES = 8192
_UNKNOWN_BYTES = (0, 0xFFFFFFFF)


class NotAudio(Exception):
    """What came is not the audio that was asked for. The text says what it is instead, without its content."""


class PcmStream:
    """Whole samples out of pieces cut anywhere. A WAV header in front is taken off, and its rate counts.

    rate_hz is certain once the first samples came out. `odd`: half a sample was left at the end.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._head: bytearray | None = bytearray()
        self._rest = bytearray()
        self._data_left: int | None = None
        self._declared = False

    @property
    def odd(self) -> bool:
        return bool(self._rest)

    @property
    def short(self) -> bool:
        """A WAV header promised more than came."""
        return self._declared and bool(self._data_left)

    def feed(self, data: bytes) -> bytes:
        """Whole samples, perhaps none. NotAudio for a WAV that is not 16-bit mono."""
        if self._head is not None:
            self._head += data
            if not self._past_header():
                return b""
            data = bytes(self._head)
            self._head = None
        if self._data_left is not None:
            data = data[: self._data_left]
            self._data_left -= len(data)
        self._rest += data
        whole = len(self._rest) // SAMPLE_BYTES * SAMPLE_BYTES
        samples = bytes(self._rest[:whole])
        del self._rest[:whole]
        return samples

    def end(self) -> bytes:
        """What was held back because it might have become a header."""
        if self._head is None:
            return b""
        if self._head[:4] == b"RIFF":
            raise NotAudio("a WAV file without audio")
        head, self._head = bytes(self._head), None
        return self.feed(head) if head else b""

    def _past_header(self) -> bool:
        """True once _head begins with samples; False while more is needed to know."""
        head = self._head
        if head is None or not b"RIFF".startswith(head[:4]):
            return True
        if len(head) < 12:
            return False
        if head[8:12] != b"WAVE":
            raise NotAudio("a RIFF file that is not WAVE")
        return self._past_chunks(head)

    def _past_chunks(self, head: bytearray) -> bool:
        place = 12
        while len(head) >= place + 8:
            name, size = bytes(head[place : place + 4]), int(struct.unpack_from("<I", head, place + 4)[0])
            if name == b"data":
                if size not in _UNKNOWN_BYTES:
                    self._data_left, self._declared = size, True
                del head[: place + 8]
                return True
            if place + 8 + size > HEADER_BYTES_MAX:
                raise NotAudio("a WAV file with too long a header")
            if len(head) < place + 8 + size:
                return False
            if name == b"fmt ":
                self.rate_hz = _rate(bytes(head[place + 8 : place + 8 + size]))
            place += 8 + size + size % 2
        return False


def _rate(fmt: bytes) -> int:
    """Of a fmt chunk: nothing but 16-bit mono PCM."""
    if len(fmt) < 16:
        raise NotAudio("a damaged WAV header")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if kind not in (PCM_FORMAT, EXTENSIBLE_FORMAT) or channels != 1 or bits != 16:
        raise NotAudio(f"WAV of format {kind}, {channels} channels, {bits} bits")
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise NotAudio(f"WAV at {rate_hz} Hz")
    return int(rate_hz)


def is_file(data: bytes) -> bool:
    """Whether these first bytes are of a WAV, OGG, FLAC or MP3 file: anything else can only be raw PCM.

    MP3: ISO/IEC 11172-3 §2.4.1.3, eleven bits set and a layer; or an ID3v2 tag in front.
    """
    if data[:4] in (b"RIFF", b"OggS", b"fLaC") or data[:3] == b"ID3":
        return True
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def decode_file(data: bytes, *, most_s: float) -> tuple[bytes, int]:
    """A WAV, OGG, FLAC or MP3 file as s16le mono and its rate. Blocking: call it off the loop. NotAudio."""
    if not is_file(data):
        raise NotAudio("neither WAV nor OGG, FLAC or MP3")
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            rate_hz, channels = int(file.samplerate), int(file.channels)
            if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1] or not 1 <= channels <= CHANNELS_MAX:
                raise NotAudio(f"{channels} channels at {rate_hz} Hz")
            pcm = bytearray()
            while len(block := file.read(_BLOCK_FRAMES, dtype="int16", always_2d=True)):
                pcm += block.mean(axis=1).astype("<i2").tobytes()
                if len(pcm) > most_s * rate_hz * SAMPLE_BYTES:
                    raise NotAudio(f"more than {most_s:g} s for one sentence")
            return bytes(pcm), rate_hz
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError):
        raise NotAudio("a damaged audio file") from None
