"""Errors, events, bus, logs, clock: what everything else relies on."""

import asyncio
import io
import logging
import re

import pytest

from core import events
from core.audio import PcmFormat
from core.bus import Bus
from core.clock import new_call_id, rfc3339
from core.errors import LineBusy, ModemBusy, PublicError, error_table
from core.log import Formatter, Log


def test_no_error_code_and_no_kind_stands_twice() -> None:
    table = error_table()
    assert len({error.code for error in table}) == len(table)
    assert len({error.kind for error in table}) == len(table)
    assert all(error.__doc__ is None or error.summary for error in table)
    own = [error.code for error in table if -32100 < error.code <= -32001]
    assert sorted(own, reverse=True) == list(range(-32001, -32001 - len(own), -1))


def test_an_error_carries_what_a_client_can_act_on() -> None:
    assert LineBusy().data() == {"kind": "line_busy", "retry": True}
    assert ModemBusy(retry_after_s=1.5, queued=32).data() == {
        "kind": "modem_busy",
        "retry": True,
        "retry_after_s": 1.5,
        "queued": 32,
    }
    assert str(PublicError("text")) == "text"


def test_every_event_of_the_design_is_declared() -> None:
    named = """call.incoming call.ring call.ringing call.alerting call.connected call.turn_start call.partial call.chunk
        call.turn_end call.speech call.speaking call.spoken call.barge_in call.dtmf call.level call.audio_failed
        call.missed call.ended modem.state modem.signal modem.lost alarm.raised alarm.cleared client.state"""
    assert set(named.split()) <= set(events.EVENTS)


def test_fields_with_people_in_them_are_marked_personal() -> None:
    for spec in events.EVENTS.values():
        for name in spec.type.__struct_fields__:
            if name in ("number", "text", "heard_text", "digit"):
                assert name in spec.personal, f"{spec.topic}.{name}"
        assert set(spec.personal) <= set(spec.type.__struct_fields__)


def test_a_reader_gets_facts_and_moments_in_order_and_learns_when_it_fell_behind() -> None:
    bus = Bus(head_seq=7, ring_events=3)
    spec = events.spec_of(events.CallHeld)
    bus.moment(events.CallRing(ring=1))
    bus.fact(spec, {"held": True}, "t", 8, None)
    bus.moment(events.CallRing(ring=2))
    found = [bus.get(index) for index in range(4)]
    assert [(f.seq, f.after_seq) for f in found if f] == [(None, 7), (8, 8), (None, 8)]
    bus.moment(events.CallRing(ring=3))
    with pytest.raises(IndexError):
        bus.get(0)
    assert bus.get(4) is None and bus.head_seq == 8


def test_a_fact_out_of_order_or_told_as_a_moment_is_a_mistake_of_ours() -> None:
    bus = Bus(head_seq=5)
    with pytest.raises(ValueError, match="does not follow"):
        bus.fact(events.spec_of(events.CallHeld), {}, "t", 5, None)
    with pytest.raises(ValueError, match="is a fact"):
        bus.moment(events.CallHeld(held=True))


async def test_a_watcher_is_woken_by_each_event() -> None:
    bus, waker = Bus(), asyncio.Event()
    bus.watch(waker)
    bus.moment(events.CallRing(ring=1))
    assert waker.is_set()
    waker.clear()
    bus.unwatch(waker)
    bus.moment(events.CallRing(ring=2))
    assert not waker.is_set()


@pytest.mark.parametrize("json_lines", [False, True])
def test_personal_data_stays_out_of_logs_unless_asked_for(json_lines: bool) -> None:
    def logged(personal: bool) -> str:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(Formatter(json_lines=json_lines, personal=personal))
        logger = logging.getLogger("dialtone.testpart")
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel("INFO")
        Log("testpart").info("call ended", call_id="call_1", pii_number="+447700900123", odd='a "b"\n')
        return stream.getvalue()

    assert "+447700900123" not in logged(False) and "call_1" in logged(False)
    assert "+447700900123" in logged(True)
    assert logged(False).count("\n") == 1


def test_times_and_call_ids_have_their_written_form() -> None:
    assert rfc3339(1_763_709_360.1234) == "2025-11-21T07:16:00.123Z"
    assert re.fullmatch(r"call_\d{10}_[a-z2-7]{4}", new_call_id())


def test_pcm_arithmetic() -> None:
    narrow, wide = PcmFormat(8000), PcmFormat(16000)
    assert (narrow.frame_bytes, wide.frame_bytes) == (320, 640)
    assert narrow.ms(16000) == 1000 and narrow.bytes_for_ms(20) == 320
    assert len(wide.silence) == 640
