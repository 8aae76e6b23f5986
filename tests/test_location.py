"""location.* and the port for gpsd's clients, on a whole station: emulator and core as processes of their own."""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import dialtone
from clients.cli.location import VERBS
from tests.clients.test_cli import run
from tests.station import START_S, Station, free_port, station

HERE = {"north": 52.52, "east": 13.405, "metres": 34.0}
GPSPIPE = shutil.which("gpspipe")
Json = dict[str, Any]


@asynccontextmanager
async def located(toml: str = "", **options: Any) -> AsyncIterator[Station]:
    """A station under an open sky. toml goes into the table of its line."""
    async with station(core=False, **options) as made:
        made.config.write_text(made.config.read_text().replace("lost_after_s = 1.0\n", f"lost_after_s = 1.0\n{toml}\n"))
        await made.control("gps.set", **HERE, stop_s=0.1, restart_s=0.1)
        await made.start_core()
        yield made


@dataclass
class Gpsd:
    """One client of the port, a plain socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def ask(self, text: str) -> None:
        self.writer.write(text.encode())

    async def next(self, wanted: str) -> Json:
        """The next object of that class."""
        async with asyncio.timeout(15):
            while line := await self.reader.readline():
                assert line.endswith(b"\r\n")
                found: Json = json.loads(line)
                if found["class"] == wanted:
                    return found
        raise AssertionError(f"hung up before {wanted}")


@asynccontextmanager
async def gpsd(port: int) -> AsyncIterator[Gpsd]:
    async with asyncio.timeout(START_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
    try:
        yield Gpsd(reader, writer)
    finally:
        writer.close()


def tcp_table() -> list[list[str]]:
    """Fields of all TCP sockets of this machine: 1 local address, 3 state (0A listens), 9 inode; proc(5)."""
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]


async def test_positions_are_switched_on_told_asked_for_and_switched_off() -> None:
    async with located() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        assert await phone.call("location.get") == {
            "line": "sim", "on": False, "latitude": None, "longitude": None, "altitude_m": None, "speed_mps": None,
            "course_deg": None, "satellites": None, "hdop": None, "fixed_at": None,
        }  # fmt: skip
        assert (await phone.call("location.start", line="sim"))["on"] is True
        fix = await watch.wait("location.fix")
        assert (fix["line"], fix["latitude"], fix["longitude"], fix["satellites"]) == ("sim", 52.52, 13.405, 8)
        found = await phone.call("location.get")
        assert (found["on"], found["latitude"], found["altitude_m"]) == (True, 52.52, 34.0)
        assert found["fixed_at"].endswith(".000Z")
        assert (await phone.call("location.stop"))["on"] is False
        assert (await phone.call("location.get"))["latitude"] is None


async def test_a_line_that_is_away_or_unknown_says_so() -> None:
    async with located() as made, made.phone() as (phone, watch):
        await made.ready(phone)
        await made.control("usb.unplug")
        await watch.wait("modem.state", lambda params: params["state"] == "reconnecting")
        for method, line, kind in (("start", "sim", "modem_offline"), ("get", "other", "not_found")):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call(f"location.{method}", line=line)
            assert refused.value.kind == kind
        assert (await phone.call("location.get"))["on"] is False


async def test_the_place_is_hidden_from_those_without_admin() -> None:
    from core.events import LocationFix, Scope, parameters, personal_scope, spec_of
    from core.rpc.methods import load
    from core.rpc.view import in_clear, visible

    for name in ("start", "stop", "get"):
        assert load()[f"location.{name}"].scope is Scope.ADMIN
    spec = spec_of(LocationFix)
    assert personal_scope(spec.topic) is Scope.ADMIN
    fix = LocationFix(line="sim", latitude=52.52, longitude=13.405, altitude_m=34.0, satellites=8)
    others = frozenset({Scope.OBSERVE, Scope.CALLS, Scope.MESSAGES})
    seen = visible(spec, parameters(fix), in_clear(spec, others))
    assert (seen["latitude"], seen["longitude"], seen["altitude_m"], seen["satellites"]) == (None, None, None, 8)
    assert seen["redacted"] == ["latitude", "longitude", "altitude_m"]


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_shows_an_example(verb: str) -> None:
    ran = await run("location", verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Example:\n  dialtone location {verb}" in ran.out


async def test_the_command_line_switches_shows_and_follows() -> None:
    async with located() as made, made.phone() as (phone, _):
        await made.ready(phone)
        assert (await run("location", "get", socket=made.socket)).out == "sim: off\n"
        started = await run("location", "start", "--json", socket=made.socket)
        assert json.loads(started.out)["on"] is True
        followed = await run("location", "follow", "--count", "2", socket=made.socket)
        lines = followed.out.splitlines()
        assert len(lines) == 2 and all(" sim 52.520000, 13.405000, 34 m" in line for line in lines)
        as_json = await run("location", "follow", "--count", "1", "--json", "--line", "sim", socket=made.socket)
        assert json.loads(as_json.out)["params"]["latitude"] == 52.52
        shown = await run("location", "get", "--line", "sim", socket=made.socket)
        assert shown.out.startswith("sim: 52.520000, 13.405000, 34 m, 0.0 m/s, course 0, 8 satellites, hdop 0.9, at 20")
        assert (await run("location", "stop", socket=made.socket)).out == "sim: off\n"
        refused = await run("location", "get", "--line", "other", socket=made.socket)
        assert (refused.code, refused.out) == (1, "") and "no such line" in refused.err
        assert (await run("location", "follow", "--count", "0", socket=made.socket)).code == 2


# --- for gpsd's clients


async def test_a_client_of_gpsd_sees_version_device_time_place_and_sky() -> None:
    port = free_port()
    async with located(f"gnss = true\ngpsd_port = {port}") as made, gpsd(port) as client:
        version = await client.next("VERSION")
        assert (version["proto_major"], version["proto_minor"]) == (3, 15)
        client.ask('?WATCH={"enable":true,"json":true};\r\n')
        assert (await client.next("DEVICES"))["devices"][0]["path"] == "dialtone:sim"
        assert (await client.next("WATCH")).items() >= {"enable": True, "json": True, "nmea": False}.items()
        while (tpv := await client.next("TPV"))["mode"] != 3:
            pass
        assert (
            tpv.items() >= {"device": "dialtone:sim", "lat": 52.52, "lon": 13.405, "altMSL": 34.0, "speed": 0.0}.items()
        )
        assert tpv["time"].endswith(".000Z")
        assert (await client.next("SKY")).items() >= {"device": "dialtone:sim", "uSat": 8, "hdop": 0.9}.items()
        await made.control("gps.set", north=None)
        while (tpv := await client.next("TPV"))["mode"] != 1:
            pass
        assert "lat" not in tpv


async def test_a_client_of_gpsd_may_ask_instead_of_watching() -> None:
    port = free_port()
    async with located(f"gpsd_port = {port}") as made, made.phone() as (phone, watch), gpsd(port) as client:
        await made.ready(phone)
        client.ask("?POLL;")  # without an end of line
        assert (await client.next("POLL")).items() >= {"active": 0, "tpv": [], "sky": []}.items()
        client.ask("?DEVICES;?DEVICE\n")
        assert (await client.next("DEVICES"))["devices"][0]["activated"] == 0
        assert (await client.next("DEVICE"))["path"] == "dialtone:sim"
        await phone.call("location.start")
        await watch.wait("location.fix")
        client.ask("?POLL;\n?WATCH;\n?VERSION;\n")
        polled = await client.next("POLL")
        assert polled["active"] == 1 and polled["tpv"][0]["lat"] == 52.52 and polled["sky"][0]["uSat"] == 8
        assert (await client.next("WATCH"))["enable"] is False
        assert (await client.next("VERSION"))["class"] == "VERSION"


async def test_what_is_no_request_gets_an_error_and_too_much_of_it_a_hang_up() -> None:
    port = free_port()
    async with located(f"gpsd_port = {port}"), gpsd(port) as client:
        client.ask("nonsense\r\n")
        assert "Unrecognized" in (await client.next("ERROR"))["message"]
        client.ask("?WATCH={broken;\n")
        assert (await client.next("ERROR"))["message"] == "Invalid WATCH"
        client.ask('?WATCH={"enable":false}\n')
        assert (await client.next("WATCH"))["enable"] is False
        client.ask("x" * 10_000)
        async with asyncio.timeout(20):
            with pytest.raises((AssertionError, ConnectionError)):
                await client.next("never")


async def test_only_so_many_clients_are_served_and_only_on_loopback() -> None:
    port = free_port()
    async with located(f"gpsd_port = {port}"), gpsd(port) as first:
        await first.next("VERSION")
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(16)]
        try:
            async with asyncio.timeout(20):
                greetings = [await reader.readline() for reader, _ in crowd[:15]]
                assert all(b"VERSION" in line for line in greetings)
                with suppress(ConnectionError):
                    assert await crowd[15][0].readline() == b""
        finally:
            for _, writer in crowd:
                writer.close()
        listening = [fields[1] for fields in tcp_table() if fields[3] == "0A"]
        assert [where for where in listening if where.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


async def test_without_gpsd_port_nothing_listens() -> None:
    async with located("gnss = true") as made, made.phone() as (phone, watch):
        await watch.wait("location.fix")
        assert made.core is not None
        sockets = set()
        for fd in os.listdir(f"/proc/{made.core.pid}/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                target = os.readlink(f"/proc/{made.core.pid}/fd/{fd}")
                sockets.add(target.removeprefix("socket:[").removesuffix("]"))
        assert not [fields for fields in tcp_table() if fields[9] in sockets]


async def test_a_port_that_somebody_else_has_is_an_alarm_and_no_reason_to_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with located(f"gpsd_port = {port}") as made, made.phone() as (phone, _):
            await made.ready(phone)
            async with asyncio.timeout(START_S):
                while not (alarms := (await phone.call("status"))["alarms"]):  # noqa: ASYNC110 - told when it is
                    await asyncio.sleep(0.05)
            assert [alarm["alarm"] for alarm in alarms] == ["gpsd.sim"]
            assert str(port) in alarms[0]["text"]


@pytest.mark.skipif(GPSPIPE is None, reason="gpspipe is not installed (Debian: gpsd-clients)")
async def test_gpspipe_reads_positions() -> None:
    port = free_port()
    async with located(f"gnss = true\ngpsd_port = {port}"), gpsd(port) as client:
        client.ask('?WATCH={"enable":true}\n')
        await client.next("TPV")
        assert GPSPIPE is not None
        process = await asyncio.create_subprocess_exec(
            GPSPIPE, "-w", "-n", "8", f"127.0.0.1:{port}", stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
        seen = [json.loads(line) for line in out.splitlines()]
        assert [each["class"] for each in seen[:3]] == ["VERSION", "DEVICES", "WATCH"]
        assert any(each["class"] == "TPV" and each.get("lat") == 52.52 for each in seen)
