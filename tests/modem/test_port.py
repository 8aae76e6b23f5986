"""AtPort on real ptys: one command in flight, queue, priority, timeouts, resynchronising, loss, wire log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import ModemBusy
from core.modem import port as port_module
from core.modem.at import Command, Kind, Reply, Urc
from core.modem.port import MAX_URCS, MAX_WAITING, AtPort, AtTimeout, HandedOver, PortLost, PortTaken
from core.modem.wirelog import WireLog
from tests.modem.scripted import OK, ScriptedModem, running, scripted_modem, until

URCS = ("RING", "+CLCC:", "+CMTI:")


@pytest.fixture
async def modem() -> AsyncIterator[ScriptedModem]:
    with scripted_modem() as scripted:
        yield scripted


@pytest.fixture
async def port(modem: ScriptedModem) -> AsyncIterator[AtPort]:
    async with running(AtPort("voice", modem.path, urcs=URCS)) as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modem's patience in milliseconds: its length is a number from the manual, not behaviour."""
    monkeypatch.setattr(port_module, "SYNC_GAP_S", 0.05)
    monkeypatch.setattr(port_module, "SYNC_QUIET_S", 0.02)
    yield


async def test_a_command_gets_its_answer(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n"
    assert await port.send(Command("AT+CSQ")) == Reply("AT+CSQ", "OK", ("+CSQ: 17,99",))
    assert modem.heard[0] == "AT"  # it makes sure of the modem first
    assert b"\n" not in modem.raw  # CR alone ends a command


async def test_an_error_of_the_modem_is_an_answer(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CPIN?"] = b"\r\n+CME ERROR: SIM busy\r\n"
    reply = await port.send(Command("AT+CPIN?"))
    assert (reply.ok, reply.final) == (False, "+CME ERROR: SIM busy")


async def test_urcs_are_pulled_in_order_also_from_inside_an_answer(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = b"\r\n+CSQ: 17,99\r\n\r\r\nRING\r\r\n\r\nOK\r\n"
    modem.say(b'\r\n+CMTI: "SM",2\r\n')
    assert await port.next_urc() == Urc('+CMTI: "SM",2')
    await port.send(Command("AT+CSQ"))
    assert await port.next_urc() == Urc("RING")


async def test_the_modem_is_asked_again_until_it_answers(modem: ScriptedModem, quick: None) -> None:
    modem.answers["AT"] = lambda command: OK if len(modem.heard) >= 4 else b""
    async with running(AtPort("voice", modem.path)) as port:
        assert (await port.send(Command("AT+CMEE=2"))).ok
    assert modem.heard == ["AT"] * 4 + ["AT+CMEE=2"]


async def test_only_one_command_is_in_flight(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = None
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(port.send(Command("AT+CSQ", 60.0)))
        second = tasks.create_task(port.send(Command("AT+CREG?")))
        await modem.hears("AT+CSQ")
        await asyncio.sleep(0.05)
        assert modem.heard[-1] == "AT+CSQ"
        assert port.busy
        modem.say(OK)
    assert (first.result().command, second.result().command) == ("AT+CSQ", "AT+CREG?")


async def test_hang_up_goes_before_all_that_waits_and_a_full_queue_is_busy(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(port.send(Command("AT+CSQ", 60.0)))
        await modem.hears("AT+CSQ")
        for index in range(MAX_WAITING):
            tasks.create_task(port.send(Command(f"AT+X{index}")))
        await asyncio.sleep(0)
        with pytest.raises(ModemBusy):
            await port.send(Command("AT+CREG?"))
        hang_up = tasks.create_task(port.send(Command("AT+CHUP"), urgent=True))
        await asyncio.sleep(0)
        modem.say(OK)
    assert hang_up.result().ok
    assert modem.heard[1:3] == ["AT+CSQ", "AT+CHUP"]
    assert modem.heard[3:] == [f"AT+X{index}" for index in range(MAX_WAITING)]


async def test_a_caller_that_stops_waiting_does_not_stop_the_exchange(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CHUP"] = None
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await port.send(Command("AT+CHUP", 60.0))
    async with asyncio.TaskGroup() as tasks:
        after = tasks.create_task(port.send(Command("AT+CSQ")))
        await asyncio.sleep(0.05)
        assert modem.heard[-1] == "AT+CHUP"
        modem.say(OK)
    assert after.result() == Reply("AT+CSQ", "OK")


async def test_a_late_answer_is_not_the_next_commands(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CNSMOD=1"] = None
    modem.answers["AT"] = b"\r\nOK\r\n\r\nOK\r\n"  # the late one, then its own
    with pytest.raises(AtTimeout):
        await port.send(Command("AT+CNSMOD=1", timeout_s=0.1))
    modem.answers["AT+CSQ"] = b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n"
    assert (await port.send(Command("AT+CSQ"))).lines == ("+CSQ: 17,99",)
    assert port.counts.timeouts == 1
    assert port.counts.strays >= 1


async def test_an_answer_that_comes_just_after_synchronising_is_nobodys(modem: ScriptedModem, port: AtPort) -> None:
    def answer_twice(command: str) -> bytes:
        asyncio.get_running_loop().call_later(0.05, modem.say, OK)
        return OK

    modem.answers |= {"AT+CNSMOD=1": None, "AT": answer_twice, "AT+CSQ": b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n"}
    with pytest.raises(AtTimeout):
        await port.send(Command("AT+CNSMOD=1", timeout_s=0.1))
    assert (await port.send(Command("AT+CSQ"))).lines == ("+CSQ: 17,99",)


async def test_an_answer_that_is_read_together_with_the_end_of_its_time_counts(
    modem: ScriptedModem, port: AtPort
) -> None:
    """As where this process stood still: the loop comes back to the answer and to the deadline in one turn."""
    modem.answers["AT+CSQ"] = None
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(port.send(Command("AT+CSQ", timeout_s=60)))
        await modem.hears("AT+CSQ")
        assert port._deadline is not None
        port._deadline.reschedule(asyncio.get_running_loop().time())
        port.received(OK)
    assert asking.result().ok


async def test_after_three_silent_commands_the_port_is_synchronised_again(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = None
    for _ in range(3):
        with pytest.raises(AtTimeout):
            await port.send(Command("AT+CSQ", timeout_s=0.05))
    assert (await port.send(Command("AT+CREG?"))).ok


async def test_a_modem_that_stays_silent_is_lost(modem: ScriptedModem, port: AtPort, quick: None) -> None:
    assert (await port.send(Command("AT+CSQ"))).ok
    modem.answers |= {"AT": None, "AT+CSQ": None}
    with pytest.raises(AtTimeout):
        await port.send(Command("AT+CSQ", timeout_s=0.05))
    with pytest.raises(PortLost):
        await port.send(Command("AT+CSQ"))
    with pytest.raises(PortLost):
        await port.next_urc()


async def test_a_modem_that_never_answers_is_lost_at_the_start(modem: ScriptedModem, quick: None) -> None:
    modem.answers["AT"] = None
    async with running(AtPort("voice", modem.path)) as port:
        with pytest.raises(PortLost):
            await port.send(Command("AT+CSQ"))
    assert modem.heard == ["AT"] * port_module.SYNC_TRIES


async def test_unplugging_ends_every_wait_at_once(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CSQ"] = None

    async def fails(wait: Callable[[], object]) -> float:
        with pytest.raises(PortLost):
            await wait()  # type: ignore[misc]
        return time.monotonic()

    async with asyncio.TaskGroup() as tasks:
        waits = [
            tasks.create_task(fails(lambda: port.send(Command("AT+CSQ", 50.0)))),
            tasks.create_task(fails(lambda: port.send(Command("AT+CREG?")))),
            tasks.create_task(fails(port.next_urc)),
        ]
        await modem.hears("AT+CSQ")
        unplugged_s = time.monotonic()
        modem.unplug()
    assert all(wait.result() - unplugged_s < 20.0 for wait in waits)  # not after its time
    with pytest.raises(PortLost):
        await port.send(Command("AT"))


async def test_a_port_that_is_not_there_is_lost(tmp_path: Path) -> None:
    port = AtPort("voice", str(tmp_path / "if03"))
    with pytest.raises(PortLost):
        await port.open()
    await port.close()


async def test_a_port_belongs_to_one_program(modem: ScriptedModem, port: AtPort) -> None:
    second = AtPort("voice", modem.path)
    with pytest.raises(PortTaken):
        await second.open()
    assert (await port.send(Command("AT"))).ok


async def test_urcs_that_nobody_pulls_are_bounded(modem: ScriptedModem, port: AtPort) -> None:
    for _ in range(MAX_URCS + 10):
        modem.say(b"\r\nRING\r\n")
        await asyncio.sleep(0)
    modem.say(b'\r\n+CMTI: "SM",9\r\n')
    await until(lambda: port.counts.urcs_dropped >= 11)
    got = [await port.next_urc() for _ in range(MAX_URCS)]
    assert got[-1] == Urc('+CMTI: "SM",9')


async def test_a_prompt_gets_its_payload(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = b"\r\n> "
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(
            port.send(Command("AT+CMGS=2", kind=Kind.PROMPT, prefixes=("+CMGS:",), payload="0001"))
        )
        await until(lambda: modem.raw.endswith(b"0001\x1a"))
        modem.say(b"\r\n+CMGS: 4\r\n\r\nOK\r\n")
    assert sent.result().lines == ("+CMGS: 4",)


def _message(timeout_s: float = 30.0, prompt_s: float = 30.0) -> Command:
    return Command("AT+CMGS=2", timeout_s, Kind.PROMPT, ("+CMGS:",), "0001", prompt_s)


async def test_a_prompt_that_times_out_is_left_by_escape(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = b""
    with pytest.raises(AtTimeout):
        await port.send(_message(prompt_s=0.1))
    assert (await port.send(Command("AT+CSQ"))).command == "AT+CSQ"
    assert b"\x1b" in modem.raw


async def _failure(wait: Awaitable[Reply]) -> Exception | None:
    try:
        await wait
    except (AtTimeout, HandedOver, PortLost) as problem:
        return problem
    return None


async def test_the_time_for_the_answer_begins_with_the_hand_over(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = None
    async with asyncio.TaskGroup() as tasks:
        message = tasks.create_task(_failure(port.send(_message(timeout_s=0.4))))
        await modem.hears("AT+CMGS=2")
        await asyncio.sleep(0.5)
        assert not message.done()
        prompted_s = time.monotonic()
        modem.say(b"\r\n> ")
    assert isinstance(message.result(), HandedOver)
    assert time.monotonic() - prompted_s >= 0.4
    assert b"\x1b" not in modem.raw  # nothing is taken back by it


async def test_an_answer_before_the_prompt_is_another_commands(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = OK
    with pytest.raises(AtTimeout):
        await port.send(_message())
    await until(lambda: b"\x1b" in modem.raw)
    assert (await port.send(Command("AT+CSQ"))).ok
    assert b"0001" not in modem.raw


async def test_a_port_lost_after_the_hand_over_leaves_doubt(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = b"\r\n> "

    async def fails(command: Command) -> type[Exception]:
        with pytest.raises((PortLost, HandedOver)) as failure:
            await port.send(command)
        return failure.type

    async with asyncio.TaskGroup() as tasks:
        sending, waiting = tasks.create_task(fails(_message())), tasks.create_task(fails(_message()))
        await until(lambda: modem.raw.endswith(b"0001\x1a"))
        modem.unplug()
    assert (sending.result(), waiting.result()) == (HandedOver, PortLost)


async def test_messages_without_an_answer_do_not_count_as_a_silent_port(
    modem: ScriptedModem, port: AtPort, quick: None
) -> None:
    modem.answers["AT+CMGS=2"] = b"\r\n> "
    for _ in range(4):
        with pytest.raises(HandedOver):
            await port.send(_message(timeout_s=0.05))
    assert (await port.send(Command("AT+CSQ"))).ok
    assert modem.heard.count("AT") == 1 + 4  # one at the start, one after each: no synchronising


async def test_a_port_that_is_deaf_over_a_message_is_waited_for(
    modem: ScriptedModem, port: AtPort, quick: None
) -> None:
    await port.send(Command("AT+CSQ"))
    modem.answers |= {"AT+CMGS=2": b"\r\n> ", "AT": None}
    with pytest.raises(HandedOver):
        await port.send(_message(timeout_s=0.05))
    async with asyncio.TaskGroup() as tasks:
        after = tasks.create_task(port.send(Command("AT+CSQ")))
        await until(lambda: modem.heard.count("AT") >= 3)
        assert (port.deaf, port.tied_up, port.busy) == (True, True, True)
        modem.say(b"\r\n+CMGS: 9\r\n" + OK)
        modem.answers["AT"] = OK
        modem.say(OK)
    assert after.result().command == "AT+CSQ"
    assert not port.deaf
    assert await port.next_urc() == Urc("+CMGS: 9")


async def test_a_deaf_port_that_a_call_needs_is_kept_until_it_does_not(
    modem: ScriptedModem, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "STUCK_S", 0.0)
    monkeypatch.setattr(port_module, "STUCK_PROBE_S", 0.05)
    modem.answers |= {"AT+CMGS=2": b"\r\n> ", "AT+X": None}
    calls = [1]
    async with running(AtPort("at", modem.path, needed=lambda: bool(calls))) as port:
        modem.answers["AT"] = OK
        await port.send(Command("AT+CSQ"))
        modem.answers["AT"] = None
        with pytest.raises(HandedOver):
            await port.send(_message(timeout_s=0.05))
        await until(lambda: modem.heard.count("AT") >= 4)
        assert port.deaf
        calls.clear()
        with pytest.raises(PortLost):
            await port.send(Command("AT+CSQ"))


async def test_a_modem_that_never_saw_the_end_of_the_payload_is_freed(
    modem: ScriptedModem, port: AtPort, quick: None
) -> None:
    await port.send(Command("AT+CSQ"))
    modem.answers |= {"AT+CMGS=2": b"\r\n> ", "AT": lambda _: OK if b"\x1b" in modem.raw else b""}
    with pytest.raises(HandedOver):
        await port.send(_message(timeout_s=0.05))
    assert (await port.send(Command("AT+CSQ"))).ok
    assert modem.raw.index(b"\x1b") > modem.raw.index(b"0001\x1a")


async def test_a_message_at_its_prompt_makes_way_for_a_hang_up_and_goes_next(
    modem: ScriptedModem, port: AtPort
) -> None:
    modem.answers["AT+CMGS=2"] = None
    async with asyncio.TaskGroup() as tasks:
        message = tasks.create_task(port.send(_message()))
        tasks.create_task(port.send(Command("AT+CSQ")))
        await modem.hears("AT+CMGS=2")
        hang_up = tasks.create_task(port.send(Command("AT+CHUP"), urgent=True))
        await asyncio.sleep(0)
        modem.say(b"\r\n> ")
        await until(lambda: b"\x1b" in modem.raw)
        modem.answers["AT+CMGS=2"] = b"\r\n> "
        modem.say(OK)
        await until(lambda: modem.raw.endswith(b"0001\x1a"))
        modem.say(b"\r\n+CMGS: 4\r\n" + OK)
    assert hang_up.result().ok
    assert message.result().lines == ("+CMGS: 4",)
    assert modem.heard[1:] == ["AT+CMGS=2", "AT+CHUP", "AT+CMGS=2", "AT+CSQ"]
    assert modem.raw.count(b"0001\x1a") == 1


async def test_a_message_that_nobody_waits_for_is_not_handed_over(modem: ScriptedModem, port: AtPort) -> None:
    modem.answers["AT+CMGS=2"] = None
    for in_flight in (True, False):
        async with asyncio.TaskGroup() as tasks:
            if not in_flight:
                modem.answers["AT+SLOW"] = None
                tasks.create_task(port.send(Command("AT+SLOW", 60.0)))
            message = tasks.create_task(port.send(_message()))
            await modem.hears("AT+CMGS=2" if in_flight else "AT+SLOW")
            message.cancel()
            await asyncio.sleep(0)
            modem.say(b"\r\n> " if in_flight else OK)
            if in_flight:
                await until(lambda: modem.raw.endswith(b"\x1b"))
                modem.say(OK)
            await port.send(Command("AT+CSQ"))
    assert b"0001" not in modem.raw
    assert modem.heard.count("AT+CMGS=2") == 1


async def test_a_command_can_be_left_to_the_port_also_when_its_queue_is_full(
    modem: ScriptedModem, port: AtPort
) -> None:
    modem.answers["AT+SLOW"] = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(port.send(Command("AT+SLOW", 60.0)))
        await modem.hears("AT+SLOW")
        for number in range(MAX_WAITING):
            tasks.create_task(port.send(Command(f"AT+X{number}")))
        await asyncio.sleep(0)
        port.post(Command("AT+CUSD=2"))
        modem.say(OK)
    await modem.hears("AT+CUSD=2")
    modem.unplug()
    with pytest.raises(PortLost):
        await port.send(Command("AT"))
    port.post(Command("AT+CUSD=2"))  # nothing to undo any more


async def test_the_wire_log_holds_the_conversation(modem: ScriptedModem, tmp_path: Path) -> None:
    log = tmp_path / "wire"
    wire = WireLog(log, on_failure=lambda: pytest.fail("the log can't be written"))
    modem.answers["AT+CSQ"] = b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n"
    async with running(AtPort("voice", modem.path, urcs=URCS, wire=wire)) as port:
        await port.send(Command("AT+CSQ"))
    lines = [line for line in log.read_text().splitlines() if not line.startswith("#")]
    assert lines == ["> AT", r"< \r\nOK\r\n", "> AT+CSQ", r"< \r\n+CSQ: 17,99\r\n\r\nOK\r\n"]
