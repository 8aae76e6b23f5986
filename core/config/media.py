"""[media] and [recording]: turns, barge-in, tones; what is kept of calls."""

from typing import Annotated, Literal

from msgspec import Meta, field

from core.config.table import Natural, Positive, Table


class PagingConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class MediaConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class RecordingConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
