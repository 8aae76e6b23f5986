"""What a gpsd says, and what its clients ask: JSON objects and requests. Pure.

gpsd_json(5) of gpsd 3.25, protocol 3.15. Only what a phone's receiver can tell. Absent means unknown, as gpsd has it.
"""

import re
from typing import Any

import msgspec

from core.clock import rfc3339
from core.line import LineFix

Json = dict[str, Any]

VERSION: Json = {
    "class": "VERSION", "release": "3.25", "rev": "dialtone", "proto_major": 3, "proto_minor": 15,
}  # fmt: skip
"""The release whose objects these are: clients look at it to know what they may expect."""

_REQUEST = re.compile(r"\?([A-Z]+)(?:=(.*))?", re.DOTALL)


class Watching(msgspec.Struct, frozen=True):
    """Of ?WATCH={…}, what counts here; other members (nmea, raw, pps …) are answered with false."""

    enable: bool = True
    json: bool | None = None
    device: str | None = None


def request(text: str) -> tuple[str, str | None]:
    """One request without its end as word and argument. What is no request has the word ''."""
    match = _REQUEST.fullmatch(text)
    return (match[1], match[2]) if match is not None else ("", None)


def watching(argument: str) -> Watching | None:
    """None when it isn't the JSON that was asked for."""
    try:
        return msgspec.json.decode(argument, type=Watching)
    except msgspec.DecodeError:
        return None


def device(path: str, activated: str | None) -> Json:
    """activated: RFC 3339, when the receiver was switched on; None while it is off."""
    about: Json = {"class": "DEVICE", "path": path, "driver": "NMEA0183", "native": 0, "cycle": 1.0}
    return about | ({"activated": activated, "flags": 1} if activated is not None else {"activated": 0})


def devices(path: str, activated: str | None) -> Json:
    return {"class": "DEVICES", "devices": [device(path, activated)]}


def watch(state: Watching | None) -> Json:
    """What a client watches now; None: nothing."""
    on = state is not None and state.enable
    about: Json = {
        "class": "WATCH", "enable": on, "json": on and state is not None and state.json is not False, "nmea": False,
        "raw": 0, "scaled": False, "timing": False, "split24": False, "pps": False,
    }  # fmt: skip
    return about | ({"device": state.device} if state is not None and state.device is not None else {})


def tpv(path: str, fix: LineFix) -> Json:
    """Time, position, velocity. mode 1: no fix, 2: without height, 3: with. alt is altMSL's old name."""
    about: Json = {"class": "TPV", "device": path, "mode": 1}
    if fix.latitude is None or fix.longitude is None:
        return about
    about |= {"mode": 2 if fix.altitude_m is None else 3, "status": 1}
    if fix.fixed_unix_s is not None:
        about["time"] = rfc3339(fix.fixed_unix_s)
    about |= {"lat": fix.latitude, "lon": fix.longitude}
    if fix.altitude_m is not None:
        about |= {"altMSL": fix.altitude_m, "alt": fix.altitude_m}
    return about | _known(track=fix.course_deg, speed=fix.speed_mps)


def sky(path: str, fix: LineFix) -> Json:
    """The sky as far as a fix tells of it: how many satellites are in use, and the horizontal dilution."""
    about: Json = {"class": "SKY", "device": path}
    if fix.fixed_unix_s is not None:
        about["time"] = rfc3339(fix.fixed_unix_s)
    return about | _known(hdop=fix.hdop, uSat=fix.satellites)


def poll(path: str, fix: LineFix | None, now: str) -> Json:
    """fix None: the receiver is off."""
    on = fix is not None
    return {
        "class": "POLL", "time": now, "active": int(on),
        "tpv": [tpv(path, fix)] if fix is not None else [], "gst": [],
        "sky": [sky(path, fix)] if fix is not None else [],
    }  # fmt: skip


def error(message: str) -> Json:
    return {"class": "ERROR", "message": message}


def encoded(*objects: Json) -> bytes:
    """One JSON object per line, each ended by CR LF, as gpsd does."""
    return b"".join(msgspec.json.encode(each) + b"\r\n" for each in objects)


def _known(**fields: float | None) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
