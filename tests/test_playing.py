"""Files and tones in a call, from the outside: what the far end hears of them, and what is told of its own tones."""

import asyncio
import base64
import os
import wave
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import dialtone
from core.media.codecs import encode_wav
from core.media.tones import DtmfDetector, tone
from core.media.tones_table import NETWORKS
from core.media.wav import WAV_HEADER_BYTES, wav_header
from tests.station import Station, Watch, station
from tests.test_talking import NUMBER, answered

Samples: TypeAlias = npt.NDArray[np.float64]


def sine(frequency_hz: float, seconds: float, rate_hz: int = 8000) -> Samples:
    return 0.25 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def write(path: Path, samples: Samples, rate_hz: int, kind: str) -> str:
    soundfile.write(path, samples, rate_hz, format=kind)
    return str(path)


def damage(path: str) -> None:
    """Spoils the second half of a file."""
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2 :] = np.random.default_rng(2).bytes(len(data) - len(data) // 2)
    Path(path).write_bytes(data)


def in_base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


async def record(made: Station) -> None:
    await made.control("far.record", path=str(made.dir / "heard.wav"))


async def heard(made: Station) -> Samples:
    """What the far end heard since `record`."""
    await made.control("far.record_stop")
    with wave.open(str(made.dir / "heard.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def seconds_of(samples: Samples, frequency_hz: float) -> float:
    """How long that tone was heard, in windows of 20 ms that are nearly all of it."""
    windows = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    probe = np.exp(-2j * np.pi * frequency_hz * np.arange(160) / 8000)
    power = np.abs(windows @ probe) ** 2 * 2 / 160
    return float(np.sum(power > 0.8 * np.maximum(1e6, (windows**2).sum(axis=1)))) * 0.02


async def test_files_of_every_kind_are_heard_one_after_another(tmp_path: Path) -> None:
    kinds = [("MP3", 44100, 600.0), ("OGG", 48000, 800.0), ("FLAC", 16000, 1000.0), ("WAV", 8000, 1200.0)]
    paths = [write(tmp_path / kind, sine(hz, 0.8, rate_hz), rate_hz, kind) for kind, rate_hz, hz in kinds]
    audio = in_base64(Path(paths[-1]))
    async with station(f'[media]\nroots = ["{tmp_path}"]') as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await phone.call("call.play", tone="beep", wait="spoken")
        await record(made)
        for path in paths[:-1]:
            await phone.call("call.play", path=path)
        played = await phone.call("call.play", audio=audio, wait="spoken")
        assert played["completed"] and played["played_ms"] == 800
        await made.control("far.wait_quiet", quiet_ms=1000)  # the end is heard later than it is played
        samples = await heard(made)
        lasted_s = {frequency_hz: seconds_of(samples, frequency_hz) for _, _, frequency_hz in kinds}
        assert lasted_s == pytest.approx(dict.fromkeys(lasted_s, 0.8), abs=0.2)
        await watch.wait("call.spoken", count=5)
        assert all(event.params["completed"] for event in watch.named("call.spoken"))


async def test_an_hour_of_music_begins_at_once_pauses_goes_on_and_stops(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    music = (np.repeat(sine(500, 20, 44100)[:, None], 2, axis=1) * 32767).astype("<i2").tobytes()
    hour_bytes = 3600 * 44100 * 4
    path.write_bytes(wav_header(44100, 2, hour_bytes) + music)
    os.truncate(path, WAV_HEADER_BYTES + hour_bytes)  # its silent rest lies on no disk
    async with station(f'[media]\nroots = ["{tmp_path}"]') as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        assert made.core is not None
        before = resident_bytes(made.core.pid)
        await phone.call("call.play", path=str(path))
        await watch.wait("call.speaking")
        await made.control("far.wait_speech")
        await phone.call("call.pause")
        await made.control("far.wait_quiet", quiet_ms=300)
        await phone.call("call.resume")
        await made.control("far.wait_speech")
        assert resident_bytes(made.core.pid) - before < 60 * 2**20, "the file has 635 MB"
        stopped = await phone.call("call.stop")
        assert stopped["stopped"] == 1 and stopped["played_ms"] > 0
        spoken = await watch.wait("call.spoken")
        assert spoken["completed"] is False and spoken["played_ms"] == stopped["played_ms"]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def test_a_loop_goes_on_until_it_is_stopped_and_so_often_as_it_was_told(tmp_path: Path) -> None:
    short = base64.b64encode(encode_wav((sine(700, 0.1) * 32767).astype("<i2").tobytes(), 8000)).decode()
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        played = await phone.call("call.play", audio=short, loop=7, wait="spoken")
        assert played["played_ms"] == 700
        await record(made)
        so_far = len(watch.named("call.level"))
        await phone.call("call.play", audio=short, loop=0)
        await watch.wait("call.level", count=so_far + 3)  # two seconds of the line, at the least
        assert (await phone.call("call.stop"))["stopped"] == 1
        await made.control("far.wait_quiet", quiet_ms=300)
        assert seconds_of(await heard(made), 700) > 0.2, "more than once"
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.play", audio=short, loop=0, wait="spoken")
        assert refused.value.data["path"] == "wait"


async def test_what_is_no_audio_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("Hello there, this is not audio at all.")
    write(tmp_path / "silent.wav", np.zeros(0), 8000, "WAV")
    (tmp_path / "inside").mkdir()
    damage(write(tmp_path / "damaged.flac", np.random.default_rng(1).normal(0, 0.1, 24000), 8000, "FLAC"))
    async with station(f'[media]\nroots = ["{tmp_path}/"]') as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        for name, code in (
            ("empty", -32602),
            ("text", -32602),
            ("silent.wav", -32602),
            ("inside", -32010),
            ("no", -32010),
        ):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call("call.play", path=str(tmp_path / name))
            assert refused.value.code == code, name
        for wrong in ({}, {"tone": "busy", "audio": "UklGRg=="}, {"tone": "polka"}, {"audio": "UklGRg=="}):
            with pytest.raises(dialtone.RpcError) as refused:
                await phone.call_with("call.play", wrong)
            assert refused.value.code == -32602
        with pytest.raises(dialtone.RpcError) as refused:
            await phone.call("call.play", path=str(tmp_path / "damaged.flac"), wait="spoken")
        assert refused.value.kind == "invalid_params"
        spoken = await watch.wait("call.spoken")
        assert spoken["completed"] is False and spoken["played_ms"] > 500, "it plays as far as it goes"
        assert (await phone.call("call.play", tone="beep", wait="spoken"))["completed"]


async def test_tones_and_keys_are_played_and_their_echo_is_no_key(tmp_path: Path) -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await record(made)
        played = await phone.call("call.play", tone="busy", country="us", loop=2, wait="spoken")
        assert played["played_ms"] == 2000
        await phone.call("call.dtmf", digits="159#", inband=True)
        await phone.call("call.play", tone="2A", wait="spoken")
        await made.control("far.wait_quiet", quiet_ms=1000)
        samples = await heard(made)
        pcm = samples.astype("<i2").tobytes()
        detector = DtmfDetector(8000)
        keys = "".join(key for at in range(0, len(pcm), 320) for key in detector.feed(pcm[at : at + 320]))
        assert keys == "159#2A"
        assert watch.named("call.dtmf") == []

        async def stop_when_it_is_heard() -> None:
            await watch.wait("call.speaking", count=4)
            await phone.call("call.stop")

        keys_sent = phone.call("call.dtmf", digits="1234567890" * 2 + "123456789", inband=True)
        both = await asyncio.gather(keys_sent, stop_when_it_is_heard(), return_exceptions=True)
        problem = both[0]
        assert isinstance(problem, dialtone.RpcError) and problem.kind == "not_now", "some keys were never sent"


async def test_the_busy_tone_behind_an_outgoing_call_and_a_fax_that_calls_are_told(tmp_path: Path) -> None:
    busy, fax = tmp_path / "busy.wav", tmp_path / "fax.wav"
    busy.write_bytes(encode_wav(tone(NETWORKS["eu"].busy, 8000) * 6, 8000))
    calling = np.concatenate([sine(1100, 0.5), np.zeros(24000)] * 2 + [sine(1100, 0.5)])
    write(fax, calling, 8000, "WAV")
    async with station() as made, made.phone("*") as (phone, watch):
        await made.ready(phone)
        await phone.call("call.start", number=NUMBER)
        await watch.wait("call.alerting")
        await made.control("far.answer")
        await watch.wait("call.connected")
        await phone.call("call.play", tone="beep", wait="spoken")
        await made.control("far.play", wav=str(busy), wait=False)
        told = await watch.wait("call.tone")
        assert told["tone"] == "busy" and told["frequency_hz"] == pytest.approx(425, abs=2)
        await phone.call("call.hangup")
        await watch.wait("call.ended")
        await made.control("call.incoming", number=NUMBER, ring_s=0.3)
        await watch.wait("call.connected", count=2)
        await phone.call("call.play", tone="beep", wait="spoken")
        await made.control("far.play", wav=str(fax), wait=False)
        assert (await watch.wait("call.tone", count=2))["tone"] == "cng"
        assert len(watch.named("call.tone")) == 2


async def test_comfort_noise_is_heard_between_words_and_is_not_speaking(tmp_path: Path) -> None:
    toml = "[media]\ncomfort_noise = -45.0\nuplink_gain_db = 6.0\nclarity = true\ndownlink_gain_db = 6.0"
    async with station(toml) as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        await record(made)
        await watch.wait("call.level", count=len(watch.named("call.level")) + 3)  # two seconds of the line
        samples = await heard(made)
        windows = samples[: len(samples) // 160 * 160].reshape(-1, 160)
        alive = windows[windows.any(axis=1)]  # where the machine stands still there is none
        level_dbfs = 20 * np.log10(np.sqrt(np.mean(alive**2)) / 32768)
        assert level_dbfs == pytest.approx(-45, abs=3)
        assert watch.named("call.speaking") == []
        said = await phone.call("call.speak", text="Good morning.", wait="spoken")
        assert said["completed"] and said["heard_text"] == "Good morning."
        assert len(watch.named("call.speaking")) == 1
        assert await _silence_counts(made, watch)


async def _silence_counts(made: Station, watch: Watch) -> bool:
    """With noise on the line the caller's silence still ends a turn."""
    await made.control("far.say", text="please repeat that", voice="en-gb-x-rp+f5")
    return bool(await watch.wait("call.turn_end"))
