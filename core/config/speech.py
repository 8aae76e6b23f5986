"""[tts] and [stt]: engines, their models, keys and patience."""

from typing import Annotated, Literal

from msgspec import Meta, field

from core.config.table import Natural, Positive, Table


class _ServiceTtsConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class PiperTtsConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tts.piper]`. threads: all cores but one. timeout_s: for one clause, after which the process is killed."""

    threads: Positive | None = None
    timeout_s: Annotated[float, Meta(ge=0.1, le=300)] = 15.0


class TtsConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class SttConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
