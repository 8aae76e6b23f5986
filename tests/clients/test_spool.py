"""`dialtone spool` as a process on real directories: files out, what becomes of them, files in."""

import asyncio
import os
import re
from collections.abc import AsyncIterator

import pytest

from tests.clients.spool_rig import Rig, rig
from tests.clients.tiny_core import Refused


@pytest.fixture
async def spool() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


async def test_a_file_is_sent_once_and_lies_in_sent_with_its_headers(spool: Rig) -> None:
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello\n")
    content = await spool.arrived("sent", "one")
    assert re.fullmatch(
        r"To: 37060000000\nModem: GSM1\nSent: 26-11-21 07:16:00\nSending_time: \d+\n"
        r"IMSI: 246030000000000\nIMEI: 861000000000001\n\nHello\n",
        content,
    )
    assert spool.messages.requests() == [{"to": "+37060000000", "text": "Hello"}]
    await spool.until(spool.handler_runs)
    assert spool.handler_runs() == [["SENT", str(spool.spool / "sent/one"), "1"]]
    assert spool.files("outgoing") == spool.files("checked") == spool.files("failed") == []


async def test_the_old_apis_file_works_unchanged(spool: Rig) -> None:
    """Written directly in outgoing, mode 0666, as the old API does it."""
    await spool.running()
    text = "Programarea e mâine 😀"
    path = spool.spool / "outgoing/api_1770000000123_4711"
    with path.open("wb") as file:
        file.write(b"To: +447700900123\nAlphabet: UCS2\n\n" + text.encode("utf-16-be"))
    path.chmod(0o666)
    await spool.arrived("sent", path.name)
    assert spool.messages.requests() == [{"to": "+447700900123", "text": text, "encoding": "ucs2"}]


async def test_a_file_stays_in_checked_until_the_network_has_it(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.put("one", "To: 37060000000\nReport: yes\n\nHello")
    await spool.core.wait_asked("sms.send")
    await spool.until(lambda: spool.messages.kept)
    assert spool.files("checked") == ["one", "one.LOCK"]
    spool.messages.become("sms_1", "sending")
    spool.messages.become("sms_1", "sent")
    assert "Message_id: 1\n" in await spool.arrived("sent", "one")
    await spool.until(lambda: spool.files("checked") == [])


@pytest.mark.parametrize(
    ("state", "more", "reason"),
    [
        ("failed", {"reason": "network_refused", "cms": 28, "network_text": "Unidentified subscriber"},
         r"\+CMS ERROR: 28 \(Unidentified subscriber\)"),
        ("failed", {"reason": "modem_refused"}, "modem_refused"),
        ("expired", {"reason": "too_late"}, r"Expired: it could not be sent in time \(too_late\)"),
        ("cancelled", {"reason": "by_client"}, r"Cancelled \(by_client\)"),
        ("unknown", {"reason": "no_answer"}, r"Unknown: it may have been sent, once \(no_answer\)"),
    ],
)  # fmt: skip
async def test_other_outcomes_lie_in_failed_with_their_reason(
    spool: Rig, state: str, more: dict[str, object], reason: str
) -> None:
    spool.messages.outcome = None
    await spool.running("unknown_wait_s = 0.2")
    spool.put("one", "To: 37060000000\nReport: yes\n\nHello")
    await spool.until(lambda: spool.messages.kept)
    spool.messages.become("sms_1", state, **more)
    content = await spool.arrived("failed", "one")
    message_id = "Message_id: 1\n" if state == "unknown" else ""
    assert re.fullmatch(
        rf"To: 37060000000\nReport: yes\nModem: GSM1\n{message_id}IMSI: \d+\nIMEI: \d+\n"
        rf"Fail_reason: {reason}\nFailed: 26-11-21 07:16:00\n\nHello",
        content,
    )
    await spool.until(spool.handler_runs)
    assert spool.handler_runs() == [["FAILED", str(spool.spool / "failed/one"), *(["1"] if message_id else [])]]


async def test_an_unknown_message_that_becomes_known_lies_in_sent(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running("unknown_wait_s = 0.3")
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.until(lambda: spool.messages.kept)
    spool.messages.become("sms_1", "unknown", reason="no_answer")
    spool.messages.become("sms_1", "queued")  # as where on_unknown is resend
    await spool.core.wait_asked("sms.get")
    spool.messages.become("sms_1", "unknown", reason="no_answer")
    spool.messages.become("sms_1", "sent")
    await spool.arrived("sent", "one")
    assert spool.files("failed") == []


async def test_a_malformed_file_goes_to_failed_with_its_reason_and_the_next_is_sent(spool: Rig) -> None:
    await spool.running()
    spool.put("bad", "echo text only\n")
    spool.put("good", "To: 37060000000\n\nHello")
    assert re.fullmatch(
        r"echo text only\nFail_reason: No destination\nFailed: [-: 0-9]+\n", await spool.arrived("failed", "bad")
    )
    await spool.arrived("sent", "good")
    await spool.until(lambda: len(spool.handler_runs()) == 2)
    assert ["FAILED", str(spool.spool / "failed/bad")] in spool.handler_runs()


async def test_what_the_daemon_refuses_goes_to_failed(spool: Rig) -> None:
    spool.messages.refusal = Refused(-32022, "guard_refused", "The guard of this line refuses it.", rule="deny")
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello")
    assert "Fail_reason: The guard of this line refuses it. (guard_refused)\n" in await spool.arrived("failed", "one")


async def test_a_limit_is_waited_for(spool: Rig) -> None:
    spool.messages.refusal = Refused(-32011, "limit", "too many", retry_after_s=0.3)
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.core.wait_asked("sms.send", times=2)
    spool.messages.refusal = None
    await spool.arrived("sent", "one")
    assert len(spool.messages.requests()) == 1


async def test_priority_goes_first_then_age(spool: Rig) -> None:
    await spool.start()
    await spool.until((spool.spool / "outgoing").is_dir)
    await spool.stop()
    for age, (name, header) in enumerate([("c", ""), ("a", ""), ("z", "Priority: High\n"), ("b", "")]):
        path = spool.put(name, f"To: 37060000000\n{header}\n{name}")
        os.utime(path, ns=(age * 10**9, age * 10**9))
    await spool.running()
    await spool.until(lambda: len(spool.files("sent")) == 4)
    assert [request["text"] for request in spool.messages.requests()] == ["z", "c", "a", "b"]


async def test_a_file_that_is_still_being_written_is_waited_for(spool: Rig) -> None:
    await spool.running()
    with (spool.spool / "outgoing/slow").open("wb", buffering=0) as file:
        for piece in (b"To: 370600", b"00000\n", b"\nHello ", b"world"):
            file.write(piece)
            await asyncio.sleep(0.3)  # longer than settle_s: only that it is open holds the spool back
        assert spool.messages.requests() == []
    await spool.arrived("sent", "slow")
    assert spool.messages.requests() == [{"to": "+37060000000", "text": "Hello world"}]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
async def test_a_file_that_another_user_is_writing_is_waited_for(spool: Rig) -> None:
    """The kernel tells only the owner whether it is open."""
    spool.prefix = ["setpriv", "--bounding-set=-all"]
    await spool.running()
    with (spool.spool / "outgoing/slow").open("wb", buffering=0) as file:
        os.fchown(file.fileno(), 65534, 65534)
        os.fchmod(file.fileno(), 0o666)
        for piece in (b"To: 370600", b"00000\n", b"\nHello ", b"world"):
            file.write(piece)
            await asyncio.sleep(0.5)
        assert spool.messages.requests() == []
    await spool.arrived("sent", "slow")
    assert spool.messages.requests() == [{"to": "+37060000000", "text": "Hello world"}]


async def test_a_locked_file_is_left_until_its_lock_goes_or_its_holder_is_dead(spool: Rig) -> None:
    await spool.running()
    outgoing = spool.spool / "outgoing"
    (outgoing / "held.LOCK").write_text(str(os.getpid()))
    (outgoing / "dead.LOCK").write_text("4194305")  # above the largest pid of Linux
    spool.put("held", "To: 37060000000\n\nheld")
    spool.put("dead", "To: 37060000000\n\ndead")
    spool.put("free", "To: 37060000000\n\nfree")
    await spool.until(lambda: spool.files("sent") == ["dead", "free"])
    (outgoing / "held.LOCK").unlink()
    await spool.arrived("sent", "held")


async def test_what_is_no_message_file_stays_where_it_is(spool: Rig) -> None:
    await spool.running()
    outgoing = spool.spool / "outgoing"
    (outgoing / "folder").mkdir()
    (outgoing / "link").symlink_to("/etc/hostname")
    (outgoing / "empty").touch()
    os.mkfifo(outgoing / "pipe")
    (outgoing / ".hidden").write_text("To: 37060000000\n\nhidden")
    spool.put("good", "To: 37060000000\n\nHello")
    await spool.arrived("sent", "good")
    await asyncio.sleep(0.7)  # two more looks
    assert sorted(os.listdir(outgoing)) == [".hidden", "empty", "folder", "link", "pipe"]
    assert len(spool.messages.requests()) == 1


async def test_the_same_name_again_is_another_message_and_both_files_are_kept(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.put("same", "To: 37060000000\n\nHello")
    await spool.until(lambda: spool.messages.kept)
    spool.put("same", "To: 37060000000\n\nHello")
    spool.messages.become("sms_1", "sent")
    await spool.until(lambda: len(spool.messages.kept) == 2)
    spool.messages.become("sms_2", "sent")
    await spool.until(lambda: spool.files("sent") == ["same", "same.1"])


@pytest.mark.parametrize("name", ["with space", "-rf", "$(touch x);`id`", "ä" * 120, "x" * 255, "line\nbreak"])
async def test_odd_names_are_names(spool: Rig, name: str) -> None:
    await spool.running()
    spool.put(name, "To: 37060000000\n\nHello")
    await spool.arrived("sent", name)
    await spool.until(lambda: spool.text(spool.handled))
    assert spool.text(spool.handled) == f"SENT|{spool.spool}/sent/{name}|1|\n"
    assert not (spool.folder / "x").exists()


async def test_names_that_are_not_utf_8_are_names_too(spool: Rig) -> None:
    await spool.running()
    name = os.fsdecode(b"\xff\xfe")
    spool.put(name, "To: 37060000000\n\nHello")
    await spool.arrived("sent", name)
    await spool.until(lambda: b"\xff\xfe" in spool.handled.read_bytes() if spool.handled.exists() else False)


async def test_an_include_is_read_from_its_directory_only(spool: Rig) -> None:
    include = spool.folder / "include"
    include.mkdir()
    (include / "push").write_text("\nincluded @A@\n")
    (spool.folder / "secret").write_text("\nsecret\n")
    (include / "link").symlink_to(spool.folder / "secret")
    (include / "folder").symlink_to(spool.folder)
    await spool.running(f'include = ["{include}"]')
    spool.put("good", f"To: 37060000000\nMacro: @A@=text\nInclude: {include}/push\n\n")
    for name, path in {
        "up": f"{include}/../secret",
        "away": str(spool.folder / "secret"),
        "link": "link",
        "none": "x",
        "linked": "folder/secret",
    }.items():
        spool.put(name, f"To: 37060000000\nInclude: {path}\n\n")
    await spool.arrived("sent", "good")
    await spool.until(lambda: spool.files("failed") == ["away", "link", "linked", "none", "up"])
    assert [request["text"] for request in spool.messages.requests()] == ["included text"]


async def test_a_file_that_is_too_large_is_kept_in_failed(spool: Rig) -> None:
    await spool.running("max_file_bytes = 2048")
    spool.put("large", "To: 37060000000\n\n" + "x" * 3000)
    assert "Fail_reason: The file is larger than 2048 bytes\n" in await spool.arrived("failed", "large")
    assert spool.content("failed", "large").endswith(b"x" * 3000)


async def test_messages_wait_while_the_daemon_is_away(spool: Rig) -> None:
    await spool.running()
    await spool.core.stop()
    spool.put("one", "To: 37060000000\n\nHello")
    await asyncio.sleep(0.3)
    await spool.core.start()
    await spool.arrived("sent", "one")
    assert len(spool.messages.requests()) == 1


async def test_an_answer_lost_with_the_connection_sends_nothing_twice(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()

    async def deaf(params: dict[str, object]) -> object:
        spool.messages.send(params)
        await asyncio.sleep(60)  # the answer never comes
        raise AssertionError

    spool.core.handlers["sms.send"] = deaf
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.core.wait_asked("sms.send")
    spool.core.handlers["sms.send"] = spool.messages.send
    await spool.core.drop()
    await spool.core.wait_asked("sms.send", times=2)
    spool.messages.become("sms_1", "sent")
    await spool.arrived("sent", "one")
    assert len(spool.messages.requests()) == 1


async def test_a_directory_that_vanishes_stops_nothing_for_good(spool: Rig) -> None:
    await spool.running()
    away = spool.folder / "away"
    (spool.spool / "outgoing").rename(away)
    await spool.until(
        lambda: any(state.get("alarms") for state in spool.core.asked("client.report_state")), timeout_s=20
    )
    away.rename(spool.spool / "outgoing")
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.arrived("sent", "one")
    await spool.until(lambda: spool.core.asked("client.report_state")[-1]["state"] == "ready")


async def test_a_file_that_can_not_be_read_goes_to_failed_as_it_is(spool: Rig) -> None:
    if os.geteuid() == 0:  # root, but without root's powers
        spool.prefix = ["setpriv", "--bounding-set=-all"]
    await spool.running()
    aside = spool.folder / "closed"
    aside.write_text("To: 37060000000\n\nHello")
    aside.chmod(0)
    aside.rename(spool.spool / "outgoing/closed")
    spool.put("good", "To: 37060000000\n\nHello")
    await spool.arrived("sent", "good")
    await spool.until(lambda: spool.files("failed") == ["closed"])
    await spool.until(lambda: ["FAILED", str(spool.spool / "failed/closed")] in spool.handler_runs())
    assert (spool.spool / "failed/closed").stat().st_size == 22
    assert len(spool.messages.requests()) == 1


async def test_two_spools_on_one_state_are_one_too_many(spool: Rig) -> None:
    await spool.running()
    first = spool.child
    await spool.start()
    assert spool.child is not None
    assert await spool.child.wait() == 2
    assert "another spool runs" in spool.text(spool.log)
    spool.child = first


async def test_missing_directories_are_said_before_anything_runs(spool: Rig) -> None:
    await spool.start(make_dirs=False)
    assert spool.child is not None
    assert await spool.child.wait() == 2
    assert "outgoing = " in spool.text(spool.log) and "--make-dirs" in spool.text(spool.log)


async def test_sigterm_ends_it_cleanly(spool: Rig) -> None:
    await spool.running()
    assert await spool.stop() == 0
    assert "Traceback" not in spool.text(spool.log)


# --- voice calls


async def test_a_voice_call_presses_its_tones_and_hangs_up(spool: Rig) -> None:
    spool.core.handlers |= {
        "call.start": lambda params: {"call_id": "call_1", "state": "dialing"},
        "call.dtmf": lambda params: {},
        "call.hangup": lambda params: {},
    }
    await spool.running()
    spool.put("ring", "To: 37060000000\nVoicecall: yes\n\nTONE: 2 1,2,#")
    assert await spool.core.wait_asked("call.start") == {"number": "+37060000000"}
    spool.core.fact("call.connected", call_id="call_1", direction="out", number="+37060000000")
    assert "Result: OK\n" in await spool.arrived("sent", "ring")
    assert spool.core.asked("call.dtmf") == [{"call_id": "call_1", "digits": "12#"}] * 2
    assert spool.core.asked("call.hangup") == [{"call_id": "call_1"}]
    await spool.until(spool.handler_runs)
    assert spool.handler_runs() == [["SENT", str(spool.spool / "sent/ring")]]


async def test_a_voice_call_that_nobody_takes_fails_with_the_reason(spool: Rig) -> None:
    spool.core.handlers["call.start"] = lambda params: {"call_id": "call_1", "state": "dialing"}
    await spool.running()
    spool.put("ring", "To: 37060000000\nVoicecall: yes\n\nTONE: 1")
    await spool.core.wait_asked("call.start")
    spool.core.fact("call.ended", call_id="call_1", direction="out", reason="busy", number=None)
    assert "Fail_reason: The call ended before it was answered: busy\n" in await spool.arrived("failed", "ring")


async def test_nobody_is_called_twice_after_a_kill(spool: Rig) -> None:
    spool.core.handlers["call.start"] = lambda params: {"call_id": "call_1", "state": "dialing"}
    await spool.running()
    spool.put("ring", "To: 37060000000\nVoicecall: yes\n\nTONE: 1")
    await spool.core.wait_asked("call.start")
    await spool.kill()
    await spool.running()
    assert "Fail_reason: Interrupted: the call may have been made\n" in await spool.arrived("failed", "ring")
    assert len(spool.core.asked("call.start")) == 1


async def test_calls_that_only_waited_at_a_kill_are_made_after_it(spool: Rig) -> None:
    spool.core.handlers["call.start"] = lambda params: {"call_id": f"call_{params['number']}", "state": "dialing"}
    spool.core.handlers["call.hangup"] = lambda params: {}
    await spool.running()
    for number, rings_s in ((1, 60), (2, 1)):  # the first still rings when the kill comes
        spool.put(f"ring{number}", f"To: 3706000000{number}\nVoicecall: yes\n\nTONE: TIME: {rings_s} 1 1")
        await spool.until(lambda number=number: f"ring{number}" in spool.files("checked"))  # type: ignore[misc]
    await spool.core.wait_asked("call.start")
    await spool.kill()
    await spool.running()
    assert "the call may have been made" in await spool.arrived("failed", "ring1")
    assert "Result: OK" in await spool.arrived("sent", "ring2")
    assert len(spool.core.asked("call.start")) == 2


async def test_a_stop_hangs_up_the_call_that_rings(spool: Rig) -> None:
    spool.core.handlers["call.start"] = lambda params: {"call_id": "call_1", "state": "dialing"}
    spool.core.handlers["call.hangup"] = lambda params: {}
    await spool.running()
    spool.put("ring", "To: 37060000000\nVoicecall: yes\n\nTONE: 1")
    await spool.core.wait_asked("call.start")
    spool.put("after", "To: 37060000000\n\nHello")
    await spool.arrived("sent", "after")  # so that it has read the answer to call.start, which came before
    assert await spool.stop() == 0
    assert spool.core.asked("call.hangup") == [{"call_id": "call_1"}]


# --- what the daemon forgot


async def test_an_outcome_whose_event_was_missed_is_asked_for(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.until(lambda: spool.messages.kept)
    spool.messages.kept["sms_1"] |= {"state": "sent", "sent_at": "2026-11-21T07:16:00.123Z"}
    gap = {"after_seq": 1, "from_seq": 2, "to_seq": 5, "cause": "expired"}
    spool.core.send(spool.core.peers[0], {"jsonrpc": "2.0", "method": "events.lagged", "params": gap})
    await spool.arrived("sent", "one")


async def test_a_message_that_the_daemon_forgot_may_have_been_sent(spool: Rig) -> None:
    spool.messages.outcome = None
    await spool.running()
    spool.put("one", "To: 37060000000\n\nHello")
    await spool.accepted()
    await spool.kill()
    spool.messages.kept.clear()
    await spool.running()
    assert "Fail_reason: Unknown: it may have been sent" in await spool.arrived("failed", "one")
    assert len(spool.core.asked("sms.send")) == 1


async def test_a_writer_from_before_the_start_is_waited_for(spool: Rig) -> None:
    """inotify was not there to see the file made; the kernel knows who has it open."""
    await spool.running()
    await spool.stop()
    with (spool.spool / "outgoing/slow").open("wb", buffering=0) as file:
        file.write(b"To: 37060000000\n\nHello ")
        await spool.running()
        await asyncio.sleep(0.8)  # four times settle_s
        assert spool.messages.requests() == []
        file.write(b"world")
    await spool.arrived("sent", "slow")
    assert spool.messages.requests() == [{"to": "+37060000000", "text": "Hello world"}]
