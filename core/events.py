"""Every event of the protocol: one Struct each, named on the wire by `topic`.

A *fact* is journalled in the transaction of the row that it speaks of and published after the commit; a *moment*
is live only. `scope` is what a client needs to get the event at all, `personal` lists the fields that only clients
with that event's personal scope see in the clear (others get null and the field's name in `redacted`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from core.line import CallState, Direction, EndReason, LineState, UssdState

Handle = Annotated[str, Meta(description="Call id: call_<unix seconds>_<4 base32>")]


class Scope(StrEnum):
    """What a peer may do. admin holds all others."""

    OBSERVE = "observe"
    MESSAGES = "messages"
    CALLS = "calls"
    ADMIN = "admin"


class Event(Struct, frozen=True, kw_only=True):
    """Base of all events. line and call_id are there where they apply."""

    line: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventSpec:
    """How one event travels."""

    topic: str
    type: type[Event]
    fact: bool
    scope: Scope
    personal: tuple[str, ...]
    summary: str


EVENTS: dict[str, EventSpec] = {}
_BY_TYPE: dict[type[Event], EventSpec] = {}
_E = TypeVar("_E", bound=Event)


def event(
    topic: str, *, fact: bool = True, scope: Scope = Scope.OBSERVE, personal: tuple[str, ...] = ()
) -> Callable[[type[_E]], type[_E]]:
    """Declares an event; its docstring's first line becomes its description in the schema."""

    def declare(cls: type[_E]) -> type[_E]:
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        spec = EventSpec(topic, cls, fact, scope, personal, summary)
        EVENTS[topic] = _BY_TYPE[cls] = spec
        return cls

    return declare


def spec_of(event_or_type: Event | type[Event]) -> EventSpec:
    """The declaration of an event; KeyError for an undeclared type is a mistake of ours."""
    return _BY_TYPE[event_or_type if isinstance(event_or_type, type) else type(event_or_type)]


PERSONAL_SCOPE = {"call": Scope.CALLS, "voicemail": Scope.CALLS, "sms": Scope.MESSAGES, "ussd": Scope.MESSAGES}
"""First word of a topic to the scope that sees its personal fields; all other topics: admin."""


def personal_scope(topic: str) -> Scope:
    return PERSONAL_SCOPE.get(topic.partition(".")[0], Scope.ADMIN)


# --- calls ---------------------------------------------------------------------------------------------------------


@event("call.incoming", personal=("number",))
class CallIncoming(Event, frozen=True, kw_only=True):
    """A call wants in. Sent once per call; number is null while unknown or when withheld."""

    number: str | None = None
    withheld: bool = False
    waiting: bool = False


@event("call.ring", fact=False, personal=("number",))
class CallRing(Event, frozen=True, kw_only=True):
    """One ring of an incoming call, numbered from 1; the same RING on two ports counts once."""

    ring: int
    number: str | None = None


@event("call.ringing", personal=("number",))
class CallRinging(Event, frozen=True, kw_only=True):
    """An outgoing call was taken by the modem and is being set up."""

    number: str | None = None


@event("call.alerting")
class CallAlerting(Event, frozen=True, kw_only=True):
    """The far end of an outgoing call rings."""


@event("call.connected", personal=("number",))
class CallConnected(Event, frozen=True, kw_only=True):
    """The call is answered, by us or by the far end."""

    direction: Direction
    number: str | None = None


@event("call.held")
class CallHeld(Event, frozen=True, kw_only=True):
    """The call was put on hold, or taken back (held: false)."""

    held: bool


@event("call.turn_start", fact=False)
class CallTurnStart(Event, frozen=True, kw_only=True):
    """The caller began to speak (after the minimum of speech)."""

    turn: int
    at_ms: Annotated[int, Meta(description="Start of the speech, ms since the call was connected")]


@event("call.chunk", fact=False)
class CallChunk(Event, frozen=True, kw_only=True):
    """New audio of a turn was cut at the first silence threshold; fetch it with call.chunk_audio."""

    turn: int
    chunk: Annotated[int, Meta(description="Numbered from 1 per call")]
    duration_ms: int


@event("call.partial", fact=False, personal=("text",))
class CallPartial(Event, frozen=True, kw_only=True):
    """What was understood so far while the turn may still go on."""

    turn: int
    chunk: int
    text: str | None
    confidence: float | None = None
    language: str | None = None
    engine: str | None = None
    stt_ms: Annotated[int, Meta(description="How long the engine took")] = 0
    audio_ms: Annotated[int, Meta(description="Audio of the turn that these words are of")] = 0


@event("call.turn_resumed", fact=False)
class CallTurnResumed(Event, frozen=True, kw_only=True):
    """The caller went on after a chunk was cut: an answer that is being prepared is premature."""

    turn: int
    at_ms: Annotated[int, Meta(description="Where the speech goes on, ms since the call was connected")]


@event("call.turn_end", fact=False)
class CallTurnEnd(Event, frozen=True, kw_only=True):
    """The caller stopped speaking: the second silence threshold passed."""

    turn: int
    chunks: int
    silence_ms: int
    reason: Annotated[
        str,
        Meta(
            description="silence: the ordinary threshold; complete: sooner, after a whole phrase that a client "
            "expects; number: later, in mid-number; max_length: the next turn goes on; flushed: the call ended"
        ),
    ] = "silence"


@event("call.speech", personal=("text",))
class CallSpeech(Event, frozen=True, kw_only=True):
    """What the caller said in one turn. understood is false when no engine could tell; text is then null."""

    turn: int
    text: str | None
    understood: bool
    language: str | None = None
    confidence: float | None = None
    engine: str | None = None
    problem: Annotated[
        str | None, Meta(description="engine: why, e.g. whisper: timeout; another engine gave the text, or nobody did")
    ] = None
    duration_ms: int = 0
    start_ms: Annotated[int, Meta(description="First speech of the turn, ms since the call was connected")] = 0
    end_ms: Annotated[int, Meta(description="End of its last speech")] = 0
    latency_ms: Annotated[int, Meta(description="From the end-of-turn threshold to this text")] = 0
    stt_ms: Annotated[int, Meta(description="How long the engine took")] = 0
    audio_ms: Annotated[int, Meta(description="Audio that it was given")] = 0


@event("call.speaking", fact=False, personal=("text",))
class CallSpeaking(Event, frozen=True, kw_only=True):
    """The first frame of an utterance of ours went out."""

    utterance: int
    text: str | None = None
    latency_ms: Annotated[int, Meta(description="From the accepted request to its first PCM byte")] = 0
    made_ms: Annotated[int, Meta(description="From the accepted request to the first audio of the engine or file")] = 0
    resumed: Annotated[bool, Meta(description="It goes on: what interrupted it was no interruption")] = False
    filler: Annotated[bool, Meta(description="Of the core itself, while the brain thinks")] = False


@event("tts.failed_over", fact=False)
class TtsFailedOver(Event, frozen=True, kw_only=True):
    """A speech engine failed or was late, and the next one goes on with the text; the caller hears every sentence."""

    from_engine: str
    to_engine: str
    reason: Annotated[
        str,
        Meta(description="unreachable, refused, auth, rate_limited, no_voice, timeout, truncated, crashed or missing"),
    ]
    utterance: Annotated[int | None, Meta(description="None: speech outside of calls")] = None


@event("call.spoken", personal=("text", "heard_text"))
class CallSpoken(Event, frozen=True, kw_only=True):
    """An utterance of ours is over: played to its end, or cut; heard_text is what the far end was given."""

    utterance: int
    text: str | None
    heard_text: str | None
    played_ms: int
    completed: bool
    filler: Annotated[bool, Meta(description="Of the core itself, while the brain thinks")] = False
    problem: Annotated[
        str | None,
        Meta(description="Why not all of it could be made: an error's kind, e.g. speech_unavailable: unreachable"),
    ] = None


@event("call.barge_in", personal=("heard_text",))
class CallBargeIn(Event, frozen=True, kw_only=True):
    """The caller spoke into our utterance and playout stopped; call.spoken follows, or call.speaking with resumed."""

    utterance: int
    heard_text: str | None
    played_ms: int
    reaction_ms: Annotated[int, Meta(description="From the onset of the caller's speech to our last PCM byte")]


@event("call.dtmf", personal=("digit",))
class CallDtmf(Event, frozen=True, kw_only=True):
    """The far end pressed a key."""

    digit: str | None


@event("call.tone")
class CallTone(Event, frozen=True, kw_only=True):
    """A tone of a network, a fax or a pager was recognised in what the far end sends. Told once while it lasts."""

    tone: Annotated[str, Meta(description="dial, ringback, busy, congestion, sit, cng, ced or paging")]
    frequency_hz: Annotated[float | None, Meta(description="The lower one of two; the first one of a sequence")] = None
    duration_ms: Annotated[int, Meta(description="From its beginning until it was certain")] = 0
    name: Annotated[str | None, Meta(description="Of the [[media.paging]] entry")] = None


@event("call.level", fact=False)
class CallLevel(Event, frozen=True, kw_only=True):
    """Levels of the last second, dB below full scale."""

    downlink_dbfs: float
    uplink_dbfs: float


@event("call.attached", fact=False)
class CallAttached(Event, frozen=True, kw_only=True):
    """A client is connected to the voice of the call (call.attach)."""

    attachment: Annotated[int, Meta(description="As call.attach gave it")]
    role: Annotated[str, Meta(description="listener or talker")]
    keep_hearing: Annotated[bool, Meta(description="False for a talker in whose place the core hears no turns")]


@event("call.detached", fact=False)
class CallDetached(Event, frozen=True, kw_only=True):
    """An attached client is gone, or never came; frames are of 20 ms."""

    attachment: int
    role: str
    reason: Annotated[str, Meta(description="left, all_played, replaced, call_ended or never_came")]
    frames_out: Annotated[int, Meta(description="Given to the client")] = 0
    dropped_out: Annotated[int, Meta(description="Not given, because it did not read in time")] = 0
    frames_in: Annotated[int, Meta(description="Taken from the client")] = 0
    dropped_in: Annotated[int, Meta(description="Not taken, because it sent more than the line takes")] = 0


@event("call.recorded")
class CallRecorded(Event, frozen=True, kw_only=True):
    """A recording is complete and under its last name; after the call, or after call.record stopped it."""

    path: Annotated[str | None, Meta(description="null when nothing could be recorded")]
    format: Annotated[str, Meta(description="wav or ogg; stereo, far end left, us right")]
    duration_s: float
    bytes: int = 0
    problem: Annotated[
        str | None,
        Meta(description="disk_full, too_large, stalled, no_consent, core_restarted … ; the file is valid up to there"),
    ] = None


@event("stt.progress", fact=False, scope=Scope.CALLS)
class SttProgress(Event, frozen=True, kw_only=True):
    """How far stt.transcribe is with a recording; job is the name that the request gave."""

    job: str
    done_ms: int
    total_ms: int


@event("call.audio_failed")
class CallAudioFailed(Event, frozen=True, kw_only=True):
    """The modem gave no audio, or it stopped; the call itself may still be up."""

    reason: str
    attempts: int = 0


@event("call.claimed", fact=False)
class CallClaimed(Event, frozen=True, kw_only=True):
    """Who steers the call changed; holder is a client name, null when it is free."""

    holder: str | None = None


class CallAudio(Struct, frozen=True, kw_only=True):
    """What the audio of a call really did (see docs: audio report)."""

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
    verdict: str


@event("call.missed", personal=("number",))
class CallMissed(Event, frozen=True, kw_only=True):
    """An incoming call was never answered."""

    number: str | None = None
    withheld: bool = False
    rings: int = 0


@event("call.ended", personal=("number",))
class CallEnded(Event, frozen=True, kw_only=True):
    """A call is over; sent exactly once per call."""

    direction: Direction
    reason: EndReason
    number: str | None = None
    network_text: str | None = None
    duration_s: float = 0.0
    turns: int = 0
    recording: str | None = None
    audio: CallAudio | None = None


class AnsweredBy(StrEnum):
    """Who took an outgoing call."""

    HUMAN = "human"
    MACHINE = "machine"  # an answering machine or a mailbox
    SCREENING = "screening"  # an assistant that asks who is calling
    IVR = "ivr"  # a menu
    SILENCE = "silence"
    UNKNOWN = "unknown"


@event("call.answered_by")
class CallAnsweredBy(Event, frozen=True, kw_only=True):
    """Who took our call, judged by what is heard. Comes again when what follows says otherwise, and at the beep."""

    answered_by: AnsweredBy
    confidence: Annotated[float, Meta(description="0 to 1; a judgement, no probability")]
    beep: Annotated[bool, Meta(description="The tone of a machine is over: it records from now on")] = False
    after_ms: Annotated[int, Meta(description="Of the line's time since the audio was opened")] = 0


class TransferState(StrEnum):
    """How far a transfer to a person is."""

    HELD = "held"  # the caller is on hold
    DIALING = "dialing"
    ANSWERED = "answered"
    JOINED = "joined"  # caller and person hear each other
    RETURNED = "returned"  # it did not work; the caller is with us again
    TAKING_MESSAGE = "taking_message"
    MESSAGE_SENT = "message_sent"
    FAILED = "failed"
    ENDED = "ended"  # after joined: the person has left, or the caller has


@event("call.transfer", personal=("to",))
class CallTransfer(Event, frozen=True, kw_only=True):
    """A transfer to a person went on. failed, message_sent and ended are its ends; call_id is the caller's call."""

    state: TransferState
    to: str | None = None
    reason: Annotated[
        str | None,
        Meta(
            description="busy, no_answer, no_carrier, declined, refused_by_network, not_allowed, modem, no_audio, "
            "nothing_said, person_left, caller_left …"
        ),
    ] = None
    transfer_call_id: Annotated[str | None, Meta(description="The call to the person")] = None
    message_id: Annotated[str | None, Meta(description="The short message to the person")] = None


@event("voicemail.received", personal=("number", "text"))
class VoicemailReceived(Event, frozen=True, kw_only=True):
    """A caller left a message; once per message."""

    voicemail_id: str
    number: str | None
    withheld: bool = False
    duration_s: float = 0.0
    text: Annotated[str | None, Meta(description="null where no recogniser could make words of it")] = None
    partial: Annotated[bool, Meta(description="The core, the modem or the disk stopped in the middle of it")] = False


# --- messages --------------------------------------------------------------------------------------------------------


class SmsState(StrEnum):
    """States of a short message (docs/messages.md has the table)."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"  # on its way to the modem, or between two of its parts
    SENT = "sent"  # the network took every part
    DELIVERED = "delivered"  # the recipient's phone has every part
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # handed over, no answer: it may have been sent, once


class Outcome(StrEnum):
    """What a status report says (TP-ST, TS 23.040 §9.2.3.15)."""

    DELIVERED = "delivered"
    PENDING = "pending"  # the service centre still tries
    FAILED = "failed"


class SmsWaiting(Struct, frozen=True, kw_only=True):
    """Something waits for the subscriber in a mailbox, or no longer does."""

    kind: Annotated[str, Meta(description="voicemail, fax, email or other")]
    active: bool
    count: int | None = None


@event("sms.received", personal=("number", "text", "data"))
class SmsReceived(Event, frozen=True, kw_only=True):
    """A message came in. incomplete: parts are missing; the same message_id comes again when they arrive."""

    message_id: str
    number: Annotated[str | None, Meta(description="Originator as the network gave it; a name when alphanumeric")]
    text: str | None
    data: Annotated[str | None, Meta(description="Base64, for 8-bit messages and those that can't be decoded")] = None
    encoding: str = "gsm7"
    message_class: Annotated[int | None, Meta(description="0 is a flash message")] = None
    parts: int = 1
    missing: Annotated[tuple[int, ...], Meta(description="Numbers of the parts that did not come")] = ()
    incomplete: bool = False
    silent: Annotated[bool, Meta(description="Message type 0: phones drop these without a word")] = False
    damaged: Annotated[bool, Meta(description="Not all of it could be decoded; data has the octets then")] = False
    replaces: Annotated[str | None, Meta(description="message_id of the message that this one replaces")] = None
    source_port: int | None = None
    destination_port: int | None = None
    waiting: Annotated[
        tuple[SmsWaiting, ...], Meta(description="Message waiting indications: voicemail and its like")
    ] = ()
    network_at: Annotated[str | None, Meta(description="The service centre's time stamp, with its zone")] = None


@event("sms.status", personal=("number",))
class SmsStatus(Event, frozen=True, kw_only=True):
    """An outgoing message changed state."""

    message_id: str
    state: SmsState
    number: str | None
    client_ref: str | None = None
    reason: Annotated[str | None, Meta(description="Stable word, e.g. no_answer, network_refused, core_restarted")] = (
        None
    )
    network_text: str | None = None
    cms: Annotated[int | None, Meta(description="+CMS ERROR number (TS 27.005 §3.2.5)")] = None
    parts: int = 1
    parts_sent: int = 0
    parts_delivered: int = 0
    attempts: int = 0
    next_try_at: str | None = None


@event("sms.report", personal=("number",))
class SmsReport(Event, frozen=True, kw_only=True):
    """The service centre reported on one part. message_id is null while no sent message fits: a report that overtook
    the modem's own answer comes again with it."""

    message_id: str | None
    number: str | None
    outcome: Outcome
    status: Annotated[int, Meta(description="TP-ST, 0 to 255")]
    status_text: str
    part: int | None = None
    discharged_at: str | None = None


@event("ussd.received", personal=("text",))
class UssdReceived(Event, frozen=True, kw_only=True):
    """The network sent a USSD text: an answer, or of its own accord (initiated_by network)."""

    text: str | None
    state: UssdState
    initiated_by: str = "client"


# --- line and modem --------------------------------------------------------------------------------------------------


@event("modem.state")
class ModemState(Event, frozen=True, kw_only=True):
    """The line changed: offline, starting, ready, reconnecting or failed."""

    state: LineState
    reason: str | None = None


@event("modem.lost")
class ModemLost(Event, frozen=True, kw_only=True):
    """The modem is gone for longer than the grace of 20 s."""

    reason: str | None = None


@event("modem.signal", fact=False)
class ModemSignal(Event, frozen=True, kw_only=True):
    """Signal strength, quality or access technology changed by more than it flickers."""

    rssi_dbm: int | None
    rsrp_dbm: Annotated[float | None, Meta(description="LTE only, as the two below")] = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    access_technology: Annotated[
        str | None, Meta(description="gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte; null without service")
    ] = None


@event("modem.recovery")
class ModemRecovery(Event, frozen=True, kw_only=True):
    """The daemon heals a modem: one rung of the ladder began, helped or did not (docs/recovery.md)."""

    rung: Annotated[str, Meta(description="resync, other_port, radio, reset, usb_reset, power or human")]
    state: Annotated[str, Meta(description="started, succeeded, failed or skipped")]
    reason: Annotated[str, Meta(description="What was wrong, for people")]
    attempt: Annotated[int, Meta(description="How often this rung was taken within the hour")] = 1
    duration_s: Annotated[float | None, Meta(description="Set when it is over")] = None


@event("location.fix", fact=False, personal=("latitude", "longitude", "altitude_m"))
class LocationFix(Event, frozen=True, kw_only=True):
    """Where the modem is, once a second at most while location.start is in force."""

    latitude: Annotated[float | None, Meta(description="Degrees north, WGS 84")]
    longitude: Annotated[float | None, Meta(description="Degrees east, WGS 84")]
    altitude_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    fixed_at: Annotated[str | None, Meta(description="UTC of the fix, RFC 3339")] = None


# --- internet --------------------------------------------------------------------------------------------------------


class NetVerdict(StrEnum):
    """What a look at one link found (core/net/prober.py)."""

    OK = "ok"
    DOWN = "down"  # nothing answers
    CAPTIVE = "captive"  # a portal answers in place of the internet
    DNS_FAILED = "dns_failed"  # addresses answer, names don't
    NO_LINK = "no_link"  # no carrier, address or default route: nothing could be sent


class FailoverState(StrEnum):
    """States of the failover machine; docs/network.md has its table."""

    OFF = "off"  # somebody said net.failover off: nothing is begun, the primary is still looked at
    PRIMARY = "primary"
    SUSPECT = "suspect"  # the primary failed at least once, not often enough
    STARTING_BACKUP = "starting_backup"
    BACKUP = "backup"  # the SIM's data carries the traffic
    RECOVERING = "recovering"  # so it does still, and the primary answers again
    BOTH_DOWN = "both_down"


class VpnState(StrEnum):
    """OFF: its interface does not exist."""

    UP = "up"
    STALE = "stale"
    RESTARTING = "restarting"
    DOWN = "down"
    OFF = "off"


class NetLink(Struct, frozen=True, kw_only=True):
    """One interface, without its addresses: those are for net.status."""

    interface: str
    kind: Annotated[str, Meta(description="ethernet, wifi, wwan, ppp, tunnel or other")]
    carrier: bool
    usable: Annotated[bool, Meta(description="It has carrier, an IPv4 address and a default route")]


@event("net.changed")
class NetChanged(Event, frozen=True, kw_only=True):
    """Links came, went or changed, or another one became the primary. At most one a second while they flap."""

    primary: Annotated[str | None, Meta(description="The main link's interface; never the modem's")]
    links: list[NetLink]


@event("net.failover")
class NetFailover(Event, frozen=True, kw_only=True):
    """The failover machine took a step, or its backup has trouble (then from_state is state)."""

    state: FailoverState
    from_state: FailoverState
    reason: Annotated[str, Meta(description="For people")]
    cause: Annotated[
        str | None,
        Meta(
            description="A stable word: the verdict of the primary (down, captive, dns_failed, no_link), the bearer's "
            "trouble (apn_refused, dhcp_silent, no_device, no_network, modem_reset, timeout, no_helper, "
            "program_missing, failed), contested (somebody takes our route away), budget, priority, manual"
        ),
    ] = None
    interface: Annotated[str | None, Meta(description="What carries the traffic now, as far as we decide it")] = None


@event("net.vpn")
class NetVpn(Event, frozen=True, kw_only=True):
    """The VPN came up, went stale, is being restarted, or moved to another endpoint."""

    interface: str
    state: VpnState
    from_state: VpnState
    reason: str
    handshake_age_s: float | None = None


# --- alarms, clients -------------------------------------------------------------------------------------------------


@event("alarm.raised", personal=("text",))
class AlarmRaised(Event, frozen=True, kw_only=True):
    """Something wants a person. alarm is a stable name, text is for people; client says who raised it."""

    alarm: str
    severity: str = "warning"
    text: str | None = None
    client: str | None = None


@event("alarm.cleared")
class AlarmCleared(Event, frozen=True, kw_only=True):
    """An alarm is over."""

    alarm: str
    client: str | None = None


@event("client.state")
class ClientState(Event, frozen=True, kw_only=True):
    """A client reported its own state with client.report_state."""

    client: str
    state: str
    detail: str | None = None


@event("events.lagged", fact=False)
class EventsLagged(Event, frozen=True, kw_only=True):
    """You missed events from_seq to to_seq: read them again with events.subscribe {since}, or call state.get."""

    from_seq: int
    to_seq: int
    cause: str


@event("events.displaced", fact=False)
class EventsDisplaced(Event, frozen=True, kw_only=True):
    """A newer connection took over your consumer name; this one gets no more events."""

    consumer: str


__all__ = ["EVENTS", "CallState", "Event", "EventSpec", "Scope", "event", "personal_scope", "spec_of"] + [
    spec.type.__name__ for spec in EVENTS.values()
]


def parameters(happened: Event) -> dict[str, Any]:
    """The event's own fields as plain JSON values; line and call_id left out where they don't apply."""
    from msgspec import to_builtins

    found: dict[str, Any] = to_builtins(happened)
    return {name: value for name, value in found.items() if value is not None or name not in ("line", "call_id")}
