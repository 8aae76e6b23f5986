"""Bearers: the ways to data over the SIM. `make_bearer` gives the one that the configuration wants."""

from pathlib import Path

from core.config import NetConfig
from core.net.bearers.choice import ChosenBearer
from core.net.bearers.device import DeviceFinder, ModemDevice
from core.net.bearers.ecm import EcmBearer
from core.net.bearers.ppp import PppBearer
from core.net.bearers.qmi import QmiBearer
from core.net.helper_client import HelperClient
from core.net.types import Bearer

__all__ = ["ModemDevice", "make_bearer"]


def make_bearer(config: NetConfig, helper: HelperClient, *, device: ModemDevice | None, state_dir: Path) -> Bearer:
    """device: the line's modem, None where nothing is known of it yet. state_dir: of the daemon; what the modem must
    get back is kept in its folder `net`. bearer "none" is a mistake of the caller's."""
    if config.bearer == "ppp":
        return PppBearer(helper, device, config.ppp_port)
    finder = DeviceFinder(device, interface=config.interface, control=config.qmi_device)
    if config.bearer == "qmi":
        return QmiBearer(helper, finder, state_dir)
    if config.bearer == "ecm":
        return EcmBearer(helper, finder)
    if config.bearer == "auto":
        return ChosenBearer(finder, qmi=QmiBearer(helper, finder, state_dir), ecm=EcmBearer(helper, finder))
    raise ValueError(f"there is no bearer {config.bearer!r}")
