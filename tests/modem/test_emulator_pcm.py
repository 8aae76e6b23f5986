"""The emulator's voice port and far end: when bytes flow, how fast, what is heard and said, and how it can break."""

import asyncio
import fcntl
import math
import termios
import time
import wave
from array import array
from itertools import pairwise
from pathlib import Path
from shutil import which
from statistics import median

import pytest

from core.modem.emulator.far_end import FarEnd, Utterance
from core.modem.emulator.hearing import Hearing, dbfs
from tests.modem.emulated import ControlFailed, Emulated, Host, emulated, in_call
from tests.modem.scripted import until

FRAME = 320
PTY_FRAMES = 20
"""More than a pty holds."""
TONE = array("h", (int(8000 * math.sin(2 * math.pi * 400 * n / 8000)) for n in range(160))).tobytes()
"""20 ms at -15 dBFS; eight whole periods, so that frames join without a click."""


async def voice(emulator: Emulated) -> tuple[Host, Host]:
    """A call with the voice port registered and open: the AT host and the PCM host."""
    at, pcm = await emulator.at("if03"), emulator.open("if04")
    await in_call(emulator, at)
    await at.ask("AT+CPCMREG=1", "\r\nOK\r\n")
    return at, pcm


async def talk(pcm: Host, frames: int, frame: bytes = TONE) -> None:
    """Writes frames at real time."""
    start = time.monotonic()
    for number in range(frames):
        await asyncio.sleep(max(0.0, start + number * 0.02 - time.monotonic()))
        pcm.write(frame)


async def fresh(pcm: Host, frames: int = 25) -> bytes:
    """What is said from now on: everything before it, also what the pty still holds, is taken away first."""
    await pcm.take(len(pcm.seen) // FRAME * FRAME + PTY_FRAMES * FRAME)
    return await pcm.take(frames * FRAME)


async def pace_s(pcm: Host, size: int) -> float:
    """How long so many bytes take, as a rule: a machine that stands still is late for some and hurries after it."""
    await pcm.take(FRAME)
    times_s = [time.monotonic()]
    for _ in range(31):
        await pcm.take(size)
        times_s.append(time.monotonic())
    return median(later - earlier for earlier, later in pairwise(times_s))


async def heard(emulator: Emulated, seconds: float, tmp_path: Path) -> bytes:
    """What the far end hears in about that time."""
    path = tmp_path / "heard.wav"
    await emulator.control("far.record", path=str(path))
    await asyncio.sleep(seconds)
    await emulator.control("far.record_stop")
    with wave.open(str(path)) as file:
        return bytes(file.readframes(file.getnframes()))


def tone_share(pcm: bytes, hz: float, rate_hz: int = 8000) -> float:
    """The part of the power that lies at one frequency (Goertzel), 0 to 1."""
    samples = array("h", pcm)
    real = sum(s * math.cos(2 * math.pi * hz * n / rate_hz) for n, s in enumerate(samples))
    imaginary = sum(s * math.sin(2 * math.pi * hz * n / rate_hz) for n, s in enumerate(samples))
    power = sum(s * s for s in samples) or 1
    return 2 * (real * real + imaginary * imaginary) / len(samples) / power


async def test_no_byte_flows_before_cpcmreg_and_whole_frames_at_real_time_after_it(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, pcm = await emulator.at("if03"), emulator.open("if04")
        await in_call(emulator, at)
        assert (await emulator.control("modem.status"))["pcm"]["streaming"] is False
        assert not pcm.seen
        await at.ask("AT+CPCMREG=1", "\r\nOK\r\n")
        assert await pace_s(pcm, 5 * FRAME) == pytest.approx(0.1, abs=0.03)
        await at.ask("AT+CPCMREG?", "\r\n+CPCMREG: 1\r\n\r\nOK\r\n")
        await at.ask("AT+CPCMREG=0", "\r\nOK\r\n")
        stopped = (await emulator.control("modem.status"))["pcm"]["bytes_out"]
        await asyncio.sleep(0.1)
        assert (await emulator.control("modem.status"))["pcm"]["bytes_out"] == stopped
        assert stopped % FRAME == 0


async def test_cpcmreg_is_refused_while_it_rings_and_allowed_once_dialled(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await emulator.control("call.incoming")
        await at.until("+CLCC: 1,1,4")
        await at.until("\r\n")
        await at.ask("AT+CPCMREG=1", "\r\nERROR\r\n")
        await emulator.control("far.hangup")
        await at.until("MISSED_CALL")
        await emulator.control("dial.script", outcome="answer", alert_after_s=30)
        at.write("ATD1;\r")
        await at.until("+CLCC: 1,0,2")
        await at.until("\r\n")
        await at.ask("AT+CPCMREG=1", "\r\nOK\r\n")


async def test_registration_outlives_the_call_but_its_bytes_do_not(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, pcm = await voice(emulator)
        await pcm.take(FRAME)
        await at.ok("AT+CHUP")
        await at.ask_after("+CLCC: 1,1,6", "AT+CPCMREG?", "\r\n+CPCMREG: 1\r\n\r\nOK\r\n")
        await in_call(emulator, at)
        status = (await emulator.control("modem.status"))["pcm"]
        assert (status["registered"], status["streaming"]) == (True, False)
        await at.ok("AT+CPCMREG=0", "AT+CPCMREG=1")
        assert (await emulator.control("modem.status"))["pcm"]["streaming"] is True


async def test_the_far_end_hears_sample_for_sample_what_the_host_says(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        path = tmp_path / "far.wav"
        await emulator.control("far.record", path=str(path))
        said = b"".join(array("h", [number * 100 + 1] * 160).tobytes() for number in range(50))
        for number in range(50):
            await talk(pcm, 1, said[number * FRAME : (number + 1) * FRAME])
            await pcm.take(FRAME)
        await fresh(pcm)  # by then the last one was heard as well
        frames = (await emulator.control("far.record_stop"))["frames"]
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, frames)
            recorded = file.readframes(frames)
        got = [recorded[at : at + FRAME] for at in range(0, len(recorded), FRAME)]
        assert b"".join(frame for frame in got if any(frame)) == said


async def test_waits_tell_when_our_side_spoke_and_fell_quiet(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        async with asyncio.TaskGroup() as tasks:
            speech = tasks.create_task(emulator.control("far.wait_speech"))
            quiet = tasks.create_task(emulator.control("far.wait_quiet", quiet_ms=300))
            await pcm.take(5 * FRAME)
            began = time.monotonic()
            pcm.write(TONE * 20)  # at once: how it goes on is the far end's clock alone
        ended = time.monotonic()
        assert began - 0.02 <= speech.result()["at_s"] < quiet.result()["quiet_since_s"] <= ended - 0.28
        assert quiet.result()["quiet_since_s"] - speech.result()["at_s"] >= 0.38
        assert quiet.result()["heard_ms"] == 400
        assert speech.result()["at_s"] < quiet.result()["last_byte_s"] <= quiet.result()["quiet_since_s"]


async def test_a_wait_for_quiet_ends_with_the_call(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        async with asyncio.TaskGroup() as tasks:
            quiet = tasks.create_task(emulator.control("far.wait_quiet", quiet_ms=5000))
            await pcm.take(5 * FRAME)
            pcm.write(TONE * 20)
            await fresh(pcm, 30)  # all of it was heard by then
            await emulator.control("far.hangup")
        assert quiet.result()["heard_ms"] == 400
        with pytest.raises(ControlFailed) as caught:
            await emulator.control("far.wait_quiet")
        assert caught.value.error["data"]["kind"] == "not_now"


async def test_the_out_buffer_is_finite_and_drains_at_real_time(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        began = time.monotonic()
        for _ in range(50):  # a second at once: the pty in between takes more than a modem would
            pcm.write(TONE)
        await asyncio.sleep(0.2)
        taken = (await emulator.control("modem.status"))["pcm"]["bytes_in"]
        assert taken <= 4096 + (time.monotonic() - began + 0.1) * 16000


async def test_speech_of_the_far_end_comes_at_a_telephones_level_between_its_times(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await pcm.take(FRAME)
        said = await emulator.control("far.say", text="Hello, can you hear me well?", snr_db=30)
        assert said["completed"] is True
        length_s = said["ended_s"] - said["started_s"]
        assert 0.8 < length_s < 20
        spoken = bytes(pcm.seen)
        loud = [at for at in range(0, len(spoken) - FRAME, FRAME) if dbfs(spoken[at : at + FRAME]) > -40]
        assert 0.65 < (loud[-1] - loud[0]) / 16000 < length_s + 0.15
        assert -26 < dbfs(spoken[loud[0] : loud[-1]]) < -14
        assert tone_share(spoken[loud[0] : loud[0] + 8000], 60) < 0.01


@pytest.mark.skipif(not which("flite"), reason="flite is not installed")
async def test_flite_can_be_the_voice(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await voice(emulator)
        said = await emulator.control("far.say", text="Yes.", voice="flite:slt")
        assert 0.1 < said["ended_s"] - said["started_s"] < 2


async def test_a_wav_is_played_in_order_and_can_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(
            array("h", (int(9000 * math.sin(2 * math.pi * 700 * (n // 2) / 16000)) for n in range(320000))).tobytes()
        )
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        first = await emulator.control("far.play", wav=str(path), snr_db=None, wait=False)
        assert first["duration_s"] == pytest.approx(10.1, abs=0.01)
        assert -0.02 <= time.monotonic() - first["started_s"] < 10.0
        assert (first["ended_s"], first["completed"]) == (None, None)
        await pcm.take(20 * FRAME)
        assert tone_share(await pcm.take(20 * FRAME), 700) > 0.95
        assert (await emulator.control("far.silence"))["cut"] == 1
        assert not any(await fresh(pcm, 10))


async def test_a_cut_utterance_says_that_it_was_not_completed(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await voice(emulator)
        async with asyncio.TaskGroup() as tasks:
            said = tasks.create_task(emulator.control("far.say", text="one two three four five six seven eight " * 3))
            await asyncio.sleep(1.0)
            await emulator.control("far.hangup")
        assert said.result()["completed"] is False
        assert said.result()["ended_s"] is None


async def test_tones_of_keys_are_in_the_voice_and_their_lines_come_with_them(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, pcm = await voice(emulator)
        await pcm.take(FRAME)
        await emulator.control("far.dtmf", digits="5", how="both")
        await at.expect("\r\r\n+RXDTMF: 5\r\r\n")
        voice_bytes = await pcm.take(len(pcm.seen) // FRAME * FRAME + PTY_FRAMES * FRAME)
        loud = next(n for n in range(0, len(voice_bytes), FRAME) if dbfs(voice_bytes[n : n + FRAME]) > -30)
        tone = voice_bytes[loud + FRAME : loud + 4 * FRAME]
        assert tone_share(tone, 770) + tone_share(tone, 1336) > 0.9
        await emulator.control("far.dtmf", digits="6", how="inband")
        await at.nothing_more()


async def test_line_noise_has_its_level_until_it_is_taken_away(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("far.noise", dbfs=-50)
        assert dbfs(await fresh(pcm, 20)) == pytest.approx(-50, abs=1)
        await emulator.control("far.noise")
        assert not any(await fresh(pcm, 5))


async def test_held_over_there_nothing_is_heard_either_way(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("far.noise", dbfs=-20)
        await emulator.control("far.hold", held=True)
        assert not any(await fresh(pcm, 10))
        async with asyncio.TaskGroup() as tasks:
            recorded = tasks.create_task(heard(emulator, 0.3, tmp_path))
            await talk(pcm, 15)
        assert not any(recorded.result())


@pytest.mark.parametrize(
    ("choices", "commands", "rate_hz"),
    [
        ({}, ["AT+CPCMBANDWIDTH=1,1", "AT+CPCMFRM=0"], 8000),
        ({}, ["AT+CPCMFRM=1"], 16000),
        ({"wideband": True}, [], 16000),
        ({"wideband": True}, ["AT+CPCMBANDWIDTH=1,1"], 8000),
    ],
)
async def test_the_rate_follows_what_was_set(
    tmp_path: Path, choices: dict[str, bool], commands: list[str], rate_hz: int
) -> None:
    async with emulated(tmp_path, **choices) as emulator:
        at = await emulator.at("if02")
        await at.ok(*commands)
        _at, pcm = await voice(emulator)
        assert (await emulator.control("modem.status"))["pcm"]["rate_hz"] == rate_hz
        assert await pace_s(pcm, rate_hz // 5) == pytest.approx(0.1, abs=0.03)


async def test_16_khz_cannot_be_left_before_a_restart(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await at.ok("AT+CPCMFRM=1")
        await at.ask("AT+CPCMFRM=0", "\r\nERROR\r\n")
        await at.ask("AT+CPCMFRM?", "\r\n+CPCMFRM: 1\r\n\r\nOK\r\n")


async def test_bytes_written_before_cpcmreg_are_counted_and_never_heard(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at, pcm = await emulator.at("if03"), emulator.open("if04")
        await in_call(emulator, at)
        pcm.write(TONE * 3)
        await until(lambda: waiting(emulator) == 3 * FRAME)
        await at.ask("AT+CPCMREG=1", "\r\nOK\r\n")
        assert not any(await heard(emulator, 0.2, tmp_path))
        assert (await emulator.control("modem.status"))["pcm"]["early_bytes"] == 3 * FRAME


# --- faults ---


async def test_cpcmreg_is_refused_as_often_as_asked(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        at = await emulator.at()
        await in_call(emulator, at)
        await emulator.control("fault.set", kind="cpcmreg_refused", times=2)
        await at.ask("AT+CPCMREG=1", "\r\nERROR\r\n")
        await at.ask("AT+CPCMREG=1", "\r\nERROR\r\n")
        await at.ask("AT+CPCMREG=1", "\r\nOK\r\n")


async def test_a_stuck_uplink_takes_no_more_bytes_and_a_reset_cures_it(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("fault.set", kind="uplink_stuck")
        for _ in range(400):
            if not pcm.try_write(TONE):
                break
        else:
            pytest.fail("a stuck endpoint took 8 s of voice")
        assert not any(await heard(emulator, 0.2, tmp_path))
        await emulator.control("modem.reset")
        await pcm.hang_up()
        assert (await emulator.control("modem.status"))["faults"] == []


async def test_a_downlink_can_lose_a_byte_and_is_misaligned_from_then_on(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await pcm.take(FRAME)
        before = (await emulator.control("modem.status"))["pcm"]["bytes_out"]
        await emulator.control("fault.set", kind="byte_shift")
        await fresh(pcm)
        after = (await emulator.control("modem.status"))["pcm"]["bytes_out"]
        assert (before % FRAME, after % FRAME) == (0, FRAME - 1)


async def test_a_mute_downlink_is_silent_or_stops(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("far.noise", dbfs=-20)
        await emulator.control("fault.set", kind="downlink_mute")
        assert not any(await fresh(pcm, 10))
        await emulator.control("fault.clear", kind="downlink_mute")
        await emulator.control("fault.set", kind="downlink_mute", stop=True)
        stopped = (await emulator.control("modem.status"))["pcm"]["bytes_out"]
        await asyncio.sleep(0.1)
        assert (await emulator.control("modem.status"))["pcm"]["bytes_out"] - stopped <= 2 * FRAME


async def test_an_echo_brings_our_voice_back_delayed_and_weaker(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("fault.set", kind="echo", delay_ms=200, gain_db=-10)
        await fresh(pcm)
        began = time.monotonic()
        pcm.write(TONE * 20)
        late_s = time.monotonic() - began
        back = await pcm.take(60 * FRAME)
        loud = [n for n in range(0, len(back) - FRAME, FRAME) if dbfs(back[n : n + FRAME]) > -40]
        assert 0.15 <= loud[0] / 16000 <= 0.35 + late_s + PTY_FRAMES * 0.02
        assert dbfs(back[loud[2] : loud[2] + FRAME]) == pytest.approx(dbfs(TONE) - 10, abs=1)


async def test_a_worn_endpoint_refuses_from_the_second_call_until_a_reset(tmp_path: Path) -> None:
    async with emulated(tmp_path, boot_s=0.0, reset_s=0.05) as emulator:
        await emulator.control("fault.set", kind="degrading", healthy_calls=1, refusals=2)
        attempts = []
        for _ in range(2):
            at = await emulator.at()
            await in_call(emulator, at)
            attempts.append(await attempts_until_registered(at))
            await at.ok("AT+CHUP")
            at.close()
        at = await emulator.at()
        await emulator.control("modem.reset")
        await at.hang_up()
        at = await reopened(emulator)
        await in_call(emulator, at)
        attempts.append(await attempts_until_registered(at))
        assert attempts == [1, 3, 1]


async def test_a_partial_frame_can_block_the_endpoint(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        _at, pcm = await voice(emulator)
        await emulator.control("fault.set", kind="partial_frame_blocks")
        await talk(pcm, 10)
        pcm.write(TONE[:100])
        await until(lambda: emulator.modem.pcm.stats.bytes_in == 10 * FRAME + 100)
        async with asyncio.TaskGroup() as tasks:
            recorded = tasks.create_task(heard(emulator, 0.3, tmp_path))
            await talk(pcm, 10)
        assert not any(recorded.result())


def waiting(emulator: Emulated) -> int:
    """Bytes that the host wrote to the voice port and the modem has not read."""
    count = array("i", [0])
    fcntl.ioctl(emulator.modem.ports.ports[4].master, termios.FIONREAD, count)
    return count[0]


async def attempts_until_registered(at: Host) -> int:
    for attempt in range(1, 6):
        at.write("AT+CPCMREG=1\r")
        if b"OK" in await at.until_any("OK\r\n", "ERROR\r\n"):
            return attempt
    raise AssertionError("never registered")


async def reopened(emulator: Emulated) -> Host:
    """The AT port after a reset, once the SIM is ready again."""
    async with asyncio.timeout(20):
        while not (await emulator.control("modem.status"))["plugged"]:  # noqa: ASYNC110 - another program's state
            await asyncio.sleep(0.01)
        while not (await emulator.control("modem.status"))["registered"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return await emulator.at()


# --- pure parts ---


def test_one_loud_frame_is_a_click_and_no_speech() -> None:
    hearing = Hearing()
    levels = [-90.0, -20.0, -90.0, -90.0, -20.0, -20.0, -20.0]
    for number, level in enumerate(levels):
        hearing.frame(number * 0.02, 0.02, level)
    assert hearing.speaking_since() == pytest.approx(0.08)


def test_a_pause_between_words_does_not_end_a_run_of_speech() -> None:
    hearing = Hearing()
    for number in range(60):
        hearing.frame(number * 0.02, 0.02, -20.0 if number < 10 or 20 <= number < 30 else -90.0)
        if number == 25:
            assert hearing.speaking_since() == 0.0
    assert hearing.speaking_since() is None
    quiet = hearing.quiet(0.5)
    assert quiet is not None
    assert quiet.quiet_since_s == pytest.approx(0.6)
    assert quiet.heard_ms == 400


def test_the_level_of_a_full_scale_square_is_0_dbfs_and_silence_is_minus_120() -> None:
    assert dbfs(array("h", [-32768] * 160).tobytes()) == pytest.approx(0.0)
    assert dbfs(bytes(320)) == -120.0
    assert dbfs(b"") == -120.0


async def test_the_far_end_says_utterances_without_a_gap_and_fills_frames_to_the_end() -> None:
    loop = asyncio.get_running_loop()
    far = FarEnd(loop, seed=1)
    first, second = (
        Utterance(array("h", [value] * 100).tobytes(), start, 100, loop.create_future(), loop.create_future())
        for value, start in ((1, 10), (2, 0))
    )
    assert far.say(first)
    assert far.say(second)
    frames = [array("h", far.next_frame(80, 1.0 + number * 0.01, 8000)) for number in range(3)]
    assert frames[0] + frames[1] + frames[2] == array("h", [1] * 100 + [2] * 100 + [0] * 40)
    assert first.started_s == pytest.approx(1.0 + 10 / 8000)
    assert first.ended_s == second.started_s == pytest.approx(1.0125)
    async with asyncio.timeout(15):
        assert await second.ended is True


async def test_an_utterance_that_was_cut_before_its_turn_never_started(tmp_path: Path) -> None:
    async with emulated(tmp_path) as emulator:
        await voice(emulator)
        async with asyncio.TaskGroup() as tasks:
            said = [tasks.create_task(emulator.control("far.say", text="one two three four five")) for _ in range(2)]
            cut = 0
            while cut < 2:
                cut += (await emulator.control("far.silence"))["cut"]
        assert [one.result()["completed"] for one in said] == [False, False]
