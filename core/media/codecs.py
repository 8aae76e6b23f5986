"""Audio files: WAV and OGG Opus out; WAV, OGG, FLAC and MP3 in, at the rate that is wanted. All of it blocks.

libsndfile and soxr are loaded when first needed, so that an idle core does not hold them.
"""

from io import BytesIO
from pathlib import Path

from core.audio import SAMPLE_BYTES, PcmFormat
from core.errors import LimitExceeded
from core.media.audio_file import AudioFile, file_bytes, to_pcm
from core.media.wav import wav_header

OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
"""RFC 6716 §2.1.2."""
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_DURATION_S = 600.0


def encode_wav(pcm: bytes, rate_hz: int, channels: int = 1) -> bytes:
    """s16le samples as a WAV file. ValueError for a cut sample."""
    if len(pcm) % (channels * SAMPLE_BYTES):
        raise ValueError("PCM comes in whole samples")
    return wav_header(rate_hz, channels, len(pcm)) + pcm


def encode_ogg_opus(pcm: bytes, rate_hz: int) -> bytes:
    """s16le mono as OGG Opus (RFC 7845), some 3 kB a second. Rates: OPUS_RATES_HZ, ValueError for others."""
    writer = OpusWriter(rate_hz)
    writer.write(pcm)
    return writer.finish()


class OpusWriter:
    """The same in pieces, for what is not yet whole. From one thread at a time; nothing can be read before `finish`."""

    def __init__(self, rate_hz: int) -> None:
        import soundfile

        if rate_hz not in OPUS_RATES_HZ:
            raise ValueError(f"Opus has no {rate_hz} Hz")
        self._rate_hz = rate_hz
        self._out = BytesIO()
        self._file = soundfile.SoundFile(self._out, "w", samplerate=rate_hz, channels=1, format="OGG", subtype="OPUS")
        self._empty = True

    def write(self, pcm: bytes) -> None:
        """ValueError for a cut sample."""
        import numpy as np

        if len(pcm) % SAMPLE_BYTES:
            raise ValueError("PCM comes in whole samples")
        samples = np.frombuffer(pcm, dtype="<i2")
        for start in range(0, len(samples), self._rate_hz):
            self._file.write(samples[start : start + self._rate_hz])
        self._empty = self._empty and not pcm

    def finish(self) -> bytes:
        """The file. Without a single packet of audio it had headers only, and decoders refuse that: nothing becomes
        20 ms of silence."""
        if self._empty:
            self.write(PcmFormat(self._rate_hz).silence)
        self._file.close()
        return self._out.getvalue()


def decode_audio(
    source: bytes | Path,
    rate_hz: int,
    *,
    max_bytes: int = MAX_FILE_BYTES,
    max_duration_s: float = MAX_DURATION_S,
) -> bytes:
    """A WAV, OGG, FLAC or MP3 file, or its bytes, as s16le mono at rate_hz; more channels are mixed.

    InvalidParams for anything that is not such audio, LimitExceeded when it is too big or too long. A path must have
    been checked against the allowed roots by the caller.
    """
    size = len(source) if isinstance(source, bytes) else file_bytes(source)
    if size > max_bytes:
        raise LimitExceeded(f"Audio over {max_bytes} bytes.")
    audio = AudioFile.open(source, rate_hz)
    try:
        # Block by block, so that a small file that decodes to hours never lies in memory.
        pcm = bytearray()
        while block := audio.read():
            pcm += block
            if len(pcm) > max_duration_s * rate_hz * SAMPLE_BYTES:
                raise LimitExceeded(f"Audio over {max_duration_s:g} s.")
        return bytes(pcm)
    finally:
        audio.close()


def resample_pcm(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """s16le mono from one rate to another, band-limited."""
    if from_hz == to_hz:
        return pcm
    import numpy as np
    import soxr

    return to_pcm(soxr.resample(np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768, from_hz, to_hz))
