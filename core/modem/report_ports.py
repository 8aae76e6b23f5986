"""Where the ports of a line are, by role, for its report and for scripts that read ports.json."""

from core.modem.session import PortPaths
from core.modem.usb import UsbModem
from core.modem.usb_roles import SERIAL, Role


def ports_by_role(paths: PortPaths, usb: UsbModem | None) -> dict[Role, str]:
    """Of the whole stick where it is known; else the ports that are used, which were given by name."""
    if usb is None:
        named = {Role.AT: paths.at, Role.VOICE: paths.voice, Role.PCM: paths.pcm}
        return named | ({Role.NMEA: paths.nmea} if paths.nmea is not None else {})
    found = {role: path for role in sorted(SERIAL) if (path := usb.port(role)) is not None}
    return found | ({Role.QMI: usb.qmi} if usb.qmi else {}) | ({Role.NET: usb.net} if usb.net else {})
