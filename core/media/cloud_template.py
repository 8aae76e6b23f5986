"""Requests written as templates in core.toml, for services whose interface is not public. Pure.

What is put in is escaped as its place demands: percent-encoded in a URL and a form, as the inside of a string in JSON,
as text in XML. All places are filled in one pass, so what is put in is never looked at for places again.
"""

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, urlsplit
from xml.sax.saxutils import escape

PLACES = ("text", "voice", "speed", "language", "rate_hz", "key")
_PLACE = re.compile(rf"\{{({'|'.join(PLACES)})\}}")
_NOT_HEADER = re.compile(r"[\x00-\x1f\x7f]")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fill_url(template: str, values: Mapping[str, str]) -> str:
    return _fill(template, values, lambda value: quote(_whole(value), safe=""))


def fill_header(template: str, values: Mapping[str, str]) -> str:
    """RFC 9110 §5.5: no control characters; other than ASCII is percent-encoded."""
    return _fill(template, values, lambda value: _ascii(_NOT_HEADER.sub(" ", value)))


def fill_body(template: str, values: Mapping[str, str], content_type: str) -> str:
    """content_type: that of the template's headers; a template without one that begins with { or [ is JSON."""
    return _fill(template, values, _escape_for(template, content_type.partition(";")[0].strip().lower()))


def template_problem(url: str) -> str | None:
    """None, or why no request can be made of it: whose host it goes to must not depend on what is said."""
    try:
        host = urlsplit(url).netloc
    except ValueError:
        return "The url is no URL."
    return "The host in url must be written out." if "{" in host or "{" in url.partition(":")[0] else None


def _escape_for(template: str, content_type: str) -> Callable[[str], str]:
    if content_type.endswith("json") or (not content_type and template.lstrip()[:1] in ("{", "[")):
        return lambda value: json.dumps(_whole(value), ensure_ascii=False)[1:-1]
    if content_type == "application/x-www-form-urlencoded":
        return lambda value: quote_plus(_whole(value))
    if content_type.endswith("xml"):
        return lambda value: escape(_NOT_XML.sub(" ", value), {'"': "&quot;", "'": "&apos;"})
    return _whole


def _fill(template: str, values: Mapping[str, str], escaped: Callable[[str], str]) -> str:
    return _PLACE.sub(lambda place: escaped(values.get(place[1], "")), template)


def _whole(value: str) -> str:
    """Halves of surrogate pairs have no UTF-8."""
    return value.encode("utf-8", "replace").decode()


def _ascii(value: str) -> str:
    return value if value.isascii() else quote(_whole(value), safe=" !#$&'()*+,/:;=?@[]~")
