"""Chunks encoded while the caller pauses."""

import gc
import threading

import numpy as np
import pytest

from core.chunk_ahead import AheadEncoder
from core.media.codecs import decode_audio, encode_ogg_opus

RATE_HZ = 8000
WAIT_S = 20


def tone(ms: int, hz: float) -> bytes:
    at_s = np.arange(RATE_HZ * ms // 1000) / RATE_HZ
    return (8000 * np.sin(2 * np.pi * hz * at_s)).astype("<i2").tobytes()


def heard(ogg: bytes | None) -> bytes:
    assert ogg is not None
    return decode_audio(ogg, RATE_HZ)


def test_a_chunk_that_came_in_pieces_sounds_as_one_that_was_encoded_whole() -> None:
    encoder, pcm = AheadEncoder(RATE_HZ), tone(400, 440) + tone(300, 660) + tone(200, 880)
    encoder.feed(pcm[:6400])
    encoder.feed(pcm[:6400])  # nothing new
    encoder.feed(pcm[:11200])
    assert heard(encoder.cut(pcm).result(WAIT_S)) == heard(encode_ogg_opus(pcm, RATE_HZ))


def test_each_chunk_is_a_file_of_its_own() -> None:
    encoder, first, second = AheadEncoder(RATE_HZ), tone(300, 440), tone(500, 700)
    encoder.feed(first[:3200])
    made = [encoder.cut(first), encoder.cut(second)]
    assert [heard(one.result(WAIT_S)) for one in made] == [
        heard(encode_ogg_opus(pcm, RATE_HZ)) for pcm in (first, second)
    ]


def test_what_was_fed_and_is_not_in_the_chunk_is_not_heard() -> None:
    encoder, pcm = AheadEncoder(RATE_HZ), tone(300, 440)
    encoder.feed(tone(400, 1500))
    assert heard(encoder.cut(pcm).result(WAIT_S)) == heard(encode_ogg_opus(pcm, RATE_HZ))


def test_its_thread_ends_with_it() -> None:
    before = set(threading.enumerate())  # those of the tests before may just be ending
    encoder = AheadEncoder(RATE_HZ)
    assert encoder.cut(tone(100, 440)).result(WAIT_S) is not None
    [thread] = [one for one in threading.enumerate() if one.name.startswith("chunks") and one not in before]
    del encoder
    gc.collect()
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("cut_sample_first", [True, False])
def test_audio_that_cannot_be_encoded_costs_nothing_but_the_file(cut_sample_first: bool) -> None:
    encoder, pcm = AheadEncoder(RATE_HZ), tone(300, 440)
    if cut_sample_first:
        encoder.feed(pcm[:1601])
        encoder.feed(pcm[:3200])
    assert encoder.cut(pcm if cut_sample_first else pcm + b"x").result(WAIT_S) is None
    assert heard(encoder.cut(pcm).result(WAIT_S)) == heard(encode_ogg_opus(pcm, RATE_HZ))
