"""The protocol's common methods by name, typed. Anything else goes through `call`."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dialtone.protocol import (
        CallInfo,
        CallPage,
        CallRecord,
        CallStatus,
        RecordResult,
        SpeakResult,
        State,
        Status,
        StopResult,
        TranscribeResult,
    )

Json = dict[str, Any]
AudioFormat = Literal["ogg", "wav", "pcm"]

SPOKEN_TIMEOUT_S = 600.0
"""Waiting for the end of an utterance takes as long as it lasts: 5000 characters are some six minutes."""


class Methods:
    """Mixed into Phone. call_id left out means the only live call. Errors are those of Phone.call."""

    async def call(self, method: str, /, *, timeout_s: float | None = 30.0, **params: Any) -> Any:
        raise NotImplementedError

    async def _ask(self, method: str, *, timeout_s: float | None = 30.0, **params: Any) -> Any:
        """Leaves parameters that are None out."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self.call(method, timeout_s=timeout_s, **given)

    async def status(self) -> "Status":
        """Lines, calls, clients, alarms and engines."""
        found: Status = await self._ask("status")
        return found

    async def state(self) -> "State":
        """A snapshot with the `seq` that it is true at."""
        found: State = await self._ask("state.get")
        return found

    async def start(self, number: str, *, line: str | None = None, hide_number: bool | None = None) -> "CallInfo":
        """Places a call; answers once the modem took the number, before the far end rings."""
        found: CallInfo = await self._ask("call.start", number=number, line=line, hide_number=hide_number)
        return found

    async def accept(self, call_id: str | None = None) -> "CallInfo":
        found: CallInfo = await self._ask("call.accept", call_id=call_id)
        return found

    async def reject(self, call_id: str | None = None) -> "CallInfo":
        found: CallInfo = await self._ask("call.reject", call_id=call_id)
        return found

    async def hangup(self, call_id: str | None = None) -> "CallInfo":
        found: CallInfo = await self._ask("call.hangup", call_id=call_id)
        return found

    async def hold(self, call_id: str | None = None) -> "CallInfo":
        found: CallInfo = await self._ask("call.hold", call_id=call_id)
        return found

    async def resume_held(self, call_id: str | None = None) -> "CallInfo":
        found: CallInfo = await self._ask("call.resume_held", call_id=call_id)
        return found

    async def swap(self) -> "CallStatus":
        found: CallStatus = await self._ask("call.swap")
        return found

    async def dtmf(self, digits: str, call_id: str | None = None) -> None:
        await self._ask("call.dtmf", digits=digits, call_id=call_id)

    async def record(self, enabled: bool, call_id: str | None = None) -> "RecordResult":
        found: RecordResult = await self._ask("call.record", enabled=enabled, call_id=call_id)
        return found

    async def call_status(self, call_id: str | None = None) -> "CallStatus":
        """{active, call}; never an error when idle."""
        found: CallStatus = await self._ask("call.status", call_id=call_id)
        return found

    async def calls(
        self, *, limit: int | None = None, before: str | None = None, line: str | None = None
    ) -> "CallPage":
        """{calls, next}: calls of the past, newest first."""
        found: CallPage = await self._ask("call.list", limit=limit, before=before, line=line)
        return found

    async def get_call(self, call_id: str) -> "CallRecord":
        """One call with its turns."""
        found: CallRecord = await self._ask("call.get", call_id=call_id)
        return found

    async def claim(self, call_id: str | None = None, speakers: Sequence[str] | None = None) -> str:
        """Steers the call alone; the token lets others present it."""
        speaking = list(speakers) if speakers is not None else None
        return str((await self._ask("call.claim", call_id=call_id, speakers=speaking))["token"])

    async def release(self, call_id: str | None = None) -> None:
        await self._ask("call.release", call_id=call_id)

    async def speak(
        self,
        text: str,
        *,
        call_id: str | None = None,
        language: str | None = None,
        voice: str | None = None,
        interruptible: bool | None = None,
        replace: bool | None = None,
        wait: Literal["accepted", "spoken"] = "accepted",
    ) -> "SpeakResult":
        """Says a text. wait="spoken" answers when it was heard or cut, with completed, heard_text and played_ms."""
        found: SpeakResult = await self._ask(
            "call.speak",
            timeout_s=SPOKEN_TIMEOUT_S if wait == "spoken" else 30.0,
            text=text,
            call_id=call_id,
            language=language,
            voice=voice,
            interruptible=interruptible,
            replace=replace,
            wait=wait,
        )
        return found

    async def play(
        self,
        audio: bytes | None = None,
        *,
        path: str | None = None,
        tone: str | None = None,
        loop: int | None = None,
        call_id: str | None = None,
        interruptible: bool | None = None,
        replace: bool | None = None,
        wait: Literal["accepted", "spoken"] = "accepted",
    ) -> "SpeakResult":
        """Plays the bytes of a WAV, OGG, FLAC or MP3 file, a file of the daemon's (path), or a tone such as "busy" or
        "12#". loop: how often, 0 until it is stopped."""
        found: SpeakResult = await self._ask(
            "call.play",
            timeout_s=SPOKEN_TIMEOUT_S if wait == "spoken" else 30.0,
            audio=base64.b64encode(audio).decode() if audio is not None else None,
            path=path,
            tone=tone,
            loop=loop,
            call_id=call_id,
            interruptible=interruptible,
            replace=replace,
            wait=wait,
        )
        return found

    async def stop(self, call_id: str | None = None) -> "StopResult":
        """Cuts what is being said and drops what waits."""
        found: StopResult = await self._ask("call.stop", call_id=call_id)
        return found

    async def chunk_audio(self, call_id: str, chunk: int, format: AudioFormat = "ogg") -> bytes:
        """What the caller said in one chunk of a turn."""
        found = await self._ask("call.chunk_audio", call_id=call_id, chunk=chunk, format=format)
        return base64.b64decode(found["audio"])

    async def synthesize(
        self, text: str, *, language: str | None = None, format: AudioFormat = "wav", rate_hz: int | None = None
    ) -> bytes:
        """Speech as the daemon would say it in a call."""
        found = await self._ask("tts.synthesize", text=text, language=language, format=format, rate_hz=rate_hz)
        return base64.b64decode(found["audio"])

    async def transcribe(self, audio: bytes, *, language: str | None = None) -> "TranscribeResult":
        """{text, understood, confidence, engine} of a WAV, OGG or FLAC file."""
        found: TranscribeResult = await self._ask(
            "stt.transcribe", audio=base64.b64encode(audio).decode(), language=language
        )
        return found
