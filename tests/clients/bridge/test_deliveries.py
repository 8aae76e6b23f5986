"""Facts of the daemon as they arrive at the VPS and at webhooks: bodies, headers, order, and trouble on the way."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

import dialtone
from clients.bridge.deliveries import Deliveries
from clients.bridge.settings import read_settings
from tests.clients.bridge.outbox_rig import AT, CALL, QUICK, Receiver, Rig, rig
from tests.vps import Vps, vps

EVENTS = """
[events]
url = "{0.phone.url}"
sms_url = "{0.sms.url}"
notify_url = "{0.notify.url}"
gateway_ip = "10.100.0.11"
timeout_s = 20
"""


@pytest.fixture
async def bridge() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Vps]:
    async with vps() as made:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def to_vps(bridge: Rig, server: Vps, more: str = "") -> None:
    bridge.configure("station = 'pi'\n" + EVENTS.format(server) + more)


def to_hook(bridge: Rig, hook: Receiver, keys: str = "", outbox: str = QUICK) -> None:
    bridge.configure(f'[[webhook]]\nname = "crm"\nurl = "{hook.url()}"\n{keys}\n', outbox)


async def test_a_call_is_told_with_the_old_names_and_ids(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        number = "+37060000000"
        bridge.core.fact("call.incoming", call_id=CALL, number=number)
        bridge.core.fact("call.connected", call_id=CALL, number=number, direction="in")
        bridge.core.fact("call.speech", call_id=CALL, turn=1, text="labas", language="lt", confidence=0.9)
        bridge.core.fact("call.speech", call_id=CALL, turn=2, text=None)
        bridge.core.fact(
            "call.ended", call_id=CALL, number=number, direction="in", reason="remote_hangup", duration_s=9
        )
        await server.wait("phone", count=4)
        bodies = [request.body for request in server.of("phone")]
    assert [body["event"] for body in bodies] == ["ring", "call_started", "transcription", "call_ended"]
    assert {(body["callId"], body["sessionId"]) for body in bodies} == {(CALL, "session_1795245360_k3fz")}
    assert {body["gateway_ip"] for body in bodies} == {"10.100.0.11"}
    assert bodies[0]["timestamp"] == datetime.fromisoformat(AT).timestamp()
    assert bodies[1]["data"] == {"caller": number, "welcome_message": "", "instant_answer": True, "direction": "in"}
    assert (bodies[2]["text"], bodies[2]["language"], bodies[2]["confidence"]) == ("labas", "lt", 0.9)
    assert (bodies[3]["from"], bodies[3]["caller"], bodies[3]["duration"]) == (number, number, 9)


@pytest.mark.parametrize(
    ("dialect", "names", "stamp"),
    [
        ("voice_system", ["ring", "call_start", "speech", "call_end"], AT),
        ("station", ["ring", "answer", "transcription", "hangup"], datetime.fromisoformat(AT).timestamp()),
    ],
)
async def test_a_dialect_names_events_as_the_other_documents_do(
    bridge: Rig, server: Vps, dialect: str, names: list[str], stamp: object
) -> None:
    to_vps(bridge, server, f'dialect = "{dialect}"\n')
    async with bridge.inside():
        bridge.core.fact("call.incoming", call_id=CALL, number=None)
        bridge.core.fact("call.connected", call_id=CALL, number=None, direction="in")
        bridge.core.fact("call.speech", call_id=CALL, turn=1, text="labas")
        bridge.core.fact("call.ended", call_id=CALL, number=None, direction="in", reason="missed", duration_s=0.0)
        await server.wait("phone", count=4)
    assert [request.body["event"] for request in server.of("phone")] == names
    assert {request.body["timestamp"] for request in server.of("phone")} == {stamp}


async def test_a_refused_call_is_told_as_rejected_with_a_reason(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        bridge.core.fact("call.ended", call_id=CALL, number="+1", direction="in", reason="rejected", duration_s=0.0)
        body = (await server.wait("phone")).body
    assert (body["event"], body["caller"]) == ("call_rejected", "+1")
    assert body["reason"] == body["data"]["reason"] and "-1" in body["reason"]


async def test_the_welcome_message_of_the_voice_configuration_is_told_at_the_answer(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server, f'[voice_config]\ncache = "{bridge.folder}/voice.json"\n')
    (bridge.folder / "voice.json").write_text(json.dumps({"welcome_message": "Laba diena"}))
    async with bridge.inside():
        late = "2026-11-21T07:16:30.000Z"
        bridge.core.fact("call.connected", call_id=CALL, number="+1", direction="in", at=late)
        data = (await server.wait("phone")).body["data"]
    assert (data["welcome_message"], data["instant_answer"]) == ("Laba diena", False)


async def test_a_message_has_the_body_that_smsd_s_handler_sent(
    bridge: Rig, server: Vps, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        bridge.sms("Ačiū", at="2026-02-07T09:44:31.000Z")
        body = (await server.wait("sms")).body
    local = datetime(2026, 2, 7, 9, 44, 31, tzinfo=UTC).astimezone().strftime("%y-%m-%d %H:%M:%S")
    assert body == {"from": "+37060000000", "message": "Ačiū", "received": local, "gateway_ip": "10.100.0.11"}


async def test_alarms_become_notifications_with_known_severities(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        bridge.core.fact("alarm.raised", alarm="low_space", severity="critical", text="The disk is full.")
        bridge.core.fact("sms.status", message_id="sms_1", state="sent", number="+1")
        bridge.core.fact("sms.status", message_id="sms_1", state="failed", number="+1", reason="no_answer")
        bridge.core.fact("modem.lost", reason="usb")
        await server.wait("notify", count=3)
        bodies = [request.body for request in server.of("notify")]
    assert [body["severity"] for body in bodies] == ["critical", "error", "error"]
    assert {body["hostname"] for body in bodies} == {"pi [10.100.0.11]"}
    assert "The disk is full." in bodies[0]["message"] and "no_answer" in bodies[1]["message"]


async def test_a_text_that_was_just_told_is_not_told_again(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        for second in (0, 30, 59, 61):
            at = f"2026-11-21T07:{16 + second // 60}:{second % 60:02}.000Z"
            bridge.core.fact("modem.lost", reason="usb", at=at)
        bridge.core.fact("modem.lost", reason="other")
        await server.wait("notify", lambda one: "other" in one.body["message"])
    assert [one.body["message"].endswith("usb") for one in server.of("notify")] == [True, True, False]


@pytest.mark.parametrize("trouble", ["500*3", "429:0*2", "408*2", "html*2", "half*2", "reset*2", "late:2", "hang*2"])
async def test_trouble_of_the_vps_loses_and_reorders_nothing(bridge: Rig, server: Vps, trouble: str) -> None:
    to_vps(bridge, server)
    bridge.config.write_text(bridge.config.read_text().replace("timeout_s = 20", "timeout_s = 0.3"))
    server.sms.behave("ok*3", trouble, "ok*2", trouble, "ok")
    async with bridge.inside():
        for number in range(12):
            bridge.sms(str(number))
        await server.wait("sms", lambda one: one.accepted and one.body["message"] == "11")
        await bridge.until(lambda: not bridge.waiting())
    told = [request.body["message"] for request in server.of("sms")]
    accepted = [request.body["message"] for request in server.of("sms") if request.accepted]
    assert list(dict.fromkeys(told)) == list(dict.fromkeys(accepted)) == [str(number) for number in range(12)]
    assert told == sorted(told, key=int)
    keys = {request.body["message"]: request.key for request in server.of("sms")}
    assert len(set(keys.values())) == 12
    assert all(request.key == keys[request.body["message"]] for request in server.of("sms"))


async def test_a_vps_that_is_away_gets_everything_once_it_is_back(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    server.sms.behave("refuse")
    server.phone.behave("flap:0.3")
    async with bridge.inside() as deliveries:
        for number in range(20):
            bridge.sms(str(number))
            bridge.core.fact("call.speech", call_id=CALL, turn=number, text=str(number))
        await bridge.until(lambda: {request.body["text"] for request in server.of("phone")} >= {"19"})
        assert not server.of("sms")
        server.sms.behave("ok")
        server.phone.behave("ok")
        deliveries.hurry()
        await bridge.until(lambda: not bridge.waiting())
    assert [request.body["message"] for request in server.of("sms")] == [str(number) for number in range(20)]


async def test_what_waits_is_tried_at_once_when_the_vps_is_heard_of(bridge: Rig, server: Vps) -> None:
    bridge.configure(EVENTS.format(server), "[outbox]\nretry_first_s = 600\nretry_cap_s = 600\n")
    server.sms.behave("500", "ok")
    async with bridge.inside() as deliveries:
        bridge.sms()
        await server.wait("sms")
        await asyncio.sleep(0.1)
        assert len(server.of("sms")) == 1
        deliveries.hurry()
        await server.wait("sms", count=2)


async def test_retry_after_is_kept(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    hook.answers = [(503, {"Retry-After": "1"}, "")]
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: len(hook.got) == 2)
    assert hook.got[1].at_s - hook.got[0].at_s > 0.9


@pytest.mark.timeout(180)
async def test_a_refusal_becomes_a_dead_letter_and_holds_up_nothing(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    hook.answers = [(400, {}, "")] * 3
    async with bridge.inside():
        bridge.sms("first")
        bridge.sms("second")
        await bridge.until(lambda: len(hook.got) == 4)
        await bridge.until(lambda: bridge.stored() == [("webhook.crm", "sms.received", "dead")])
        await bridge.until(lambda: "outbox_dead" in bridge.alarms())
        texts = [got.body["params"]["text"] for got in hook.got]
        assert texts == ["first", "first", "first", "second"]
        assert "sms.received" in await bridge.command("list", "--dead")
        assert "first" not in await bridge.command("list")
        row = json.loads(await bridge.command("list", "--json"))[0]
        assert "first" in await bridge.command("show", str(row["id"]))
        assert "1 row replayed" in await bridge.command("replay", str(row["id"]))
        await bridge.until(lambda: len(hook.got) == 5 and not bridge.waiting())
        assert hook.got[4].body["params"]["text"] == "first" and hook.got[4].key == hook.got[0].key == row["key"]
        await bridge.until(lambda: not bridge.alarms())
        stats = json.loads(await bridge.command("stats", "--json"))
    assert stats["rows"] == stats["bytes"] == 0
    assert {(one["what"], one["count"]) for one in stats["counts"]} == {("delivered", 2), ("dead", 1)}


async def test_a_redirect_is_not_followed(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    hook.answers = [(302, {"Location": hook.url("/elsewhere")}, "")] * 3
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: [state for _, _, state in bridge.stored()] == ["dead"])
    assert {got.path for got in hook.got} == {"/hook"}


async def test_a_retry_schedule_ends_in_a_dead_letter(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook, "retry_s = [0.01, 0.02, 0.03]")
    hook.always = 500
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: [state for _, _, state in bridge.stored()] == ["dead"])
    assert [got.headers["x-dialtone-attempt"] for got in hook.got] == ["1", "2", "3", "4"]


async def test_failures_of_every_kind_are_given_up_in_the_end(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook, outbox="[outbox]\nretry_first_s = 0.3\nretry_cap_s = 0.3\ngive_up_after_h = 0.001\n")
    hook.always = 500
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: [state for _, _, state in bridge.stored()] == ["dead"])
    assert len(hook.got) > 1, "3.6 s are more than one try"


async def test_a_webhook_is_signed_over_time_and_body(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook, 'secret = "correct horse"\ntoken = "theirs"')
    bridge.config.write_text(bridge.config.read_text() + '[vps]\ntoken = "ours"\n')
    async with bridge.inside():
        seq = bridge.sms("Ačiū")
        await bridge.until(lambda: hook.got)
    (got,) = hook.got
    signed = got.headers["x-dialtone-timestamp"].encode() + b"." + got.raw
    expected = hmac.new(b"correct horse", signed, hashlib.sha256).hexdigest()
    assert got.headers["x-dialtone-signature"] == f"sha256={expected}"
    assert abs(int(got.headers["x-dialtone-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert got.headers["authorization"] == "Bearer theirs" and got.headers["x-dialtone-event"] == "sms.received"
    assert (got.body["event"], got.body["params"]["seq"], got.body["params"]["text"]) == ("sms.received", seq, "Ačiū")


@pytest.mark.parametrize(
    ("vps_url", "expected"),
    [
        ("", "Bearer ours"),
        ('transcribe_url = "http://127.0.0.1:9/x"', "Bearer ours"),
        ('transcribe_url = "http://another.example/x"', None),
    ],
)
async def test_the_token_of_the_vps_goes_to_its_own_host(
    bridge: Rig, hook: Receiver, vps_url: str, expected: str | None
) -> None:
    bridge.configure(f'[vps]\ntoken = "ours"\n{vps_url}\n[events]\nsms_url = "{hook.url()}"\n')
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: hook.got)
    assert hook.got[0].headers.get("authorization") == expected


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (["*"], ["call.missed", "sms.received", "alarm.cleared"]),
        (["call.*"], ["call.missed"]),
        (["call.*", "call.partial"], ["call.missed", "call.partial"]),
        (["*", "call.level"], ["call.missed", "sms.received", "call.level", "alarm.cleared"]),
        (["sms.received", "alarm.*"], ["sms.received", "alarm.cleared"]),
    ],
)
async def test_topics_choose_facts_by_prefix_and_moments_by_name(
    bridge: Rig, hook: Receiver, topics: list[str], expected: list[str]
) -> None:
    to_hook(bridge, hook, f"topics = {json.dumps(topics)}")
    async with bridge.inside():
        await bridge.core.wait_for(lambda: any(peer.subscribed for peer in bridge.core.peers))
        bridge.missed()
        bridge.core.moment("call.partial", call_id=CALL, turn=1, text="a")
        bridge.sms()
        bridge.core.moment("call.level", call_id=CALL, downlink_dbfs=-1.0)
        bridge.core.fact("alarm.cleared", alarm="x")
        await bridge.until(lambda: len(hook.got) >= len(expected) and not bridge.waiting())
    assert [got.body["event"] for got in hook.got] == expected


async def test_our_own_states_make_no_rows(bridge: Rig, hook: Receiver) -> None:
    """Telling of them would fail, change the state and so on for ever."""
    to_hook(bridge, hook)
    async with bridge.inside():
        bridge.core.fact("client.state", client="bridge-outbox", state="behind")
        bridge.core.fact("client.state", client="bridge", state="offline")
        await bridge.until(lambda: hook.got)
    assert [got.body["params"]["client"] for got in hook.got] == ["bridge"]


async def test_hidden_numbers_end_the_bridge_and_are_not_acknowledged(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    with pytest.raises(ExceptionGroup) as raised:
        async with bridge.inside():
            bridge.sms(None, None, redacted=["number", "text"])  # type: ignore[arg-type]
            await bridge.until(lambda: bridge.running is None or bridge.running.done())
    assert raised.group_contains(dialtone.RpcError, match="number, text")
    assert bridge.core.acks["bridge"] == 0 and not server.requests


async def test_the_core_may_restart_and_nothing_comes_twice(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    async with bridge.inside():
        bridge.sms("one")
        await bridge.until(lambda: hook.got)
        await bridge.core.stop()
        bridge.sms("two")
        await bridge.core.start()
        await bridge.until(lambda: len(hook.got) == 2)
        await bridge.until(lambda: bridge.core.acks["bridge"] == 2)
    assert [got.body["params"]["text"] for got in hook.got] == ["one", "two"]


async def test_a_new_journal_that_counts_from_one_again_gets_new_keys(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    async with bridge.inside():
        bridge.sms("before")
        await bridge.until(lambda: hook.got and not bridge.waiting() and bridge.core.acks["bridge"] == 1)
    bridge.core.journal.clear()
    bridge.core.acks.clear()
    async with bridge.inside():
        bridge.sms("after", at="2026-11-22T00:00:00.000Z")
        await bridge.until(lambda: len(hook.got) == 2)
    assert hook.got[0].body["params"]["seq"] == hook.got[1].body["params"]["seq"] == 1
    assert hook.got[0].key != hook.got[1].key


async def test_facts_that_are_gone_are_told_of(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    async with bridge.inside():
        await bridge.core.wait_for(lambda: any(peer.subscribed for peer in bridge.core.peers))
        for peer in bridge.core.peers:
            params = {"from_seq": 1, "to_seq": 40, "cause": "expired"}
            bridge.core.send(peer, {"jsonrpc": "2.0", "method": "events.lagged", "params": params})
        assert (await server.wait("notify")).body["severity"] == "error"
        await bridge.until(lambda: "outbox_missed" in bridge.alarms())


async def test_numbers_texts_and_addresses_are_in_no_log(
    bridge: Rig, server: Vps, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    to_vps(bridge, server, f'[[webhook]]\nname = "crm"\nurl = "{hook.url("/geheim")}"\n')
    server.sms.behave("500", "html", "refuse:0.2", "ok")
    hook.always = 404
    async with bridge.inside():
        bridge.sms("slaptas")
        await bridge.until(lambda: [state for _, _, state in bridge.stored()] == ["dead"])
        await bridge.until(lambda: len(server.of("sms")) == 3)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("dialtone"))
    assert "HTTP 404" in ours
    for secret in ("slaptas", "37060000000", "geheim"):
        assert secret not in ours


async def test_two_bridges_on_one_outbox_are_one_too_many(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook)
    async with bridge.inside():
        with pytest.raises(ExceptionGroup) as raised:
            async with bridge.inside():
                pass
    assert raised.group_contains(OSError, match="another bridge")


async def test_rows_of_a_webhook_that_is_gone_wait_and_are_named(
    bridge: Rig, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    to_hook(bridge, hook)
    hook.always = 500
    async with bridge.inside():
        bridge.sms()
        await bridge.until(lambda: hook.got)
    bridge.configure(f'[[webhook]]\nname = "other"\nurl = "{hook.url()}"\ntopics = ["alarm.*"]\n')
    async with bridge.inside():
        await bridge.until(lambda: "1 rows wait for webhook.crm" in caplog.text)
    assert bridge.stored() == [("webhook.crm", "sms.received", "waiting")]


@pytest.mark.timeout(180)
async def test_a_full_outbox_leaves_the_rest_in_the_journal(bridge: Rig, server: Vps) -> None:
    to_vps(bridge, server)
    bridge.config.write_text(bridge.config.read_text() + "max_rows = 100\n")
    server.sms.behave("refuse")
    async with bridge.inside() as deliveries:
        for number in range(130):
            bridge.sms(str(number))
        await bridge.until(lambda: "outbox_full" in bridge.alarms() and bridge.waiting() >= 100)
        assert bridge.waiting() == 100 and bridge.core.acks["bridge"] <= 100
        server.sms.behave("ok")
        deliveries.hurry()
        await server.wait("sms", count=130, timeout_s=60)
        await bridge.until(lambda: not bridge.alarms() and not bridge.waiting())
    assert [request.body["message"] for request in server.of("sms")] == [str(number) for number in range(130)]


@pytest.mark.timeout(180)
async def test_a_webhook_that_is_gone_for_good_costs_its_own_rows_alone(
    bridge: Rig, server: Vps, hook: Receiver
) -> None:
    to_vps(bridge, server, f'[[webhook]]\nname = "crm"\nurl = "{hook.url()}"\ntopics = ["sms.*"]\n')
    bridge.config.write_text(bridge.config.read_text() + "max_rows = 100\n")
    hook.always = 500
    async with bridge.inside():
        for number in range(130):
            bridge.sms(str(number))
        await server.wait("sms", count=130, timeout_s=60)
        await bridge.until(lambda: "outbox_dropped" in bridge.alarms())
        stats = json.loads(await bridge.command("stats", "--json"))
    dropped = {one["queue"] for one in stats["counts"] if one["what"] == "dropped"}
    assert dropped == {"webhook.crm"} and stats["rows"] <= 100


async def test_half_a_character_at_the_end_of_a_message_stops_nothing(bridge: Rig, server: Vps, hook: Receiver) -> None:
    to_vps(bridge, server, f'[[webhook]]\nname = "crm"\nurl = "{hook.url()}"\n')
    async with bridge.inside():
        bridge.sms("Labas \ud83d")
        assert (await server.wait("sms")).body["message"] == "Labas ?"
        await bridge.until(lambda: hook.got)


async def test_a_message_type_that_phones_drop_is_told_to_webhooks_alone(
    bridge: Rig, server: Vps, hook: Receiver
) -> None:
    to_vps(bridge, server, f'[[webhook]]\nname = "crm"\nurl = "{hook.url()}"\n')
    async with bridge.inside():
        bridge.sms("ping", silent=True)
        bridge.sms("real")
        await server.wait("sms")
        await bridge.until(lambda: len(hook.got) == 2)
    assert [request.body["message"] for request in server.of("sms")] == ["real"]


async def test_what_waits_goes_out_while_there_is_no_core(bridge: Rig, hook: Receiver) -> None:
    to_hook(bridge, hook, 'topics = ["sms.received"]')
    hook.always = 503
    async with bridge.inside():
        bridge.core.fact("sms.received", message_id="sms_1", number="+447700900123", text="hi")
        await bridge.until(lambda: bool(hook.got))
    await bridge.core.stop()
    refused = len(hook.got)
    hook.always = 200
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            Deliveries(read_settings(bridge.config)).run(
                lambda **how: dialtone.connect(bridge.core.path, **({"wait_s": None} | how))
            )
        )
        await bridge.until(lambda: len(hook.got) > refused)
        running.cancel()
    assert hook.got[-1].headers["idempotency-key"] == hook.got[0].headers["idempotency-key"]
