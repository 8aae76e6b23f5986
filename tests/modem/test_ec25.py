"""What is an EC25's alone: its lines, the port that voice and positions share, and flow control of the voice."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AudioFailed
from core.line import AudioPort, CallState, LineFix, LineProgress
from core.modem import call_audio, lines_quectel, pcm_pump
from core.modem.lines import ListedCall, Stat
from core.modem.lines_network import iccid
from core.modem.lines_quectel import ccinfo, qgpsloc, qpcmv, qpcmv_flow, qspn, qtonedet
from core.modem.pcm_tty import close_pcm as close_tty
from core.modem.pcm_tty import open_pcm as open_tty
from core.modem.profile import load_profile
from core.modem.wirelog import scrub
from tests.modem.heard import Heard
from tests.modem.line_desk import Desk, Emulator, desk, emulator
from tests.modem.scripted import until
from tests.modem.test_gnss import has_open

NUMBER = "+447700900123"
HERE = {"north": 52.52, "east": 13.405, "metres": 34.0}
LOUD = bytes([0x00, 0x20] * 80 + [0x00, 0xE0] * 80)


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "call"),
    [
        (
            '+QIND: "ccinfo",2,0,3,0,0,"07700900123",129',
            ListedCall(2, False, Stat.ALERTING, True, "07700900123"),
        ),
        (
            '+QIND: "ccinfo",1,1,-1,0,0,"447700900123",145',
            ListedCall(1, True, Stat.DISCONNECTED, True, "+447700900123"),
        ),
        ('+QIND: "ccinfo",1,1,4,0,0,"",128', ListedCall(1, True, Stat.INCOMING, True, None)),
        ('+QIND: "ccinfo",3,0,0,1,0,"",128', ListedCall(3, False, Stat.ACTIVE, False, None)),
        ('+QIND: "ccinfo",1,1,6,0,0,"",128', None),  # there is no such state
        ('+QIND: "csq",20,99', None),
        ("+QIND: SMS DONE", None),
        ('+QIND: "ccinfo"', None),
        ("+CLCC: 1,1,4,0,0", None),
    ],
)
def test_ccinfo(line: str, call: ListedCall | None) -> None:
    assert ccinfo(line) == call


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("+QTONEDET: 56", "8"),
        ("+QTONEDET: 42", "*"),
        ("+QTONEDET: 35", "#"),
        ("+QTONEDET: 65", "A"),
        ("+QTONEDET: 97", "A"),
        ("+QTONEDET: 69", None),
        ("+QTONEDET: 8", None),
        ("+QTONEDET:", None),
        ("+RXDTMF: 8", None),
    ],
)
def test_qtonedet(line: str, key: str | None) -> None:
    assert qtonedet(line) == key


@pytest.mark.parametrize(
    ("line", "carries", "goes_on"),
    [
        ("+QPCMV: 1,0", True, True),
        ("+QPCMV: 0,0", False, False),
        ("+QPCMV: 0", False, None),
        ("+QPCMV: 1", True, None),
        ("+QPCMV: 1,2", False, None),  # a sound card: not our port
        ("+QPCMV:", None, None),
        ("+CPCMREG: 1", None, None),
    ],
)
def test_qpcmv(line: str, carries: bool | None, goes_on: bool | None) -> None:
    assert (qpcmv(line), qpcmv_flow(line)) == (carries, goes_on)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('+QSPN: "CHN-UNICOM","UNICOM","Fonic",0,"46001"', "Fonic"),
        ('+QSPN: "CHN-UNICOM","UNICOM","",0,"46001"', None),
        ('+QSPN: "A","A","0046006F006E00690063",1,"46001"', "Fonic"),
        ('+CSPN: "Fonic",0', None),
    ],
)
def test_qspn(line: str, name: str | None) -> None:
    assert qspn(line) == name


def test_a_place_has_all_that_the_modem_told_of_it() -> None:
    fix = qgpsloc("+QGPSLOC: 061951.000,-31.82222,117.11565,0.7,62.2,3,251.30,3.7,2.0,110713,09")
    assert fix == LineFix(
        -31.82222, 117.11565, altitude_m=62.2, speed_mps=1.029, course_deg=251.3, satellites=9, hdop=0.7,
        fixed_unix_s=1373523591.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "+QGPSLOC: 061951.000,91.0,117.1,0.7,62.2,3,0,0,0,110713,09",
        "+QGPSLOC: 061951.000,nan,117.1,0.7,62.2,3,0,0,0,110713,09",
        "+QGPSLOC: 061951.000,3150.7223N,11711.9293E,0.7,62.2,2,0,0,0,110713,09",
        "+QGPSLOC: 061951.000,31.8",
        "+CGPSINFO: ,,,,,,,,",
    ],
)
def test_what_is_no_place_is_none(line: str) -> None:
    assert qgpsloc(line) is None


def test_a_place_in_two_dimensions_has_no_height_and_a_broken_clock_no_time() -> None:
    fix = qgpsloc("+QGPSLOC: 999999.000,31.82222,117.11565,0.7,62.2,2,nan,0.0,nan,110713,09")
    assert fix is not None
    assert (fix.altitude_m, fix.speed_mps, fix.course_deg, fix.fixed_unix_s) == (None, None, None, None)


@given(st.sampled_from(["+QIND: ", "+QIND: \"ccinfo\",", "+QTONEDET: ", "+QPCMV: ", "+QSPN: ", "+QGPSLOC: "]),
       st.text(max_size=80))  # fmt: skip
def test_no_line_makes_a_parser_raise(start: str, rest: str) -> None:
    for name in ("ccinfo", "qtonedet", "qpcmv", "qpcmv_flow", "qspn", "qgpsloc"):
        getattr(lines_quectel, name)(start + rest)


def test_the_cards_number_is_read_from_qccid() -> None:
    assert iccid("+QCCID: 8944500605149820123F") == "8944500605149820123"


def test_urcs_with_other_names_are_known_by_the_usual_ones() -> None:
    profile = load_profile("ec25")
    assert profile.known("+QIND: SMS DONE") == "SMS DONE"
    assert profile.known('+QIND: "smsfull","ME"') == "+SMS FULL"
    assert profile.known('+QIND: "ccinfo",1,1,4,0,0,"",128') == '+QIND: "ccinfo",1,1,4,0,0,"",128'


def test_neither_numbers_nor_places_get_into_the_wire_log() -> None:
    assert scrub("+QGPSLOC: 061951.000,31.82222,117.11565,0.7,62.2,2,0.0,0.0,0.0,110713,09") == (
        "+QGPSLOC: 000000.000,00.00000,000.00000,0.0,00.0,0,0.0,0.0,0.0,000000,00"
    )
    assert scrub('+QIND: "ccinfo",1,1,4,0,0,"+44770",145') == '+QIND: "ccinfo",1,1,4,0,0,"+00000",145'
    assert scrub("+QCCID: 8944500605149820123F") == "+QCCID: 0000000000000000000F"


# --- the shared port --------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(tmp_path: Path) -> Heard:
    return Heard(tmp_path)


@pytest.fixture
async def modem(tmp_path: Path, heard: Heard) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path, "--model", "ec25", *heard.options) as running:
        await running("gps.set", **HERE)
        yield running


@pytest.fixture
async def phone(modem: Emulator) -> AsyncIterator[Desk]:
    async with desk(modem.config(modem="ec25")) as running:
        yield running


async def _call(phone: Desk, modem: Emulator) -> int:
    await modem("call.incoming", number=NUMBER, ring_s=0.3)
    handle = (await phone.incoming()).handle
    await phone.line.answer(handle)
    await phone.hears(LineProgress, lambda fact: fact.handle == handle and fact.state is CallState.ACTIVE)
    return handle


async def _talk(audio: AudioPort, length_s: float) -> bytes:
    until_s, heard = time.monotonic() + length_s, bytearray()
    while time.monotonic() < until_s:
        heard += (await audio.read()).downlink or b""
        while audio.room():
            audio.write(LOUD)
    return bytes(heard)


async def _hears(audio: AudioPort) -> bool:
    """Waits until more than a thousand bytes of the far end were heard."""
    heard = b""
    async with asyncio.timeout(20):
        while len(heard) <= 1000:
            heard += await _talk(audio, 0.1)
    return True


async def test_positions_go_on_during_a_call_and_no_sentence_is_heard_in_it(
    phone: Desk, modem: Emulator, heard: Heard
) -> None:
    await phone.line.locate(True)
    await phone.hears(LineFix, lambda fix: fix.satellites == 8)
    await until(lambda: has_open(modem.folder / "if01"))
    handle = await _call(phone, modem)
    audio = await phone.line.open_audio(handle)
    told = len(phone.of(LineFix))
    voice = await _talk(audio, 2.0)
    while len(phone.of(LineFix)) <= told:  # asked for over AT
        voice += await _talk(audio, 0.5)
    assert b"$GP" not in voice
    await phone.line.hangup(handle)
    await phone.released(handle)
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert report.attempts == 1
    await until(lambda: has_open(modem.folder / "if01"))
    assert [one.partition(",")[2] for one in heard.of("AT+QGPSCFG")] == ['"usbnmea"', '"none"', '"usbnmea"']


async def test_a_port_that_is_still_busy_is_tried_again(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_audio, "BUSY_S", 30.0)
    handle = await _call(phone, modem)
    other = open_tty(str(modem.folder / "if01"))
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(phone.line.open_audio(handle))
        await asyncio.sleep(0.5)
        assert not opening.done()
        close_tty(other)
    assert await _hears(opening.result())
    report = await phone.line.close_audio(handle)
    assert report is not None
    assert report.attempts == 1


async def test_a_port_that_stays_busy_fails_the_audio_in_time(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_audio, "BUSY_S", 0.3)
    handle = await _call(phone, modem)
    other = open_tty(str(modem.folder / "if01"))
    with pytest.raises(AudioFailed):
        await phone.line.open_audio(handle)
    close_tty(other)
    monkeypatch.setattr(call_audio, "BUSY_S", 30.0)
    assert await _hears(await phone.line.open_audio(handle))


# --- flow control -----------------------------------------------------------------------------------------------------


async def _taken(modem: Emulator) -> int:
    count: int = (await modem("modem.status"))["pcm"]["bytes_in"]
    return count


async def test_the_uplink_stops_at_the_modems_word_and_goes_on_at_it(
    phone: Desk, modem: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcm_pump, "HELD_S", 60.0)
    audio = await phone.line.open_audio(await _call(phone, modem))
    await _talk(audio, 0.5)
    await modem("urc.storm", text="+QPCMV: 0,0", per_s=100, duration_s=0.02)
    before = -1
    async with asyncio.timeout(20):
        while (taken := await _taken(modem)) != before:  # it stops, and nothing more comes for a while
            before = taken
            await _talk(audio, 0.4)
    await modem("urc.storm", text="+QPCMV: 1,0", per_s=100, duration_s=0.02)
    async with asyncio.timeout(20):
        while await _taken(modem) <= before + 3200:
            await _talk(audio, 0.1)


async def test_a_word_to_go_on_that_was_lost_costs_a_second(phone: Desk, modem: Emulator) -> None:
    audio = await phone.line.open_audio(await _call(phone, modem))
    await _talk(audio, 0.5)
    await modem("urc.storm", text="+QPCMV: 0,0", per_s=100, duration_s=0.02)
    before = await _taken(modem)
    async with asyncio.timeout(20):
        while await _taken(modem) <= before + 6400:
            await _talk(audio, 0.2)
