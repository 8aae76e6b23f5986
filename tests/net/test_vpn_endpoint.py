"""The name of the VPN's peer, looked up again."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.net.vpn_endpoint import Endpoint, LookupFailed, Resolver, other

addresses = st.ip_addresses(v=4).map(str)


def test_an_endpoint_is_a_name_and_a_port() -> None:
    assert Endpoint.parse("vps.example.org:443") == Endpoint("vps.example.org", 443)
    assert Endpoint.parse("203.0.113.10:51820") == Endpoint("203.0.113.10", 51820)


@pytest.mark.parametrize("text", ["vps.example.org", ":443", "vps.example.org:0", "vps.example.org:65536", "vps:x"])
def test_an_endpoint_without_a_port_that_there_is_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Endpoint.parse(text)


@settings(deadline=None)
@given(st.lists(addresses, min_size=1, unique=True), addresses, st.integers(1, 65535))
def test_a_peer_keeps_any_address_of_its_name_and_gets_the_first_one_otherwise(
    found: list[str], now: str, port: int
) -> None:
    assert all(other(f"{address}:{port}", tuple(found), port) is None for address in found)
    if now not in found:
        assert other(f"{now}:{port}", tuple(found), port) == f"{found[0]}:{port}"
    assert other(None, tuple(found), port) == f"{found[0]}:{port}"
    assert other(f"[2001:db8::1]:{port}", tuple(found), port) == f"{found[0]}:{port}"


async def test_an_address_is_its_own_and_a_name_of_this_machine_is_found() -> None:
    resolver = Resolver()
    assert await resolver.addresses("203.0.113.10", 20) == ("203.0.113.10",)
    assert await resolver.addresses("localhost", 20) == ("127.0.0.1",)


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "nothing.invalid", "..", "::1"])
async def test_what_is_no_name_or_has_no_address_is_told_so(name: str) -> None:
    with pytest.raises(LookupFailed, match="could not be looked up"):
        await Resolver().addresses(name, 20)


@pytest.fixture
def hanging_lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The system's resolver does not answer until the event is set."""
    let_go = threading.Event()

    def hang(*_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        let_go.wait(50)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield let_go
    let_go.set()


async def test_a_resolver_that_hangs_holds_up_nobody_and_is_asked_once_at_a_time(
    hanging_lookups: threading.Event,
) -> None:
    resolver = Resolver()
    began_s, before = time.monotonic(), set(threading.enumerate())
    with pytest.raises(LookupFailed, match=r"within 0\.2 s"):
        await resolver.addresses("vps.example.org", 0.2)
    for _ in range(5):
        with pytest.raises(LookupFailed, match="still waits"):
            await resolver.addresses("vps.example.org", 0.2)
    assert len(set(threading.enumerate()) - before) == 1
    assert time.monotonic() - began_s < 20  # which hangs for longer
    hanging_lookups.set()
    for thread in set(threading.enumerate()) - before:
        await asyncio.to_thread(thread.join, 20)
    assert await resolver.addresses("vps.example.org", 20) == ("192.0.2.1",)


async def test_a_lookup_that_nobody_waits_for_any_more_ends_in_silence(hanging_lookups: threading.Event) -> None:
    resolver = Resolver()
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(resolver.addresses("vps.example.org", 20))
        await asyncio.sleep(0)
        asking.cancel()
    hanging_lookups.set()
    assert asking.cancelled()
