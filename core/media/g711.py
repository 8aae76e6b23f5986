"""G.711: s16le samples to and from µ-law and A-law bytes, by tables that are made when first needed."""

from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Samples = NDArray[np.int16]

Law = Literal["ulaw", "alaw"]


def expand(data: bytes, law: Law) -> "Samples":
    """Bytes to linear samples (ITU-T G.711 tables 1 and 2, scaled to 16 bits)."""
    import numpy as np

    return _expansion(law)[np.frombuffer(data, dtype=np.uint8)]


def compress(samples: "Samples", law: Law) -> bytes:
    """Linear samples to the bytes whose value is nearest."""
    import numpy as np

    return _compression(law)[samples.view(np.uint16)].tobytes()


@cache
def _expansion(law: Law) -> "Samples":
    import numpy as np

    code = np.arange(256, dtype=np.int32)
    if law == "ulaw":  # G.711 §3.2: all bits inverted on the line, 33 is the bias, 14 bits
        code = ~code & 0xFF
        size = ((((code & 0x0F) << 1) + 33) << (code >> 4 & 7)) - 33
        linear = np.where(code & 0x80, -size, size) << 2
    else:  # G.711 §3.1: even bits inverted on the line, sign bit set for positive, 13 bits
        code ^= 0x55
        segment, step = code >> 4 & 7, code & 0x0F
        size = np.where(segment == 0, (step << 1) + 1, ((step << 1) + 33) << np.maximum(segment - 1, 0))
        linear = np.where(code & 0x80, size, -size) << 3
    return linear.astype(np.int16)


@cache
def _compression(law: Law) -> "Bytes":
    """For each of the 65536 samples, in the order of their bits without a sign, the nearest code."""
    import numpy as np

    values = _expansion(law).astype(np.int32)
    order = np.argsort(values, kind="stable")
    middles = (values[order][1:] + values[order][:-1]) / 2
    samples = np.arange(65536).astype(np.uint16).view(np.int16)
    found: Bytes = order[np.searchsorted(middles, samples, side="right")].astype(np.uint8)
    return found
