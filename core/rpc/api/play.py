"""call.play: files and tones in a call."""

import asyncio
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.errors import InvalidParams, PathRefused
from core.events import Scope
from core.media.tones_table import Tone
from core.playing import Pieces, open_file, tone_pieces
from core.rpc.api.audio_params import Base64Audio, Path
from core.rpc.api.shared import CallId, Token, allowed
from core.rpc.api.speaking import SPEAK_ERRORS, SpeakResult
from core.rpc.methods import Request, method
from core.speaking import Said
from core.steering import Right

ToneName = Annotated[
    str,
    Meta(
        pattern="^(dial|ringback|busy|congestion|sit|beep|cng|ced|[0-9A-D*#]{1,64})$",
        description="dial, ringback, busy, congestion, sit, beep, cng, ced, or keys (0-9 * # A-D)",
    ),
]
Country = Annotated[Literal["eu", "us", "gb", "de", "fr", "es", "it", "lt", "pl"], Meta(description="Whose tones")]


class PlayParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of path, audio and tone."""

    path: Path | None = None
    audio: Base64Audio | None = None
    tone: ToneName | None = None
    country: Country | None = None
    loop: Annotated[int, Meta(ge=0, le=10_000, description="How often; 0 is until stopped. A tone: its cadence")] = 1
    call_id: CallId | None = None
    token: Token | None = None
    interruptible: bool = True
    replace: bool = False
    wait: Literal["accepted", "spoken"] = "accepted"


@method("call.play", scope=Scope.CALLS, errors=(*SPEAK_ERRORS, PathRefused), since="0.1")
async def play(request: Request, params: PlayParams) -> SpeakResult:
    """Plays a WAV, OGG, FLAC or MP3 file of any rate and length, or a tone, into the call, behind what plays already
    and without a gap. call.pause, call.resume and call.stop work on it."""
    call = request.core.services.calls.book.find(params.call_id)
    allowed(request, call, Right.SPEAK, params.token)
    if [params.path, params.audio, params.tone].count(None) != 2:
        raise InvalidParams("Give one of path, audio and tone.", path="path")
    if params.loop == 0 and params.wait == "spoken":
        raise InvalidParams("What plays until it is stopped is never spoken.", path="wait")
    talk = request.core.services.calls.talk
    conversation = await talk.free(call)
    if params.tone is not None and params.tone not in set(Tone):
        if params.replace:
            conversation.stop_speaking()
        said = talk.send_tones(call, params.tone, params.loop)
        return await _answer(said, params.wait)
    pieces = await _pieces(request, params, conversation.format.rate_hz)
    try:
        conversation = await talk.free(call)  # opening took its time
        if params.replace:
            conversation.stop_speaking()
        said = conversation.speaking.play_pieces(pieces, interruptible=params.interruptible, shaped=params.tone is None)
    except BaseException:
        await pieces.aclose()
        raise
    return await _answer(said, params.wait)


async def _answer(said: Said, wait: str) -> SpeakResult:
    if wait == "accepted":
        return SpeakResult(utterance=said.number)
    await said.done.wait()  # as long as the file is: the client says how long it waits
    if said.problem is not None:
        raise said.problem
    return SpeakResult(utterance=said.number, completed=said.completed, played_ms=said.played_ms)


async def _pieces(request: Request, params: PlayParams, rate_hz: int) -> Pieces:
    """What is to be played, open."""
    if params.tone is not None:
        country = params.country or request.core.config.media.tone_country
        return tone_pieces(Tone(params.tone), country, rate_hz, rounds=params.loop)
    speech = request.core.services.speech
    source = await asyncio.to_thread(speech.audio_source, params.path, params.audio)
    return await open_file(source, rate_hz, rounds=params.loop)
