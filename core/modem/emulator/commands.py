"""The table of all AT commands and how one is run. What is not in the table answers ERROR, and is counted.

A daemon that meets OK on a command it only tried takes the modem for another family (spikes §1): so no catch-all.
"""

from core.modem.emulator import (
    commands_audio,
    commands_basic,
    commands_call,
    commands_data,
    commands_gps,
    commands_network,
    commands_quectel,
    commands_sim,
    commands_sms,
    commands_ussd,
)
from core.modem.emulator.at_line import Command, Kind
from core.modem.emulator.at_port import AtPort
from core.modem.emulator.handler import Handler
from core.modem.emulator.modem import Modem
from core.modem.emulator.reply import OK, AtError, Reply, info
from core.modem.emulator.settings import QUOTED, SETTINGS

_UNKNOWN_KEPT = 200

COMMANDS: dict[str, Handler] = (
    commands_basic.COMMANDS
    | commands_sim.COMMANDS
    | commands_network.COMMANDS
    | commands_call.COMMANDS
    | commands_data.COMMANDS
    | commands_audio.COMMANDS
    | commands_sms.COMMANDS
    | commands_ussd.COMMANDS
    | commands_gps.COMMANDS
)
EC25 = {name: one for name, one in COMMANDS.items() if name not in commands_quectel.SIMCOM_ONLY}
EC25 |= commands_quectel.COMMANDS
NOT_EC25, NOT_SIM7600 = commands_quectel.SIMCOM_ONLY, commands_quectel.QUECTEL_SETTINGS
"""Settings that this family doesn't have."""


async def run_command(modem: Modem, port: AtPort, command: Command) -> Reply:
    """The reply to one command of a line. Raises AtError for those that fail."""
    commands, unknown = (EC25, NOT_EC25) if modem.options.model == "ec25" else (COMMANDS, NOT_SIM7600)
    handler = commands.get(command.name)
    if handler is not None:
        reply = handler(modem, port, command)
        return reply if isinstance(reply, Reply) else await reply
    if command.name in SETTINGS and command.name not in unknown:
        return _setting(modem, command)
    counts = modem.counters.unknown_commands
    if command.name in counts or len(counts) < _UNKNOWN_KEPT:
        counts[command.name] = counts.get(command.name, 0) + 1
    raise AtError


def _setting(modem: Modem, command: Command) -> Reply:
    """A command that only keeps a value."""
    setting = SETTINGS[command.name]
    if command.kind is Kind.READ:
        value = modem.settings[command.name]
        return info(f'{command.name}: "{value}"' if command.name in QUOTED else f"{command.name}: {value}")
    if command.kind is Kind.TEST:
        return info(f"{command.name}: {setting.test}") if setting.test else OK
    if command.kind is Kind.SET and modem.settings.set(command.name, command.args):
        return OK
    raise AtError
