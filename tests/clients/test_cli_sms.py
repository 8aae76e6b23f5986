"""dialtone sms and dialtone ussd as processes: what they ask, what they print, and how they end."""

import asyncio
import json
import os
import pty
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from clients.cli.command import UsageError
from clients.cli.moments import moment
from clients.cli.sms import STATES
from clients.cli.sms import VERBS as SMS_VERBS
from core.events import SmsState
from core.rpc.methods import load
from tests.clients.test_cli import DEADLINE_S, DIALTONE, run, started
from tests.clients.tiny_core import Json, Refused, TinyCore
from tests.rpc.schema import ProtocolSchema
from tests.station import station

TO = "+447700900123"
ID = "sms_1795246560_k2fqab7"
INFO: Json = {
    "message_id": ID, "line": "sim", "direction": "out", "number": TO, "text": "Dinner\nis ready", "data": None,
    "state": "queued", "reason": None, "network_text": None, "report": False, "parts": 1, "dry_run": False,
    "created_at": "2026-11-21T07:16:00.123Z",
}  # fmt: skip
BAD = "\x1b[31mred"


def answer(core: TinyCore, method: str, result: Json) -> None:
    core.handlers[method] = lambda _: result


# --- help


VERBS = [("sms", verb) for verb in SMS_VERBS] + [("ussd", verb) for verb in ("send", "reply", "cancel")]


@pytest.mark.parametrize(("command", "verb"), VERBS)
async def test_every_verb_shows_an_example(command: str, verb: str) -> None:
    ran = await run(command, verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Example:\n  dialtone {command} {verb}" in ran.out


@pytest.mark.parametrize("command", ["sms", "ussd"])
async def test_the_commands_stand_in_the_list_and_have_a_help(command: str) -> None:
    assert f"\n  {command} " in (await run("--help")).out
    assert f"Example:\n  dialtone {command}" in (await run(command, "--help")).out


def test_every_state_can_be_asked_for() -> None:
    assert set(STATES) == set(SmsState)


# --- requests


ASKED: list[tuple[str, str, Json]] = [
    ("sms send +1 hi", "sms.send", {"to": "+1", "text": "hi"}),
    ("sms send +1 hi --report --flash", "sms.send", {"to": "+1", "text": "hi", "report": True, "message_class": 0}),
    ("sms send +1 hi --class 2 --line sim", "sms.send", {"to": "+1", "text": "hi", "message_class": 2, "line": "sim"}),
    (
        "sms send +1 hi --ref a1 --priority high --dry-run",
        "sms.send",
        {"to": "+1", "text": "hi", "client_ref": "a1", "priority": "high", "dry_run": True},
    ),
    ("sms send +1 -- -5", "sms.send", {"to": "+1", "text": "-5"}),
    (
        "sms send +1 hi --at 2030-01-01T10:00:00Z --expires 2030-01-01T11:00+02:00",
        "sms.send",
        {"to": "+1", "text": "hi", "send_at": "2030-01-01T10:00:00Z", "expires_at": "2030-01-01T09:00:00Z"},
    ),
    ("sms list", "sms.list", {"limit": 20}),
    (
        "sms list --in --number +1 --limit 5 --before sms_1 --line sim",
        "sms.list",
        {"direction": "in", "number": "+1", "limit": 5, "before": "sms_1", "line": "sim"},
    ),
    (
        "sms list --state failed --state sent --since 2026-11-21T10:00Z --until 2026-11-22T10:00+01:00",
        "sms.list",
        {
            "limit": 20, "state": ["failed", "sent"], "since": "2026-11-21T10:00:00Z", "until": "2026-11-22T09:00:00Z",
        },
    ),
    (
        "sms search invoice may --out --number +1",
        "sms.search",
        {"query": "invoice may", "limit": 20, "direction": "out", "number": "+1"},
    ),
    ("sms conversations --limit 3", "sms.conversations", {"limit": 3}),
    ("sms show sms_1", "sms.get", {"message_id": "sms_1"}),
    ("sms cancel sms_1", "sms.cancel", {"message_id": "sms_1"}),
    ("sms resolve sms_1 resend", "sms.resolve", {"message_id": "sms_1", "outcome": "resend"}),
    ("sms delete sms_1", "sms.delete", {"message_id": "sms_1"}),
    ("sms erase +1 --yes", "sms.erase", {"number": "+1"}),
    ("sms queue --line sim", "sms.queue", {"line": "sim"}),
    ("ussd send *100#", "ussd.send", {"code": "*100#"}),
    ("ussd send *100# --line sim --timeout 5", "ussd.send", {"code": "*100#", "line": "sim", "timeout_s": 5.0}),
    ("ussd reply 1", "ussd.reply", {"text": "1"}),
    ("ussd cancel", "ussd.cancel", {}),
]  # fmt: skip
TIMES = ("send_at", "expires_at", "since", "until")
SCHEMA = ProtocolSchema.of(load())


@pytest.mark.parametrize(("words", "method", "params"), ASKED)
async def test_a_verb_asks_for_what_it_says_and_prints_the_result(
    core: TinyCore, words: str, method: str, params: Json
) -> None:
    answer(core, method, {"anything": [1, "ä"]})
    ran = await run("--json", *words.split(), socket=core.path)
    assert (ran.code, ran.err, json.loads(ran.out)) == (0, "", {"anything": [1, "ä"]})
    [asked] = core.asked(method)
    SCHEMA.check_request(method, asked)
    assert as_times(asked) == as_times(params)


def as_times(params: Json) -> Json:
    return {name: datetime.fromisoformat(value) if name in TIMES else value for name, value in params.items()}


async def test_a_text_can_come_from_stdin(core: TinyCore) -> None:
    answer(core, "sms.send", INFO)
    assert (await run("sms", "send", TO, "-", socket=core.path, stdin="Zeile 1\nzwei ✓\n".encode())).code == 0
    assert core.asked("sms.send") == [{"to": TO, "text": "Zeile 1\nzwei ✓"}]


MISTAKES = [
    "sms",
    "sms fly",
    "sms send +1",
    "sms send +1 -",
    "sms send +1 hi --at soon",
    "sms send +1 hi --expires 2026-13-01",
    "sms send +1 hi --class 4",
    "sms send +1 hi --flash --class 1",
    "sms send +1 hi --priority urgent",
    "sms send +1 hi --wait --timeout 0",
    "sms list --limit 0",
    "sms list --limit 501",
    "sms list --limit many",
    "sms list --in --out",
    "sms list --state lost",
    "sms list --since then",
    "sms search",
    "sms search a --limit -1",
    "sms resolve sms_1 forget",
    "sms erase +1",
    "sms follow --count 0",
    "ussd send",
    "ussd send *100# --timeout 0",
    "ussd send *100# --timeout 301",
]


@pytest.mark.parametrize("words", MISTAKES)
async def test_a_wrong_command_line_is_code_2_and_asks_nothing(core: TinyCore, words: str) -> None:
    ran = await run(*words.split(), socket=core.path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("dialtone")
    assert core.requests == []


CONNECTING = ["sms list", "sms send +1 hi", "sms send +1 hi --wait", "sms export", "sms follow", "ussd cancel"]


@pytest.mark.parametrize("words", CONNECTING)
async def test_without_a_daemon_it_says_how_to_start_one(short_dir: Path, words: str) -> None:
    ran = await run(*words.split(), socket=short_dir / "nowhere.sock")
    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert ran.err.endswith("is the core running? start it with: dialtone core\n")


async def test_the_daemons_no_is_one_line_and_code_1(core: TinyCore) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32022, "guard_refused", "The guard of this line refuses it.", rule="premium")

    core.handlers["sms.send"] = refuse
    for words in (("sms", "send", TO, "hi"), ("sms", "send", TO, "hi", "--wait")):
        ran = await run(*words, socket=core.path)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == "dialtone: The guard of this line refuses it. (guard_refused)\n"


async def test_short_queries_load_neither_the_core_nor_asyncio(core: TinyCore) -> None:
    answer(core, "sms.list", {"messages": [INFO], "next": None})
    code = (
        "import sys; from clients.cli.main import main; main(['sms', 'list']);"
        "sys.exit(any(name in sys.modules for name in ('core', 'asyncio', 'numpy', 'rich')))"
    )
    env = os.environ | {"DIALTONE_SOCKET": str(core.path)}
    child = await asyncio.create_subprocess_exec(DIALTONE[0], "-c", code, env=env, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(DEADLINE_S):
        assert await child.wait() == 0


# --- what people see


async def test_messages_are_listed_one_a_line_and_cannot_steer_the_terminal(core: TinyCore) -> None:
    rows = [
        INFO,
        INFO | {"number": BAD, "text": BAD + "word " * 50, "incomplete": True},
        INFO | {"text": None, "data": "AAECAw==", "number": None},
    ]
    for method, words in (("sms.list", ["list"]), ("sms.search", ["search", "word"])):
        answer(core, method, {"messages": rows, "next": ID})
        ran = await run("sms", *words, socket=core.path)
        assert ran.code == 0 and "\x1b" not in ran.out
        lines = ran.out.splitlines()
        assert len(lines) == 6
        assert "Dinner is ready" in lines[2] and "queued" in lines[2]
        assert "…" in lines[3] and lines[3].endswith("(parts are missing)")
        assert "bytes of data" in lines[4]
        assert lines[5].startswith("Older ones: dialtone sms") and lines[5].endswith(f"--before {ID}")
        answer(core, method, {"messages": [], "next": None})
        assert (await run("sms", *words, socket=core.path)).out == "No messages.\n"


async def test_conversations_show_the_last_message(core: TinyCore) -> None:
    answer(core, "sms.conversations", {"conversations": [{"number": TO, "messages": 7, "last": INFO}], "next": ID})
    ran = await run("sms", "conversations", socket=core.path)
    assert TO in ran.out and " 7 " in ran.out and "Dinner is ready" in ran.out and f"--before {ID}" in ran.out


async def test_one_message_is_shown_with_its_lines(core: TinyCore) -> None:
    answer(core, "sms.get", INFO | {"text": f"one\n{BAD}", "missing": [2], "attempts": 3})
    ran = await run("sms", "show", ID, socket=core.path)
    assert ran.code == 0 and "\x1b" not in ran.out
    assert ran.out.endswith("Text:\n  one\n  \N{REPLACEMENT CHARACTER}[31mred\n")
    assert "missing" in ran.out and "[2]" in ran.out and "network_text" not in ran.out


async def test_an_export_is_one_json_text_a_line_over_all_pages(core: TinyCore) -> None:
    def page(params: Json) -> Json:
        first = int(params.get("after", "sms_0").removeprefix("sms_"))
        messages = [INFO | {"message_id": f"sms_{n}", "text": "zwei\nZeilen ✓"} for n in (first + 1, first + 2)]
        return {"messages": messages, "next": messages[-1]["message_id"] if first < 4 else None}

    core.handlers["sms.export"] = page
    ran = await run("sms", "export", "--in", "--number", TO, socket=core.path)
    assert (ran.code, ran.err) == (0, "")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["message_id"] for line in lines] == [f"sms_{n}" for n in range(1, 7)]
    assert lines[0]["text"] == "zwei\nZeilen ✓"
    assert [asked.get("after") for asked in core.asked("sms.export")] == [None, "sms_2", "sms_4"]
    assert all(asked["number"] == TO and asked["direction"] == "in" for asked in core.asked("sms.export"))


async def test_an_export_that_breaks_off_says_so(core: TinyCore) -> None:
    def page(params: Json) -> Json:
        if "after" in params:
            raise Refused(-32004, "not_found", "There is no message with the id of this page; begin again.")
        return {"messages": [INFO], "next": ID}

    core.handlers["sms.export"] = page
    ran = await run("sms", "export", socket=core.path)
    assert (ran.code, len(ran.out.splitlines()), ran.err.count("\n")) == (1, 1, 1)


async def test_the_queue_is_a_table_with_the_memories(core: TinyCore) -> None:
    line = {
        "line": "sim",
        "can_send": True,
        "queued": 4,
        "unknown": 1,
        "memories": [{"name": "ME", "used": 3, "total": 23}],
    }
    answer(core, "sms.queue", {"lines": [line]})
    ran = await run("sms", "queue", socket=core.path)
    assert "ME 3/23" in ran.out and "yes" in ran.out


async def test_what_was_erased_is_told_and_where_traces_may_be_left(core: TinyCore) -> None:
    done = {"messages": 4, "calls": 1, "facts": 9, "recordings": 1, "files": 1, "scrubbed": False}
    answer(core, "sms.erase", done)
    ran = await run("sms", "erase", TO, "--yes", socket=core.path)
    assert ran.code == 0 and "messages" in ran.out and "VACUUM" in ran.out
    answer(core, "sms.erase", done | {"scrubbed": True})
    assert "VACUUM" not in (await run("sms", "erase", TO, "--yes", socket=core.path)).out


@pytest.mark.parametrize(("typed", "code", "asked"), [("yes\n", 0, 1), ("no\n", 1, 0), ("\n", 1, 0)])
async def test_erasing_asks_first(core: TinyCore, typed: str, code: int, asked: int) -> None:
    answer(core, "sms.erase", {"messages": 0})
    ours, theirs = pty.openpty()
    try:
        env = os.environ | {"DIALTONE_SOCKET": str(core.path)}
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *DIALTONE, "sms", "erase", TO, stdin=theirs, stdout=pipe, stderr=pipe, env=env
        )
        os.write(ours, typed.encode())
        async with asyncio.timeout(DEADLINE_S):
            _, err = await child.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert (child.returncode, len(core.asked("sms.erase"))) == (code, asked)
    assert TO in err.decode() and "for ever" in err.decode()


async def test_an_ussd_answer_is_shown_as_text_and_a_menu_says_how_to_go_on(core: TinyCore) -> None:
    answer(core, "ussd.send", {"text": f"Balance 5 €\n1 More{BAD}", "state": "reply_wanted"})
    ran = await run("ussd", "send", "*100#", socket=core.path)
    assert ran.code == 0 and "\x1b" not in ran.out
    lines = ran.out.splitlines()
    assert lines[0] == "Balance 5 €" and lines[-1].endswith("dialtone ussd reply TEXT")
    answer(core, "ussd.reply", {"text": "Bye", "state": "done"})
    assert (await run("ussd", "reply", "1", socket=core.path)).out == "Bye\n"
    answer(core, "ussd.cancel", {})
    assert (await run("ussd", "cancel", socket=core.path)).out == "ok\n"


# --- waiting and following


def sending(core: TinyCore, info: Json, *states: str) -> None:
    """A core that accepts the message, and then tells these states."""
    now = dict(info)

    def send(_: Json) -> Json:
        asyncio.get_running_loop().call_soon(tell)
        return dict(now)

    def tell() -> None:
        core.fact("sms.status", message_id="sms_other", state="failed")
        for state in states:
            now["state"] = state
            core.fact("sms.status", message_id=ID, state=state)

    core.handlers["sms.send"] = send
    core.handlers["sms.get"] = lambda _: dict(now)


FATES = [
    (False, ["sending", "sent"], 0),
    (True, ["sending", "sent", "delivered"], 0),
    (False, ["sending", "failed"], 1),
    (False, ["sending", "unknown"], 1),
    (False, ["cancelled"], 1),
    (True, ["sent", "failed"], 1),
]


@pytest.mark.parametrize(("report", "states", "code"), FATES)
async def test_waiting_ends_with_the_fate_of_the_message(
    core: TinyCore, report: bool, states: list[str], code: int
) -> None:
    sending(core, INFO | {"report": report}, *states)
    ran = await run("sms", "send", TO, "hi", "--wait", "--json", socket=core.path)
    assert (ran.code, ran.err) == (code, "")
    assert json.loads(ran.out)["state"] == states[-1]
    assert len(core.asked("sms.send")) == 1


async def test_waiting_for_a_message_that_is_over_already_ends_at_once(core: TinyCore) -> None:
    answer(core, "sms.send", INFO | {"state": "delivered"})
    assert (await run("sms", "send", TO, "hi", "--wait", socket=core.path)).code == 0
    answer(core, "sms.send", INFO | {"state": "cancelled", "dry_run": True})
    assert (await run("sms", "send", TO, "hi", "--wait", "--dry-run", socket=core.path)).code == 0


async def test_waiting_has_an_end_and_says_how_to_look_later(core: TinyCore) -> None:
    sending(core, INFO, "sending")
    ran = await run("sms", "send", TO, "hi", "--wait", "--timeout", "0.5", socket=core.path)
    assert ran.code == 1 and "sending" in ran.out
    assert ran.err == f"dialtone: it goes on without us: dialtone sms show {ID}\n"


async def test_messages_are_followed_live(core: TinyCore) -> None:
    async with started("sms", "follow", "--count", "4", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        core.fact("sms.received", message_id=ID, number=TO, text=f"two\nlines{BAD}")
        core.fact("call.ended", call_id="call_1_aaaa")
        core.fact("sms.status", message_id=ID, number=TO, state="failed", reason="network_refused", network_text="No")
        core.fact("sms.report", message_id=ID, number=TO, outcome="delivered", status_text="received by the phone")
        core.fact("sms.status", message_id=ID, number=None, state="sent")
        async with asyncio.timeout(DEADLINE_S):
            out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"")
    first, second, third, fourth = (line.split(" ", 2)[2] for line in out.decode().splitlines())
    assert first == f"< {TO} two lines\N{REPLACEMENT CHARACTER}[31mred"
    assert second == f"> {TO} failed (network_refused No)"
    assert third == f"> {TO} report: delivered (received by the phone)"
    assert fourth == "> - sent"


async def test_followed_messages_are_json_for_programs(core: TinyCore) -> None:
    async with started("sms", "follow", "--json", "--count", "1", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        core.fact("sms.received", message_id=ID, number=TO, text="hi")
        async with asyncio.timeout(DEADLINE_S):
            out, _ = await child.communicate()
    found: dict[str, Any] = json.loads(out)
    assert (found["method"], found["params"]["text"]) == ("sms.received", "hi")


# --- times

NOW = datetime(2026, 11, 21, 12, 0, 0)  # noqa: DTZ001 - by the clock on the wall
WRITTEN = [
    ("15m", True, "2026-11-21T12:15:00"),
    ("15m", False, "2026-11-21T11:45:00"),
    ("7d", False, "2026-11-14T12:00:00"),
    ("18:30", True, "2026-11-21T18:30:00"),
    ("18:30", False, "2026-11-20T18:30:00"),
    ("8:05", True, "2026-11-22T08:05:00"),
    ("8:05", False, "2026-11-21T08:05:00"),
    ("2026-11-20", False, "2026-11-20T00:00:00"),
    ("2026-11-20 09:30", False, "2026-11-20T09:30:00"),
]


@pytest.mark.parametrize(("text", "ahead", "wanted"), WRITTEN)
def test_times_are_read_as_people_write_them(text: str, ahead: bool, wanted: str) -> None:
    found = datetime.fromisoformat(moment(text, "--at", ahead=ahead, now=NOW))
    assert found.tzinfo is not None
    assert found == datetime.fromisoformat(wanted).astimezone()


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "12:60", "2026-11-31", "99999999999d", "999999999d", "-1h", "1w"]
)
def test_what_is_no_time_names_the_option(text: str) -> None:
    for ahead in (True, False):
        with pytest.raises(UsageError, match="--since"):
            moment(text, "--since", ahead=ahead, now=NOW)


# --- against the real thing


@pytest.mark.timeout(180)
async def test_a_message_is_sent_waited_for_listed_and_erased_on_a_real_core() -> None:
    async with station() as made, made.phone("sms.*") as (phone, _):
        await made.ready(phone)
        ran = await run("sms", "send", TO, "Dinner is ready", "--report", "--wait", "--json", socket=made.socket)
        assert (ran.code, ran.err) == (0, "")
        sent = json.loads(ran.out)
        assert (sent["state"], sent["parts_delivered"]) == ("delivered", 1)
        for words in (["list", "--out"], ["search", "dinner"], ["show", sent["message_id"]], ["list", "--since", "1h"]):
            ran = await run("sms", *words, socket=made.socket)
            assert ran.code == 0 and "Dinner is ready" in ran.out, ran.err
        ran = await run("sms", "export", socket=made.socket)
        assert json.loads(ran.out) == await phone.call("sms.get", message_id=sent["message_id"])
        ran = await run("sms", "queue", socket=made.socket)
        assert ran.code == 0 and "ME 0/" in ran.out
        ran = await run("sms", "erase", TO, "--yes", "--json", socket=made.socket)
        assert json.loads(ran.out)["messages"] == 1
        assert (await run("sms", "show", sent["message_id"], socket=made.socket)).code == 1
