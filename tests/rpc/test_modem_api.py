"""modem.* over the socket: what is shown to whom, and what is done by hand; on a whole station and on a line."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import dialtone
from core.line import LineState
from core.modems import ModemService
from core.registry import ClientRegistry
from core.rpc.access import PeerId
from core.rpc.methods import METHODS, load
from core.services import Services
from tests.modem.line_desk import Desk, desk, emulator
from tests.modem.scripted import until
from tests.rpc.client import RpcFailure
from tests.rpc.service import Running, serving
from tests.station import Station, station

PIN = "739158"
WRONG = "284617"
IDENTITY = {"imei": "862636050029311", "imsi": "234150000000001", "iccid": "898600700907A6019125"}


def configure(made: Station, line: str) -> None:
    """The generated core.toml has the line's table already; this goes into it."""
    text = made.config.read_text()
    assert "lost_after_s = 1.0\n" in text
    made.config.write_text(text.replace("lost_after_s = 1.0\n", f"lost_after_s = 1.0\n{line}\n"))


@asynccontextmanager
async def configured(line: str) -> AsyncIterator[Station]:
    async with station(core=False) as made:
        configure(made, line)
        await made.start_core()
        yield made


async def refusal(phone: dialtone.Phone, method: str, **params: Any) -> dialtone.RpcError:
    with pytest.raises(dialtone.RpcError) as refused:
        await phone.call(method, **params)
    return refused.value


async def until_failed(phone: dialtone.Phone) -> None:
    """It may be before the phone has come to hear of it."""
    async with asyncio.timeout(30):
        while (await phone.call("modem.status"))["state"] != "failed":  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


# --- on a whole station


async def test_the_status_of_a_modem_holds_all_that_is_known() -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        found = await phone.call("modem.status", fresh=True)
        assert found["line"] == "sim" and found["state"] == "ready"
        assert IDENTITY.items() <= found.items()
        wanted = {
            "model": "SIMCOM_SIM7600G-H", "revision": "LE20B03SIM7600M22", "sim": "READY", "pin_tries_left": 3,
            "operator": "Dialtone", "mcc_mnc": "234-15", "creg": "home", "cgreg": "home", "cereg": "home",
            "registration": "home", "access_technology": "lte", "area": "A809", "rssi_dbm": -77, "signal_percent": 58,
            "rsrp_dbm": -85.0, "rsrq_db": -9.4, "sinr_db": 10.0, "volte": True, "voltage_v": 3.811,
            "temperature_c": 33.0, "composition": "9001", "resets_last_hour": 0, "redacted": [],
        }  # fmt: skip
        assert {name: found[name] for name in wanted} == wanted
        assert {one["apn"] for one in found["contexts"]} == {"internet", "ims"}
        assert found["carrier"]["mcc_mnc"] == "234-15"
        assert found["ports"]["at"].endswith("/if02")
        assert found["asked_at"] is not None


async def test_a_status_that_need_not_be_fresh_costs_the_modem_nothing_twice() -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        first = await phone.call("modem.status")
        await made.control("fault.set", kind="no_reply", command="AT+CBC")
        assert (await phone.call("modem.status"))["asked_at"] == first["asked_at"]


async def test_without_a_modem_the_status_says_so_and_a_fresh_one_is_refused() -> None:
    async with station(emulator=False) as made, made.phone() as (phone, _):
        found = await phone.call("modem.status", line="sim")
        assert found["state"] == "offline" and found["reason"]
        assert (found["asked_at"], found["volte"], found["contexts"]) == (None, None, [])
        assert (await refusal(phone, "modem.status", fresh=True)).kind == "modem_offline"
        assert (await refusal(phone, "modem.carrier")).kind == "modem_offline"
        assert (await refusal(phone, "modem.status", line="other")).kind == "not_found"


async def test_an_old_report_is_not_shown_of_a_modem_that_went() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        assert (await phone.call("modem.status"))["voltage_v"] == 3.811
        await made.control("usb.unplug")
        await watch.wait("modem.state", lambda params: params["state"] == "reconnecting")
        found = await phone.call("modem.status")
        assert (found["state"], found["voltage_v"], found["asked_at"]) == ("reconnecting", None, None)


async def test_the_signal_is_told_without_asking_and_its_changes_are_moments() -> None:
    async with configured("poll_s = 0.5") as made, made.phone("modem.*") as (phone, watch):
        await made.ready(phone)
        await watch.wait("modem.signal", lambda params: params["rsrp_dbm"] == -85.0)
        found = await phone.call("modem.signal")
        assert (found["rssi_dbm"], found["signal_percent"], found["access_technology"]) == (-77, 58, "lte")
        await made.control("radio.set", csq=31)
        told = await watch.wait("modem.signal", lambda params: params["rssi_dbm"] == -51)
        assert "seq" not in told


async def test_the_networks_time_is_offered_with_its_zone() -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        async with asyncio.timeout(20):
            while (told := (await phone.call("modem.status", fresh=True))["network_time"]) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)  # it is asked for once the line is ready, and no event tells of it
        off_s = (datetime.fromisoformat(told) - datetime.now(UTC)).total_seconds()
        assert abs(off_s) < 30


async def test_the_carrier_is_that_of_the_sim() -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        found = await phone.call("modem.carrier")
        assert (found["mcc_mnc"], found["country"], found["ims_apn"]) == ("234-15", "GB", "ims")
        assert not any("pass" in name or "user" in name for name in found)


async def test_a_pin_opens_the_sim_and_stands_nowhere_afterwards() -> None:
    async with station(core=False) as made:
        configure(made, f'wire_log = "{made.dir}/wire"')
        text = made.config.read_text()
        made.config.write_text(text.replace('level = "debug"', 'level = "debug"\nlog_personal_data = true'))
        await made.control("sim.set", state="SIM PIN", pin=PIN)
        await made.start_core()
        async with made.phone() as (phone, _):
            await until_failed(phone)
            locked = await phone.call("modem.status", fresh=True)
            assert (locked["sim"], locked["pin_tries_left"], locked["imsi"]) == ("SIM PIN", 3, None)
            wrong = await refusal(phone, "modem.unlock", pin=WRONG)
            assert (wrong.kind, wrong.data["tries_left"]) == ("sim_locked", 2)
            for bad in ("12a4", "123", PIN * 2, ""):
                malformed = await refusal(phone, "modem.unlock", pin=bad)
                assert malformed.kind == "invalid_params" and not (bad and bad in str(malformed))
            assert (await phone.call("modem.unlock", pin=PIN))["line"] == "sim"
            await made.ready(phone)
            assert (await phone.call("modem.status", fresh=True))["sim"] == "READY"
        await made.stop_core()
        kept = [path for path in made.dir.iterdir() if path.is_file()]
        assert {"core.log", "wire.at"} <= {path.name for path in kept}
        for path in kept:
            data = path.read_bytes()
            assert PIN.encode() not in data and WRONG.encode() not in data, path.name


async def test_a_reset_is_told_to_all_and_stands_in_the_history() -> None:
    async with station() as made, made.phone(name="tester") as (phone, watch):
        await made.ready(phone)
        assert await phone.call("modem.reset", reason="to see it come back") == {"line": "sim"}
        began = await watch.wait(
            "modem.recovery", lambda params: params["rung"] == "reset" and params["state"] == "started"
        )
        await watch.wait(
            "modem.state", lambda params: params["state"] == "ready" and params["seq"] > began["seq"], timeout_s=40
        )
        facts = (await phone.call("modem.history", limit=20))["facts"]
        assert [fact["seq"] for fact in facts] == sorted((fact["seq"] for fact in facts), reverse=True)
        [reset] = [fact for fact in facts if fact["topic"] == "modem.recovery" and fact["state"] == "started"]
        assert (reset["rung"], reset["reason"], reset["line"]) == ("reset", "to see it come back", "sim")
        assert len((await phone.call("modem.history", line="sim", limit=1))["facts"]) == 1
        assert (await refusal(phone, "modem.history", line="other")).kind == "not_found"


async def test_no_reset_during_a_call() -> None:
    async with station() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number="+447700900123")
        await watch.wait("call.connected")
        assert (await refusal(phone, "modem.reset")).kind == "not_now"
        await phone.call("call.hangup")


async def test_raw_at_is_off_unless_configured() -> None:
    async with station() as made, made.phone() as (phone, _):
        await made.ready(phone)
        assert (await refusal(phone, "modem.at", command="AT+CSQ")).kind == "forbidden"


async def test_raw_at_answers_lines_and_final_and_refuses_what_it_must() -> None:
    async with configured("raw_at = true") as made, made.phone() as (phone, _):
        await made.ready(phone)
        assert await phone.call("modem.at", command="AT+CSQ") == {"lines": ["+CSQ: 18,99"], "final": "OK"}
        assert await phone.call("modem.at", command="AT+NOSUCH") == {"lines": [], "final": "ERROR"}
        for command in ("AT+CPOF", "ATD112;", 'AT+CPIN="1234"', "AT+CMGS=20", "+CSQ", "AT\rATD1;"):
            refused = await refusal(phone, "modem.at", command=command)
            assert refused.kind == "invalid_params" and refused.data["path"] == "command"


# --- who may see what


@asynccontextmanager
async def served(folder: Path, phone: Desk, uids: Mapping[str, Sequence[str]]) -> AsyncIterator[Running]:
    """A real server around a real line. Peers are whoever `peer` says; uids: their scopes."""
    methods = {name: spec for name, spec in load().items() if name.startswith("modem.")} | {
        "client.hello": METHODS["client.hello"]
    }
    config: dict[str, Any] = {"access": {"users": uids}, "line": {"sim": {"raw_at": True}}}
    async with serving(
        folder, config=config, identify=lambda _: PeerId(1, 60001, frozenset()), methods=methods
    ) as made:
        modems = ModemService(made.core.config, made.store, {"sim": phone.line}, ClientRegistry(made.store))
        gone = SimpleNamespace(modems=modems, session_closed=lambda session: None)
        made.core.wired = cast(Services, gone)
        yield made


async def test_who_may_only_observe_sees_neither_who_nor_where_it_is(tmp_path: Path) -> None:
    async with emulator(tmp_path / "stick") as modem, desk(modem.config()) as phone:
        await until(lambda: phone.line.info.imsi is not None)
        async with served(tmp_path, phone, {"60001": ("observe",)}) as made:
            client = await made.client()
            found = await client.call("modem.status", fresh=True)
            assert [found[name] for name in ("imei", "imsi", "iccid", "area", "cell")] == [None] * 5
            assert all(one["address"] is None for one in found["contexts"])
            assert found["redacted"] == ["imei", "imsi", "iccid", "area", "cell", "contexts.address"]
            assert found["rsrp_dbm"] == -85.0 and found["model"] == "SIMCOM_SIM7600G-H"
            assert not any(secret in str(found) for secret in IDENTITY.values())


async def test_hands_on_the_modem_need_admin(tmp_path: Path) -> None:
    scopes = {"60001": ("observe", "calls", "messages")}
    async with (
        emulator(tmp_path / "stick") as modem,
        desk(modem.config()) as phone,
        served(tmp_path, phone, scopes) as made,
    ):
        client = await made.client()
        for method, params in (("modem.unlock", {"pin": PIN}), ("modem.reset", {}), ("modem.at", {"command": "AT"})):
            with pytest.raises(RpcFailure) as refused:
                await client.call(method, **params)
            assert refused.value.kind == "forbidden" and PIN not in str(refused.value)
        assert phone.line.info.state is LineState.READY


async def test_the_time_for_an_answer_has_bounds(tmp_path: Path) -> None:
    async with (
        emulator(tmp_path / "stick") as modem,
        desk(modem.config()) as phone,
        served(tmp_path, phone, {"60001": ("admin",)}) as made,
    ):
        client = await made.client()
        assert await client.call("modem.at", command="AT", timeout_s=180) == {"lines": [], "final": "OK"}
        try:
            await client.call("modem.at", command="AT", timeout_s=1)
        except RpcFailure as late:  # a busy machine may take as long as that
            assert late.kind == "timeout"
        for timeout_s in (0, 0.5, 181):
            with pytest.raises(RpcFailure) as refused:
                await client.call_anything("modem.at", {"command": "AT", "timeout_s": timeout_s})
            assert (refused.value.kind, refused.value.data["path"]) == ("invalid_params", "timeout_s")
