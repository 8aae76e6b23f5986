"""The internet connection of the station: watched, moved to the SIM's data and back, its VPN kept up.

Imported only when [net] is enabled. Nothing of it takes the daemon: what breaks is started anew, with an alarm.
"""

import asyncio
from asyncio import TaskGroup
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Literal

from msgspec.structs import replace

from core.config import Config, state_dir
from core.errors import NetFailed, NetUnavailable
from core.events import NetVpn, VpnState
from core.line import Line
from core.lines import data_line
from core.log import Log
from core.net.helper_client import HelperFailed
from core.net.vpn import RestartFailed
from core.net.wifi import Wifi
from core.network_care import Care
from core.network_life import Life
from core.network_parts import NetParts, make_parts
from core.network_private import without_addresses
from core.network_show import status_of
from core.network_status import CheckResult, NetStatus
from core.network_teller import Teller
from core.registry import ClientRegistry
from core.store.store import Store

STOP_S = 8.0
RECOVER_S = 2.0
"""Of these, for what giving back left over."""
BACK_OFF_S = (1.0, 5.0, 30.0)
STABLE_S = 600.0
"""What broke after so long breaks for the first time."""
Mode = Literal["auto", "on", "off"]

_log = Log("net")


class NetworkService:
    """`run` until it is cancelled, after `stop` has given everything back. parts: other ones, for tests."""

    def __init__(
        self,
        config: Config,
        store: Store,
        lines: Mapping[str, Line],
        clients: ClientRegistry,
        *,
        parts: Callable[["NetworkService"], NetParts] | None = None,
        directory: Path | None = None,
    ) -> None:
        self._config = config
        self._net = config.net
        self._store = store
        self.line = _line_of(config, lines)
        self._teller = Teller(store, clients)
        self.directory = directory or state_dir() / "net"
        self._mode: str = config.net.mode
        self._troubles: dict[str, str] = {}
        self._life: Life | None = None
        self._stopping = False
        endpoint = config.net.vpn.endpoint
        self._vpn_names = () if endpoint is None else (endpoint.rpartition(":")[0],)
        self._parts = parts(self) if parts is not None else self._real_parts()

    def _real_parts(self) -> NetParts:
        return make_parts(
            self._net,
            self.directory.parent,
            self.line,
            modem_interface=self.modem_interface,
            tell_vpn=self.tell_vpn,
        )

    def modem_interface(self) -> str | None:
        """Never the main link. As far as it is known."""
        used = self._life.ways.interface if self._life is not None else None
        seen = dict(self.line.data.ports).get("net") if self.line is not None else None
        return self._net.interface or used or seen

    async def run(self) -> None:
        """Until cancelled. Each life is a task of its own: a group that fails in a loop breaks asyncio.timeout."""
        async with TaskGroup() as tasks:
            Care(tasks, lambda name, text: None).keep("teller", self._teller.run)
            failures = 0
            while True:
                began_s = monotonic()
                problem = await tasks.create_task(self._one_life(), name="net.life")
                self._teller.alarm("net_broke", f"the network service broke ({problem}) and is started again", "error")
                failures = 1 if monotonic() - began_s > STABLE_S else failures + 1
                await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])
                if self._stopping:
                    return

    async def _one_life(self) -> str:
        """What it died of."""
        problem = "?"
        try:
            async with TaskGroup() as tasks:
                self._life = life = Life(
                    self._net,
                    self._parts,
                    self._teller,
                    self._store.bus,
                    self.line,
                    mode=self._mode,
                    state_dir=self.directory,
                    tasks=tasks,
                    troubles=self._troubles,
                )
                self._teller.alarm("net_broke", None)
                await life.run()
        except* Exception as group:
            problem = type(group.exceptions[0]).__name__
            _log.exception("the network service broke and is started again")
        return problem

    async def stop(self, within_s: float = STOP_S) -> None:
        """Gives everything back; at most within_s."""
        life, self._stopping = self._life, True
        if life is None:
            return
        if not await life.close(monotonic() + within_s - RECOVER_S):
            _log.warning("the backup did not stop in time; the helper is asked to undo it")
            try:
                async with asyncio.timeout(RECOVER_S):
                    await self._parts.helper.recover()
            except (HelperFailed, TimeoutError) as problem:
                _log.error("the helper did not undo it", reason=str(problem) or "timeout")

    # --- what clients ask -----------------------------------------------------------------------------------------

    def status(self) -> NetStatus:
        """NetUnavailable while it is being started anew."""
        return status_of(self._living(), self._parts.watch.snapshot, self._vpn_names)

    async def check(self, reason: str) -> CheckResult:
        """Looks at the main link at once, and starts the backup when it is down. Within 2.5 s."""
        _log.info("asked to look at the internet connection", pii_reason=reason)
        return await self._living().check("a client asks")

    def failover(self, mode: Mode) -> NetStatus:
        """on: the SIM's data now. off: never by itself. auto: as the rules say. NetFailed, NetUnavailable."""
        life = self._living()
        if mode == "on" and (barred := life.machine.barred) is not None:
            cause, text = barred
            if cause == "budget":
                raise NetFailed(f"The backup can't be switched on: {text}.", trouble="budget")
            raise NetUnavailable(f"The backup can't be switched on: {text}.", reason="no_backup")
        _log.info("failover switched by hand", mode=mode)
        self._mode = mode
        life.set_mode(mode)
        return self.status()

    async def restart_vpn(self) -> None:
        """NetUnavailable without a VPN or a way to restart it; NetFailed."""
        vpn = self._parts.vpn
        if vpn is None:
            raise NetUnavailable("No VPN is configured: interface of [net.vpn].", reason="no_vpn")
        try:
            await vpn.restart()
        except RestartFailed as failed:
            if failed.trouble in ("no_helper", "program_missing"):
                raise NetUnavailable(failed.text, reason=failed.trouble) from None
            raise NetFailed(failed.text, trouble=failed.trouble) from None

    @property
    def wifi(self) -> Wifi:
        return self._parts.wifi

    async def tell_vpn(self, happened: NetVpn) -> None:
        """From the keeper of the VPN. Whoever may read events may not see every address."""
        self._teller.fact(replace(happened, reason=without_addresses(happened.reason, self._vpn_names)))
        self._teller.alarm("net_vpn", _vpn_alarm(happened))

    def _living(self) -> Life:
        if self._life is None:
            raise NetUnavailable("The network service is being started.", reason="starting")
        return self._life


def _vpn_alarm(happened: NetVpn) -> str | None:
    """Restarting is none by itself: it follows one, which stays until the VPN is up or switched off."""
    if happened.state in (VpnState.UP, VpnState.OFF):
        return None
    return f"the VPN {happened.interface} does not work: it is restarted, or looked up again, until it does"


def _line_of(config: Config, lines: Mapping[str, Line]) -> Line | None:
    """Whose data is the backup."""
    name = data_line(config)
    return lines.get(name) if name is not None else None
