"""Stands in for the root process at its socket: it notes what it is asked to hold, and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEASE = {
    "address": "192.168.225.33/24",
    "gateway": "192.168.225.1",
    "dns": ["192.168.225.1"],
    "mtu": 1420,
    "lease_s": 60,
}


@dataclass
class HelperPeer:
    """sys: of the tree that raw_ip is written in. refusals: verb to trouble. hold_s: verb to how long it takes."""

    socket: Path
    sys: Path | None = None
    links: dict[str, bool] = field(default_factory=dict)
    addresses: set[tuple[str, str]] = field(default_factory=set)
    ppp: set[int] = field(default_factory=set)
    lease: dict[str, Any] = field(default_factory=lambda: dict(LEASE))
    refusals: dict[str, str] = field(default_factory=dict)
    hold_s: dict[str, float] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds_nothing(self) -> bool:
        return not self.addresses and not any(self.links.values()) and not self.ppp

    def verbs(self) -> list[str]:
        return [str(one["verb"]) for one in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline() or b"{}")
        try:
            writer.write(json.dumps(await self._answer(request)).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked was cancelled
        finally:
            writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        verb = str(request.get("verb"))
        if verb in self.refusals:
            return {"error": f"{verb} is refused here", "trouble": self.refusals[verb]}
        done = self._do(verb, request)
        await asyncio.sleep(self.hold_s.get(verb, 0))
        return {"ok": True, **done}

    def _do(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        match verb:
            case "link":
                self.links[request["interface"]] = request["up"]
            case "raw_ip":
                self.links[request["interface"]] = False
                if self.sys is not None:
                    (self.sys / "class/net" / request["interface"] / "qmi/raw_ip").write_text("Y\n")
            case "address":
                change = self.addresses.add if request["add"] else self.addresses.discard
                change((request["interface"], request["address"]))
            case "dhcp":
                return self.lease
            case "ppp_start":
                self.ppp.add(request["unit"])
                return {"interface": "ppp0", "address": "10.64.64.2", "peer": "10.64.64.1", "dns": ["10.64.64.1"]}
            case "ppp_stop":
                self.ppp.discard(request["unit"])
        return {}


@asynccontextmanager
async def helper_peer(socket: Path, sys: Path | None = None) -> AsyncIterator[HelperPeer]:
    peer = HelperPeer(socket, sys)
    server = await asyncio.start_unix_server(peer.serve, str(socket))
    async with server:
        yield peer
