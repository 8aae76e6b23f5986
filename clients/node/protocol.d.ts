// Types of the Dialtone protocol. Written by `python -m core.rpc.spec --write`; changes here are lost.
// Params, results and events by name. A fact carries `seq`, a moment `after_seq`.

/** Where the consumer stands now; never lower than before. */
export interface Acked {
  seq: number;
}

export interface AlarmInfo {
  alarm: string;
  severity: string;
  client: string;
  at: string;
  text: string | null;
}

export interface AlarmReport {
  /** A stable name */
  alarm: string;
  severity?: "critical" | "error" | "info" | "warning";
  text?: string | null;
}

/** Who took an outgoing call. */
export type AnsweredBy =
  | "human"
  | "ivr"
  | "machine"
  | "screening"
  | "silence"
  | "unknown";

export interface AttachResult {
  /** Unix socket, for one client of the asking user, within connect_within_s */
  path: string;
  /** As call.attached and call.detached name it */
  attachment: number;
  rate_hz: number;
  ptime_ms: number;
  format: Coding;
  /** Of what the client gets; what it sends is mono */
  channels: number;
  connect_within_s: number;
}

export interface AudioResult {
  /** base64 */
  audio: string;
  format: "ogg" | "pcm" | "wav";
  rate_hz: number;
  duration_ms: number;
}

export interface BrainResult {
  priority: number;
  /** Calls that this brain steers now */
  calls: Array<string>;
}

/** What the audio of a call really did (see docs: audio report). */
export interface CallAudio {
  attempts: number;
  open_ms: number | null;
  rate_hz: number;
  measured_rate_hz: number | null;
  bytes_in: number;
  bytes_out: number;
  in_bytes_per_s: number;
  out_bytes_per_s: number;
  downlink_dropped_frames: number;
  uplink_silence_frames: number;
  uplink_stalls: number;
  alignment_shifts: number;
  verdict: string;
}

export interface CallFileInfo {
  call_id: string;
  /** Below the folder of [recording]; for call.recording_file */
  name: string;
  kind: FileKind;
  /** wav, ogg, txt or json */
  format: string;
  bytes: number;
  modified_at: string;
}

/** A call as methods and state.get show it. Times are RFC 3339, UTC; holder is the client that steers it. */
export interface CallInfo {
  call_id: string;
  line: string;
  direction: Direction;
  state: CallState;
  number: string | null;
  withheld: boolean;
  started_at: string | null;
  connected_at: string | null;
  duration_s: number;
  rings: number;
  holder: string | null;
  handled: Handled | null;
  reason: EndReason | null;
  network_text: string | null;
  seq: number | null;
}

export interface CallPage {
  calls: Array<CallRecord>;
  next: string | null;
}

/** A call of the log. turns, recordings and files are there in call.get only. */
export interface CallRecord {
  call_id: string;
  line: string;
  direction: Direction;
  state: CallState;
  number: string | null;
  withheld: boolean;
  rings: number;
  started_at: string | null;
  connected_at: string | null;
  ended_at: string | null;
  duration_s: number | null;
  reason: EndReason | null;
  network_text: string | null;
  recording: string | null;
  audio: CallAudio | null;
  turns: Array<TurnInfo>;
  recordings: Array<RecordingInfo>;
  files: Array<CallFileInfo>;
}

/** States of a call as clients see them (design §3). */
export type CallState =
  | "active"
  | "alerting"
  | "dialing"
  | "ended"
  | "held"
  | "incoming";

export interface CallStatus {
  active: boolean;
  call: CallInfo | null;
}

export interface CallStatusWithSeq {
  active: boolean;
  call: CallInfo | null;
  /** The newest fact that this request caused */
  seq?: number;
}

export interface ClaimResult {
  call_id: string;
  token: string;
}

export interface ClientInfo {
  name: string;
  connected: boolean;
  scopes: Array<string>;
  brain_priority: number | null;
  state: string | null;
  detail: string | null;
}

/** Samples on the socket. */
export type Coding =
  | "alaw"
  | "pcm_s16le"
  | "ulaw";

export interface ConversationInfo {
  /** E.164 where it can be understood; null for what can't be read */
  number: string | null;
  messages: number;
  last: MessageInfo;
}

export interface ConversationPage {
  conversations: Array<ConversationInfo>;
  next: string | null;
}

export type Direction =
  | "in"
  | "out";

/** It is done; there is nothing more to say. */
export interface Done {
}

/** No parameters, or nothing to say. */
export interface Empty {
}

/** No parameters, or nothing to say. */
export interface EmptyWithSeq {
  /** The newest fact that this request caused */
  seq?: number;
}

/** Why a call is over. The network's own words stand beside it as network_text. */
export type EndReason =
  | "busy"
  | "core_restarted"
  | "error"
  | "limit"
  | "local_hangup"
  | "missed"
  | "modem_lost"
  | "no_answer"
  | "no_carrier"
  | "rejected"
  | "remote_hangup";

export interface EngineInfo {
  name: string;
  /** It says what names no engine */
  current: boolean;
  /** What it lacks and how to get it; null: it can be used */
  missing: string | null;
  /** Why its voices could not be listed */
  problem: string | null;
  /** Why it is not asked at the moment, if it failed lately */
  put_aside: string | null;
  voices: Array<VoiceInfo>;
  /** false: it was never tried against the real service */
  verified: boolean;
}

export interface Engines {
  tts: string;
  stt: string;
  /** What tells speech from noise: webrtc, silero or ten */
  vad: string;
}

/** What is gone now. */
export interface ErasedPartyWithSeq {
  messages: number;
  calls: number;
  /** Events in the journal that no longer say who or what */
  facts: number;
  /** Calls that had a recording */
  recordings: number;
  /** Recordings removed; others lie outside of the configured directory */
  files: number;
  /** No trace is left in the store's files. False: they are too large to be rewritten while it runs */
  scrubbed: boolean;
  /** The newest fact that this request caused */
  seq?: number;
}

/** States of the failover machine; docs/network.md has its table. */
export type FailoverState =
  | "backup"
  | "both_down"
  | "off"
  | "primary"
  | "recovering"
  | "starting_backup"
  | "suspect";

/** What a file holds; all but recording are names of the station that this one replaces. */
export type FileKind =
  | "incoming_raw"
  | "outgoing_tts"
  | "recording"
  | "timing"
  | "transcription"
  | "vad_chunk"
  | "vad_chunk_text";

export interface FilePiece {
  name: string;
  offset: number;
  /** base64 */
  data: string;
  /** Of the whole file, as it is now */
  bytes: number;
  /** offset of the following piece; null at the end */
  next: number | null;
}

/** Either text, or audio: a WAV file in base64. */
export interface GreetingInfo {
  text: string | null;
  audio: string | null;
}

/** As in [guard] of core.toml; 0 is no limit. */
export interface GuardLimits {
  sms_per_minute: number;
  sms_per_hour: number;
  sms_per_day: number;
  calls_per_hour: number;
  calls_per_day: number;
}

/** One line. SMS are counted in parts, as networks bill them; a day is the last 24 hours. */
export interface GuardLine {
  line: string;
  sms_last_hour: number;
  sms_last_day: number;
  calls_last_hour: number;
  calls_last_day: number;
  limits: GuardLimits;
  /** Country by which numbers without + are read */
  region: string | null;
}

export interface GuardStatus {
  lines: Array<GuardLine>;
  dry_run: boolean;
  premium: "allow" | "deny";
  /** Patterns of the deny list */
  deny: number;
  /** Patterns of the allow list */
  allow: number;
}

/** What sms.send or call.start would be told now, as far as the guard is concerned. */
export interface GuardVerdict {
  allowed: boolean;
  /** E.164 where the number can be understood, else its digits */
  number: string;
  /** Which rule refuses: emergency, deny, allow, premium, dry_run, sms_per_hour, sms_per_day, calls_per_hour or calls_per_day */
  rule: string | null;
  text: string | null;
  /** When a limit is reached: how long until it is free again */
  retry_after_s: number | null;
}

/** A service of the core that has a call for itself: brains and watches leave it alone meanwhile. */
export type Handled =
  | "transfer"
  | "voicemail";

export interface Health {
  status: "degraded" | "failed" | "ok";
  problems: Array<string>;
  timestamp: string;
  /** Worth knowing; they don't make the status worse */
  notes: Array<string>;
}

/** Who is at the other end, and what you may do. */
export interface Hello {
  server: string;
  version: string;
  scopes: Array<Scope>;
}

export interface LanguageResult {
  user_id: string | number;
  language: string;
}

/** today: the last 24 hours. */
export interface LineQueue {
  line: string;
  queued: number;
  sending: number;
  /** Held for a decision: see sms.resolve */
  unknown: number;
  sent_today: number;
  failed_today: number;
  can_send: boolean;
  /** After a refusal that concerned the whole line */
  blocked_for_s: number;
  /** Second copies of a delivery that were dropped since the start */
  duplicates: number;
  memories: Array<MemoryInfo>;
  smsc: string | null;
}

/** What `status` and modem.state say of a line. */
export type LineState =
  | "failed"
  | "offline"
  | "ready"
  | "reconnecting"
  | "starting";

export interface LineStatusInfo {
  name: string;
  state: LineState;
  reason: string | null;
  manufacturer: string | null;
  model: string | null;
  revision: string | null;
  sim: string | null;
  operator: string | null;
  registration: string | null;
  rssi_dbm: number | null;
}

/** Fields as in location.fix; all null while there is no fix. */
export interface LocationInfo {
  line: string;
  /** Whether the receiver runs; after location.start it may take a minute */
  on: boolean;
  /** Degrees north, WGS 84 */
  latitude: number | null;
  /** Degrees east, WGS 84 */
  longitude: number | null;
  /** Above mean sea level */
  altitude_m: number | null;
  speed_mps: number | null;
  course_deg: number | null;
  satellites: number | null;
  hdop: number | null;
  /** UTC of the fix, RFC 3339 */
  fixed_at: string | null;
}

export interface MemoryInfo {
  /** ME: the modem's own; SM: the SIM's (TS 27.005 §3.2.2) */
  name: string;
  used: number;
  total: number;
}

/** One short message, in or out. */
export interface MessageInfo {
  message_id: string;
  line: string;
  direction: Direction;
  /** The other party as the network has it: a name when alphanumeric, null when it can't be read */
  number: string | null;
  text: string | null;
  /** Base64, for 8-bit messages and those that can't be decoded */
  data: string | null;
  encoding: "binary" | "gsm7" | "ucs2";
  /** 0 is a flash message */
  message_class: number | null;
  state: SmsState;
  /** Stable word that says why it is in this state */
  reason: string | null;
  network_text: string | null;
  /** +CMS ERROR number (TS 27.005 §3.2.5) */
  cms: number | null;
  client_ref: string | null;
  priority: "high" | "low" | "normal";
  /** Whether a status report was asked for */
  report: boolean;
  parts: number;
  parts_sent: number;
  parts_delivered: number;
  /** Numbers of the parts that did not come */
  missing: Array<number>;
  incomplete: boolean;
  silent: boolean;
  /** Not all of it could be decoded; data has the octets then */
  damaged: boolean;
  /** message_id of the message that this one replaces */
  replaces: string | null;
  source_port: number | null;
  destination_port: number | null;
  /** Message waiting indications */
  waiting: Array<SmsWaiting>;
  attempts: number;
  /** RFC 3339 */
  created_at: string;
  /** RFC 3339 */
  updated_at: string;
  /** RFC 3339 */
  send_at: string | null;
  /** RFC 3339 */
  expires_at: string | null;
  /** RFC 3339 */
  next_try_at: string | null;
  /** RFC 3339 */
  sent_at: string | null;
  /** RFC 3339 */
  delivered_at: string | null;
  /** The service centre's time stamp, RFC 3339 with its zone */
  network_at: string | null;
  smsc: string | null;
  /** It was only checked and never queued */
  dry_run: boolean;
}

/** One short message, in or out. */
export interface MessageInfoWithSeq {
  message_id: string;
  line: string;
  direction: Direction;
  /** The other party as the network has it: a name when alphanumeric, null when it can't be read */
  number: string | null;
  text: string | null;
  /** Base64, for 8-bit messages and those that can't be decoded */
  data: string | null;
  encoding: "binary" | "gsm7" | "ucs2";
  /** 0 is a flash message */
  message_class: number | null;
  state: SmsState;
  /** Stable word that says why it is in this state */
  reason: string | null;
  network_text: string | null;
  /** +CMS ERROR number (TS 27.005 §3.2.5) */
  cms: number | null;
  client_ref: string | null;
  priority: "high" | "low" | "normal";
  /** Whether a status report was asked for */
  report: boolean;
  parts: number;
  parts_sent: number;
  parts_delivered: number;
  /** Numbers of the parts that did not come */
  missing: Array<number>;
  incomplete: boolean;
  silent: boolean;
  /** Not all of it could be decoded; data has the octets then */
  damaged: boolean;
  /** message_id of the message that this one replaces */
  replaces: string | null;
  source_port: number | null;
  destination_port: number | null;
  /** Message waiting indications */
  waiting: Array<SmsWaiting>;
  attempts: number;
  /** RFC 3339 */
  created_at: string;
  /** RFC 3339 */
  updated_at: string;
  /** RFC 3339 */
  send_at: string | null;
  /** RFC 3339 */
  expires_at: string | null;
  /** RFC 3339 */
  next_try_at: string | null;
  /** RFC 3339 */
  sent_at: string | null;
  /** RFC 3339 */
  delivered_at: string | null;
  /** The service centre's time stamp, RFC 3339 with its zone */
  network_at: string | null;
  smsc: string | null;
  /** It was only checked and never queued */
  dry_run: boolean;
  /** The newest fact that this request caused */
  seq?: number;
}

export interface MessagePage {
  messages: Array<MessageInfo>;
  /** Cursor of the following page; null: this was the last */
  next: string | null;
}

/** downlink: the far end. uplink: what it is given. stereo: both, far end left. mixed: both in one channel. */
export type Mix =
  | "downlink"
  | "mixed"
  | "stereo"
  | "uplink";

export interface ModemAtResult {
  lines: Array<string>;
  /** OK, ERROR, +CME ERROR: … */
  final: string;
}

/** The carrier that the SIM belongs to, as far as it is known, and what it takes to use it. */
export interface ModemCarrier {
  line: string;
  name: string | null;
  country: string | null;
  /** Country and network code, such as 234-15 */
  mcc_mnc: string;
  apn: string;
  ims_apn: string;
  /** null: nobody knows; the network decides */
  volte: boolean | null;
  /** config, file, override, system, shipped or fallback */
  source: string;
}

/** See modem.carrier for the rest. */
export interface ModemCarrierName {
  name: string | null;
  mcc_mnc: string;
}

/** One packet data context. */
export interface ModemContext {
  cid: number;
  /** IP, IPV6 or IPV4V6 */
  kind: string;
  apn: string;
  active: boolean;
  address: string | null;
}

/** A modem.state, modem.lost or modem.recovery event, as it was told; state is that of the line or of the rung. */
export interface ModemFact {
  seq: number;
  topic: string;
  at: string;
  line: string | null;
  state: string | null;
  reason: string | null;
  rung: string | null;
  attempt: number | null;
  duration_s: number | null;
}

export interface ModemHistory {
  /** The newest first */
  facts: Array<ModemFact>;
}

export interface ModemMemory {
  name: string;
  used: number;
  total: number;
}

export interface ModemResetResult {
  line: string;
}

export interface ModemSignalInfo {
  line: string;
  state: LineState;
  operator: string | null;
  registration: string | null;
  access_technology: string | null;
  rssi_dbm: number | null;
  /** rssi_dbm on the scale of AT+CSQ: 0 to 31 */
  signal_percent: number | null;
  /** LTE only, as the two below */
  rsrp_dbm: number | null;
  rsrq_db: number | null;
  sinr_db: number | null;
}

/** asked_at: when the modem said what only asking tells; null when it was not to be asked. */
export interface ModemStatus {
  line: string;
  state: LineState;
  reason: string | null;
  asked_at: string | null;
  manufacturer: string | null;
  model: string | null;
  /** Its firmware */
  revision: string | null;
  /** Admin only, as all that stands in redacted */
  imei: string | null;
  /** READY, SIM PIN, SIM PUK, ABSENT, BUSY, FAILURE … */
  sim: string | null;
  pin_tries_left: number | null;
  imsi: string | null;
  iccid: string | null;
  smsc: string | null;
  memories: Array<ModemMemory>;
  carrier: ModemCarrierName | null;
  operator: string | null;
  /** Of the network that it is in, such as 234-15 */
  mcc_mnc: string | null;
  /** The best of the three below */
  registration: string | null;
  /** Calls in 2G and 3G */
  creg: string | null;
  /** Data in 2G and 3G */
  cgreg: string | null;
  /** LTE */
  cereg: string | null;
  access_technology: string | null;
  band: string | null;
  /** Hexadecimal */
  area: string | null;
  /** Hexadecimal */
  cell: string | null;
  rssi_dbm: number | null;
  /** rssi_dbm on the scale of AT+CSQ: 0 to 31 */
  signal_percent: number | null;
  rsrp_dbm: number | null;
  rsrq_db: number | null;
  sinr_db: number | null;
  contexts: Array<ModemContext>;
  /** Its sign: LTE, and an active context of the IMS */
  volte: boolean | null;
  voltage_v: number | null;
  temperature_c: number | null;
  /** With the zone of the place; offered, never set anywhere. null: never told */
  network_time: string | null;
  /** USB product id */
  composition: string | null;
  usb_path: string | null;
  /** Role to path */
  ports: Record<string, string>;
  resets_last_hour: number;
  /** Verdict of the last call's audio */
  audio: string | null;
  /** Fields that your scopes don't show */
  redacted: Array<string>;
}

export interface ModemUnlocked {
  line: string;
  sim: string | null;
}

/** The SIM's data. */
export interface NetBackupInfo {
  /** down, starting, up or stopping */
  state: string;
  /** It has the traffic, or not all of that is given back yet */
  traffic: boolean;
  /** qmi, ecm or ppp; null before the first start */
  kind: string | null;
  interface: string | null;
  address: string | null;
  gateway: string | null;
  dns: Array<string>;
  /** Why it is not up: a stable word, as in net.failover */
  cause: string | null;
  /** The same for people */
  text: string | null;
  /** Until the next try */
  retry_s: number | null;
  /** Why it may not be started at all */
  barred: string | null;
  /** Another program keeps taking our default route away */
  contested: boolean;
  probe: NetProbeInfo | null;
}

/** The internet connection; net.status has the rest. */
export interface NetBrief {
  state: FailoverState;
  /** The main link's interface */
  primary: string | null;
  /** What carries the traffic */
  interface: string | null;
}

export interface NetCheckInfo {
  /** Of the main link; null where the look came to nothing */
  verdict: NetVerdict | null;
  /** For people */
  detail: string;
  state: FailoverState;
  /** What carries the traffic */
  interface: string | null;
  /** The backup is being started, or carries the traffic already */
  backup_starting: boolean;
  took_s: number;
}

/** The SIM's data today. */
export interface NetDataInfo {
  /** By the station's own time zone */
  day: string;
  /** Both directions, 1 MB = 1000000 bytes, at most a minute old */
  used_mb: number;
  /** 0: none */
  limit_mb: number;
}

/** One interface, without its addresses: those are for net.status. */
export interface NetLink {
  interface: string;
  /** ethernet, wifi, wwan, ppp, tunnel or other */
  kind: string;
  carrier: boolean;
  /** It has carrier, an IPv4 address and a default route */
  usable: boolean;
}

/** One interface, IPv4. */
export interface NetLinkInfo {
  interface: string;
  /** ethernet, wifi, wwan, ppp, tunnel or other */
  kind: string;
  up: boolean;
  carrier: boolean;
  /** It has carrier, an address and a default route */
  usable: boolean;
  /** Of its best default route that is not ours */
  metric: number | null;
  /** Admin only, as all that stands in redacted: 192.168.1.7/24 */
  addresses: Array<string>;
  gateway: string | null;
  dns: Array<string>;
  /** NetworkManager's name for it */
  connection: string | null;
}

export interface NetProbeInfo {
  interface: string;
  verdict: NetVerdict;
  /** For people */
  detail: string;
  at: string;
  rtt_ms: number | null;
}

/** primary: the main link. interface: what carries the traffic, as far as it is decided here. default: where the kernel sends now. */
export interface NetStatusInfo {
  state: FailoverState;
  /** auto, on or off */
  mode: string;
  since: string;
  reason: string;
  /** A stable word, as in net.failover */
  cause: string | null;
  interface: string | null;
  primary: string | null;
  default: string | null;
  links: Array<NetLinkInfo>;
  /** Of the main link; null before the first look */
  verdict: NetVerdict | null;
  /** Looks at the main link that failed after each other */
  fails: number;
  /** Looks that it answered after each other */
  answers: number;
  backup: NetBackupInfo;
  data: NetDataInfo;
  primary_probe: NetProbeInfo | null;
  /** null: none is configured */
  vpn: NetVpnInfo | null;
  /** Why dialtone-helper can't be asked; null when it can */
  helper: string | null;
  /** Parts that broke and are being started again */
  troubles: Array<string>;
  /** Fields that your scopes don't show */
  redacted: Array<string>;
}

/** What a look at one link found (core/net/prober.py). */
export type NetVerdict =
  | "captive"
  | "dns_failed"
  | "down"
  | "no_link"
  | "ok";

export interface NetVpnInfo {
  interface: string | null;
  state: VpnState;
  reason: string;
  handshake_age_s: number | null;
  ping_ms: number | null;
  /** Admin only */
  endpoint: string | null;
  restarts: number;
  /** No restart is made before */
  next_restart_s: number | null;
}

/** An OpenRPC document with the events as x-events; see https://spec.open-rpc.org. */
export interface OpenRpc {
  openrpc: string;
  info: Record<string, unknown>;
  methods: Array<Record<string, unknown>>;
  components: Record<string, unknown>;
  "x-events": Array<Record<string, unknown>>;
}

/** What a status report says (TP-ST, TS 23.040 §9.2.3.15). */
export type Outcome =
  | "delivered"
  | "failed"
  | "pending";

export interface PhrasesResult {
  count: number;
}

export interface PrefetchResult {
  /** Texts whose audio is there */
  ready: number;
  /** Texts that are made when nothing else is; ask again to see */
  waiting: number;
}

export interface Queues {
  lines: Array<LineQueue>;
}

export interface RecordResult {
  /** The file being written, or that was */
  recording: string | null;
  /** [recording] consent_text is being said first */
  waits_for_consent: boolean;
}

/** One finished recording of a call, whatever became of its file. */
export interface RecordingInfo {
  /** From 1; 0 where nothing was recorded, see problem */
  part: number;
  path: string | null;
  format: string;
  duration_s: number;
  bytes: number;
  problem: string | null;
  removed_at: string | null;
  /** age or size, by [recording] keep_days and max_bytes */
  removed_because: string | null;
}

export interface RecordingsPage {
  files: Array<CallFileInfo>;
  total: number;
  total_bytes: number;
  /** offset of the following page */
  next: number | null;
}

/** What a peer may do. admin holds all others. */
export type Scope =
  | "admin"
  | "calls"
  | "messages"
  | "observe";

/** States of a short message (docs/messages.md has the table). */
export type SmsState =
  | "cancelled"
  | "delivered"
  | "expired"
  | "failed"
  | "queued"
  | "received"
  | "sending"
  | "sent"
  | "unknown";

/** Something waits for the subscriber in a mailbox, or no longer does. */
export interface SmsWaiting {
  /** voicemail, fax, email or other */
  kind: string;
  active: boolean;
  count: number | null;
}

/** completed, heard_text and played_ms are there with wait: spoken. */
export interface SpeakResult {
  utterance: number;
  completed: boolean | null;
  heard_text: string | null;
  played_ms: number | null;
}

/** True at `seq`: subscribe with since: seq and nothing is missed or told twice. */
export interface State {
  seq: number;
  lines: Array<LineStatusInfo>;
  calls: Array<CallInfo>;
  clients: Array<ClientInfo>;
  alarms: Array<AlarmInfo>;
  /** null where [net] is not enabled */
  net: NetBrief | null;
}

export interface Status {
  service: string;
  version: string;
  uptime_s: number;
  seq: number;
  lines: Array<LineStatusInfo>;
  calls: Array<CallInfo>;
  clients: Array<ClientInfo>;
  alarms: Array<AlarmInfo>;
  engines: Engines;
  /** null where [net] is not enabled */
  net: NetBrief | null;
}

export interface StopResult {
  stopped: number;
  heard_text: string | null;
  played_ms: number;
}

/** One engine. */
export interface SttEngineInfo {
  name: string;
  available: boolean;
  /** Why it is not available, and how to get it */
  reason: string | null;
  /** It hears the next utterance */
  active: boolean;
  loaded: boolean;
  /** It failed again and again and is left out for a while */
  resting: boolean;
  /** It hears nothing but phrases of stt.phrases */
  needs_phrases: boolean;
  model: string | null;
}

export interface SttEngines {
  /** What hears the next utterance: an engine, remote or none */
  engine: string;
  fallback: Array<string>;
  engines: Array<SttEngineInfo>;
}

/** The subscription is in force. Everything after resumed_from (or, where that is null, after seq) will come. */
export interface Subscribed {
  /** The newest fact when you subscribed */
  seq: number;
  /** Facts after this seq are replayed; null: none are */
  resumed_from: number | null;
  consumer: string | null;
}

export interface SynthesizeResult {
  /** base64 */
  audio: string;
  format: "ogg" | "pcm" | "wav";
  rate_hz: number;
  duration_ms: number;
  /** Where the words are; none from engines that don't tell */
  marks: Array<WordPlace>;
}

export interface TranscribeResult {
  text: string | null;
  understood: boolean;
  confidence: number | null;
  language: string | null;
  engine: string | null;
  duration_ms: number;
  /** How long the engine took */
  stt_ms: number;
  segments: Array<TranscribeSegment>;
  /** As in call.speech */
  problem: string | null;
}

/** Words and where they lie in the recording. */
export interface TranscribeSegment {
  start_ms: number;
  end_ms: number;
  text: string;
  confidence: number | null;
}

/** How far a transfer to a person is. */
export type TransferState =
  | "answered"
  | "dialing"
  | "ended"
  | "failed"
  | "held"
  | "joined"
  | "message_sent"
  | "returned"
  | "taking_message";

/** heard_text and played_ms: of the utterance that was being said. */
export interface TtsCancelResult {
  cancelled: number;
  heard_text: string | null;
  played_ms: number;
}

export interface TtsQueueResult {
  call_id: string;
  utterance: number;
  /** Utterances that are said before it */
  ahead: number;
}

export interface TurnInfo {
  /** caller or bot */
  role: string;
  turn: number;
  text: string | null;
  heard_text: string | null;
  understood: boolean;
  confidence: number | null;
  engine: string | null;
  language: string | null;
  at_ms: number;
  duration_ms: number;
  latency_ms: number;
}

/** <m> of +CUSD (TS 27.007 §7.15). */
export type UssdState =
  | "done"
  | "elsewhere"
  | "reply_wanted"
  | "terminated"
  | "timeout"
  | "unsupported";

export interface UssdTextWithSeq {
  text: string | null;
  state: UssdState;
  /** The newest fact that this request caused */
  seq?: number;
}

export interface VoiceInfo {
  name: string;
  language: string;
  gender: string | null;
  description: string | null;
}

/** Either audio, or path. */
export interface VoicemailAudio {
  format: "ogg" | "pcm" | "wav";
  rate_hz: number;
  duration_ms: number;
  /** base64 */
  audio: string | null;
  path: string | null;
}

export interface VoicemailInfo {
  voicemail_id: string;
  call_id: string;
  line: string;
  number: string | null;
  withheld: boolean;
  /** RFC 3339, UTC: when the message began */
  received_at: string;
  duration_s: number;
  /** null where no recogniser could make words of it */
  text: string | null;
  language: string | null;
  /** The core, the modem or the disk stopped in the middle of it */
  partial: boolean;
  heard_at: string | null;
}

export interface VoicemailPage {
  voicemails: Array<VoicemailInfo>;
  /** How many there are in all that nobody has heard */
  unheard: number;
  next: string | null;
}

export interface VoicesResult {
  engines: Array<EngineInfo>;
}

/** OFF: its interface does not exist. */
export type VpnState =
  | "down"
  | "off"
  | "restarting"
  | "stale"
  | "up";

/** What becomes of audio that a talker sends faster than the line takes it. wait: it stays in the socket, so that the line sets the pace of the writer. drop: the oldest goes, so that a live source is never more than 200 ms behind. */
export type WhenFull =
  | "drop"
  | "wait";

/** A saved connection; passwords are never shown. */
export interface WifiConnectionInfo {
  id: string;
  uuid: string;
  ssid: string;
  priority: number;
  autoconnect: boolean;
}

export interface WifiConnections {
  /** Those that are tried first come first */
  connections: Array<WifiConnectionInfo>;
}

/** A network in reach. */
export interface WifiNetworkInfo {
  ssid: string;
  strength_percent: number;
  /** open, wep, wpa, enterprise and their kin */
  security: string;
  active: boolean;
  saved: boolean;
}

export interface WifiNetworks {
  /** The strongest first */
  networks: Array<WifiNetworkInfo>;
}

export interface WithdrawResult {
  /** Calls that this brain steered until now */
  calls: Array<string>;
}

/** A word: text[start:end] begins at_ms after the first sample. */
export interface WordPlace {
  start: number;
  end: number;
  at_ms: number;
}

/** $/cancelRequest: Stop waiting for a request of this connection: it is answered with error -32800. What the modem had begun is carried through. Meant as a notification. */
export interface CancelRequestParams {
  /** The id of your request */
  id: number | string;
}

/** brain.register: Makes this connection a brain: it steers each call of its lines, the highest priority first. */
export interface BrainRegisterParams {
  /** Higher steers first */
  priority?: number;
  lines?: Array<string>;
}

/** brain.withdraw: Steps aside without closing the connection: calls that this brain steers go to the next one at once, which is told by call.claimed. brain.register comes back. */
export interface BrainWithdrawParams {
}

/** call.accept: Answers an incoming call before its policy would. */
export interface CallAcceptParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.attach: Gives the raw voice of the call on a Unix socket of its own, for a client of the same user. While a talker is connected there, the core neither hears turns nor detects keys in band, unless keep_hearing. */
export interface CallAttachParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  /** talker: does the speech of the call, one at a time; listener: changes nothing */
  role?: "listener" | "talker";
  /** in: the client sends into the call; out: it gets what is heard there. Listeners: out */
  direction?: "both" | "in" | "out" | null;
  rate_hz?: 8000 | 16000 | 24000 | 48000 | null;
  format?: Coding;
  /** What a listener gets; stereo has the far end left, us right */
  mix?: Mix;
  /** The core goes on with turns and keys; left out: true for direction in */
  keep_hearing?: boolean | null;
  /** Audio sent faster than the line takes it waits in the socket, or the oldest is dropped */
  when_full?: WhenFull;
}

/** call.chunk_audio: The audio of one chunk, until a minute after the call. */
export interface CallChunkAudioParams {
  call_id: string;
  chunk: number;
  format?: "ogg" | "pcm" | "wav";
}

/** call.claim: Takes the steering of a call: this connection holds it, others need the token. speakers may also speak. */
export interface CallClaimParams {
  /** Left out: the only live call */
  call_id?: string | null;
  speakers?: Array<string>;
}

/** call.configure: Sets engine, language, voice, keys, greeting and answer policy for one call. */
export interface CallConfigureParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  language?: string | null;
  voice?: string | null;
  /** As tts.voices lists them; auto */
  tts_engine?: string | null;
  /** For the engine: speed_wpm, pitch, style, model … (docs/speech.md) */
  voice_settings?: Record<string, string> | null;
  /** local: as configured; remote: a client answers with stt.result */
  stt_engine?: "local" | "none" | "remote" | null;
  greeting?: string | null;
  answer_after_rings?: number | null;
  reject_by?: string | null;
  /** Whether this call is recorded, in place of [recording] enabled */
  record?: boolean | null;
  /** Secrets for cloud engines; kept in memory until the call is over, never shown */
  keys?: Record<string, string> | null;
}

/** call.dtmf: Sends keys into the call; answers when the last one is out. */
export interface CallDtmfParams {
  /** Keys, sent one by one */
  digits: string;
  /** As tones in our own voice, instead of by the modem */
  inband?: boolean;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.get: One call with its turns. */
export interface CallGetParams {
  call_id: string;
}

/** call.hangup: Ends a call in any state, at once or after the last words. An admin may always. */
export interface CallHangupParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  /** Let what is said or waits be heard first, 25 s at most */
  after_speech?: boolean;
  /** Last words; after_speech is meant with them */
  text?: string | null;
}

/** call.hold: Puts the active call on hold; a waiting or held one becomes active. */
export interface CallHoldParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.list: The call log, newest first; next is the cursor of the following page. */
export interface CallListParams {
  limit?: number;
  /** next of the page before */
  before?: string | null;
  /** Left out: the default line */
  line?: string | null;
  direction?: Direction | null;
}

/** call.pause: Pauses our speech at the next frame. */
export interface CallPauseParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.play: Plays a WAV, OGG, FLAC or MP3 file of any rate and length, or a tone, into the call, behind what plays already and without a gap. call.pause, call.resume and call.stop work on it. */
export interface CallPlayParams {
  /** Below a root of [media] roots */
  path?: string | null;
  /** base64 of an audio file */
  audio?: string | null;
  /** dial, ringback, busy, congestion, sit, beep, cng, ced, or keys (0-9 * # A-D) */
  tone?: string | null;
  /** Whose tones */
  country?: "de" | "es" | "eu" | "fr" | "gb" | "it" | "lt" | "pl" | "us" | null;
  /** How often; 0 is until stopped. A tone: its cadence */
  loop?: number;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  interruptible?: boolean;
  replace?: boolean;
  wait?: "accepted" | "spoken";
}

/** call.record: Starts or stops the stereo recording (caller left, us right). */
export interface CallRecordParams {
  enabled: boolean;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.recording_file: A piece of one of these files. */
export interface CallRecordingFileParams {
  /** As call.recordings gave it */
  name: string;
  offset?: number;
  max_bytes?: number;
}

/** call.recordings: Files kept of calls, newest first: recordings, and those of [recording] legacy_files and timing. */
export interface CallRecordingsParams {
  /** Left out: of all calls */
  call_id?: string | null;
  limit?: number;
  offset?: number;
}

/** call.reject: Turns an incoming call away. */
export interface CallRejectParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.release: Lets go of the steering; anyone with scope calls may steer then. */
export interface CallReleaseParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.resume: Goes on with paused speech. */
export interface CallResumeParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.resume_held: Takes a held call back. */
export interface CallResumeHeldParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.speak: Says a text into the call; a text after another waits for its turn, replace stops what is being said. */
export interface CallSpeakParams {
  text: string;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  language?: string | null;
  voice?: string | null;
  interruptible?: boolean;
  /** Stop what is being said or waits first */
  replace?: boolean;
  /** Places [from, to) in text, in characters, that no caller interrupts */
  uninterruptible?: Array<Array<unknown>>;
  /** Go on after an interruption that turns out to be none ([media] resume_after_ms) */
  resume?: boolean;
  /** When to answer */
  wait?: "accepted" | "spoken";
}

/** call.start: Places a call; answers once the modem took it, before the far end rings. */
export interface CallStartParams {
  /** + and digits, or a short code; spaces and dashes are dropped */
  number: string;
  /** Left out: the default line */
  line?: string | null;
  hide_number?: boolean;
  /** Tell who answers with call.answered_by; default: detect_answer of [call] */
  detect?: "off" | "on" | null;
}

/** call.status: The live call, or active: false; never an error while nothing is going on. */
export interface CallStatusParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.stop: Stops everything that is said or waits to be; tells what the far end was given. */
export interface CallStopParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.swap: Exchanges the active and the held call of a line; answers with the one that is active now. */
export interface CallSwapParams {
  /** Left out: the default line */
  line?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.to_voicemail: Sends a caller to voicemail: a call that rings is answered for it, an active one goes there at once. Voicemail hangs up when the message is over. */
export interface CallToVoicemailParams {
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** call.transfer: Hands the caller of an active call to a person. Answers once it may be tried; call.transfer events tell how far it is. Until the last of them the core has the call (handled: transfer); then it is its holder's again. */
export interface CallTransferParams {
  /** + and digits, or a short code; spaces and dashes are dropped */
  to: string;
  /** Said to the person first, who then takes the call with key 1. It also keeps mailboxes out: without it whoever answers is joined at once */
  announce?: string | null;
  /** join: call the person and join the calls; auto: where that fails, take a message and send it by SMS; sms: take a message at once */
  mode?: "auto" | "join" | "sms";
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** client.hello: Say who you are. Optional: everything works without it, but brains, claims and reported states go by this name. */
export interface ClientHelloParams {
  /** What you are called in status and claims */
  name: string;
  version?: string | null;
  /** Give up all other scopes on this connection, for a gateway that serves somebody with less */
  scopes?: Array<Scope> | null;
}

/** client.report_state: What this client is doing, and the full set of alarms that it has now; the core tells the difference. */
export interface ClientReportStateParams {
  state: string;
  detail?: string | null;
  alarms?: Array<AlarmReport> | null;
}

/** events.ack: Acknowledge facts for this connection's consumer, so that it resumes after them. Cumulative; acknowledging again or less changes nothing. */
export interface EventsAckParams {
  /** You are done with this fact and all before it */
  seq: number;
}

/** events.subscribe: Choose the events of this connection, in place of what it had before. Replayed facts come before live ones, without hole or double. */
export interface EventsSubscribeParams {
  /** What you want. Left out: all facts and no moments; moments come only to those who name them */
  topics?: Array<string> | null;
  /** Replay the facts after this seq first */
  since?: number | null;
  /** Resume where this consumer has acknowledged; a new name begins now, or at since */
  consumer?: string | null;
}

/** events.unsubscribe: Get no more events on this connection. A consumer's place stays on disk. */
export interface EventsUnsubscribeParams {
}

/** guard.check: Whether the guard would let a message or a call to this number through now; nothing is sent or counted. */
export interface GuardCheckParams {
  /** + and digits, or a short code; spaces and dashes are dropped */
  to: string;
  kind?: "call" | "sms";
  /** Left out: the default line */
  line?: string | null;
}

/** guard.status: How much each line has sent and dialled, and its limits. */
export interface GuardStatusParams {
  /** Left out: all lines */
  line?: string | null;
}

/** health: ok; degraded while some line can't take calls; failed while none can. */
export interface HealthParams {
}

/** language.get: The language kept for a user of an old client. */
export interface LanguageGetParams {
  /** Any stable name of a user */
  user_id: string | number;
}

/** language.set: Keeps a language for a user of an old client. */
export interface LanguageSetParams {
  /** Any stable name of a user */
  user_id: string | number;
  language: string;
}

/** location.get: The last position, and whether the receiver runs. */
export interface LocationGetParams {
  /** Left out: the default line */
  line?: string | null;
}

/** location.start: Switches satellite positioning on until location.stop; location.fix follows once a second as soon as there is a fix, and again after the modem was away. It outlives no restart of the daemon; gnss = true in core.toml does. */
export interface LocationStartParams {
  /** Left out: the default line */
  line?: string | null;
}

/** location.stop: Switches it off. The next start takes up to a minute: the receiver needs its time to end. */
export interface LocationStopParams {
  /** Left out: the default line */
  line?: string | null;
}

/** modem.at: One AT command by hand, if raw_at is set for the line. An error of the modem is a result, too. */
export interface ModemAtParams {
  /** Such as AT+CSQ */
  command: string;
  /** Left out: the default line */
  line?: string | null;
  timeout_s?: number;
}

/** modem.carrier: The carrier of the SIM: its name, access points and VoLTE, and where that is known from. */
export interface ModemCarrierParams {
  /** Left out: the default line */
  line?: string | null;
}

/** modem.history: What happened to the modems: lost, found, healed, with reasons and how long it took. */
export interface ModemHistoryParams {
  /** Left out: all lines */
  line?: string | null;
  limit?: number;
}

/** modem.reset: Restart the modem; answers once it has taken the command. modem.state tells when it is back. */
export interface ModemResetParams {
  /** Left out: the default line */
  line?: string | null;
  /** For the history */
  reason?: string | null;
}

/** modem.signal: Strength and quality as last heard; nothing is asked of the modem. */
export interface ModemSignalParams {
  /** Left out: the default line */
  line?: string | null;
}

/** modem.status: Everything about a modem, its SIM and its network. Without a modem it says so, and what it says by asking is null. */
export interface ModemStatusParams {
  /** Left out: the default line */
  line?: string | null;
  /** Ask the modem now, or fail; otherwise what it said within the last 10 s will do */
  fresh?: boolean;
}

/** modem.unlock: Enter the SIM's PIN; with its PUK, set a new one. Never done with fewer than two tries left. */
export interface ModemUnlockParams {
  /** Never logged, kept on disk or sent back */
  pin: string;
  /** With it, pin is the new PIN */
  puk?: string | null;
  /** Left out: the default line */
  line?: string | null;
}

/** net.check: Look at the main link now, with the short timeout, and start the backup when it is down; answers within 2.5 s. Requests within a second share one look. */
export interface NetCheckParams {
  /** What for; kept to the log */
  reason?: string;
}

/** net.failover: Use the SIM's data now (on), never begin anything by itself (off), or go by the rules (auto). Until the core is restarted; answers at once, net.failover tells how it went. `on` is refused once the day's data is used up. */
export interface NetFailoverParams {
  /** The SIM's data now; never by itself; as the rules say */
  mode: "auto" | "off" | "on";
}

/** net.status: Everything about the internet connection: links, what was last seen of them, backup, data used today, VPN. */
export interface NetStatusParams {
}

/** net.vpn: How the VPN is; with restart it is restarted first, which takes up to 40 s. */
export interface NetVpnParams {
  /** Restart wg-quick first; admin only */
  restart?: boolean;
}

/** net.wifi.connect: Connect to a saved connection or a network in reach; answers when there is an address, up to 60 s. */
export interface NetWifiConnectParams {
  /** Name of a network, or uuid of a connection */
  network: string;
  /** Never logged or sent back */
  password?: string | null;
}

/** net.wifi.list: Wi-Fi networks in reach, through NetworkManager. */
export interface NetWifiListParams {
  /** Look first; up to 12 s */
  rescan?: boolean;
}

/** net.wifi.saved: Wi-Fi connections that NetworkManager keeps. */
export interface NetWifiSavedParams {
}

/** net.wifi.set_priority: Which saved connection is tried first; answers with all of them. */
export interface NetWifiSetPriorityParams {
  /** Of a saved connection */
  uuid: string;
  /** The higher is tried first */
  priority: number;
}

/** rpc.discover: Describe every method, event and error with its schema, as an OpenRPC document. */
export interface RpcDiscoverParams {
}

/** sms.cancel: Takes a message out of the queue. not_now once it is on its way. */
export interface SmsCancelParams {
  /** From sms.send, or of an event */
  message_id: string;
}

/** sms.conversation: All messages from and to one party, newest first. */
export interface SmsConversationParams {
  /** A number in any spelling, or a sender's name */
  number: string;
  limit?: number;
  /** A message_id: next of the page before */
  before?: string | null;
}

/** sms.conversations: Each party with its newest message, newest first. */
export interface SmsConversationsParams {
  limit?: number;
  /** A message_id: next of the page before */
  before?: string | null;
}

/** sms.delete: Drops one finished message. Events that told of it stay until they expire; sms.erase clears those as well. */
export interface SmsDeleteParams {
  /** From sms.send, or of an event */
  message_id: string;
}

/** sms.erase: Forgets everything about one number: messages, calls, what was said in them, recordings, and what events in the journal say of it. Messages that wait for it are cancelled. Asking again finishes what a crash cut off. */
export interface SmsEraseParams {
  /** A number in any spelling, or a sender's name */
  number: string;
}

/** sms.export: All messages, oldest first, in large pages; next is the after of the following one. */
export interface SmsExportParams {
  limit?: number;
  /** A message_id: next of the page before */
  after?: string | null;
  direction?: Direction | null;
  /** A number in any spelling, or a sender's name */
  number?: string | null;
  /** RFC 3339 with its zone; by when it came to us */
  since?: string | null;
  /** RFC 3339 with its zone; by when it came to us */
  until?: string | null;
}

/** sms.get: One message. */
export interface SmsGetParams {
  /** From sms.send, or of an event */
  message_id: string;
}

/** sms.list: Messages in and out, newest first. next is the cursor (before; with oldest_first after) of the following page. */
export interface SmsListParams {
  limit?: number;
  /** A message_id: next of the page before */
  before?: string | null;
  /** A message_id: next of the page before */
  after?: string | null;
  /** Left out: all lines */
  line?: string | null;
  direction?: Direction | null;
  /** One state, or any of several */
  state?: SmsState | Array<SmsState> | null;
  /** A number in any spelling, or a sender's name */
  number?: string | null;
  /** RFC 3339 with its zone; by when it came to us */
  since?: string | null;
  /** RFC 3339 with its zone; by when it came to us */
  until?: string | null;
  /** Then pages go on with after */
  oldest_first?: boolean;
}

/** sms.queue: What waits on each line, and what keeps it. */
export interface SmsQueueParams {
  /** Left out: the default line */
  line?: string | null;
}

/** sms.resolve: Decides about a message whose fate is unknown, or tries a failed one once more. */
export interface SmsResolveParams {
  /** From sms.send, or of an event */
  message_id: string;
  /** resend: once more, it may arrive twice; sent, failed: what you found out about it */
  outcome: "failed" | "resend" | "sent";
}

/** sms.search: Messages by their words, newest first; case and accents don't matter. Whatever is typed is a query. */
export interface SmsSearchParams {
  /** Words that must all be there; the last may be the beginning of one */
  query: string;
  limit?: number;
  /** A message_id: next of the page before */
  before?: string | null;
  /** A number in any spelling, or a sender's name */
  number?: string | null;
  direction?: Direction | null;
}

/** sms.send: Sends a short message; answers once it is on disk. sms.status follows it from there. */
export interface SmsSendParams {
  /** + and digits, or a short code; spaces and dashes are dropped */
  to: string;
  text?: string | null;
  /** Base64 */
  data?: string | null;
  /** Left out: the default line */
  line?: string | null;
  /** 0 is a flash message */
  message_class?: number | null;
  /** Ask for a status report; left out: as in [sms] */
  report?: boolean | null;
  /** How long the network tries */
  validity_s?: number | null;
  priority?: "high" | "low" | "normal";
  /** RFC 3339 with its zone */
  send_at?: string | null;
  /** Not sent after this; RFC 3339 */
  expires_at?: string | null;
  /** Yours: the same one again gives the same message */
  client_ref?: string | null;
  /** When the modem's answer is lost: hold never sends it twice */
  on_unknown?: "hold" | "resend" | null;
  /** Left out: the shorter one that can */
  encoding?: "gsm7" | "ucs2" | null;
  /** Long texts: in parts that phones join, or as messages of their own, plain or as 1/3 */
  split?: "concat" | "numbered" | "separate" | null;
  /** Application port (TS 23.040 §9.2.3.24.4) */
  source_port?: number | null;
  /** Application port (TS 23.040 §9.2.3.24.4) */
  destination_port?: number | null;
  /** Base64: header elements without the length octet */
  udh?: string | null;
  /** Replaces an earlier one of that type */
  replace_type?: number | null;
  /** Message type 0: phones acknowledge it and show nothing */
  silent?: boolean;
  reject_duplicates?: boolean;
  reply_path?: boolean;
  /** Service centre; left out: that of the SIM */
  smsc?: string | null;
  number_type?: "international" | "national" | "short" | "unknown" | null;
  /** Checks and composes it, and sends nothing */
  dry_run?: boolean;
}

/** state.get: A snapshot with the seq it is true at. */
export interface StateGetParams {
}

/** status: Everything worth a look: lines, calls, clients, alarms, engines. */
export interface StatusParams {
}

/** stt.engines: The engines for speech in: which can be had, which not and why, which hears now. */
export interface SttEnginesParams {
}

/** stt.phrases: What this connection expects callers to say; replaces its earlier list. "yes|yeah|sure" declares three wordings of one phrase, and the first is what call.speech reports. At most 200 phrases of 120 characters. */
export interface SttPhrasesParams {
  phrases: Array<string>;
  language?: string | null;
}

/** stt.result: A remote recogniser's words for a chunk. Those of all chunks of a turn that is over become call.speech; not_now for a turn whose words were told already, because [stt] remote_wait_s had passed. */
export interface SttResultParams {
  call_id: string;
  turn: number;
  chunk: number;
  text: string;
  /** False: better words will come for this chunk */
  final?: boolean;
  /** True: text is that of the whole turn up to this chunk */
  whole?: boolean;
  confidence?: number | null;
  language?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
}

/** stt.transcribe: Words of a file with their times: WAV, OGG, FLAC or MP3, at most ten minutes. With `job` the stt.progress events of that name tell how far it is; $/cancelRequest stops the engine. Callers' turns go first. */
export interface SttTranscribeParams {
  /** Below a root of [media] roots */
  path?: string | null;
  /** base64 of an audio file */
  audio?: string | null;
  /** BCP 47, or auto where the engine can guess it */
  language?: string | null;
  job?: string | null;
}

/** tts.cancel: Takes a text back, wherever it is: in the making, waiting, or being said. What waits behind it goes on. */
export interface TtsCancelParams {
  /** Of a tts.synthesize of this connection */
  job?: string | null;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  utterance?: number | null;
}

/** tts.prefetch: Makes texts ahead and keeps them on disk, so that greetings and fillers cost nothing when they are said. */
export interface TtsPrefetchParams {
  texts: Array<string>;
  language?: string | null;
  voice?: string | null;
  /** As tts.voices lists them; left out: as configured */
  engine?: string | null;
  /** For the engine: speed_wpm, pitch, style, model … (docs/speech.md) */
  voice_settings?: Record<string, string>;
  /** That of the line */
  rate_hz?: 8000 | 16000;
}

/** tts.queue: Says a text into the call when its turn comes: before what waits with a lower priority, after what is being said. */
export interface TtsQueueParams {
  text: string;
  /** Left out: the only live call */
  call_id?: string | null;
  /** From call.claim, for connections that don't hold the claim */
  token?: string | null;
  language?: string | null;
  voice?: string | null;
  interruptible?: boolean;
  /** Stop what is being said or waits first */
  replace?: boolean;
  /** Of what waits: a higher one is made and said first */
  priority?: "high" | "low" | "normal";
}

/** tts.synthesize: Speech of a text, outside any call. */
export interface TtsSynthesizeParams {
  text: string;
  language?: string | null;
  voice?: string | null;
  /** This one and no other; left out: as configured, with fallback */
  engine?: string | null;
  /** For the engine: speed_wpm, pitch, style, model … (docs/speech.md) */
  voice_settings?: Record<string, string>;
  /** Of what waits: a higher one is made and said first */
  priority?: "high" | "low" | "normal";
  /** A name of your own, for tts.cancel */
  job?: string | null;
  format?: "ogg" | "pcm" | "wav";
  rate_hz?: 8000 | 16000;
}

/** tts.voices: The speech engines of this station, what each lacks, and the voices that `voice` takes. */
export interface TtsVoicesParams {
  /** Left out: all engines */
  engine?: string | null;
  /** Only voices of it, and of its regions */
  language?: string | null;
}

/** ussd.cancel: Ends the open session of a line, if there is one. */
export interface UssdCancelParams {
  /** Left out: the default line */
  line?: string | null;
}

/** ussd.reply: Answers in the open session of a line. */
export interface UssdReplyParams {
  text: string;
  /** Left out: the default line */
  line?: string | null;
  timeout_s?: number | null;
}

/** ussd.send: Sends a USSD code and waits for the network's answer; reply_wanted leaves a session open for ussd.reply. */
export interface UssdSendParams {
  /** Like *100# */
  code: string;
  /** Left out: the default line */
  line?: string | null;
  timeout_s?: number | null;
}

/** voicemail.audio: What the caller said. Listening to it does not mark it as heard. A message that is too long for one answer as WAV or PCM is refused with limit; as OGG it fits. */
export interface VoicemailAudioParams {
  voicemail_id: string;
  format?: "ogg" | "pcm" | "wav";
  /** Give the path of the daemon's WAV file, and no bytes */
  file?: boolean;
}

/** voicemail.delete: Deletes a message with its audio. Nothing else does, but for voicemail_keep_days and the erasure of a number. */
export interface VoicemailDeleteParams {
  voicemail_id: string;
}

/** voicemail.get: One message without its audio. */
export interface VoicemailGetParams {
  voicemail_id: string;
}

/** voicemail.get_greeting: What callers hear before the tone. */
export interface VoicemailGetGreetingParams {
  /** Left out: the default line */
  line?: string | null;
}

/** voicemail.list: Messages, newest first; next is the cursor of the following page. */
export interface VoicemailListParams {
  limit?: number;
  /** next of the page before */
  before?: string | null;
  /** Left out: the default line */
  line?: string | null;
  /** Only those that nobody has marked as heard */
  unheard?: boolean;
}

/** voicemail.mark_heard: Somebody has heard it, or wants it to count as new again. */
export interface VoicemailMarkHeardParams {
  voicemail_id: string;
  /** false: as new again */
  heard?: boolean;
}

/** voicemail.set_greeting: Sets what callers hear before the tone: a text to speak, or a recording. It stays over restarts. */
export interface VoicemailSetGreetingParams {
  text?: string | null;
  /** base64 of an audio file */
  audio?: string | null;
  /** Below a root of [media] roots */
  path?: string | null;
  /** Left out: all lines without one of their own */
  line?: string | null;
}

/** An alarm is over. */
export interface AlarmClearedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  alarm: string;
  client: string | null;
}

/** Something wants a person. alarm is a stable name, text is for people; client says who raised it. */
export interface AlarmRaisedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  alarm: string;
  severity: string;
  text: string | null;
  client: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text">;
}

/** The far end of an outgoing call rings. */
export interface CallAlertingEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
}

/** Who took our call, judged by what is heard. Comes again when what follows says otherwise, and at the beep. */
export interface CallAnsweredByEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  answered_by: AnsweredBy;
  /** 0 to 1; a judgement, no probability */
  confidence: number;
  /** The tone of a machine is over: it records from now on */
  beep: boolean;
  /** Of the line's time since the audio was opened */
  after_ms: number;
}

/** A client is connected to the voice of the call (call.attach). */
export interface CallAttachedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** As call.attach gave it */
  attachment: number;
  /** listener or talker */
  role: string;
  /** False for a talker in whose place the core hears no turns */
  keep_hearing: boolean;
}

/** The modem gave no audio, or it stopped; the call itself may still be up. */
export interface CallAudioFailedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  reason: string;
  attempts: number;
}

/** The caller spoke into our utterance and playout stopped; call.spoken follows, or call.speaking with resumed. */
export interface CallBargeInEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  utterance: number;
  heard_text: string | null;
  played_ms: number;
  /** From the onset of the caller's speech to our last PCM byte */
  reaction_ms: number;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"heard_text">;
}

/** New audio of a turn was cut at the first silence threshold; fetch it with call.chunk_audio. */
export interface CallChunkEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  /** Numbered from 1 per call */
  chunk: number;
  duration_ms: number;
}

/** Who steers the call changed; holder is a client name, null when it is free. */
export interface CallClaimedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  holder: string | null;
}

/** The call is answered, by us or by the far end. */
export interface CallConnectedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  direction: Direction;
  number: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** An attached client is gone, or never came; frames are of 20 ms. */
export interface CallDetachedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  attachment: number;
  role: string;
  /** left, all_played, replaced, call_ended or never_came */
  reason: string;
  /** Given to the client */
  frames_out: number;
  /** Not given, because it did not read in time */
  dropped_out: number;
  /** Taken from the client */
  frames_in: number;
  /** Not taken, because it sent more than the line takes */
  dropped_in: number;
}

/** The far end pressed a key. */
export interface CallDtmfEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  digit: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"digit">;
}

/** A call is over; sent exactly once per call. */
export interface CallEndedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  direction: Direction;
  reason: EndReason;
  number: string | null;
  network_text: string | null;
  duration_s: number;
  turns: number;
  recording: string | null;
  audio: CallAudio | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** The call was put on hold, or taken back (held: false). */
export interface CallHeldEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  held: boolean;
}

/** A call wants in. Sent once per call; number is null while unknown or when withheld. */
export interface CallIncomingEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  number: string | null;
  withheld: boolean;
  waiting: boolean;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** Levels of the last second, dB below full scale. */
export interface CallLevelEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  downlink_dbfs: number;
  uplink_dbfs: number;
}

/** An incoming call was never answered. */
export interface CallMissedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  number: string | null;
  withheld: boolean;
  rings: number;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** What was understood so far while the turn may still go on. */
export interface CallPartialEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  chunk: number;
  text: string | null;
  confidence: number | null;
  language: string | null;
  engine: string | null;
  /** How long the engine took */
  stt_ms: number;
  /** Audio of the turn that these words are of */
  audio_ms: number;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text">;
}

/** A recording is complete and under its last name; after the call, or after call.record stopped it. */
export interface CallRecordedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** null when nothing could be recorded */
  path: string | null;
  /** wav or ogg; stereo, far end left, us right */
  format: string;
  duration_s: number;
  bytes: number;
  /** disk_full, too_large, stalled, no_consent, core_restarted … ; the file is valid up to there */
  problem: string | null;
}

/** One ring of an incoming call, numbered from 1; the same RING on two ports counts once. */
export interface CallRingEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  ring: number;
  number: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** An outgoing call was taken by the modem and is being set up. */
export interface CallRingingEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  number: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** The first frame of an utterance of ours went out. */
export interface CallSpeakingEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  utterance: number;
  text: string | null;
  /** From the accepted request to its first PCM byte */
  latency_ms: number;
  /** From the accepted request to the first audio of the engine or file */
  made_ms: number;
  /** It goes on: what interrupted it was no interruption */
  resumed: boolean;
  /** Of the core itself, while the brain thinks */
  filler: boolean;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text">;
}

/** What the caller said in one turn. understood is false when no engine could tell; text is then null. */
export interface CallSpeechEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  text: string | null;
  understood: boolean;
  language: string | null;
  confidence: number | null;
  engine: string | null;
  /** engine: why, e.g. whisper: timeout; another engine gave the text, or nobody did */
  problem: string | null;
  duration_ms: number;
  /** First speech of the turn, ms since the call was connected */
  start_ms: number;
  /** End of its last speech */
  end_ms: number;
  /** From the end-of-turn threshold to this text */
  latency_ms: number;
  /** How long the engine took */
  stt_ms: number;
  /** Audio that it was given */
  audio_ms: number;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text">;
}

/** An utterance of ours is over: played to its end, or cut; heard_text is what the far end was given. */
export interface CallSpokenEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  utterance: number;
  text: string | null;
  heard_text: string | null;
  played_ms: number;
  completed: boolean;
  /** Of the core itself, while the brain thinks */
  filler: boolean;
  /** Why not all of it could be made: an error's kind, e.g. speech_unavailable: unreachable */
  problem: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text" | "heard_text">;
}

/** A tone of a network, a fax or a pager was recognised in what the far end sends. Told once while it lasts. */
export interface CallToneEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** dial, ringback, busy, congestion, sit, cng, ced or paging */
  tone: string;
  /** The lower one of two; the first one of a sequence */
  frequency_hz: number | null;
  /** From its beginning until it was certain */
  duration_ms: number;
  /** Of the [[media.paging]] entry */
  name: string | null;
}

/** A transfer to a person went on. failed, message_sent and ended are its ends; call_id is the caller's call. */
export interface CallTransferEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  state: TransferState;
  to: string | null;
  /** busy, no_answer, no_carrier, declined, refused_by_network, not_allowed, modem, no_audio, nothing_said, person_left, caller_left … */
  reason: string | null;
  /** The call to the person */
  transfer_call_id: string | null;
  /** The short message to the person */
  message_id: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"to">;
}

/** The caller stopped speaking: the second silence threshold passed. */
export interface CallTurnEndEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  chunks: number;
  silence_ms: number;
  /** silence: the ordinary threshold; complete: sooner, after a whole phrase that a client expects; number: later, in mid-number; max_length: the next turn goes on; flushed: the call ended */
  reason: string;
}

/** The caller went on after a chunk was cut: an answer that is being prepared is premature. */
export interface CallTurnResumedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  /** Where the speech goes on, ms since the call was connected */
  at_ms: number;
}

/** The caller began to speak (after the minimum of speech). */
export interface CallTurnStartEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  turn: number;
  /** Start of the speech, ms since the call was connected */
  at_ms: number;
}

/** A client reported its own state with client.report_state. */
export interface ClientStateEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  client: string;
  state: string;
  detail: string | null;
}

/** A newer connection took over your consumer name; this one gets no more events. */
export interface EventsDisplacedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  consumer: string;
}

/** You missed events from_seq to to_seq: read them again with events.subscribe {since}, or call state.get. */
export interface EventsLaggedEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  from_seq: number;
  to_seq: number;
  cause: string;
}

/** Where the modem is, once a second at most while location.start is in force. */
export interface LocationFixEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** Degrees north, WGS 84 */
  latitude: number | null;
  /** Degrees east, WGS 84 */
  longitude: number | null;
  altitude_m: number | null;
  speed_mps: number | null;
  course_deg: number | null;
  satellites: number | null;
  hdop: number | null;
  /** UTC of the fix, RFC 3339 */
  fixed_at: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"latitude" | "longitude" | "altitude_m">;
}

/** The modem is gone for longer than the grace of 20 s. */
export interface ModemLostEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  reason: string | null;
}

/** The daemon heals a modem: one rung of the ladder began, helped or did not (docs/recovery.md). */
export interface ModemRecoveryEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** resync, other_port, radio, reset, usb_reset, power or human */
  rung: string;
  /** started, succeeded, failed or skipped */
  state: string;
  /** What was wrong, for people */
  reason: string;
  /** How often this rung was taken within the hour */
  attempt: number;
  /** Set when it is over */
  duration_s: number | null;
}

/** Signal strength, quality or access technology changed by more than it flickers. */
export interface ModemSignalEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  rssi_dbm: number | null;
  /** LTE only, as the two below */
  rsrp_dbm: number | null;
  rsrq_db: number | null;
  sinr_db: number | null;
  /** gsm, gprs, edge, wcdma, hsdpa, hsupa, hspa or lte; null without service */
  access_technology: string | null;
}

/** The line changed: offline, starting, ready, reconnecting or failed. */
export interface ModemStateEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  state: LineState;
  reason: string | null;
}

/** Links came, went or changed, or another one became the primary. At most one a second while they flap. */
export interface NetChangedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  /** The main link's interface; never the modem's */
  primary: string | null;
  links: Array<NetLink>;
}

/** The failover machine took a step, or its backup has trouble (then from_state is state). */
export interface NetFailoverEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  state: FailoverState;
  from_state: FailoverState;
  /** For people */
  reason: string;
  /** A stable word: the verdict of the primary (down, captive, dns_failed, no_link), the bearer's trouble (apn_refused, dhcp_silent, no_device, no_network, modem_reset, timeout, no_helper, program_missing, failed), contested (somebody takes our route away), budget, priority, manual */
  cause: string | null;
  /** What carries the traffic now, as far as we decide it */
  interface: string | null;
}

/** The VPN came up, went stale, is being restarted, or moved to another endpoint. */
export interface NetVpnEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  interface: string;
  state: VpnState;
  from_state: VpnState;
  reason: string;
  handshake_age_s: number | null;
}

/** A message came in. incomplete: parts are missing; the same message_id comes again when they arrive. */
export interface SmsReceivedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  message_id: string;
  /** Originator as the network gave it; a name when alphanumeric */
  number: string | null;
  text: string | null;
  /** Base64, for 8-bit messages and those that can't be decoded */
  data: string | null;
  encoding: string;
  /** 0 is a flash message */
  message_class: number | null;
  parts: number;
  /** Numbers of the parts that did not come */
  missing: Array<number>;
  incomplete: boolean;
  /** Message type 0: phones drop these without a word */
  silent: boolean;
  /** Not all of it could be decoded; data has the octets then */
  damaged: boolean;
  /** message_id of the message that this one replaces */
  replaces: string | null;
  source_port: number | null;
  destination_port: number | null;
  /** Message waiting indications: voicemail and its like */
  waiting: Array<SmsWaiting>;
  /** The service centre's time stamp, with its zone */
  network_at: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number" | "text" | "data">;
}

/** The service centre reported on one part. message_id is null while no sent message fits: a report that overtook */
export interface SmsReportEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  message_id: string | null;
  number: string | null;
  outcome: Outcome;
  /** TP-ST, 0 to 255 */
  status: number;
  status_text: string;
  part: number | null;
  discharged_at: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** An outgoing message changed state. */
export interface SmsStatusEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  message_id: string;
  state: SmsState;
  number: string | null;
  client_ref: string | null;
  /** Stable word, e.g. no_answer, network_refused, core_restarted */
  reason: string | null;
  network_text: string | null;
  /** +CMS ERROR number (TS 27.005 §3.2.5) */
  cms: number | null;
  parts: number;
  parts_sent: number;
  parts_delivered: number;
  attempts: number;
  next_try_at: string | null;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number">;
}

/** How far stt.transcribe is with a recording; job is the name that the request gave. */
export interface SttProgressEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  job: string;
  done_ms: number;
  total_ms: number;
}

/** A speech engine failed or was late, and the next one goes on with the text; the caller hears every sentence. */
export interface TtsFailedOverEvent {
  /** Number of the newest fact before it */
  after_seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  from_engine: string;
  to_engine: string;
  /** unreachable, refused, auth, rate_limited, no_voice, timeout, truncated, crashed or missing */
  reason: string;
  /** None: speech outside of calls */
  utterance: number | null;
}

/** The network sent a USSD text: an answer, or of its own accord (initiated_by network). */
export interface UssdReceivedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  text: string | null;
  state: UssdState;
  initiated_by: string;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"text">;
}

/** A caller left a message; once per message. */
export interface VoicemailReceivedEvent {
  /** Number of this fact; grows for ever */
  seq: number;
  /** RFC 3339, UTC, ms */
  at: string;
  line?: string | null;
  call_id?: string | null;
  voicemail_id: string;
  number: string | null;
  withheld: boolean;
  duration_s: number;
  /** null where no recogniser could make words of it */
  text: string | null;
  /** The core, the modem or the disk stopped in the middle of it */
  partial: boolean;
  /** Personal fields that are null because your scopes don't cover them */
  redacted?: Array<"number" | "text">;
}

/** Every method: what it takes and what it gives. */
export interface Methods {
  "$/cancelRequest": { params: CancelRequestParams; result: Done };
  "brain.register": { params: BrainRegisterParams; result: BrainResult };
  "brain.withdraw": { params: BrainWithdrawParams; result: WithdrawResult };
  "call.accept": { params: CallAcceptParams; result: CallInfo };
  "call.attach": { params: CallAttachParams; result: AttachResult };
  "call.chunk_audio": { params: CallChunkAudioParams; result: AudioResult };
  "call.claim": { params: CallClaimParams; result: ClaimResult };
  "call.configure": { params: CallConfigureParams; result: CallInfo };
  "call.dtmf": { params: CallDtmfParams; result: Empty };
  "call.get": { params: CallGetParams; result: CallRecord };
  "call.hangup": { params: CallHangupParams; result: CallInfo };
  "call.hold": { params: CallHoldParams; result: CallInfo };
  "call.list": { params: CallListParams; result: CallPage };
  "call.pause": { params: CallPauseParams; result: Empty };
  "call.play": { params: CallPlayParams; result: SpeakResult };
  "call.record": { params: CallRecordParams; result: RecordResult };
  "call.recording_file": { params: CallRecordingFileParams; result: FilePiece };
  "call.recordings": { params: CallRecordingsParams; result: RecordingsPage };
  "call.reject": { params: CallRejectParams; result: CallInfo };
  "call.release": { params: CallReleaseParams; result: Empty };
  "call.resume": { params: CallResumeParams; result: Empty };
  "call.resume_held": { params: CallResumeHeldParams; result: CallInfo };
  "call.speak": { params: CallSpeakParams; result: SpeakResult };
  "call.start": { params: CallStartParams; result: CallInfo };
  "call.status": { params: CallStatusParams; result: CallStatus };
  "call.stop": { params: CallStopParams; result: StopResult };
  "call.swap": { params: CallSwapParams; result: CallStatusWithSeq };
  "call.to_voicemail": { params: CallToVoicemailParams; result: EmptyWithSeq };
  "call.transfer": { params: CallTransferParams; result: CallInfo };
  "client.hello": { params: ClientHelloParams; result: Hello };
  "client.report_state": { params: ClientReportStateParams; result: EmptyWithSeq };
  "events.ack": { params: EventsAckParams; result: Acked };
  "events.subscribe": { params: EventsSubscribeParams; result: Subscribed };
  "events.unsubscribe": { params: EventsUnsubscribeParams; result: Done };
  "guard.check": { params: GuardCheckParams; result: GuardVerdict };
  "guard.status": { params: GuardStatusParams; result: GuardStatus };
  "health": { params: HealthParams; result: Health };
  "language.get": { params: LanguageGetParams; result: LanguageResult };
  "language.set": { params: LanguageSetParams; result: LanguageResult };
  "location.get": { params: LocationGetParams; result: LocationInfo };
  "location.start": { params: LocationStartParams; result: LocationInfo };
  "location.stop": { params: LocationStopParams; result: LocationInfo };
  "modem.at": { params: ModemAtParams; result: ModemAtResult };
  "modem.carrier": { params: ModemCarrierParams; result: ModemCarrier };
  "modem.history": { params: ModemHistoryParams; result: ModemHistory };
  "modem.reset": { params: ModemResetParams; result: ModemResetResult };
  "modem.signal": { params: ModemSignalParams; result: ModemSignalInfo };
  "modem.status": { params: ModemStatusParams; result: ModemStatus };
  "modem.unlock": { params: ModemUnlockParams; result: ModemUnlocked };
  "net.check": { params: NetCheckParams; result: NetCheckInfo };
  "net.failover": { params: NetFailoverParams; result: NetStatusInfo };
  "net.status": { params: NetStatusParams; result: NetStatusInfo };
  "net.vpn": { params: NetVpnParams; result: NetVpnInfo };
  "net.wifi.connect": { params: NetWifiConnectParams; result: Empty };
  "net.wifi.list": { params: NetWifiListParams; result: WifiNetworks };
  "net.wifi.saved": { params: NetWifiSavedParams; result: WifiConnections };
  "net.wifi.set_priority": { params: NetWifiSetPriorityParams; result: WifiConnections };
  "rpc.discover": { params: RpcDiscoverParams; result: OpenRpc };
  "sms.cancel": { params: SmsCancelParams; result: MessageInfoWithSeq };
  "sms.conversation": { params: SmsConversationParams; result: MessagePage };
  "sms.conversations": { params: SmsConversationsParams; result: ConversationPage };
  "sms.delete": { params: SmsDeleteParams; result: Empty };
  "sms.erase": { params: SmsEraseParams; result: ErasedPartyWithSeq };
  "sms.export": { params: SmsExportParams; result: MessagePage };
  "sms.get": { params: SmsGetParams; result: MessageInfo };
  "sms.list": { params: SmsListParams; result: MessagePage };
  "sms.queue": { params: SmsQueueParams; result: Queues };
  "sms.resolve": { params: SmsResolveParams; result: MessageInfoWithSeq };
  "sms.search": { params: SmsSearchParams; result: MessagePage };
  "sms.send": { params: SmsSendParams; result: MessageInfoWithSeq };
  "state.get": { params: StateGetParams; result: State };
  "status": { params: StatusParams; result: Status };
  "stt.engines": { params: SttEnginesParams; result: SttEngines };
  "stt.phrases": { params: SttPhrasesParams; result: PhrasesResult };
  "stt.result": { params: SttResultParams; result: Empty };
  "stt.transcribe": { params: SttTranscribeParams; result: TranscribeResult };
  "synthesize": { params: TtsSynthesizeParams; result: SynthesizeResult };
  "transcribe": { params: SttTranscribeParams; result: TranscribeResult };
  "tts.cancel": { params: TtsCancelParams; result: TtsCancelResult };
  "tts.prefetch": { params: TtsPrefetchParams; result: PrefetchResult };
  "tts.queue": { params: TtsQueueParams; result: TtsQueueResult };
  "tts.synthesize": { params: TtsSynthesizeParams; result: SynthesizeResult };
  "tts.voices": { params: TtsVoicesParams; result: VoicesResult };
  "ussd.cancel": { params: UssdCancelParams; result: Empty };
  "ussd.reply": { params: UssdReplyParams; result: UssdTextWithSeq };
  "ussd.send": { params: UssdSendParams; result: UssdTextWithSeq };
  "voicemail.audio": { params: VoicemailAudioParams; result: VoicemailAudio };
  "voicemail.delete": { params: VoicemailDeleteParams; result: Empty };
  "voicemail.get": { params: VoicemailGetParams; result: VoicemailInfo };
  "voicemail.get_greeting": { params: VoicemailGetGreetingParams; result: GreetingInfo };
  "voicemail.list": { params: VoicemailListParams; result: VoicemailPage };
  "voicemail.mark_heard": { params: VoicemailMarkHeardParams; result: VoicemailInfo };
  "voicemail.set_greeting": { params: VoicemailSetGreetingParams; result: Empty };
}

/** Every event: its params. */
export interface Events {
  "alarm.cleared": AlarmClearedEvent;
  "alarm.raised": AlarmRaisedEvent;
  "call.alerting": CallAlertingEvent;
  "call.answered_by": CallAnsweredByEvent;
  "call.attached": CallAttachedEvent;
  "call.audio_failed": CallAudioFailedEvent;
  "call.barge_in": CallBargeInEvent;
  "call.chunk": CallChunkEvent;
  "call.claimed": CallClaimedEvent;
  "call.connected": CallConnectedEvent;
  "call.detached": CallDetachedEvent;
  "call.dtmf": CallDtmfEvent;
  "call.ended": CallEndedEvent;
  "call.held": CallHeldEvent;
  "call.incoming": CallIncomingEvent;
  "call.level": CallLevelEvent;
  "call.missed": CallMissedEvent;
  "call.partial": CallPartialEvent;
  "call.recorded": CallRecordedEvent;
  "call.ring": CallRingEvent;
  "call.ringing": CallRingingEvent;
  "call.speaking": CallSpeakingEvent;
  "call.speech": CallSpeechEvent;
  "call.spoken": CallSpokenEvent;
  "call.tone": CallToneEvent;
  "call.transfer": CallTransferEvent;
  "call.turn_end": CallTurnEndEvent;
  "call.turn_resumed": CallTurnResumedEvent;
  "call.turn_start": CallTurnStartEvent;
  "client.state": ClientStateEvent;
  "events.displaced": EventsDisplacedEvent;
  "events.lagged": EventsLaggedEvent;
  "location.fix": LocationFixEvent;
  "modem.lost": ModemLostEvent;
  "modem.recovery": ModemRecoveryEvent;
  "modem.signal": ModemSignalEvent;
  "modem.state": ModemStateEvent;
  "net.changed": NetChangedEvent;
  "net.failover": NetFailoverEvent;
  "net.vpn": NetVpnEvent;
  "sms.received": SmsReceivedEvent;
  "sms.report": SmsReportEvent;
  "sms.status": SmsStatusEvent;
  "stt.progress": SttProgressEvent;
  "tts.failed_over": TtsFailedOverEvent;
  "ussd.received": UssdReceivedEvent;
  "voicemail.received": VoicemailReceivedEvent;
}

export type Fact =
  | "alarm.cleared"
  | "alarm.raised"
  | "call.alerting"
  | "call.answered_by"
  | "call.audio_failed"
  | "call.barge_in"
  | "call.connected"
  | "call.dtmf"
  | "call.ended"
  | "call.held"
  | "call.incoming"
  | "call.missed"
  | "call.recorded"
  | "call.ringing"
  | "call.speech"
  | "call.spoken"
  | "call.tone"
  | "call.transfer"
  | "client.state"
  | "modem.lost"
  | "modem.recovery"
  | "modem.state"
  | "net.changed"
  | "net.failover"
  | "net.vpn"
  | "sms.received"
  | "sms.report"
  | "sms.status"
  | "ussd.received"
  | "voicemail.received";

export type Moment =
  | "call.attached"
  | "call.chunk"
  | "call.claimed"
  | "call.detached"
  | "call.level"
  | "call.partial"
  | "call.ring"
  | "call.speaking"
  | "call.turn_end"
  | "call.turn_resumed"
  | "call.turn_start"
  | "events.displaced"
  | "events.lagged"
  | "location.fix"
  | "modem.signal"
  | "stt.progress"
  | "tts.failed_over";

export type ErrorKind =
  | "parse_error"
  | "invalid_request"
  | "method_not_found"
  | "internal"
  | "modem_offline"
  | "modem_busy"
  | "line_busy"
  | "not_found"
  | "not_now"
  | "not_dialable"
  | "forbidden"
  | "claimed"
  | "engine_missing"
  | "path_refused"
  | "limit"
  | "emergency_denied"
  | "audio_failed"
  | "timeout"
  | "store_failed"
  | "ack_beyond_head"
  | "modem_refused"
  | "displaced"
  | "not_understood"
  | "unsupported"
  | "ref_taken"
  | "guard_refused"
  | "too_long"
  | "ussd_failed"
  | "modem_restarting"
  | "sim_locked"
  | "speech_unavailable"
  | "net_unavailable"
  | "net_failed"
  | "invalid_params"
  | "cancelled";

/** The `data` of a JSON-RPC error object; kind is what to go by. */
export interface ErrorData {
  kind: ErrorKind;
  retry: boolean;
  retry_after_s?: number;
  path?: string;
  [detail: string]: unknown;
}
