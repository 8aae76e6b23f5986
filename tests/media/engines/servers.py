"""Speech services on this machine: each speaks its API as strictly as the documentation has it, and fails on demand.

What a client gets wrong in form is answered as the service would and kept in `complaints`, which a test's end looks at.
"""

import asyncio
import base64
import json
import math
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from xml.etree import ElementTree

from aiohttp import web

KEY = "the-key-0123456789abcdef"
SSML = "{http://www.w3.org/2001/10/synthesis}"
MSTTS = "{https://www.w3.org/2001/mstts}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
AZURE_FORMATS = {
    "raw-8khz-16bit-mono-pcm": 8000,
    "raw-16khz-16bit-mono-pcm": 16000,
    "raw-24khz-16bit-mono-pcm": 24000,
}


def tone(text: str, rate_hz: int, speed: float = 1.0) -> bytes:
    """Audible, as long as the text, another one for each text."""
    samples = int(rate_hz * (0.2 + 0.02 * len(text)) / speed)
    step = 2 * math.pi * (200 + sum(text.encode("utf-8", "replace")) % 800) / rate_hz
    return struct.pack(f"<{samples}h", *(int(8000 * math.sin(step * place)) for place in range(samples)))


def wav(pcm: bytes, rate_hz: int, *, data_bytes: int | None = None) -> bytes:
    """As services write it, with a chunk that nobody needs before the audio."""
    extra = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    data = b"data" + struct.pack("<I", len(pcm) if data_bytes is None else data_bytes)
    body = b"WAVE" + fmt + extra + data + pcm
    return b"RIFF" + struct.pack("<I", len(body)) + body


@dataclass(slots=True)
class Mood:
    """How the next answers are. status: with this error. The others bend a good answer."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str | None = None
    chunk_bytes: int = 4096
    silent: bool = False
    """Nothing comes at all until the client leaves."""
    stall_after: int | None = None
    """So many bytes come, and then no more."""
    break_after: int | None = None
    """So many bytes come of the announced ones, and the connection ends."""
    drops: int = 0
    """So many more times the connection is closed without any answer."""
    pause_s: float = 0.0
    """Before each chunk."""
    audio: Callable[[bytes], bytes] = bytes


@dataclass(slots=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(eq=False)
class Service:
    """The part that all have. `speak` gives the body of a good answer and its type, or an error."""

    mood: Mood = field(default_factory=Mood)
    seen: list[Seen] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client went away in mid-answer."""
    connections: set[tuple[str, int]] = field(default_factory=set)
    base: str = ""

    def speak(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, str] | web.Response:
        raise NotImplementedError

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.transport is not None:
            self.connections.add(request.transport.get_extra_info("peername"))
        self.seen.append(Seen(request.method, request.path_qs, dict(request.headers), body))
        try:
            return await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        mood = self.mood
        if request.method == "HEAD":
            return web.Response(status=404, text="not found")
        if mood.drops and request.transport is not None:
            mood.drops -= 1
            request.transport.abort()
            return web.Response()
        if mood.silent:
            await asyncio.Event().wait()
        if mood.status is not None:
            return web.Response(status=mood.status, headers=mood.headers, body=mood.body)
        good = self.speak(request, body)
        if isinstance(good, web.Response):
            return good
        return await self._send(request, mood.audio(good[0]), mood.content_type or good[1])

    async def _send(self, request: web.BaseRequest, content: bytes, content_type: str) -> web.StreamResponse:
        mood = self.mood
        response = web.StreamResponse(headers={"Content-Type": content_type})
        if mood.break_after is not None:
            response.content_length = len(content)
        await response.prepare(request)
        end = mood.break_after if mood.break_after is not None else mood.stall_after
        for start in range(0, len(content) if end is None else end, mood.chunk_bytes):
            await asyncio.sleep(mood.pause_s)
            await response.write(content[start : min(start + mood.chunk_bytes, end or len(content))])
        if mood.break_after is not None and request.transport is not None:
            request.transport.close()
        elif mood.stall_after is not None:
            await asyncio.Event().wait()
        else:
            await response.write_eof()
        return response

    def refuse(self, status: int, why: str) -> web.Response:
        """A mistake of the client's in form."""
        self.complaints.append(f"{status}: {why}")
        return web.Response(status=status, text=why)


class Azure(Service):
    """Speech service, text to speech REST API; SSML 1.0 with Microsoft's extensions."""

    def speak(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, str] | web.Response:
        if request.headers.get("Ocp-Apim-Subscription-Key") != KEY:
            return web.Response(status=401)
        if request.path == "/cognitiveservices/voices/list" and request.method == "GET":
            return json.dumps(AZURE_VOICES).encode(), "application/json"
        if (request.method, request.path) != ("POST", "/cognitiveservices/v1"):
            return self.refuse(404, f"{request.method} {request.path}")
        if request.headers.get("Content-Type") != "application/ssml+xml":
            return self.refuse(415, "Content-Type")
        if not 0 < len(request.headers.get("User-Agent", "")) < 255:
            return self.refuse(400, "User-Agent")
        rate_hz = AZURE_FORMATS.get(request.headers.get("X-Microsoft-OutputFormat", ""))
        if rate_hz is None:
            return self.refuse(400, "X-Microsoft-OutputFormat")
        try:
            speak = ElementTree.fromstring(body)
        except ElementTree.ParseError as problem:
            return self.refuse(400, f"XML: {problem}")
        voices = list(speak)
        if speak.tag != f"{SSML}speak" or not speak.get(XML_LANG) or speak.get("version") != "1.0":
            return self.refuse(400, "speak")
        if [voice.tag for voice in voices] != [f"{SSML}voice"] or not voices[0].get("name"):
            return self.refuse(400, "voice")
        if voices[0].get("name") == "en-XX-NobodyNeural":
            return web.Response(status=400, text="Unsupported voice en-XX-NobodyNeural.")
        allowed = {
            f"{SSML}prosody": {"rate", "pitch"},
            f"{SSML}lang": {XML_LANG},
            f"{MSTTS}express-as": {"style", "styledegree"},
        }
        speed = 1.0
        for element in voices[0].iter():
            if element is not voices[0] and not set(element.keys()) <= allowed.get(element.tag, set()):
                return self.refuse(400, element.tag)
            speed *= 1 + float(element.get("rate", "0%").rstrip("%")) / 100
        return tone("".join(voices[0].itertext()), rate_hz, speed), "audio/basic"


AZURE_VOICES = [
    {"Name": "long", "DisplayName": "Sonia", "LocalName": "Sonia", "ShortName": "en-GB-SoniaNeural", "Gender": "Female",
     "Locale": "en-GB", "LocaleName": "English", "StyleList": ["cheerful", "sad"], "SampleRateHertz": "24000",
     "VoiceType": "Neural", "Status": "GA", "WordsPerMinute": "152"},
    {"Name": "long", "DisplayName": "Leonas", "LocalName": "Leonas", "ShortName": "lt-LT-LeonasNeural",
     "Gender": "Male", "Locale": "lt-LT", "LocaleName": "Lithuanian", "SampleRateHertz": "24000"},
]  # fmt: skip


class OpenAi(Service):
    """POST /v1/audio/speech."""

    fields = {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}

    def speak(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, str] | web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return _openai_error(401, "invalid_api_key", None)
        if (request.method, request.path) != ("POST", "/v1/audio/speech"):
            return self.refuse(404, f"{request.method} {request.path}")
        if request.headers.get("Content-Type") != "application/json":
            return self.refuse(400, "Content-Type")
        asked = json.loads(body)
        if not {"model", "input", "voice"} <= set(asked) <= self.fields:
            return self.refuse(400, f"fields {sorted(asked)}")
        if not isinstance(asked["input"], str) or not 0 < len(asked["input"]) <= 4096:
            return self.refuse(400, "input")
        if asked.get("response_format") != "pcm" or not 0.25 <= asked.get("speed", 1.0) <= 4.0:
            return self.refuse(400, "response_format or speed")
        if "instructions" in asked and asked["model"].startswith("tts-1"):
            return self.refuse(400, "instructions")
        if asked["voice"] == "nobody":
            return _openai_error(400, "invalid_value", "voice")
        return tone(asked["input"], 24000, asked.get("speed", 1.0)), "audio/pcm"


def _openai_error(status: int, code: str, param: str | None) -> web.Response:
    error = {"message": f"Wrong, says {KEY}.", "type": "invalid_request_error", "param": param, "code": code}
    return web.json_response({"error": error}, status=status)


class Google(Service):
    """POST /v1/text:synthesize and GET /v1/voices."""

    def speak(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, str] | web.Response:
        if "X-Goog-Api-Key" not in request.headers:
            return _google_error(403, "Method doesn't allow unregistered callers.")
        if request.headers["X-Goog-Api-Key"] != KEY:
            return _google_error(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")
        if (request.method, request.path) == ("GET", "/v1/voices"):
            return json.dumps({"voices": GOOGLE_VOICES}).encode(), "application/json; charset=UTF-8"
        if (request.method, request.path) != ("POST", "/v1/text:synthesize"):
            return self.refuse(404, f"{request.method} {request.path}")
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            return self.refuse(400, "Content-Type")
        asked = json.loads(body)
        if set(asked) != {"input", "voice", "audioConfig"} or set(asked["input"]) != {"text"}:
            return self.refuse(400, f"fields {sorted(asked)}")
        if not 0 < len(asked["input"]["text"].encode()) <= 5000 or "languageCode" not in asked["voice"]:
            return self.refuse(400, "input or voice")
        audio = asked["audioConfig"]
        if not set(audio) <= {"audioEncoding", "sampleRateHertz", "speakingRate", "pitch"}:
            return self.refuse(400, f"audioConfig {sorted(audio)}")
        if audio["audioEncoding"] != "LINEAR16" or not 0.25 <= audio.get("speakingRate", 1.0) <= 2.0:
            return self.refuse(400, "audioConfig")
        if asked["voice"].get("name") == "en-XX-Nobody-A":
            return _google_error(400, "Voice 'en-XX-Nobody-A' does not exist. Is it misspelled?")
        rate_hz = audio["sampleRateHertz"]
        content = wav(tone(asked["input"]["text"], rate_hz, audio.get("speakingRate", 1.0)), rate_hz)
        answer = {"audioContent": base64.b64encode(content).decode()}
        return json.dumps(answer).encode(), "application/json; charset=UTF-8"


GOOGLE_VOICES = [
    {"languageCodes": ["en-GB"], "name": "en-GB-Neural2-C", "ssmlGender": "FEMALE", "naturalSampleRateHertz": 24000},
    {"languageCodes": ["lt-LT"], "name": "lt-LT-Standard-B", "ssmlGender": "MALE", "naturalSampleRateHertz": 24000},
]


def _google_error(status: int, message: str, reason: str | None = None) -> web.Response:
    error: dict[str, object] = {"code": status, "message": message, "status": "INVALID_ARGUMENT"}
    if reason is not None:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return web.json_response({"error": error}, status=status)


class Liepa(Service):
    """What nobody here has seen; a JSON request, or a form, or a query, answered in `kind`."""

    kind: str = "wav"
    rate_hz: int = 22050

    def speak(self, request: web.BaseRequest, body: bytes) -> tuple[bytes, str] | web.Response:
        asked = self._asked(request, body)
        if asked is None or set(asked) != {"text", "voice", "speed"}:
            return self.refuse(400, "form of the request")
        pcm = tone(asked["text"], self.rate_hz, float(asked["speed"]))
        return self._as_kind(pcm)

    def _asked(self, request: web.BaseRequest, body: bytes) -> dict[str, str] | None:
        if request.method == "GET":
            return {name: values[0] for name, values in parse_qs(request.query_string, keep_blank_values=True).items()}
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            self.complaints.append("no key")
        if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return {name: values[0] for name, values in parse_qs(body.decode()).items()}
        try:
            asked: dict[str, str] = json.loads(body)
            return asked
        except ValueError:
            return None

    def _as_kind(self, pcm: bytes) -> tuple[bytes, str]:
        if self.kind == "pcm":
            return pcm, "application/octet-stream"
        if self.kind == "wav":
            return wav(pcm, self.rate_hz), "audio/wav"
        if self.kind == "json":
            audio = base64.b64encode(wav(pcm, self.rate_hz)).decode()
            return json.dumps({"data": [{"audio": audio}]}).encode(), "application/json"
        return encoded(pcm, self.rate_hz, self.kind), f"audio/{self.kind}"


def encoded(pcm: bytes, rate_hz: int, kind: str) -> bytes:
    """ogg (Vorbis: it keeps any rate) or mp3."""
    from io import BytesIO

    import numpy as np
    import soundfile

    out = BytesIO()
    form = {"ogg": ("OGG", "VORBIS"), "mp3": ("MP3", "MPEG_LAYER_III")}[kind]
    with soundfile.SoundFile(out, "w", samplerate=rate_hz, channels=1, format=form[0], subtype=form[1]) as file:
        samples = np.frombuffer(pcm, "<i2")
        for start in range(0, len(samples), rate_hz):  # libsndfile's Vorbis overflows its stack with long ones
            file.write(samples[start : start + rate_hz])
    return out.getvalue()


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """On loopback, at `service.base`. A handler is cancelled when its client leaves, as `left` shows."""
    runner = web.ServerRunner(web.Server(service.handle, handler_cancellation=True), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.base = f"http://{host}:{port}"
    try:
        yield service
    finally:
        await runner.cleanup()
