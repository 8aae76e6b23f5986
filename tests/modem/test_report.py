"""A modem's report on itself: what it makes of answers, what it asks, and that it disturbs nobody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModemOffline
from core.line import CallState, LineProgress, LineReport, LineSignal, LineState, PacketContext
from core.modem import report as report_module
from core.modem.at import Command, Urc
from core.modem.port import AtPort, AtTimeout
from core.modem.profile import load_profile
from core.modem.report import Reporter
from core.modem.report_builder import ReportBuilder, is_ims
from core.modem.status import StatusWatch
from tests.modem.line_desk import Emulator, desk, emulator
from tests.modem.scripted import OK, ScriptedModem, running, scripted_modem, until

PROFILE = load_profile("sim7600")
QUESTIONS = PROFILE.cells + PROFILE.report
LTE = "+CPSI: LTE,Online,460-11,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,5,-94,-850,-545,15"
ANSWERS = {
    "AT+CPSI?": LTE,
    "AT+CNSMOD?": "+CNSMOD: 1,8",
    "AT+CREG?": '+CREG: 2,1,"A809","0A1B2C3D"',
    "AT+CGREG?": "+CGREG: 0,4",
    "AT+CEREG?": '+CEREG: 2,5,"5A1E","0B28ABBC",7',
    "AT+CGDCONT?": '+CGDCONT: 1,"IP","CMNET","0.0.0.0",0,0,0,0\r\n+CGDCONT: 6,"IPV4V6","ims",,0,0',
    "AT+CGACT?": "+CGACT: 1,0\r\n+CGACT: 6,1",
    "AT+CGPADDR=6": "+CGPADDR: 6,10.29.127.164",
    "AT+CBC": "+CBC: 3.591V",
    "AT+CPMUTEMP": "+CPMUTEMP: 29",
    "AT+CCLK?": '+CCLK: "26/08/11,12:30:35+32"',
    "AT+SPIC": "+SPIC: 3,10,0,10",
    "AT+CEVOLTE?": "+CEVOLTE: 1,1",
    "AT+CUSBPIDSWITCH?": "+CUSBPIDSWITCH: 9001",
}
WHOLE = LineReport(
    rsrp_dbm=-85.0, rsrq_db=-9.4, sinr_db=10.0, creg="home", cgreg="unknown", cereg="roaming", mcc_mnc="460-11",
    access_technology="lte", band="EUTRAN-BAND3", area="5A1E", cell="B28ABBC",
    contexts=(
        PacketContext(1, "IP", "CMNET", active=False),
        PacketContext(6, "IPV4V6", "ims", active=True, address="10.29.127.164"),
    ),
    volte=True, voltage_v=3.591, temperature_c=29.0, network_time="2026-08-11T12:30:35+08:00", pin_tries_left=3,
    composition="9001",
)  # fmt: skip


def answer(text: str) -> bytes:
    return f"\r\n{text}\r\n".encode() + OK


@dataclass
class Bench:
    modem: ScriptedModem
    port: AtPort
    status: StatusWatch
    reporter: Reporter


@pytest.fixture
async def modem() -> AsyncIterator[ScriptedModem]:
    with scripted_modem() as found:
        found.answers.update({question: answer(text) for question, text in ANSWERS.items()})
        yield found


@pytest.fixture
async def bench(modem: ScriptedModem) -> AsyncIterator[Bench]:
    async with running(AtPort("at", modem.path, urcs=PROFILE.urcs)) as port:
        status = StatusWatch(port, lambda fact: None, lambda: None, cells=PROFILE.cells)
        yield Bench(modem, port, status, Reporter((port,), status, QUESTIONS))


# --- what answers make


def test_the_answers_of_a_whole_modem_make_a_whole_report() -> None:
    builder = ReportBuilder()
    builder.take(line for text in ANSWERS.values() for line in text.split("\r\n"))
    assert builder.build() == WHOLE


def test_a_modem_that_says_nothing_has_an_empty_report() -> None:
    assert ReportBuilder().build() == LineReport()


def test_the_place_is_that_of_the_registration_where_the_cell_is_not_told() -> None:
    builder = ReportBuilder()
    builder.take(["+CPSI: NO SERVICE,Online", '+CREG: 2,1,"A809","0A1B2C3D"', "+CEREG: 2,4", '+COPS: 0,2,"23415",2'])
    found = builder.build()
    assert (found.area, found.cell, found.mcc_mnc) == ("A809", "A1B2C3D", "234-15")


CONTEXTS = ['+CGDCONT: 1,"IPV4V6","internet"', '+CGDCONT: 2,"IPV4V6","ims"']


@pytest.mark.parametrize(
    ("lines", "volte"),
    [
        ([LTE, *CONTEXTS, "+CGACT: 1,1", "+CGACT: 2,1"], True),
        ([LTE, *CONTEXTS, "+CGACT: 1,1", "+CGACT: 2,0"], False),
        ([LTE, '+CGDCONT: 1,"IPV4V6","internet"', "+CGACT: 1,1"], False),
        (["+CNSMOD: 0,7", *CONTEXTS, "+CGACT: 1,1", "+CGACT: 2,1"], False),
        ([LTE, *CONTEXTS, "+CGACT: 2,1", "+CEVOLTE: 1,0"], False),
        ([*CONTEXTS, "+CGACT: 2,1"], None),
        ([LTE], None),
    ],
)
def test_the_sign_of_volte_is_lte_and_an_active_context_of_the_ims(lines: list[str], volte: bool | None) -> None:
    builder = ReportBuilder()
    builder.take(lines)
    assert builder.build().volte is volte


@pytest.mark.parametrize(("apn", "ims"), [("ims", True), ("IMS", True), ("ims.bite.lt", True), ("simsalabim", False)])
def test_an_access_point_of_the_ims_is_known_by_its_name(apn: str, ims: bool) -> None:
    assert is_ims(apn) is ims


@given(st.permutations(sorted(line for text in ANSWERS.values() for line in text.split("\r\n"))))
def test_the_order_of_answers_does_not_matter(lines: list[str]) -> None:
    builder = ReportBuilder()
    builder.take(lines)
    assert builder.build() == WHOLE


# --- what is asked


async def test_a_report_asks_for_everything_once(bench: Bench) -> None:
    assert await bench.reporter.report() == WHOLE
    asked = [command for command in bench.modem.heard if command != "AT"]
    assert sorted(asked) == sorted([*QUESTIONS, "AT+CGPADDR=6"])


async def test_several_who_ask_at_once_get_the_same_report(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(bench.reporter.report()) for _ in range(5)]
    assert len({id(task.result()) for task in asking}) == 1
    assert bench.modem.heard.count("AT+CBC") == 1


async def test_a_report_is_asked_anew_after_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "CACHE_S", 0.0)
    await bench.reporter.report()
    bench.modem.answers["AT+CBC"] = answer("+CBC: 3.101V")
    assert (await bench.reporter.report()).voltage_v == 3.101


async def test_what_the_firmware_does_not_know_is_asked_once_a_life(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "CACHE_S", 0.0)
    bench.modem.answers |= {
        "AT+CEVOLTE?": b"\r\nERROR\r\n",
        "AT+CPMUTEMP": b"\r\n+CME ERROR: operation not supported\r\n",
        "AT+SPIC": b"\r\n+CME ERROR: SIM busy\r\n",
    }
    for _ in range(3):
        found = await bench.reporter.report()
        assert (found.temperature_c, found.pin_tries_left, found.voltage_v) == (None, None, 3.591)
    heard = bench.modem.heard
    assert (heard.count("AT+CEVOLTE?"), heard.count("AT+CPMUTEMP")) == (1, 1)
    assert heard.count("AT+SPIC") == 3  # a busy SIM passes


async def test_what_was_refused_without_a_sim_is_asked_again_with_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_module, "CACHE_S", 0.0)
    bench.modem.answers["AT+CGACT?"] = b"\r\nERROR\r\n"
    await bench.reporter.report()
    bench.modem.answers |= {"AT+CGACT?": answer(ANSWERS["AT+CGACT?"]), "AT+CPIN?": answer("+CPIN: READY")}
    await bench.status.ask_sim()
    assert (await bench.reporter.report()).volte is True


async def test_the_networks_number_is_asked_where_the_cell_has_none(bench: Bench) -> None:
    bench.modem.answers |= {
        "AT+CPSI?": b"\r\nERROR\r\n",
        "AT+COPS=3,2;+COPS?;+COPS=3,0": answer('+COPS: 0,2,"46011",7'),
    }
    assert (await bench.reporter.report()).mcc_mnc == "460-11"


async def test_a_refused_question_for_the_number_leaves_names_as_names(bench: Bench) -> None:
    bench.modem.answers |= {"AT+CPSI?": b"\r\nERROR\r\n", "AT+COPS=3,2;+COPS?;+COPS=3,0": b"\r\nERROR\r\n"}
    assert (await bench.reporter.report()).mcc_mnc is None
    assert bench.modem.heard[-1] == "AT+COPS=3,0"


async def test_the_networks_own_word_is_the_time_where_the_clock_was_never_set(bench: Bench) -> None:
    bench.modem.answers["AT+CCLK?"] = answer('+CCLK: "80/01/06,07:09:04"')
    bench.status.on_urc(Urc("+CTZV: 32,26/08/11,04:30:35,1"))
    told = (await bench.reporter.report()).network_time
    assert told is not None
    since = datetime.fromisoformat(told) - datetime.fromisoformat("2026-08-11T12:30:35+08:00")
    assert 0 <= since.total_seconds() < 30


# --- what it does not do


async def test_silence_ends_a_report_in_time_with_what_is_known(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "BUDGET_S", 4.0)
    monkeypatch.setattr(report_module, "ANSWER_S", 30.0)
    bench.modem.answers["AT+CBC"] = None
    async with asyncio.timeout(20.0):
        found = await bench.reporter.report()
    assert (found.mcc_mnc, found.voltage_v, found.composition) == ("460-11", None, None)


async def test_a_modem_that_answers_nothing_is_said_to_be_silent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "BUDGET_S", 0.3)
    bench.modem.answers.update(dict.fromkeys(QUESTIONS))
    with pytest.raises(AtTimeout):
        await bench.reporter.report()


async def test_a_hangup_goes_before_the_rest_of_a_report(bench: Bench) -> None:
    first = QUESTIONS[0]
    bench.modem.answers[first] = None
    async with asyncio.TaskGroup() as tasks:
        reporting = tasks.create_task(bench.reporter.report())
        await bench.modem.hears(first)
        ending = tasks.create_task(bench.port.send(Command("AT+CHUP"), urgent=True))
        await asyncio.sleep(0)  # now it is in the queue
        bench.modem.say(answer(LTE))
        await ending
        await reporting
    asked = [command for command in bench.modem.heard if command != "AT"]
    assert asked[:2] == [first, "AT+CHUP"]


async def test_the_port_that_is_tied_up_is_not_the_one_that_is_asked(modem: ScriptedModem) -> None:
    async with AsyncExitStack() as stack:
        other = stack.enter_context(scripted_modem())
        other.answers["AT+COPS=?"] = None
        busy = await stack.enter_async_context(running(AtPort("at", other.path, urcs=PROFILE.urcs)))
        free = await stack.enter_async_context(running(AtPort("voice", modem.path, urcs=PROFILE.urcs)))
        status = StatusWatch(busy, lambda fact: None, lambda: None)
        async with asyncio.TaskGroup() as tasks:
            scan = tasks.create_task(busy.send(Command("AT+COPS=?", 180.0)))
            await other.hears("AT+COPS=?")
            assert await Reporter((busy, free), status, QUESTIONS).report() == WHOLE
            other.say(answer("+COPS: ,,(0,1),(0,1)"))
            await scan
        assert "AT+CBC" not in other.heard


async def test_the_status_poll_asks_no_more_than_five_questions(bench: Bench) -> None:
    bench.modem.answers |= {
        "AT+CPIN?": answer("+CPIN: READY"),
        "AT+CSQ": answer("+CSQ: 18,99"),
        "AT+COPS?": answer('+COPS: 0,0,"Dialtone",7'),
        "AT+CIMI": answer("460110000000001"),
        "AT+CICCID": answer("+ICCID: 898600700907A6019125"),
    }
    await bench.status.poll()
    assert bench.status.facts.operator == "Dialtone"
    before = len(bench.modem.heard)
    await bench.status.poll()
    assert bench.modem.heard[before:] == ["AT+CPIN?", "AT+CSQ", "AT+CREG?", "AT+CEREG?", "AT+CPSI?"]
    bench.modem.answers["AT+CPSI?"] = answer(LTE.replace("460-11", "460-00"))
    await bench.status.poll()  # another network has another name
    assert bench.modem.heard[-1] == "AT+COPS?"


async def test_a_modem_without_cpsi_is_asked_for_it_once_and_tells_its_technology_by_cops(bench: Bench) -> None:
    bench.modem.answers |= {
        "AT+CPSI?": b"\r\nERROR\r\n",
        "AT+COPS?": answer('+COPS: 0,0,"Dialtone",2'),
    }
    for _ in range(3):
        await bench.status.poll()
    assert bench.modem.heard.count("AT+CPSI?") == 1
    assert bench.status.facts.signal == LineSignal(None, access_technology="wcdma")


# --- on a line


@pytest.fixture
async def stick(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path) as found:
        yield found


async def test_a_line_reports_its_modem_and_its_ports(stick: Emulator) -> None:
    async with desk(stick.config()) as phone:
        found = await phone.line.report()
        assert (found.cereg, found.mcc_mnc, found.volte, found.composition) == ("home", "234-15", True, "9001")
        assert found.carrier is not None and found.carrier.mcc_mnc == "234-15"
        assert dict(found.ports)["pcm"] == str(stick.folder / "if04")
        await stick("usb.unplug")
        await phone.is_in(LineState.RECONNECTING)
        with pytest.raises(ModemOffline):
            await phone.line.report()


async def test_signal_and_technology_are_told_as_they_change(stick: Emulator) -> None:
    async with desk(stick.config(poll_s=0.3)) as phone:
        await phone.hears(LineSignal, lambda signal: signal == LineSignal(-77, -85.0, -9.4, 10.0, "lte"))
        await stick("radio.set", csq=9)
        await phone.hears(LineSignal, lambda signal: signal.rsrp_dbm == -103.0)
        await stick("radio.set", technology="wcdma")
        await phone.hears(LineSignal, lambda signal: signal == LineSignal(-95, access_technology="wcdma"))
        assert (await phone.line.report()).volte is False
        await stick("radio.set", technology="gsm", operator_number="310260", operator="Elsewhere")
        await until(lambda: phone.line.info.operator == "Elsewhere")
        await asyncio.sleep(report_module.CACHE_S + 0.1)
        found = await phone.line.report()
        assert (found.band, found.mcc_mnc, found.cereg, found.creg) == ("EGSM 900", "310-260", "unknown", "home")


async def test_the_networks_word_reaches_the_report_of_a_modem_without_a_clock(stick: Emulator) -> None:
    async with desk(stick.config(poll_s=0.2)) as phone:
        await stick("fault.set", kind="error_reply", command="AT+CCLK")
        await stick("fault.set", kind="urc_in_reply", urc="+CTZV: 4,26/08/11,10:30:35,0", times=1)
        await until(lambda: phone.line.info.operator is not None)
        told = None
        async with asyncio.timeout(30):
            while told is None:
                told = (await phone.line.report()).network_time
                await asyncio.sleep(0.1)
        assert told.startswith("2026-08-11T11:3") and told.endswith("+01:00")


async def test_reports_during_a_call_leave_it_alone(stick: Emulator) -> None:
    async with desk(stick.config()) as phone:
        await stick("call.incoming", number="+447700900123")
        handle = (await phone.incoming()).handle
        await phone.line.answer(handle)
        await phone.hears(LineProgress, lambda fact: fact.state is CallState.ACTIVE)
        port = await phone.line.open_audio(handle)
        assert (await phone.line.report()).cereg == "home"
        for _ in range(10):
            await port.read()
        await phone.line.hangup(handle)
        await phone.released(handle)
        audio = await phone.line.close_audio(handle)
        assert audio is not None and audio.uplink_stalls <= 1  # on a machine that stands still
