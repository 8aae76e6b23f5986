"""Laws of the whole codec: what is written is read again, and any octets give a value or PduError, soon."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.modem.pdu import (
    Address,
    Alphabet,
    Concat,
    Deliver,
    Element,
    Options,
    PduError,
    Ports,
    StatusReport,
    Submit,
    Ton,
    Waiting,
    WaitingKind,
    compose,
    decode_from_mobile,
    decode_from_network,
    encode_deliver,
    encode_report,
    encode_submit,
    gsm7,
    identity,
    join_pdu,
    join_text,
    split_pdu,
)
from core.modem.pdu.times import relative_period
from tests.modem.pdu.test_addresses import ADDRESSES
from tests.modem.pdu.test_times import STAMPS

OCTETS = st.integers(0, 255)
LANGUAGES = st.sampled_from([0, 0, 0, 1, 2, 3, 6, 13])
PLAIN_ELEMENTS = st.builds(Element, st.sampled_from([0x01, 0x07, 0x0A, 0x22, 0x70, 0xE0, 0xFF]), st.binary(max_size=9))
CONCATS = st.one_of(
    st.none(),
    st.builds(
        lambda reference, total, number, wide: Concat(reference, total, min(number, total), wide),
        OCTETS, st.integers(1, 255), st.integers(1, 255), st.booleans(),
    ),
)  # fmt: skip
PORTS = st.none() | st.builds(Ports, OCTETS, OCTETS, st.booleans()) | st.just(Ports(65535, 2948))


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Alphabet, text or data, header: everything that Deliver and Submit have alike."""
    alphabet = draw(st.sampled_from(Alphabet))
    elements = draw(st.lists(PLAIN_ELEMENTS, max_size=2))
    fields: dict[str, Any] = {"alphabet": alphabet, "concat": draw(CONCATS), "ports": draw(PORTS)}
    if alphabet is Alphabet.BINARY:
        fields["data"] = draw(st.binary(max_size=90))
    elif alphabet is Alphabet.UCS2:
        fields["text"] = draw(st.text(max_size=22))
    else:
        locking, single = draw(LANGUAGES), draw(LANGUAGES)
        elements += [Element(0x25, bytes((locking,)))] * bool(locking)
        elements += [Element(0x24, bytes((single,)))] * bool(single)
        fields["text"] = draw(st.text(sorted(gsm7.codes(locking, single)), max_size=48))
    fields["elements"] = tuple(elements)
    fields["message_class"] = draw(st.none() | st.integers(0, 3))
    fields |= {"pid": draw(OCTETS), "report": draw(st.booleans()), "reply_path": draw(st.booleans())}
    return fields


DELIVERS = st.builds(
    lambda body, **fields: Deliver(**body, **fields),
    bodies(),
    originator=ADDRESSES,
    sent_at=st.none() | STAMPS,
    more=st.booleans(),
)
VALIDITIES = st.none() | STAMPS | OCTETS.map(relative_period)
SUBMITS = st.builds(
    lambda body, **fields: Submit(**body, **fields),
    bodies(),
    destination=ADDRESSES,
    validity=VALIDITIES,
    reject_duplicates=st.booleans(),
    reference=OCTETS,
)
REPORTS = st.builds(
    StatusReport,
    reference=OCTETS,
    recipient=ADDRESSES,
    sent_at=st.none() | STAMPS,
    discharged_at=st.none() | STAMPS,
    status=OCTETS,
    more=st.booleans(),
)


@given(DELIVERS)
def test_a_delivery_is_read_as_it_was_written(message: Deliver) -> None:
    again = decode_from_network(encode_deliver(message))
    assert isinstance(again, Deliver)
    # The coding scheme is made, and the waiting of an element 01 is read from it.
    assert again == replace(message, dcs=again.dcs, waiting=again.waiting)
    assert decode_from_network(encode_deliver(again)) == again
    assert identity(again) == identity(decode_from_network(encode_deliver(again)))  # type: ignore[arg-type]


@given(SUBMITS)
def test_a_submission_is_read_as_it_was_written(message: Submit) -> None:
    assert decode_from_mobile(encode_submit(message)) == message


@given(REPORTS)
def test_a_report_is_read_as_it_was_written(report: StatusReport) -> None:
    assert decode_from_network(encode_report(report)) == report


@given(st.integers(0, 255), st.text("abcÄ€", max_size=20))
def test_a_coding_scheme_given_is_kept(dcs: int, text: str) -> None:
    sample = decode_from_network(bytes.fromhex("04038121F300") + bytes((dcs,)) + bytes(7) + b"\0")
    assert isinstance(sample, Deliver)
    body: dict[str, Any] = {"text": text} if sample.alphabet is not Alphabet.BINARY else {"data": text.encode()}
    message = replace(sample, **body)
    again = decode_from_network(encode_deliver(message))
    assert (again, identity(message)) == (message, identity(again))  # type: ignore[arg-type]


def test_a_coding_scheme_of_another_alphabet_or_class_is_an_error() -> None:
    message = Deliver(originator=Address("1"), sent_at=None, text="a")
    for wrong in (replace(message, dcs=0x08), replace(message, dcs=0x11), replace(message, dcs=256)):
        with pytest.raises(PduError):
            encode_deliver(wrong)


@pytest.mark.parametrize("alphabet", [Alphabet.GSM7, Alphabet.UCS2])
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("kind", WaitingKind)
def test_waiting_without_a_count_goes_into_the_coding_scheme(
    kind: WaitingKind, active: bool, alphabet: Alphabet
) -> None:
    waiting = (Waiting(kind, active),)
    message = Deliver(originator=Address("1"), sent_at=None, text="a", alphabet=alphabet, waiting=waiting)
    again = decode_from_network(encode_deliver(message))
    assert again == replace(message, dcs=again.dcs)  # type: ignore[union-attr]


def test_waiting_with_a_count_becomes_an_element() -> None:
    waiting = (Waiting(WaitingKind.FAX, True, 3), Waiting(WaitingKind.OTHER, False, 0))
    message = Deliver(originator=Address("1"), sent_at=None, text="a", waiting=waiting)
    again = decode_from_network(encode_deliver(message))
    assert isinstance(again, Deliver)
    assert again.waiting == waiting
    assert [element.ident for element in again.elements] == [1, 1]


def test_a_message_that_does_not_fit_is_an_error() -> None:
    for body in ({"text": "x" * 161}, {"text": "ж" * 71, "alphabet": Alphabet.UCS2}):
        with pytest.raises(PduError):
            encode_submit(Submit(destination=Address("1"), **body))  # type: ignore[arg-type]
    with pytest.raises(PduError):
        encode_deliver(Deliver(originator=Address("1"), sent_at=None, text="x" * 154, concat=Concat(1, 2, 1)))


def take_apart(octets: bytes) -> None:
    """Everything that reads octets; PduError is an answer, anything else is not caught."""
    for decode in (decode_from_network, decode_from_mobile):
        try:
            message = decode(octets)
        except PduError:
            continue
        if isinstance(message, Deliver):
            assert len(identity(message)) == 64
            assert (message.text is None) != (message.data is None)
            joined = join_text([message])
            assert joined == (message.text or "")
            joined.encode()
        try:
            if isinstance(message, Deliver):
                assert decode_from_network(encode_deliver(message)) == replace(message, damaged=False)
            elif isinstance(message, Submit):
                encode_submit(message)
            else:
                assert decode_from_network(encode_report(message)) == message
        except PduError:
            pass


@settings(max_examples=600)
@given(st.binary(max_size=300))
def test_any_octets_are_a_message_or_an_error(octets: bytes) -> None:
    take_apart(octets)


@settings(max_examples=400)
@given(DELIVERS.map(encode_deliver) | SUBMITS.map(encode_submit) | REPORTS.map(encode_report), st.data())
def test_messages_with_octets_changed_cut_or_added_are_messages_or_errors(tpdu: bytes, data: st.DataObject) -> None:
    broken = bytearray(tpdu)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken)))
        broken[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    take_apart(bytes(broken))


@given(st.text(max_size=400) | st.text("0123456789ABCDEFabcdef", max_size=400))
def test_any_line_is_a_pdu_or_an_error(line: str) -> None:
    try:
        _, tpdu = split_pdu(line)
    except PduError:
        return
    take_apart(tpdu)


@given(st.binary(min_size=1, max_size=164), st.none() | st.text("0123456789", min_size=1, max_size=20))
def test_a_pdu_is_taken_apart_as_it_was_joined(tpdu: bytes, smsc: str | None) -> None:
    found, rest = split_pdu(join_pdu(tpdu, f"+{smsc}" if smsc else None))
    assert rest == tpdu
    assert found == (Address(smsc, Ton.INTERNATIONAL) if smsc else None)


@given(st.text("ab€ğ😀 ", min_size=150, max_size=500), st.booleans())
def test_parts_that_were_received_make_the_text_again(text: str, wide: bool) -> None:
    parts = compose(Address("1"), text=text, options=Options(wide_reference=wide))
    got = []
    for part in parts:
        sent = Deliver(
            originator=Address("1"), sent_at=None, text=part.text, alphabet=part.alphabet, concat=part.concat
        )
        again = decode_from_network(encode_deliver(sent))
        assert isinstance(again, Deliver)
        got.append(again)
    assert join_text(got) == text


def seconds(work: Callable[[], object]) -> float:
    """Of the fastest of 20 runs, as others use this machine too."""
    runs = []
    for _ in range(20):
        began = time.perf_counter()
        work()
        runs.append(time.perf_counter() - began)
    return min(runs)


def test_a_megabyte_of_anything_costs_no_more_than_a_message() -> None:
    """Every field says its length in one octet, so work ends where a message can end."""
    head = bytes.fromhex("44038121F30004") + bytes(7) + b"\xff"
    for filling in (b"\x00", b"\xff", b"\x1b", b"\xd8", b"\x01\x00"):
        small = partial(take_apart, head + (filling * 140)[:140])
        large = partial(take_apart, head + filling * 1_000_000)
        assert seconds(large) < 20 * seconds(small) + 0.002


def test_a_text_of_a_million_characters_is_refused_in_a_time_that_grows_with_it_alone() -> None:
    began = time.perf_counter()
    for text in ("a\u0301" * 100_000, "🇩🇪" * 100_000, " " * 200_000, "x. " * 70_000, "x" * 200_000):
        for split in ("concat", "separate", "numbered"):
            try:
                parts = compose(Address("1"), text=text, options=Options(split=split))
            except PduError:
                continue
            assert text.isspace()
            assert len(parts) == 1
    assert time.perf_counter() - began < 15


def test_a_message_is_read_and_written_in_less_than_a_millisecond() -> None:
    tpdu = encode_submit(compose(Address.of("+447700900123"), text="How are you? " * 12)[0])
    assert (
        seconds(lambda: encode_submit(decode_from_mobile(tpdu))) < 1e-3
    )  # 30 microseconds on the machine it was written on


def test_a_validity_in_the_past_is_still_a_time() -> None:
    moment = datetime.fromisoformat("2020-01-01T00:00:00+05:45")
    (message,) = compose(Address("1"), text="a", options=Options(validity=moment))
    again = decode_from_mobile(encode_submit(message)).validity
    assert again == moment
    assert isinstance(again, datetime)
    assert again.utcoffset() == timedelta(hours=5, minutes=45)
