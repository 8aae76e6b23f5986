"""Builds every part, wires them, owns the top task group. It alone imports all; only __main__ imports it."""

import asyncio
import os
import signal
from asyncio import TaskGroup
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from core.attachments import remove_left_sockets
from core.calls import CallService
from core.config import Config, LineConfig, default_socket_path, state_dir
from core.errors import PublicError
from core.events import TtsFailedOver
from core.guard import Guard, sim_regions
from core.line import Line
from core.lines import data_line
from core.log import Log
from core.media.stt import SttService
from core.media.tts import FailedOver, TtsService
from core.messages import MessageService
from core.modem.modem import ModemLine
from core.modem.pcm import PcmPort
from core.modem.profile import load_profile, profile_names
from core.modem.usb_sources import UsbSources
from core.modems import ModemService
from core.notify import ServiceManager
from core.registry import ClientRegistry
from core.rpc.context import Core
from core.rpc.server import ListenError, Server
from core.services import Services
from core.speech import SpeechService
from core.store.store import Store, StoreTooNew
from core.transfer import TransferService
from core.usb_reset import HelperUsbReset

if TYPE_CHECKING:
    from core.network import NetworkService

log = Log("daemon")

HANG_UP_S = 5.0
"""Of the 10 s that SIGTERM has in all: systemd kills what is slower."""
PRUNE_EVERY_S = 3600.0


class StartError(Exception):
    """The daemon can't start; one line that says what to do. The next try may find it well."""


class UnusableConfig(StartError):
    """The same, until somebody edits core.toml."""


async def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT. StartError before anything has begun."""
    runtime_dir = _runtime_dir(config)
    store = await _open_store(config)
    try:
        await _serve(config, store, runtime_dir)
    finally:
        await store.close()
    log.info("stopped")


async def _serve(config: Config, store: Store, runtime_dir: Path) -> None:
    speech = SpeechService(config, _tts(config, store), SttService(config.stt, config))
    for table, unknown in (("stt", speech.stt.unknown_engines()), ("tts", speech.tts.unknown_engines())):
        if unknown:
            raise UnusableConfig(f"{table}: there is no speech engine {unknown[0]!r}: see docs/speech.md")
    usb = UsbSources()
    lines = {name: _line(name, table, config, usb) for name, table in config.line.items()}
    clients = ClientRegistry(store)
    guard = Guard(config.guard, config.call, store, sim_regions(lines))
    modems = ModemService(config, store, lines, clients)
    calls = CallService(config, store, speech, lines, guard, modems)
    messages = MessageService(config, store, lines, guard, clients)
    network = _network(config, store, lines, clients)
    services = Services(
        calls=calls,
        transfers=TransferService(config.call, calls, messages, guard),
        messages=messages,
        modems=modems,
        guard=guard,
        speech=speech,
        clients=clients,
        runtime_dir=runtime_dir,
        network=network,
    )
    server = Server(Core(config=config, store=store, wired=services))
    stop = _stop_signal()
    systemd = ServiceManager.of_environment()
    await speech.tts.start()
    try:
        server.listen()
    except ListenError as problem:
        await speech.tts.close()
        raise StartError(str(problem)) from None
    try:
        async with TaskGroup() as tasks:
            finding = tasks.create_task(usb.run(), name="usb")
            running = tasks.create_task(calls.run(), name="calls")
            messaging = tasks.create_task(messages.run(), name="messages")
            serving = tasks.create_task(server.run(), name="rpc")
            tasks.create_task(speech.vads.load(), name="vad")
            pruning = tasks.create_task(_prune(store), name="prune")
            positions = tasks.create_task(modems.run(), name="modems")
            networking = tasks.create_task(_watched_over(network), name="net") if network is not None else None
            log.info("started", lines=len(lines), journal=store.head_seq)
            with systemd.told(lambda: _status(lines, calls)):
                await stop.wait()
                log.info("stopping")
                systemd.stopping()
                async with TaskGroup() as endings:
                    endings.create_task(calls.hang_up_all(HANG_UP_S), name="calls.stop")
                    endings.create_task(messages.stop(HANG_UP_S), name="messages.stop")
                    if network is not None:
                        endings.create_task(network.stop(), name="net.stop")
            for task in (serving, running, messaging, pruning, finding, positions, networking):
                if task is not None:
                    task.cancel()
    finally:
        await speech.stt.close()
        await speech.tts.close()


def _network(
    config: Config, store: Store, lines: Mapping[str, Line], clients: ClientRegistry
) -> "NetworkService | None":
    """Loaded only where it is wanted: it brings netlink, the system bus and what probes need. The phone works without
    it."""
    if not config.net.enabled:
        return None
    try:
        from core.network import NetworkService

        return NetworkService(config, store, lines, clients)
    except Exception:
        log.exception("the internet connection is not looked after: that part of the daemon can't be started")
        return None


async def _watched_over(network: "NetworkService") -> None:
    """It starts its parts anew by itself; whatever else it may do, it does not end the daemon."""
    try:
        await network.run()
    except Exception:
        log.exception("the internet connection is not looked after any more")


def _status(lines: Mapping[str, Line], calls: CallService) -> str:
    """For `systemctl status`: "sim ready, shop offline; 1 call"."""
    states = ", ".join(f"{name} {line.info.state}" for name, line in lines.items())
    live = len(calls.book.live())
    return f"{states or 'no line'}; {live} call{'' if live == 1 else 's'}"


def _tts(config: Config, store: Store) -> TtsService:
    """Kept speech lies beside the store."""
    beside = Path(config.store.path).parent if config.store.path else state_dir()
    cache_dir = Path(config.tts.cache_dir) if config.tts.cache_dir else beside / "speech"

    def failed_over(failed: FailedOver) -> None:
        store.bus.moment(
            TtsFailedOver(from_engine=failed.from_engine, to_engine=failed.to_engine, reason=failed.reason)
        )

    return TtsService(config.tts, cache_dir, failed_over)


async def _open_store(config: Config) -> Store:
    path = Path(config.store.path) if config.store.path else state_dir() / "dialtone.db"
    try:
        return await Store.open(
            path, journal_days=config.store.journal_days, journal_events=config.store.journal_events
        )
    except (PublicError, StoreTooNew, OSError) as problem:
        raise StartError(f"{path}: {problem}") from None


def _line(name: str, table: LineConfig, config: Config, sources: UsbSources) -> Line:
    if table.modem not in profile_names():
        known = ", ".join(profile_names())
        raise UnusableConfig(
            f"line.{name}.modem: {table.modem!r} is no modem that this version knows; there are: {known}"
        )
    usb = sources.for_line(table, load_profile(table.modem))
    personal = config.log.log_personal_data
    return ModemLine(
        name,
        table,
        open_pcm=PcmPort,
        usb=usb,
        personal_wire_log=personal,
        sms=config.sms,
        usb_reset=HelperUsbReset(),
        ppp_port=_ppp_port(name, config),
    )


def _ppp_port(line: str, config: Config) -> str | None:
    """The AT port that pppd has: nobody else may open it, or both hear half of what the modem says."""
    if not config.net.enabled or config.net.bearer != "ppp" or line != data_line(config):
        return None
    return config.net.ppp_port or "voice"


def _runtime_dir(config: Config) -> Path:
    """Beside the first socket: sockets of attached calls live there."""
    first = config.rpc.socket[0].path if config.rpc.socket else str(default_socket_path())
    directory = Path(first).parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StartError(f"{directory}: {problem.strerror}") from None
    if not os.access(directory, os.W_OK):
        raise StartError(f"{directory}: not writable for this user")
    remove_left_sockets(directory)
    return directory


async def _prune(store: Store) -> None:
    while True:
        await asyncio.sleep(PRUNE_EVERY_S)
        try:
            await store.prune()
        except PublicError as problem:
            log.warning("the journal was not pruned", kind=problem.kind)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
