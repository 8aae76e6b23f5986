"""A ggml model file that whisper.cpp loads and runs for real, and that hears one chosen text in any audio.

All weights are zero, so that what the decoder computes is its positional embedding; each position's is aligned with the
embedding of the token that shall come next: begin time, the text as a single token, end time, end. The layout is that
of whisper_model_load (whisper.cpp 1.8.5). Its traps: the vocabulary needs a token " ", two text layers are taken for a
distilled model without timestamps, and 51864 is the only size of an English vocabulary.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

MELS, FFT_BINS = 80, 201
AUDIO_CONTEXT, TEXT_CONTEXT = 1500, 448
VOCABULARY = 51864
LISTED = 50256
"""Tokens in the file; the loader adds the special ones."""
END, NO_SPEECH, BEGIN_TIME = 50256, 50361, 50363
"""eot, nosp and <|0.00|> of the English vocabulary; one time token is 20 ms."""
TEXT = 1000
F32, F16 = 0, 1

Array = npt.NDArray[np.float32]


def write_model(path: Path, text: str, *, state: int = 64, layers: int = 1, no_speech: bool = False) -> Path:
    """state (a multiple of 64) and layers of the audio side set how long it computes. no_speech: it hears nothing."""
    heads = state // 64
    header = (VOCABULARY, AUDIO_CONTEXT, state, heads, layers, TEXT_CONTEXT, state, heads, 1, MELS, F16)
    with path.open("wb") as file:
        file.write(struct.pack("<I11i", 0x67676D6C, *header))
        file.write(struct.pack("<2i", MELS, FFT_BINS) + np.full((MELS, FFT_BINS), 0.01, "<f4").tobytes())
        file.write(_vocabulary(text))
        for name, values in _tensors(state, layers, _next_tokens(no_speech)):
            _write(file, name, values)
    return path


def _next_tokens(no_speech: bool) -> list[int]:
    """What follows at each position; the first is where whisper looks for its no-speech token."""
    return [NO_SPEECH if no_speech else BEGIN_TIME, TEXT, BEGIN_TIME + 50, *[END] * 8]


def _vocabulary(text: str) -> bytes:
    tokens = [b"#%d" % number for number in range(LISTED)]
    tokens[220], tokens[TEXT] = b" ", b" " + text.encode()
    return struct.pack("<i", len(tokens)) + b"".join(struct.pack("<I", len(token)) + token for token in tokens)


def _tensors(state: int, layers: int, following: list[int]) -> Iterator[tuple[str, Array]]:
    yield "encoder.positional_embedding", _zeros(AUDIO_CONTEXT, state)
    yield "encoder.conv1.weight", _zeros(state, MELS, 3)
    yield "encoder.conv1.bias", _zeros(state, 1)
    yield "encoder.conv2.weight", _zeros(state, state, 3)
    yield "encoder.conv2.bias", _zeros(state, 1)
    yield from _norm("encoder.ln_post", state)
    for layer in range(layers):
        yield from _block(f"encoder.blocks.{layer}", state, ("attn",))
    positions, tokens = _zeros(TEXT_CONTEXT, state), _zeros(VOCABULARY, state)
    for place, token in enumerate(following):
        direction = following.index(token)  # one axis for each different token
        positions[place, direction] = 1000.0
        tokens[token, direction] = 5.0
    yield "decoder.positional_embedding", positions
    yield "decoder.token_embedding.weight", tokens
    yield from _norm("decoder.ln", state)
    yield from _block("decoder.blocks.0", state, ("attn", "cross_attn"))


def _block(name: str, state: int, attentions: tuple[str, ...]) -> Iterator[tuple[str, Array]]:
    yield from _norm(f"{name}.mlp_ln", state)
    yield f"{name}.mlp.0.weight", _zeros(4 * state, state)
    yield f"{name}.mlp.0.bias", _zeros(4 * state)
    yield f"{name}.mlp.2.weight", _zeros(state, 4 * state)
    yield f"{name}.mlp.2.bias", _zeros(state)
    for attention in attentions:
        yield from _norm(f"{name}.{attention}_ln", state)
        for part in ("query", "key", "value", "out"):
            yield f"{name}.{attention}.{part}.weight", _zeros(state, state)
            if part != "key":
                yield f"{name}.{attention}.{part}.bias", _zeros(state)


def _norm(name: str, state: int) -> Iterator[tuple[str, Array]]:
    yield f"{name}.weight", np.ones(state, np.float32)
    yield f"{name}.bias", _zeros(state)


def _zeros(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def _write(file: BinaryIO, name: str, values: Array) -> None:
    """ggml counts dimensions from the innermost. Matrices are halves: its convolution takes nothing else."""
    is_matrix = values.ndim > 1 and name.endswith(".weight")
    file.write(struct.pack("<3i", values.ndim, len(name), F16 if is_matrix else F32))
    file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)))
    file.write(name.encode() + values.astype("<f2" if is_matrix else "<f4").tobytes())
