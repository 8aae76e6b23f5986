"""dialtone demo: a whole phone call without hardware, played, measured and checked."""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
from pathlib import Path

import dialtone
from clients.cli.command import FAILED, OK
from clients.demo.checks import Check, check_message, check_recording, check_replies, check_talk
from clients.demo.measure import Reply, replies, reply_audio, turn_times
from clients.demo.printer import Printer
from clients.demo.report import timing, write_report
from clients.demo.scenario import Conversation, Outcome
from clients.demo.stage import BRAINS, DemoFailed, Places, stage, temporary_places
from clients.demo.timeline import Timeline
from clients.demo.wav import Recording, Samples, read_wav

DESCRIPTION = """\
Starts a modem emulator, the daemon and a brain, and lets a synthetic caller ring: questions, a message, an
interruption, a farewell. Prints the call as it happens, checks it, and leaves call.wav (the caller left, us right),
transcript.txt and timing.json.

Example:
  dialtone demo --brain node --out /tmp/demo
"""
TOPICS = ("call.*", "modem.*", "stt.*", "alarm.*", "client.*")
LEFT_OUT = frozenset({"call.level", "call.partial"})
RECORDING_S = 5.0
"""The recorder closes its file within a moment of the end of the call."""


class DemoCommand:
    help = "a whole phone call without hardware"
    description = DESCRIPTION

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--brain", choices=("python", "node"), default="python", help="which brain talks")
        parser.add_argument("--out", metavar="DIR", type=Path, default=Path("out/demo"), help="(default: out/demo)")
        parser.add_argument("--port-dir", metavar="DIR", type=Path, help="where the emulator puts its ports")

    def run(self, args: argparse.Namespace) -> int:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
            return asyncio.run(_demo(args.brain, args.out.resolve(), args.port_dir))
        except (DemoFailed, OSError) as problem:
            print(f"dialtone: the demo failed: {problem}", file=sys.stderr)
            return FAILED
        except asyncio.CancelledError:  # SIGTERM
            return FAILED


async def _demo(brain: str, out: Path, ports: Path | None) -> int:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    printer = Printer()
    began_s = time.monotonic()
    with temporary_places(out, ports) as places:
        _clear(out)
        async with stage(places, brain):
            printer.line(f"emulator, core and {brain} brain are up after {time.monotonic() - began_s:.1f} s", "state")
            checks = await _play(places, printer)
    printer.line("")
    for check in checks:
        printer.line(f"{'ok  ' if check.ok else 'FAIL'}  {check.text}", "" if check.ok else "problem")
    failed = sum(not check.ok for check in checks)
    printer.line(f"\n{len(checks) - failed} of {len(checks)} checks passed, {time.monotonic() - began_s:.0f} s in all")
    printer.line(f"{out}: call.wav transcript.txt timing.json messages/ and the logs")
    return FAILED if failed else OK


def _clear(out: Path) -> None:
    """What an earlier run left must not pass for this one's."""
    for name in ("call.wav", "transcript.txt", "timing.json"):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "messages", ignore_errors=True)


async def _play(places: Places, printer: Printer) -> list[Check]:
    texts: dict[str, str] = json.loads((BRAINS / "phrases.json").read_text(encoding="utf-8"))["texts"]
    timeline = Timeline()
    modem = await dialtone.Link.open(places.control)
    async with dialtone.connect(places.socket, name="demo", topics=TOPICS) as phone:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(phone, timeline, printer), name="demo.watch")
            outcome = await Conversation(modem, timeline, texts).run()
            watching.cancel()
        modem.close()
        said = replies(timeline.seen)
        recording, problem = await _fetch_recording(phone, outcome, places.out)
        references = await _references(phone, said, recording.rate_hz) if recording else {}
    stereo = recording is not None and len(recording.channels) == 2
    measured = reply_audio(said, recording, references) if recording is not None and stereo else []
    checks = [
        *check_talk(outcome, timeline.seen, texts),
        check_message([path.stat().st_size for path in places.messages.glob("*.ogg")]),
        *check_recording(recording, problem),
        *check_replies(measured),
    ]
    figures = timing(turn_times(outcome.turns, timeline.seen), timeline.seen, measured)
    write_report(places.out, timeline.seen, figures, checks)
    return checks


async def _watch(phone: dialtone.Phone, timeline: Timeline, printer: Printer) -> None:
    async for event in phone.events():
        if event.name not in LEFT_OUT:
            printer.event(timeline.add(event))


async def _fetch_recording(phone: dialtone.Phone, outcome: Outcome, out: Path) -> tuple[Recording | None, str | None]:
    """Copies the core's recording to call.wav and reads it; or says why not."""
    if outcome.call_id is None:
        return None, "there was no call"
    try:
        path = await _recording_path(phone, outcome.call_id)
        await asyncio.to_thread(shutil.copyfile, path, out / "call.wav")
        return await asyncio.to_thread(read_wav, out / "call.wav"), None
    except (dialtone.DialtoneError, DemoFailed, OSError, ValueError) as problem:
        return None, str(problem)


async def _recording_path(phone: dialtone.Phone, call_id: str) -> str:
    """Once the call is over in the log: then its file is closed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECORDING_S):
            while True:
                found = await phone.get_call(call_id)
                if found["ended_at"] and found["recording"]:
                    return found["recording"]
                await asyncio.sleep(0.1)
    raise DemoFailed("the core tells of no recording")


async def _references(phone: dialtone.Phone, said: list[Reply], rate_hz: int) -> dict[str, Samples]:
    """What each reply sounds like when nothing is missing."""
    import numpy as np

    found: dict[str, Samples] = {}
    for text in {reply.text for reply in said if reply.text is not None}:
        pcm = await phone.synthesize(text, language="en", format="pcm", rate_hz=rate_hz)
        found[text] = np.frombuffer(pcm, dtype="<i2").astype(np.int16)
    return found


COMMAND = DemoCommand()
