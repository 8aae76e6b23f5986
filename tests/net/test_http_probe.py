"""What an answer to the page without content means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.net.http_probe import Page, complete, meaning
from core.net.verdict import Web

CUTS = [1, 2, 7, 4096]


def read(answer: bytes, size: int) -> Web:
    """As it comes over the wire, `size` bytes at a time, and no more than is wanted."""
    got = b""
    while not complete(got) and len(got) < len(answer):
        got = answer[: len(got) + size]
    return meaning("host", got)[0]


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", Web.NO_CONTENT),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Web.NO_CONTENT),
        (b"HTTP/1.0 204 OK\n\n", Web.NO_CONTENT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Web.NO_CONTENT),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Web.NO_CONTENT),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Web.NO_CONTENT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Web.PORTAL),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Web.PORTAL),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>", Web.PORTAL),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", Web.PORTAL),
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://login/\r\n\r\n", Web.PORTAL),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n<html>", Web.PORTAL),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Web.SILENT),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Web.SILENT),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Web.SILENT),
        (b"", Web.SILENT),
        (b"HTTP/1.1 20", Web.SILENT),
    ],
)
def test_an_answer_means_the_same_however_it_is_cut(answer: bytes, means: Web, size: int) -> None:
    assert read(answer, size) is means


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail + b"\r\n\r\n"))
def test_no_bytes_make_it_raise(answer: bytes) -> None:
    complete(answer)
    assert meaning("host", answer)[0] in Web


def test_an_answer_without_an_end_is_not_read_for_ever() -> None:
    assert complete(b"x" * 65536)
    assert complete(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("http://www.gstatic.com/generate_204", Page("www.gstatic.com", 80, "/generate_204")),
        ("http://192.0.2.7:8080", Page("192.0.2.7", 8080, "/", "192.0.2.7")),
        ("http://a.example/b?c=d", Page("a.example", 80, "/b?c=d")),
        ("", None),
        ("http://[::1]/", None),
        ("http://[", None),
        ("http://a:99999/", None),
    ],
)
def test_the_page_is_read_from_the_configuration(url: str, page: Page | None) -> None:
    assert Page.of(url) == page


def test_the_request_names_host_and_port() -> None:
    assert b"Host: a.example:81\r\n" in Page("a.example", 81, "/").request()
    assert Page("a.example", 80, "/x").request().startswith(b"GET /x HTTP/1.1\r\nHost: a.example\r\n")
