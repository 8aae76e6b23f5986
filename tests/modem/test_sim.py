"""The SIM: its PIN entered with care, cards that are locked, busy, absent and swapped. On the emulated modem."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidParams, ModemRefused, NotNow, SimLocked, TimedOut
from core.line import LineState, LineStatus
from core.modem import gap as gap_module
from core.modem import session as session_module
from core.modem import sim as sim_module
from core.modem.lines_report import PinTries
from core.modem.lines_sim import cfun, cspn, pin_tries
from core.modem.pins import Pins
from core.modem.secret_text import without_secrets
from core.modem.sim import may_send
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until

PIN, PUK = "4711", "31415926"
QUICK = ("--reset-s", "0.2", "--boot-s", "0.2")


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Resets right after quick commands widen the gap, which is another test's business (test_gap, test_bringup)."""
    monkeypatch.setattr(gap_module, "FIRST_S", 0.005)
    yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How long a SIM may be busy is a number from field reports, not behaviour."""
    monkeypatch.setattr(session_module, "SIM_PATIENCE_S", 0.5)
    yield


@asynccontextmanager
async def _locked(
    tmp_path: Path, heard: Heard, *, tries: int = 3, **changes: object
) -> AsyncIterator[tuple[Emulator, Desk]]:
    """A modem whose SIM asks for PIN, and a line on it that is not ready yet."""
    async with emulator(tmp_path, "--pin", PIN, *QUICK, *heard.options) as modem:
        await modem("sim.set", state="SIM PIN", pin=PIN, puk=PUK, pin_tries=tries)
        async with desk(modem.config(**changes), ready=False) as phone:
            yield modem, phone


async def _failed(phone: Desk, words: str) -> LineStatus:
    return await phone.hears(
        LineStatus, lambda status: status.state is LineState.FAILED and words in (status.reason or "")
    )


async def _restarted(modem: Emulator, phone: Desk, state: LineState) -> None:
    await modem("modem.reset")
    await until(lambda: phone.line.info.state is LineState.RECONNECTING)
    await until(lambda: phone.line.info.state is state, 20)


# --- the configured PIN ----------------------------------------------------------------------------------------------


async def test_the_configured_pin_opens_the_sim_also_after_a_reset(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard, pin=PIN) as (modem, phone):
        await phone.is_in(LineState.READY)
        assert not any(status.state is LineState.FAILED for status in phone.of(LineStatus))
        await _restarted(modem, phone, LineState.READY)
    assert heard.of("AT+CPIN=") == [f'AT+CPIN="{PIN}"'] * 2


async def test_tries_are_counted_before_each_pin(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard, pin=PIN) as (_, phone):
        await phone.is_in(LineState.READY)
    commands = heard.commands("if02")
    assert commands[commands.index(f'AT+CPIN="{PIN}"') - 1] == "AT+SPIC"


async def test_a_wrong_pin_is_sent_once_however_often_the_modem_comes_back(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard, pin="0000") as (modem, phone):
        failed = await _failed(phone, "wrong")
        assert "2 tries left" in (failed.reason or "")
        for _ in range(2):
            await _restarted(modem, phone, LineState.FAILED)
            assert "is not tried again" in (phone.line.info.reason or "")
    assert heard.of("AT+CPIN=") == ['AT+CPIN="0000"']


@pytest.mark.parametrize("tries", [0, 1])
async def test_the_last_try_is_never_taken(tmp_path: Path, heard: Heard, tries: int) -> None:
    async with _locked(tmp_path, heard, tries=tries, pin=PIN) as (_, phone):
        await _failed(phone, f"{tries} tries left")
        with pytest.raises(SimLocked) as locked:
            await phone.line.unlock(PIN)
        assert locked.value.details == {"tries_left": tries}
    assert heard.of("AT+CPIN=") == []


async def test_without_a_count_of_tries_only_a_person_may_enter_it(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, "--pin", PIN, *heard.options) as modem:
        await modem("sim.set", state="SIM PIN", pin=PIN)
        await modem("fault.set", kind="error_reply", command="AT+SPIC")
        async with desk(modem.config(pin=PIN), ready=False) as phone:
            await _failed(phone, "does not tell how many tries")
            assert heard.of("AT+CPIN=") == []
            await phone.line.unlock(PIN)
            await phone.is_in(LineState.READY)


async def test_a_sim_that_was_only_busy_gets_its_pin_again(tmp_path: Path, heard: Heard) -> None:
    async with emulator(tmp_path, "--pin", PIN, *heard.options) as modem:
        await modem("sim.set", state="SIM PIN", pin=PIN)
        await modem("fault.set", kind="error_reply", command="+CPIN=", text="+CME ERROR: SIM busy", times=1)
        async with desk(modem.config(pin=PIN), ready=False) as phone:
            await phone.is_in(LineState.READY)
    assert heard.of("AT+CPIN=") == [f'AT+CPIN="{PIN}"'] * 2


# --- unlock ----------------------------------------------------------------------------------------------------------


async def test_a_person_unlocks_it_and_after_a_reset_nobody_is_asked_again(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard) as (modem, phone):
        await _failed(phone, "modem.unlock")
        await phone.line.unlock(PIN)
        await phone.is_in(LineState.READY)
        assert phone.line.info.sim == "READY"
        assert phone.line.info.imsi is not None
        await _restarted(modem, phone, LineState.READY)


async def test_a_wrong_pin_says_how_many_tries_are_left_and_is_not_sent_twice(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard) as (_, phone):
        await _failed(phone, "SIM PIN")
        for _ in range(2):
            with pytest.raises(SimLocked) as locked:
                await phone.line.unlock("0000")
            assert locked.value.details == {"tries_left": 2}
            assert "0000" not in locked.value.message
        assert heard.of("AT+CPIN=") == ['AT+CPIN="0000"']
        await phone.line.unlock(PIN)
        await phone.is_in(LineState.READY)


async def test_a_blocked_sim_wants_its_puk_and_says_what_that_is(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard, pin=PIN) as (modem, phone):
        await phone.is_in(LineState.READY)
        heard.forget()
        await modem("sim.set", state="SIM PUK", puk=PUK)
        await _failed(phone, "SIM PUK")
        with pytest.raises(SimLocked, match="PUK") as locked:
            await phone.line.unlock(PIN)
        assert locked.value.details == {"tries_left": 10}
        with pytest.raises(SimLocked) as locked:
            await phone.line.unlock("2222", puk="00000000")
        assert locked.value.details == {"tries_left": 9}
        ready = len(phone.of(LineStatus))
        await phone.line.unlock("2222", puk=PUK)
        await until(lambda: phone.line.info.state is LineState.READY)
        assert len(phone.of(LineStatus)) >= ready
    assert heard.of("AT+CPIN=") == ['AT+CPIN="00000000","2222"', f'AT+CPIN="{PUK}","2222"']


async def test_the_last_puk_is_never_sent(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard) as (modem, phone):
        await modem("sim.set", state="SIM PUK", puk=PUK, puk_tries=1)
        await _failed(phone, "SIM PUK")
        with pytest.raises(SimLocked) as locked:
            await phone.line.unlock("2222", puk=PUK)
        assert locked.value.details == {"tries_left": 1}
    assert heard.of("AT+CPIN=") == []


async def test_what_is_not_asked_for_is_not_sent(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard) as (_, phone):
        await _failed(phone, "SIM PIN")
        with pytest.raises(NotNow):
            await phone.line.unlock(PIN, puk=PUK)
        for pin, puk in (("12", None), ("12345x", None), ('1";+CRESET', None), (PIN, "123"), ("٤٤٤٤", None)):
            with pytest.raises(InvalidParams) as wrong:
                await phone.line.unlock(pin, puk)
            assert pin not in wrong.value.message
        assert heard.of("AT+CPIN=") == []
        await phone.line.unlock(PIN)
        with pytest.raises(NotNow):
            await phone.line.unlock("9999")
    assert heard.of("AT+CPIN=") == [f'AT+CPIN="{PIN}"']


async def test_a_lost_answer_to_a_pin_costs_nothing_that_was_not_spent(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_module, "ENTER_S", 4.0)
    async with _locked(tmp_path, heard) as (modem, phone):
        await _failed(phone, "SIM PIN")
        await modem("fault.set", kind="no_reply", command="+CPIN=", times=1)
        with pytest.raises(TimedOut):
            await phone.line.unlock(PIN)
        await phone.line.unlock(PIN)  # the SIM had not counted it
        await phone.is_in(LineState.READY)


async def test_a_refusal_that_says_nothing_about_the_pin_is_told_as_such(tmp_path: Path, heard: Heard) -> None:
    async with _locked(tmp_path, heard) as (modem, phone):
        await _failed(phone, "SIM PIN")
        await modem("fault.set", kind="error_reply", command="+CPIN=", times=1)
        with pytest.raises(ModemRefused):
            await phone.line.unlock(PIN)
        await phone.line.unlock(PIN)


# --- nothing of it in a log ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("personal", [False, True])
async def test_no_pin_and_no_puk_stand_in_any_log(
    tmp_path: Path, heard: Heard, caplog: pytest.LogCaptureFixture, personal: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    async with emulator(tmp_path, "--pin", PIN, *QUICK, *heard.options) as modem:
        await modem("fault.set", kind="error_reply", command="ATE0")  # so that the modem echoes every byte
        await modem("sim.set", state="SIM PIN", pin=PIN, puk=PUK)
        config = modem.config(pin="97531", wire_log=str(tmp_path / "wire"))
        async with desk(config, ready=False, personal_wire_log=personal) as phone:
            await _failed(phone, "wrong")
            await phone.line.unlock(PIN)
            await phone.is_in(LineState.READY)
            await modem("sim.set", state="SIM PUK", puk=PUK)
            await _failed(phone, "SIM PUK")
            await phone.line.unlock("86420", puk=PUK)
            await until(lambda: phone.line.info.state is LineState.READY)
            told = "\n".join(map(repr, phone.told))
    logs = "\n".join(f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in caplog.records)
    wire = "".join((tmp_path / f"wire.{port}").read_text(encoding="ascii") for port in ("at", "voice"))
    assert heard.of("AT+CPIN=") == ['AT+CPIN="97531"', f'AT+CPIN="{PIN}"', f'AT+CPIN="{PUK}","86420"']
    assert 'AT+CPIN="00000000","00000"' in wire
    for secret in (PIN, PUK, "97531", "86420"):
        assert secret not in logs
        assert secret not in wire
        assert secret not in told


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('AT+CPIN="1234"', 'AT+CPIN="0000"'),
        ("AT+CPIN=1234", "AT+CPIN=0000"),
        ('AT+CPIN="31415926","2222"', 'AT+CPIN="00000000","0000"'),
        ('AT+CREG?;+CPIN="1234"', 'AT+CREG?;+CPIN="0000"'),
        ('at+cpin="1234"', 'at+cpin="0000"'),
        ('AT+CLCK="SC",1,"1234"', 'AT+CLCK="xx",0,"0000"'),
        ('AT+CPWD="SC","1234","4321"', 'AT+CPWD="xx","0000","0000"'),
        ('AT+CGAUTH=1,1,"s3cret","me"', 'AT+CGAUTH=0,0,"x0xxxx","xx"'),
        ('+CGAUTH: 1,1,"me","s3cret"', '+CGAUTH: 0,0,"xx","x0xxxx"'),
        ("AT+CPIN?", "AT+CPIN?"),
        ("AT+CPIN=?", "AT+CPIN=?"),
        ("+CPIN: SIM PIN", "+CPIN: SIM PIN"),
        ("+CLCK: 1", "+CLCK: 1"),
        ("+SPIC: 3,10,0,10", "+SPIC: 3,10,0,10"),
        ("ATD+491701234567;", "ATD+491701234567;"),
    ],
)
def test_secrets_of_a_line_are_blotted_out_and_the_rest_stays(line: str, wanted: str) -> None:
    assert without_secrets(line) == wanted


@given(st.from_regex(r"[0-9]{4,8}", fullmatch=True).filter(lambda pin: set(pin) != {"0"}), st.booleans())
def test_no_pin_survives(pin: str, quoted: bool) -> None:
    text = f'"{pin}"' if quoted else pin
    assert pin not in without_secrets(f"AT+CPIN={text}")
    assert pin not in without_secrets(f'AT+CLCK="SC",1,{text}')


# --- pure parts ------------------------------------------------------------------------------------------------------

_CARDS, _CODES = st.sampled_from([None, "8949", "8944"]), st.sampled_from(["1111", "2222", "3333"])


@given(st.none() | _CODES, st.lists(st.tuples(st.sampled_from(["sending", "not_counted", "right"]), _CARDS, _CODES)))
def test_no_pin_that_was_wrong_is_a_candidate_for_that_card(
    configured: str | None, story: list[tuple[str, str | None, str]]
) -> None:
    pins = Pins(configured)
    wrong: set[tuple[str | None, str]] = set()
    for what, card, code in story:
        getattr(pins, what)(card, code)
        if what == "sending":
            wrong.add((card, code))
        else:
            wrong.discard((card, code))
        for each in (None, "8949", "8944"):
            candidate = pins.candidate(each)
            assert candidate is None or (each, candidate) not in wrong
    assert all(code not in repr(pins) for code in ("1111", "2222", "3333"))


@given(st.none() | st.integers(0, 10), st.booleans())
def test_a_last_try_is_never_sent_and_an_uncounted_one_only_when_asked_for(left: int | None, asked: bool) -> None:
    assert may_send(left, asked=asked) is (asked if left is None else left >= 2)


def test_lines_of_the_sim() -> None:
    assert pin_tries("+SPIC: 3,10,0,10") == PinTries(3, 10)
    assert pin_tries('+QPINC: "SC",2,9') == PinTries(2, 9)
    assert pin_tries('+QPINC: "P2",2,9') is None
    assert pin_tries("+SPIC: x") is None
    assert cspn('+CSPN: "giffgaff",0') == "giffgaff"
    assert cspn('+CSPN: "",0') is None
    assert cspn("OK") is None
    assert cfun("+CFUN: 4") == 4
    assert cfun("+CFUN:") is None


@given(st.text())
def test_no_line_makes_them_raise(line: str) -> None:
    for prefix in ("", "+SPIC:", "+QPINC:", "+CSPN:", "+CFUN:"):
        pin_tries(prefix + line)
        cspn(prefix + line)
        cfun(prefix + line)


# --- cards that come and go ------------------------------------------------------------------------------------------


async def test_a_card_that_is_put_in_later_is_taken(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem:
        await modem("sim.set", state="absent")
        async with desk(modem.config(), ready=False) as phone:
            failed = await _failed(phone, "SIM: ABSENT")
            assert failed.reason == "SIM: ABSENT"
            await modem("sim.set", state="READY", quiet=True)
            await phone.is_in(LineState.READY)


async def test_a_card_that_goes_makes_the_line_say_so_and_one_that_is_back_serves(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem, desk(modem.config()) as phone:
        await modem("sim.set", state="absent")
        await _failed(phone, "SIM: ABSENT")
        assert (phone.line.info.imsi, phone.line.info.iccid) == (None, None)
        await modem("sim.set", state="READY")
        await until(lambda: phone.line.info.state is LineState.READY)


async def test_a_busy_card_is_waited_for_then_called_so_and_asked_again_for_ever(
    tmp_path: Path, impatient: None
) -> None:
    async with emulator(tmp_path) as modem:
        await modem("sim.set", state="busy")
        async with desk(modem.config(), ready=False) as phone:
            assert (await _failed(phone, "SIM: BUSY")).reason == "SIM: BUSY"
            await modem("sim.set", state="READY", quiet=True)
            await phone.is_in(LineState.READY)


async def test_a_card_that_is_busy_for_a_moment_is_no_failure(tmp_path: Path) -> None:
    async with emulator(tmp_path) as modem:
        await modem("sim.set", state="busy")
        async with desk(modem.config(), ready=False) as phone:
            await phone.is_in(LineState.STARTING)
            await modem("sim.set", state="READY", quiet=True)
            await phone.is_in(LineState.READY)
            assert not any(status.state is LineState.FAILED for status in phone.of(LineStatus))


@pytest.mark.parametrize("quiet", [False, True])
async def test_another_card_brings_its_own_identity_carrier_and_messages(
    tmp_path: Path, heard: Heard, quiet: bool
) -> None:
    async with emulator(tmp_path, *heard.options) as modem, desk(modem.config()) as phone:
        await until(lambda: phone.line.can_send)
        await modem("sms.deliver", **{"from": "+447700900123", "text": "to the first"})
        (first,) = await phone.receives(1)
        session = phone.line._session
        assert session is not None
        before = session.carrier
        await modem(
            "sim.set", state="READY", imsi="262011234567890", iccid="89490200001234567890", provider="Telekom.de",
            quiet=quiet,
        )  # fmt: skip
        await until(lambda: phone.line.info.imsi == "262011234567890")
        await until(lambda: phone.line.info.iccid == "89490200001234567890")  # asked for after the IMSI
        await until(lambda: session.carrier is not None and session.carrier.mcc_mnc == "262-01")
        assert before is not None
        assert before.mcc_mnc == "234-15"
        await phone.hears(LineStatus, lambda status: status.reason == "another SIM")
        await until(lambda: phone.line.info.state is LineState.READY)
        items = await phone.receives(2)  # what lies in the modem is offered anew, as of another life
        assert items[1].pdu == first.pdu
        assert first.place is not None
        assert items[1].place is not None
        assert items[1].place.life > first.place.life
        await until(lambda: 'AT+CGDCONT=1,"IPV4V6","internet.telekom"' in heard.commands())
