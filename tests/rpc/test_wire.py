"""Framing, as laws: any cut gives the same messages, what was encoded comes back, no bytes raise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rpc.wire import MAX_HEADER_BYTES, Decoder, FaultKind, Framing, encode

LIMIT = 1 << 20

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
messages = st.lists(
    (st.dictionaries(st.text(), json_values, max_size=3) | st.lists(json_values, max_size=3)).map(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ),
    min_size=1,
    max_size=5,
)
framings = st.sampled_from([Framing.LENGTH, Framing.LINES, Framing.HEADERS])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def read(framing: Framing, pieces: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], FaultKind | None]:
    decoder = Decoder(framing, limit)
    found = [message for piece in pieces for message in decoder.feed(piece)]
    found += decoder.end()
    return found, decoder.fault.kind if decoder.fault else None


@given(messages, framings, st.lists(st.integers(min_value=0), max_size=8), st.booleans())
def test_what_was_encoded_comes_back_however_it_is_cut(
    sent: list[bytes], framing: Framing, places: list[int], auto: bool
) -> None:
    stream = b"".join(encode(framing, message) for message in sent)
    assert read(Framing.AUTO if auto else framing, cut(stream, places)) == (sent, None)


@given(st.binary(max_size=400), st.sampled_from(list(Framing)), st.lists(st.integers(min_value=0), max_size=8))
def test_any_bytes_give_the_same_messages_and_the_same_fault_however_they_are_cut(
    data: bytes, framing: Framing, places: list[int]
) -> None:
    whole = read(framing, [data], limit=100)
    assert read(framing, cut(data, places), limit=100) == whole
    assert read(framing, [data[at : at + 1] for at in range(len(data))], limit=100) == whole


@given(st.integers(min_value=MAX_HEADER_BYTES - 30, max_value=MAX_HEADER_BYTES + 5), st.integers(1, 5))
def test_the_limit_on_headers_is_the_same_however_they_are_cut(size: int, step: int) -> None:
    block = b"Content-Length: 2\r\nX: ".ljust(size, b"x") + b"\r\n\r\n{}"
    whole = read(Framing.HEADERS, [block])
    assert whole == (([b"{}"], None) if size <= MAX_HEADER_BYTES else ([], FaultKind.GARBAGE))
    assert read(Framing.HEADERS, [block[at : at + step] for at in range(0, len(block), step)]) == whole


@pytest.mark.parametrize(
    ("start", "framing"),
    [
        (b"\x00\x00\x00\x02{}", Framing.LENGTH),
        (b"{}\n", Framing.LINES),
        (b" \r\n\t[]\n", Framing.LINES),
        (b"Content-Length: 2\r\n\r\n{}", Framing.HEADERS),
        (b"content-type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2\r\n\r\n{}", Framing.HEADERS),
    ],
)
def test_the_first_byte_decides_the_framing(start: bytes, framing: Framing) -> None:
    decoder = Decoder(Framing.AUTO, LIMIT)
    assert len(decoder.feed(start)) == 1
    assert decoder.framing is framing


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"hello\n", b"\xff", b"  x"])
def test_any_other_first_byte_is_garbage(start: bytes) -> None:
    assert read(Framing.AUTO, [start]) == ([], FaultKind.GARBAGE)


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.LINES, Framing.HEADERS])
def test_the_limit_holds_in_every_framing_and_keeps_what_came_before(framing: Framing) -> None:
    fits, over = b'{"a":"' + b"x" * 92 + b'"}', b'{"a":"' + b"x" * 93 + b'"}'
    assert len(fits) == 100
    assert read(framing, [encode(framing, fits) + encode(framing, over)], 100) == ([fits], FaultKind.TOO_LARGE)


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.HEADERS])
def test_an_announced_size_over_the_limit_is_refused_before_its_bytes_come(framing: Framing) -> None:
    head = encode(framing, b"x" * 200)[:-200]
    decoder = Decoder(framing, 100)
    assert decoder.feed(head) == []
    assert decoder.fault is not None and decoder.fault.kind is FaultKind.TOO_LARGE


def test_a_line_that_never_ends_is_refused_at_the_limit() -> None:
    decoder = Decoder(Framing.AUTO, 100)
    decoder.feed(b"{")
    for _ in range(20):
        decoder.feed(b"          ")
    assert decoder.fault is not None and decoder.fault.kind is FaultKind.TOO_LARGE


@pytest.mark.parametrize(
    "block",
    [
        b"X-Other: 1",
        b"Content-Length: -1",
        b"Content-Length: 2\r\nContent-Length: 2",
        b"Content-Length: two",
        b"Content-Length: 9999999999999",
        b"Content-Length 2",
        b"Content-Length : 2",
        b"CONTENT",
    ],
)
def test_headers_that_are_none_are_garbage(block: bytes) -> None:
    assert read(Framing.AUTO, [block + b"\r\n\r\n{}"]) == ([], FaultKind.GARBAGE)


@pytest.mark.parametrize("stream", [b"\x00\x00\x00\x09{}", b"\x00", b"Content-Length: 9\r\n\r\n{}", b"Content-Le"])
def test_an_end_inside_a_message_is_a_fault(stream: bytes) -> None:
    assert read(Framing.AUTO, [stream]) == ([], FaultKind.TRUNCATED)


def test_a_last_line_needs_no_newline_and_blank_lines_are_nothing() -> None:
    assert read(Framing.AUTO, [b'\n\n{"a":1}\r\n\r\n  \n{"b":2}']) == ([b'{"a":1}', b'{"b":2}'], None)


def test_a_frame_of_the_old_voice_clients_is_read_as_it_was_recorded() -> None:
    """wire-formats §6.1: health, 54 bytes."""
    text = b'{"jsonrpc":"2.0","id":1,"method":"health","params":{}}'
    assert read(Framing.AUTO, [bytes.fromhex("00000036") + text]) == ([text], None)
