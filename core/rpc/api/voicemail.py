"""voicemail.*: messages that callers left, and what callers hear before the tone."""

import asyncio
import base64
from typing import Annotated

from msgspec import Meta, Struct

from core.clock import rfc3339
from core.errors import (
    InvalidParams,
    LimitExceeded,
    NotFound,
    PathRefused,
    StoreFailed,
)
from core.events import Scope
from core.media.codecs import encode_wav
from core.rpc.api.audio_params import AudioFormat, Base64Audio, Path
from core.rpc.api.shared import CALL_ERRORS, Empty, LineName, OneCall, allowed
from core.rpc.methods import Request, method
from core.speech import encode
from core.steering import Right
from core.store import voicemail as rows

VoicemailId = Annotated[str, Meta(max_length=40)]
GREETING_RATE_HZ = 16_000
GREETING_MAX_S = 120
ANSWER_BYTES = 512
"""Of an answer with audio, all that is not audio, and a header of WAV."""


class OneVoicemail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    voicemail_id: VoicemailId


class VoicemailInfo(Struct, frozen=True, kw_only=True):
    voicemail_id: str
    call_id: str
    line: str
    number: str | None
    withheld: bool
    received_at: Annotated[str, Meta(description="RFC 3339, UTC: when the message began")]
    duration_s: float
    text: Annotated[str | None, Meta(description="null where no recogniser could make words of it")]
    language: str | None
    partial: Annotated[bool, Meta(description="The core, the modem or the disk stopped in the middle of it")]
    heard_at: str | None


class VoicemailListParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[str, Meta(max_length=40, description="next of the page before")] | None = None
    line: LineName | None = None
    unheard: Annotated[bool, Meta(description="Only those that nobody has marked as heard")] = False


class VoicemailPage(Struct, frozen=True, kw_only=True):
    voicemails: list[VoicemailInfo]
    unheard: Annotated[int, Meta(description="How many there are in all that nobody has heard")]
    next: str | None = None


class VoicemailAudioParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    voicemail_id: VoicemailId
    format: AudioFormat = "wav"
    file: Annotated[bool, Meta(description="Give the path of the daemon's WAV file, and no bytes")] = False


class VoicemailAudio(Struct, frozen=True, kw_only=True):
    """Either audio, or path."""

    format: AudioFormat
    rate_hz: int
    duration_ms: int
    audio: Annotated[str | None, Meta(description="base64")] = None
    path: str | None = None


class MarkHeardParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    voicemail_id: VoicemailId
    heard: Annotated[bool, Meta(description="false: as new again")] = True


class GreetingParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: LineName | None = None


class GreetingSetParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of text, audio and path; none of them: as configured again."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    audio: Base64Audio | None = None
    path: Path | None = None
    line: Annotated[str, Meta(max_length=31, description="Left out: all lines without one of their own")] | None = None


class GreetingInfo(Struct, frozen=True, kw_only=True):
    """Either text, or audio: a WAV file in base64."""

    text: str | None = None
    audio: str | None = None


@method("voicemail.list", scope=Scope.CALLS, since="0.1")
async def list_voicemails(request: Request, params: VoicemailListParams) -> VoicemailPage:
    """Messages, newest first; next is the cursor of the following page."""
    store = request.core.store
    found = await store.read(
        lambda conn: rows.list_received(
            conn, limit=params.limit + 1, before=params.before, line=params.line, unheard=params.unheard
        )
    )
    unheard = await store.read(rows.unheard_count)
    page = found[: params.limit]
    more = page[-1].voicemail_id if len(found) > params.limit else None
    return VoicemailPage(voicemails=[_info(row) for row in page], unheard=unheard, next=more)


@method("voicemail.get", scope=Scope.CALLS, errors=(NotFound,), since="0.1")
async def get(request: Request, params: OneVoicemail) -> VoicemailInfo:
    """One message without its audio."""
    return _info(await request.core.services.calls.voicemail.get(params.voicemail_id))


@method("voicemail.audio", scope=Scope.CALLS, errors=(NotFound, LimitExceeded), since="0.1")
async def audio(request: Request, params: VoicemailAudioParams) -> VoicemailAudio:
    """What the caller said. Listening to it does not mark it as heard. A message that is too long for one answer as WAV
    or PCM is refused with limit; as OGG it fits."""
    path, recorded = await request.core.services.calls.voicemail.audio(params.voicemail_id)
    duration_ms = round(recorded.duration_s * 1000)
    if params.file:
        return VoicemailAudio(format="wav", rate_hz=recorded.rate_hz, duration_ms=duration_ms, path=str(path))
    if params.format != "ogg" and len(recorded.pcm) > _whole_bytes(request):
        raise LimitExceeded(f"The message is too long for one answer as {params.format}: ask for ogg, or for its file.")
    data = await asyncio.to_thread(encode, recorded.pcm, recorded.rate_hz, params.format)
    text = base64.b64encode(data).decode()
    return VoicemailAudio(format=params.format, rate_hz=recorded.rate_hz, duration_ms=duration_ms, audio=text)


@method("voicemail.mark_heard", scope=Scope.CALLS, errors=(NotFound, StoreFailed), since="0.1")
async def mark_heard(request: Request, params: MarkHeardParams) -> VoicemailInfo:
    """Somebody has heard it, or wants it to count as new again."""
    heard_at = rfc3339() if params.heard else None
    row = await request.core.store.write(lambda tx: rows.mark_heard(tx, params.voicemail_id, heard_at))
    return _info(row)


@method("voicemail.delete", scope=Scope.CALLS, errors=(NotFound, StoreFailed), since="0.1")
async def delete(request: Request, params: OneVoicemail) -> Empty:
    """Deletes a message with its audio. Nothing else does, but for voicemail_keep_days and the erasure of a number."""
    await request.core.services.calls.voicemail.delete(params.voicemail_id)
    return Empty()


@method("voicemail.get_greeting", scope=Scope.CALLS, since="0.1")
async def get_greeting(request: Request, params: GreetingParams) -> GreetingInfo:
    """What callers hear before the tone."""
    calls = request.core.services.calls
    line = calls.line_named(params.line).name if params.line is not None else ""
    found = await calls.voicemail.greeting(line)
    return GreetingInfo(
        text=found.text, audio=base64.b64encode(found.audio).decode() if found.audio is not None else None
    )


@method(
    "voicemail.set_greeting",
    scope=Scope.CALLS,
    errors=(NotFound, LimitExceeded, PathRefused, StoreFailed),
    since="0.1",
)
async def set_greeting(request: Request, params: GreetingSetParams) -> Empty:
    """Sets what callers hear before the tone: a text to speak, or a recording. It stays over restarts."""
    if sum(each is not None for each in (params.text, params.audio, params.path)) > 1:
        raise InvalidParams("Give one of text, audio and path.", path="text")
    services = request.core.services
    line = services.calls.line_named(params.line).name if params.line is not None else ""
    wanted = rows.Greeting(text=params.text) if params.text is not None else None
    if params.audio is not None or params.path is not None:
        pcm = await asyncio.to_thread(services.speech.load_audio, params.path, params.audio, GREETING_RATE_HZ)
        if not 0 < len(pcm) <= GREETING_MAX_S * GREETING_RATE_HZ * 2:
            raise LimitExceeded(f"A greeting lasts at most {GREETING_MAX_S} s, and is not empty.")
        wanted = rows.Greeting(audio=encode_wav(pcm, GREETING_RATE_HZ))
    await request.core.store.write(lambda tx: rows.set_greeting(tx, line, wanted))
    return Empty()


@method("call.to_voicemail", scope=Scope.CALLS, errors=CALL_ERRORS, since="0.1", facts=True)
async def to_voicemail(request: Request, params: OneCall) -> Empty:
    """Sends a caller to voicemail: a call that rings is answered for it, an active one goes there at once. Voicemail
    hangs up when the message is over."""
    calls = request.core.services.calls
    call = calls.book.find(params.call_id)
    allowed(request, call, Right.STEER, params.token)
    await calls.to_voicemail(call)
    return Empty()


def _whole_bytes(request: Request) -> int:
    """How much audio an answer holds: clients refuse messages that are longer than those the daemon takes."""
    return (request.core.config.rpc.max_message_bytes - ANSWER_BYTES) * 3 // 4


def _info(row: rows.VoicemailRow) -> VoicemailInfo:
    return VoicemailInfo(
        voicemail_id=row.voicemail_id,
        call_id=row.call_id,
        line=row.line,
        number=row.number,
        withheld=row.withheld,
        received_at=row.created_at,
        duration_s=row.duration_s,
        text=row.text,
        language=row.language,
        partial=row.partial,
        heard_at=row.heard_at,
    )
