"""usb_reset: takes a modem off the bus and back."""

import contextlib
import os
import time
from pathlib import Path

from core.helper.context import Context
from core.helper.refused import Refused, Trouble
from core.helper.request import Request

OFF_S, ON_S = 3.0, 1.0
"""How long the device stays off, and how long the kernel then has to begin (the old station waited 3 and 5 s)."""

MODEM_VENDORS = frozenset({"1e0e", "2c7c"})
"""SIMCom and Quectel: nothing else on the bus is ever touched."""


def usb_reset(request: Request, context: Context) -> dict[str, object]:
    """sysfs `authorized` 0, then 1 (Linux: Documentation/usb/authorization.rst)."""
    path = request.usb_path()
    device = _device(context, path)
    try:
        vendor = _vendor(device)
    except OSError:
        raise Refused(Trouble.NO_DEVICE, "there is no such USB device") from None
    if vendor not in MODEM_VENDORS:
        raise Refused(Trouble.NOT_ALLOWED, "that USB device is no modem")
    authorized = device / "authorized"
    with contextlib.suppress(OSError), context.state.intent() as held:  # a full disk is no reason to leave it hanging
        held.usb = sorted({*held.usb, path})
    try:
        _set(authorized, b"0")
        time.sleep(OFF_S)
    except OSError as problem:
        raise Refused(Trouble.REFUSED, f"the kernel refused: {problem.strerror}") from None
    finally:  # a device must not stay off because something went wrong in between
        try:
            _set(authorized, b"1")
        except OSError as problem:
            raise Refused(Trouble.REFUSED, f"the kernel refused: {problem.strerror}") from None
    _forget(context, path)
    time.sleep(ON_S)
    return {}


def put_on(context: Context, path: str) -> bool:
    """Whether a reset that was broken off had left it off the bus. OSError when the kernel refuses."""
    device = _device(context, path)
    try:
        off = (device / "authorized").read_text().strip() == "0" and _vendor(device) in MODEM_VENDORS
    except FileNotFoundError:
        off = False  # unplugged; it comes back on
    if off:
        _set(device / "authorized", b"1")
    _forget(context, path)
    return off


def _forget(context: Context, path: str) -> None:
    with contextlib.suppress(OSError), context.state.done() as held:
        held.usb = [each for each in held.usb if each != path]


def _device(context: Context, path: str) -> Path:
    return context.root / "sys/bus/usb/devices" / path


def _vendor(device: Path) -> str:
    return (device / "idVendor").read_text().strip()


def _set(file: Path, value: bytes) -> None:
    """Without O_CREAT: only what the kernel has made is written."""
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, value)
    finally:
        os.close(descriptor)
