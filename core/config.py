"""core.toml as types: exactly the tables of the design, an unknown key is an error that names key and file."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
AccessPoint = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?$")]
"""TS 23.003 §9.1, roughly: the carrier lookup looks closer."""

Credential = Annotated[str, Meta(pattern=r"^[ !#-\[\]-~]{0,64}$")]
"""What fits the quotes of an AT command: printable ASCII without quote and backslash."""

ScopeName = Literal["observe", "messages", "calls", "admin"]


class ConfigError(Exception):
    """One line for the person who edits core.toml; the program then exits with 2."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class SocketConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[rpc.socket]]`."""

    path: str
    mode: Annotated[str, Meta(pattern=r"^0?[0-7]{3}$", description="Octal file mode")] = "0660"
    group: str | None = None
    framing: Literal["auto", "length", "lines", "headers"] = "auto"
    events: Literal["facts", "all", "legacy", "none"] = "facts"


class RpcConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    socket: tuple[SocketConfig, ...] = ()
    max_message_bytes: Annotated[int, Meta(ge=1024)] = 10 * 1024 * 1024
    max_requests_in_flight: Positive = 64
    max_connections: Positive = 200
    unread_bytes: Annotated[int, Meta(ge=4096)] = 1024 * 1024


class AccessConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names or numbers of users and groups to scopes. The daemon's own user and root are always admin."""

    users: dict[str, tuple[ScopeName, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[ScopeName, ...]] = field(default_factory=dict)


class StoreConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str | None = None
    journal_days: Positive = 30
    journal_events: Annotated[int, Meta(ge=1000)] = 1_000_000


class LineConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[line.<name>]`. With nothing else the only modem on USB that fits is taken. usb_path or usb_serial choose
    one; ports_dir (links if02, if03, if04 by USB interface number) or the three ports stand in place of USB."""

    modem: str = "sim7600"
    usb_path: Annotated[str, Meta(pattern=r"^[0-9]+-[0-9]+(\.[0-9]+)*$")] | None = None
    usb_serial: str | None = None
    switch_composition: bool = False
    ports_dir: str | None = None
    at_port: str | None = None
    voice_port: str | None = None
    pcm_port: str | None = None
    baud: Positive = 115200
    wire_log: str | None = None
    audio_window_s: Seconds = 12.0
    audio_delay_s: Seconds = 0.3
    poll_s: Annotated[float, Meta(ge=0.2)] = 30.0
    lost_after_s: Seconds = 20.0
    pin: Annotated[str, Meta(pattern="^[0-9]{4,8}$")] | None = None
    at_gap_s: Annotated[float, Meta(ge=0, le=5)] = 0.0
    ramp: bool = False
    ramp_pause_s: Annotated[float, Meta(ge=0, le=30)] = 3.0
    network_wait_s: Annotated[float, Meta(ge=0, le=600)] = 60.0
    apn: AccessPoint | None = None
    apn_auth: Literal["none", "pap", "chap"] | None = None
    apn_user: Credential | None = None
    apn_password: Credential | None = None
    ims_apn: AccessPoint | None = None
    carrier: str | None = None
    volte: Literal["auto", "on", "off"] = "auto"
    lte_only: bool = False
    activate_data: bool = False
    audio_reset: Literal["never", "on_suspect", "after_every_call"] = "on_suspect"
    resets_per_hour: Annotated[int, Meta(ge=0, le=60)] = 3
    recovery: bool = True
    power_command: tuple[str, ...] = ()
    ports_json: str | None = None
    gnss: bool = False
    gpsd_port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    raw_at: bool = False


class CallConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    default_line: str | None = None
    answer_after_rings: Annotated[int, Meta(ge=-1, le=10)] = 2
    reject_by: Literal["hangup", "ignore"] = "hangup"
    block: tuple[str, ...] = ()
    emergency: Literal["deny", "allow"] = "deny"
    max_duration_s: Annotated[float, Meta(gt=0)] = 3600.0
    ring_timeout_s: Annotated[float, Meta(ge=5, le=180)] = 60.0
    claim_grace_s: Seconds = 5.0
    configure_wait_s: Seconds = 2.0
    greeting: str | None = None
    silence_limit_s: Annotated[float, Meta(gt=0)] = 8.0
    silence_text: str = "I am still here. How can I help you?"
    fallback_text: str = "Sorry, nobody can help you right now. Please call again later. Goodbye."
    language: str = "en"
    max_turns: Natural = 0
    limit_text: str = "I am sorry, this call has to end now. Goodbye."
    limit_notice_s: Seconds = 10.0
    detect_answer: bool = True
    detect_within_s: Annotated[float, Meta(ge=2, le=10)] = 4.0
    voicemail: Literal["off", "no_brain", "always", "after_s"] = "off"
    voicemail_after_s: Annotated[float, Meta(ge=1, le=120)] = 20.0
    voicemail_greeting: str = (
        "Nobody can take your call right now. Please leave a message after the tone. "
        "Hang up or press the hash key when you are done."
    )
    voicemail_greeting_file: str | None = None
    voicemail_thanks: str = "Thank you. Goodbye."
    voicemail_max_s: Annotated[float, Meta(ge=5, le=600)] = 180.0
    voicemail_silence_s: Annotated[float, Meta(ge=1, le=30)] = 5.0
    voicemail_keep_days: Natural = 0
    voicemail_dir: str | None = None
    transfer_text: str = "One moment, please. I am trying to connect you."
    transfer_ring_s: Annotated[float, Meta(ge=5, le=120)] = 30.0
    transfer_accept_text: str = "Press 1 to take the call."
    transfer_accept_s: Annotated[float, Meta(ge=2, le=60)] = 15.0
    transfer_failed_text: str = "I am sorry, I could not connect you."
    transfer_ask_text: str = (
        "Please say your message after the tone, or enter the number where you can be reached. "
        "Press the hash key when you are done."
    )
    transfer_sms_text: str = "A caller asked for you: {number}. {text}"
    transfer_sent_text: str = "Thank you. Your message is on its way."
    transfer_unsent_text: str = "I am sorry, I could not pass on your message. Please call again later."


class SmsConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults of sms.send, and the patience of sending and receiving."""

    report: bool = False
    on_unknown: Literal["hold", "resend"] = "hold"
    validity_s: Annotated[int, Meta(ge=300, le=38_102_400)] | None = None
    split: Literal["concat", "separate", "numbered"] = "concat"
    split_ucs2: Literal["concat", "separate", "numbered"] | None = None
    max_parts: Annotated[int, Meta(ge=1, le=255)] = 10
    answer_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 60.0
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (30.0, 60.0, 300.0, 900.0, 3600.0)
    give_up_after_s: Annotated[float, Meta(gt=0)] = 86_400.0
    incomplete_after_s: Annotated[float, Meta(ge=1)] = 900.0
    sweep_s: Annotated[float, Meta(ge=1)] = 60.0
    keep_days: Natural = 0
    ussd_timeout_s: Annotated[float, Meta(ge=1, le=300)] = 90.0


class _ServiceTtsConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all speech services have. timeout_s: for a connection, for the answer's begin, between two pieces of it.

    allow_http: an endpoint without encryption on another machine; keys and callers' words are then read by anybody.
    """

    key: str | None = None
    endpoint: str | None = None
    voice: str | None = None
    timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 6.0
    allow_http: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key={'set' if self.key else 'unset'})"  # a key must not get into a log


class AzureTtsConfig(_ServiceTtsConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.azure]`. Left out: the keys of call.configure, then AZURE_SPEECH_KEY and AZURE_SPEECH_REGION."""

    region: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")] | None = None
    rate_hz: Literal[8000, 16000, 24000] = 16000
    style: Annotated[str, Meta(max_length=64)] | None = None


class OpenAiTtsConfig(_ServiceTtsConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.openai]`, or any service that speaks its API: endpoint."""

    model: str | None = None
    instructions: Annotated[str, Meta(max_length=4096)] | None = None


class GoogleTtsConfig(_ServiceTtsConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.google]`."""

    rate_hz: Literal[8000, 16000, 24000] = 16000


class LiepaTtsConfig(_ServiceTtsConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.liepa]`: a request as a template, since its interface is not public. url stands in place of endpoint."""

    url: str | None = None
    method: Literal["GET", "POST"] = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    response: Annotated[str, Meta(pattern=r"^(wav|pcm|ogg|mp3|json:[A-Za-z0-9_.-]{1,200})$")] = "wav"
    rate_hz: Annotated[int, Meta(ge=4000, le=192_000)] | None = None
    languages: tuple[str, ...] = ("lt",)


class PiperTtsConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.piper]`. threads: all cores but one. timeout_s: for one clause, after which the process is killed."""

    threads: Positive | None = None
    timeout_s: Annotated[float, Meta(ge=0.1, le=300)] = 15.0


class TtsConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """engine "auto": piper when it has a model, else espeak. fallback: who goes on, in this order, when one fails.

    models_dir: that of [media] unless given.
    """

    engine: str = "auto"
    fallback: tuple[str, ...] = ("piper", "espeak")
    late_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.5
    gap_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.5
    voice: str | None = None
    language: str = "en"
    speed_wpm: Annotated[int, Meta(ge=80, le=450)] = 165
    normalise: bool = True
    model: str | None = None
    cache_bytes: Natural = 32 * 1024 * 1024
    cache_dir: str | None = None
    cache_disk_bytes: Natural = 256 * 1024 * 1024
    max_text_chars: Positive = 5000
    models_dir: str | None = None
    piper: PiperTtsConfig = field(default_factory=PiperTtsConfig)
    azure: AzureTtsConfig = field(default_factory=AzureTtsConfig)
    openai: OpenAiTtsConfig = field(default_factory=OpenAiTtsConfig)
    google: GoogleTtsConfig = field(default_factory=GoogleTtsConfig)
    liepa: LiepaTtsConfig = field(default_factory=LiepaTtsConfig)


EngineName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]


class SttConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """engine "auto": whisper when it has a model, else the phrase engine; "remote": clients answer; "none": nobody.
    fallback: who gets a turn, in this order, when the engine fails on it."""

    engine: EngineName = "auto"
    fallback: tuple[EngineName, ...] = ("phrases",)
    model: str | None = None
    language: str = "en"
    threads: Positive | None = None
    memory_mb: Annotated[int, Meta(ge=64)] | None = None
    timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    remote_wait_s: Annotated[float, Meta(gt=0, le=120)] = 8.0
    threshold: float | None = None


class PagingConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[media.paging]]`: two tones after each other that call a group out. The second counts once it lasted
    80 % of its time; the first must be within 20 % of its own."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    tone_a_hz: Annotated[float, Meta(ge=250, le=3400)]
    tone_b_hz: Annotated[float, Meta(ge=250, le=3400)]
    tone_a_ms: Annotated[int, Meta(ge=200, le=10_000)] = 1000
    tone_b_ms: Annotated[int, Meta(ge=200, le=10_000)] = 3000
    tolerance_hz: Annotated[float, Meta(ge=3, le=100)] = 10.0


GainDb = Annotated[float, Meta(ge=-30, le=30)]


Words = Annotated[str, Meta(min_length=1, max_length=200)]


class MediaConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turn taking, in ms of the line's own time. The two thresholds are those of the station we replace."""

    vad: Literal["webrtc", "silero", "ten"] = "webrtc"
    vad_model: str | None = None
    vad_threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    vad_mode: Annotated[int, Meta(ge=0, le=3)] = 3
    preroll_ms: Natural = 300
    min_speech_ms: Positive = 200
    chunk_silence_ms: Positive = 550
    end_silence_ms: Positive = 800
    adapt_end: bool = True
    end_silence_complete_ms: Positive = 600
    end_silence_number_ms: Positive = 1100
    long_speech_ms: Positive = 4500
    phrase_pause_ms: Positive = 350
    max_turn_ms: Positive = 60_000
    barge_in: bool = True
    barge_in_ms: Positive = 120
    resume_after_ms: Natural = 1500
    backchannels: dict[str, tuple[Words, ...]] = field(default_factory=dict)
    echo: Literal["cancel", "gate", "off"] = "cancel"
    filler_after_ms: Natural = 0
    fillers: dict[str, tuple[Words, ...]] = field(default_factory=dict)
    fillers_per_turn: Positive = 2
    audio_library: str | None = None
    roots: tuple[str, ...] = ()
    models_dir: str | None = None
    uplink_gain_db: GainDb = 0.0
    downlink_gain_db: GainDb = 0.0
    clarity: bool = False
    comfort_noise: Literal["off"] | Annotated[float, Meta(ge=-90, le=-30)] = "off"
    tone_country: Literal["eu", "us", "gb", "de", "fr", "es", "it", "lt", "pl"] = "eu"
    tones: tuple[Literal["progress", "cng", "ced"], ...] | None = None
    paging: tuple[PagingConfig, ...] = ()


class RecordingConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of calls as files. consent_text is spoken first, to its end, and only then recording begins.

    keep_days and max_bytes: 0 is no limit; the oldest calls' files go first, never those of a call that goes on.
    """

    enabled: bool = False
    dir: str | None = None
    format: Literal["wav", "ogg"] = "wav"
    legacy_files: bool = False
    timing: bool = False
    consent_text: Annotated[str, Meta(max_length=2000)] = ""
    keep_days: Natural = 0
    max_bytes: Natural = 0


Interface = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]
"""What Linux takes as the name of a network interface, and what is safe as one word of a command line."""

Address4 = Annotated[str, Meta(pattern=r"^([0-9]{1,3}\.){3}[0-9]{1,3}$")]
Hostname = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
BadVerdict = Literal["down", "captive", "dns_failed"]


class VpnConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[net.vpn]`: a WireGuard interface that wg-quick made. Off without an interface.

    endpoint: host name and port of the peer, looked up again when the VPN is stale; peer: its public key, needed only
    where there are several.
    """

    interface: Interface | None = None
    ping: Address4 | None = None
    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,253}:[0-9]{1,5}$")] | None = None
    peer: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=$")] | None = None
    every_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    stale_s: Annotated[float, Meta(ge=10, le=3600)] = 180.0
    ping_timeout_s: Annotated[float, Meta(ge=0.2, le=30)] = 5.0
    fail_count: Annotated[int, Meta(ge=1, le=20)] = 3
    restart: bool = True
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (60.0, 120.0, 300.0, 900.0)


class NetConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[net]`. Nothing of it is even loaded while enabled is false.

    primary "auto": the link whose default route the kernel prefers, never that of the modem. The backup is the data of
    `line` (default: the default line). failover_on: which verdicts of a probe count as a failure.
    """

    enabled: bool = False
    primary: Interface | Literal["auto"] = "auto"
    never: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.*-]{1,15}$")], ...] = ("wwan*", "ppp*")
    mode: Literal["auto", "on", "off"] = "auto"
    every_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    fail_count: Annotated[int, Meta(ge=1, le=20)] = 3
    back_count: Annotated[int, Meta(ge=1, le=20)] = 2
    failover_on: tuple[BadVerdict, ...] = ("down", "captive", "dns_failed")
    ping: tuple[Address4, ...] = ("8.8.8.8", "1.1.1.1")
    ping_timeout_s: Annotated[float, Meta(ge=0.2, le=30)] = 5.0
    priority_timeout_s: Annotated[float, Meta(ge=0.2, le=10)] = 1.5
    http_url: Annotated[str, Meta(pattern=r"^(http://[!-~]{1,500})?$")] = "http://www.gstatic.com/generate_204"
    dns_name: Hostname | Literal[""] = "dns.google"
    settle_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    hold_backup_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    hold_primary_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    retry_s: tuple[Annotated[float, Meta(gt=0)], ...] = (5.0, 15.0, 60.0, 300.0)
    line: str | None = None
    bearer: Literal["auto", "qmi", "ecm", "ppp", "none"] = "auto"
    interface: Interface | None = None
    qmi_device: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9_-]{1,40}$")] | None = None
    ppp_port: Annotated[str, Meta(pattern=r"^/dev/[A-Za-z0-9_./-]{1,80}$")] | None = None
    metric: Annotated[int, Meta(ge=40, le=59)] = 40
    use_dns: bool = True
    block_ipv6: bool = True
    data_mb_per_day: Natural = 0
    warn_at: Annotated[float, Meta(gt=0, le=1)] = 0.8
    vpn: VpnConfig = field(default_factory=VpnConfig)


GuardPattern = Annotated[str, Meta(pattern=r"^\+?[0-9*# ().\-/]+$", max_length=40)]
"""Anything else would hold no number, and nobody would know."""


class GuardConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this station may send and dial, whoever asks. Patterns: exact numbers, or a prefix with * at its end.

    0 means no limit. The per-minute limit paces the queue; the others refuse. Limits are per line.
    """

    region: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    allow: tuple[GuardPattern, ...] = ()
    deny: tuple[GuardPattern, ...] = ()
    premium: Literal["deny", "allow"] = "deny"
    sms_per_minute: Natural = 0
    sms_per_hour: Natural = 0
    sms_per_day: Natural = 0
    calls_per_hour: Natural = 0
    calls_per_day: Natural = 0
    dry_run: bool = False


class LogConfig(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    log_personal_data: bool = False


class Config(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of core.toml."""

    rpc: RpcConfig = field(default_factory=RpcConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    line: dict[str, LineConfig] = field(default_factory=dict)
    call: CallConfig = field(default_factory=CallConfig)
    sms: SmsConfig = field(default_factory=SmsConfig)
    tts: TtsConfig = field(default_factory=TtsConfig)
    stt: SttConfig = field(default_factory=SttConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    net: NetConfig = field(default_factory=NetConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    log: LogConfig = field(default_factory=LogConfig)


def load(path: Path) -> Config:
    """Reads core.toml. ConfigError, one line with file and key, for anything wrong with it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{path}: can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: {problem}") from None
    return parse(raw, str(path))


def parse(raw: dict[str, Any], source: str) -> Config:
    """The same from tables read already; `source` is the file's name for the error text."""
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"{source}: {_readable(str(problem), _wrong_line(raw))}") from None
    _check(config, raw, source)
    if config.tts.models_dir is None and config.media.models_dir is not None:
        config = replace(config, tts=replace(config.tts, models_dir=config.media.models_dir))
    return config


def with_socket(config: Config, path: str) -> Config:
    """The same with the first socket at another path: --socket of the command line."""
    first = config.rpc.socket[0] if config.rpc.socket else SocketConfig(path=path)
    sockets = (replace(first, path=path), *config.rpc.socket[1:])
    return replace(config, rpc=replace(config.rpc, socket=sockets))


def default_config_path() -> Path:
    """/etc/dialtone/core.toml for root, the XDG counterpart for everyone else."""
    if os.geteuid() == 0:
        return Path("/etc/dialtone/core.toml")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dialtone/core.toml"


def state_dir() -> Path:
    """Where the store and recordings live unless configured."""
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone"


def models_dir(media: MediaConfig) -> Path:
    """Where speech models lie: DIALTONE_MODELS, else [media] models_dir, else `models` in the state directory."""
    named = os.environ.get("DIALTONE_MODELS") or media.models_dir
    return Path(named) if named else state_dir() / "models"


def default_socket_path() -> Path:
    """DIALTONE_SOCKET, else /run/dialtone/core.sock for root, else below XDG_RUNTIME_DIR."""
    if named := os.environ.get("DIALTONE_SOCKET"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/run/dialtone/core.sock")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "dialtone/core.sock"


def _check_media(media: MediaConfig, given: dict[str, Any], source: str) -> None:
    """Thresholds that contradict each other. Defaults that the file does not name bend instead (core/hearing.py)."""
    problem = None
    if media.end_silence_ms <= media.chunk_silence_ms:
        problem = "end_silence_ms must be more than media.chunk_silence_ms"
    elif "end_silence_complete_ms" in given and media.end_silence_complete_ms <= media.chunk_silence_ms:
        problem = "end_silence_complete_ms must be more than media.chunk_silence_ms: before that no words are known"
    elif "end_silence_complete_ms" in given and media.end_silence_complete_ms > media.end_silence_ms:
        problem = "end_silence_complete_ms must not be more than media.end_silence_ms"
    elif "end_silence_number_ms" in given and media.end_silence_number_ms < media.end_silence_ms:
        problem = "end_silence_number_ms must not be less than media.end_silence_ms"
    elif media.vad_model is not None and media.vad == "webrtc":
        problem = 'vad_model is for media.vad = "silero" or "ten": webrtc has no model file'
    if problem is not None:
        raise ConfigError(f"{source}: media.{problem}")


def _check_call(call: CallConfig, source: str) -> None:
    if call.answer_after_rings == -1 and call.voicemail in ("always", "after_s"):
        raise ConfigError(f"{source}: call.voicemail: answer_after_rings = -1 rejects every call before it gets there")


def _check_net(config: Config, source: str) -> None:
    net = config.net
    problem = None
    if net.line is not None and net.line not in config.line:
        problem = f"line names {net.line!r}, which has no [line] table"
    elif net.mode == "on" and net.bearer == "none":
        problem = 'mode = "on" keeps the SIM\'s data in use, and bearer = "none" says that there is none'
    elif not net.retry_s:
        problem = "retry_s must have at least one pause"
    elif not net.vpn.retry_s:
        problem = "vpn.retry_s must have at least one pause"
    elif not net.ping and not net.http_url:
        problem = "ping and http_url are both empty: nothing could be asked whether the internet is there"
    elif wrong := [address for address in (*net.ping, net.vpn.ping or "0.0.0.0") if not _is_address(address)]:
        problem = f"ping: {wrong[0]!r} is no IPv4 address"
    elif net.vpn.endpoint is not None and not 1 <= int(net.vpn.endpoint.rpartition(":")[2]) <= 65535:
        problem = "vpn.endpoint: there is no such port"
    elif net.bearer == "ppp" and net.ppp_port is None and net.enabled and not config.line:
        problem = 'bearer = "ppp" needs ppp_port where there is no line'
    if problem is not None:
        raise ConfigError(f"{source}: net.{problem}")


def _is_address(text: str) -> bool:
    return all(int(part) <= 255 for part in text.split("."))


def _check(config: Config, raw: dict[str, Any], source: str) -> None:
    _check_media(config.media, raw.get("media") or {}, source)
    _check_call(config.call, source)
    _check_net(config, source)
    if config.call.default_line is not None and config.call.default_line not in config.line:
        raise ConfigError(f"{source}: call.default_line names {config.call.default_line!r}, which has no [line] table")
    for name, line in config.line.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,30}", name):
            raise ConfigError(f"{source}: line.{name}: use small letters, digits, - and _ in a line's name")
        ports = (line.at_port, line.voice_port, line.pcm_port)
        if line.ports_dir is None and any(ports) and None in ports:
            raise ConfigError(f"{source}: line.{name}: give all of at_port, voice_port and pcm_port")
        if (line.usb_path or line.usb_serial) and (line.ports_dir or any(ports)):
            raise ConfigError(f"{source}: line.{name}: usb_path and usb_serial stand in place of ports")
        if line.ports_dir is not None and any(ports):
            raise ConfigError(f"{source}: line.{name}.ports_dir: stands in place of at_port, voice_port and pcm_port")


def _wrong_line(raw: dict[str, Any]) -> str:
    """The name of the [line.<name>] that can't be converted: msgspec's paths don't name keys of dictionaries."""
    lines = raw.get("line")
    for name, table in lines.items() if isinstance(lines, dict) else ():
        try:
            msgspec.convert(table, LineConfig)
        except msgspec.ValidationError:
            return str(name)
    return "<name>"


def _readable(problem: str, line: str) -> str:
    """msgspec's "… - at `$.call.greeting`" as "call.greeting: …"."""
    text, _, where = problem.partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".").replace("line[...]", f"line.{line}")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        return f"{path + '.' if path else ''}{unknown[1]}: unknown key"
    return f"{path}: {text}" if path else text
