"""call.play: files in a call."""

import asyncio
from typing import Literal

from msgspec import Struct

from core.errors import PathRefused
from core.events import Scope
from core.rpc.api.audio_params import Base64Audio, Path
from core.rpc.api.calls import CallId, Token, allowed
from core.rpc.api.speaking import SPEAK_ERRORS, SpeakResult, answer
from core.rpc.methods import Request, method
from core.steering import Right


class PlayParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Path | None = None
    audio: Base64Audio | None = None
    call_id: CallId | None = None
    token: Token | None = None
    interruptible: bool = True
    replace: bool = False
    wait: Literal["accepted", "spoken"] = "accepted"


@method("call.play", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, PathRefused), since="0.1")
async def play(request: Request, params: PlayParams) -> SpeakResult:
    """Plays a WAV, OGG or FLAC file of any rate into the call."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    conversation = await request.core.services.calls.talk.ready(call)
    pcm = await asyncio.to_thread(
        request.core.services.speech.load_audio, params.path, params.audio, conversation.format.rate_hz
    )
    conversation = await request.core.services.calls.talk.ready(call)  # decoding took its time
    if params.replace:
        conversation.stop_speaking()
    said = conversation.speaking.play(pcm, interruptible=params.interruptible)
    return await answer(said, params.wait)
