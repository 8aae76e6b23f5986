"""What a test does to its small internet: cables out, links cut, portals, silent servers, loss, flapping routes."""

import time
from pathlib import Path
from typing import NamedTuple

from tests.net.netns import Namespace
from tests.net.servers import NameServer, WebServer

VPS = "203.0.113.10"
OTHER_VPS = "203.0.113.11"
WEB = "203.0.113.80"
MAIN_GATEWAY = "192.168.77.1"
MAIN_ADDRESS = "192.168.77.10"
WLAN_GATEWAY = "192.168.78.1"
CARRIER_GATEWAY = "10.64.0.1"
CARRIER_ADDRESS = "10.64.0.2"
_LAN = {"eth0": "lan0", "wlan0": "lan1"}
_UDHCPC = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip link set "$interface" up
ip addr replace "$ip/$mask" dev "$interface"
ip route replace default via "$router" dev "$interface" proto dhcp metric {metric}
"""


class Traffic(NamedTuple):
    """What has passed so far from the host towards the internet."""

    packets: int
    bytes: int


class Network:
    """What `network` builds, and how it is disturbed. Every disturbance may be asked for twice and taken back twice."""

    def __init__(self, prefix: str, folder: Path) -> None:
        self.folder = folder
        self.host = Namespace(f"{prefix}-host")
        self.router = Namespace(f"{prefix}-router")
        self.carrier = Namespace(f"{prefix}-carrier")
        self.internet = Namespace(f"{prefix}-internet")
        self.all = (self.host, self.router, self.carrier, self.internet)
        self.names: dict[str, tuple[str, ...]] = {
            "dns.google": ("8.8.8.8", "8.8.4.4"),
            "www.gstatic.com": (WEB,),
            "vps.example.org": (VPS,),
        }
        """What the name servers answer; may be changed at any moment."""
        self.web: WebServer
        self.portal: WebServer
        self.dns: NameServer

    def cut_main(self, interface: str = "eth0") -> None:
        """The router no longer forwards; carrier, address and gateway stay."""
        lan = _LAN[interface]
        self._effect(
            self.router,
            f"cut_{lan}",
            f'chain c {{ type filter hook forward priority -10; iifname "{lan}" drop; oifname "{lan}" drop; }}',
        )

    def mend_main(self, interface: str = "eth0") -> None:
        self._undo(self.router, f"cut_{_LAN[interface]}")

    def cut_carrier_side(self) -> None:
        self._effect(self.carrier, "cut", "chain c { type filter hook forward priority -10; policy drop; }")

    def mend_carrier_side(self) -> None:
        self._undo(self.carrier, "cut")

    def unplug_main(self, interface: str = "eth0") -> None:
        """The cable is out: no carrier; the kernel keeps address and routes."""
        self.router.ip(f"link set {_LAN[interface]} down")

    def plug_main(self, interface: str = "eth0") -> None:
        self.router.ip(f"link set {_LAN[interface]} up")

    def unplug_carrier(self) -> None:
        self.carrier.ip("link set cell0 down")

    def plug_carrier(self) -> None:
        self.carrier.ip("link set cell0 up")

    def captive(self, on: bool, *, icmp: bool = True, status: int = 302) -> None:
        """Every web page by the router's portal (302 to its login, 200 with a page, 511 …), names resolve, nothing else
        is let out; icmp: but pings."""
        self.portal.status = status
        self._undo(self.router, "captive")
        if not on:
            return
        pings = "icmp type { echo-request, echo-reply } accept;" if icmp else ""
        self._effect(
            self.router,
            "captive",
            'chain r { type nat hook prerouting priority dstnat; iifname "lan*" tcp dport 80 redirect to :8080; };'
            f'chain c {{ type filter hook forward priority -5; {pings} iifname "lan*" udp dport 53 accept; '
            'oifname "lan*" udp sport 53 accept; drop; }',
        )

    def dns_down(self, on: bool) -> None:
        """No name server answers over the main links, the router's included."""
        if not on:
            self._undo(self.router, "dns_down")
            return
        drop = 'iifname "lan*" udp dport 53 drop; iifname "lan*" tcp dport { 53, 853 } drop;'
        self._effect(
            self.router,
            "dns_down",
            f"chain i {{ type filter hook input priority -10; {drop} }};"
            f"chain f {{ type filter hook forward priority -10; {drop} }}",
        )

    def icmp_blocked(self, on: bool) -> None:
        """The router forwards everything but ICMP."""
        if on:
            rule = "meta l4proto icmp drop;"
            self._effect(self.router, "icmp", f"chain c {{ type filter hook forward priority -10; {rule} }}")
        else:
            self._undo(self.router, "icmp")

    def dhcp_silent(self, on: bool, *, carrier: bool = False) -> None:
        """The router's DHCP server (or the carrier's) hears nothing."""
        where = self.carrier if carrier else self.router
        if on:
            rule = "udp dport 67 drop;"
            self._effect(where, "dhcp", f"chain c {{ type filter hook input priority -10; {rule} }}")
        else:
            self._undo(where, "dhcp")

    def loss(self, percent: int, *, carrier: bool = False) -> None:
        """That part of the forwarded packets is lost, in either direction; 0 ends it."""
        where = self.carrier if carrier else self.router
        self._undo(where, "loss")
        if percent:
            rule = f"numgen random mod 100 <= {percent - 1} drop;"
            self._effect(where, "loss", f"chain c {{ type filter hook forward priority -10; {rule} }}")

    def flap_routes(self, times: int, per_s: float, *, interface: str = "eth0", metric: int = 100) -> None:
        """The main link's default route goes and comes `times` times, `per_s` changes a second. Blocks; it is there
        afterwards."""
        gateway = MAIN_GATEWAY if interface == "eth0" else WLAN_GATEWAY
        route = f"default via {gateway} dev {interface} metric {metric}"
        for _ in range(times):
            for verb in ("del", "add"):
                self.host.ip(f"route {verb} {route}")
                time.sleep(1 / per_s)

    def backup_route(self, on: bool) -> None:
        """Our default route by wwan0, as dialtone-helper makes it."""
        self.host.ip(f"route {'replace' if on else 'del'} default via {CARRIER_GATEWAY} dev wwan0 proto 219 metric 40")

    def carrier_traffic(self) -> Traffic:
        """What the host has sent by the carrier."""
        return _counted(self.carrier)

    def main_traffic(self) -> Traffic:
        """What the host has sent by the router."""
        return _counted(self.router)

    def host_dhcp(self, interface: str = "eth0", *, metric: int = 100, tries: int = 15) -> None:
        """Address and default route by DHCP (udhcpc), once; AssertionError when nobody offers one, asked
        once a second."""
        script = self.folder / "udhcpc.sh"
        script.write_text(_UDHCPC.format(metric=metric))
        script.chmod(0o755)
        self.host.run("udhcpc", "-i", interface, "-n", "-q", "-f", "-t", str(tries), "-T", "1", "-s", str(script))

    def _effect(self, where: Namespace, name: str, chains: str) -> None:
        table = f"table ip test_{name}"  # the names alone are partly words of nft
        where.nft(f"{table} {{}}\ndelete {table}\n{table} {{\n{chains}\n}}\n")

    def _undo(self, where: Namespace, name: str) -> None:
        where.nft(f"table ip test_{name} {{}}\ndelete table ip test_{name}\n")


def _counted(where: Namespace) -> Traffic:
    words = where.run("nft", "list", "counter", "ip", "count", "sent").stdout.split()
    return Traffic(int(words[words.index("packets") + 1]), int(words[words.index("bytes") + 1]))
