"""Asks dialtone-helper for what needs root: one method for each of its verbs, one connection for each question."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

SOCKET = "/run/dialtone-helper/helper.sock"
"""Of dialtone-helper.service; DIALTONE_HELPER names another one."""

ANSWER_S = 10.0
"""For a short verb, which takes milliseconds. What takes longer has its own limit, which the helper keeps; this much
later nobody waits any more."""

MOST_BYTES = 1 << 20
"""Of an answer: the peers of a VPN are the longest."""

WG_RESTART_S = 30.0
PPP_STOP_S = 5.0


class HelperFailed(Exception):
    """trouble: a stable word.

    Of the helper: bad_request, not_allowed, no_interface, no_device, no_network, no_peer, apn_refused, dhcp_silent,
    program_missing, refused, timeout, busy, stopping, failed. Of this side: no_helper, timeout, failed.
    text: for people and logs, without secrets.
    """

    def __init__(self, trouble: str, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble
        self.text = text


class Lease(msgspec.Struct, frozen=True):
    """What a DHCP server said. address: "10.0.0.2/30". mtu and lease_s: None where it named none."""

    address: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    mtu: int | None = None
    lease_s: int | None = None


class WgPeer(msgspec.Struct, frozen=True):
    """handshake_unix_s 0: never. endpoint: "192.0.2.1:51820". keepalive_s: None when it is off."""

    public_key: str
    endpoint: str | None
    handshake_unix_s: int
    rx_bytes: int
    tx_bytes: int
    keepalive_s: int | None
    allowed_ips: tuple[str, ...]


class WgStatus(msgspec.Struct, frozen=True):
    """up: the interface is there, a WireGuard interface, and up."""

    up: bool
    peers: tuple[WgPeer, ...] = ()


class PppUp(msgspec.Struct, frozen=True):
    """address: ours, without a length; peer: the other end's."""

    interface: str
    address: str
    peer: str
    dns: tuple[str, ...] = ()


class HeldRoute(msgspec.Struct, frozen=True):
    """to: "default", "0.0.0.0/1" or "128.0.0.0/1"."""

    to: str
    interface: str
    gateway: str | None
    metric: int


class HeldAddress(msgspec.Struct, frozen=True):
    interface: str
    address: str


class HeldLink(msgspec.Struct, frozen=True):
    """A link that was changed, and as what it will be left behind."""

    interface: str
    was_up: bool
    was_mtu: int
    was_raw_ip: bool | None = None


class HeldResolver(msgspec.Struct, frozen=True):
    """by: resolved, resolvconf or file."""

    by: str
    interface: str
    dns: tuple[str, ...]


class HeldPpp(msgspec.Struct, frozen=True):
    unit: int
    interface: str
    running: bool


class HelperState(msgspec.Struct, frozen=True):
    """What the helper holds now and would undo."""

    routes: tuple[HeldRoute, ...] = ()
    addresses: tuple[HeldAddress, ...] = ()
    links: tuple[HeldLink, ...] = ()
    resolver: HeldResolver | None = None
    ppp: tuple[HeldPpp, ...] = ()
    block_ipv6: tuple[int, ...] = ()


class _Undone(msgspec.Struct, frozen=True):
    undone: tuple[str, ...] = ()


class _Nothing(msgspec.Struct, frozen=True):
    pass


R = TypeVar("R", bound=msgspec.Struct)


class HelperClient:
    """Every method raises HelperFailed. Cancelled, it lets go at once; the helper carries a verb through."""

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = Path(path or os.environ.get("DIALTONE_HELPER") or SOCKET)

    def barred(self) -> str | None:
        """Why nothing can be asked; None when it can."""
        if os.access(self._path, os.W_OK):
            return None
        return f"dialtone-helper, which may change the network, does not serve {self._path}"

    async def link(self, interface: str, up: bool, mtu: int | None = None) -> None:
        """mtu: 576 to 9000."""
        request: dict[str, object] = {"interface": interface, "up": up}
        await self._ask("link", request if mtu is None else request | {"mtu": mtu})

    async def raw_ip(self, interface: str) -> None:
        """The link is down afterwards. no_device where it is no link of qmi_wwan."""
        await self._ask("raw_ip", {"interface": interface})

    async def address(self, interface: str, address: str, add: bool) -> None:
        """address: "10.0.0.2/30". What another program has given the link stays."""
        await self._ask("address", {"interface": interface, "address": address, "add": add})

    async def route(self, interface: str, gateway: str | None, metric: int, *, halves: bool, add: bool) -> None:
        """metric: 40 to 59. halves: 0.0.0.0/1 and 128.0.0.0/1 instead of a default route; one of ours for each."""
        request: dict[str, object] = {"interface": interface, "gateway": gateway, "metric": metric}
        request |= {"halves": halves, "add": add}
        await self._ask("route", request)

    async def block_ipv6(self, add: bool, metric: int) -> None:
        await self._ask("block_ipv6", {"add": add, "metric": metric})

    async def dhcp(self, interface: str, timeout_s: float) -> Lease:
        """timeout_s: 1 to 30. The link has to be up. Sets nothing. dhcp_silent when nobody answers."""
        request = {"interface": interface, "timeout_s": timeout_s}
        return await self._told("dhcp", request, Lease, timeout_s + ANSWER_S)

    async def resolver(self, interface: str, dns: Sequence[str], set: bool) -> None:
        """dns: up to three; none needed to take it back."""
        await self._ask("resolver", {"interface": interface, "dns": list(dns), "set": set}, timeout_s=2 * ANSWER_S)

    async def wg_status(self, interface: str) -> WgStatus:
        return await self._told("wg_status", {"interface": interface}, WgStatus, ANSWER_S)

    async def wg_restart(self, interface: str) -> None:
        """Up to 30 s."""
        await self._ask("wg_restart", {"interface": interface}, timeout_s=WG_RESTART_S + ANSWER_S)

    async def wg_endpoint(self, interface: str, public_key: str, endpoint: str) -> None:
        """endpoint: "192.0.2.1:51820" or "[2001:db8::1]:51820". no_peer for a key that the interface does not know."""
        await self._ask("wg_endpoint", {"interface": interface, "public_key": public_key, "endpoint": endpoint})

    async def ppp_start(
        self,
        tty: str,
        apn: str,
        *,
        auth: str = "none",
        user: str | None = None,
        password: str | None = None,
        unit: int = 0,
        timeout_s: float = 40.0,
    ) -> PppUp:
        """Dials on that port until there is an address. auth: none, pap or chap. timeout_s: 2 to 60; unit: 0 to 9.

        Troubles: no_device (no port, a kernel without PPP), apn_refused (the network, the login), no_network, timeout,
        program_missing, busy (that unit is up already), failed.
        """
        request: dict[str, object] = {"tty": tty, "apn": apn, "auth": auth, "unit": unit, "timeout_s": timeout_s}
        request |= {} if user is None else {"user": user}
        request |= {} if password is None else {"password": password}
        return await self._told("ppp_start", request, PppUp, timeout_s + ANSWER_S)

    async def ppp_stop(self, unit: int = 0) -> None:
        """Also ends a ppp_start that still waits. Fine when nothing runs."""
        await self._ask("ppp_stop", {"unit": unit}, timeout_s=PPP_STOP_S + ANSWER_S)

    async def recover(self) -> tuple[str, ...]:
        """Undoes all that the helper has made, also for an earlier life of this daemon; what it undid, for the log."""
        return (await self._told("recover", {}, _Undone, 2 * ANSWER_S)).undone

    async def state(self) -> HelperState:
        return await self._told("state", {}, HelperState, ANSWER_S)

    async def _ask(self, verb: str, request: Mapping[str, object], timeout_s: float = ANSWER_S) -> None:
        await self._told(verb, request, _Nothing, timeout_s)

    async def _told(self, verb: str, request: Mapping[str, object], result: type[R], timeout_s: float) -> R:
        line = await self._exchange(json.dumps({"verb": verb, **request}).encode() + b"\n", timeout_s)
        try:
            found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            if msgspec.json.decode(found.get("ok", b"false"), type=bool):
                return msgspec.json.decode(line, type=result)
            error = msgspec.json.decode(found.get("error", b'""'), type=str)
            trouble = msgspec.json.decode(found.get("trouble", b'"failed"'), type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise HelperFailed("failed", f"dialtone-helper's answer to {verb} makes no sense") from None
        raise HelperFailed(trouble, error or f"dialtone-helper did not answer {verb}")

    async def _exchange(self, request: bytes, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=MOST_BYTES)
                try:
                    writer.write(request)
                    return await reader.readline() or b"{}"
                finally:
                    writer.close()
        except TimeoutError:
            raise HelperFailed("timeout", f"dialtone-helper did not answer within {timeout_s:g} s") from None
        except (FileNotFoundError, ConnectionRefusedError, PermissionError) as problem:
            raise HelperFailed("no_helper", f"dialtone-helper at {self._path}: {problem.strerror}") from None
        except (OSError, ValueError) as problem:
            raise HelperFailed("failed", f"dialtone-helper went away: {problem}") from None
