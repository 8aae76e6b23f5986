"""What a datagram says to a question for a name."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.net.dns_probe import question, read_answer


def answer_to(asked: dns.message.Message, *addresses: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> bytes:
    answer = dns.message.make_response(asked)
    answer.set_rcode(rcode)
    if addresses:
        answer.answer.append(dns.rrset.from_text(asked.question[0].name, 60, "IN", "A", *addresses))
    return answer.to_wire()


def test_an_answer_has_the_addresses() -> None:
    asked = question("dns.google")
    read = read_answer(asked, answer_to(asked, "8.8.8.8", "8.8.4.4"))
    assert read is not None and read.answered and set(read.addresses) == {"8.8.8.8", "8.8.4.4"}


def test_addresses_behind_an_alias_are_found() -> None:
    asked = question("www.example.org")
    answer = dns.message.make_response(asked)
    answer.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", "CNAME", "web.example.org."))
    answer.answer.append(dns.rrset.from_text("web.example.org.", 60, "IN", "A", "192.0.2.1"))
    read = read_answer(asked, answer.to_wire())
    assert read is not None and read.addresses == ("192.0.2.1",)


def test_a_name_that_does_not_exist_is_an_answer() -> None:
    asked = question("nothing.example")
    read = read_answer(asked, answer_to(asked, rcode=dns.rcode.NXDOMAIN))
    assert read is not None and read.answered and read.addresses == ()


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_could_not_find_out_has_not_answered(rcode: dns.rcode.Rcode) -> None:
    asked = question("dns.google")
    read = read_answer(asked, answer_to(asked, rcode=rcode))
    assert read is not None and not read.answered and read.text == dns.rcode.to_text(rcode)


def test_an_answer_to_another_question_or_with_another_id_is_none() -> None:
    asked = question("dns.google")
    foreign = answer_to(question("dns.example"), "192.0.2.1")
    assert read_answer(asked, asked.id.to_bytes(2, "big") + foreign[2:]) is None
    right = answer_to(asked, "8.8.8.8")
    assert read_answer(asked, ((asked.id + 1) % 65536).to_bytes(2, "big") + right[2:]) is None
    assert read_answer(asked, asked.to_wire()) is None  # our own question, sent back


@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_make_it_raise(garbage: bytes, kept: int) -> None:
    asked = question("dns.google")
    read_answer(asked, garbage)
    read_answer(asked, answer_to(asked, "8.8.8.8")[:kept] + garbage)
