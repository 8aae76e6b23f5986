"""`dialtone spool` as a process: what comes in, reports, missed calls, and the handlers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from clients.spool.handlers import Handlers
from clients.spool.ledger import Ledger
from clients.spool.message_file import read_message
from tests.clients.spool_rig import DEADLINE_S, Rig, rig
from tests.clients.tiny_core import Json


@pytest.fixture
async def spool() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield made


async def test_a_message_becomes_a_file_and_its_handler_runs(spool: Rig) -> None:
    await spool.running()
    spool.messages.receive("Labas ąčęė 😀", encoding="ucs2")
    content = read_message(await spool.only_file("incoming"))
    assert (content.get("From"), content.get("From_SMSC")) == ("37060000000", "37069900099")
    assert (content.get("Alphabet"), content.get("IMSI")) == ("UCS2", "246030000000000")
    assert content.body.decode("utf-16-be") == "Labas ąčęė 😀"
    (name,) = spool.files("incoming")
    assert re.fullmatch(r"GSM1\.[A-Za-z0-9]{6}", name)
    await spool.until(spool.handler_runs)
    assert spool.handler_runs() == [["RECEIVED", str(spool.spool / "incoming" / name)]]


async def test_only_what_is_on_disk_is_acknowledged_and_it_comes_once(spool: Rig) -> None:
    await spool.running()
    spool.messages.receive("one")
    await spool.only_file("incoming")
    await spool.until(lambda: spool.core.acks.get("spool") == 1)
    spool.core.acks["spool"] = 0  # the daemon gives it out once more
    spool.core.journal.append(spool.core.journal[0] | {"params": spool.core.journal[0]["params"] | {"seq": 2}})
    await spool.core.drop()
    await spool.until(lambda: spool.core.acks.get("spool") == 2)
    assert len(spool.files("incoming")) == 1


async def test_nothing_is_acknowledged_while_incoming_is_not_there(spool: Rig) -> None:
    await spool.running()
    away = spool.folder / "away"
    (spool.spool / "incoming").rename(away)
    spool.messages.receive("one")
    await spool.until(lambda: any(state.get("alarms") for state in spool.core.asked("client.report_state")))
    assert spool.core.acks["spool"] == 0
    await spool.kill()
    away.rename(spool.spool / "incoming")
    await spool.running()
    await spool.only_file("incoming")
    await spool.until(lambda: spool.core.acks["spool"] == 1)


async def test_an_incomplete_message_and_its_rest_are_two_files(spool: Rig) -> None:
    await spool.running()
    spool.messages.receive("first half", incomplete=True, missing=[2], parts=2, message_id="in_1")
    await spool.only_file("incoming")
    spool.messages.receive("first half, second half", parts=2, message_id="in_1")
    await spool.until(lambda: len(spool.files("incoming")) == 2)
    flags = {read_message(spool.content("incoming", name)).get("Incomplete") for name in spool.files("incoming")}
    assert flags == {"yes", None}


async def test_messages_that_came_while_the_spool_was_away_become_files(spool: Rig) -> None:
    await spool.running()
    await spool.stop()
    for text in ("one", "two", "three"):
        spool.messages.receive(text)
    await spool.running()
    await spool.until(lambda: len(spool.files("incoming")) == 3)
    await spool.until(lambda: len(spool.handler_runs()) == 3)
    order = [read_message(spool.content("incoming", run[1].rpartition("/")[2])).body for run in spool.handler_runs()]
    assert order == [b"one", b"two", b"three"]


async def test_what_fell_out_of_the_journal_is_read_from_the_messages(spool: Rig) -> None:
    await spool.running()
    spool.messages.receive("seen")
    await spool.only_file("incoming")
    for number in range(110):
        spool.messages.receive(f"lost {number}", tell=False)
    gap = {"after_seq": 1, "from_seq": 2, "to_seq": 5, "cause": "expired"}
    spool.core.send(spool.core.peers[0], {"jsonrpc": "2.0", "method": "events.lagged", "params": gap})
    await spool.until(lambda: len(spool.files("incoming")) == 111)


async def test_a_user_without_the_scope_is_told_and_loses_nothing(spool: Rig) -> None:
    await spool.running()
    spool.messages.receive(None, number=None, redacted=["number", "text", "data"])
    assert spool.child is not None
    async with asyncio.timeout(DEADLINE_S):
        assert await spool.child.wait() == 1
    assert "scope messages" in spool.text(spool.log)
    assert spool.files("incoming") == []
    assert spool.core.acks["spool"] == 0


async def test_names_have_the_date_and_the_lines_device_where_configured(spool: Rig) -> None:
    await spool.running('devices = {sim = "ELISA"}\ndate_filename = 1\nfile_mode = "0640"')
    spool.messages.receive()
    await spool.only_file("incoming")
    (name,) = spool.files("incoming")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.ELISA\.[A-Za-z0-9]{6}", name)
    assert (spool.spool / "incoming" / name).stat().st_mode & 0o777 == 0o640


async def test_a_report_is_a_file_with_the_id_of_the_sent_file(spool: Rig) -> None:
    await spool.running('report = "report"')
    spool.put("one", "To: 37060000000\nReport: yes\n\nHello")
    sent = read_message((await spool.arrived("sent", "one")).encode())
    spool.core.fact("sms.report", message_id="sms_1", number="+37060000000", outcome="delivered", status=0,
                    status_text="received by the SME", part=1, discharged_at="2026-11-21T09:16:05+02:00")  # fmt: skip
    body = read_message(await spool.only_file("report")).body.decode()
    assert body == (
        f"SMS STATUS REPORT\nMessage_id: {sent.get('Message_id')}\n"
        "Discharge_timestamp: 26-11-21 09:16:05\nStatus: 0,Ok,received by the SME"
    )
    await spool.until(lambda: len(spool.handler_runs()) == 2)
    kind, path = spool.handler_runs()[1]
    assert (kind, path.rpartition("/")[0]) == ("REPORT", str(spool.spool / "report"))


async def test_a_report_is_known_also_when_the_outcome_was_faster_than_the_answer(spool: Rig) -> None:
    async def slow(params: Json) -> Json:
        info = spool.messages.send(params)
        await asyncio.sleep(0.4)
        return info

    spool.core.handlers["sms.send"] = slow
    await spool.running()
    spool.put("one", "To: 37060000000\nReport: yes\n\nHello")
    await spool.arrived("sent", "one")
    spool.core.fact("sms.report", message_id="sms_1", number="+1", outcome="delivered", status=0, status_text="ok")
    assert b"Message_id: 1\n" in await spool.only_file("incoming")


async def test_parts_that_were_delivered_are_one_report(spool: Rig) -> None:
    await spool.running()
    spool.put("one", "To: 37060000000\nReport: yes\n\nHello")
    await spool.arrived("sent", "one")
    report = {"message_id": "sms_1", "number": "+37060000000", "outcome": "delivered", "status": 0, "status_text": "ok"}
    spool.messages.kept["sms_1"]["parts"] = 2
    spool.core.fact("sms.report", **report, part=1)
    await spool.until(lambda: spool.core.acks["spool"] == len(spool.core.journal))
    assert spool.files("incoming") == []
    spool.messages.kept["sms_1"]["state"] = "delivered"
    spool.core.fact("sms.report", **report, part=2)
    await spool.only_file("incoming")


async def test_reports_on_messages_of_others_are_none_of_its_business(spool: Rig) -> None:
    await spool.running()
    for message_id in ("sms_99", None):
        spool.core.fact(
            "sms.report", message_id=message_id, number="+1", outcome="delivered", status=0, status_text="ok"
        )
    spool.messages.receive()
    await spool.only_file("incoming")


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_missed_call_is_a_file_where_configured(spool: Rig, wanted: bool) -> None:
    await spool.running(f'missed_calls = {str(wanted).lower()}\nphonecalls = "phonecalls"')
    spool.core.fact("call.missed", call_id="call_1", number="+37061111111", withheld=False, rings=3)
    spool.messages.receive()
    await spool.only_file("incoming")
    if not wanted:
        assert spool.files("phonecalls") == []
        return
    assert (await spool.only_file("phonecalls")).endswith(b"\nCALL MISSED\n")
    await spool.until(lambda: len(spool.handler_runs()) == 2)
    assert [run[0] for run in spool.handler_runs()] == ["CALL", "RECEIVED"]


# --- handlers


async def test_the_handlers_own_arguments_come_first_and_no_shell_sees_any(spool: Rig) -> None:
    spool.configure('device = "$(id)"', handler=False)
    script = f"{spool.folder}/handler"
    spool.config.write_text(f"eventhandler = \"{script} 'two words' $HOME\"\n" + spool.config.read_text())
    await spool.running()
    spool.messages.receive()
    await spool.until(spool.handler_runs)
    ((first, second, kind, path),) = spool.handler_runs()
    assert (first, second, kind) == ("two words", "$HOME", "RECEIVED")
    assert path.startswith(f"{spool.spool}/incoming/$(id).")


def waiting_handler(spool: Rig) -> Callable[[], None]:
    """A handler that says that it runs, and ends when what is returned was called."""
    gate, script = spool.folder / "go-on", spool.folder / "waits"
    until = f"until [ -e {gate} ] || [ ! -d {spool.folder} ]"  # nor does it outlive the test
    script.write_text(f'#!/bin/sh\necho "$1|$2" >> {spool.handled}\n{until}; do sleep 0.05; done\n')
    script.chmod(0o755)
    spool.configure(f'eventhandler = "{script}"', handler=False)
    return gate.touch


async def test_a_handler_that_fails_or_is_missing_stops_nothing(spool: Rig) -> None:
    script = spool.folder / "bad"
    script.write_text("#!/bin/sh\necho trouble; echo more >&2; exit 3\n")
    script.chmod(0o755)
    spool.configure(f'eventhandler = "{script}"\nalarmhandler = "/nowhere/at/all"', handler=False)
    await spool.running()
    spool.core.fact("alarm.raised", alarm="disk", severity="error", text="full", client=None)
    spool.messages.receive("one")
    spool.messages.receive("two")
    await spool.until(lambda: spool.text(spool.log).count("ended with 3") == 2)
    log = spool.text(spool.log)
    assert "said: trouble" in log and "said: more" in log and "can't be run" in log


async def test_a_handler_that_hangs_is_killed_with_its_children(spool: Rig) -> None:
    script = spool.folder / "hang"
    script.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {spool.folder}/pid\nwait\n")
    script.chmod(0o755)
    spool.configure(f'eventhandler = "{script}"\nhandler_timeout_s = 0.5', handler=False)
    await spool.running()
    written, killed = spool.folder / "pid", 0
    while not spool.text(written):  # a busy machine may kill the shell before it has a child
        spool.messages.receive("one")
        killed += 1
        await spool.until(lambda count=killed: spool.text(spool.log).count("was killed") == count)  # type: ignore[misc]
    pid = int(spool.text(written))
    await spool.until(lambda: _is_gone(pid))


async def test_handlers_run_one_after_the_other_in_order(spool: Rig) -> None:
    script = spool.folder / "slow"
    script.write_text(f'#!/bin/sh\necho "start|$2" >> {spool.handled}\nsleep 0.1\necho "end|$2" >> {spool.handled}\n')
    script.chmod(0o755)
    spool.configure(f'eventhandler = "{script}"', handler=False)
    await spool.running()
    for number in range(4):
        spool.messages.receive(str(number))
    await spool.until(lambda: len(spool.handler_runs()) == 8)
    runs = spool.handler_runs()
    assert [word for word, _ in runs] == ["start", "end"] * 4
    bodies = [read_message(spool.content("incoming", path.rpartition("/")[2])).body for _, path in runs[::2]]
    assert bodies == [b"0", b"1", b"2", b"3"]


async def test_an_event_does_not_wait_for_a_slow_handler(spool: Rig) -> None:
    go_on = waiting_handler(spool)
    await spool.running()
    for number in range(5):
        spool.messages.receive(str(number))
    await spool.until(lambda: len(spool.files("incoming")) == 5)
    await spool.until(spool.handler_runs)
    assert len(spool.handler_runs()) == 1
    go_on()


async def test_the_alarm_handler_has_six_arguments(spool: Rig) -> None:
    spool.configure(f'alarmhandler = "{spool.folder}/handler"\nalarmlevel = 3', handler=False)
    await spool.running()
    spool.core.fact("alarm.raised", alarm="warm", severity="warning", text="not so bad", client=None)
    spool.core.fact("alarm.raised", alarm="modem_lost", severity="error", text="The modem is gone; really", client=None)
    await spool.until(spool.handler_runs)
    ((word, date, clock, digit, who, text),) = spool.handler_runs()
    assert (word, date, clock, digit) == ("ALARM", "2026-11-21", "07:16:00", "3")
    assert (who, text) == ("GSM1", "The modem is gone; really")


async def test_a_handler_due_at_a_kill_runs_after_it_and_a_started_one_does_not_again(spool: Rig) -> None:
    go_on = waiting_handler(spool)
    await spool.running()
    for number in range(3):
        spool.messages.receive(str(number))
    await spool.until(lambda: len(spool.files("incoming")) == 3 and spool.handler_runs())
    await spool.kill()
    assert len(spool.handler_runs()) == 1
    go_on()
    await spool.running()
    await spool.until(lambda: len(spool.handler_runs()) == 3)
    assert len({path for _, path in spool.handler_runs()}) == 3
    assert "was interrupted by a crash" in spool.text(spool.log)


async def test_a_stop_lets_the_running_handler_end(spool: Rig) -> None:
    script = spool.folder / "slow"
    script.write_text(f'#!/bin/sh\necho "start|$2" >> {spool.handled}\nsleep 0.5\necho "end|$2" >> {spool.handled}\n')
    script.chmod(0o755)
    spool.configure(f'eventhandler = "{script}"', handler=False)
    await spool.running()
    spool.messages.receive("one")
    await spool.until(spool.handler_runs)
    assert await spool.stop() == 0
    assert [word for word, _ in spool.handler_runs()] == ["start", "end"]
    await spool.running()
    assert "interrupted" not in spool.text(spool.log)


async def test_a_stop_while_a_handler_is_being_started_lets_it_end(tmp_path: Path) -> None:
    script = tmp_path / "slow"
    script.write_text('#!/bin/sh\necho start >> "$1"\nsleep 0.1\necho end >> "$1"\n')
    script.chmod(0o755)
    begun = 0
    for turns in range(12):  # of the event loop, from none to some more than a start takes
        ledger, told = Ledger(tmp_path / f"{turns}.db"), tmp_path / f"{turns}"
        ledger.queue_handler("event", (str(told),), "key")
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(Handlers(ledger, {"event": [str(script)]}, DEADLINE_S).run())
            for _ in range(turns):
                await asyncio.sleep(0)
            running.cancel()
        assert Rig.text(told) in ("", "start\nend\n"), turns
        assert ledger.interrupted_handlers() == []
        begun += told.exists()
        ledger.close()
    assert begun > 6


def _is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
