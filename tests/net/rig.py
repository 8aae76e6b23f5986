"""A whole station in a small internet: core, helper and an emulated modem as processes of their own, the first of them
without any right in the namespace that is its machine.

qmicli is tests/net/fake_qmicli, first in PATH; wwan0 leads to the carrier's namespace.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import dialtone
from core.helper.programs import PATH
from tests.net.namespaces import VPS, Network, network
from tests.net.wireguard_rig import FAR, Tunnel, tunnel
from tests.station import ROOT, Station, Watch, _answers

CORE_UID = 65534
"""nobody: a system bus turns away whoever has no name."""
READS = "dac_read_search"
"""The interpreter may lie in root's home; nothing that changes anything goes with this one."""
UNPRIVILEGED = (
    *("setpriv", f"--reuid={CORE_UID}", f"--regid={CORE_UID}", "--clear-groups", "--no-new-privs"),
    *(f"--inh-caps=-all,+{READS}", f"--ambient-caps=-all,+{READS}", f"--bounding-set=-all,+{READS}"),
)
QUICK = """
every_s = 1.0
fail_count = 3
back_count = 2
ping_timeout_s = 0.9
priority_timeout_s = 0.8
settle_s = 0.3
hold_backup_s = 1.0
hold_primary_s = 1.0
retry_s = [0.5, 1.0]
"""
"""Of [net]: the same as at home, in seconds instead of half minutes."""

QMI = 'bearer = "qmi"\ninterface = "wwan0"\nqmi_device = "/dev/cdc-wdm0"\n'


CARRIER_MTU = 1430
"""What fake_qmicli tells."""


class NetStation(Station):
    """Made by `net_station()`. net: its internet. Facts of its processes stand in `log`."""

    def __init__(self, net: Network, directory: Path, toml: str, vpn: Tunnel | None, env: Mapping[str, str]) -> None:
        super().__init__(directory, toml, answer_after_rings=1)
        self.net = net
        self.vpn = vpn
        self._more_env = env
        self.root = directory / "root"
        """The helper's idea of /: sysfs of wwan0, name servers."""
        self.helper_socket = directory / "helper" / "helper.sock"
        self.helper_state = directory / "helper" / "state.json"
        self.modem = directory / "modem"
        """Where fake_qmicli keeps what a modem knows."""
        self.bin = directory / "bin"
        self.helper: asyncio.subprocess.Process | None = None
        self._prepare()

    @property
    def resolv_conf(self) -> Path:
        return self.root / "etc/resolv.conf"

    def _prepare(self) -> None:
        self.resolv_conf.parent.mkdir(parents=True)
        self.resolv_conf.write_text("nameserver 192.168.77.1\n")
        raw_ip = self.root / "sys/class/net/wwan0/qmi/raw_ip"
        raw_ip.parent.mkdir(parents=True)
        raw_ip.write_text("N\n")
        self.bin.mkdir()
        self.modem.mkdir()
        for name in ("helper", "state", "run"):
            (self.dir / name).mkdir()
        # A copy: the core looks for it by access(2), which counts no capability, and the checkout may be root's alone.
        shutil.copy(ROOT / "tests/net/fake_qmicli", self.bin / "qmicli")
        for path in (self.dir, self.modem, self.dir / "state", self.dir / "run", self.config):
            os.chown(path, CORE_UID, CORE_UID)
        self.dir.chmod(0o755)

    @property
    def env(self) -> dict[str, str]:
        """Of every process here."""
        return os.environ | {
            "TERM": "dumb",
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.dir / "state"),
            "XDG_STATE_HOME": str(self.dir / "state"),
            "XDG_RUNTIME_DIR": str(self.dir / "run"),
            "DIALTONE_HELPER": str(self.helper_socket),
            "DIALTONE_SOCKET": str(self.socket),
            "FAKE_QMICLI_DIR": str(self.modem),
            **self._more_env,
        }

    # --- its processes

    async def start_helper(self) -> None:
        vpn = ["--vpn", self.vpn.interface] if self.vpn else []
        self.helper = await self._within(
            *("core.helper.main", "--for-user", str(CORE_UID), "--listen", str(self.helper_socket)),
            *("--root", str(self.root), "--state", str(self.helper_state), "--interface", "wwan*", *vpn),
            *("--interface", "ppp*", "--tty", "/dev/pts/*", "--path", f"{self.bin}:{PATH}"),
        )
        await self._until(lambda: _answers(self.helper_socket), self.helper)

    async def stop_helper(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.helper is not None
        if self.helper.returncode is None:
            self.helper.send_signal(how)
        async with asyncio.timeout(30):
            return await self.helper.wait()

    async def stop_core(self, how: signal.Signals = signal.SIGTERM) -> int:
        """It gives the backup back first, which takes some runs of qmicli."""
        assert self.core is not None
        if self.core.returncode is None:
            self.core.send_signal(how)
        async with asyncio.timeout(40):
            return await self.core.wait()

    async def recover(self) -> int:
        """dialtone helper --recover, by hand."""
        words = ("--recover", "--listen", str(self.helper_socket), "--root", str(self.root))
        asking = await self._within("core.helper.main", *words, "--state", str(self.helper_state))
        async with asyncio.timeout(40):
            return await asking.wait()

    async def start_core(self) -> None:
        self.core = await self._within("core", "--config", str(self.config), before=UNPRIVILEGED)
        await self._until(lambda: _answers(self.socket), self.core)

    def cpu_s(self) -> float:
        """What the core has used, its ended threads included: the process's own clock (clock_getcpuclockid(3))."""
        assert self.core is not None
        return time.clock_gettime((~self.core.pid << 3) | 2)

    async def close(self) -> None:
        await super().close()
        if self.helper is not None and self.helper.returncode is None:
            try:
                await self.stop_helper()
            except TimeoutError:
                await self.stop_helper(signal.SIGKILL)

    async def command(self, *words: str, timeout_s: float = 60.0) -> tuple[int, str, str]:
        """The dialtone command against this core: exit code, stdout, stderr."""
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "clients.cli.main", *words, stdout=pipe, stderr=pipe, env=self.env, cwd=ROOT
        )
        async with asyncio.timeout(timeout_s):
            out, err = await child.communicate()
        assert child.returncode is not None
        return child.returncode, out.decode(), err.decode()

    async def _process(self, module: str, *arguments: str) -> asyncio.subprocess.Process:
        """The emulator's: its ports are of the core's user."""
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *UNPRIVILEGED, sys.executable, "-m", module, *arguments, stdout=log, stderr=log, cwd=ROOT, env=self.env
            )

    async def _within(self, module: str, *words: str, before: tuple[str, ...] = ()) -> asyncio.subprocess.Process:
        """A process of ours in the host's namespace."""
        inside = ("ip", "netns", "exec", self.net.host.name, *before, sys.executable, "-m", module, *words)
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(*inside, stdout=log, stderr=log, cwd=ROOT, env=self.env)

    # --- what the modem does

    def orders(self, **wrong: Any) -> None:
        """What goes wrong with QMI from now on (tests/net/fake_qmicli); nothing: all is well again."""
        fresh = self.modem / "orders.new"
        fresh.write_text(json.dumps(wrong))
        fresh.chmod(0o666)
        fresh.replace(self.modem / "orders.json")

    async def pull_modem(self) -> None:
        """It is gone from the USB, its interface has lost its carrier, and it will have forgotten everything."""
        await self.control("usb.unplug")
        self.orders(gone=True)
        self.net.unplug_carrier()
        (self.modem / "modem.json").unlink(missing_ok=True)

    async def plug_modem(self) -> None:
        self.net.plug_carrier()
        self.orders()
        await self.control("usb.replug")

    def held_by_modem(self) -> tuple[int, int]:
        """(client ids, networks) that somebody has taken and not given back."""
        found = json.loads((self.modem / "modem.json").read_text())
        return len(found["clients"]), len(found["networks"])

    def asked_of_qmi(self) -> str:
        log = self.modem / "calls.log"
        return log.read_text() if log.exists() else ""

    # --- what the kernel has

    def routes(self) -> str:
        """All IPv4 routes of the main table, and the IPv6 defaults."""
        ours = self.net.host.run("ip", "-4", "route").stdout
        return ours + self.net.host.run("ip", "-6", "route", "show", "default").stdout

    def our_routes(self) -> list[str]:
        found = self.net.host.run("ip", "-4", "route", "show", "proto", "219").stdout.splitlines()
        return found + self.net.host.run("ip", "-6", "route", "show", "proto", "219").stdout.splitlines()

    def wwan0(self) -> str:
        return self.net.host.run("ip", "-br", "addr", "show", "wwan0").stdout

    # --- waiting

    async def until(self, there: Callable[[], bool], what: str, timeout_s: float = 40.0) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not there():  # noqa: ASYNC110 - the kernel and other processes change it
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s:g} s: {what}") from None

    async def looked(self, verdict: str, times: int) -> None:
        """Until that was found over the main link so many times more. A time alone says nothing: a busy machine may
        look once in it, or not at all."""
        words = f"main link interface=eth0 verdict={verdict} "
        enough = self.log.read_text().count(words) + times
        await self.until(lambda: self.log.read_text().count(words) >= enough, f"{times} looks that find {verdict}")

    async def sends_by_carrier(self) -> None:
        """Until a packet of the machine's own that names no interface leaves by the carrier, and none by the router."""
        async with asyncio.timeout(40):
            while not await asyncio.to_thread(self._pinged, VPS):  # noqa: ASYNC110 - asked by ping
                await asyncio.sleep(0.05)

    def _pinged(self, address: str) -> bool:
        before = self.net.carrier_traffic().packets
        done = self.net.host.run("ping", "-c1", "-W1", address, check=False)
        return done.returncode == 0 and self.net.carrier_traffic().packets > before


async def reaches(
    watch: Watch, state: str, *, count: int = 1, after: int = 0, timeout_s: float = 40.0
) -> dict[str, Any]:
    """The count-th net.failover into that state. after: so many events of the watch were before, and don't count."""
    before = {id(event.params) for event in watch.seen[:after]}
    return await watch.wait(
        "net.failover",
        lambda params: params["state"] == state and params["from_state"] != state and id(params) not in before,
        count=count,
        timeout_s=timeout_s,
    )


async def carries(phone: dialtone.Phone) -> None:
    """Until the backup has the traffic, also when its event came before anybody listened."""
    async with asyncio.timeout(40):
        while (await phone.call("net.status"))["state"] != "backup":  # noqa: ASYNC110 - asked by RPC
            await asyncio.sleep(0.05)


@asynccontextmanager
async def net_station(
    toml: str = "",
    *,
    base: str = QUICK,
    bearer: str = QMI,
    after: str = "",
    helper: bool = True,
    core: bool = True,
    emulator: bool = True,
    enabled: bool = True,
    vpn: str | None = None,
    env: Mapping[str, str] | None = None,
    **internet: Any,
) -> AsyncIterator[NetStation]:
    """All of it, up. toml: more of [net]; after: more tables; vpn: more of [net.vpn], with a tunnel to the VPS that is
    up already. internet: for `network()`. The folder is short: socket paths have 107 bytes."""
    with ExitStack() as stack:
        net = stack.enter_context(network(**internet))
        net.carrier.ip(f"link set cell0 mtu {CARRIER_MTU}")  # else veth drops what is larger, as no network does
        wg = stack.enter_context(tunnel(net, keepalive_s=1)) if vpn is not None else None
        if wg is not None:
            after += f'\n[net.vpn]\ninterface = "{wg.interface}"\nping = "{FAR}"\n{vpn}'
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dtn")))
        net_table = f"[net]\nenabled = {str(enabled).lower()}\n" + base + bearer + toml + after
        async with NetStation(net, directory, net_table, wg, env or {}) as made:
            if emulator:
                await made.start_emulator()
            if helper:
                await made.start_helper()
            if core:
                await made.start_core()
            yield made
