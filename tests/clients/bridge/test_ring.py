"""What happens while it rings: the voice configuration, the cache, and a VPS that is not there."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.bridge.settings import VpsTable
from clients.bridge.voice_config import (
    BadVoiceConfig,
    VoiceConfig,
    cached,
    read_answer,
    read_cache,
    rings,
    voice_config,
    write_cache,
)
from tests.clients.bridge.small import CALL, DEADLINE_S, Small, small
from tests.clients.bridge.stand_in import stand_in
from tests.clients.tiny_core import Json, Refused

FULL = {
    "workpoint_id": 7,
    "language": "lt",
    "tts_model": "azure",
    "tts_access_link": "https://tts.example.invalid/",
    "tts_secret_key": "secret-1",
    "azure_region": "westeurope",
    "stt_model": "WHISPER_TINY",
    "welcome_message": "Laba diena",
    "answer_after_rings": 3,
    "voice_settings": {"voice": "lt-LT-OnaNeural", "pitch": "0%", "speed": 1.1, "style": None, "deep": {"x": 1}},
    "vad_threshold": 0.4,
    "silence_timeout": 500,
    "updated_at": "2026-02-02 04:40:00",
}
CONFIGURED = {
    "call_id": CALL,
    "language": "lt",
    "tts_engine": "azure",
    "voice": "lt-LT-OnaNeural",
    "voice_settings": {"pitch": "0%", "speed": "1.1"},
    "keys": {
        "tts_secret_key": "secret-1",
        "tts_access_link": "https://tts.example.invalid/",
        "azure_region": "westeurope",
    },
    "stt_engine": "remote",
    "answer_after_rings": 3,
    "greeting": "Laba diena",
}
CACHED = {
    "whisper_model": "WHISPER_TINY",
    "tts_provider": "azure",
    "language": "lt",
    "vad_threshold": 0.4,
    "silence_timeout": 500,
    "answer_after_rings": 3,
    "welcome_message": "Laba diena",
    "voice_settings": FULL["voice_settings"],
    "updated_at": "2026-02-02 04:40:00",
}


async def configured(on: Small, times: int = 1) -> Json:
    return await on.core.wait_asked("call.configure", times, DEADLINE_S)


async def until_kept(path: Path, wanted: Json) -> None:
    """Written down, which may take longer than the ring waits for."""
    async with asyncio.timeout(DEADLINE_S):
        while read_cache(path) != wanted:  # noqa: ASYNC110 - a thread of the bridge writes it
            await asyncio.sleep(0.01)


async def test_the_configuration_is_asked_for_on_every_ring_applied_and_kept(tmp_path: Path) -> None:
    async with stand_in(config=FULL) as vps, small(tmp_path, vps) as on:
        on.ring()
        assert await configured(on) == CONFIGURED
        kept = tmp_path / "kept.json"
        await until_kept(kept, CACHED)
        assert kept.stat().st_mode & 0o777 == 0o600
        vps.config = FULL | {"answer_after_rings": -1}
        on.ring("call_2_b")
        assert (await configured(on, 2))["answer_after_rings"] == -1
        assert vps.config_asks == [{"ip": "10.100.0.11", "include_key": "1"}] * 2
        await until_kept(kept, CACHED | {"answer_after_rings": -1})
        assert not (tmp_path / "kept.json.part").exists()


async def test_without_an_answer_in_time_the_cache_counts_and_the_answer_does_when_it_comes(tmp_path: Path) -> None:
    write_cache(tmp_path / "kept.json", CACHED | {"welcome_message": "Kept."})
    config, wanted = {"apply_within_s": 0.4}, asyncio.Event()
    async with stand_in(config=FULL, config_wanted=wanted) as vps, small(tmp_path, vps, voice_config=config) as on:
        began_s = on.awake.now_s
        on.ring()
        first = await configured(on)
        assert on.awake.now_s - began_s < 1.0, "the core waits 2 s"
        assert (first["greeting"], first["answer_after_rings"]) == ("Kept.", 3) and "keys" not in first
        wanted.set()
        assert (await configured(on, 2))["greeting"] == "Laba diena"


@pytest.mark.parametrize("failure", ["refused", "nonsense", "no"])
async def test_without_any_answer_the_cache_counts(tmp_path: Path, failure: str) -> None:
    write_cache(tmp_path / "kept.json", CACHED)
    async with stand_in(config=None) as vps:
        url = {"refused": "http://127.0.0.1:9/x", "nonsense": f"{vps.base}/api", "no": f"{vps.base}/voice_config"}
        async with small(tmp_path, vps, voice_config={"url": url[failure]}) as on:
            on.ring()
            assert (await configured(on))["greeting"] == "Laba diena"
    assert json.loads((tmp_path / "kept.json").read_text()) == CACHED, "what is no answer is not kept"


async def test_what_an_engine_refuses_is_left_out_and_the_rest_is_applied(tmp_path: Path) -> None:
    def picky(params: Json) -> Json:
        if "voice" in params:
            raise Refused(-32602, "invalid_params", "voice: no such voice")
        if "tts_engine" in params:
            raise Refused(-32008, "engine_missing", "azure: no key")
        return {"call_id": params["call_id"]}

    async with stand_in(config=FULL) as vps, small(tmp_path, vps) as on:
        on.core.handlers["call.configure"] = picky
        on.ring()
        wanted = {"call_id", "language", "stt_engine", "answer_after_rings", "greeting"}
        await on.core.wait_for(lambda: wanted in map(set, on.core.asked("call.configure")))
        last = on.core.asked("call.configure")[-1]
        assert last == {name: CONFIGURED[name] for name in last}


async def test_the_old_stations_welcome_is_not_given_to_the_core(tmp_path: Path) -> None:
    config = {"welcome": "after_caller"}
    async with stand_in(config=FULL) as vps, small(tmp_path, vps, voice_config=config) as on:
        await on.call()
        assert "greeting" not in await configured(on)
        await on.turn()
        await on.says("Laba diena", "What time?")


async def test_a_vps_that_went_away_is_noticed_in_the_ring_and_the_local_brain_gets_the_call_configured(
    tmp_path: Path,
) -> None:
    async with stand_in(config=FULL) as vps, small(tmp_path, vps) as on:
        on.ring("call_1_a")
        await configured(on)
        on.core.fact("call.ended", call_id="call_1_a", direction="in", reason="missed")
        await vps.stop()
        began_s = on.awake.now_s
        on.ring()
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        assert on.awake.now_s - began_s < 2.0
        last = on.core.asked("call.configure")[-1]
        assert (last["stt_engine"], last["answer_after_rings"], last["language"]) == ("local", 3, "lt")
        assert "greeting" not in last, "the local brain has its own"
        await on.state("offline")


async def test_a_vps_that_never_answers_does_not_hold_up_the_ring(tmp_path: Path) -> None:
    default = {"probe_timeout_s": VpsTable().probe_timeout_s}
    async with stand_in(config=FULL) as vps, small(tmp_path, vps, vps=default) as on:
        vps.probe_delay_s = vps.config_delay_s = 30.0
        began_s = on.awake.now_s
        on.ring()
        await on.core.wait_asked("brain.withdraw", timeout_s=DEADLINE_S)
        assert on.awake.now_s - began_s < 2.0


async def test_while_the_vps_is_down_the_bridge_is_no_brain_and_a_call_of_nobody_is_still_configured(
    tmp_path: Path,
) -> None:
    write_cache(tmp_path / "kept.json", CACHED)
    async with stand_in() as vps:
        await vps.stop()
        async with small(tmp_path, vps, up=False, others=()) as on:
            assert on.core.asked("brain.register") == []
            on.core.fact("call.incoming", call_id=CALL, number="+447700900123")
            first = await configured(on)
            assert (first["answer_after_rings"], "stt_engine" in first, "greeting" in first) == (3, False, False)
            await vps.start()
            await on.state("online")
            assert on.core.asked("brain.register") == [{"priority": 10}]


async def test_a_vps_that_comes_and_goes_has_to_prove_itself(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps, vps={"hold_s": 0.6}) as on:
        await vps.stop()
        on.ring()
        await on.state("offline")
        back_s = time.monotonic()
        await vps.start()
        await on.state("online")
        assert time.monotonic() - back_s >= 0.6
        assert len(on.core.asked("brain.register")) == 2


async def test_a_state_says_why(tmp_path: Path) -> None:
    async with stand_in() as vps, small(tmp_path, vps) as on:
        vps.probe_status = 503
        on.ring()
        await on.state("offline")
        assert on.core.asked("client.report_state")[-1] == {"state": "offline", "detail": "the VPS: HTTP 503"}


async def test_the_token_goes_to_the_vps_and_to_nobody_else(tmp_path: Path) -> None:
    async with stand_in() as vps, stand_in(config=FULL) as config_host:
        tables: dict[str, Any] = {"vps": {"token": "t0k"}, "voice_config": {"url": f"{config_host.base}/voice_config"}}
        async with small(tmp_path, vps, **tables) as on:
            await on.call()
            await on.turn()
            await on.says("What time?")
        assert set(vps.tokens) == {"Bearer t0k"} and config_host.tokens == [None]


# --- the mapping


def test_both_spellings_and_the_old_cache_are_understood() -> None:
    old = voice_config(
        {
            "tts_provider": "Azure",
            "language": "en-GB",
            "voice_settings": {"voice_name": "en-US-JennyNeural", "rate": "0%", "azure_key": "k1"},
            "azure_key": None,
            "answer_after_rings": "2",
        }
    )
    assert old == VoiceConfig("en-GB", "azure", "en-US-JennyNeural", None, 2, {"rate": "0%"}, {"azure_key": "k1"})
    assert old.two_letters == "en" and VoiceConfig().two_letters == "auto"
    assert "k1" not in repr(old)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [(-1, -1), (-7, -1), (0, 1), (1, 1), (10, 10), (99, 10), ("4", 4), (2.0, 2), ("x", None), (True, None)],
)
def test_rings_are_minus_one_or_one_to_ten(given_: object, wanted: int | None) -> None:
    assert rings(given_) == wanted


def test_keys_are_kept_on_disk_only_when_asked_for(tmp_path: Path) -> None:
    data = FULL | {"voice_settings": {"voice": "v", "azure_key": "secret-2"}}
    assert "secret" not in json.dumps(cached(data, with_keys=False))
    with_keys = cached(data, with_keys=True)
    write_cache(tmp_path / "kept.json", with_keys)
    found = read_cache(tmp_path / "kept.json")
    assert found is not None
    assert voice_config(found).keys["tts_secret_key"] == "secret-1"


def test_a_damaged_cache_is_none(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    assert read_cache(path) is None
    for text in ("", "{", "[]", '{"a": "\udcff"}'):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert read_cache(path) is None


@pytest.mark.parametrize(
    "body", [None, [], {}, {"success": False, "data": {}}, {"success": True, "data": None}, {"success": 1, "data": {}}]
)
def test_an_answer_without_success_is_none(body: object) -> None:
    with pytest.raises(BadVoiceConfig):
        read_answer(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from([*FULL, *CACHED, "azure_key"]), _JSON, max_size=8))
def test_whatever_the_vps_sends_becomes_something_that_the_core_takes(data: dict[str, Any]) -> None:
    found = voice_config(data)
    assert found.answer_after_rings in (None, -1, *range(1, 11))
    for params in found.steps():
        assert set(params) <= {"language", "voice", "tts_engine", "voice_settings", "keys"}
        assert all(params.values()) and len(params.get("voice_settings", {})) <= 16
        assert len(params.get("language", "")) <= 16 and len(params.get("voice", "")) <= 64
        assert all(isinstance(one, str) and len(one) <= 200 for one in params.get("voice_settings", {}).values())
