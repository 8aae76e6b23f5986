"""Recording on a whole station: consent, files of a call in every form, per call, after kill -9, on a full disk."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import dialtone
from tests.station import ROOT, Station, Watch, station
from tests.test_talking import PHRASES, VOICE, answered


@asynccontextmanager
async def recording_station(keys: str, *, enabled: bool = True, **options: Any) -> AsyncIterator[Station]:
    async with station(core=False, **options) as made:
        text = made.config.read_text()
        switch = f"enabled = {str(enabled).lower()}\n{keys}\n"
        made.config.write_text(text.replace("enabled = true\n", switch, 1))
        await made.start_core()
        yield made


def folder(made: Station) -> list[str]:
    return sorted(path.name for path in (made.dir / "recordings").iterdir())


def shape(name: str, call_id: str) -> str:
    """The name with its times left out."""
    return re.sub(r"_\d{9,}\.", "_N.", name.replace(call_id, "C"))


async def a_short_talk(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    await phone.expect_phrases(PHRASES)
    call_id = await answered(made, phone, watch)
    await phone.call("call.speak", text="Hello, this is us.", wait="spoken")
    await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=25)
    await watch.wait("call.speech")
    await phone.call("call.speak", text="From nine to five.", wait="spoken")
    await phone.call("call.hangup")
    return call_id


async def test_a_call_leaves_an_ogg_and_all_files_under_their_old_names() -> None:
    keys = 'format = "ogg"\nlegacy_files = true\ntiming = true'
    async with recording_station(keys) as made, made.phone("*") as (phone, watch):
        call_id = await a_short_talk(made, phone, watch)
        recorded = await watch.wait("call.recorded")
        assert (recorded["format"], recorded["problem"]) == ("ogg", None)
        assert recorded["path"] == f"{made.dir}/recordings/{call_id}.ogg"
        samples, rate_hz = soundfile.read(recorded["path"])
        assert samples.shape[1] == 2 and abs(len(samples) / rate_hz - recorded["duration_s"]) < 0.1
        caller, us = (np.flatnonzero(np.abs(samples[:, side]) > 0.05) for side in (0, 1))
        assert us[0] < caller[0] < us[-1], "we greeted, they asked, we answered"

        found = await files_of(phone, call_id, f"timing_analysis/{call_id}.json")
        assert sorted(shape(name, call_id) for name in found) == [
            "C.ogg", "C_incoming_raw_N.ogg", "C_outgoing_tts_N.ogg", "C_transcription.txt",
            "C_vad_chunk_1_N.ogg", "C_vad_chunk_1_N.wav.txt", "timing_analysis/C.json",
        ]  # fmt: skip
        words = next(data for name, data in found.items() if name.endswith(".wav.txt"))
        assert words == b"what are your opening hours\n"
        text = found[f"{call_id}_transcription.txt"].decode()
        assert "Chunk #1:\nCaller: what are your opening hours\nBot: From nine to five.\n" in text
        for name, data in found.items():
            if name.endswith(".ogg"):
                (made.dir / "x.ogg").write_bytes(data)
                assert soundfile.info(str(made.dir / "x.ogg")).subtype == "OPUS", name

        timing = json.loads(found[f"timing_analysis/{call_id}.json"])
        latest = made.dir / "recordings/timing_analysis/latest.json"
        async with asyncio.timeout(20):
            while not latest.exists():  # noqa: ASYNC110 - written behind that of the call, and told by nobody
                await asyncio.sleep(0.02)
        assert timing == json.loads(latest.read_text())
        assert timing["call_id"] == call_id and timing["summary"]["vad_chunks"] == 1
        (turn,) = timing["turns"]
        assert set(turn["stages"]) == {
            "speech_end", "stt_start", "stt_end", "turn_end", "speech_told",
            "speak_asked", "tts_first_byte", "first_pcm", "heard",
        }  # fmt: skip
        order = ["speech_end", "turn_end", "speech_told", "speak_asked", "tts_first_byte", "first_pcm", "heard"]
        times = [turn["stages"][stage] for stage in order]
        assert times == sorted(times) and times[-1] < timing["duration"]
        names = [event["name"] for event in timing["events"]]
        for name in (
            "call_started",
            "call_answered",
            "vad_chunk",
            "tts_request_sent",
            "tts_playback_complete",
            "call_ending",
        ):
            assert name in names

        record = await phone.call("call.get", call_id=call_id)
        assert [each["name"] for each in record["files"]] == sorted(found)
        assert (
            record["recording"] == recorded["path"] and record["recordings"][0]["duration_s"] == recorded["duration_s"]
        )
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.recording_file", name="../core.toml")
        assert refused.value.kind == "not_found"


async def files_of(phone: dialtone.Phone, call_id: str, last: str) -> dict[str, bytes]:
    """All files of a call, fetched in small pieces, once the last of them is there."""
    async with asyncio.timeout(30):
        while True:
            page = await phone.call("call.recordings", call_id=call_id)
            if any(file["name"] == last for file in page["files"]):
                break
    found: dict[str, bytes] = {}
    for file in page["files"]:
        data, offset = b"", 0
        while offset is not None:
            piece = await phone.call("call.recording_file", name=file["name"], offset=offset, max_bytes=3000)
            data += base64.b64decode(piece["data"])
            offset = piece.get("next")
        assert len(data) == file["bytes"]
        found[file["name"]] = data
    return found


async def test_the_caller_is_told_first_and_only_then_recorded() -> None:
    consent = (
        "This call is recorded, so that we can look up later what was agreed, and nobody but us will ever hear it."
    )
    keys = f'consent_text = "{consent}"'
    async with recording_station(keys) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        told = await watch.wait("call.spoken")
        assert told["text"] == consent and told["completed"]
        await phone.call("call.speak", text="Hello.", wait="spoken")
        await phone.call("call.hangup")
        ended = await watch.wait("call.ended")
        recorded = await watch.wait("call.recorded")
        assert recorded["path"] == ended["recording"] and recorded["problem"] is None
        assert 0 < recorded["duration_s"] < ended["duration_s"] - told["played_ms"] / 1000 + 0.1
        # Hung up before the end of the sentence: nothing may be kept.
        await answered_again(made, phone, watch)
        await watch.wait("call.speaking", count=3)
        await made.control("far.hangup")
        refused = await watch.wait("call.recorded", count=2)
        assert (refused["path"], refused["problem"]) == (None, "no_consent")
        assert len(folder(made)) == 1


async def answered_again(made: Station, phone: dialtone.Phone, watch: Watch) -> str:
    await made.control("call.incoming", number="+447700900124", ring_s=0.3)
    return str((await watch.wait("call.connected", count=2))["call_id"])


async def test_whoever_steers_a_call_decides_what_of_it_is_recorded_and_the_command_line_fetches_it() -> None:
    async with recording_station("", answer_after_rings=10) as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await made.control("call.incoming", number="+447700900123", ring_s=5)
        call_id = str((await watch.wait("call.incoming"))["call_id"])
        await phone.call("call.configure", call_id=call_id, record=False)
        await phone.call("call.accept", call_id=call_id)
        await phone.call("call.speak", text="Not this.", wait="spoken")
        assert not (made.dir / "recordings").exists()
        first = await phone.call("call.record", enabled=True)
        await phone.call("call.speak", text="But this.", wait="spoken")
        await phone.call("call.record", enabled=False)
        part = await watch.wait("call.recorded")
        assert part["path"] == first["recording"], "told while the call goes on"
        await phone.call("call.record", enabled=True)
        await phone.call("call.speak", text="And this.", wait="spoken")
        await phone.call("call.hangup")
        await watch.wait("call.recorded", count=2)
        assert folder(made) == [f"{call_id}.2.wav", f"{call_id}.wav"]
        assert [each["part"] for each in (await phone.call("call.get", call_id=call_id))["recordings"]] == [1, 2]

        listed = json.loads(await command(made, "recordings", "--json"))["files"]
        assert sorted(file["name"] for file in listed) == folder(made)
        assert f"{call_id}.2.wav".encode() in await command(made, "recordings")
        await command(made, "fetch", f"{call_id}.wav", "--out", str(made.dir / "copy.wav"))
        assert (made.dir / "copy.wav").read_bytes() == (made.dir / "recordings" / f"{call_id}.wav").read_bytes()


async def test_after_kill_9_in_mid_call_the_recording_is_whole_and_finished_at_the_next_start() -> None:
    keys = 'format = "ogg"\nlegacy_files = true'
    async with recording_station(keys) as made:
        async with made.phone("*") as (phone, watch):
            call_id = await answered(made, phone, watch)
            await phone.call("call.speak", text="This is said before the end of the world.")
            await watch.wait("call.spoken")  # told once it is on disk
            await made.stop_core(signal.SIGKILL)
        with wave.open(str(made.dir / "recordings" / f"{call_id}.wav")) as left:
            assert left.getnframes() > 8000
        await made.start_core()
        async with made.phone("*") as (phone, _):
            async with asyncio.timeout(30):
                record = await phone.call("call.get", call_id=call_id)
                while not record["recordings"]:
                    record = await phone.call("call.get", call_id=call_id)
        (recording,) = record["recordings"]
        assert recording["problem"] == "core_restarted" and recording["path"].endswith(".ogg")
        assert abs(soundfile.info(recording["path"]).duration - left.getnframes() / 8000) < 0.1
        kinds = {file["kind"] for file in record["files"]}
        assert {"recording", "incoming_raw", "outgoing_tts", "transcription"} <= kinds
        assert f"{call_id}.wav" not in folder(made)


async def test_a_folder_that_can_not_be_written_refuses_call_record_and_disturbs_no_call() -> None:
    async with station(core=False) as made:
        (made.dir / "file").write_bytes(b"")
        made.config.write_text(made.config.read_text().replace(f"{made.dir}/recordings", f"{made.dir}/file/recordings"))
        await made.start_core()
        async with made.phone("*") as (phone, watch):
            await answered(made, phone, watch)
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("call.record", enabled=True)
            assert refused.value.kind == "path_refused"
            assert (await phone.call("call.speak", text="Hello.", wait="spoken"))["completed"]
            await phone.call("call.hangup")
            ended, recorded = await watch.wait("call.ended"), await watch.wait("call.recorded")
            assert (ended["recording"], recorded["path"]) == (None, None) and recorded["problem"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """128 KiB: four seconds of stereo, of which a file takes three."""
    where = tmp_path / "small"
    where.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(where)], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("a disk to fill needs mount")
    (where / "ballast").write_bytes(bytes(96 * 1024))
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


async def test_a_full_disk_ends_the_recording_and_never_the_call(small_disk: Path) -> None:
    async with station(core=False) as made:
        made.config.write_text(made.config.read_text().replace(f"{made.dir}/recordings", str(small_disk)))
        await made.start_core()
        async with made.phone("*") as (phone, watch):
            await answered(made, phone, watch)
            long = (
                "This goes on for longer than the disk is large, and nobody in the call notices anything of it at all."
            )
            assert (await phone.call("call.speak", text=long, wait="spoken"))["completed"]
            (small_disk / "ballast").unlink()
            again = await phone.call("call.record", enabled=True)
            assert again["recording"].endswith(".2.wav"), "with room again it goes on, in a new part"
            await phone.call("call.speak", text="So.", wait="spoken")
            await phone.call("call.hangup")
            ended, recorded = await watch.wait("call.ended"), await watch.wait("call.recorded")
            assert (await watch.wait("call.recorded", count=2))["problem"] is None
            assert ended["reason"] == "local_hangup"
            assert recorded["problem"] == "disk_full" and 0 < recorded["duration_s"] < ended["duration_s"] - 1
        with wave.open(recorded["path"]) as kept:
            assert abs(kept.getnframes() / 8000 - recorded["duration_s"]) < 0.01


async def command(made: Station, *words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "call", *words, "--socket", str(made.socket),
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    async with asyncio.timeout(50):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out
