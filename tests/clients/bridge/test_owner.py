"""What the owner hears of missed calls and messages, and how often."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.clients.bridge.outbox_rig import Receiver, Rig, rig
from tests.clients.tiny_core import Json, Refused

OWNER = "+37060000099"


@pytest.fixture
async def bridge() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def accepted(params: Json) -> Json:
    return {"message_id": f"sms_{params['client_ref'][:8]}", "state": "queued"}


def by_sms(bridge: Rig, more: str = "") -> None:
    bridge.core.handlers["sms.send"] = accepted
    bridge.configure(f'[owner]\nsms_to = ["{OWNER}"]\n{more}')


async def test_a_missed_call_and_a_message_reach_the_owner_by_sms(bridge: Rig) -> None:
    by_sms(bridge)
    async with bridge.inside():
        bridge.missed()
        bridge.sms("Labas")
        bridge.core.fact("voicemail.received", voicemail_id="v", number=None, withheld=True, duration_s=4, text="Hi")
        await bridge.core.wait_asked("sms.send", times=3)
    sent = bridge.core.asked("sms.send")
    assert {one["to"] for one in sent} == {OWNER} and len({one["client_ref"] for one in sent}) == 3
    assert sent[0]["text"].startswith("Missed call from +37060000000 at ")
    assert sent[1]["text"].startswith("Message from +37060000000 at ") and sent[1]["text"].endswith(": Labas")
    assert sent[2]["text"].startswith("Voicemail from a hidden number at ") and sent[2]["text"].endswith(": Hi")


async def test_an_accepted_sms_whose_answer_was_lost_is_asked_for_again_under_the_same_ref(bridge: Rig) -> None:
    by_sms(bridge)
    lost = [Refused(-32015, "store_failed", "The disk refused.", retry=True)]

    def send(params: Json) -> Json:
        if lost:
            raise lost.pop()
        return accepted(params)

    bridge.core.handlers["sms.send"] = send
    async with bridge.inside():
        bridge.missed()
        await bridge.core.wait_asked("sms.send", times=2)
    first, second = bridge.core.asked("sms.send")
    assert first == second


async def test_what_the_daemon_refuses_for_good_becomes_a_dead_letter(bridge: Rig) -> None:
    by_sms(bridge)

    def refuse(params: Json) -> Json:
        raise Refused(-32022, "guard_refused", "The guard refuses it.")

    bridge.core.handlers["sms.send"] = refuse
    async with bridge.inside():
        bridge.missed()
        await bridge.until(lambda: bridge.stored() == [("owner.sms", "call.missed", "dead")])
    assert len(bridge.core.asked("sms.send")) == 3


async def test_the_owner_s_own_messages_come_back_to_nobody(bridge: Rig) -> None:
    """An automatic answer of that phone would go round for ever."""
    by_sms(bridge)
    async with bridge.inside():
        bridge.sms("I drive", OWNER)
        bridge.sms("I drive", "860000099")  # the same in national form
        bridge.missed()
        await bridge.core.wait_asked("sms.send")
    assert [one["text"][:11] for one in bridge.core.asked("sms.send")] == ["Missed call"]


async def test_many_at_once_become_a_digest(bridge: Rig, hook: Receiver) -> None:
    bridge.core.handlers["sms.send"] = accepted
    bridge.configure(
        f'[events]\nnotify_url = "{hook.url()}"\n'
        f'[owner]\nnotify = true\nsms_to = ["{OWNER}"]\nburst = 2\nwindow_s = 3600\n'
    )
    async with bridge.inside():
        for number in range(40):
            bridge.missed("+37061111111" if number % 2 else "+37062222222")
        last = bridge.sms("Labas")
        await bridge.until(lambda: bridge.core.acks["bridge"] == last)
        bridge.hold_for(3600)
        await bridge.core.wait_asked("sms.send", times=3)
        await bridge.until(lambda: len(hook.got) == 3)
        await bridge.until(lambda: not bridge.waiting())
    texts = [one["text"] for one in bridge.core.asked("sms.send")]
    assert [text[:11] for text in texts] == ["Missed call", "Missed call", "38 missed c"]
    assert texts[2].startswith("38 missed calls, 1 message since ")
    assert "+37061111111 (19)" in texts[2] and len(texts[2]) <= 300
    digest = hook.got[2].body["message"]
    assert digest.count("Missed call from") == 38 and digest.endswith("Labas")
    assert len({got.key for got in hook.got}) == 3


async def test_what_is_held_for_a_digest_survives_the_bridge(bridge: Rig) -> None:
    by_sms(bridge, "burst = 1\nwindow_s = 3600\n")
    async with bridge.inside():
        bridge.missed("+37061111111")
        bridge.missed("+37062222222")
        await bridge.until(lambda: bridge.core.acks["bridge"] == 2 and not bridge.waiting())
    assert len(bridge.core.asked("sms.send")) == 1
    bridge.hold_for(3600)
    async with bridge.inside():
        await bridge.core.wait_asked("sms.send", times=2)
    assert "+37062222222" in bridge.core.asked("sms.send")[1]["text"]


async def test_the_owner_chooses_of_what_and_without_texts(bridge: Rig, hook: Receiver) -> None:
    bridge.configure(
        f'[events]\nnotify_url = "{hook.url()}"\n[owner]\nnotify = true\nof = ["message"]\ninclude_text = false\n'
    )
    async with bridge.inside():
        bridge.missed()
        bridge.sms("private")
        await bridge.until(lambda: hook.got)
    (got,) = hook.got
    assert got.body["severity"] == "info" and got.body["service"] == "raspberry-pi-vpn"
    assert got.body["message"].startswith("Message from +37060000000 at ") and "private" not in json.dumps(got.body)
