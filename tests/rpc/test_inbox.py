"""Reading, deleting and erasing messages over the socket of a real core, whose store was filled before it started."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import dialtone
from core.clock import rfc3339, unix_s
from core.events import SmsState
from core.store.messages import NewMessage
from core.store.store import Store
from tests.station import Station, Watch, station
from tests.store.inbox_rows import ANNE, AT, BEN, begin_group, fill, put_call, received, sent

GB = '[guard]\nregion = "GB"\n'
NATIONAL = "07700 900123"


@asynccontextmanager
async def holding(
    *rows: NewMessage, toml: str = GB, topics: tuple[str, ...] = ("sms.*",)
) -> AsyncIterator[tuple[Station, dialtone.Phone, Watch]]:
    """A core without a modem, that holds these messages and a call of Anne's."""
    async with station(toml, emulator=False, core=False) as made:
        store = await Store.open(made.dir / "dialtone.db")
        try:
            await fill(store, *rows)
            recording = str(made.dir / "recordings" / "call_1_anne.wav")
            await store.write(lambda tx: put_call(tx, "call_1_anne", ANNE, "quixotic words", recording))
        finally:
            await store.close()
        await made.start_core()
        async with made.phone(*topics) as (phone, watch):
            yield made, phone, watch


async def ids(phone: dialtone.Phone, method: str = "sms.list", **params: Any) -> list[str]:
    return [message["message_id"] for message in (await phone.call(method, **params))["messages"]]


async def failure(phone: dialtone.Phone, method: str, **params: Any) -> tuple[str, Any]:
    with pytest.raises(dialtone.RpcError) as refused:
        await phone.call(method, **params)
    return refused.value.kind, refused.value.data.get("path")


VOICEMAIL = {"kind": "voicemail", "active": True, "count": 2}
MIXED = (
    received("sms_1", ANNE, "invoice of May", created_at="2026-11-21T10:00:00.000Z"),
    sent(
        "sms_2", ANNE, "thanks", created_at="2026-11-21T11:00:00.000Z", state=SmsState.FAILED, reason="network_refused",
    ),
    received(
        "sms_3", "Bank", "your invoice", peer="name:bank", created_at="2026-11-21T12:00:00.000Z",
        details={"source_port": 23, "waiting": [VOICEMAIL]},
    ),
    received(
        "sms_4", "", None, peer="unknown", data=b"\x01\x02", encoding="binary", details={"damaged": True},
        created_at="2026-11-21T13:00:00.000Z",
    ),
)  # fmt: skip


async def test_messages_are_read_one_by_one_filtered_and_in_pages() -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        assert await ids(phone) == ["sms_4", "sms_3", "sms_2", "sms_1"]
        first = await phone.call("sms.list", limit=3)
        rest = await phone.call("sms.list", limit=3, before=first["next"])
        assert [len(first["messages"]), len(rest["messages"]), rest["next"]] == [3, 1, None]
        assert await ids(phone, oldest_first=True, after="sms_2") == ["sms_3", "sms_4"]
        assert await ids(phone, direction="in", number=NATIONAL) == ["sms_1"]
        assert await ids(phone, number="BANK") == ["sms_3"]
        assert await ids(phone, state="failed") == await ids(phone, state=["failed", "sent"]) == ["sms_2"]
        assert await ids(phone, line="other") == []
        assert await ids(phone, since="2026-11-21T12:00:00+01:00", until="2026-11-21T13:00Z") == ["sms_3", "sms_2"]
        assert await failure(phone, "sms.list", before="sms_9") == ("not_found", None)
        assert await failure(phone, "sms.list", since="yesterday") == ("invalid_params", "since")
        assert await failure(phone, "sms.list", until="2026-11-21T12:00:00") == ("invalid_params", "until")
        assert await failure(phone, "sms.list", limit=501) == ("invalid_params", "limit")
        assert await failure(phone, "sms.get", message_id="sms_9") == ("not_found", None)


async def test_a_message_shows_what_is_known_of_it() -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        info = await phone.call("sms.get", message_id="sms_2")
        assert (info["direction"], info["state"], info["reason"]) == ("out", "failed", "network_refused")
        assert (info["priority"], info["parts"], info["missing"], info["dry_run"]) == ("normal", 1, [], False)
        info = await phone.call("sms.get", message_id="sms_3")
        assert (info["number"], info["source_port"], info["damaged"]) == ("Bank", 23, False)
        assert info["waiting"] == [VOICEMAIL]
        info = await phone.call("sms.get", message_id="sms_4")
        assert (info["number"], info["text"], info["data"], info["damaged"]) == (None, None, "AQI=", True)


async def test_conversations_go_by_party_in_any_spelling() -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        found = await phone.call("sms.conversations", limit=2)
        assert [(each["number"], each["messages"], each["last"]["message_id"]) for each in found["conversations"]] == [
            (None, 1, "sms_4"),
            ("Bank", 1, "sms_3"),
        ]
        rest = await phone.call("sms.conversations", before=found["next"])
        assert [(each["number"], each["messages"]) for each in rest["conversations"]] == [(ANNE, 2)]
        assert await ids(phone, "sms.conversation", number=NATIONAL) == ["sms_2", "sms_1"]
        assert await ids(phone, "sms.conversation", number=ANNE, before="sms_2") == ["sms_1"]
        assert await ids(phone, "sms.conversation", number="+1") == []


async def test_words_are_found_and_no_query_is_a_mistake() -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        assert await ids(phone, "sms.search", query="INVOICE") == ["sms_3", "sms_1"]
        assert await ids(phone, "sms.search", query="invoice", number=NATIONAL, direction="in") == ["sms_1"]
        first = await phone.call("sms.search", query="invoice", limit=1)
        assert first["next"] == "sms_3"
        assert await ids(phone, "sms.search", query="invoice", before="sms_3") == ["sms_1"]
        for query in ('"', "a AND", "NEAR(", "text:", "*", "\x00", ""):
            assert await ids(phone, "sms.search", query=query) == []


async def test_an_export_has_every_message_once_oldest_first() -> None:
    rows = [received(f"sms_{n}", ANNE if n % 2 else BEN) for n in range(25)]
    async with holding(*rows) as (_, phone, _watch):
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 10}
        while True:
            page = await phone.call_with("sms.export", params)
            seen += [message["message_id"] for message in page["messages"]]
            if page["next"] is None:
                break
            params["after"] = page["next"]
        assert seen == [row.message_id for row in rows]
        assert len(await ids(phone, "sms.export", number=NATIONAL)) == 12
        assert await ids(phone, "sms.export", since="2027-01-01T00:00:00Z") == []


async def test_a_message_is_deleted_once_it_is_finished_and_no_longer_counts() -> None:
    now = rfc3339()
    rows = (received("sms_1"), sent("sms_2", created_at=now), sent("sms_3", state=SmsState.UNKNOWN))
    old = sent("sms_4", created_at=rfc3339(unix_s() - 2 * 86_400))
    async with holding(*rows, old, toml=GB + "sms_per_day = 5\n") as (_, phone, _watch):
        assert await phone.call("sms.delete", message_id="sms_1") == {}
        assert await phone.call("sms.delete", message_id="sms_4") == {}
        assert await failure(phone, "sms.delete", message_id="sms_1") == ("not_found", None)
        assert await failure(phone, "sms.delete", message_id="sms_2") == ("not_now", None)
        assert await failure(phone, "sms.delete", message_id="sms_3") == ("not_now", None)
        assert await ids(phone) == ["sms_3", "sms_2"]
    async with holding(sent("sms_2", created_at=now)) as (_, phone, _watch):
        assert await phone.call("sms.delete", message_id="sms_2") == {}


async def test_only_an_admin_may_erase_and_only_those_with_messages_may_read() -> None:
    async with holding() as (_, phone, _watch):
        scopes = {each["name"]: each["x-scope"] for each in (await phone.call("rpc.discover"))["methods"]}
        for name in ("get", "list", "search", "export", "conversations", "conversation", "delete"):
            assert scopes[f"sms.{name}"] == "messages"
        assert scopes["sms.erase"] == "admin"


def traces(made: Station, *wanted: str) -> list[str]:
    files = b"".join(file.read_bytes() for file in made.dir.glob("dialtone.db*"))
    return [word for word in wanted if word.encode() in files]


async def test_erasing_a_number_leaves_nothing_of_it_and_tells_of_what_was_cancelled() -> None:
    rows = (
        received("sms_1", ANNE, "quixotic"),
        received("sms_2", NATIONAL.replace(" ", ""), "quixotic", peer="07700900123"),  # the SIM was not read yet
        sent("sms_3", ANNE, "quixotic", state=SmsState.QUEUED, send_at="2030-01-01T00:00:00.000Z"),
        received("sms_4", BEN, "harmless"),
        *MIXED[3:],
    )
    async with holding(*rows[:4]) as (made, phone, watch):
        recordings = made.dir / "recordings"
        recordings.mkdir()
        for name in ("call_1_anne.wav", "call_1_anne.2.wav", "call_1_annexe.wav"):
            (recordings / name).write_bytes(b"RIFF")
        assert set(traces(made, "quixotic", ANNE, "07700900123", "harmless", BEN)) >= {"quixotic", ANNE, "harmless"}
        done = await phone.call("sms.erase", number=NATIONAL)
        assert done["seq"] > 0
        assert {name: done[name] for name in ("messages", "calls", "recordings", "files", "scrubbed")} == {
            "messages": 3, "calls": 1, "recordings": 1, "files": 2, "scrubbed": True,
        }  # fmt: skip
        cancelled = await watch.wait("sms.status", lambda params: params["message_id"] == "sms_3")
        assert cancelled["state"] == "cancelled"
        assert traces(made, "quixotic", ANNE, "07700900123", "harmless", BEN) == ["harmless", BEN]
        assert [file.name for file in recordings.iterdir()] == ["call_1_annexe.wav"]
        assert await ids(phone) == ["sms_4"]
        assert (await phone.call("call.list"))["calls"] == []


async def test_whoever_reads_the_journal_after_an_erase_gets_it_redacted() -> None:
    async with holding(received("sms_1", ANNE, "quixotic"), received("sms_2", BEN, "harmless")) as (made, phone, _):
        await phone.call("sms.erase", number=ANNE)
        async with made.phone("sms.*", "call.*") as (reader, watch):
            await reader.subscribe(["sms.*", "call.*"], since=0)
            other = await watch.wait("sms.received", lambda params: params["number"] == BEN)
            ended = await watch.wait("call.ended")
            mine = await watch.wait("sms.received", lambda params: params["message_id"] == "sms_1")
    assert other["text"] == "harmless" and "redacted" not in other
    assert (mine["number"], mine["text"], mine["redacted"]) == (None, None, ["number", "text", "data"])
    assert (ended["number"], ended["recording"], ended["reason"]) == (None, None, "remote_hangup")
    assert "quixotic" not in json.dumps([event.params for event in watch.seen])


@pytest.mark.parametrize("number", ["", "  ", "x" * 61])
async def test_nothing_is_erased_for_what_is_no_number(number: str) -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        assert await failure(phone, "sms.erase", number=number) == ("invalid_params", "number")
        assert len(await ids(phone)) == 4


async def test_what_cannot_be_read_belongs_to_nobody() -> None:
    async with holding(*MIXED) as (_, phone, _watch):
        assert (await phone.call("sms.erase", number="unknown"))["messages"] == 0
        assert (await phone.call("sms.erase", number="bank"))["messages"] == 1
        assert await ids(phone) == ["sms_4", "sms_2", "sms_1"]


async def test_a_number_is_not_erased_while_one_talks_with_it() -> None:
    async with station(GB) as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number=ANNE, ring_s=0.3)
        connected = await watch.wait("call.connected")
        await phone.call("call.speak", text="a", wait="spoken")
        assert await failure(phone, "sms.erase", number=NATIONAL) == ("not_now", None)
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        recordings = made.dir / "recordings"
        assert list(recordings.iterdir())
        done = await phone.call("sms.erase", number=NATIONAL)
        assert (done["calls"], done["recordings"], done["files"]) == (1, 1, 1)
        assert not list(recordings.iterdir())
        assert await failure(phone, "call.get", call_id=connected["call_id"]) == ("not_found", None)


async def test_parts_that_are_still_coming_are_erased_too() -> None:
    async with station(GB, emulator=False, core=False) as made:
        store = await Store.open(made.dir / "dialtone.db")
        await begin_group(store, received("sms_1", ANNE, None, parts=2, created_at=rfc3339(), updated_at=AT), 1)
        await store.close()
        await made.start_core()
        async with made.phone("sms.*") as (phone, _):
            assert (await phone.call("sms.erase", number=ANNE))["messages"] == 1
            assert traces(made, "part 1", ANNE) == []
