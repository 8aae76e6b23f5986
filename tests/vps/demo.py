"""`python -m tests.vps.demo [--out DIR]`: a caller, the core, the bridge and the VPS's stand-in, printed as they talk.

Emulator, core, local brain and bridge run as programs of their own. Leaves timeline.txt, requests.jsonl, timing.json,
call.wav and the logs.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dialtone
from clients.demo.printer import Printer, describe
from clients.demo.stage import BRAINS, DemoFailed, Places, Process, stage, temporary_places
from clients.demo.timeline import Timeline
from tests.vps import Request, Vps, described, vps
from tests.vps.demo_calls import KEY_OF_ANSWER, TURNS, WELCOME, Scenario, is_online
from tests.vps.demo_report import checks, write

TOPICS = ("call.*", "sms.*", "client.*", "alarm.*", "call.speaking", "call.spoken", "call.claimed")
MOMENTS = ("call.turn_start", "call.turn_end", "call.turn_resumed", "call.chunk", "call.barge_in")
ONLINE_S = 20.0
RECORDING_S = 5.0


class Story:
    """Prints, and keeps what it prints."""

    def __init__(self) -> None:
        self._printer = Printer()
        self._began_s = time.monotonic()
        self.lines: list[str] = []

    def line(self, text: str, kind: str = "", at_s: float | None = None) -> None:
        after_s = (time.monotonic() if at_s is None else at_s) - self._began_s
        self.lines.append(f"{after_s:6.1f} s  {text}")
        self._printer.line(text, kind, after_s)

    def chapter(self, text: str) -> None:
        self.line(f"--- {text}")

    def request(self, request: Request) -> None:
        self.line(f"            vps: {described(request)}", "state", request.arrived_s)


def bridge_toml(server: Vps, places: Places) -> str:
    """Quick to notice that the VPS is back, since somebody watches; a machine that stands still is no outage."""
    text = server.toml.replace("[vps]\n", "[vps]\nprobe_every_s = 0.5\nprobe_timeout_s = 5\nhold_s = 1.0\n")
    text = text.replace("[voice_config]\n", f'[voice_config]\nip = "10.100.0.11"\ncache = "{places.base}/voice.json"\n')
    return f'{text}[outbox]\npath = "{places.base}/bridge.db"\n'


@asynccontextmanager
async def running_bridge(server: Vps, places: Places, timeline: Timeline) -> AsyncIterator[Process]:
    """Up, and registered as a brain."""
    config = places.base / "bridge.toml"
    config.write_text(bridge_toml(server, places), encoding="utf-8")
    command = [sys.executable, "-m", "clients.cli.main", "bridge", "--config", str(config)]
    process = await Process.start(
        "bridge", [*command, "--socket", str(places.socket), "--verbose"], places.out / "bridge.log"
    )
    try:
        try:
            await timeline.wait_for("client.state", ONLINE_S, such=is_online)
            await _delivering(process)
        except DemoFailed:
            process.check()
            raise
        yield process
    finally:
        await process.stop()


async def _delivering(process: Process) -> None:
    """Its outbox has its place in the journal: from now on no fact is missed."""
    try:
        async with asyncio.timeout(ONLINE_S):
            while "delivering to" not in process.log.read_text(errors="replace"):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DemoFailed("the bridge's outbox does not begin") from None


async def _demo(out: Path) -> int:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    story, timeline = Story(), Timeline()
    hours = json.loads((BRAINS / "phrases.json").read_text(encoding="utf-8"))["texts"][KEY_OF_ANSWER]
    for name in ("timeline.txt", "requests.jsonl", "timing.json", "call.wav"):
        (out / name).unlink(missing_ok=True)
    with temporary_places(out, None) as places:
        async with stage(places, "python"), vps(TURNS, check=False, tell=story.request) as server:
            assert server.config is not None
            server.config |= {"welcome_message": WELCOME, "answer_after_rings": 2}
            async with (
                dialtone.connect(places.socket, name="demo", topics=(*TOPICS, *MOMENTS)) as phone,
                asyncio.TaskGroup() as tasks,
            ):
                watching = tasks.create_task(_watch(phone, timeline, story), name="demo.watch")
                async with running_bridge(server, places, timeline):
                    modem = await dialtone.Link.open(places.control)
                    outcome = await Scenario(modem, timeline, server, hours, story.chapter).run()
                    modem.close()
                    found = checks(outcome, timeline.seen, server, hours)
                    await _keep_recording(phone, outcome.calls[:1], out)
                watching.cancel()
            write(out, timeline.seen, server, found)
    return _tell(story, out, [(one.ok, one.text) for one in found])


def _tell(story: Story, out: Path, found: list[tuple[bool, str]]) -> int:
    for ok, text in found:
        story.line(f"{'ok  ' if ok else 'FAIL'}  {text}", "" if ok else "problem")
    failed = sum(not ok for ok, _ in found)
    story.line(f"{len(found) - failed} of {len(found)} checks passed")
    (out / "timeline.txt").write_text("\n".join(story.lines) + "\n", encoding="utf-8")
    print(f"{out}: timeline.txt requests.jsonl timing.json call.wav and the logs")
    return 1 if failed else 0


async def _watch(phone: dialtone.Phone, timeline: Timeline, story: Story) -> None:
    async for event in phone.events():
        one = timeline.add(event)
        if (told := _line(one.event) or describe(one)) is not None:
            story.line(told[1], told[0], one.at_s)


def _line(event: dialtone.Event) -> tuple[str, str] | None:
    """What this demo tells beside what every demo tells."""
    match event.name:
        case "client.state":
            return "state", f"{event.params['client']} is {event.params['state']}: {event.params.get('detail')}"
        case "call.claimed":
            return "state", f"the call is with {event.params.get('holder') or 'nobody'}"
        case "call.turn_end":
            return "caller", f"caller's turn is over after {event.params.get('silence_ms')} ms of silence"
        case "sms.received":
            return "caller", f"SMS: {event.params.get('text')}"
    return None


async def _keep_recording(phone: dialtone.Phone, calls: tuple[str, ...], out: Path) -> None:
    """The first call's, for those who want to hear it."""
    for call in calls:
        try:
            async with asyncio.timeout(RECORDING_S):
                path = (await phone.get_call(call))["recording"]
                while not path:
                    await asyncio.sleep(0.1)
                    path = (await phone.get_call(call))["recording"]
            await asyncio.to_thread(shutil.copyfile, path, out / "call.wav")
        except (TimeoutError, OSError, dialtone.DialtoneError) as problem:
            print(f"no recording: {problem}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vps.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("out/demo-vps"), help="(default: out/demo-vps)")
    args = parser.parse_args()
    problem: BaseException | None = None
    code = 1
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(_demo(args.out.resolve()))
    except* (DemoFailed, OSError) as group:
        problem = group.exceptions[0]
    except* asyncio.CancelledError:  # SIGTERM
        pass
    if problem is not None:
        print(f"the demo failed: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
