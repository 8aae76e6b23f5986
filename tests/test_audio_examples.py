"""The scripts of examples/ on a live call: those that need nothing always, those for sox and ffmpeg where these are."""

import asyncio
import os
import shutil
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.media.codecs import encode_wav
from tests.station import ROOT, Station, station
from tests.test_live_audio import beep
from tests.test_talking import VOICE, answered

EXAMPLES = ROOT / "examples"


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here: its examples are not run")


async def script(made: Station, *words: str) -> asyncio.subprocess.Process:
    """One of the examples, with `dialtone` and `python3` as they are installed beside this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return await asyncio.create_subprocess_exec(
        str(EXAMPLES / words[0]), *words[1:],
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        env=os.environ | {"PATH": path, "DIALTONE_SOCKET": str(made.socket)},
    )  # fmt: skip


async def ended(process: asyncio.subprocess.Process) -> bytes:
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out


def tone_file(made: Station, seconds: float) -> str:
    path = made.dir / "tone.wav"
    path.write_bytes(encode_wav(beep(seconds), 8000))
    return str(path)


async def heard_by_the_far_end(made: Station) -> float:
    """Seconds of sound."""
    frames = await made.control("far.record_stop")
    assert frames["frames"] > 0
    samples, rate_hz = soundfile.read(str(made.dir / "far.wav"))
    return float((np.abs(samples) > 0.1).sum() / rate_hz)


async def test_with_nothing_but_python_a_call_is_recorded_and_its_caller_hears_an_echo() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        monitor = await script(made, "monitor.py", str(made.dir / "talk.wav"))
        await watch.wait("call.attached")
        echo = await script(made, "through.py", "cat")
        await watch.wait("call.attached", lambda params: params["role"] == "talker")
        await made.control("far.say", text="is there anybody out there", voice=VOICE)
        await made.control("far.wait_quiet")  # the echo was heard
        await phone.call("call.hangup")
        levels = (await ended(monitor)).decode().splitlines()
        await ended(echo)
        assert levels and all("caller" in line and "us" in line for line in levels)
        with wave.open(str(made.dir / "talk.wav")) as talk:
            both = np.frombuffer(talk.readframes(talk.getnframes()), "<i2").reshape(-1, 2)
        caller, us = (np.flatnonzero(np.abs(both[:, side].astype(int)) > 3000) for side in (0, 1))
        assert 0 < us[0] - caller[0] < 40_000, "the echo comes back at once, as far as a busy machine can tell"


async def test_others_programs_write_both_sides_of_a_call_and_play_files_into_it_to_their_end() -> None:
    """sox and ffmpeg, whichever is here, in one call at the same time."""
    programs = [program for program in ("sox", "ffmpeg") if shutil.which(program)]
    if not programs:
        pytest.skip("neither sox nor ffmpeg is installed here: their examples are not run")
    listens = {"sox": ("listen-to-wav.sh", "wav", "PCM_16"), "ffmpeg": ("listen-to-opus.sh", "ogg", "OPUS")}
    says = {"sox": "say-file.sh", "ffmpeg": "say-media.sh"}
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        listening = {}
        for program in programs:
            script_name, suffix, _ = listens[program]
            listening[program] = await script(made, script_name, str(made.dir / f"talk.{suffix}"))
        await watch.wait("call.attached", count=len(programs))
        await phone.call("call.speak", text="Hello, this is us.", wait="spoken")
        await made.control("far.say", text="and this is me", voice=VOICE)
        for count, program in enumerate(programs, 1):
            await made.control("far.record", path=str(made.dir / "far.wav"))
            await ended(await script(made, says[program], tone_file(made, 1.0)))
            talkers = [event.params for event in watch.named("call.attached") if event.params["role"] == "talker"]
            assert len(talkers) == count and talkers[-1]["keep_hearing"] is True
            gone = await watch.wait("call.detached", lambda params: params["role"] == "talker", count=count)
            assert gone["reason"] == "all_played"
            await watch.wait("call.level", count=len(watch.named("call.level")) + 2)  # a second of the line
            await made.control("far.wait_quiet", quiet_ms=1000)
            assert 0.3 < await heard_by_the_far_end(made) < 1.1, program
        await phone.call("call.hangup")
        for program in programs:
            await ended(listening[program])
            _, suffix, subtype = listens[program]
            path = str(made.dir / f"talk.{suffix}")
            assert soundfile.info(path).subtype == subtype
            samples, _ = soundfile.read(path)
            caller, us = (np.flatnonzero(np.abs(samples[:, side]) > 0.05) for side in (0, 1))
            assert us[0] < caller[0], "we spoke first"


async def test_a_voice_goes_through_sox_and_back() -> None:
    needs("sox")
    raw = ["-t", "raw", "-r", "8000", "-e", "signed-integer", "-b", "16", "-c", "1"]
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        through = await script(made, "through.py", "sox", "-q", "--buffer", "1024", *raw, "-", *raw, "-", "vol", "0.5")
        await watch.wait("call.attached")
        await made.control("far.say", text="is there anybody out there", voice=VOICE)
        await made.control("far.wait_quiet")  # it came back
        await phone.call("call.hangup")
        await ended(through)


def test_the_scripts_are_bash_and_python_without_mistakes_of_spelling() -> None:
    import subprocess

    for path in EXAMPLES.glob("*.sh"):
        assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
        assert os.access(path, os.X_OK)
    for path in EXAMPLES.glob("*.py"):
        compile(path.read_text(), str(path), "exec")
        assert os.access(path, os.X_OK)
    readme = (EXAMPLES / "README.md").read_text()
    assert all(f"`{path.name} " in readme for path in EXAMPLES.iterdir() if path.suffix in (".sh", ".py"))
