"""A life of the network service as net.status has it."""

from time import monotonic

from core.net.types import Links
from core.network_life import Life
from core.network_status import BackupStatus, DataStatus, NetStatus


def status_of(life: Life, links: Links, vpn_names: tuple[str, ...]) -> NetStatus:
    machine, budget, vpn = life.machine, life.meter.budget, life.parts.vpn
    return NetStatus(
        state=machine.state,
        mode=machine.mode,
        since_unix_s=life.since_unix_s,
        reason=machine.reason,
        cause=machine.cause,
        interface=machine.interface,
        links=links,
        fails=machine.main.fails,
        answers=machine.main.answers,
        verdict=machine.main.verdict,
        primary_probe=life.primary_probe,
        backup=_backup_of(life),
        data=DataStatus(budget.ledger.day, budget.spent_bytes, budget.limit_bytes),
        vpn=vpn.status() if vpn is not None else None,
        helper=life.no_helper,
        troubles=tuple(life.troubles.values()),
        vpn_names=vpn_names,
    )


def _backup_of(life: Life) -> BackupStatus:
    machine, backup, ways = life.machine, life.machine.backup, life.ways
    waits_s = backup.retry_s - monotonic()
    troubled = backup.failed or backup.broken
    return BackupStatus(
        kind=ways.kind,
        bearer=backup.bearer.value,
        traffic=backup.traffic.value != "primary",
        contested=backup.contested,
        cause=backup.cause if troubled else None,
        text=backup.text if troubled else ways.incomplete,
        retry_s=round(waits_s, 1) if machine.waiting and waits_s > 0 else None,
        barred=machine.barred[1] if machine.barred is not None else None,
        interface=ways.interface,
        up=ways.up,
        probe=life.backup_probe,
    )
