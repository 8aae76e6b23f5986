"""Whose key goes where."""

import pytest

from core.config import AzureTtsConfig, LiepaTtsConfig, TtsConfig
from core.media.cloud_keys import Access, Denied, endpoint_problem, find_access, is_loopback, with_path
from core.media.engines import tts_engines

OWN, CALLS = "station-key", "calls-key"


def _find(keys: dict[str, str], *, key: str | None = OWN, endpoint: str | None = None) -> Access | Denied:
    return find_access("azure", keys, key=key, endpoint=endpoint, environment=("AZURE_SPEECH_KEY",))


def test_the_calls_key_goes_first_then_the_files_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "env-key")
    assert _find({"azure_key": CALLS}) == Access(CALLS, None)
    assert _find({"azure_key": ""}) == Access(OWN, None)
    assert _find({}) == Access(OWN, None)
    assert _find({}, key=None) == Access("env-key", None)
    monkeypatch.delenv("AZURE_SPEECH_KEY")
    denied = _find({}, key=None)
    assert isinstance(denied, Denied) and "AZURE_SPEECH_KEY" in denied.reason


def test_a_call_cannot_send_the_stations_key_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = "https://evil.example"
    assert isinstance(_find({"azure_endpoint": elsewhere}), Denied)
    assert isinstance(_find({"tts_access_link": elsewhere, "tts_engine": "azure"}), Denied)
    monkeypatch.setenv("AZURE_SPEECH_KEY", "env-key")
    assert isinstance(_find({"azure_endpoint": elsewhere}, key=None), Denied)
    assert _find({"azure_endpoint": elsewhere, "azure_key": CALLS}) == Access(CALLS, elsewhere)


def test_a_key_of_one_service_is_never_given_to_another() -> None:
    keys = {"tts_secret_key": CALLS, "tts_access_link": "https://tts.example", "tts_engine": "openai"}
    assert _find(keys) == Access(OWN, None)
    assert _find(keys | {"tts_engine": "azure"}) == Access(CALLS, "https://tts.example")
    assert _find({"tts_secret_key": CALLS}) == Access(OWN, None)
    assert _find({"openai_key": CALLS}) == Access(OWN, None)


@pytest.mark.parametrize("key", ["two words", "line\r\nHost: evil", "käse", "\0", "x" * 5000])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    denied = _find({"azure_key": key})
    assert isinstance(denied, Denied) and key not in denied.reason


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://tts.example", True),
        ("https://tts.example:8443/v1?x=1", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000/x", True),
        ("http://localhost", True),
        ("http://tts.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://192.168.1.5", False),
        ("ftp://tts.example", False),
        ("file:///etc/passwd", False),
        ("https://user:secret@tts.example", False),
        ("https://tts.example/#x", False),
        ("https://", False),
        ("https://tts.example:port", False),
        ("https://tts.example/a b", False),
        ("tts.example", False),
        ("", False),
        ("https://[::1", False),
    ],
)
def test_endpoints_are_encrypted_or_on_this_machine(url: str, fine: bool) -> None:
    problem = endpoint_problem(url)
    assert (problem is None) == fine
    assert "secret" not in (problem or "")
    if url in ("http://tts.example", "http://192.168.1.5"):
        assert endpoint_problem(url, allow_http=True) is None


def test_loopback_is_known_by_its_number() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("LOCALHOST")
    assert not is_loopback("0.0.0.0") and not is_loopback("localhost.example")


def test_access_shows_no_key() -> None:
    access = Access(OWN, f"https://tts.example/?key={OWN}")
    assert OWN not in repr(access)


def test_an_endpoint_may_be_the_root_or_the_whole_url() -> None:
    for base in ("https://a.example", "https://a.example/", "https://a.example/v1/speak"):
        assert with_path(base, "/v1/speak") == "https://a.example/v1/speak"


@pytest.mark.parametrize("region", ["evil.example/", "a/b", "west europe", "x@y", "A", ""])
def test_a_region_is_no_host_of_ones_own(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_SPEECH_REGION", raising=False)
    azure = tts_engines()["azure"].open(TtsConfig(azure=AzureTtsConfig(key=OWN)))
    assert azure.missing({"azure_region": region}) is not None
    assert azure.missing({"azure_region": "westeurope"}) is None


def test_a_calls_region_goes_before_the_stations_endpoint() -> None:
    config = AzureTtsConfig(key=OWN, endpoint="https://westus.example")
    azure = tts_engines()["azure"].open(TtsConfig(azure=config))
    access = azure._access({"azure_key": CALLS, "azure_region": "westeurope"})  # type: ignore[attr-defined]
    assert access == Access(CALLS, "https://westeurope.tts.speech.microsoft.com")
    assert azure._access({}) == Access(OWN, "https://westus.example")  # type: ignore[attr-defined]


def test_every_service_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_SPEECH_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY", "LIEPA_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("azure", "openai", "google", "liepa"):
        reason = tts_engines()[name].open(TtsConfig()).missing({})
        assert reason is not None and f"[tts.{name}]" in reason


def test_liepas_request_is_not_sent_where_a_call_says() -> None:
    """Its templates may hold a key that is written out."""
    config = LiepaTtsConfig(url="https://tts.example/{voice}", key=OWN, headers={"X-Key": "written-out"})
    liepa = tts_engines()["liepa"].open(TtsConfig(liepa=config))
    assert liepa.missing({}) is None
    assert liepa.missing({"liepa_endpoint": "https://evil.example"}) is not None
    ready = liepa._ready({"liepa_endpoint": "https://other.example", "liepa_key": CALLS})  # type: ignore[attr-defined]
    assert ready.headers == {} and ready.access.key == CALLS
    assert "written-out" not in repr(config) and OWN not in repr(config)


@pytest.mark.parametrize("url", ["https://{voice}.example/", "{text}://tts.example", "https://{key}@tts.example/"])
def test_what_is_said_does_not_choose_the_host(url: str) -> None:
    assert tts_engines()["liepa"].open(TtsConfig(liepa=LiepaTtsConfig(url=url, key=OWN))).missing({}) is not None
