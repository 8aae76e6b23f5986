"""A small internet of real network namespaces: a host with a main link and a modem's link, the router and the carrier
behind them, and the far side with a VPS, name servers and web pages.

        host  eth0 ─ lan0  router  up0 ─ r0 ┐
              wlan0 ─ lan1 (when asked)     internet  8.8.8.8  8.8.4.4  1.1.1.1  203.0.113.10 (VPS) .11 .80 (web)
              wwan0 ─ cell0 carrier up0 ─ c0 ┘

Everything is removed when the block ends, also when a step of the building fails. Blocking; < 1 s."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.net.servers import NameServer, WebServer

VPS = "203.0.113.10"
OTHER_VPS = "203.0.113.11"
WEB = "203.0.113.80"
MAIN_GATEWAY = "192.168.77.1"
MAIN_ADDRESS = "192.168.77.10"
CARRIER_GATEWAY = "10.64.0.1"
CARRIER_ADDRESS = "10.64.0.2"
_INTERNET = ("8.8.8.8", "8.8.4.4", "1.1.1.1", VPS, OTHER_VPS, WEB)
_NAME_SERVERS = ("8.8.8.8", "8.8.4.4", "1.1.1.1")
_LAN = {"eth0": "lan0", "wlan0": "lan1"}
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_number = count(1)


class Traffic(NamedTuple):
    """What has passed so far from the host towards the internet."""

    packets: int
    bytes: int


class Namespace:
    """One network namespace. Programs started by `popen` end with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name
        self._programs: list[subprocess.Popen[Any]] = []

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread's sockets, and the threads and processes it starts meanwhile, belong to the namespace.

        /sys/class/net still shows that of the process; programs that read it need `run` or `popen`.
        """
        with open("/proc/thread-self/ns/net") as before, self.path.open() as wanted:
            _enter(wanted.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def run(self, *argv: str, check: bool = True, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a program inside (ip netns exec), at most 30 s. An AssertionError with its stderr when it fails."""
        return _run("ip", "netns", "exec", self.name, *argv, check=check, input=input)

    def popen(self, *argv: str, **options: Any) -> subprocess.Popen[Any]:
        """Starts a program inside; what is left of it at the end of the block is ended then."""
        program = subprocess.Popen(["ip", "netns", "exec", self.name, *argv], **options)
        self._programs.append(program)
        return program

    def ip(self, *lines: str) -> None:
        """Commands of ip(8), one a line: ip("link set eth0 up", "addr add …")."""
        _run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        self.run("nft", "-f", "-", input=rules)

    def sysctl(self, name: str, value: str) -> None:
        """A sysctl below net., inside this namespace alone."""
        with self.inside():
            Path("/proc/sys", *name.split(".")).write_text(value)

    def close(self) -> None:
        """Ends the programs and removes the namespace."""
        for program in self._programs:
            if program.poll() is None:
                program.terminate()
        for program in self._programs:
            try:
                program.wait(2)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait(5)
            for stream in (program.stdin, program.stdout, program.stderr):
                if stream is not None:
                    stream.close()
        if self.path.exists():
            for pid in _run("ip", "netns", "pids", self.name, check=False).stdout.split():
                if int(pid) != os.getpid():  # grandchildren that outlived their parent
                    _kill(int(pid))
            _run("ip", "netns", "del", self.name, check=False)


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
        pings = "icmp type echo-request accept; ct state established accept;" if icmp else ""
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
            rule = f"numgen random mod 100 < {percent} drop;"
            self._effect(where, "loss", f"chain c {{ type filter hook forward priority -10; {rule} }}")

    def flap_routes(self, times: int, per_s: float, *, interface: str = "eth0", metric: int = 100) -> None:
        """The main link's default route goes and comes `times` times, `per_s` changes a second. Blocks; it is there
        afterwards."""
        gateway = MAIN_GATEWAY if interface == "eth0" else "192.168.78.1"
        route = f"default via {gateway} dev {interface} metric {metric}"
        for _ in range(times):
            for verb in ("del", "add"):
                self.host.ip(f"route {verb} {route}")
                time.sleep(1 / per_s)

    def backup_route(self, on: bool) -> None:
        """Our default route by wwan0, as dialtone-helper makes it."""
        self.host.ip(f"route {'replace' if on else 'del'} default via {CARRIER_GATEWAY} dev wwan0 proto 186 metric 40")

    def carrier_traffic(self) -> Traffic:
        """What the host has sent by the carrier."""
        return _counted(self.carrier)

    def main_traffic(self) -> Traffic:
        """What the host has sent by the router."""
        return _counted(self.router)

    def host_dhcp(self, interface: str = "eth0", *, metric: int = 100) -> None:
        """Address and default route by DHCP (udhcpc), once; AssertionError when nobody offers one within 5 s."""
        script = self.folder / "udhcpc.sh"
        script.write_text(_UDHCPC.format(metric=metric))
        script.chmod(0o755)
        self.host.run("udhcpc", "-i", interface, "-n", "-q", "-f", "-t", "5", "-T", "1", "-s", str(script))

    def _effect(self, where: Namespace, name: str, chains: str) -> None:
        where.nft(f"table ip {name} {{}}\ndelete table ip {name}\ntable ip {name} {{\n{chains}\n}}\n")

    def _undo(self, where: Namespace, name: str) -> None:
        where.nft(f"table ip {name} {{}}\ndelete table ip {name}\n")


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
        stack.callback(_forget_folder, resolver)
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


def why_not() -> str | None:
    """What this machine lacks for `network`, for a person; None when nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft", "dnsmasq"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    name = f"dt{os.getpid()}-try"
    try:
        _run("ip", "netns", "add", name)
        _run(
            "ip",
            "netns",
            "exec",
            name,
            "nft",
            "-f",
            "-",
            input="table ip t { chain c { type nat hook output priority 0; }; }",
        )
    except (AssertionError, OSError) as problem:
        return f"no network namespace with nftables can be made here: {problem}"
    finally:
        _run("ip", "netns", "del", name, check=False)
    return None


_ROUTER_DHCP = (
    f"--dhcp-range={MAIN_ADDRESS},{MAIN_ADDRESS},255.255.255.0,120",
    "--dhcp-option=option:dns-server,192.168.77.1",
)
_CARRIER_DHCP = (
    f"--dhcp-range={CARRIER_ADDRESS},{CARRIER_ADDRESS},255.255.255.252,120",
    f"--dhcp-option=option:dns-server,{CARRIER_GATEWAY}",
)
_UDHCPC = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip link set "$interface" up
ip addr replace "$ip/$mask" dev "$interface"
ip route replace default via "$router" dev "$interface" proto dhcp metric {metric}
"""


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
    _run("ip", "-batch", "-", input="\n".join(lines) + "\n")


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
    where.popen(
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--server=8.8.8.8"),
        *("--cache-size=0", "--user=root", "--group=root", "--pid-file=", "--bind-interfaces", "--except-interface=lo"),
        *(f"--interface={interface}" for interface in listen),
        *(f"--dhcp-leasefile={net.folder / where.name}.leases", f"--log-facility={log}", "--no-ping", *options),
    )
    _until(lambda: log.exists() and "started" in log.read_text(), f"dnsmasq of {where.name} did not start")


def _until(done: Callable[[], bool], text: str, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, text
        time.sleep(0.005)


def _counted(where: Namespace) -> Traffic:
    words = where.run("nft", "list", "counter", "ip", "count", "sent").stdout.split()
    return Traffic(int(words[words.index("packets") + 1]), int(words[words.index("bytes") + 1]))


def _sweep() -> None:
    """Removes what a killed test run has left: namespaces of processes that are no more."""
    folder = Path("/run/netns")
    for path in folder.glob("dt*-*") if folder.is_dir() else ():
        pid = path.name[2:].split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            Namespace(path.name).close()
            _forget_folder(Path("/etc/netns") / path.name)


def _forget_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))


def _run(*argv: str, check: bool = True, input: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, input=input, check=False)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}"
    return done


_reason = why_not()
needs_namespaces = pytest.mark.skipif(_reason is not None, reason=_reason or "")
"""Mark of tests that build a `network`."""
