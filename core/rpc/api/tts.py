"""tts.*: speech outside of calls."""

import asyncio
import base64
from typing import Literal

from msgspec import Struct

from core.errors import EngineMissing, LimitExceeded
from core.events import Scope
from core.rpc.api.audio_params import AudioFormat, AudioResult, Language, Text, VoiceName
from core.rpc.methods import Request, method
from core.speech import encode


class SynthesizeParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Text
    language: Language | None = None
    voice: VoiceName | None = None
    format: AudioFormat = "wav"
    rate_hz: Literal[8000, 16000] = 8000


@method(
    "tts.synthesize",
    scope=Scope.CALLS,
    errors=(EngineMissing, LimitExceeded),
    since="0.1",
    aliases=("synthesize",),
)
async def synthesize(request: Request, params: SynthesizeParams) -> AudioResult:
    """Speech of a text, outside any call."""
    pcm, _ = await request.core.services.speech.tts.synthesize(
        params.text, language=params.language, voice=params.voice, rate_hz=params.rate_hz
    )
    data = await asyncio.to_thread(encode, pcm, params.rate_hz, params.format)
    return AudioResult(
        audio=base64.b64encode(data).decode(),
        format=params.format,
        rate_hz=params.rate_hz,
        duration_ms=len(pcm) * 1000 // (2 * params.rate_hz),
    )
