"""The server for gpsd's clients by itself, with clients that a station would not meet."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from core import gpsd_words as words
from core.gpsd import UNREAD_BYTES, GpsdServer
from core.line import LineFix
from tests.modem.scripted import until
from tests.station import free_port
from tests.test_location import gpsd

FIX = LineFix(52.52, 13.405, altitude_m=34.0, speed_mps=1.0, course_deg=90.0, satellites=8, hdop=0.9, fixed_unix_s=1e9)
WATCH = '?WATCH={"enable":true,"json":true};\n'


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[GpsdServer]:
    server = GpsdServer("sim", port, lambda: FIX)

    async def trouble(reason: str | None) -> None:
        assert reason is None

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run(trouble))
        try:
            yield server
        finally:
            running.cancel()


async def test_a_client_that_does_not_read_is_dropped_and_the_others_miss_nothing() -> None:
    port = free_port()
    async with serving(port) as server, gpsd(port) as quick:
        quick.ask(WATCH)
        await quick.next("SKY")
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await asyncio.get_running_loop().run_in_executor(None, slow.sendall, WATCH.encode())
            await until(lambda: len(server.clients) == 2 and all(client.watches for client in server.clients), 20)
            async with asyncio.timeout(20):
                told = 0
                while len(server.clients) == 2:
                    server.tell(FIX)
                    assert (await quick.next("TPV"))["lat"] == 52.52
                    told += 1
            assert told * len(words.encoded(words.tpv("dialtone:sim", FIX))) * 2 > UNREAD_BYTES
        server.tell(FIX)
        assert (await quick.next("TPV"))["mode"] == 3


async def test_who_watches_another_device_or_wants_no_json_is_told_nothing() -> None:
    port = free_port()
    async with serving(port) as server, gpsd(port) as client:
        for wish in ('{"device":"/dev/ttyACM0"}', '{"enable":true,"json":false}', '{"enable":false}'):
            client.ask(f"?WATCH={wish}\n")
            assert (await client.next("WATCH"))["enable"] is False
        server.tell(FIX)
        client.ask("?DEVICE;\n")
        assert (await client.next("DEVICE"))["path"] == "dialtone:sim"
        client.ask('?WATCH={"device":"dialtone:sim"}\n')
        assert (await client.next("WATCH"))["device"] == "dialtone:sim"
        assert (await client.next("TPV"))["mode"] == 3


async def test_clients_are_hung_up_on_when_the_server_ends() -> None:
    port = free_port()
    async with AsyncExitStack() as clients:
        async with serving(port):
            client = await clients.enter_async_context(gpsd(port))
            await client.next("VERSION")
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                assert await client.reader.read() == b""


def test_a_fix_without_altitude_has_two_dimensions_and_one_without_place_none() -> None:
    flat = words.tpv("d", LineFix(52.52, 13.405))
    assert flat == {"class": "TPV", "device": "d", "mode": 2, "status": 1, "lat": 52.52, "lon": 13.405}
    assert words.tpv("d", LineFix(None, None, satellites=3)) == {"class": "TPV", "device": "d", "mode": 1}
    assert words.sky("d", LineFix(None, None, satellites=3)) == {"class": "SKY", "device": "d", "uSat": 3}
    assert words.tpv("d", FIX)["time"] == "2001-09-09T01:46:40.000Z"
