"""Control methods for the stick itself: status, faults, USB, SIM, radio, GPS."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from core.errors import InvalidParams, NotNow
from core.modem.emulator.commands_data import drop_data
from core.modem.emulator.control import Method
from core.modem.emulator.faults import Cure, Fault, FaultKind
from core.modem.emulator.modem import Modem
from core.modem.emulator.options import VERSION, SimState

Seconds = Annotated[float, Meta(ge=0, le=3600)]
_GARBAGE_BYTES = 12


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class FaultSet(Struct, frozen=True, forbid_unknown_fields=True):
    kind: FaultKind
    command: Annotated[str, Meta(max_length=559)] | None = None
    times: Annotated[int, Meta(ge=1)] | None = None
    delay_s: Seconds = 1.0
    text: Annotated[str, Meta(max_length=200)] = "ERROR"
    urc: Annotated[str, Meta(max_length=559)] = ""
    bytes_hex: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2}){0,2048}$")] = ""
    executed: bool = False
    after_bytes: Annotated[int, Meta(ge=0)] = 0
    after_s: Seconds = 0.0
    delay_ms: Annotated[int, Meta(ge=20, le=1000)] = 200
    gain_db: Annotated[float, Meta(ge=-60, le=20)] = -20.0
    stop: bool = False
    healthy_calls: Annotated[int, Meta(ge=0)] = 1
    refusals: Annotated[int, Meta(ge=1)] = 2
    denied: bool = False
    port: Literal["if02", "if03"] | None = None
    until: Cure | None = None


class Storm(Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=559)] = "+CSQ: 18,99"
    per_s: Annotated[int, Meta(ge=1, le=5000)] = 500
    duration_s: Annotated[float, Meta(gt=0, le=600)] = 10.0


class FaultClear(Struct, frozen=True, forbid_unknown_fields=True):
    kind: FaultKind | None = None


class Replug(Struct, frozen=True, forbid_unknown_fields=True):
    renumber: bool = False


class SimSet(Struct, frozen=True, forbid_unknown_fields=True):
    state: Literal["READY", "SIM PIN", "SIM PUK", "absent", "busy", "failure"]
    pin: Annotated[str, Meta(pattern="^[0-9]{4,8}$")] | None = None
    puk: Annotated[str, Meta(pattern="^[0-9]{8}$")] | None = None
    pin_tries: Annotated[int, Meta(ge=0, le=3)] | None = None
    puk_tries: Annotated[int, Meta(ge=0, le=10)] | None = None
    imsi: Annotated[str, Meta(pattern="^[0-9]{14,15}$")] | None = None
    iccid: Annotated[str, Meta(pattern="^[0-9A-F]{18,20}$")] | None = None
    provider: Annotated[str, Meta(pattern=r'^[^"\r\n]{0,40}$')] | None = None
    quiet: bool = False


class RadioSet(Struct, frozen=True, forbid_unknown_fields=True):
    csq: Annotated[int, Meta(ge=0, le=99)] | None = None
    registered: bool | None = None
    operator: Annotated[str, Meta(pattern=r'^[^"\r\n]{1,40}$')] | None = None
    operator_number: Annotated[str, Meta(pattern="^[0-9]{5,6}$")] | None = None
    technology: Literal["lte", "wcdma", "gsm"] | None = None


class GpsSet(Struct, frozen=True, forbid_unknown_fields=True):
    north: Annotated[float, Meta(ge=-90, le=90)] | None | UnsetType = UNSET
    east: Annotated[float, Meta(ge=-180, le=180)] = 0.0
    metres: float = 0.0
    stop_s: Seconds | None = None
    restart_s: Seconds | None = None
    silent: bool | None = None


def status(modem: Modem, _params: Nothing) -> object:
    """Everything a test asks after a run. pcm.bytes_in came from the host, bytes_out went to it."""
    stats = modem.pcm.stats
    return {
        "version": VERSION,
        "plugged": modem.ports.plugged,
        "calls": [
            {"index": call.index, "dir": int(not call.outgoing), "stat": int(call.stat), "number": call.number}
            for call in modem.calls.table.live()
        ],
        "pcm": {
            "registered": modem.pcm.registered,
            "streaming": modem.pcm.streaming,
            "rate_hz": modem.pcm.format.rate_hz,
            "bytes_in": stats.bytes_in,
            "bytes_out": stats.bytes_out,
            "underruns": stats.underruns,
            "early_bytes": stats.early_bytes,
            "lost_frames": stats.lost_frames,
            "late_ms_max": round(stats.late_ms_max, 3),
        },
        "sim": str(modem.sim_state),
        "registered": modem.registration == 1,
        "commands": modem.counters.commands,
        "unknown_commands": sorted(modem.counters.unknown_commands),
        "dtmf_sent": modem.counters.dtmf_sent,
        "sms_sent": modem.network.total,
        "faults": modem.faults.names(),
    }


def fault_set(modem: Modem, params: FaultSet) -> None:
    if params.kind is FaultKind.URC_IN_REPLY and not params.urc:
        raise InvalidParams("urc_in_reply needs the urc to put there.", path="urc")
    data = bytes.fromhex(params.bytes_hex) or modem.random.randbytes(_GARBAGE_BYTES)
    text = params.urc if params.kind is FaultKind.URC_IN_REPLY else params.text
    times = params.times
    if times is None and params.kind is FaultKind.CPCMREG_REFUSED:
        times = 1
    modem.faults.add(
        Fault(
            params.kind, params.command, times, params.delay_s, text, data, params.executed, params.after_bytes,
            params.after_s, params.delay_ms, params.gain_db, params.stop, params.healthy_calls, params.refusals,
            params.denied, int(params.port[2:]) if params.port is not None else None, params.until,
        )
    )  # fmt: skip
    if params.kind is FaultKind.ECHO:
        modem.far.set_echo(params.delay_ms, params.gain_db)
    if params.kind in (FaultKind.NETWORK_STUCK, FaultKind.SIM_HUNG):
        modem.tell_registration()


def fault_clear(modem: Modem, params: FaultClear) -> None:
    modem.faults.clear(params.kind)
    if params.kind in (None, FaultKind.ECHO):
        modem.far.set_echo(None)
    if params.kind in (None, FaultKind.NETWORK_STUCK, FaultKind.SIM_HUNG):
        modem.tell_registration()


def urc_storm(modem: Modem, params: Storm) -> None:
    """Answers at once; the lines go to the ports that AT+CATR names."""
    modem.tasks.create_task(modem.storm(params.text, params.per_s, params.duration_s), name="emulator.storm")


def brownout(modem: Modem, _params: Nothing) -> None:
    """Gone at once, and back by itself after the --reset-s of the start."""
    if not modem.ports.plugged:
        raise NotNow("It is unplugged.")
    modem.brownout()


def unplug(modem: Modem, _params: Nothing) -> None:
    if not modem.ports.plugged:
        raise NotNow("It is unplugged already.")
    modem.unplug()


def replug(modem: Modem, params: Replug) -> None:
    if modem.ports.plugged:
        raise NotNow("It is plugged in; unplug it first.")
    modem.replug(renumber=params.renumber)


def reset(modem: Modem, params: Replug) -> None:
    """As AT+CRESET: gone after 0.1 s, back after the --reset-s of the start."""
    if not modem.ports.plugged:
        raise NotNow("It is unplugged.")
    modem.reset(renumber=params.renumber)


def sim_set(modem: Modem, params: SimSet) -> None:
    before = modem.sim_state
    modem.sim.state = SimState(params.state)
    for name in ("pin", "puk", "pin_tries", "puk_tries", "imsi", "iccid", "provider"):
        if (value := getattr(params, name)) is not None:
            setattr(modem.sim, name, value)
    if params.quiet:
        return
    if modem.sim.state in (SimState.READY, SimState.PIN, SimState.PUK):
        modem.sim.pin_enabled = modem.sim.state is not SimState.READY
        modem.urc(f"+CPIN: {modem.sim.state}")
    elif modem.sim.state is SimState.ABSENT:
        modem.urc("+CPIN: NOT INSERTED")
    if (before is SimState.READY) != (modem.sim.state is SimState.READY):
        modem.tell_registration()


def radio_set(modem: Modem, params: RadioSet) -> None:
    radio = modem.radio
    if params.operator is not None:
        radio.operator = params.operator
    if params.csq is not None and params.csq != radio.csq:
        radio.csq = params.csq
        modem.urc(f"+CSQ: {radio.csq},99", lambda port: port.autocsq)
    radio.operator_number = params.operator_number or radio.operator_number
    before = (radio.registered, radio.technology)
    radio.technology = params.technology or radio.technology
    radio.registered = radio.registered if params.registered is None else params.registered
    if (radio.registered, radio.technology) != before:
        modem.tell_registration()
        modem.urc(f"+CNSMOD: {modem.access_mode}", lambda port: port.cnsmod)
        if modem.registration != 1:
            drop_data(modem)


def gps_set(modem: Modem, params: GpsSet) -> None:
    """A fix at that place; with north null, or with nothing at all, none. The rest stays as it was unless given."""
    gps = modem.gps
    if isinstance(params.north, float | int):
        gps.fix = (float(params.north), params.east, params.metres)
    elif params.north is None or (params.stop_s, params.restart_s, params.silent) == (None, None, None):
        gps.fix = None
    gps.stop_s = gps.stop_s if params.stop_s is None else params.stop_s
    gps.restart_s = gps.restart_s if params.restart_s is None else params.restart_s
    gps.silent = gps.silent if params.silent is None else params.silent


METHODS: dict[str, tuple[type[Struct], Method]] = {
    "modem.status": (Nothing, status),
    "modem.reset": (Replug, reset),
    "fault.set": (FaultSet, fault_set),
    "fault.clear": (FaultClear, fault_clear),
    "urc.storm": (Storm, urc_storm),
    "usb.brownout": (Nothing, brownout),
    "usb.unplug": (Nothing, unplug),
    "usb.replug": (Replug, replug),
    "sim.set": (SimSet, sim_set),
    "radio.set": (RadioSet, radio_set),
    "gps.set": (GpsSet, gps_set),
}
