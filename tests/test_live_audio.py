"""The voice of a call for other programs: monitors beside the core, a talker in its place, and the command line."""

import asyncio
import signal
import sys
from typing import Any

import numpy as np
import pytest

import dialtone
from clients.cli.main import main
from tests.station import ROOT, Station, station
from tests.test_talking import PHRASES, VOICE, answered

FRAME = 320


class Client:
    """One attached client that keeps what it hears, from when it comes."""

    def __init__(self, info: dict[str, Any], *, asleep: bool = False) -> None:
        self.info, self._asleep = info, asleep
        self.heard = b""
        self._tasks = asyncio.TaskGroup()
        self._more = asyncio.Event()

    async def __aenter__(self) -> "Client":
        self._reader, self.writer = await asyncio.open_unix_connection(self.info["path"], limit=FRAME)
        await self._tasks.__aenter__()
        self.listening = self._tasks.create_task(self._listen(), name="client")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.listening.cancel()
        self.writer.close()
        await self._tasks.__aexit__(None, None, None)

    async def _listen(self) -> None:
        while not self._asleep and (data := await self._reader.read(65536)):
            self.heard += data
            self._more.set()

    async def until_end(self) -> bytes:
        async with asyncio.timeout(20):
            await asyncio.wait({self.listening})
        return self.heard

    async def hear(self, level: int) -> None:
        """Until a sample is that loud."""
        async with asyncio.timeout(20):
            while np.abs(samples(self.heard).astype(int)).max(initial=0) < level:
                self._more.clear()
                await self._more.wait()


def samples(pcm: bytes, channels: int = 1) -> "np.ndarray[tuple[int, int], np.dtype[np.int16]]":
    whole = len(pcm) // (2 * channels) * 2 * channels
    return np.frombuffer(pcm[:whole], "<i2").reshape(-1, channels)


def beep(seconds: float) -> bytes:
    return (8000 * np.sin(2 * np.pi * 700 * np.arange(int(8000 * seconds)) / 8000)).astype("<i2").tobytes()


def sockets(made: Station) -> list[str]:
    return [str(path) for path in made.dir.glob("call_*.pcm")]


async def listen(phone: dialtone.Phone, *, asleep: bool = False, **params: Any) -> Client:
    return Client(await phone.call("call.attach", role="listener", **params), asleep=asleep)


async def test_a_listener_hears_both_sides_while_the_core_goes_on_hearing_and_speaking() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        async with await listen(phone, mix="stereo") as both, await listen(phone, rate_hz=48000) as wide:
            assert both.info["channels"] == 2 and wide.info["rate_hz"] == 48000
            told = [await watch.wait("call.attached", count=count) for count in (1, 2)]
            assert [params["role"] for params in told] == ["listener"] * 2
            await phone.call("call.speak", text="Hello, this is us.", wait="spoken")
            await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=25)
            assert (await watch.wait("call.speech"))["text"] == "what are your opening hours"
            await watch.wait("call.level")
            await phone.call("call.hangup")
            stereo, mono = samples(await both.until_end(), 2), samples(await wide.until_end())
        caller, us = (np.flatnonzero(np.abs(stereo[:, side]) > 1500) for side in (0, 1))
        assert len(caller) and len(us) and us[0] < caller[0], "we spoke first"
        await watch.wait("call.detached", count=2)
        gone = {event.params["attachment"]: event.params for event in watch.named("call.detached")}
        for client, lasted_s in ((both, len(stereo) / 8000), (wide, len(mono) / 48000)):
            its = gone[client.info["attachment"]]
            assert its["reason"] == "call_ended" and its["frames_out"] > 50
            assert lasted_s == pytest.approx(its["frames_out"] * 0.02, abs=0.05), "it got what was given"


async def test_a_talker_does_the_speech_instead_and_the_core_takes_over_again_when_it_leaves() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        await phone.call("call.speak", text="a", wait="spoken")
        info = await phone.call("call.attach")
        async with Client(info) as talker:
            await watch.wait("call.attached", lambda params: params["keep_hearing"] is False)
            await made.control("far.say", text="what are your opening hours", voice=VOICE, wait=False)
            await talker.hear(3000)
            talker.writer.write(beep(1.0))
            await made.control("far.wait_quiet", quiet_ms=1000)  # all of the beep was heard
            await asyncio.sleep(2.0)
            assert watch.named("call.turn_end") == [] and watch.named("call.speech") == []
        left = await watch.wait("call.detached")
        assert left["reason"] == "left" and left["frames_in"] == 50
        await made.control("far.say", text="please repeat that", voice=VOICE, snr_db=25)
        assert (await watch.wait("call.speech"))["text"] == "please repeat that"
        async with Client(await phone.call("call.attach", keep_hearing=True)):
            await watch.wait("call.attached", lambda params: params["keep_hearing"] is True)
            await made.control("far.say", text="what are your opening hours", voice=VOICE, snr_db=25)
            assert (await watch.wait("call.speech", count=2))["text"] == "what are your opening hours"


async def test_a_listener_that_sleeps_costs_neither_the_call_nor_the_others_anything() -> None:
    async with station() as made, made.phone("*") as (phone, watch):
        await phone.expect_phrases(PHRASES)
        await answered(made, phone, watch)
        async with await listen(phone, asleep=True) as asleep, await listen(phone) as awake:
            await phone.call("call.speak", text="a", wait="spoken")
            await made.control("far.say", text="please repeat that", voice=VOICE, snr_db=25)
            assert (await watch.wait("call.speech"))["text"] == "please repeat that"
            await phone.call("call.hangup")
            await awake.until_end()
            told = {
                params["attachment"]: params
                for params in [await watch.wait("call.detached", count=count) for count in (1, 2)]
            }
        slow, quick = told[asleep.info["attachment"]], told[awake.info["attachment"]]
        assert slow["dropped_out"] > 20 and slow["dropped_out"] + slow["frames_out"] >= quick["frames_out"]
        assert quick["dropped_out"] < slow["dropped_out"]
        assert len(awake.heard) == quick["frames_out"] * FRAME


async def test_who_may_attach_and_how_many() -> None:
    async with station() as made, made.phone("*", name="owner") as (owner, watch):
        await answered(made, owner, watch)
        for wrong in (
            {"role": "listener", "direction": "both"},
            {"role": "talker", "mix": "stereo"},
            {"rate_hz": 44100},
        ):
            with pytest.raises(dialtone.RpcError) as refused:
                await owner.call("call.attach", **wrong)
            assert refused.value.kind == "invalid_params"
        await owner.call("call.claim")
        async with made.phone(name="stranger") as (stranger, _):
            with pytest.raises(dialtone.RpcError) as claimed:
                await stranger.call("call.attach")
            assert claimed.value.kind == "claimed"
            assert (await listen(stranger)).info["channels"] == 1, "listening changes nothing: no claim is needed"
        async with Client(await owner.call("call.attach")) as first:
            await watch.wait("call.attached")
            second = await owner.call("call.attach")
            await first.until_end()
            assert (await watch.wait("call.detached"))["reason"] == "replaced"
            for _ in range(6):
                await listen(owner)
            with pytest.raises(dialtone.RpcError) as limited:
                await listen(owner)
            assert limited.value.kind == "limit"
        assert second["path"] in sockets(made)
        await owner.call("call.hangup")
        await watch.wait("call.ended")
        assert sockets(made) == []


async def test_sockets_of_a_killed_core_are_gone_after_the_next_start() -> None:
    async with station() as made:
        async with made.phone("*") as (phone, watch):
            await answered(made, phone, watch)
            left = (await phone.call("call.attach"))["path"]
            await made.stop_core(signal.SIGKILL)
        assert left in sockets(made)
        await made.start_core()
        async with made.phone() as (phone, _):
            await phone.call("status")
        assert sockets(made) == []


async def command(made: Station, *words: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients.cli.main", "call", *words, "--socket", str(made.socket),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    async with asyncio.timeout(50):
        out, err = await process.communicate(stdin)
    return process.returncode or 0, out, err


async def test_the_command_line_listens_to_stdout_and_plays_stdin_to_its_end() -> None:
    async with station("silence_limit_s = 600.0") as made, made.phone("*") as (phone, watch):
        await answered(made, phone, watch)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(command(made, "listen", "--mix", "uplink", "--rate", "16000"))
            await watch.wait("call.attached")
            code, out, err = await command(made, "listen", "--attach", "--direction", "in", stdin=beep(1.5))
            assert (code, out) == (0, b"") and b"8000 Hz" in err
            assert (await command(made, "listen", "--seconds", "0.5"))[0] == 0, "it stops by itself in mid-call"
            await phone.call("call.hangup")
        played = await watch.wait("call.detached", lambda params: params["role"] == "talker")
        assert played["reason"] == "all_played" and played["frames_in"] == 75 and played["dropped_in"] == 0
        code, heard, err = listening.result()
        assert code == 0 and err.strip() == b"pcm_s16le, 16000 Hz, mono"
        loud = np.abs(samples(heard)[:, 0].astype(int)) > 6000
        assert 0.3 < loud.sum() / 16000 < 1.5
        assert watch.named("call.turn_start") == []


def test_options_that_belong_to_talkers_are_refused_for_listeners() -> None:
    for option in ("--live", "--keep-hearing"):
        assert main(["call", "listen", option]) == 2
