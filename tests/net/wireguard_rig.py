"""A WireGuard tunnel of a test's internet: the host's end by the real wg-quick, the VPS's end at 203.0.113.10 (or .11),
by the kernel where it has WireGuard and by wireguard-go elsewhere.

    with network() as net, tunnel(net) as vpn:   # 10.100.0.2 on the host, 10.100.0.1 at the VPS
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.net.namespaces import VPS, Network
from tests.net.netns import Namespace, run_program

NEAR, FAR = "10.100.0.2", "10.100.0.1"
PORT = 51820
_number = count(1)


def why_no_wireguard() -> str | None:
    """What this machine lacks for a tunnel; None when nothing."""
    for program in ("wg", "wg-quick"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install wireguard-tools)"
    if not in_kernel() and shutil.which("wireguard-go") is None:
        return "the kernel has no WireGuard, and wireguard-go is not installed"
    return None


def in_kernel() -> bool:
    """Whether `ip link add type wireguard` works. Tried in a namespace of its own."""
    name = f"dt{os.getpid()}-wgtry"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return False
    try:
        made = subprocess.run(["ip", "-n", name, "link", "add", "wgtry", "type", "wireguard"], capture_output=True)
        return made.returncode == 0
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


class Tunnel:
    """interface: the host's. near_key, far_key: public keys of the host and the VPS. config_file: wg-quick's."""

    def __init__(self, net: Network, interface: str, far_interface: str, config_file: Path) -> None:
        self.net = net
        self.interface = interface
        self.far_interface = far_interface
        self.config_file = config_file
        self.near_key = ""
        self.far_key = ""

    def up(self) -> None:
        self.net.host.run("wg-quick", "up", self.interface)

    def down(self) -> None:
        self.net.host.run("wg-quick", "down", self.interface, check=False)

    def exists(self) -> bool:
        return self.net.host.run("ip", "link", "show", self.interface, check=False).returncode == 0

    def shown(self, what: str, *, far: bool = False) -> str:
        """One line of `wg show`: endpoints, latest-handshakes, transfer; without the key."""
        where, interface = self._end(far)
        return where.run("wg", "show", interface, what).stdout.split("\t", 1)[-1].strip()

    def silence(self, on: bool) -> None:
        """The VPS's end is dead: nothing that comes to its port is heard."""
        self.net.internet.nft("table ip silence {}\ndelete table ip silence\n")
        if on:
            self.net.internet.nft(
                f"table ip silence {{ chain c {{ type filter hook input priority 0; udp dport {PORT} drop; }}; }}\n"
            )

    def deaf_to_pings(self, on: bool) -> None:
        """The VPS answers no ping in the tunnel, all else goes on."""
        self.net.internet.nft("table ip deaf {}\ndelete table ip deaf\n")
        if on:
            self.net.internet.nft(
                "table ip deaf { chain c { type filter hook input priority 0; "
                f"ip daddr {FAR} icmp type echo-request drop; }}; }}\n"
            )

    def say_by(self, endpoint: str) -> None:
        """The VPS says something to where the host was before, as if it had been on its way when the host moved. An
        end by wireguard-go goes back to the old way for that, as long as it is there; one by the kernel does not."""
        # To an endpoint that was set it sends from any address of its own, and the routers' NAT knows only one.
        self.net.internet.ip(
            f"route change 198.51.100.0/30 dev r0 src {VPS}", f"route change 198.51.100.4/30 dev c0 src {VPS}"
        )
        for _ in range(10):
            self.net.internet.run("wg", "set", self.far_interface, "peer", self.near_key, "endpoint", endpoint)
            self.net.internet.run("ping", "-c1", "-W1", NEAR, check=False)
            time.sleep(0.1)  # what was on its way by the new one has come
            if in_kernel() or self.shown("endpoints", far=True) == endpoint:
                return

    def ping(self) -> bool:
        return self.net.host.run("ping", "-c1", "-W2", FAR, check=False).returncode == 0

    def _end(self, far: bool) -> tuple[Namespace, str]:
        return (self.net.internet, self.far_interface) if far else (self.net.host, self.interface)


@contextmanager
def tunnel(
    net: Network, *, endpoint: str = f"{VPS}:{PORT}", keepalive_s: int = 25, up: bool = True
) -> Iterator[Tunnel]:
    """Both ends; the host's comes up with `up`. endpoint: what wg-quick's file says, a name or an address."""
    number = f"{os.getpid()}{next(_number) % 10}"
    near, far = f"wg{number}h", f"wg{number}v"  # wireguard-go's sockets are named by them, for the whole machine
    # `ip netns exec` shows this folder as /etc/wireguard: `wg-quick up NAME` finds it there, whoever runs it.
    folder = Path("/etc/netns") / net.host.name / "wireguard"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    vpn = Tunnel(net, near, far, folder / f"{near}.conf")
    near_key, far_key = _key(), _key()
    vpn.near_key, vpn.far_key = _public(near_key), _public(far_key)
    vpn.config_file.touch(0o600)
    vpn.config_file.write_text(
        f"[Interface]\nPrivateKey = {near_key}\nAddress = {NEAR}/32\n"
        f"[Peer]\nPublicKey = {vpn.far_key}\nEndpoint = {endpoint}\nAllowedIPs = 10.100.0.0/24\n"
        + (f"PersistentKeepalive = {keepalive_s}\n" if keepalive_s else "")
    )
    try:
        _far_end(net.internet, vpn, far_key)
        if up:
            vpn.up()
        yield vpn
    finally:
        for where, interface in ((net.host, near), (net.internet, far)):
            where.run("ip", "link", "del", interface, check=False)  # which ends wireguard-go
            Path(f"/var/run/wireguard/{interface}.sock").unlink(missing_ok=True)


def _far_end(where: Namespace, vpn: Tunnel, key: str) -> None:
    if where.run("ip", "link", "add", vpn.far_interface, "type", "wireguard", check=False).returncode:
        where.run("wireguard-go", vpn.far_interface)
    file = vpn.net.folder / f"{vpn.far_interface}.conf"
    file.touch(0o600)
    file.write_text(
        f"[Interface]\nPrivateKey = {key}\nListenPort = {PORT}\n"
        f"[Peer]\nPublicKey = {vpn.near_key}\nAllowedIPs = {NEAR}/32\n"
    )
    where.run("wg", "setconf", vpn.far_interface, str(file))
    where.ip(f"addr add {FAR}/24 dev {vpn.far_interface}", f"link set {vpn.far_interface} up")


def _key() -> str:
    return run_program("wg", "genkey").stdout.strip()


def _public(key: str) -> str:
    return run_program("wg", "pubkey", input=key).stdout.strip()


_reason = why_no_wireguard()
print(f"WireGuard in tests: {_reason or ('kernel' if in_kernel() else 'wireguard-go')}", file=sys.stderr)
needs_wireguard = pytest.mark.skipif(_reason is not None, reason=_reason or "")
"""Mark of tests that build a `tunnel`."""
