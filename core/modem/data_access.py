"""What the internet connection wants to know of a line: how its SIM gets data, and where its modem is."""

from core.config import LineConfig
from core.line import LineData
from core.modem.carriers import Auth
from core.modem.packet_plan import Access
from core.modem.report_ports import ports_by_role
from core.modem.session import PortPaths
from core.modem.usb import UsbModem
from core.modem.usb_roles import Role


def line_data(config: LineConfig, access: Access | None, paths: PortPaths | None, usb: UsbModem | None) -> LineData:
    """access: of the SIM that was read last, as the carriers' list and core.toml have it; None: none was read yet.
    paths: of the ports, while they are open."""
    ports = ports_by_role(paths, usb) if paths is not None else {}
    if ports and config.voice_port is not None:
        ports[Role.VOICE] = config.voice_port  # also where it is PPP's, and the line does without
    # Ports in a folder (ports_dir) have the folder as their place, which is none on the bus.
    path = usb.path if usb is not None and not usb.path.startswith("/") else config.usb_path
    places = tuple((role.value, path) for role, path in ports.items())
    if access is None:
        guessed = config.apn_auth or ("none" if config.apn_user is None else "chap")
        return LineData(config.apn, guessed, config.apn_user, config.apn_password, path, places)
    auth = "chap" if access.auth is Auth.PAP_OR_CHAP else access.auth.value
    return LineData(access.apn, auth, access.username or None, access.password or None, path, places)
