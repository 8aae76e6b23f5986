"""Parsers of a modem's report and of its serving cell, against lines of manuals and field reports."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modem import lines_cell, lines_report
from core.modem.lines_cell import Cell, cell, cpsi, merged, qcsq, qnwinfo
from core.modem.lines_report import ContextDefinition, PinTries

LTE = "+CPSI: LTE,Online,460-11,0x5A1E,187214780,257,EUTRAN-BAND3,1850,5,5,-94,-850,-545,15"
GSM = "+CPSI: GSM,Online,460-00,0x182d,12401,27 EGSM 900,-64,2110,42-42"
WCDMA = "+CPSI: WCDMA,Online,460-01,0xA809,11122855,WCDMA IMT 2000,279,10663,0,1.5,62,33,52,500"
EAST = timezone(timedelta(hours=8))

CELLS: list[tuple[str, Cell | None]] = [
    (LTE, Cell("lte", "460-11", "5A1E", "B28ABBC", "EUTRAN-BAND3", -85.0, -9.4, 10.0)),
    (GSM, Cell("gsm", "460-00", "182D", "3071", "EGSM 900")),
    (WCDMA, Cell("wcdma", "460-01", "A809", "A9B8A7", "WCDMA IMT 2000")),
    ("+CPSI: NO SERVICE,Online", Cell(None)),
    ("+CPSI: NO SERVICE,Low Power Mode", Cell(None)),
    ("+CPSI: LTE,Offline", Cell(None)),
    (
        "+CPSI: LTE,Online,404-45,0x21F9,322642,453,EUTRAN-BAND40,39275,4,4,-168,-1126,-773,7",
        Cell("lte", "404-45", "21F9", "4EC52", "EUTRAN-BAND40", -112.6, -16.8, -6.0),
    ),
    # Firmware that writes whole dBm; what its last field counts is not known.
    (
        "+CPSI: LTE,Online,310-260,0x1234,123456,3,EUTRAN-BAND2,900,5,5,-9,-95,-65,12",
        Cell("lte", "310-260", "1234", "1E240", "EUTRAN-BAND2", -95.0, -9.0, None),
    ),
    # Another family's form: positive numbers on scales of their own.
    (
        "+CPSI: LTE,Online,460-11,0x774B,126375687,303,EUTRAN-BAND1,100,5,0,12,36,42,5",
        Cell("lte", "460-11", "774B", "7885707", "EUTRAN-BAND1"),
    ),
    ("+CPSI: LTE,Online,000-00,0x0,0", Cell("lte", None, "0", "0")),
    ("+CPSI: LTE,Online", Cell("lte")),
    ("+CPSI:", None),
    ('+QNWINFO: "FDD LTE","46011","LTE BAND 3",1825', Cell("lte", "460-11", band="LTE BAND 3")),
    ('+QNWINFO: "HSPA+","310260","WCDMA 850",4387', Cell("wcdma", "310-260", band="WCDMA 850")),
    ("+QNWINFO: No Service", Cell(None)),
    ('+QCSQ: "LTE",-52,-81,195,-10', Cell("lte", rsrp_dbm=-81.0, rsrq_db=-10.0, sinr_db=19.0)),
    ('+QCSQ: "LTE",77,-116,76,-17', Cell("lte", rsrp_dbm=-116.0, rsrq_db=-17.0, sinr_db=-4.8)),
    ('+QCSQ: "WCDMA",-70,-80,-5', Cell("wcdma")),
    ('+QCSQ: "NOSERVICE"', Cell(None)),
    ("+CSQ: 16,99", None),
]

VECTORS: list[tuple[str, str, object]] = [
    ("cops_number", '+COPS: 0,2,"23415",7', "234-15"),
    ("cops_number", '+COPS: 0,2,"310260",7', "310-260"),
    ("cops_number", '+COPS: 0,0,"23415",7', None),  # a name that is made of digits
    ("cops_number", "+COPS: 0", None),
    ("cgdcont", '+CGDCONT: 1,"IP","CMNET","0.0.0.0",0,0,0,0', ContextDefinition(1, "IP", "CMNET")),
    (
        "cgdcont",
        '+CGDCONT: 2,"IPV4V6","ims","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0',
        ContextDefinition(2, "IPV4V6", "ims"),
    ),
    ("cgdcont", '+CGDCONT: 3,"IPV6",""', ContextDefinition(3, "IPV6", "")),
    ("cgdcont", "+CGDCONT: x", None),
    ("cgact", "+CGACT: 1,0", (1, False)),
    ("cgact", "+CGACT: 6,1", (6, True)),
    ("cgact", "+CGACT: 6", None),
    ("cgpaddr", "+CGPADDR: 1,10.29.127.164", (1, "10.29.127.164")),
    ("cgpaddr", '+CGPADDR: 1,"10.29.127.164"', (1, "10.29.127.164")),
    ("cgpaddr", "+CGPADDR: 1,0.0.0.0", (1, None)),
    ("cgpaddr", "+CGPADDR: 1", (1, None)),
    ("cgpaddr", '+CGPADDR: 2,"0.0.0.0","32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"', (2, "2001:db8::1")),
    ("cgpaddr", "+CGPADDR: 1,999.1.1.1", (1, None)),
    ("temperature", "+CPMUTEMP: 29", 29.0),
    ("temperature", "+CPMUTEMP: -11", -11.0),
    ("temperature", "+QTEMP: 34,30,27", 34.0),
    ("temperature", "+CPMUTEMP: 400", None),
    ("supply", "+CBC: 3.591V", 3.591),
    ("supply", "+CBC: 0,85,3880", 3.88),
    ("supply", "+CBC: 0,85,0", None),
    ("spic", "+SPIC: 3,10,0,10", PinTries(3, 10)),
    ("spic", "+SPIC: 3", None),
    ("cevolte", "+CEVOLTE: 1,1", True),
    ("cevolte", "+CEVOLTE: 1,0", False),
    ("cevolte", "+CEVOLTE:", None),
    ("cusbpidswitch", "+CUSBPIDSWITCH: 9001", "9001"),
    ("cusbpidswitch", "+CUSBPIDSWITCH: 901A", "901a"),
    ("cusbpidswitch", "+CUSBPIDSWITCH: (9000,9001),(0-1),(0-1)", None),
    ("cclk", '+CCLK: "26/08/11,12:30:35+32"', datetime(2026, 8, 11, 12, 30, 35, tzinfo=EAST)),
    ("cclk", '+CCLK: "26/08/11,12:30:35-20"', datetime(2026, 8, 11, 12, 30, 35, tzinfo=timezone(-timedelta(hours=5)))),
    ("cclk", '+CCLK: "26/08/11,12:30:35+22"', datetime(2026, 8, 11, 12, 30, 35, tzinfo=timezone(timedelta(hours=5.5)))),
    ("cclk", '+CCLK: "80/01/06,07:09:04"', None),  # never set
    ("cclk", '+CCLK: "80/01/06,07:09:04+00"', None),
    ("cclk", '+CCLK: "26/08/11,12:30:35"', None),  # no zone: nobody knows when that was
    ("cclk", '+CCLK: "26/02/30,12:30:35+04"', None),
    ("cclk", '+CCLK: "26/08/11,12:30:35+99"', None),
    ("ctzv", "+CTZV: 32,08/12/09,17:00:00,1", datetime(2008, 12, 10, 1, 0, 0, tzinfo=EAST)),
    ("ctzv", "+CTZV: -20,26/12/09,17:00:00", datetime(2026, 12, 9, 17, 0, 0, tzinfo=UTC)),
    ("ctzv", "+CTZV: 32", None),  # a zone alone is no time
    ("ctzv", "+CTZV: +8,26/12/09,17:00:00", datetime(2026, 12, 9, 17, 0, 0, tzinfo=UTC)),
    ("nitz", "+NITZ: 26/08/11,12:30:35+32,0", datetime(2026, 8, 11, 12, 30, 35, tzinfo=EAST)),
    ("nitz", "+NITZ: 2026/08/11,12:30:35,+32", datetime(2026, 8, 11, 12, 30, 35, tzinfo=EAST)),
    ("nitz", "+NITZ: 26/08/11,12:30:35", None),
]
FROM_LINES: dict[str, Callable[[str], object]] = {
    name: getattr(module, name)
    for module in (lines_cell, lines_report)
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
    if not isinstance(value, type) and name != "merged"
}


@pytest.mark.parametrize(("line", "wanted"), CELLS)
def test_the_serving_cell_is_read_in_every_form(line: str, wanted: Cell | None) -> None:
    assert cell(line) == wanted


@pytest.mark.parametrize(("parser", "line", "wanted"), VECTORS)
def test_a_line_of_a_report_means_what_the_manual_says(parser: str, line: str, wanted: object) -> None:
    assert FROM_LINES[parser](line) == wanted


def test_every_parser_has_vectors() -> None:
    assert set(FROM_LINES) - {name for name, _, _ in VECTORS} == {"cell", "cpsi", "qcsq", "qnwinfo"}


@given(
    st.sampled_from(sorted({line.partition(":")[0] + ":" for line, _ in CELLS} | {row[1][:7] for row in VECTORS})),
    st.one_of(st.text(alphabet='0123456789,"+-:/.ABVLTE *', max_size=60), st.text(max_size=20)),
)
def test_no_line_makes_a_parser_raise(prefix: str, rest: str) -> None:
    for parser in FROM_LINES.values():
        parser(prefix + rest)


@given(st.integers(-1560, -440), st.integers(-340, 30), st.integers(0, 25))
def test_tenths_come_out_as_they_went_in(rsrp: int, rsrq: int, rssnr: int) -> None:
    found = cpsi(f"+CPSI: LTE,Online,234-15,0x1,1,1,EUTRAN-BAND3,1850,5,5,{rsrq},{rsrp},-545,{rssnr}")
    assert found is not None
    assert (found.rsrp_dbm, found.rsrq_db, found.sinr_db) == (rsrp / 10, rsrq / 10, 2 * rssnr - 20)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2069, 12, 31)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-48, 56),
)
def test_a_clock_that_was_set_says_the_moment_it_stands_for(local: datetime, quarters: int) -> None:
    local = local.replace(microsecond=0)
    found = lines_report.cclk(f'+CCLK: "{local:%y/%m/%d,%H:%M:%S}{quarters:+03d}"')
    assert found is not None
    assert found.replace(tzinfo=None) == local
    assert found.utcoffset() == timedelta(minutes=15 * quarters)


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2069, 12, 30)),  # noqa: DTZ001
    st.integers(-48, 56),
)
def test_the_time_of_ctzv_is_utc_whatever_its_zone(utc: datetime, quarters: int) -> None:
    utc = utc.replace(microsecond=0)
    found = lines_report.ctzv(f"+CTZV: {quarters},{utc:%y/%m/%d,%H:%M:%S}")
    assert found == utc.replace(tzinfo=UTC)


def test_two_lines_about_one_cell_are_one_cell() -> None:
    network, levels = qnwinfo('+QNWINFO: "FDD LTE","46011","LTE BAND 3",1825'), qcsq('+QCSQ: "LTE",-52,-81,195,-10')
    assert network is not None and levels is not None
    both = Cell("lte", "460-11", None, None, "LTE BAND 3", -81.0, -10.0, 19.0)
    assert merged(network, levels) == merged(levels, network) == both


def test_a_line_about_another_technology_is_about_another_cell() -> None:
    earlier = Cell("lte", "234-15", rsrp_dbm=-80.0)
    assert merged(earlier, Cell("gsm")) == Cell("gsm")
    assert merged(earlier, Cell(None)) == Cell(None)
    assert merged(None, earlier) == earlier
