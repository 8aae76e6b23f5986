"""Parameters and results that the speech methods share."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=20_000)]
AudioFormat = Literal["ogg", "wav", "pcm"]
Language = Annotated[str, Meta(max_length=16)]
VoiceName = Annotated[str, Meta(max_length=64)]
Base64Audio = Annotated[str, Meta(max_length=12_000_000, description="base64 of an audio file")]
Path = Annotated[str, Meta(max_length=4096, description="Below a root of [media] roots")]


class AudioResult(Struct, frozen=True, kw_only=True):
    audio: Annotated[str, Meta(description="base64")]
    format: AudioFormat
    rate_hz: int
    duration_ms: int
