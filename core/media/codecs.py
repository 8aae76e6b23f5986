"""Audio files: WAV and OGG Opus out; WAV, OGG and FLAC in, at the rate that is wanted. All of it blocks.

libsndfile and soxr are loaded when first needed, so that an idle core does not hold them.
"""

import os
import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.audio import SAMPLE_BYTES, PcmFormat
from core.errors import InvalidParams, LimitExceeded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
"""RFC 6716 §2.1.2."""
WAV_HEADER_BYTES = 44
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DURATION_S = 600.0
RATES_HZ = (4000, 192_000)
CHANNELS_MAX = 8

_MAGICS = {b"RIFF": "WAV", b"OggS": "OGG", b"fLaC": "FLAC"}
"""Only these reach libsndfile, which would also try two dozen old formats on whatever a client sends."""
_BLOCK_FRAMES = 8192


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The 44 bytes before 16-bit PCM (Multimedia Programming Interface 1.0, "WAVE"): one fmt chunk, one data chunk."""
    frame_bytes = channels * SAMPLE_BYTES
    riff_bytes = WAV_HEADER_BYTES - 8 + data_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", riff_bytes, b"WAVE",
        b"fmt ", 16, 1, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * SAMPLE_BYTES,
        b"data", data_bytes,
    )  # fmt: skip


def encode_wav(pcm: bytes, rate_hz: int, channels: int = 1) -> bytes:
    """s16le samples as a WAV file. ValueError for a cut sample."""
    if len(pcm) % (channels * SAMPLE_BYTES):
        raise ValueError("PCM comes in whole samples")
    return wav_header(rate_hz, channels, len(pcm)) + pcm


def encode_ogg_opus(pcm: bytes, rate_hz: int) -> bytes:
    """s16le mono as OGG Opus (RFC 7845), some 3 kB a second. Rates: OPUS_RATES_HZ, ValueError for others."""
    import numpy as np
    import soundfile

    if rate_hz not in OPUS_RATES_HZ:
        raise ValueError(f"Opus has no {rate_hz} Hz")
    if len(pcm) % SAMPLE_BYTES:
        raise ValueError("PCM comes in whole samples")
    out = BytesIO()
    # Without a single packet of audio the file has headers only, and decoders refuse it: nothing becomes 20 ms of it.
    samples = np.frombuffer(pcm or PcmFormat(rate_hz).silence, dtype="<i2")
    with soundfile.SoundFile(out, "w", samplerate=rate_hz, channels=1, format="OGG", subtype="OPUS") as file:
        for start in range(0, len(samples), rate_hz):
            file.write(samples[start : start + rate_hz])
    return out.getvalue()


def decode_audio(
    source: bytes | Path,
    rate_hz: int,
    *,
    max_bytes: int = MAX_FILE_BYTES,
    max_duration_s: float = MAX_DURATION_S,
) -> bytes:
    """A WAV, OGG or FLAC file, or its bytes, as s16le mono at rate_hz; more channels are mixed.

    InvalidParams for anything that is not such audio, LimitExceeded when it is too big or too long. A path must have
    been checked against the allowed roots by the caller.
    """
    data = _read(source, max_bytes) if isinstance(source, Path) else source
    if len(data) > max_bytes:
        raise LimitExceeded(f"Audio over {max_bytes} bytes.")
    if data[:4] not in _MAGICS:
        raise InvalidParams("The audio is not WAV, OGG or FLAC.")
    body = data[WAV_HEADER_BYTES:]
    if len(body) % SAMPLE_BYTES == 0 and data[:WAV_HEADER_BYTES] == wav_header(rate_hz, 1, len(body)):
        # As encode_wav writes it: nothing to decode. libsndfile 1.2 takes it for OGG if the samples begin with "OggS".
        if len(body) > max_duration_s * rate_hz * SAMPLE_BYTES:
            raise LimitExceeded(f"Audio over {max_duration_s:g} s.")
        return body
    import soundfile

    try:
        with soundfile.SoundFile(BytesIO(data)) as file:
            return _decode(file, rate_hz, max_duration_s)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError):
        raise InvalidParams("The audio can't be decoded: it is damaged or of an unknown kind.") from None


def resample_pcm(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """s16le mono from one rate to another, band-limited."""
    if from_hz == to_hz:
        return pcm
    import numpy as np
    import soxr

    return _to_pcm(soxr.resample(np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768, from_hz, to_hz))


def _read(path: Path, max_bytes: int) -> bytes:
    """A regular file only: a FIFO would block for ever, a device never end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise InvalidParams("The path is not a file.")
            return file.read(max_bytes + 1)
    except (OSError, ValueError):
        raise InvalidParams("The audio file can't be read.") from None


def _decode(file: Any, rate_hz: int, max_duration_s: float) -> bytes:
    """Block by block, so that a small file that decodes to hours never lies in memory."""
    import numpy as np
    import soxr

    source_hz, channels = int(file.samplerate), int(file.channels)
    if not RATES_HZ[0] <= source_hz <= RATES_HZ[1] or not 1 <= channels <= CHANNELS_MAX:
        raise InvalidParams(f"The audio has {channels} channels at {source_hz} Hz, which no phone line can use.")
    resampler = soxr.ResampleStream(source_hz, rate_hz, 1, dtype="float32") if source_hz != rate_hz else None
    parts: list[bytes] = []
    frames = 0
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        frames += len(block)
        if frames > max_duration_s * source_hz:
            raise LimitExceeded(f"Audio over {max_duration_s:g} s.")
        mono = np.ascontiguousarray(block.mean(axis=1, dtype=np.float32)) if len(block) else np.zeros(0, np.float32)
        last = len(block) < _BLOCK_FRAMES
        parts.append(_to_pcm(resampler.resample_chunk(mono, last=last) if resampler else mono))
        if last:
            return b"".join(parts)


def _to_pcm(samples: "Floats") -> bytes:
    import numpy as np

    # A damaged float file can hold NaN, which has no integer.
    finite = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(np.rint(finite * 32768), -32768, 32767).astype("<i2").tobytes()
