"""The wire log: escapes, blotting out, rotation, and that a log is a transcript."""

import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem.wirelog import WireLog, escape, scrub, unescape
from tests.modem.transcript import expected, play

FOLDER = Path(__file__).parent / "transcripts/sim7600"


def _no_failure() -> None:
    pytest.fail("the log can't be written")


@given(st.binary())
def test_escaping_keeps_every_byte_and_every_line_whole(data: bytes) -> None:
    text = escape(data)
    assert unescape(text) == data
    assert "\n" not in text
    assert text.isascii()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('+CLIP: "+491701234567",145,,,"Ann",0', '+CLIP: "+000000000000",145,,,"xxx",0'),
        ('+CLCC: 1,1,4,0,0,"+491701234567",145', '+CLCC: 1,1,4,0,0,"+000000000000",145'),
        ("ATD+491701234567;", "ATD+000000000000;"),
        ("ATD*100#;", "ATD00000;"),
        ("MISSED_CALL: 11:53AM 08020866256", "MISSED_CALL: 11:53AM 00000000000"),
        ('AT+CPIN="1234"', 'AT+CPIN="0000"'),
        ("AT+CPIN=1234", "AT+CPIN=0000"),
        ("862636050029311", "000000000000000"),
        ("IMEI: 862636050029311", "IMEI: 000000000000000"),
        ("+ICCID: 898600700907A6019125", "+ICCID: 000000000000A0000000"),
        ("07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07", "0" * 76),
        ('+CUSD: 0,"Your balance is 12.50",15', '+CUSD: 0,"xxxx xxxxxxx xx 00.00",15'),
        ('+CUSD: 1,"Hello "Ann", 3",15', '+CUSD: 1,"xxxxx "xxx", 0",15'),
        ('+CUSD: 1,"Hello Ann', '+CUSD: 1,"xxxxx xxx'),
        ('AT+CUSD=1,"*100#",15', 'AT+CUSD=1,"*000#",15'),
        ("+CUSD: 4", "+CUSD: 4"),
        ('+CREG: 1,"A809","0A1B2C3D"', '+CREG: 1,"x000","0x0x0x0x"'),
        ("+CREG: 1,A809,0A1B2C3D", "+CREG: 1,0000,00000000"),
        ("VOICE CALL: END: 000352", "VOICE CALL: END: 000352"),
        ("Revision: LE20B03SIM7600M22", "Revision: LE20B03SIM7600M22"),
        ("AT+CPCMREG=1", "AT+CPCMREG=1"),
        ("+CSQ: 17,99", "+CSQ: 17,99"),
        ("+CPIN: READY", "+CPIN: READY"),
        ("+CME ERROR: SIM busy", "+CME ERROR: SIM busy"),
    ],
)
def test_personal_data_is_blotted_out_and_the_form_stays(line: str, wanted: str) -> None:
    assert scrub(line) == wanted
    assert len(scrub(line)) == len(line)


def test_a_number_that_comes_in_two_pieces_is_blotted_out_too(tmp_path: Path) -> None:
    log = WireLog(tmp_path / "wire", on_failure=_no_failure)
    log.received(b'\r\n+CLIP: "+4917012')
    log.received(b'34567",145,,,,0\r\n')
    log.close()
    assert '"+000000000000"' in (tmp_path / "wire").read_text()


def test_a_text_over_several_lines_is_blotted_out_to_its_end(tmp_path: Path) -> None:
    log = WireLog(tmp_path / "wire", on_failure=_no_failure)
    log.received(b'\r\n+CUSD: 1,"Dear "Ann",\r\n')
    log.received(b'1 Pay Bob\r\n2 Go",15\r\n\r\n+CSQ: 17,99\r\n')
    log.close()
    text = (tmp_path / "wire").read_text(encoding="ascii")
    assert not re.search("Dear|Ann|Bob|Pay|Go", text)
    assert "+CSQ: 17,99" in text


def test_personal_logging_keeps_everything(tmp_path: Path) -> None:
    log = WireLog(tmp_path / "wire", personal=True, on_failure=_no_failure)
    log.sent(b"ATD+491701234567;\r")
    log.close()
    assert "> ATD+491701234567;\n" in (tmp_path / "wire").read_text()


def test_only_the_owner_may_read_it_and_it_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "wire"
    log = WireLog(path, max_bytes=1000, on_failure=_no_failure)
    for _ in range(200):
        log.sent(b"AT+CSQ\r")
    log.close()
    assert path.stat().st_size <= 1100
    assert path.with_name("wire.1").stat().st_size <= 1100
    assert sorted(found.name for found in tmp_path.iterdir()) == ["wire", "wire.1"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_disk_that_refuses_ends_the_log_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    log = WireLog(tmp_path / "missing/wire", on_failure=lambda: said.append("failed"))
    log.sent(b"AT\r")
    log.received(b"\r\nOK\r\n")
    log.close()
    assert said == ["failed"]


@pytest.mark.parametrize("name", ["incoming_answered_remote_hangup", "outgoing_failed", "urcs_inside_replies"])
def test_a_recorded_log_is_a_transcript(tmp_path: Path, name: str) -> None:
    """Field report to test: what the log has, played again, gives the events of the wire it was taken from."""
    text = (FOLDER / f"{name}.at").read_text(encoding="utf-8")
    log = WireLog(tmp_path / "wire", personal=True, on_failure=_no_failure)
    for line in text.splitlines():
        if line.startswith("< "):
            for byte in unescape(line[2:]):
                log.received(bytes([byte]))
        elif line.startswith("> "):
            log.sent(line[2:].encode("ascii") + b"\r")
    log.close()
    recorded = (tmp_path / "wire").read_text()
    assert [str(event) for event in play(recorded, 7)] == expected(text)


def test_a_scrubbed_log_still_parses_into_the_same_kinds_of_events(tmp_path: Path) -> None:
    text = (FOLDER / "incoming_answered_remote_hangup.at").read_text(encoding="utf-8")
    log = WireLog(tmp_path / "wire", on_failure=_no_failure)
    for line in text.splitlines():
        if line.startswith("< "):
            log.received(unescape(line[2:]))
        elif line.startswith("> "):
            log.sent(line[2:].encode("ascii") + b"\r")
    log.close()
    recorded = (tmp_path / "wire").read_text()
    assert "491701234567" not in recorded
    kinds = [re.sub(r"\+491701234567", "+000000000000", event) for event in expected(text)]
    assert [str(event) for event in play(recorded, 4096)] == kinds
