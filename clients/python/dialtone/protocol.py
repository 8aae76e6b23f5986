"""Types of the Dialtone protocol. Written by `python -m core.rpc.spec --write`; changes here are lost.

Params, results and events by name, as TypedDicts. A fact carries `seq`, a moment `after_seq`.
"""

from typing import Any, Literal, NotRequired, TypedDict

Method = Literal[
    "$/cancelRequest",
    "brain.register",
    "brain.withdraw",
    "call.accept",
    "call.attach",
    "call.chunk_audio",
    "call.claim",
    "call.configure",
    "call.dtmf",
    "call.get",
    "call.hangup",
    "call.hold",
    "call.list",
    "call.pause",
    "call.play",
    "call.record",
    "call.recording_file",
    "call.recordings",
    "call.reject",
    "call.release",
    "call.resume",
    "call.resume_held",
    "call.speak",
    "call.start",
    "call.status",
    "call.stop",
    "call.swap",
    "call.to_voicemail",
    "call.transfer",
    "client.hello",
    "client.report_state",
    "events.ack",
    "events.subscribe",
    "events.unsubscribe",
    "guard.check",
    "guard.status",
    "health",
    "language.get",
    "language.set",
    "location.get",
    "location.start",
    "location.stop",
    "modem.at",
    "modem.carrier",
    "modem.history",
    "modem.reset",
    "modem.signal",
    "modem.status",
    "modem.unlock",
    "net.check",
    "net.failover",
    "net.status",
    "net.vpn",
    "net.wifi.connect",
    "net.wifi.list",
    "net.wifi.saved",
    "net.wifi.set_priority",
    "rpc.discover",
    "sms.cancel",
    "sms.conversation",
    "sms.conversations",
    "sms.delete",
    "sms.erase",
    "sms.export",
    "sms.get",
    "sms.list",
    "sms.queue",
    "sms.resolve",
    "sms.search",
    "sms.send",
    "state.get",
    "status",
    "stt.engines",
    "stt.phrases",
    "stt.result",
    "stt.transcribe",
    "synthesize",
    "transcribe",
    "tts.cancel",
    "tts.prefetch",
    "tts.queue",
    "tts.synthesize",
    "tts.voices",
    "ussd.cancel",
    "ussd.reply",
    "ussd.send",
    "voicemail.audio",
    "voicemail.delete",
    "voicemail.get",
    "voicemail.get_greeting",
    "voicemail.list",
    "voicemail.mark_heard",
    "voicemail.set_greeting",
]
Fact = Literal[
    "alarm.cleared",
    "alarm.raised",
    "call.alerting",
    "call.answered_by",
    "call.audio_failed",
    "call.barge_in",
    "call.connected",
    "call.dtmf",
    "call.ended",
    "call.held",
    "call.incoming",
    "call.missed",
    "call.recorded",
    "call.ringing",
    "call.speech",
    "call.spoken",
    "call.tone",
    "call.transfer",
    "client.state",
    "modem.lost",
    "modem.recovery",
    "modem.state",
    "net.changed",
    "net.failover",
    "net.vpn",
    "sms.received",
    "sms.report",
    "sms.status",
    "ussd.received",
    "voicemail.received",
]
Moment = Literal[
    "call.attached",
    "call.chunk",
    "call.claimed",
    "call.detached",
    "call.level",
    "call.partial",
    "call.ring",
    "call.speaking",
    "call.turn_end",
    "call.turn_resumed",
    "call.turn_start",
    "events.displaced",
    "events.lagged",
    "location.fix",
    "modem.signal",
    "stt.progress",
    "tts.failed_over",
]
Topic = Fact | Moment
ErrorKind = Literal[
    "parse_error",
    "invalid_request",
    "method_not_found",
    "internal",
    "modem_offline",
    "modem_busy",
    "line_busy",
    "not_found",
    "not_now",
    "not_dialable",
    "forbidden",
    "claimed",
    "engine_missing",
    "path_refused",
    "limit",
    "emergency_denied",
    "audio_failed",
    "timeout",
    "store_failed",
    "ack_beyond_head",
    "modem_refused",
    "displaced",
    "not_understood",
    "unsupported",
    "ref_taken",
    "guard_refused",
    "too_long",
    "ussd_failed",
    "modem_restarting",
    "sim_locked",
    "speech_unavailable",
    "net_unavailable",
    "net_failed",
    "invalid_params",
    "cancelled",
]
ERROR_CODES: dict[ErrorKind, int] = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    "internal": -32603,
    "modem_offline": -32001,
    "modem_busy": -32002,
    "line_busy": -32003,
    "not_found": -32004,
    "not_now": -32005,
    "not_dialable": -32006,
    "forbidden": -32007,
    "claimed": -32008,
    "engine_missing": -32009,
    "path_refused": -32010,
    "limit": -32011,
    "emergency_denied": -32012,
    "audio_failed": -32013,
    "timeout": -32014,
    "store_failed": -32015,
    "ack_beyond_head": -32016,
    "modem_refused": -32017,
    "displaced": -32018,
    "not_understood": -32019,
    "unsupported": -32020,
    "ref_taken": -32021,
    "guard_refused": -32022,
    "too_long": -32023,
    "ussd_failed": -32024,
    "modem_restarting": -32025,
    "sim_locked": -32026,
    "speech_unavailable": -32027,
    "net_unavailable": -32028,
    "net_failed": -32029,
    "invalid_params": -32602,
    "cancelled": -32800,
}
AnsweredBy = Literal["human", "ivr", "machine", "screening", "silence", "unknown"]
CallState = Literal["active", "alerting", "dialing", "ended", "held", "incoming"]
Coding = Literal["alaw", "pcm_s16le", "ulaw"]
Direction = Literal["in", "out"]
EndReason = Literal[
    "busy",
    "core_restarted",
    "error",
    "limit",
    "local_hangup",
    "missed",
    "modem_lost",
    "no_answer",
    "no_carrier",
    "rejected",
    "remote_hangup",
]
FailoverState = Literal["backup", "both_down", "off", "primary", "recovering", "starting_backup", "suspect"]
FileKind = Literal[
    "incoming_raw",
    "outgoing_tts",
    "recording",
    "timing",
    "transcription",
    "vad_chunk",
    "vad_chunk_text",
]
Handled = Literal["transfer", "voicemail"]
LineState = Literal["failed", "offline", "ready", "reconnecting", "starting"]
Mix = Literal["downlink", "mixed", "stereo", "uplink"]
NetVerdict = Literal["captive", "dns_failed", "down", "no_link", "ok"]
Outcome = Literal["delivered", "failed", "pending"]
Scope = Literal["admin", "calls", "messages", "observe"]
SmsState = Literal["cancelled", "delivered", "expired", "failed", "queued", "received", "sending", "sent", "unknown"]
TransferState = Literal[
    "answered",
    "dialing",
    "ended",
    "failed",
    "held",
    "joined",
    "message_sent",
    "returned",
    "taking_message",
]
UssdState = Literal["done", "elsewhere", "reply_wanted", "terminated", "timeout", "unsupported"]
VpnState = Literal["down", "off", "restarting", "stale", "up"]
WhenFull = Literal["drop", "wait"]


class Acked(TypedDict):
    """Where the consumer stands now; never lower than before."""

    seq: int


class AlarmInfo(TypedDict):
    alarm: str
    severity: str
    client: str
    at: str
    text: str | None


class AlarmReport(TypedDict):
    # A stable name
    alarm: str
    severity: NotRequired[Literal["critical", "error", "info", "warning"]]
    text: NotRequired[str | None]


class AttachResult(TypedDict):
    # Unix socket, for one client of the asking user, within connect_within_s
    path: str
    # As call.attached and call.detached name it
    attachment: int
    rate_hz: int
    ptime_ms: int
    format: Coding
    # Of what the client gets; what it sends is mono
    channels: int
    connect_within_s: float


class AudioResult(TypedDict):
    # base64
    audio: str
    format: Literal["ogg", "pcm", "wav"]
    rate_hz: int
    duration_ms: int


class BrainResult(TypedDict):
    priority: int
    # Calls that this brain steers now
    calls: list[str]


class CallAudio(TypedDict):
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


class CallFileInfo(TypedDict):
    call_id: str
    # Below the folder of [recording]; for call.recording_file
    name: str
    kind: FileKind
    # wav, ogg, txt or json
    format: str
    bytes: int
    modified_at: str


class CallInfo(TypedDict):
    """A call as methods and state.get show it. Times are RFC 3339, UTC; holder is the client that steers it."""

    call_id: str
    line: str
    direction: Direction
    state: CallState
    number: str | None
    withheld: bool
    started_at: str | None
    connected_at: str | None
    duration_s: float
    rings: int
    holder: str | None
    handled: Handled | None
    reason: EndReason | None
    network_text: str | None
    seq: int | None


class TurnInfo(TypedDict):
    # caller or bot
    role: str
    turn: int
    text: str | None
    heard_text: str | None
    understood: bool
    confidence: float | None
    engine: str | None
    language: str | None
    at_ms: int
    duration_ms: int
    latency_ms: int


class RecordingInfo(TypedDict):
    """One finished recording of a call, whatever became of its file."""

    # From 1; 0 where nothing was recorded, see problem
    part: int
    path: str | None
    format: str
    duration_s: float
    bytes: int
    problem: str | None
    removed_at: str | None
    # age or size, by [recording] keep_days and max_bytes
    removed_because: str | None


class CallRecord(TypedDict):
    """A call of the log. turns, recordings and files are there in call.get only."""

    call_id: str
    line: str
    direction: Direction
    state: CallState
    number: str | None
    withheld: bool
    rings: int
    started_at: str | None
    connected_at: str | None
    ended_at: str | None
    duration_s: float | None
    reason: EndReason | None
    network_text: str | None
    recording: str | None
    audio: CallAudio | None
    turns: list[TurnInfo]
    recordings: list[RecordingInfo]
    files: list[CallFileInfo]


class CallPage(TypedDict):
    calls: list[CallRecord]
    next: str | None


class CallStatus(TypedDict):
    active: bool
    call: CallInfo | None


class CallStatusWithSeq(TypedDict):
    active: bool
    call: CallInfo | None
    # The newest fact that this request caused
    seq: NotRequired[int]


class ClaimResult(TypedDict):
    call_id: str
    token: str


class ClientInfo(TypedDict):
    name: str
    connected: bool
    scopes: list[str]
    brain_priority: int | None
    state: str | None
    detail: str | None


class SmsWaiting(TypedDict):
    """Something waits for the subscriber in a mailbox, or no longer does."""

    # voicemail, fax, email or other
    kind: str
    active: bool
    count: int | None


class MessageInfo(TypedDict):
    """One short message, in or out."""

    message_id: str
    line: str
    direction: Direction
    # The other party as the network has it: a name when alphanumeric, null when it can't be read
    number: str | None
    text: str | None
    # Base64, for 8-bit messages and those that can't be decoded
    data: str | None
    encoding: Literal["binary", "gsm7", "ucs2"]
    # 0 is a flash message
    message_class: int | None
    state: SmsState
    # Stable word that says why it is in this state
    reason: str | None
    network_text: str | None
    # +CMS ERROR number (TS 27.005 §3.2.5)
    cms: int | None
    client_ref: str | None
    priority: Literal["high", "low", "normal"]
    # Whether a status report was asked for
    report: bool
    parts: int
    parts_sent: int
    parts_delivered: int
    # Numbers of the parts that did not come
    missing: list[int]
    incomplete: bool
    silent: bool
    # Not all of it could be decoded; data has the octets then
    damaged: bool
    # message_id of the message that this one replaces
    replaces: str | None
    source_port: int | None
    destination_port: int | None
    # Message waiting indications
    waiting: list[SmsWaiting]
    attempts: int
    # RFC 3339
    created_at: str
    # RFC 3339
    updated_at: str
    # RFC 3339
    send_at: str | None
    # RFC 3339
    expires_at: str | None
    # RFC 3339
    next_try_at: str | None
    # RFC 3339
    sent_at: str | None
    # RFC 3339
    delivered_at: str | None
    # The service centre's time stamp, RFC 3339 with its zone
    network_at: str | None
    smsc: str | None
    # It was only checked and never queued
    dry_run: bool


class ConversationInfo(TypedDict):
    # E.164 where it can be understood; null for what can't be read
    number: str | None
    messages: int
    last: MessageInfo


class ConversationPage(TypedDict):
    conversations: list[ConversationInfo]
    next: str | None


class Done(TypedDict):
    """It is done; there is nothing more to say."""


class Empty(TypedDict):
    """No parameters, or nothing to say."""


class EmptyWithSeq(TypedDict):
    """No parameters, or nothing to say."""

    # The newest fact that this request caused
    seq: NotRequired[int]


class VoiceInfo(TypedDict):
    name: str
    language: str
    gender: str | None
    description: str | None


class EngineInfo(TypedDict):
    name: str
    # It says what names no engine
    current: bool
    # What it lacks and how to get it; null: it can be used
    missing: str | None
    # Why its voices could not be listed
    problem: str | None
    # Why it is not asked at the moment, if it failed lately
    put_aside: str | None
    voices: list[VoiceInfo]
    # false: it was never tried against the real service
    verified: bool


class Engines(TypedDict):
    tts: str
    stt: str
    # What tells speech from noise: webrtc, silero or ten
    vad: str


class ErasedPartyWithSeq(TypedDict):
    """What is gone now."""

    messages: int
    calls: int
    # Events in the journal that no longer say who or what
    facts: int
    # Calls that had a recording
    recordings: int
    # Recordings removed; others lie outside of the configured directory
    files: int
    # No trace is left in the store's files. False: they are too large to be rewritten while it runs
    scrubbed: bool
    # The newest fact that this request caused
    seq: NotRequired[int]


class FilePiece(TypedDict):
    name: str
    offset: int
    # base64
    data: str
    # Of the whole file, as it is now
    bytes: int
    # offset of the following piece; null at the end
    next: int | None


class GreetingInfo(TypedDict):
    """Either text, or audio: a WAV file in base64."""

    text: str | None
    audio: str | None


class GuardLimits(TypedDict):
    """As in [guard] of core.toml; 0 is no limit."""

    sms_per_minute: int
    sms_per_hour: int
    sms_per_day: int
    calls_per_hour: int
    calls_per_day: int


class GuardLine(TypedDict):
    """One line. SMS are counted in parts, as networks bill them; a day is the last 24 hours."""

    line: str
    sms_last_hour: int
    sms_last_day: int
    calls_last_hour: int
    calls_last_day: int
    limits: GuardLimits
    # Country by which numbers without + are read
    region: str | None


class GuardStatus(TypedDict):
    lines: list[GuardLine]
    dry_run: bool
    premium: Literal["allow", "deny"]
    # Patterns of the deny list
    deny: int
    # Patterns of the allow list
    allow: int


class GuardVerdict(TypedDict):
    """What sms.send or call.start would be told now, as far as the guard is concerned."""

    allowed: bool
    # E.164 where the number can be understood, else its digits
    number: str
    # Which rule refuses: emergency, deny, allow, premium, dry_run, sms_per_hour, sms_per_day, calls_per_hour or
    # calls_per_day
    rule: str | None
    text: str | None
    # When a limit is reached: how long until it is free again
    retry_after_s: float | None


class Health(TypedDict):
    status: Literal["degraded", "failed", "ok"]
    problems: list[str]
    timestamp: str
    # Worth knowing; they don't make the status worse
    notes: list[str]


class Hello(TypedDict):
    """Who is at the other end, and what you may do."""

    server: str
    version: str
    scopes: list[Scope]


class LanguageResult(TypedDict):
    user_id: str | int
    language: str


class MemoryInfo(TypedDict):
    # ME: the modem's own; SM: the SIM's (TS 27.005 §3.2.2)
    name: str
    used: int
    total: int


class LineQueue(TypedDict):
    """today: the last 24 hours."""

    line: str
    queued: int
    sending: int
    # Held for a decision: see sms.resolve
    unknown: int
    sent_today: int
    failed_today: int
    can_send: bool
    # After a refusal that concerned the whole line
    blocked_for_s: float
    # Second copies of a delivery that were dropped since the start
    duplicates: int
    memories: list[MemoryInfo]
    smsc: str | None


class LineStatusInfo(TypedDict):
    name: str
    state: LineState
    reason: str | None
    manufacturer: str | None
    model: str | None
    revision: str | None
    sim: str | None
    operator: str | None
    registration: str | None
    rssi_dbm: int | None


class LocationInfo(TypedDict):
    """Fields as in location.fix; all null while there is no fix."""

    line: str
    # Whether the receiver runs; after location.start it may take a minute
    on: bool
    # Degrees north, WGS 84
    latitude: float | None
    # Degrees east, WGS 84
    longitude: float | None
    # Above mean sea level
    altitude_m: float | None
    speed_mps: float | None
    course_deg: float | None
    satellites: int | None
    hdop: float | None
    # UTC of the fix, RFC 3339
    fixed_at: str | None


class MessageInfoWithSeq(TypedDict):
    """One short message, in or out."""

    message_id: str
    line: str
    direction: Direction
    # The other party as the network has it: a name when alphanumeric, null when it can't be read
    number: str | None
    text: str | None
    # Base64, for 8-bit messages and those that can't be decoded
    data: str | None
    encoding: Literal["binary", "gsm7", "ucs2"]
    # 0 is a flash message
    message_class: int | None
    state: SmsState
    # Stable word that says why it is in this state
    reason: str | None
    network_text: str | None
    # +CMS ERROR number (TS 27.005 §3.2.5)
    cms: int | None
    client_ref: str | None
    priority: Literal["high", "low", "normal"]
    # Whether a status report was asked for
    report: bool
    parts: int
    parts_sent: int
    parts_delivered: int
    # Numbers of the parts that did not come
    missing: list[int]
    incomplete: bool
    silent: bool
    # Not all of it could be decoded; data has the octets then
    damaged: bool
    # message_id of the message that this one replaces
    replaces: str | None
    source_port: int | None
    destination_port: int | None
    # Message waiting indications
    waiting: list[SmsWaiting]
    attempts: int
    # RFC 3339
    created_at: str
    # RFC 3339
    updated_at: str
    # RFC 3339
    send_at: str | None
    # RFC 3339
    expires_at: str | None
    # RFC 3339
    next_try_at: str | None
    # RFC 3339
    sent_at: str | None
    # RFC 3339
    delivered_at: str | None
    # The service centre's time stamp, RFC 3339 with its zone
    network_at: str | None
    smsc: str | None
    # It was only checked and never queued
    dry_run: bool
    # The newest fact that this request caused
    seq: NotRequired[int]


class MessagePage(TypedDict):
    messages: list[MessageInfo]
    # Cursor of the following page; null: this was the last
    next: str | None


class ModemAtResult(TypedDict):
    lines: list[str]
    # OK, ERROR, +CME ERROR: …
    final: str


class ModemCarrier(TypedDict):
    """The carrier that the SIM belongs to, as far as it is known, and what it takes to use it."""

    line: str
    name: str | None
    country: str | None
    # Country and network code, such as 234-15
    mcc_mnc: str
    apn: str
    ims_apn: str
    # null: nobody knows; the network decides
    volte: bool | None
    # config, file, override, system, shipped or fallback
    source: str


class ModemCarrierName(TypedDict):
    """See modem.carrier for the rest."""

    name: str | None
    mcc_mnc: str


class ModemContext(TypedDict):
    """One packet data context."""

    cid: int
    # IP, IPV6 or IPV4V6
    kind: str
    apn: str
    active: bool
    address: str | None


class ModemFact(TypedDict):
    """A modem.state, modem.lost or modem.recovery event, as it was told; state is that of the line or of the rung."""

    seq: int
    topic: str
    at: str
    line: str | None
    state: str | None
    reason: str | None
    rung: str | None
    attempt: int | None
    duration_s: float | None


class ModemHistory(TypedDict):
    # The newest first
    facts: list[ModemFact]


class ModemMemory(TypedDict):
    name: str
    used: int
    total: int


class ModemResetResult(TypedDict):
    line: str


class ModemSignalInfo(TypedDict):
    line: str
    state: LineState
    operator: str | None
    registration: str | None
    access_technology: str | None
    rssi_dbm: int | None
    # rssi_dbm on the scale of AT+CSQ: 0 to 31
    signal_percent: int | None
    # LTE only, as the two below
    rsrp_dbm: float | None
    rsrq_db: float | None
    sinr_db: float | None


class ModemStatus(TypedDict):
    """asked_at: when the modem said what only asking tells; null when it was not to be asked."""

    line: str
    state: LineState
    reason: str | None
    asked_at: str | None
    manufacturer: str | None
    model: str | None
    # Its firmware
    revision: str | None
    # Admin only, as all that stands in redacted
    imei: str | None
    # READY, SIM PIN, SIM PUK, ABSENT, BUSY, FAILURE …
    sim: str | None
    pin_tries_left: int | None
    imsi: str | None
    iccid: str | None
    smsc: str | None
    memories: list[ModemMemory]
    carrier: ModemCarrierName | None
    operator: str | None
    # Of the network that it is in, such as 234-15
    mcc_mnc: str | None
    # The best of the three below
    registration: str | None
    # Calls in 2G and 3G
    creg: str | None
    # Data in 2G and 3G
    cgreg: str | None
    # LTE
    cereg: str | None
    access_technology: str | None
    band: str | None
    # Hexadecimal
    area: str | None
    # Hexadecimal
    cell: str | None
    rssi_dbm: int | None
    # rssi_dbm on the scale of AT+CSQ: 0 to 31
    signal_percent: int | None
    rsrp_dbm: float | None
    rsrq_db: float | None
    sinr_db: float | None
    contexts: list[ModemContext]
    # Its sign: LTE, and an active context of the IMS
    volte: bool | None
    voltage_v: float | None
    temperature_c: float | None
    # With the zone of the place; offered, never set anywhere. null: never told
    network_time: str | None
    # USB product id
    composition: str | None
    usb_path: str | None
    # Role to path
    ports: dict[str, str]
    resets_last_hour: int
    # Verdict of the last call's audio
    audio: str | None
    # Fields that your scopes don't show
    redacted: list[str]


class ModemUnlocked(TypedDict):
    line: str
    sim: str | None


class NetProbeInfo(TypedDict):
    interface: str
    verdict: NetVerdict
    # For people
    detail: str
    at: str
    rtt_ms: float | None


class NetBackupInfo(TypedDict):
    """The SIM's data."""

    # down, starting, up or stopping
    state: str
    # It has the traffic, or not all of that is given back yet
    traffic: bool
    # qmi, ecm or ppp; null before the first start
    kind: str | None
    interface: str | None
    address: str | None
    gateway: str | None
    dns: list[str]
    # Why it is not up: a stable word, as in net.failover
    cause: str | None
    # The same for people
    text: str | None
    # Until the next try
    retry_s: float | None
    # Why it may not be started at all
    barred: str | None
    # Another program keeps taking our default route away
    contested: bool
    probe: NetProbeInfo | None


class NetBrief(TypedDict):
    """The internet connection; net.status has the rest."""

    state: FailoverState
    # The main link's interface
    primary: str | None
    # What carries the traffic
    interface: str | None


class NetCheckInfo(TypedDict):
    # Of the main link; null where the look came to nothing
    verdict: NetVerdict | None
    # For people
    detail: str
    state: FailoverState
    # What carries the traffic
    interface: str | None
    # The backup is being started, or carries the traffic already
    backup_starting: bool
    took_s: float


class NetDataInfo(TypedDict):
    """The SIM's data today."""

    # By the station's own time zone
    day: str
    # Both directions, 1 MB = 1000000 bytes, at most a minute old
    used_mb: float
    # 0: none
    limit_mb: int


class NetLink(TypedDict):
    """One interface, without its addresses: those are for net.status."""

    interface: str
    # ethernet, wifi, wwan, ppp, tunnel or other
    kind: str
    carrier: bool
    # It has carrier, an IPv4 address and a default route
    usable: bool


class NetLinkInfo(TypedDict):
    """One interface, IPv4."""

    interface: str
    # ethernet, wifi, wwan, ppp, tunnel or other
    kind: str
    up: bool
    carrier: bool
    # It has carrier, an address and a default route
    usable: bool
    # Of its best default route that is not ours
    metric: int | None
    # Admin only, as all that stands in redacted: 192.168.1.7/24
    addresses: list[str]
    gateway: str | None
    dns: list[str]
    # NetworkManager's name for it
    connection: str | None


class NetVpnInfo(TypedDict):
    interface: str | None
    state: VpnState
    reason: str
    handshake_age_s: float | None
    ping_ms: float | None
    # Admin only
    endpoint: str | None
    restarts: int
    # No restart is made before
    next_restart_s: float | None


class NetStatusInfo(TypedDict):
    """primary: the main link. interface: what carries the traffic, as far as it is decided here. default:
    where the kernel sends now.
    """

    state: FailoverState
    # auto, on or off
    mode: str
    since: str
    reason: str
    # A stable word, as in net.failover
    cause: str | None
    interface: str | None
    primary: str | None
    default: str | None
    links: list[NetLinkInfo]
    # Of the main link; null before the first look
    verdict: NetVerdict | None
    # Looks at the main link that failed after each other
    fails: int
    # Looks that it answered after each other
    answers: int
    backup: NetBackupInfo
    data: NetDataInfo
    primary_probe: NetProbeInfo | None
    # null: none is configured
    vpn: NetVpnInfo | None
    # Why dialtone-helper can't be asked; null when it can
    helper: str | None
    # Parts that broke and are being started again
    troubles: list[str]
    # Fields that your scopes don't show
    redacted: list[str]


OpenRpc = TypedDict(
    "OpenRpc",
    {
        "openrpc": str,
        "info": dict[str, Any],
        "methods": list[dict[str, Any]],
        "components": dict[str, Any],
        "x-events": list[dict[str, Any]],
    },
)


class PhrasesResult(TypedDict):
    count: int


class PrefetchResult(TypedDict):
    # Texts whose audio is there
    ready: int
    # Texts that are made when nothing else is; ask again to see
    waiting: int


class Queues(TypedDict):
    lines: list[LineQueue]


class RecordResult(TypedDict):
    # The file being written, or that was
    recording: str | None
    # [recording] consent_text is being said first
    waits_for_consent: bool


class RecordingsPage(TypedDict):
    files: list[CallFileInfo]
    total: int
    total_bytes: int
    # offset of the following page
    next: int | None


class SpeakResult(TypedDict):
    """completed, heard_text and played_ms are there with wait: spoken."""

    utterance: int
    completed: bool | None
    heard_text: str | None
    played_ms: int | None


class State(TypedDict):
    """True at `seq`: subscribe with since: seq and nothing is missed or told twice."""

    seq: int
    lines: list[LineStatusInfo]
    calls: list[CallInfo]
    clients: list[ClientInfo]
    alarms: list[AlarmInfo]
    # null where [net] is not enabled
    net: NetBrief | None


class Status(TypedDict):
    service: str
    version: str
    uptime_s: float
    seq: int
    lines: list[LineStatusInfo]
    calls: list[CallInfo]
    clients: list[ClientInfo]
    alarms: list[AlarmInfo]
    engines: Engines
    # null where [net] is not enabled
    net: NetBrief | None


class StopResult(TypedDict):
    stopped: int
    heard_text: str | None
    played_ms: int


class SttEngineInfo(TypedDict):
    """One engine."""

    name: str
    available: bool
    # Why it is not available, and how to get it
    reason: str | None
    # It hears the next utterance
    active: bool
    loaded: bool
    # It failed again and again and is left out for a while
    resting: bool
    # It hears nothing but phrases of stt.phrases
    needs_phrases: bool
    model: str | None


class SttEngines(TypedDict):
    # What hears the next utterance: an engine, remote or none
    engine: str
    fallback: list[str]
    engines: list[SttEngineInfo]


class Subscribed(TypedDict):
    """The subscription is in force. Everything after resumed_from (or, where that is null, after seq) will come."""

    # The newest fact when you subscribed
    seq: int
    # Facts after this seq are replayed; null: none are
    resumed_from: int | None
    consumer: str | None


class WordPlace(TypedDict):
    """A word: text[start:end] begins at_ms after the first sample."""

    start: int
    end: int
    at_ms: int


class SynthesizeResult(TypedDict):
    # base64
    audio: str
    format: Literal["ogg", "pcm", "wav"]
    rate_hz: int
    duration_ms: int
    # Where the words are; none from engines that don't tell
    marks: list[WordPlace]


class TranscribeSegment(TypedDict):
    """Words and where they lie in the recording."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float | None


class TranscribeResult(TypedDict):
    text: str | None
    understood: bool
    confidence: float | None
    language: str | None
    engine: str | None
    duration_ms: int
    # How long the engine took
    stt_ms: int
    segments: list[TranscribeSegment]
    # As in call.speech
    problem: str | None


class TtsCancelResult(TypedDict):
    """heard_text and played_ms: of the utterance that was being said."""

    cancelled: int
    heard_text: str | None
    played_ms: int


class TtsQueueResult(TypedDict):
    call_id: str
    utterance: int
    # Utterances that are said before it
    ahead: int


class UssdTextWithSeq(TypedDict):
    text: str | None
    state: UssdState
    # The newest fact that this request caused
    seq: NotRequired[int]


class VoicemailAudio(TypedDict):
    """Either audio, or path."""

    format: Literal["ogg", "pcm", "wav"]
    rate_hz: int
    duration_ms: int
    # base64
    audio: str | None
    path: str | None


class VoicemailInfo(TypedDict):
    voicemail_id: str
    call_id: str
    line: str
    number: str | None
    withheld: bool
    # RFC 3339, UTC: when the message began
    received_at: str
    duration_s: float
    # null where no recogniser could make words of it
    text: str | None
    language: str | None
    # The core, the modem or the disk stopped in the middle of it
    partial: bool
    heard_at: str | None


class VoicemailPage(TypedDict):
    voicemails: list[VoicemailInfo]
    # How many there are in all that nobody has heard
    unheard: int
    next: str | None


class VoicesResult(TypedDict):
    engines: list[EngineInfo]


class WifiConnectionInfo(TypedDict):
    """A saved connection; passwords are never shown."""

    id: str
    uuid: str
    ssid: str
    priority: int
    autoconnect: bool


class WifiConnections(TypedDict):
    # Those that are tried first come first
    connections: list[WifiConnectionInfo]


class WifiNetworkInfo(TypedDict):
    """A network in reach."""

    ssid: str
    strength_percent: int
    # open, wep, wpa, enterprise and their kin
    security: str
    active: bool
    saved: bool


class WifiNetworks(TypedDict):
    # The strongest first
    networks: list[WifiNetworkInfo]


class WithdrawResult(TypedDict):
    # Calls that this brain steered until now
    calls: list[str]


class CancelRequestParams(TypedDict):
    """$/cancelRequest: Stop waiting for a request of this connection: it is answered with error -32800.
    What the modem had begun is carried through. Meant as a notification.
    """

    # The id of your request
    id: int | str


class BrainRegisterParams(TypedDict):
    """brain.register: Makes this connection a brain: it steers each call of its lines, the highest priority first."""

    # Higher steers first
    priority: NotRequired[int]
    lines: NotRequired[list[str]]


class BrainWithdrawParams(TypedDict):
    """brain.withdraw: Steps aside without closing the connection: calls that this brain steers go to the
    next one at once, which is told by call.claimed. brain.register comes back.
    """


class CallAcceptParams(TypedDict):
    """call.accept: Answers an incoming call before its policy would."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallAttachParams(TypedDict):
    """call.attach: Gives the raw voice of the call on a Unix socket of its own, for a client of the same
    user. While a talker is connected there, the core neither hears turns nor detects keys in band,
    unless keep_hearing.
    """

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    # talker: does the speech of the call, one at a time; listener: changes nothing
    role: NotRequired[Literal["listener", "talker"]]
    # in: the client sends into the call; out: it gets what is heard there. Listeners: out
    direction: NotRequired[Literal["both", "in", "out"] | None]
    rate_hz: NotRequired[Literal[8000, 16000, 24000, 48000] | None]
    format: NotRequired[Coding]
    # What a listener gets; stereo has the far end left, us right
    mix: NotRequired[Mix]
    # The core goes on with turns and keys; left out: true for direction in
    keep_hearing: NotRequired[bool | None]
    # Audio sent faster than the line takes it waits in the socket, or the oldest is dropped
    when_full: NotRequired[WhenFull]


class CallChunkAudioParams(TypedDict):
    """call.chunk_audio: The audio of one chunk, until a minute after the call."""

    call_id: str
    chunk: int
    format: NotRequired[Literal["ogg", "pcm", "wav"]]


class CallClaimParams(TypedDict):
    """call.claim: Takes the steering of a call: this connection holds it, others need the token. speakers
    may also speak.
    """

    # Left out: the only live call
    call_id: NotRequired[str | None]
    speakers: NotRequired[list[str]]


class CallConfigureParams(TypedDict):
    """call.configure: Sets engine, language, voice, keys, greeting and answer policy for one call."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    language: NotRequired[str | None]
    voice: NotRequired[str | None]
    # As tts.voices lists them; auto
    tts_engine: NotRequired[str | None]
    # For the engine: speed_wpm, pitch, style, model … (docs/speech.md)
    voice_settings: NotRequired[dict[str, str] | None]
    # local: as configured; remote: a client answers with stt.result
    stt_engine: NotRequired[Literal["local", "none", "remote"] | None]
    greeting: NotRequired[str | None]
    answer_after_rings: NotRequired[int | None]
    reject_by: NotRequired[str | None]
    # Whether this call is recorded, in place of [recording] enabled
    record: NotRequired[bool | None]
    # Secrets for cloud engines; kept in memory until the call is over, never shown
    keys: NotRequired[dict[str, str] | None]


class CallDtmfParams(TypedDict):
    """call.dtmf: Sends keys into the call; answers when the last one is out."""

    # Keys, sent one by one
    digits: str
    # As tones in our own voice, instead of by the modem
    inband: NotRequired[bool]
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallGetParams(TypedDict):
    """call.get: One call with its turns."""

    call_id: str


class CallHangupParams(TypedDict):
    """call.hangup: Ends a call in any state, at once or after the last words. An admin may always."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    # Let what is said or waits be heard first, 25 s at most
    after_speech: NotRequired[bool]
    # Last words; after_speech is meant with them
    text: NotRequired[str | None]


class CallHoldParams(TypedDict):
    """call.hold: Puts the active call on hold; a waiting or held one becomes active."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallListParams(TypedDict):
    """call.list: The call log, newest first; next is the cursor of the following page."""

    limit: NotRequired[int]
    # next of the page before
    before: NotRequired[str | None]
    # Left out: the default line
    line: NotRequired[str | None]
    direction: NotRequired[Direction | None]


class CallPauseParams(TypedDict):
    """call.pause: Pauses our speech at the next frame."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallPlayParams(TypedDict):
    """call.play: Plays a WAV, OGG, FLAC or MP3 file of any rate and length, or a tone, into the call,
    behind what plays already and without a gap. call.pause, call.resume and call.stop work on it.
    """

    # Below a root of [media] roots
    path: NotRequired[str | None]
    # base64 of an audio file
    audio: NotRequired[str | None]
    # dial, ringback, busy, congestion, sit, beep, cng, ced, or keys (0-9 * # A-D)
    tone: NotRequired[str | None]
    # Whose tones
    country: NotRequired[Literal["de", "es", "eu", "fr", "gb", "it", "lt", "pl", "us"] | None]
    # How often; 0 is until stopped. A tone: its cadence
    loop: NotRequired[int]
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    interruptible: NotRequired[bool]
    replace: NotRequired[bool]
    wait: NotRequired[Literal["accepted", "spoken"]]


class CallRecordParams(TypedDict):
    """call.record: Starts or stops the stereo recording (caller left, us right)."""

    enabled: bool
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallRecordingFileParams(TypedDict):
    """call.recording_file: A piece of one of these files."""

    # As call.recordings gave it
    name: str
    offset: NotRequired[int]
    max_bytes: NotRequired[int]


class CallRecordingsParams(TypedDict):
    """call.recordings: Files kept of calls, newest first: recordings, and those of [recording]
    legacy_files and timing.
    """

    # Left out: of all calls
    call_id: NotRequired[str | None]
    limit: NotRequired[int]
    offset: NotRequired[int]


class CallRejectParams(TypedDict):
    """call.reject: Turns an incoming call away."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallReleaseParams(TypedDict):
    """call.release: Lets go of the steering; anyone with scope calls may steer then."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallResumeParams(TypedDict):
    """call.resume: Goes on with paused speech."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallResumeHeldParams(TypedDict):
    """call.resume_held: Takes a held call back."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallSpeakParams(TypedDict):
    """call.speak: Says a text into the call; a text after another waits for its turn, replace stops what
    is being said.
    """

    text: str
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    language: NotRequired[str | None]
    voice: NotRequired[str | None]
    interruptible: NotRequired[bool]
    # Stop what is being said or waits first
    replace: NotRequired[bool]
    # Places [from, to) in text, in characters, that no caller interrupts
    uninterruptible: NotRequired[list[list[Any]]]
    # Go on after an interruption that turns out to be none ([media] resume_after_ms)
    resume: NotRequired[bool]
    # When to answer
    wait: NotRequired[Literal["accepted", "spoken"]]


class CallStartParams(TypedDict):
    """call.start: Places a call; answers once the modem took it, before the far end rings."""

    # + and digits, or a short code; spaces and dashes are dropped
    number: str
    # Left out: the default line
    line: NotRequired[str | None]
    hide_number: NotRequired[bool]
    # Tell who answers with call.answered_by; default: detect_answer of [call]
    detect: NotRequired[Literal["off", "on"] | None]


class CallStatusParams(TypedDict):
    """call.status: The live call, or active: false; never an error while nothing is going on."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallStopParams(TypedDict):
    """call.stop: Stops everything that is said or waits to be; tells what the far end was given."""

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallSwapParams(TypedDict):
    """call.swap: Exchanges the active and the held call of a line; answers with the one that is active now."""

    # Left out: the default line
    line: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallToVoicemailParams(TypedDict):
    """call.to_voicemail: Sends a caller to voicemail: a call that rings is answered for it, an active one
    goes there at once. Voicemail hangs up when the message is over.
    """

    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class CallTransferParams(TypedDict):
    """call.transfer: Hands the caller of an active call to a person. Answers once it may be tried;
    call.transfer events tell how far it is. Until the last of them the core has the call (handled:
    transfer); then it is its holder's again.
    """

    # + and digits, or a short code; spaces and dashes are dropped
    to: str
    # Said to the person first, who then takes the call with key 1. It also keeps mailboxes out: without it whoever
    # answers is joined at once
    announce: NotRequired[str | None]
    # join: call the person and join the calls; auto: where that fails, take a message and send it by SMS; sms: take a
    # message at once
    mode: NotRequired[Literal["auto", "join", "sms"]]
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class ClientHelloParams(TypedDict):
    """client.hello: Say who you are. Optional: everything works without it, but brains, claims and
    reported states go by this name.
    """

    # What you are called in status and claims
    name: str
    version: NotRequired[str | None]
    # Give up all other scopes on this connection, for a gateway that serves somebody with less
    scopes: NotRequired[list[Scope] | None]


class ClientReportStateParams(TypedDict):
    """client.report_state: What this client is doing, and the full set of alarms that it has now; the core
    tells the difference.
    """

    state: str
    detail: NotRequired[str | None]
    alarms: NotRequired[list[AlarmReport] | None]


class EventsAckParams(TypedDict):
    """events.ack: Acknowledge facts for this connection's consumer, so that it resumes after them.
    Cumulative; acknowledging again or less changes nothing.
    """

    # You are done with this fact and all before it
    seq: int


class EventsSubscribeParams(TypedDict):
    """events.subscribe: Choose the events of this connection, in place of what it had before. Replayed
    facts come before live ones, without hole or double.
    """

    # What you want. Left out: all facts and no moments; moments come only to those who name them
    topics: NotRequired[list[str] | None]
    # Replay the facts after this seq first
    since: NotRequired[int | None]
    # Resume where this consumer has acknowledged; a new name begins now, or at since
    consumer: NotRequired[str | None]


class EventsUnsubscribeParams(TypedDict):
    """events.unsubscribe: Get no more events on this connection. A consumer's place stays on disk."""


class GuardCheckParams(TypedDict):
    """guard.check: Whether the guard would let a message or a call to this number through now; nothing is
    sent or counted.
    """

    # + and digits, or a short code; spaces and dashes are dropped
    to: str
    kind: NotRequired[Literal["call", "sms"]]
    # Left out: the default line
    line: NotRequired[str | None]


class GuardStatusParams(TypedDict):
    """guard.status: How much each line has sent and dialled, and its limits."""

    # Left out: all lines
    line: NotRequired[str | None]


class HealthParams(TypedDict):
    """health: ok; degraded while some line can't take calls; failed while none can."""


class LanguageGetParams(TypedDict):
    """language.get: The language kept for a user of an old client."""

    # Any stable name of a user
    user_id: str | int


class LanguageSetParams(TypedDict):
    """language.set: Keeps a language for a user of an old client."""

    # Any stable name of a user
    user_id: str | int
    language: str


class LocationGetParams(TypedDict):
    """location.get: The last position, and whether the receiver runs."""

    # Left out: the default line
    line: NotRequired[str | None]


class LocationStartParams(TypedDict):
    """location.start: Switches satellite positioning on until location.stop; location.fix follows once a
    second as soon as there is a fix, and again after the modem was away. It outlives no restart of the
    daemon; gnss = true in core.toml does.
    """

    # Left out: the default line
    line: NotRequired[str | None]


class LocationStopParams(TypedDict):
    """location.stop: Switches it off. The next start takes up to a minute: the receiver needs its time to end."""

    # Left out: the default line
    line: NotRequired[str | None]


class ModemAtParams(TypedDict):
    """modem.at: One AT command by hand, if raw_at is set for the line. An error of the modem is a result, too."""

    # Such as AT+CSQ
    command: str
    # Left out: the default line
    line: NotRequired[str | None]
    timeout_s: NotRequired[float]


class ModemCarrierParams(TypedDict):
    """modem.carrier: The carrier of the SIM: its name, access points and VoLTE, and where that is known from."""

    # Left out: the default line
    line: NotRequired[str | None]


class ModemHistoryParams(TypedDict):
    """modem.history: What happened to the modems: lost, found, healed, with reasons and how long it took."""

    # Left out: all lines
    line: NotRequired[str | None]
    limit: NotRequired[int]


class ModemResetParams(TypedDict):
    """modem.reset: Restart the modem; answers once it has taken the command. modem.state tells when it is back."""

    # Left out: the default line
    line: NotRequired[str | None]
    # For the history
    reason: NotRequired[str | None]


class ModemSignalParams(TypedDict):
    """modem.signal: Strength and quality as last heard; nothing is asked of the modem."""

    # Left out: the default line
    line: NotRequired[str | None]


class ModemStatusParams(TypedDict):
    """modem.status: Everything about a modem, its SIM and its network. Without a modem it says so, and
    what it says by asking is null.
    """

    # Left out: the default line
    line: NotRequired[str | None]
    # Ask the modem now, or fail; otherwise what it said within the last 10 s will do
    fresh: NotRequired[bool]


class ModemUnlockParams(TypedDict):
    """modem.unlock: Enter the SIM's PIN; with its PUK, set a new one. Never done with fewer than two tries left."""

    # Never logged, kept on disk or sent back
    pin: str
    # With it, pin is the new PIN
    puk: NotRequired[str | None]
    # Left out: the default line
    line: NotRequired[str | None]


class NetCheckParams(TypedDict):
    """net.check: Look at the main link now, with the short timeout, and start the backup when it is down;
    answers within 2.5 s. Requests within a second share one look.
    """

    # What for; kept to the log
    reason: NotRequired[str]


class NetFailoverParams(TypedDict):
    """net.failover: Use the SIM's data now (on), never begin anything by itself (off), or go by the rules
    (auto). Until the core is restarted; answers at once, net.failover tells how it went. `on` is
    refused once the day's data is used up.
    """

    # The SIM's data now; never by itself; as the rules say
    mode: Literal["auto", "off", "on"]


class NetStatusParams(TypedDict):
    """net.status: Everything about the internet connection: links, what was last seen of them, backup,
    data used today, VPN.
    """


class NetVpnParams(TypedDict):
    """net.vpn: How the VPN is; with restart it is restarted first, which takes up to 40 s."""

    # Restart wg-quick first; admin only
    restart: NotRequired[bool]


class NetWifiConnectParams(TypedDict):
    """net.wifi.connect: Connect to a saved connection or a network in reach; answers when there is an
    address, up to 60 s.
    """

    # Name of a network, or uuid of a connection
    network: str
    # Never logged or sent back
    password: NotRequired[str | None]


class NetWifiListParams(TypedDict):
    """net.wifi.list: Wi-Fi networks in reach, through NetworkManager."""

    # Look first; up to 12 s
    rescan: NotRequired[bool]


class NetWifiSavedParams(TypedDict):
    """net.wifi.saved: Wi-Fi connections that NetworkManager keeps."""


class NetWifiSetPriorityParams(TypedDict):
    """net.wifi.set_priority: Which saved connection is tried first; answers with all of them."""

    # Of a saved connection
    uuid: str
    # The higher is tried first
    priority: int


class RpcDiscoverParams(TypedDict):
    """rpc.discover: Describe every method, event and error with its schema, as an OpenRPC document."""


class SmsCancelParams(TypedDict):
    """sms.cancel: Takes a message out of the queue. not_now once it is on its way."""

    # From sms.send, or of an event
    message_id: str


class SmsConversationParams(TypedDict):
    """sms.conversation: All messages from and to one party, newest first."""

    # A number in any spelling, or a sender's name
    number: str
    limit: NotRequired[int]
    # A message_id: next of the page before
    before: NotRequired[str | None]


class SmsConversationsParams(TypedDict):
    """sms.conversations: Each party with its newest message, newest first."""

    limit: NotRequired[int]
    # A message_id: next of the page before
    before: NotRequired[str | None]


class SmsDeleteParams(TypedDict):
    """sms.delete: Drops one finished message. Events that told of it stay until they expire; sms.erase
    clears those as well.
    """

    # From sms.send, or of an event
    message_id: str


class SmsEraseParams(TypedDict):
    """sms.erase: Forgets everything about one number: messages, calls, what was said in them, recordings,
    and what events in the journal say of it. Messages that wait for it are cancelled. Asking again
    finishes what a crash cut off.
    """

    # A number in any spelling, or a sender's name
    number: str


class SmsExportParams(TypedDict):
    """sms.export: All messages, oldest first, in large pages; next is the after of the following one."""

    limit: NotRequired[int]
    # A message_id: next of the page before
    after: NotRequired[str | None]
    direction: NotRequired[Direction | None]
    # A number in any spelling, or a sender's name
    number: NotRequired[str | None]
    # RFC 3339 with its zone; by when it came to us
    since: NotRequired[str | None]
    # RFC 3339 with its zone; by when it came to us
    until: NotRequired[str | None]


class SmsGetParams(TypedDict):
    """sms.get: One message."""

    # From sms.send, or of an event
    message_id: str


class SmsListParams(TypedDict):
    """sms.list: Messages in and out, newest first. next is the cursor (before; with oldest_first after) of
    the following page.
    """

    limit: NotRequired[int]
    # A message_id: next of the page before
    before: NotRequired[str | None]
    # A message_id: next of the page before
    after: NotRequired[str | None]
    # Left out: all lines
    line: NotRequired[str | None]
    direction: NotRequired[Direction | None]
    # One state, or any of several
    state: NotRequired[SmsState | list[SmsState] | None]
    # A number in any spelling, or a sender's name
    number: NotRequired[str | None]
    # RFC 3339 with its zone; by when it came to us
    since: NotRequired[str | None]
    # RFC 3339 with its zone; by when it came to us
    until: NotRequired[str | None]
    # Then pages go on with after
    oldest_first: NotRequired[bool]


class SmsQueueParams(TypedDict):
    """sms.queue: What waits on each line, and what keeps it."""

    # Left out: the default line
    line: NotRequired[str | None]


class SmsResolveParams(TypedDict):
    """sms.resolve: Decides about a message whose fate is unknown, or tries a failed one once more."""

    # From sms.send, or of an event
    message_id: str
    # resend: once more, it may arrive twice; sent, failed: what you found out about it
    outcome: Literal["failed", "resend", "sent"]


class SmsSearchParams(TypedDict):
    """sms.search: Messages by their words, newest first; case and accents don't matter. Whatever is typed
    is a query.
    """

    # Words that must all be there; the last may be the beginning of one
    query: str
    limit: NotRequired[int]
    # A message_id: next of the page before
    before: NotRequired[str | None]
    # A number in any spelling, or a sender's name
    number: NotRequired[str | None]
    direction: NotRequired[Direction | None]


class SmsSendParams(TypedDict):
    """sms.send: Sends a short message; answers once it is on disk. sms.status follows it from there."""

    # + and digits, or a short code; spaces and dashes are dropped
    to: str
    text: NotRequired[str | None]
    # Base64
    data: NotRequired[str | None]
    # Left out: the default line
    line: NotRequired[str | None]
    # 0 is a flash message
    message_class: NotRequired[int | None]
    # Ask for a status report; left out: as in [sms]
    report: NotRequired[bool | None]
    # How long the network tries
    validity_s: NotRequired[int | None]
    priority: NotRequired[Literal["high", "low", "normal"]]
    # RFC 3339 with its zone
    send_at: NotRequired[str | None]
    # Not sent after this; RFC 3339
    expires_at: NotRequired[str | None]
    # Yours: the same one again gives the same message
    client_ref: NotRequired[str | None]
    # When the modem's answer is lost: hold never sends it twice
    on_unknown: NotRequired[Literal["hold", "resend"] | None]
    # Left out: the shorter one that can
    encoding: NotRequired[Literal["gsm7", "ucs2"] | None]
    # Long texts: in parts that phones join, or as messages of their own, plain or as 1/3
    split: NotRequired[Literal["concat", "numbered", "separate"] | None]
    # Application port (TS 23.040 §9.2.3.24.4)
    source_port: NotRequired[int | None]
    # Application port (TS 23.040 §9.2.3.24.4)
    destination_port: NotRequired[int | None]
    # Base64: header elements without the length octet
    udh: NotRequired[str | None]
    # Replaces an earlier one of that type
    replace_type: NotRequired[int | None]
    # Message type 0: phones acknowledge it and show nothing
    silent: NotRequired[bool]
    reject_duplicates: NotRequired[bool]
    reply_path: NotRequired[bool]
    # Service centre; left out: that of the SIM
    smsc: NotRequired[str | None]
    number_type: NotRequired[Literal["international", "national", "short", "unknown"] | None]
    # Checks and composes it, and sends nothing
    dry_run: NotRequired[bool]


class StateGetParams(TypedDict):
    """state.get: A snapshot with the seq it is true at."""


class StatusParams(TypedDict):
    """status: Everything worth a look: lines, calls, clients, alarms, engines."""


class SttEnginesParams(TypedDict):
    """stt.engines: The engines for speech in: which can be had, which not and why, which hears now."""


class SttPhrasesParams(TypedDict):
    """stt.phrases: What this connection expects callers to say; replaces its earlier list. "yes|yeah|sure"
    declares three wordings of one phrase, and the first is what call.speech reports. At most 200
    phrases of 120 characters.
    """

    phrases: list[str]
    language: NotRequired[str | None]


class SttResultParams(TypedDict):
    """stt.result: A remote recogniser's words for a chunk. Those of all chunks of a turn that is over
    become call.speech; not_now for a turn whose words were told already, because [stt] remote_wait_s
    had passed.
    """

    call_id: str
    turn: int
    chunk: int
    text: str
    # False: better words will come for this chunk
    final: NotRequired[bool]
    # True: text is that of the whole turn up to this chunk
    whole: NotRequired[bool]
    confidence: NotRequired[float | None]
    language: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]


class SttTranscribeParams(TypedDict):
    """stt.transcribe: Words of a file with their times: WAV, OGG, FLAC or MP3, at most ten minutes. With
    `job` the stt.progress events of that name tell how far it is; $/cancelRequest stops the engine.
    Callers' turns go first.
    """

    # Below a root of [media] roots
    path: NotRequired[str | None]
    # base64 of an audio file
    audio: NotRequired[str | None]
    # BCP 47, or auto where the engine can guess it
    language: NotRequired[str | None]
    job: NotRequired[str | None]


class TtsCancelParams(TypedDict):
    """tts.cancel: Takes a text back, wherever it is: in the making, waiting, or being said. What waits
    behind it goes on.
    """

    # Of a tts.synthesize of this connection
    job: NotRequired[str | None]
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    utterance: NotRequired[int | None]


class TtsPrefetchParams(TypedDict):
    """tts.prefetch: Makes texts ahead and keeps them on disk, so that greetings and fillers cost nothing
    when they are said.
    """

    texts: list[str]
    language: NotRequired[str | None]
    voice: NotRequired[str | None]
    # As tts.voices lists them; left out: as configured
    engine: NotRequired[str | None]
    # For the engine: speed_wpm, pitch, style, model … (docs/speech.md)
    voice_settings: NotRequired[dict[str, str]]
    # That of the line
    rate_hz: NotRequired[Literal[8000, 16000]]


class TtsQueueParams(TypedDict):
    """tts.queue: Says a text into the call when its turn comes: before what waits with a lower priority,
    after what is being said.
    """

    text: str
    # Left out: the only live call
    call_id: NotRequired[str | None]
    # From call.claim, for connections that don't hold the claim
    token: NotRequired[str | None]
    language: NotRequired[str | None]
    voice: NotRequired[str | None]
    interruptible: NotRequired[bool]
    # Stop what is being said or waits first
    replace: NotRequired[bool]
    # Of what waits: a higher one is made and said first
    priority: NotRequired[Literal["high", "low", "normal"]]


class TtsSynthesizeParams(TypedDict):
    """tts.synthesize: Speech of a text, outside any call."""

    text: str
    language: NotRequired[str | None]
    voice: NotRequired[str | None]
    # This one and no other; left out: as configured, with fallback
    engine: NotRequired[str | None]
    # For the engine: speed_wpm, pitch, style, model … (docs/speech.md)
    voice_settings: NotRequired[dict[str, str]]
    # Of what waits: a higher one is made and said first
    priority: NotRequired[Literal["high", "low", "normal"]]
    # A name of your own, for tts.cancel
    job: NotRequired[str | None]
    format: NotRequired[Literal["ogg", "pcm", "wav"]]
    rate_hz: NotRequired[Literal[8000, 16000]]


class TtsVoicesParams(TypedDict):
    """tts.voices: The speech engines of this station, what each lacks, and the voices that `voice` takes."""

    # Left out: all engines
    engine: NotRequired[str | None]
    # Only voices of it, and of its regions
    language: NotRequired[str | None]


class UssdCancelParams(TypedDict):
    """ussd.cancel: Ends the open session of a line, if there is one."""

    # Left out: the default line
    line: NotRequired[str | None]


class UssdReplyParams(TypedDict):
    """ussd.reply: Answers in the open session of a line."""

    text: str
    # Left out: the default line
    line: NotRequired[str | None]
    timeout_s: NotRequired[float | None]


class UssdSendParams(TypedDict):
    """ussd.send: Sends a USSD code and waits for the network's answer; reply_wanted leaves a session open
    for ussd.reply.
    """

    # Like *100#
    code: str
    # Left out: the default line
    line: NotRequired[str | None]
    timeout_s: NotRequired[float | None]


class VoicemailAudioParams(TypedDict):
    """voicemail.audio: What the caller said. Listening to it does not mark it as heard. A message that is
    too long for one answer as WAV or PCM is refused with limit; as OGG it fits.
    """

    voicemail_id: str
    format: NotRequired[Literal["ogg", "pcm", "wav"]]
    # Give the path of the daemon's WAV file, and no bytes
    file: NotRequired[bool]


class VoicemailDeleteParams(TypedDict):
    """voicemail.delete: Deletes a message with its audio. Nothing else does, but for voicemail_keep_days
    and the erasure of a number.
    """

    voicemail_id: str


class VoicemailGetParams(TypedDict):
    """voicemail.get: One message without its audio."""

    voicemail_id: str


class VoicemailGetGreetingParams(TypedDict):
    """voicemail.get_greeting: What callers hear before the tone."""

    # Left out: the default line
    line: NotRequired[str | None]


class VoicemailListParams(TypedDict):
    """voicemail.list: Messages, newest first; next is the cursor of the following page."""

    limit: NotRequired[int]
    # next of the page before
    before: NotRequired[str | None]
    # Left out: the default line
    line: NotRequired[str | None]
    # Only those that nobody has marked as heard
    unheard: NotRequired[bool]


class VoicemailMarkHeardParams(TypedDict):
    """voicemail.mark_heard: Somebody has heard it, or wants it to count as new again."""

    voicemail_id: str
    # false: as new again
    heard: NotRequired[bool]


class VoicemailSetGreetingParams(TypedDict):
    """voicemail.set_greeting: Sets what callers hear before the tone: a text to speak, or a recording. It
    stays over restarts.
    """

    text: NotRequired[str | None]
    # base64 of an audio file
    audio: NotRequired[str | None]
    # Below a root of [media] roots
    path: NotRequired[str | None]
    # Left out: all lines without one of their own
    line: NotRequired[str | None]


class AlarmClearedEvent(TypedDict):
    """An alarm is over."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    alarm: str
    client: str | None


class AlarmRaisedEvent(TypedDict):
    """Something wants a person. alarm is a stable name, text is for people; client says who raised it."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    alarm: str
    severity: str
    text: str | None
    client: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text"]]]


class CallAlertingEvent(TypedDict):
    """The far end of an outgoing call rings."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]


class CallAnsweredByEvent(TypedDict):
    """Who took our call, judged by what is heard. Comes again when what follows says otherwise, and at the beep."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    answered_by: AnsweredBy
    # 0 to 1; a judgement, no probability
    confidence: float
    # The tone of a machine is over: it records from now on
    beep: bool
    # Of the line's time since the audio was opened
    after_ms: int


class CallAttachedEvent(TypedDict):
    """A client is connected to the voice of the call (call.attach)."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # As call.attach gave it
    attachment: int
    # listener or talker
    role: str
    # False for a talker in whose place the core hears no turns
    keep_hearing: bool


class CallAudioFailedEvent(TypedDict):
    """The modem gave no audio, or it stopped; the call itself may still be up."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    reason: str
    attempts: int


class CallBargeInEvent(TypedDict):
    """The caller spoke into our utterance and playout stopped; call.spoken follows, or call.speaking with resumed."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    utterance: int
    heard_text: str | None
    played_ms: int
    # From the onset of the caller's speech to our last PCM byte
    reaction_ms: int
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["heard_text"]]]


class CallChunkEvent(TypedDict):
    """New audio of a turn was cut at the first silence threshold; fetch it with call.chunk_audio."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    # Numbered from 1 per call
    chunk: int
    duration_ms: int


class CallClaimedEvent(TypedDict):
    """Who steers the call changed; holder is a client name, null when it is free."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    holder: str | None


class CallConnectedEvent(TypedDict):
    """The call is answered, by us or by the far end."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    direction: Direction
    number: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallDetachedEvent(TypedDict):
    """An attached client is gone, or never came; frames are of 20 ms."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    attachment: int
    role: str
    # left, all_played, replaced, call_ended or never_came
    reason: str
    # Given to the client
    frames_out: int
    # Not given, because it did not read in time
    dropped_out: int
    # Taken from the client
    frames_in: int
    # Not taken, because it sent more than the line takes
    dropped_in: int


class CallDtmfEvent(TypedDict):
    """The far end pressed a key."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    digit: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["digit"]]]


class CallEndedEvent(TypedDict):
    """A call is over; sent exactly once per call."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    direction: Direction
    reason: EndReason
    number: str | None
    network_text: str | None
    duration_s: float
    turns: int
    recording: str | None
    audio: CallAudio | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallHeldEvent(TypedDict):
    """The call was put on hold, or taken back (held: false)."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    held: bool


class CallIncomingEvent(TypedDict):
    """A call wants in. Sent once per call; number is null while unknown or when withheld."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    number: str | None
    withheld: bool
    waiting: bool
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallLevelEvent(TypedDict):
    """Levels of the last second, dB below full scale."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    downlink_dbfs: float
    uplink_dbfs: float


class CallMissedEvent(TypedDict):
    """An incoming call was never answered."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    number: str | None
    withheld: bool
    rings: int
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallPartialEvent(TypedDict):
    """What was understood so far while the turn may still go on."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    chunk: int
    text: str | None
    confidence: float | None
    language: str | None
    engine: str | None
    # How long the engine took
    stt_ms: int
    # Audio of the turn that these words are of
    audio_ms: int
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text"]]]


class CallRecordedEvent(TypedDict):
    """A recording is complete and under its last name; after the call, or after call.record stopped it."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # null when nothing could be recorded
    path: str | None
    # wav or ogg; stereo, far end left, us right
    format: str
    duration_s: float
    bytes: int
    # disk_full, too_large, stalled, no_consent, core_restarted … ; the file is valid up to there
    problem: str | None


class CallRingEvent(TypedDict):
    """One ring of an incoming call, numbered from 1; the same RING on two ports counts once."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    ring: int
    number: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallRingingEvent(TypedDict):
    """An outgoing call was taken by the modem and is being set up."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    number: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class CallSpeakingEvent(TypedDict):
    """The first frame of an utterance of ours went out."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    utterance: int
    text: str | None
    # From the accepted request to its first PCM byte
    latency_ms: int
    # From the accepted request to the first audio of the engine or file
    made_ms: int
    # It goes on: what interrupted it was no interruption
    resumed: bool
    # Of the core itself, while the brain thinks
    filler: bool
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text"]]]


class CallSpeechEvent(TypedDict):
    """What the caller said in one turn. understood is false when no engine could tell; text is then null."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    text: str | None
    understood: bool
    language: str | None
    confidence: float | None
    engine: str | None
    # engine: why, e.g. whisper: timeout; another engine gave the text, or nobody did
    problem: str | None
    duration_ms: int
    # First speech of the turn, ms since the call was connected
    start_ms: int
    # End of its last speech
    end_ms: int
    # From the end-of-turn threshold to this text
    latency_ms: int
    # How long the engine took
    stt_ms: int
    # Audio that it was given
    audio_ms: int
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text"]]]


class CallSpokenEvent(TypedDict):
    """An utterance of ours is over: played to its end, or cut; heard_text is what the far end was given."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    utterance: int
    text: str | None
    heard_text: str | None
    played_ms: int
    completed: bool
    # Of the core itself, while the brain thinks
    filler: bool
    # Why not all of it could be made: an error's kind, e.g. speech_unavailable: unreachable
    problem: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text", "heard_text"]]]


class CallToneEvent(TypedDict):
    """A tone of a network, a fax or a pager was recognised in what the far end sends. Told once while it lasts."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # dial, ringback, busy, congestion, sit, cng, ced or paging
    tone: str
    # The lower one of two; the first one of a sequence
    frequency_hz: float | None
    # From its beginning until it was certain
    duration_ms: int
    # Of the [[media.paging]] entry
    name: str | None


class CallTransferEvent(TypedDict):
    """A transfer to a person went on. failed, message_sent and ended are its ends; call_id is the caller's call."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    state: TransferState
    to: str | None
    # busy, no_answer, no_carrier, declined, refused_by_network, not_allowed, modem, no_audio, nothing_said,
    # person_left, caller_left …
    reason: str | None
    # The call to the person
    transfer_call_id: str | None
    # The short message to the person
    message_id: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["to"]]]


class CallTurnEndEvent(TypedDict):
    """The caller stopped speaking: the second silence threshold passed."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    chunks: int
    silence_ms: int
    # silence: the ordinary threshold; complete: sooner, after a whole phrase that a client expects; number: later, in
    # mid-number; max_length: the next turn goes on; flushed: the call ended
    reason: str


class CallTurnResumedEvent(TypedDict):
    """The caller went on after a chunk was cut: an answer that is being prepared is premature."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    # Where the speech goes on, ms since the call was connected
    at_ms: int


class CallTurnStartEvent(TypedDict):
    """The caller began to speak (after the minimum of speech)."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    turn: int
    # Start of the speech, ms since the call was connected
    at_ms: int


class ClientStateEvent(TypedDict):
    """A client reported its own state with client.report_state."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    client: str
    state: str
    detail: str | None


class EventsDisplacedEvent(TypedDict):
    """A newer connection took over your consumer name; this one gets no more events."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    consumer: str


class EventsLaggedEvent(TypedDict):
    """You missed events from_seq to to_seq: read them again with events.subscribe {since}, or call state.get."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    from_seq: int
    to_seq: int
    cause: str


class LocationFixEvent(TypedDict):
    """Where the modem is, once a second at most while location.start is in force."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # Degrees north, WGS 84
    latitude: float | None
    # Degrees east, WGS 84
    longitude: float | None
    altitude_m: float | None
    speed_mps: float | None
    course_deg: float | None
    satellites: int | None
    hdop: float | None
    # UTC of the fix, RFC 3339
    fixed_at: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["latitude", "longitude", "altitude_m"]]]


class ModemLostEvent(TypedDict):
    """The modem is gone for longer than the grace of 20 s."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    reason: str | None


class ModemRecoveryEvent(TypedDict):
    """The daemon heals a modem: one rung of the ladder began, helped or did not (docs/recovery.md)."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # resync, other_port, radio, reset, usb_reset, power or human
    rung: str
    # started, succeeded, failed or skipped
    state: str
    # What was wrong, for people
    reason: str
    # How often this rung was taken within the hour
    attempt: int
    # Set when it is over
    duration_s: float | None


class ModemSignalEvent(TypedDict):
    """Signal strength, quality or access technology changed by more than it flickers."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    rssi_dbm: int | None
    # LTE only, as the two below
    rsrp_dbm: float | None
    rsrq_db: float | None
    sinr_db: float | None
    # gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte; null without service
    access_technology: str | None


class ModemStateEvent(TypedDict):
    """The line changed: offline, starting, ready, reconnecting or failed."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    state: LineState
    reason: str | None


class NetChangedEvent(TypedDict):
    """Links came, went or changed, or another one became the primary. At most one a second while they flap."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    # The main link's interface; never the modem's
    primary: str | None
    links: list[NetLink]


class NetFailoverEvent(TypedDict):
    """The failover machine took a step, or its backup has trouble (then from_state is state)."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    state: FailoverState
    from_state: FailoverState
    # For people
    reason: str
    # A stable word: the verdict of the primary (down, captive, dns_failed, no_link), the bearer's trouble
    # (apn_refused, dhcp_silent, no_device, no_network, modem_reset, timeout, no_helper, program_missing, failed),
    # contested (somebody takes our route away), budget, priority, manual
    cause: str | None
    # What carries the traffic now, as far as we decide it
    interface: str | None


class NetVpnEvent(TypedDict):
    """The VPN came up, went stale, is being restarted, or moved to another endpoint."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    interface: str
    state: VpnState
    from_state: VpnState
    reason: str
    handshake_age_s: float | None


class SmsReceivedEvent(TypedDict):
    """A message came in. incomplete: parts are missing; the same message_id comes again when they arrive."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    message_id: str
    # Originator as the network gave it; a name when alphanumeric
    number: str | None
    text: str | None
    # Base64, for 8-bit messages and those that can't be decoded
    data: str | None
    encoding: str
    # 0 is a flash message
    message_class: int | None
    parts: int
    # Numbers of the parts that did not come
    missing: list[int]
    incomplete: bool
    # Message type 0: phones drop these without a word
    silent: bool
    # Not all of it could be decoded; data has the octets then
    damaged: bool
    # message_id of the message that this one replaces
    replaces: str | None
    source_port: int | None
    destination_port: int | None
    # Message waiting indications: voicemail and its like
    waiting: list[SmsWaiting]
    # The service centre's time stamp, with its zone
    network_at: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number", "text", "data"]]]


class SmsReportEvent(TypedDict):
    """The service centre reported on one part. message_id is null while no sent message fits: a report that overtook"""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    message_id: str | None
    number: str | None
    outcome: Outcome
    # TP-ST, 0 to 255
    status: int
    status_text: str
    part: int | None
    discharged_at: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class SmsStatusEvent(TypedDict):
    """An outgoing message changed state."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    message_id: str
    state: SmsState
    number: str | None
    client_ref: str | None
    # Stable word, e.g. no_answer, network_refused, core_restarted
    reason: str | None
    network_text: str | None
    # +CMS ERROR number (TS 27.005 §3.2.5)
    cms: int | None
    parts: int
    parts_sent: int
    parts_delivered: int
    attempts: int
    next_try_at: str | None
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number"]]]


class SttProgressEvent(TypedDict):
    """How far stt.transcribe is with a recording; job is the name that the request gave."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    job: str
    done_ms: int
    total_ms: int


class TtsFailedOverEvent(TypedDict):
    """A speech engine failed or was late, and the next one goes on with the text; the caller hears every sentence."""

    # Number of the newest fact before it
    after_seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    from_engine: str
    to_engine: str
    # unreachable, refused, auth, rate_limited, no_voice, timeout, truncated, crashed or missing
    reason: str
    # None: speech outside of calls
    utterance: int | None


class UssdReceivedEvent(TypedDict):
    """The network sent a USSD text: an answer, or of its own accord (initiated_by network)."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    text: str | None
    state: UssdState
    initiated_by: str
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["text"]]]


class VoicemailReceivedEvent(TypedDict):
    """A caller left a message; once per message."""

    # Number of this fact; grows for ever
    seq: int
    # RFC 3339, UTC, ms
    at: str
    line: NotRequired[str | None]
    call_id: NotRequired[str | None]
    voicemail_id: str
    number: str | None
    withheld: bool
    duration_s: float
    # null where no recogniser could make words of it
    text: str | None
    # The core, the modem or the disk stopped in the middle of it
    partial: bool
    # Personal fields that are null because your scopes don't cover them
    redacted: NotRequired[list[Literal["number", "text"]]]
