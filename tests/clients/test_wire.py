"""JSON-RPC as lines: bytes to messages."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.errors import RpcError, WireError
from dialtone.wire import Decoder, Failure, Message, Notification, Reply, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REPLIES = st.builds(
    lambda request_id, result: {"jsonrpc": "2.0", "id": request_id, "result": result}, st.integers(1, 9), VALUES
)
EVENTS = st.builds(
    lambda method, params: {"jsonrpc": "2.0", "method": method, "params": params},
    st.text(min_size=1, max_size=9),
    st.dictionaries(st.text(max_size=5), VALUES, max_size=3),
)


@given(st.lists(REPLIES | EVENTS, max_size=6), st.integers(1, 40), st.booleans())
def test_any_cut_of_the_bytes_gives_the_same_messages(
    sent: list[dict[str, object]], size: int, ascii_only: bool
) -> None:
    data = b"".join(json.dumps(message, ensure_ascii=ascii_only).encode() + b"\n" for message in sent)
    whole = Decoder().feed(data)
    decoder = Decoder()
    pieces: list[Message] = []
    for at in range(0, len(data), size):
        pieces += decoder.feed(data[at : at + size])
    assert pieces == whole
    assert len(whole) == len(sent)
    for message, original in zip(whole, sent, strict=True):
        if isinstance(message, Reply):
            assert (message.id, message.result) == (original["id"], original["result"])
        else:
            assert isinstance(message, Notification)
            assert (message.method, message.params) == (original["method"], original["params"])


def test_a_request_is_one_line_whatever_stands_in_it() -> None:
    line = encode("call.speak", {"text": "eins\nzwei ü"}, 7)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"jsonrpc": "2.0", "method": "call.speak", "params": {"text": "eins\nzwei ü"}, "id": 7}


def test_a_notification_has_no_id() -> None:
    assert "id" not in json.loads(encode("$/cancelRequest", {"id": 1}))


def test_numbers_that_json_does_not_know_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ValueError):
        encode("x", {"level": float("nan")})


@pytest.mark.parametrize(
    "line", [b"hello", b"[1]", b"7", b'"x"', b"{}", b'{"id":1}', b'{"id":"x","result":1}', b"\xff\xfe"]
)
def test_what_is_no_message_is_a_wire_error(line: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(line + b"\n")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        Decoder().feed(data + b"\n")


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    decoder = Decoder(max_message_bytes=1000)
    with pytest.raises(WireError, match="longer than 1000"):
        for _ in range(3):
            decoder.feed(b"x" * 500)


def test_a_batch_is_as_many_messages() -> None:
    found = Decoder().feed(b'[{"id":1,"result":2},{"method":"call.ended","params":{}}]\n')
    assert found == [Reply(1, 2), Notification("call.ended", {})]


def test_an_error_carries_kind_retry_and_the_rest() -> None:
    error = {
        "code": -32002,
        "message": "Wait.",
        "data": {"kind": "modem_busy", "retry": True, "retry_after_s": 2, "path": "x"},
    }
    [failure] = Decoder().feed(json.dumps({"id": 3, "error": error}).encode() + b"\n")
    assert isinstance(failure, Failure) and isinstance(failure.error, RpcError)
    assert failure.id == 3
    assert (failure.error.code, failure.error.kind, failure.error.retry) == (-32002, "modem_busy", True)
    assert failure.error.retry_after_s == 2.0
    assert failure.error.data["path"] == "x"
    assert str(failure.error) == "Wait. (modem_busy)"


def test_an_error_without_a_kind_gets_the_one_of_its_number() -> None:
    [failure] = Decoder().feed(b'{"id":3,"error":{"code":-32601,"message":"no"}}\n')
    assert isinstance(failure, Failure)
    assert (failure.error.kind, failure.error.retry, failure.error.retry_after_s) == ("method_not_found", False, None)
