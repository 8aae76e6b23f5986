"""What can be chosen when an emulator starts, and the state of SIM and radio. Data only."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

VERSION = "1.0"
IMEI = "862636050029311"
CONTEXTS = {
    1: '1,"IP","internet","0.0.0.0",0,0,0,0',
    2: '2,"IPV4V6","ims","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0',
}
"""AT+CGDCONT from the factory; a context `ims` is the practical sign of VoLTE (spec §2.3)."""


@dataclass(frozen=True, slots=True)
class Options:
    """Start-up choices. Variants stand for firmwares that differ (spec §2, §3)."""

    directory: Path
    control: Path
    model: str = "sim7600"
    """sim7600 or ec25."""
    seed: int = 1
    double_cr: bool = True
    ok_before_end: bool = False
    """AT+CHUP answers OK first, then VOICE CALL: END: the A76 and 5G order."""
    missed_after_reject: bool = False
    wideband: bool = False
    """PCM is 16 kHz until AT+CPCMBANDWIDTH=1,x pins it to 8 kHz, as one VoLTE network showed."""
    boot_s: float = 1.0
    """From enumeration to PB DONE after a reset or replug."""
    reset_s: float = 1.0
    """How long the stick is gone from the bus after AT+CRESET."""
    burst_frames: int = 2
    """The most 20 ms frames that come in one USB burst."""
    imei: str = IMEI
    pin: str | None = None
    """Set: the SIM asks for it at each start."""
    own_number: str = ""
    cevolte: bool = False
    """AT+CEVOLTE is known, as to a few firmwares; the others answer ERROR."""
    cfun_drops: bool = False
    """AT+CFUN=0 makes the stick leave the bus and come back, as on one station."""
    sms_me: int = 23
    """Messages that the memory ME holds, and `sms_sm` the SIM."""
    sms_sm: int = 50
    reports_in_sr: bool = False
    """Status reports with ds=2 go to the memory SR instead of mem3."""
    drop_type_0: bool = False
    """Messages of type 0 are acknowledged and not shown; without, they come like any other."""
    ussd_packed: bool = False
    """With dcs 15 USSD texts are the packed septets in hexadecimal, in both directions."""
    transcript: Path | None = None


class SimState(StrEnum):
    READY = "READY"
    PIN = "SIM PIN"
    PUK = "SIM PUK"
    ABSENT = "absent"
    BUSY = "busy"
    FAILURE = "failure"


@dataclass(slots=True)
class Sim:
    state: SimState = SimState.READY
    pin: str = "1234"
    puk: str = "12345678"
    pin_enabled: bool = False
    pin_tries: int = 3
    puk_tries: int = 10
    iccid: str = "898600700907A6019125"
    imsi: str = "234150000000001"
    provider: str = "Dialtone"


@dataclass(slots=True)
class Radio:
    """csq: 0-31, 99 unknown. registered: the network would take us; cfun 1 and a ready SIM are needed besides.

    technology: of the cell, lte, wcdma or gsm.
    """

    csq: int = 18
    technology: str = "lte"
    registered: bool = True
    operator: str = "Dialtone"
    operator_number: str = "23415"
    cfun: int = 1
    area: str = "A809"
    cell: str = "0A1B2C3D"


@dataclass(slots=True)
class DialScript:
    """What the network does with outgoing calls. Times in seconds, each from the step before it."""

    outcome: str = "answer"
    alert_after_s: float = 0.3
    answer_after_s: float = 1.0
    end_after_s: float | None = None
    ceer: str | None = None


@dataclass(slots=True)
class Counters:
    commands: int = 0
    unknown_commands: dict[str, int] = field(default_factory=dict)
    """By name with how often; the first 200 names."""
    dtmf_sent: str = ""
    """Keys that the host sent into calls, the newest 1000."""
