"""dialtone tts health, net check, audio-library and sms watch as processes."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clients.station.rsync import figures, meaning, passes
from clients.station.settings import AudioLibrary
from clients.station.sms_watch import as_text
from dialtone.event import Event
from tests.clients.station.conftest import Desk, Vps
from tests.clients.station.programs import RSYNC
from tests.clients.test_cli import DEADLINE_S, started
from tests.clients.tiny_core import Refused, TinyCore
from tests.station import station

# --- speech


async def test_a_station_that_can_speak_is_healthy(desk: Desk) -> None:
    async with station(emulator=False) as made:
        ran = await desk.run("tts", "health", "--json", socket=made.socket)
        found = json.loads(ran.out)
        assert (ran.code, found["ok"], found["engine"], found["issues"]) == (0, True, "espeak", [])
        assert 0 < found["test_s"] < 30 and found["audio_ms"] > 300 and "espeak" in found["engines"]
        status = {"tts_queue_size": 11, "active_calls": 1, "stats": {"call_1": {"last_tts_time": 31.5}}}
        ran = await desk.run("tts", "health", "--status", "-", socket=made.socket, stdin=json.dumps(status).encode())
        assert ran.code == 1 and "11 texts wait" in ran.out and "took 31.5 s" in ran.out
        ran = await desk.run("tts", "health", "--status", "-", socket=made.socket, stdin=b"[]")
        assert ran.code == 2


async def test_an_engine_that_lacks_something_or_says_nothing_is_an_issue(desk: Desk, core: TinyCore, vps: Vps) -> None:
    engine: dict[str, Any] = {"name": "azure", "current": True, "missing": "a key", "put_aside": None, "problem": None}
    core.handlers["tts.voices"] = lambda _: {"engines": [engine]}

    def unavailable(_: Any) -> Any:
        raise Refused(-32000, "speech_unavailable", "No engine could.")

    core.handlers["tts.synthesize"] = unavailable
    desk.bridge_config(vps.url)
    ran = await desk.run("tts", "health", "--notify", socket=core.path)
    assert ran.code == 1 and vps.bodies[0]["severity"] == "error"
    assert "azure is configured and can't speak: a key" in vps.bodies[0]["message"]
    engine.update(missing=None, put_aside="rate_limited")
    core.handlers["tts.synthesize"] = lambda _: {"duration_ms": 900}
    found = json.loads((await desk.run("tts", "health", "--json", socket=core.path)).out)
    assert [severity for severity, _ in found["issues"]] == ["warning"]
    core.handlers["tts.voices"] = lambda _: {"engines": []}
    core.handlers["tts.synthesize"] = lambda _: {"duration_ms": 0}
    found = json.loads((await desk.run("tts", "health", "--json", socket=core.path)).out)
    assert [text for _, text in found["issues"]] == [
        "no speech engine is configured", "the test sentence failed: it is silent",
    ]  # fmt: skip


async def test_without_a_core_there_is_no_health_and_the_vps_hears_of_it(desk: Desk, vps: Vps) -> None:
    assert (await desk.run("tts", "health")).code == 3
    desk.bridge_config(vps.url)
    assert (await desk.run("tts", "health", "--notify")).code == 3
    assert vps.bodies[0]["severity"] == "error"


# --- the internet


async def test_a_check_of_the_internet_is_asked_for_with_its_reason(desk: Desk, core: TinyCore) -> None:
    core.handlers["net.check"] = lambda _: {"state": "primary", "link": "eth0"}
    ran = await desk.run("net", "check", "--reason", "incoming call", socket=core.path)
    assert ran.code == 0 and "eth0" in ran.out
    assert core.asked("net.check") == [{"reason": "incoming call"}]


async def test_a_core_without_failover_is_named_as_what_it_is(desk: Desk, core: TinyCore) -> None:
    ran = await desk.run("net", "check", socket=core.path)
    assert (ran.code, ran.out) == (1, "") and "does not know net.check" in ran.err
    assert json.loads((await desk.run("net", "check", "--json", socket=core.path)).out)["ok"] is False
    assert (await desk.run("net", "check")).code == 3


# --- the audio library

SOURCE = "gateway@vps.example::share/audio_library"


def library(desk: Desk, source: str = SOURCE, toml: str = "") -> Path:
    dest = desk.folder / "library"
    desk.configure(f'[audio_library]\nsource = "{source}"\ndest = "{dest}"\n{toml}')
    return dest


async def test_a_sync_makes_its_two_passes_and_keeps_how_it_went(desk: Desk) -> None:
    dest = library(desk)
    desk.programs.add("rsync", RSYNC)
    ran = await desk.run("audio-library", "sync", "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["ok"], found["step"], found["files"], found["deleted"]) == (0, True, 2, 2004, 2)
    first, second = desk.programs.calls("rsync")
    assert first[-4:] == ["--exclude=silence_fills/", "--", f"{SOURCE}/", f"{dest}/"]
    assert "--delete" in second and "--delete" not in first
    ran = await desk.run("audio-library", "status", "--json")
    assert ran.code == 0 and json.loads(ran.out) == found


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [(10, 3, "the source is not reached"), (255, 3, "ssh could not connect"), (23, 1, "some files could not"),
     (11, 1, "could not be read or written"), (99, 1, "rsync ended with 99")],
)  # fmt: skip
async def test_a_sync_that_failed_deletes_nothing_and_says_why(
    desk: Desk, code: int, exit_code: int, words: str
) -> None:
    library(desk)
    desk.programs.add("rsync", code=code, err="rsync: something\n")
    ran = await desk.run("audio-library", "sync")
    assert ran.code == exit_code and words in ran.err and len(desk.programs.calls("rsync")) == 1
    ran = await desk.run("audio-library", "status")
    assert ran.code == 1 and words in ran.out


async def test_a_sync_that_hangs_is_ended(desk: Desk) -> None:
    library(desk, toml="timeout_s = 0.5")
    desk.programs.add("rsync", then="time.sleep(60)")
    ran = await desk.run("audio-library", "sync")
    assert ran.code == 3 and "longer than 0.5 s" in ran.err


async def test_two_syncs_never_run_at_once(desk: Desk) -> None:
    library(desk)
    go_on = desk.folder / "go-on"
    desk.programs.add("rsync", RSYNC, then=f"while not os.path.exists({str(go_on)!r}): time.sleep(0.05)")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(desk.run("audio-library", "sync"))
        async with asyncio.timeout(DEADLINE_S):
            while not desk.programs.calls("rsync"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        second = await desk.run("audio-library", "sync")
        go_on.touch()
    assert (second.code, "another sync" in second.err) == (1, True)
    assert first.result().code == 0


async def test_without_a_source_or_rsync_it_is_said_what_is_missing(desk: Desk) -> None:
    ran = await desk.run("audio-library", "sync")
    assert ran.code == 2 and "[audio_library] source" in ran.err
    ran = await desk.run("audio-library", "status")
    assert ran.code == 1 and "never" in ran.out
    if shutil.which("rsync") is None:
        library(desk)
        ran = await desk.run("audio-library", "sync")
        assert ran.code == 3 and "not installed" in ran.err


async def test_the_real_rsync_mirrors_only_what_is_to_be_mirrored(desk: Desk) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("no rsync here")
    share = desk.folder / "share"
    for name in ("en/hello.raw", "en/silence_fills/ok.pcm", "silence_fills/hm.pcm"):
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(name)
    dest = library(desk, str(share))
    for name in ("en/own.raw", "en/silence_fills/old.pcm", "silence_fills/old.pcm"):
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        (dest / name).write_text("mine")
    found = json.loads((await desk.run("audio-library", "sync", "--json")).out)
    there = {str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_file()}
    assert there == {"en/hello.raw", "en/own.raw", "en/silence_fills/ok.pcm", "silence_fills/hm.pcm"}
    assert (found["ok"], found["files"], found["deleted"]) == (True, 3, 2)
    found = json.loads((await desk.run("audio-library", "sync", "--json")).out)
    assert (found["files"], found["deleted"]) == (0, 0)


def test_the_words_for_rsync_never_hold_an_option_of_the_configuration() -> None:
    made = AudioLibrary(source="host:path/", password_file="/etc/dialtone/rsync-password")
    for words in passes(made):
        assert words[0] == "rsync" and words[-3:] == ("--", "host:path/", "/var/lib/dialtone/audio-library/")
        assert "--password-file=/etc/dialtone/rsync-password" in words and "--no-devices" in words


def test_figures_of_rsync_are_read_with_and_without_its_commas() -> None:
    found = figures(RSYNC)
    assert (found.files, found.deleted, found.size_bytes) == (1002, 1, 204800)
    assert figures("nothing") == figures("") and meaning(77) == "rsync ended with 77"


# --- messages


async def test_messages_are_watched_in_the_words_of_the_old_station(core: TinyCore) -> None:
    core.handlers["sms.get"] = lambda params: {"text": f"Text of {params['message_id']}"}
    async with started("sms", "watch", "--count", "5", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        core.fact("sms.received", message_id="sms_1", number="+44", text="Hi\x1b[31m\nthere", incomplete=False)
        core.fact("sms.status", message_id="sms_2", number="+44", state="queued")
        core.fact("sms.status", message_id="sms_2", number="+44", state="sent")
        core.fact("sms.status", message_id="sms_3", number="+45", state="failed", reason="network_refused")
        core.fact("sms.report", message_id="sms_2", number="+44", outcome="delivered", status_text="received")
        async with asyncio.timeout(DEADLINE_S):
            out, err = await child.communicate()
    assert (child.returncode, err) == (0, b"") and b"\x1b" not in out
    lines = [line.split("] ", 1)[1] for line in out.decode().splitlines()[1:]]
    assert lines == [
        "← IN  from +44: Hi\ufffd[31m there",
        "↓ QUEUED for +44 (UID: sms_2)",
        '→ OUT to +44 (UID: sms_2) "Text of sms_2"',
        '✗ FAILED to +45 (UID: sms_3) "Text of sms_3" - network_refused',
        "↙ REPORT of +44 (UID: sms_2): delivered, received",
    ]


async def test_watching_is_json_for_programs_and_refuses_a_wrong_count(core: TinyCore) -> None:
    async with started("sms", "watch", "--json", "--count", "1", socket=core.path) as child:
        await core.wait_for(lambda: any(peer.subscribed for peer in core.peers), DEADLINE_S)
        core.fact("sms.received", message_id="sms_1", number="+44", text="Hi")
        out, _ = await child.communicate()
    assert json.loads(out)["method"] == "sms.received"
    async with started("sms", "watch", "--count", "0", socket=core.path) as child:
        await child.communicate()
    assert child.returncode == 2


def test_a_terminal_gets_colours_and_a_long_text_is_cut() -> None:
    sent = Event.of("sms.status", {"message_id": "sms_1", "number": "+44", "state": "sent", "at": None})
    assert "\x1b[32m→ OUT to\x1b[0m" in as_text(sent, "x" * 200, colour=True)
    assert as_text(sent, "x" * 200, colour=False).endswith(f'"{"x" * 100}…"')
    assert "not seen" in as_text(Event.of("events.lagged", {}), None, colour=False)
