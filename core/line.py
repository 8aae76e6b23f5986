"""A line: what the services know of a phone. A modem with its SIM is one; SIP or AudioSocket could be others.

Services never name a modem. Facts come up by being pulled (`await line.next()`), wishes go down as calls, so that a
line never waits for a service. `handle` names one call on one line as long as the process lives; it never repeats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from core.audio import PcmFormat


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class CallState(StrEnum):
    """States of a call as clients see them (design §3)."""

    INCOMING = "incoming"
    DIALING = "dialing"
    ALERTING = "alerting"
    ACTIVE = "active"
    HELD = "held"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a call is over. The network's own words stand beside it as network_text."""

    REMOTE_HANGUP = "remote_hangup"
    LOCAL_HANGUP = "local_hangup"
    REJECTED = "rejected"
    MISSED = "missed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NO_CARRIER = "no_carrier"
    MODEM_LOST = "modem_lost"
    CORE_RESTARTED = "core_restarted"
    LIMIT = "limit"
    ERROR = "error"


class LineState(StrEnum):
    """What `status` and modem.state say of a line."""

    OFFLINE = "offline"  # never seen, or gone for longer than the grace
    STARTING = "starting"  # ports open, being configured
    READY = "ready"
    RECONNECTING = "reconnecting"  # gone a moment ago; sticks re-enumerate by themselves
    FAILED = "failed"  # answers, but can't be used; `reason` says why


class AudioVerdict(StrEnum):
    HEALTHY = "healthy"  # first attempt, no stall
    SUSPECT = "suspect"  # came up late or stalled for a moment: the next call may be bad
    ONE_WAY = "one_way"  # one direction carried nothing
    FAILED = "failed"  # never came up


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What one call's audio really did: goes into call.ended as `audio`. Rates are bytes per second."""

    attempts: int
    open_ms: int | None
    rate_hz: int
    measured_rate_hz: int | None
    bytes_in: int
    bytes_out: int
    in_bytes_per_s: int
    out_bytes_per_s: int
    downlink_dropped_frames: int
    uplink_silence_frames: int
    uplink_stalls: int
    alignment_shifts: int
    verdict: AudioVerdict


@dataclass(frozen=True, slots=True)
class Tick:
    """One ptime of a call, both directions, as they passed the port. The recording is made of these.

    index counts from 0 and has a hole where ticks were dropped because nobody read them (200 ms bound).
    downlink is what the far end said (None: nothing came in time), uplink what was written for it. uplink_frames is
    the number of frames of `write()` that have gone out up to and including this tick, so that playout knows how
    far it was heard; a tick of silence does not raise it. at_s is time.monotonic() at the write.
    """

    index: int
    downlink: bytes | None
    uplink: bytes
    uplink_frames: int
    at_s: float


class AudioClosed(Exception):
    """The audio of this call is over; raised by AudioPort.read()."""


class AudioPort(Protocol):
    """The voice of one call. One reader; `write` never blocks."""

    @property
    def format(self) -> PcmFormat: ...

    async def read(self) -> Tick:
        """The next tick; raises AudioClosed after close or when the modem goes."""

    def room(self) -> int:
        """How many frames `write` takes now. The bound is 60 ms: what lies here can still be flushed."""

    def write(self, frame: bytes) -> bool:
        """Queues one whole frame (format.frame_bytes); False when full, ValueError when not a whole frame."""

    def flush(self) -> int:
        """Barge-in: drops queued frames that have not gone out; gives how many."""

    @property
    def ailment(self) -> str | None:
        """What is wrong with it while it is open, for people: one side hears nothing. None while both carry."""


@dataclass(frozen=True, slots=True)
class LineIncoming:
    """A new call wants in. number is None when withheld; waiting: it came while another call was up."""

    handle: int
    number: str | None
    withheld: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class LineCaller:
    """The number came after the first ring."""

    handle: int
    number: str | None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class LineRing:
    """One ring of the network, numbered from 1. The same RING on two ports is one ring."""

    handle: int
    ring: int


@dataclass(frozen=True, slots=True)
class LineProgress:
    """An existing call changed to dialing, alerting, active or held."""

    handle: int
    state: CallState


@dataclass(frozen=True, slots=True)
class LineReleased:
    """A call is gone. duration_s: the modem's own END field, None where it gave none."""

    handle: int
    reason: EndReason
    network_text: str | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class LineDtmf:
    """The far end pressed a key: one of 0-9 * # A-D. handle is that of the active call."""

    handle: int
    digit: str


@dataclass(frozen=True, slots=True)
class LineStatus:
    """The line itself changed state. lost: True once the grace of 20 s is over (modem.lost)."""

    state: LineState
    reason: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class LineSignal:
    """Strength, quality or access technology changed by more than the hysteresis. None: unknown.

    rsrp_dbm, rsrq_db, sinr_db: of LTE only. access_technology: gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte.
    """

    rssi_dbm: int | None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    access_technology: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line keeps a received message until it is told that it is safe here.

    life counts the lives of the modem and the changes of its SIM: an index of an earlier one names another message
    by now, and must never be deleted.
    """

    life: int
    memory: str
    index: int


@dataclass(frozen=True, slots=True)
class HeldPdu:
    """One message from the network. pdu: upper-case hexadecimal, SMSC field first (TS 27.005 §3.1 <pdu>).

    place is None when it was handed over directly (+CMT, +CDS) and no copy is left in the modem.
    """

    pdu: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class LineMail:
    """What one sweep of the modem's memories found, at most MAIL_ITEMS. Answer it with `discard` or `keep`."""

    items: tuple[HeldPdu, ...]


MAIL_ITEMS = 64


class UssdState(StrEnum):
    """<m> of +CUSD (TS 27.007 §7.15)."""

    DONE = "done"  # 0: no further action needed
    REPLY_WANTED = "reply_wanted"  # 1: the network waits for ussd.reply
    TERMINATED = "terminated"  # 2: by the network
    ELSEWHERE = "elsewhere"  # 3: another local client has responded
    UNSUPPORTED = "unsupported"  # 4
    TIMEOUT = "timeout"  # 5: network time out


@dataclass(frozen=True, slots=True)
class LineUssd:
    """A +CUSD that no request of ours waits for: the network began a session, or ended one."""

    state: UssdState
    text: str | None


@dataclass(frozen=True, slots=True)
class LineMemory:
    """The modem's message memories: full, or no longer full. Full means that the network holds messages back."""

    full: bool


@dataclass(frozen=True, slots=True)
class LineLateReference:
    """The network did take the message whose send_tpdu ended in SendUncertain last: this is its TP-MR. Told only while
    no other message has gone to the modem since."""

    reference: int


@dataclass(frozen=True, slots=True)
class LineLateRefusal:
    """As LineLateReference, but it was refused: it was certainly not sent. cms and text as in SendRefused."""

    cms: int | None
    text: str


LineMessage = LineMail | LineUssd | LineMemory | LineLateReference | LineLateRefusal


@dataclass(frozen=True, slots=True)
class UssdAnswer:
    """What the network answered to a USSD request."""

    state: UssdState
    text: str | None


class SendRefused(Exception):
    """The modem or the network said no to a short message: it was certainly not sent.

    cms: the +CMS ERROR number, where there is one (TS 27.005 §3.2.5; below 256 the network's own cause). text: the
    modem's words.
    """

    def __init__(self, cms: int | None, text: str) -> None:
        super().__init__(text)
        self.cms = cms
        self.text = text


class SendUncertain(Exception):
    """The message was handed to the modem and no answer came: it may have been sent, once."""


@dataclass(frozen=True, slots=True)
class LineRecovery:
    """One rung of the recovery ladder began or is over; fields as in modem.recovery."""

    rung: str
    state: str
    reason: str
    attempt: int = 1
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class LineFix:
    """One position. latitude and longitude in degrees north and east, WGS 84; None without a fix. fixed_unix_s: UTC."""

    latitude: float | None
    longitude: float | None
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    fixed_unix_s: float | None = None


LineCallEvent = LineIncoming | LineCaller | LineRing | LineProgress | LineReleased | LineDtmf
LineModemEvent = LineStatus | LineSignal | LineRecovery | LineFix
LineEvent = LineCallEvent | LineModemEvent


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """One message memory of modem or SIM (TS 27.005 §3.2.2): "ME", "SM" and how many of its places are taken."""

    name: str
    used: int
    total: int


@dataclass(frozen=True, slots=True)
class LineInfo:
    """For status and modem.status. Identity is personal data (scope admin); the rest is not.

    signal: rssi_dbm and all else that is known of it without asking the modem.
    """

    name: str
    state: LineState
    reason: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    revision: str | None = None
    imei: str | None = None
    imsi: str | None = None
    iccid: str | None = None
    sim: str | None = None
    operator: str | None = None
    registration: str | None = None
    rssi_dbm: int | None = None
    signal: LineSignal | None = None
    smsc: str | None = None
    memories: tuple[MemoryUse, ...] = ()
    restarting_s: float | None = None
    """While the line heals its modem by restarting it: about how long that still takes. No calls and messages then."""


@dataclass(frozen=True, slots=True)
class PacketContext:
    """One PDP context (TS 27.007 §10.1.1, §10.1.10)."""

    cid: int
    kind: str  # IP, IPV6, IPV4V6
    apn: str
    active: bool
    address: str | None = None


@dataclass(frozen=True, slots=True)
class LineCarrier:
    """The network operator that the SIM belongs to, as far as its IMSI tells, and what it takes to use it."""

    name: str | None
    country: str | None
    mcc_mnc: str
    apn: str
    ims_apn: str
    volte: bool | None
    source: str


@dataclass(frozen=True, slots=True)
class LineReport:
    """Everything a modem says of itself when asked, for modem.status. Fields are None where it does not say.

    Powers in dBm, qualities in dB; registrations in words of TS 27.007 §7.2; network_time as the modem shows it, with
    its zone. ports: role ("at", "voice", "pcm", "nmea", "diag", "qmi", "net") to path.
    """

    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    creg: str | None = None
    cgreg: str | None = None
    cereg: str | None = None
    mcc_mnc: str | None = None
    access_technology: str | None = None
    band: str | None = None
    area: str | None = None
    cell: str | None = None
    contexts: tuple[PacketContext, ...] = ()
    volte: bool | None = None
    voltage_v: float | None = None
    temperature_c: float | None = None
    network_time: str | None = None
    pin_tries_left: int | None = None
    composition: str | None = None
    usb_path: str | None = None
    ports: tuple[tuple[str, str], ...] = ()
    carrier: LineCarrier | None = None
    resets_last_hour: int = 0
    audio: str | None = None


@dataclass(frozen=True, slots=True)
class LineData:
    """What data over this line's SIM takes, and where its modem is, as far as it is known without asking. auth: none,
    pap or chap. ports: role to path, as in LineReport; usb_path None: its ports were given by name."""

    apn: str | None
    auth: str = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    usb_path: str | None = None
    ports: tuple[tuple[str, str], ...] = ()


class Line(Protocol):
    """One phone line. Every method raises PublicError subclasses only (ModemOffline, ModemRefused, NotNow …)."""

    @property
    def name(self) -> str: ...

    @property
    def info(self) -> LineInfo: ...

    async def run(self) -> None:
        """Lives for ever: finds the modem, brings it up, loses it, finds it again. Cancelled by the daemon."""

    async def next(self) -> LineEvent:
        """The next fact of this line, in order, none lost. One reader: the call service."""

    async def dial(self, number: str, *, hide_number: bool = False) -> int:
        """Answers with the handle once the modem took ATD, before the far end rings. number is already validated."""

    async def answer(self, handle: int) -> None: ...

    async def reject(self, handle: int) -> None: ...

    async def hangup(self, handle: int) -> None:
        """Goes before every waiting command. A call that is gone already is no error."""

    async def hold(self, handle: int) -> None: ...

    async def resume_held(self, handle: int) -> None: ...

    async def swap(self) -> None: ...

    async def join(self) -> None:
        """Makes one conversation of the active and the held call; both are active then and share one voice. NotNow
        without such two, Unsupported where the line can't, ModemRefused where the network doesn't let it."""

    async def send_dtmf(self, handle: int, digits: str) -> None: ...

    async def open_audio(self, handle: int) -> AudioPort:
        """Opens the voice of an active call; AudioFailed after the window (12 s) is over or the call is gone."""

    async def close_audio(self, handle: int) -> AudioReport | None:
        """Closes it and gives the report; None when it was never asked for."""

    # --- messages: a second stream of facts, so that a slow disk never holds up calls ---

    async def next_message(self) -> LineMessage:
        """The next received message or USSD fact, in order. One reader: the message service."""

    async def discard(self, places: Sequence[Place]) -> None:
        """These messages are safe on disk: the line deletes them from the modem. Places of an earlier life are left
        alone. Never raises for a modem that has gone: what is still there is offered again in its next life."""

    def keep(self, places: Sequence[Place]) -> None:
        """These could not be written: they stay in the modem and are offered again with a later sweep."""

    @property
    def can_send(self) -> bool:
        """Whether a short message has a chance now: modem there, SIM ready, registered (not: unknown or denied)."""

    async def send_tpdu(self, tpdu: bytes, *, smsc: str | None = None, more: bool = False, timeout_s: float) -> int:
        """Hands one SMS-SUBMIT TPDU (no SMSC field) to the network; its TP-MR, 0 to 255, once that took it.

        more: another follows at once, so the link is kept open (AT+CMMS). timeout_s runs from the hand-over.
        SendRefused, SendUncertain; ModemOffline, ModemBusy, TimedOut only when the modem was certainly not given it.
        """

    async def ussd(self, text: str, *, timeout_s: float) -> UssdAnswer:
        """Sends a USSD request, or the reply in an open session, and waits for the network. ModemRefused, TimedOut,
        ModemOffline, ModemBusy."""

    async def ussd_cancel(self) -> None:
        """Ends the open session, if there is one."""

    # --- the modem's own life ---

    async def report(self) -> LineReport:
        """Asks the modem for everything; seconds. ModemOffline, ModemBusy."""

    @property
    def data(self) -> LineData:
        """For the internet connection. apn None: the SIM has never been read, and nothing is configured."""

    async def unlock(self, pin: str, puk: str | None = None) -> None:
        """Enters the SIM's PIN, or with `puk` a new PIN. SimLocked when it is wrong or too few tries are left."""

    async def restart(self, reason: str) -> None:
        """Resets the modem; answers once it has taken the command. NotNow during a call."""

    async def raw_at(self, command: str, *, timeout_s: float) -> tuple[str, ...]:
        """One AT command by hand: its information lines and its final result code."""

    async def locate(self, on: bool) -> None:
        """Switches satellite positioning; LineFix facts follow. Unsupported, ModemRefused."""

    @property
    def location(self) -> LineFix | None:
        """The last position; None while it is off."""
