"""A small internet of real network namespaces: a host with a main link and a modem's link, the router and the carrier
behind them, and the far side with a VPS, name servers and web pages.

        host  eth0 ─ lan0  router  up0 ─ r0 ┐
              wlan0 ─ lan1 (when asked)     internet  8.8.8.8  8.8.4.4  1.1.1.1  203.0.113.10 (VPS) .11 .80 (web)
              wwan0 ─ cell0 carrier up0 ─ c0 ┘

Everything is removed when the block ends, also when a step of the building fails. Blocking; < 1 s."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.net.disturbances import (
    CARRIER_ADDRESS,
    CARRIER_GATEWAY,
    MAIN_ADDRESS,
    MAIN_GATEWAY,
    OTHER_VPS,
    VPS,
    WEB,
    WLAN_GATEWAY,
    Network,
    Traffic,
)
from tests.net.netns import Namespace, forget_folder, run_program, until, why_not
from tests.net.servers import NameServer, WebServer

__all__ = [
    "CARRIER_ADDRESS",
    "CARRIER_GATEWAY",
    "MAIN_ADDRESS",
    "MAIN_GATEWAY",
    "OTHER_VPS",
    "VPS",
    "WEB",
    "WLAN_GATEWAY",
    "Namespace",
    "Network",
    "Traffic",
    "needs_namespaces",
    "network",
    "until",
]

_INTERNET = ("8.8.8.8", "8.8.4.4", "1.1.1.1", VPS, OTHER_VPS, WEB)
_NAME_SERVERS = ("8.8.8.8", "8.8.4.4", "1.1.1.1")
_number = count(1)


@contextmanager
def network(
    *,
    dhcp: bool = False,
    carrier_dhcp: bool = False,
    metric: int = 100,
    wlan: bool = False,
    wlan_metric: int = 600,
    wwan_up: bool = False,
    ping_sockets: bool = True,
) -> Iterator[Network]:
    """Builds it. dhcp: the router runs dnsmasq for DHCP, and the host has its address from it (else static
    192.168.77.10/24); carrier_dhcp: likewise the carrier, but nobody asks it by itself. metric: of the host's default
    route. wlan: a second main link wlan0, 192.168.78.10/24, static. wwan_up: wwan0 is up with 10.64.0.2/30, still
    without a route; else it is down without an address. ping_sockets: everyone may open them (ping_group_range).

    The router is a name server at 192.168.77.1 (.78.1), the carrier at 10.64.0.1, both by dnsmasq.
    """
    prefix = f"dt{os.getpid()}-{next(_number)}"
    _sweep()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtone-net-")))
        net = Network(prefix, folder)
        for namespace in net.all:
            stack.callback(namespace.close)
        resolver = Path("/etc/netns") / net.host.name
        stack.callback(forget_folder, resolver)
        _build_links(net, wlan)
        _address(net, metric=None if dhcp else metric, wlan_metric=wlan_metric if wlan else None, wwan_up=wwan_up)
        net.host.sysctl("net.ipv4.ping_group_range", "0 2147483647" if ping_sockets else "1 0")
        resolver.mkdir(parents=True)
        (resolver / "resolv.conf").write_text(f"nameserver {MAIN_GATEWAY}\n")
        _serve(net, stack)
        _dnsmasq(net, net.router, _ROUTER_DHCP if dhcp else (), listen=("lan0", *(("lan1",) if wlan else ())))
        _dnsmasq(net, net.carrier, _CARRIER_DHCP if carrier_dhcp else (), listen=("cell0",))
        if dhcp:
            net.host_dhcp(metric=metric)
        yield net


_ROUTER_DHCP = (
    f"--dhcp-range={MAIN_ADDRESS},{MAIN_ADDRESS},255.255.255.0,120",
    "--dhcp-option=option:dns-server,192.168.77.1",
)
_CARRIER_DHCP = (
    f"--dhcp-range={CARRIER_ADDRESS},{CARRIER_ADDRESS},255.255.255.252,120",
    f"--dhcp-option=option:dns-server,{CARRIER_GATEWAY}",
)


def _build_links(net: Network, wlan: bool) -> None:
    host, router, carrier, internet = (namespace.name for namespace in net.all)
    pairs = [
        ("eth0", host, "lan0", router),
        ("wwan0", host, "cell0", carrier),
        ("up0", router, "r0", internet),
        ("up0", carrier, "c0", internet),
    ]
    if wlan:
        pairs.append(("wlan0", host, "lan1", router))
    lines = [f"netns add {namespace.name}" for namespace in net.all]
    lines += [f"link add {a} netns {left} type veth peer name {b} netns {right}" for a, left, b, right in pairs]
    run_program("ip", "-batch", "-", input="\n".join(lines) + "\n")


def _address(net: Network, *, metric: int | None, wlan_metric: int | None, wwan_up: bool) -> None:
    host = ["link set lo up", "link set eth0 up"]
    if metric is not None:
        host += [
            f"addr add {MAIN_ADDRESS}/24 dev eth0",
            f"route add default via {MAIN_GATEWAY} dev eth0 metric {metric}",
        ]
    if wwan_up:
        host += ["link set wwan0 up", f"addr add {CARRIER_ADDRESS}/30 dev wwan0"]
    router = ["link set lo up", "link set lan0 up", "addr add 192.168.77.1/24 dev lan0", "link set up0 up"]
    router += ["addr add 198.51.100.2/30 dev up0", "route add default via 198.51.100.1"]
    if wlan_metric is not None:
        router += ["link set lan1 up", "addr add 192.168.78.1/24 dev lan1"]
        host += ["link set wlan0 up", "addr add 192.168.78.10/24 dev wlan0"]
        host += [f"route add default via 192.168.78.1 dev wlan0 metric {wlan_metric}"]
    carrier = ["link set lo up", "link set cell0 up", f"addr add {CARRIER_GATEWAY}/30 dev cell0", "link set up0 up"]
    carrier += ["addr add 198.51.100.6/30 dev up0", "route add default via 198.51.100.5"]
    internet = ["link set lo up", "link set r0 up", "link set c0 up"]
    internet += ["addr add 198.51.100.1/30 dev r0", "addr add 198.51.100.5/30 dev c0"]
    internet += [f"addr add {address}/32 dev lo" for address in _INTERNET]
    net.internet.ip(*internet)
    net.router.ip(*router)
    net.carrier.ip(*carrier)
    net.host.ip(*host)
    for namespace, side in ((net.router, "lan*"), (net.carrier, "cell0")):
        namespace.sysctl("net.ipv4.ip_forward", "1")
        namespace.nft(
            'table ip nat { chain p { type nat hook postrouting priority srcnat; oifname "up0" masquerade; }; }\n'
            "table ip count { counter sent {}\n chain c { type filter hook forward priority 10; "
            f'iifname "{side}" counter name sent; }}; }}\n'
        )


def _serve(net: Network, stack: ExitStack) -> None:
    with net.internet.inside():
        net.web = WebServer(80)
        stack.callback(net.web.stop)
        net.dns = NameServer(_NAME_SERVERS, net.names)
        stack.callback(net.dns.stop)
    with net.router.inside():
        net.portal = WebServer(8080, portal=True, login=f"http://{MAIN_GATEWAY}:8080/login")
        stack.callback(net.portal.stop)


def _dnsmasq(net: Network, where: Namespace, options: tuple[str, ...], *, listen: tuple[str, ...]) -> None:
    log = net.folder / f"{where.name}.log"
    server = where.popen(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--server=8.8.8.8"),
        *("--cache-size=0", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces", "--except-interface=lo"),
        *(f"--interface={interface}" for interface in listen),
        *(f"--dhcp-leasefile={net.folder / where.name}.leases", f"--log-facility={log}", "--no-ping", *options),
    )

    def started() -> bool:
        assert server.poll() is None, f"dnsmasq of {where.name} ended: {log.read_text() if log.exists() else ''}"
        return log.exists() and "started" in log.read_text()

    until(started, f"dnsmasq of {where.name} did not start")


def _sweep() -> None:
    """Removes what a killed test run has left: namespaces of processes that are no more."""
    folder = Path("/run/netns")
    for path in folder.glob("dt*-*") if folder.is_dir() else ():
        pid = path.name[2:].split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            Namespace(path.name).close()
            forget_folder(Path("/etc/netns") / path.name)


_reason = why_not()
needs_namespaces = pytest.mark.skipif(_reason is not None, reason=_reason or "")
"""Mark of tests that build a `network`."""
