"""dialtone modem as a process: what it asks, what it prints, and that PINs are neither echoed nor kept."""

import asyncio
import json
import os
import pty
import select
import time
from pathlib import Path

import pytest

from clients.cli.modem import VERBS
from clients.cli.modem_show import SECTIONS
from core.rpc.api.modem_info import ModemStatus
from core.rpc.methods import load
from tests.clients.test_cli import DEADLINE_S, DIALTONE, run
from tests.clients.tiny_core import Json, Refused, TinyCore
from tests.rpc.schema import ProtocolSchema
from tests.station import station

SCHEMA = ProtocolSchema.of(load())
BAD = "\x1b[31mred"
PIN, PUK = "739158", "28461739"
STATUS: Json = {
    "line": "sim", "state": "ready", "reason": None, "asked_at": "2026-11-21T07:16:00.123Z", "model": BAD,
    "imei": None, "sim": "READY", "operator": "Dialtone", "voltage_v": 3.591, "rsrp_dbm": -85.0, "volte": True,
    "carrier": {"name": "Example", "mcc_mnc": "234-15"}, "ports": {"at": "/dev/ttyUSB2", "pcm": "/dev/ttyUSB4"},
    "memories": [{"name": "ME", "used": 3, "total": 23}], "redacted": ["imei", "imsi"],
    "contexts": [{"cid": 2, "kind": "IPV4V6", "apn": "ims", "active": True, "address": None}],
}  # fmt: skip
FACT: Json = {
    "seq": 9, "topic": "modem.recovery", "at": "2026-11-21T07:16:00.123Z", "line": "sim", "state": "succeeded",
    "reason": BAD, "rung": "reset", "attempt": 1, "duration_s": 21.5,
}  # fmt: skip


def answer(core: TinyCore, method: str, result: Json) -> None:
    core.handlers[method] = lambda _: result


# --- help and requests


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_shows_an_example(verb: str) -> None:
    ran = await run("modem", verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Example:\n  dialtone modem {verb}" in ran.out


async def test_the_command_stands_in_the_list() -> None:
    assert "\n  modem " in (await run("--help")).out
    assert "Example:\n  dialtone modem" in (await run("modem", "--help")).out


ASKED: list[tuple[str, str, str, Json]] = [
    ("modem status", "", "modem.status", {}),
    ("modem status --fresh --line sim", "", "modem.status", {"line": "sim", "fresh": True}),
    ("modem signal", "", "modem.signal", {}),
    ("modem carrier --line sim2", "", "modem.carrier", {"line": "sim2"}),
    ("modem history", "", "modem.history", {"limit": 20}),
    ("modem history --limit 5 --line sim", "", "modem.history", {"line": "sim", "limit": 5}),
    ("modem reset", "", "modem.reset", {}),
    ("modem reset --reason again", "", "modem.reset", {"reason": "again"}),
    ("modem unlock", f"{PIN}\n", "modem.unlock", {"pin": PIN}),
    ("modem unlock --line sim", PIN, "modem.unlock", {"line": "sim", "pin": PIN}),
    ("modem unlock --puk", f"{PUK}\n{PIN}\n", "modem.unlock", {"puk": PUK, "pin": PIN}),
]


@pytest.mark.parametrize(("words", "typed", "method", "params"), ASKED)
async def test_a_verb_asks_for_what_it_says_and_prints_the_result(
    core: TinyCore, words: str, typed: str, method: str, params: Json
) -> None:
    answer(core, method, {"anything": [1, "ä"]})
    ran = await run("--json", *words.split(), socket=core.path, stdin=typed.encode())
    assert (ran.code, ran.err, json.loads(ran.out)) == (0, "", {"anything": [1, "ä"]})
    assert core.asked(method) == [params]
    SCHEMA.check_request(method, params)


MISTAKES = [
    ("modem", ""),
    ("modem fly", ""),
    ("modem history --limit 0", ""),
    ("modem history --limit 501", ""),
    ("modem unlock 1234", ""),
    ("modem unlock", ""),
    ("modem unlock", "12a4\n"),
    ("modem unlock", "123\n"),
    ("modem unlock", "123456789\n"),
    ("modem unlock --puk", f"{PIN}\n{PIN}\n"),
    ("modem unlock --puk", f"{PUK}\n"),
    ("modem at AT --timeout 0", ""),
    ("modem at AT --timeout 181", ""),
]


@pytest.mark.parametrize(("words", "typed"), MISTAKES)
async def test_a_wrong_command_line_is_code_2_and_asks_nothing(core: TinyCore, words: str, typed: str) -> None:
    ran = await run(*words.split(), socket=core.path, stdin=typed.encode())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("dialtone")
    assert core.requests == []
    assert not typed.strip() or typed.splitlines()[0] not in ran.err


async def test_without_a_daemon_it_says_how_to_start_one(short_dir: Path) -> None:
    for words, typed in ((("status",), ""), (("at", "AT"), ""), (("unlock",), PIN)):
        ran = await run("modem", *words, socket=short_dir / "nowhere.sock", stdin=typed.encode())
        assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
        assert PIN not in ran.err


async def test_short_queries_load_neither_the_core_nor_asyncio(core: TinyCore) -> None:
    answer(core, "modem.status", STATUS)
    code = (
        "import sys; from clients.cli.main import main; main(['modem', 'status']);"
        "sys.exit(any(name in sys.modules for name in ('core', 'asyncio', 'numpy', 'rich')))"
    )
    env = os.environ | {"DIALTONE_SOCKET": str(core.path)}
    child = await asyncio.create_subprocess_exec(DIALTONE[0], "-c", code, env=env, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(DEADLINE_S):
        assert await child.wait() == 0


# --- what people see


def test_every_field_of_the_status_has_its_place() -> None:
    shown = {name for _, names in SECTIONS for name in names}
    assert shown == set(ModemStatus.__struct_fields__) - {"line", "contexts", "redacted"}


async def test_the_status_is_shown_in_sections_and_cannot_steer_the_terminal(core: TinyCore) -> None:
    answer(core, "modem.status", STATUS)
    ran = await run("modem", "status", socket=core.path)
    assert ran.code == 0 and "\x1b" not in ran.out
    for text in (
        "Modem of line sim:", "SIM of line sim:", "Network of line sim:", "(admin only)", "3.591", "-85.0",
        "Example (234-15)", "at /dev/ttyUSB2, pcm /dev/ttyUSB4", "ME 3 of 23", "IPV4V6", "ims",
    ):  # fmt: skip
        assert text in ran.out, text
    assert "could not be asked" not in ran.out
    answer(core, "modem.status", {"line": "sim", "state": "offline", "asked_at": None})
    assert "could not be asked" in (await run("modem", "status", socket=core.path)).out


async def test_the_history_is_a_table_and_an_empty_one_says_so(core: TinyCore) -> None:
    answer(core, "modem.history", {"facts": [FACT]})
    ran = await run("modem", "history", socket=core.path)
    assert "recovery reset" in ran.out and "21.5" in ran.out and "\x1b" not in ran.out
    answer(core, "modem.history", {"facts": []})
    assert (await run("modem", "history", socket=core.path)).out == "Nothing has happened to a modem yet.\n"


async def test_signal_carrier_reset_and_unlock_are_shown_in_a_few_lines(core: TinyCore) -> None:
    answer(core, "modem.signal", {"line": "sim", "rssi_dbm": -77, "rsrq_db": None})
    assert "-77" in (await run("modem", "signal", socket=core.path)).out
    answer(core, "modem.carrier", {"line": "sim", "name": "Example", "volte": None})
    assert "Example" in (await run("modem", "carrier", socket=core.path)).out
    answer(core, "modem.reset", {"line": "sim"})
    assert (await run("modem", "reset", socket=core.path)).out == "ok, line sim\n"
    answer(core, "modem.unlock", {"line": "sim", "sim": "READY"})
    assert (await run("modem", "unlock", socket=core.path, stdin=PIN.encode())).out == "ok, line sim: SIM READY\n"


# --- the PIN


async def type_at(words: list[str], typed: list[tuple[str, str]], socket: Path) -> tuple[int | None, str]:
    """Runs it on a terminal: waits for each prompt, types what goes with it; the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    env = os.environ | {"DIALTONE_SOCKET": str(socket), "TERM": "dumb"}
    shown = b""
    try:
        child = await asyncio.create_subprocess_exec(
            *DIALTONE, *words, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        for prompt, text in typed:
            seen = await asyncio.to_thread(_read_until, ours, prompt.encode())
            shown += seen
            os.write(ours, text.encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            code = await child.wait()
        shown += await asyncio.to_thread(_read_until, ours, b"")
    finally:
        os.close(ours)
        os.close(theirs)
    return code, shown.decode()


def _read_until(terminal: int, wanted: bytes) -> bytes:
    """What is shown up to that; with b"", all that is there."""
    found, until_s = b"", time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s:
        ready, _, _ = select.select([terminal], [], [], 0.0 if not wanted else 0.5)
        if not ready and not wanted:
            return found
        if ready:
            found += os.read(terminal, 4096)
        if wanted and wanted in found:
            return found
    raise AssertionError(f"waited for {wanted!r}, there was {found!r}")


async def test_a_pin_typed_at_a_terminal_is_not_echoed(core: TinyCore) -> None:
    answer(core, "modem.unlock", {"line": "sim", "sim": "READY"})
    code, shown = await type_at(["modem", "unlock"], [("PIN: ", PIN)], core.path)
    assert code == 0 and core.asked("modem.unlock") == [{"pin": PIN}]
    assert "SIM READY" in shown and PIN not in shown


async def test_a_new_pin_is_asked_for_twice_at_a_terminal(core: TinyCore) -> None:
    answer(core, "modem.unlock", {"line": "sim", "sim": "READY"})
    asked = [("PUK: ", PUK), ("New PIN: ", PIN), ("again: ", PIN)]
    code, shown = await type_at(["modem", "unlock", "--puk"], asked, core.path)
    assert code == 0 and core.asked("modem.unlock") == [{"puk": PUK, "pin": PIN}]
    code, shown = await type_at(["modem", "unlock", "--puk"], [*asked[:2], ("again: ", "0000")], core.path)
    assert code == 2 and "differ" in shown and len(core.asked("modem.unlock")) == 1
    assert PIN not in shown and PUK not in shown and "0000" not in shown


async def test_the_daemons_no_to_a_pin_is_one_line_without_it(core: TinyCore) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32026, "sim_locked", "That PIN is wrong.", tries_left=2)

    core.handlers["modem.unlock"] = refuse
    ran = await run("modem", "unlock", socket=core.path, stdin=PIN.encode())
    assert (ran.code, ran.out, ran.err) == (1, "", "dialtone: That PIN is wrong. (sim_locked)\n")


# --- AT by hand


async def test_an_answer_is_shown_as_the_modem_gave_it_and_an_error_is_code_1(core: TinyCore) -> None:
    answer(core, "modem.at", {"lines": ["+CSQ: 18,99", BAD], "final": "OK"})
    ran = await run("modem", "at", "AT+CSQ", "--timeout", "5", socket=core.path)
    assert (ran.code, ran.out) == (0, "+CSQ: 18,99\n\N{REPLACEMENT CHARACTER}[31mred\nOK\n")
    assert core.asked("modem.at") == [{"command": "AT+CSQ", "timeout_s": 5.0}]
    answer(core, "modem.at", {"lines": [], "final": "+CME ERROR: SIM busy"})
    assert (await run("modem", "at", "AT+CPIN?", socket=core.path)).code == 1


async def test_lines_of_stdin_are_sent_one_after_the_other_past_refusals(core: TinyCore) -> None:
    def reply(params: Json) -> Json:
        if params["command"] == "AT+CPOF":
            raise Refused(-32602, "invalid_params", "AT+CPOF is not taken by hand.")
        return {"lines": [], "final": "OK"}

    core.handlers["modem.at"] = reply
    ran = await run("modem", "at", socket=core.path, stdin=b"AT\n\nAT+CPOF\nAT+CSQ\n")
    assert [asked["command"] for asked in core.asked("modem.at")] == ["AT", "AT+CPOF", "AT+CSQ"]
    assert (ran.code, ran.out) == (0, "OK\nOK\n")
    assert "not taken by hand" in ran.err


async def test_raw_at_that_is_off_ends_the_console_at_once(core: TinyCore) -> None:
    def refuse(_: Json) -> Json:
        raise Refused(-32007, "forbidden", "Raw AT is off.")

    core.handlers["modem.at"] = refuse
    ran = await run("modem", "at", socket=core.path, stdin=b"AT\nAT\n")
    assert (ran.code, ran.err, len(core.asked("modem.at"))) == (1, "dialtone: Raw AT is off. (forbidden)\n", 1)


# --- a whole station


@pytest.mark.timeout(180)
async def test_all_of_it_works_on_a_whole_station() -> None:
    async with station(core=False) as made:
        text = made.config.read_text().replace("lost_after_s = 1.0", "lost_after_s = 1.0\nraw_at = true")
        made.config.write_text(text)
        await made.start_core()
        async with made.phone() as (phone, _):
            await made.ready(phone)
            async with asyncio.timeout(DEADLINE_S):
                while (await phone.call("modem.signal"))["access_technology"] is None:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.05)  # it is looked at some time after the line is ready
            for words, wanted in (
                (("status", "--fresh"), "SIMCOM_SIM7600G-H"),
                (("signal",), "lte"),
                (("carrier",), "234-15"),
                (("history",), "ready"),
                (("at", "AT+CGMM"), "SIMCOM_SIM7600G-H"),
                (("reset",), "ok, line sim"),
            ):
                ran = await run("modem", *words, socket=made.socket)
                assert (ran.code, ran.err) == (0, "") and wanted in ran.out, words
