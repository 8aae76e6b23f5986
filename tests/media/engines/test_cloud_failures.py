"""Speech services that are down, overloaded, elsewhere, rude, slow or broken off: each a SpeechFailed of its kind."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.media.cloud_speech import CloudSession, Limits, Request, meaning, retry_after_s
from core.media.engines import Failure, SpeechFailed
from tests.media.engines.contract import TEXT, Subject, check_no_secret, seconds
from tests.media.engines.servers import KEY, Azure, Service, running
from tests.media.engines.subjects import SERVICES, subject_of

STREAMING = ("azure", "openai")


@pytest.fixture(params=SERVICES)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    async with subject_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Subject]:
    async with subject_of("azure", tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def no_secret_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.records:
        shown = record.getMessage() + repr(vars(record))
        assert KEY not in shown and TEXT not in shown


def _service(subject: Subject) -> Service:
    assert subject.service is not None
    return subject.service


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Failure.REFUSED),
        (401, Failure.AUTH),
        (402, Failure.REFUSED),
        (403, Failure.AUTH),
        (404, Failure.REFUSED),
        (408, Failure.TIMEOUT),
        (415, Failure.REFUSED),
        (429, Failure.RATE_LIMITED),
        (500, Failure.UNREACHABLE),
        (502, Failure.UNREACHABLE),
        (503, Failure.UNREACHABLE),
        (504, Failure.TIMEOUT),
        (204, Failure.REFUSED),
        (302, Failure.REFUSED),
    ],
)
async def test_an_error_status_has_its_meaning(subject: Subject, status: int, reason: Failure) -> None:
    _service(subject).mood.status = status
    _service(subject).mood.body = b"" if status == 204 else f"You said {TEXT} with {KEY}".encode()
    failed = await subject.failure()
    assert failed.reason is reason
    assert failed.retry_after_s is None
    _service(subject).mood.status = None
    assert seconds(await subject.said()) > 0.5


async def test_too_many_requests_say_when_to_come_again(subject: Subject) -> None:
    _service(subject).mood.status, _service(subject).mood.headers = 429, {"Retry-After": "17"}
    failed = await subject.failure()
    assert (failed.reason, failed.retry_after_s) == (Failure.RATE_LIMITED, 17.0)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("999999999999999999999", 3600.0),
        ("-1", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2099 11:00:00 GMT", 3600.0),
        ("Sat, 99 Nov 2026 11:00:00 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected: float | None) -> None:
    assert retry_after_s(header, 1795262400.0) == expected  # 2026-11-21T12:00:00Z


def test_every_status_has_some_meaning() -> None:
    assert {meaning(status) for status in range(100, 600)} <= set(Failure)


async def test_a_service_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async with running(Azure()) as service:
        base = service.base
    async with subject_of("azure", tmp_path, endpoint=base) as subject:
        assert (await subject.failure()).reason is Failure.UNREACHABLE
    async with subject_of("azure", tmp_path, endpoint="https://nowhere.invalid") as subject:
        assert (await subject.failure()).reason in (Failure.UNREACHABLE, Failure.TIMEOUT)


async def test_a_service_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    for name in SERVICES:
        async with subject_of(name, tmp_path, timeout_s=0.2) as subject:
            _service(subject).mood.silent = True
            began_s = time.monotonic()
            assert (await subject.failure()).reason is Failure.TIMEOUT
            assert time.monotonic() - began_s < 15
            if _service(subject).seen:  # a busy machine may need longer than that to take the request
                async with asyncio.timeout(30):
                    await _service(subject).left.wait()


async def test_a_service_that_stops_in_the_middle_is_given_up(tmp_path: Path) -> None:
    for name in SERVICES:
        async with subject_of(name, tmp_path, timeout_s=3.0 if name in STREAMING else 0.2) as subject:
            _service(subject).mood.stall_after = 3000
            heard = 0
            with pytest.raises(SpeechFailed) as failed:
                async for piece in subject.synthesiser.speak(subject.sentence(), {}):
                    heard += len(piece.pcm)
            assert failed.value.reason is Failure.TIMEOUT
            assert (heard > 0) == (name in STREAMING)


async def test_waiting_for_a_slow_reader_is_not_the_services_fault(tmp_path: Path) -> None:
    async with subject_of("azure", tmp_path, timeout_s=3.0) as subject:
        heard = 0.0
        async for piece in subject.synthesiser.speak(subject.sentence("this goes on and on, " * 14), {}):
            if not heard:
                await asyncio.sleep(3.3)  # longer than the service may take
            heard += seconds([piece])
        assert heard > 5


async def test_an_answer_that_drips_has_a_bound_in_all() -> None:
    async with running(Azure()) as service:
        service.mood.chunk_bytes, service.mood.pause_s = 100, 0.02
        session = CloudSession("Azure Speech", Limits(total_s=0.3))
        began_s = time.monotonic()
        with pytest.raises(SpeechFailed) as failed:
            await session.fetch(_azure_request(service, "x" * 300))
        assert failed.value.reason is Failure.TIMEOUT
        assert time.monotonic() - began_s < 15
        await session.close()


async def test_more_audio_than_a_sentence_can_have_is_refused() -> None:
    async with running(Azure()) as service:
        session = CloudSession("Azure Speech", Limits(audio_bytes=10_000))
        for _ in range(2):
            with pytest.raises(SpeechFailed) as failed:
                await session.fetch(_azure_request(service, "x" * 300))
            assert failed.value.reason is Failure.REFUSED
        with pytest.raises(SpeechFailed):
            async with contextlib.aclosing(session.stream(_azure_request(service, "x" * 300))) as chunks:
                assert sum([len(chunk) async for chunk in chunks]) <= 10_000
        await session.close()


@pytest.mark.parametrize("after", [0, 1, 1000, 4001])
async def test_an_answer_that_breaks_off_is_truncated(subject: Subject, after: int) -> None:
    _service(subject).mood.break_after = after
    assert (await subject.failure()).reason is Failure.TRUNCATED
    _service(subject).mood.break_after = None
    assert seconds(await subject.said()) > 0.5


@pytest.mark.parametrize("name", STREAMING)
async def test_half_a_sample_at_the_end_is_truncated_and_the_rest_was_heard(name: str, tmp_path: Path) -> None:
    async with subject_of(name, tmp_path) as subject:
        _service(subject).mood.audio = lambda pcm: pcm[:-1]
        heard = bytearray()
        with pytest.raises(SpeechFailed) as failed:
            async for piece in subject.synthesiser.speak(subject.sentence(), {}):
                heard += piece.pcm
        assert failed.value.reason is Failure.TRUNCATED
        assert len(heard) > 16000 and len(heard) % 2 == 0


async def test_an_empty_answer_is_no_speech(subject: Subject) -> None:
    _service(subject).mood.audio = lambda body: b""
    assert (await subject.failure()).reason in (Failure.TRUNCATED, Failure.REFUSED)


async def test_a_login_page_of_a_network_is_no_speech(subject: Subject) -> None:
    _service(subject).mood.content_type = "text/html; charset=utf-8"
    _service(subject).mood.audio = lambda body: b"<html>Welcome to the hotel</html>"
    assert (await subject.failure()).reason is Failure.UNREACHABLE


async def test_another_kind_of_answer_is_no_speech(subject: Subject) -> None:
    _service(subject).mood.audio = lambda body: b'{"status": "queued"}'
    _service(subject).mood.content_type = "application/json"
    assert (await subject.failure()).reason is Failure.REFUSED


async def test_a_connection_that_the_server_had_given_up_costs_no_sentence(subject: Subject) -> None:
    """The server closes kept connections, as every server does after some time."""
    assert seconds(await subject.said()) > 0.5
    _service(subject).mood.drops = 1
    assert seconds(await subject.said()) > 0.5
    assert len(_service(subject).seen) == 3


async def test_a_server_that_always_drops_us_is_unreachable(subject: Subject) -> None:
    _service(subject).mood.drops = 100
    assert (await subject.failure()).reason is Failure.UNREACHABLE
    assert len(_service(subject).seen) == 2


async def test_one_connection_serves_many_sentences(subject: Subject) -> None:
    for _ in range(4):
        await subject.said("Yes.")
    assert len(_service(subject).connections) == 1


async def test_leaving_in_the_middle_closes_the_connection(subject: Subject) -> None:
    _service(subject).mood.stall_after = 3000
    speaking = subject.synthesiser.speak(subject.sentence(), {})
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_first(speaking))
        async with asyncio.timeout(30):
            while not _service(subject).seen:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.01)
        first.cancel()
    await speaking.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        await _service(subject).left.wait()


async def _first(speaking: AsyncIterator[object]) -> None:
    async for _ in speaking:
        await asyncio.Event().wait()


async def test_keys_do_not_follow_a_redirect_to_another_host(azure: Subject) -> None:
    async with running(Azure()) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            _service(azure).mood.status = status
            _service(azure).mood.headers = {"Location": f"{elsewhere.base}/cognitiveservices/v1"}
            assert (await azure.failure()).reason is Failure.REFUSED
        assert elsewhere.seen == []


async def test_a_redirect_on_the_same_host_is_followed_only_so_far(azure: Subject) -> None:
    _service(azure).mood.status, _service(azure).mood.headers = 307, {"Location": "/cognitiveservices/v1?again"}
    assert (await azure.failure()).reason is Failure.REFUSED
    assert [seen.path for seen in _service(azure).seen] == ["/cognitiveservices/v1"] + [
        "/cognitiveservices/v1?again"
    ] * 2
    assert all(seen.headers["Ocp-Apim-Subscription-Key"] == KEY for seen in _service(azure).seen)


async def test_a_wrong_key_is_told_as_such(tmp_path: Path) -> None:
    for name in SERVICES:
        async with subject_of(name, tmp_path, key="another-key") as subject:
            if name == "liepa":
                _service(subject).mood.status = 401
            failed = await subject.failure()
            assert failed.reason is Failure.AUTH, name
            _service(subject).complaints.clear()


async def test_no_voice_of_a_name_is_told_as_such(tmp_path: Path) -> None:
    for name, voice in (("azure", "en-XX-NobodyNeural"), ("openai", "nobody"), ("google", "en-XX-Nobody-A")):
        async with subject_of(name, tmp_path) as subject:
            subject.voice = voice
            assert (await subject.failure()).reason is Failure.NO_VOICE, name
            subject.voice = "</voice>\n"
            assert (await subject.failure()).reason is Failure.NO_VOICE, name


@pytest.mark.parametrize("name", ["azure", "google"])
async def test_a_list_of_voices_that_is_none_is_a_failure(name: str, tmp_path: Path) -> None:
    async with subject_of(name, tmp_path) as subject:
        for body in (b"", b"[1, 2", b'{"voices": 3}', b"\xff\xfe"):
            _service(subject).mood.audio = lambda _, body=body: body  # type: ignore[misc]
            with pytest.raises(SpeechFailed) as failed:
                await subject.synthesiser.voices({})
            check_no_secret(failed.value)
            assert failed.value.reason is Failure.REFUSED


async def test_warming_opens_a_connection_without_the_key_and_without_a_word(subject: Subject) -> None:
    await subject.synthesiser.warm()
    assert [seen.method for seen in _service(subject).seen] == ["HEAD"]
    assert KEY not in repr(_service(subject).seen)
    await subject.said("Yes.")
    assert len(_service(subject).connections) == 1


async def test_warming_an_unused_service_contacts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_SPEECH_KEY", raising=False)
    async with subject_of("azure", tmp_path, key=None) as subject:
        await subject.synthesiser.warm()
        assert _service(subject).seen == []


async def test_nothing_heavy_is_imported_before_the_first_sentence() -> None:
    """In a process of its own: this one has imported everything long ago."""
    script = """
import asyncio, sys
from core.config import TtsConfig
from core.media.engines import tts_engines
opened = [engine.open(TtsConfig()) for engine in tts_engines().values() if engine.name != "espeak"]
for synthesiser in opened:
    synthesiser.missing({}), synthesiser.voice_for("en"), synthesiser.has_voice("x")
print([name for name in ("aiohttp", "onnxruntime", "piper", "soundfile") if name in sys.modules])
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(50):
        out, _ = await process.communicate()
    assert out.decode().strip() == "[]"


def _azure_request(service: Service, text: str) -> Request:
    ssml = (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
        f'<voice name="en-US-JennyNeural">{text}</voice></speak>'
    )
    headers = {
        "Ocp-Apim-Subscription-Key": KEY,
        "Content-Type": "application/ssml+xml",
        "X-Microsoft-OutputFormat": "raw-16khz-16bit-mono-pcm",
    }
    return Request("POST", f"{service.base}/cognitiveservices/v1", headers, ssml.encode())


def test_a_request_shows_neither_url_nor_key() -> None:
    request = Request("GET", f"https://tts.example/?key={KEY}", {"Authorization": KEY}, KEY.encode())
    assert KEY not in repr(request)
