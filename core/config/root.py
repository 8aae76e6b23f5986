"""All of core.toml."""

from msgspec import field

from core.config.line import CallConfig, LineConfig, SmsConfig
from core.config.media import MediaConfig, RecordingConfig
from core.config.net import NetConfig
from core.config.speech import SttConfig, TtsConfig
from core.config.station import AccessConfig, GuardConfig, LogConfig, RpcConfig, StoreConfig
from core.config.table import Table


class Config(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
