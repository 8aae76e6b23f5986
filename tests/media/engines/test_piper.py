"""The real piper-tts in its process: voices, clauses, crashes, hangs, memory, models that are none."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("piper", reason="the extra 'piper' is not installed")

import msgspec

from core.config import TtsConfig, parse
from core.media import piper_worker
from core.media.engines import EnginePiece, Failure, Sentence, SpeechFailed
from core.media.engines.piper import ENGINE, PAUSE_MS, WORKERS_MAX, PiperSynthesiser
from core.media.piper_worker_child import Child
from core.media.piper_worker_protocol import Load
from tests.media.engines.contract import TEXT, seconds
from tests.media.tiny_piper import FOREVER, HUGE, RATE_HZ, write_voice

VOICE = "en_US-tiny-low"
SLOW = 2000
"""Trips a phoneme of a voice that computes for some tenths of a second a clause, and for many seconds a long one."""
LONG = "and so on and so forth and on and on " * 8


@asynccontextmanager
async def piper(folder: Path, timeout_s: float = 40.0, **settings: object) -> AsyncIterator[PiperSynthesiser]:
    table = {"models_dir": str(folder), "piper": {"timeout_s": timeout_s}} | settings
    made = ENGINE.open(msgspec.convert(table, TtsConfig))
    try:
        yield made
    finally:
        await made.close()
        assert made.pids == ()


async def said(
    made: PiperSynthesiser, text: str = TEXT, *, voice: str = VOICE, speed_wpm: int = 165, last: bool = True
) -> list[EnginePiece]:
    return [piece async for piece in made.speak(Sentence(text, voice, "en", speed_wpm, last), {})]


async def failure(made: PiperSynthesiser, text: str = TEXT, *, voice: str = VOICE) -> SpeechFailed:
    with pytest.raises(SpeechFailed) as failed:
        await said(made, text, voice=voice)
    assert text not in str(failed.value)
    return failed.value


async def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - other processes set no events
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """A zombie isn't: in a container the first process may not reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_voice_speaks_at_the_rate_of_its_description(tmp_path: Path) -> None:
    write_voice(tmp_path, rate_hz=22050)
    async with piper(tmp_path) as made:
        pieces = await said(made)
        assert {piece.rate_hz for piece in pieces} == {22050}
        assert 20000 < np.abs(np.frombuffer(pieces[0].pcm, "<i2").astype(int)).max() < 32000


async def test_the_first_clause_comes_before_the_rest_is_made(tmp_path: Path) -> None:
    write_voice(tmp_path, work=SLOW // 8)
    async with piper(tmp_path, timeout_s=30) as made:
        await made.warm()
        shares = []
        for _ in range(3):
            began_s = time.monotonic()
            speaking = made.speak(
                Sentence("Good morning to you, " + "and so on and so forth, " * 8, VOICE, "en", 165, True), {}
            )
            first = await anext(speaking)
            first_s = time.monotonic() - began_s
            rest = [piece async for piece in speaking]
            assert len(rest) >= 3
            shares.append(first_s / (time.monotonic() - began_s))
        assert min(shares) < 0.6  # a machine that stands still may do so before the first
        assert first.marks[0].at_ms == 0 and rest[0].marks[0].at_ms == pytest.approx(seconds([first]) * 1000, abs=2)


async def test_speed_is_the_length_scale_and_a_sentence_that_goes_on_has_a_pause(tmp_path: Path) -> None:
    write_voice(tmp_path)
    async with piper(tmp_path) as made:
        usual = seconds(await said(made))
        assert seconds(await said(made, speed_wpm=330)) == pytest.approx(usual / 2, rel=0.02)
        assert seconds(await said(made, speed_wpm=83)) == pytest.approx(usual * 2, rel=0.02)
        assert seconds(await said(made, last=False)) == pytest.approx(usual + PAUSE_MS / 1000, abs=0.01)


async def test_speakers_of_one_voice_differ(tmp_path: Path) -> None:
    write_voice(tmp_path, "en_GB-many-low", speakers={"p1": 0, "p2": 1})
    async with piper(tmp_path) as made:
        names = {voice.name for voice in await made.voices({})}
        assert names == {"en_GB-many-low", "en_GB-many-low#p1", "en_GB-many-low#p2"}
        first, same, other = [
            b"".join(piece.pcm for piece in await said(made, voice=f"en_GB-many-low{speaker}"))
            for speaker in ("", "#0", "#p2")
        ]
        assert first == same != other
        for nobody in ("en_GB-many-low#p3", "en_GB-many-low#7", "en_GB-many-low#-1"):
            assert not made.has_voice(nobody)
            assert (await failure(made, voice=nobody)).reason is Failure.NO_VOICE


async def test_voices_are_found_by_language_region_and_quality(tmp_path: Path) -> None:
    for name in ("de_DE-a-high", "de_DE-b-medium", "de_AT-c-low", "no_NO-d-low"):
        write_voice(tmp_path, name)
    async with piper(tmp_path) as made:
        found = [made.voice_for(tag) for tag in ("de", "de-AT", "de_DE", "nb-NO", "fr")]
        assert (
            found == ["de_AT-c-low", "de_AT-c-low", "de_DE-b-medium", "no_NO-d-low", None]
            or found[0] == "de_DE-b-medium"
        )
        assert found[1:] == ["de_AT-c-low", "de_DE-b-medium", "no_NO-d-low", None]


async def test_the_model_of_the_configuration_goes_first_wherever_it_lies(tmp_path: Path) -> None:
    write_voice(tmp_path / "models", "en_US-a-medium")
    mine = write_voice(tmp_path / "mine", "en_GB-mine-low")
    async with piper(tmp_path / "models", model=str(mine)) as made:
        assert made.missing({}) is None
        assert made.voice_for("en-US") == "en_GB-mine-low"
        assert made.has_voice("en_US-a-medium")


async def test_a_voice_that_is_put_into_the_folder_is_found_without_a_restart(tmp_path: Path) -> None:
    async with piper(tmp_path) as made:
        assert "models" in (made.missing({}) or "")
        write_voice(tmp_path)
        assert made.missing({}) is None and made.has_voice(VOICE)


@pytest.mark.parametrize("spoilt", ["none", "no json", "json array", "json of another", "directory", "no folder"])
async def test_what_is_no_voice_is_not_offered(tmp_path: Path, spoilt: str) -> None:
    model = write_voice(tmp_path)
    spoil(spoilt, model)
    async with piper(tmp_path if spoilt != "no folder" else tmp_path / "nowhere") as made:
        assert made.missing({}) is not None
        assert await made.voices({}) == ()
        assert (await failure(made)).reason is Failure.NO_VOICE
        await made.warm()


def spoil(how: str, model: Path) -> None:
    description = Path(f"{model}.json")
    match how:
        case "none":
            description.unlink()
        case "no json":
            description.write_text("{")
        case "json array":
            description.write_text("[1]")
        case "json of another":
            description.write_bytes(b"\xff\xfe\x00")
        case "directory":
            model.unlink()
            model.mkdir()


async def test_a_missing_model_or_description_of_the_configuration_is_said(tmp_path: Path) -> None:
    async with piper(tmp_path, model=str(tmp_path / "gone.onnx")) as made:
        assert "does not exist" in (made.missing({}) or "")
    (tmp_path / "bare.onnx").write_bytes(b"x")
    async with piper(tmp_path, model=str(tmp_path / "bare.onnx")) as made:
        assert ".onnx.json" in (made.missing({}) or "")


@pytest.mark.parametrize("content", [b"", b"no model at all" * 100, None])
async def test_a_model_file_that_is_none_is_missing_and_not_tried_each_time(
    tmp_path: Path, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, start = [], Child.start

    def noted(voice: Load) -> Child:
        tried.append(voice.model)
        return start(voice)

    monkeypatch.setattr(Child, "start", noted)
    monkeypatch.setattr(piper_worker, "BACKOFF_S", (5.0, 30.0))
    model = write_voice(tmp_path)
    if content is None:  # another kind of model
        write_other_model(model)
    else:
        model.write_bytes(content)
    async with piper(tmp_path) as made:
        failed = await failure(made)
        assert failed.reason is Failure.MISSING and VOICE in failed.text
        assert (await failure(made)).reason is Failure.MISSING
        assert len(tried) <= 1
        assert VOICE in (made.missing({}) or "")
        await made.warm()
        write_voice(tmp_path)  # repaired
        await until(lambda: made.missing({}) is None)
        assert seconds(await said(made)) > 0.5


def write_other_model(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "other", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@pytest.mark.parametrize(
    "wrong",
    [
        {"audio": {"sample_rate": "fast"}},
        {"audio": {"sample_rate": 0}},
        {"phoneme_type": "pinyin"},
        {"phoneme_type": "smoke"},
        {"espeak": {"voice": "xx-nowhere"}},
    ],
)
async def test_a_description_that_does_not_fit_is_missing(tmp_path: Path, wrong: dict[str, object]) -> None:
    write_voice(tmp_path, description=wrong)
    async with piper(tmp_path) as made:
        assert (await failure(made)).reason in (Failure.MISSING, Failure.NO_VOICE)


async def test_a_killed_process_is_a_crash_and_starts_again_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_worker, "BACKOFF_S", (3.0, 30.0))
    write_voice(tmp_path, work=SLOW)
    async with piper(tmp_path, timeout_s=60) as made:
        await made.warm()
        (first,) = made.pids
        async with asyncio.TaskGroup() as tasks:
            speaking = [tasks.create_task(failure(made, LONG)) for _ in range(2)]
            await asyncio.sleep(0.1)
            os.kill(first, signal.SIGSEGV)
        assert [task.result().reason for task in speaking] == [Failure.CRASHED] * 2
        assert (await failure(made)).reason is Failure.CRASHED  # at once: others speak meanwhile
        await until(lambda: bool(made.pids) and made.pids != (first,))
        assert seconds(await said(made, "Yes.")) > 0.2


async def test_the_process_may_die_between_two_sentences(tmp_path: Path) -> None:
    write_voice(tmp_path)
    async with piper(tmp_path) as made:
        await said(made)
        (first,) = made.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: made.pids != (first,))
        await until(lambda: bool(made.pids))
        assert seconds(await said(made)) > 0.5


async def test_a_voice_that_keeps_crashing_is_not_restarted_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_worker, "BACKOFF_S", (0.02, 0.05))
    write_voice(tmp_path)
    async with piper(tmp_path) as made:
        worker = await loaded(made)
        for _ in range(piper_worker.RESTARTS):
            await made.warm()
            assert worker.pid is not None
            before = worker.pid
            os.kill(before, signal.SIGKILL)
            await until(lambda before=before: worker.pid not in (before, None))  # type: ignore[misc]
        await made.warm()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: worker.pid is None)
        await asyncio.sleep(0.3)
        assert worker.pid is None  # until somebody asks
        assert seconds(await said(made)) > 0.5
        assert worker.pid is not None


async def loaded(made: PiperSynthesiser) -> piper_worker.PiperWorker:
    await made.warm()
    (worker,) = made._workers.values()
    return worker


async def test_a_voice_that_hangs_is_killed_at_its_deadline(tmp_path: Path) -> None:
    write_voice(tmp_path, work=SLOW)
    async with piper(tmp_path, timeout_s=60) as made:
        (await loaded(made))._timeout_s = 0.3
        (first,) = made.pids
        os.kill(first, signal.SIGSTOP)
        began_s = time.monotonic()
        assert (await failure(made)).reason is Failure.TIMEOUT
        assert time.monotonic() - began_s < 20
        await until(lambda: not alive(first))


async def test_a_voice_that_never_loads_is_killed_at_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_worker, "LOAD_TIMEOUT_S", 1.0)
    write_voice(tmp_path, work=FOREVER)
    async with piper(tmp_path) as made:
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(failure(made))
            await until(lambda: bool(made.pids))
            (pid,) = made.pids
        assert speaking.result().reason is Failure.MISSING
        await until(lambda: not alive(pid))


async def test_leaving_stops_a_long_computation_without_losing_the_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_worker, "STOP_GRACE_S", 10.0)  # it looks up between two clauses, and is niced
    write_voice(tmp_path, work=SLOW * 3)
    async with piper(tmp_path, timeout_s=60) as made:
        await made.warm()
        (first,) = made.pids
        for delay_s in (0.0, 0.05, 0.3):
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(said(made, LONG))
                await asyncio.sleep(delay_s)
                speaking.cancel()
            assert seconds(await said(made, "Yes.")) > 0.2
        assert made.pids == (first,)


async def test_a_voice_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    write_voice(tmp_path, work=SLOW)
    async with piper(tmp_path, timeout_s=60) as made:
        await made.warm()
        (first,) = made.pids
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(said(made, LONG))
            await asyncio.sleep(0.1)
            os.kill(first, signal.SIGSTOP)
            speaking.cancel()
        await until(lambda: not alive(first))


async def test_memory_that_there_is_not_fails_one_sentence_and_not_the_process(tmp_path: Path) -> None:
    write_voice(tmp_path)
    async with piper(tmp_path) as made:
        await said(made)
        (first,) = made.pids
        write_voice(tmp_path, "en_GB-huge-low", samples_per_phoneme=HUGE)
        failed = await failure(made, voice="en_GB-huge-low")
        assert failed.reason in (Failure.MISSING, Failure.CRASHED)  # its first run, while loading, fails
        assert seconds(await said(made)) > 0.5
        assert first in made.pids


async def test_too_many_sentences_are_refused_and_those_before_them_said(tmp_path: Path) -> None:
    write_voice(tmp_path, work=SLOW // 8)
    async with piper(tmp_path, timeout_s=60) as made:
        await made.warm()

        async def one() -> bool:
            try:
                return bool(await said(made, "Yes."))
            except SpeechFailed as problem:
                assert problem.reason is Failure.TIMEOUT
                return False

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(one()) for _ in range(piper_worker.MAX_WAITING + 5)]
        outcomes = [task.result() for task in asked]
        assert sum(outcomes) == piper_worker.MAX_WAITING + 1 and not outcomes[-1]


@pytest.mark.timeout(180)
async def test_only_so_many_voices_stay_loaded(tmp_path: Path) -> None:
    names = [f"en_US-v{number}-low" for number in range(WORKERS_MAX + 2)]
    for name in names:
        write_voice(tmp_path, name)
    async with piper(tmp_path) as made:
        for name in names:
            await said(made, "Yes.", voice=name)
            assert len(made.pids) <= WORKERS_MAX
        assert [path.stem for path in made._workers] == names[-WORKERS_MAX:]
        assert seconds(await said(made, voice=names[0])) > 0.5


async def test_the_process_is_niced_and_has_neither_keys_nor_files_of_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "very-secret")
    write_voice(tmp_path)
    with (tmp_path / "open").open("w") as opened:
        os.set_inheritable(opened.fileno(), True)
        async with piper(tmp_path) as made:
            await made.warm()
            process = Path(f"/proc/{made.pids[0]}")
            targets = [os.readlink(link) for link in (process / "fd").iterdir()]
            assert len([target for target in targets if target.startswith("socket:")]) == 1
            assert not [target for target in targets if str(tmp_path) in target]
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            assert int(fields[16]) == 5
            assert b"very-secret" not in (process / "environ").read_bytes()
            assert int((process / "oom_score_adj").read_text()) == 600


@pytest.mark.parametrize("stopped", [False, True])
async def test_the_process_dies_with_its_core(tmp_path: Path, stopped: bool) -> None:
    write_voice(tmp_path, work=SLOW)
    program = f"""
import asyncio
from core.config import TtsConfig
from core.media.engines import Sentence
from core.media.engines.piper import ENGINE
from core.media import piper_worker
async def main():
    made = ENGINE.open(TtsConfig(models_dir={str(tmp_path)!r}))
    speaking = made.speak(Sentence({LONG!r}, {VOICE!r}, "en", 165, True), {{}})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(anext(speaking))
        while not made.pids:
            await asyncio.sleep(0.01)
        print(made.pids[0], flush=True)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    async with asyncio.timeout(40):
        worker = int(await parent.stdout.readline())
    await until(lambda: "piper_worker_main" in Path(f"/proc/{worker}/cmdline").read_text())
    await asyncio.sleep(0.3)
    assert alive(worker)
    if stopped:  # it can't notice the end of its socket then
        os.kill(worker, signal.SIGSTOP)
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(worker))


async def test_the_loop_goes_on_while_a_voice_loads_and_computes(tmp_path: Path) -> None:
    write_voice(tmp_path, work=SLOW // 2)
    beats, longest = 0, 0
    over = threading.Event()

    def beat() -> None:
        """By the clock of a thread: a machine that stands still holds it up as much as the loop."""
        nonlocal beats
        while not over.wait(0.001):
            beats += 1

    async def watch() -> None:
        nonlocal longest
        while True:
            before = beats
            await asyncio.sleep(0.001)
            longest = max(longest, beats - before)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        async with piper(tmp_path, timeout_s=60) as made, asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch())
            pieces = await said(made)
            watcher.cancel()
    finally:
        over.set()
        heart.join()
    assert seconds(pieces) > 0.5
    assert longest < 400  # a loop that waits for the voice would stand for the whole of it


def test_the_models_folder_of_media_is_pipers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALTONE_MODELS", raising=False)
    write_voice(tmp_path)
    config = parse({"media": {"models_dir": str(tmp_path)}}, "test").tts
    assert ENGINE.open(config).has_voice(VOICE)
    assert not ENGINE.open(TtsConfig(models_dir=str(tmp_path / "other"))).has_voice(VOICE)
    assert RATE_HZ == 16000
