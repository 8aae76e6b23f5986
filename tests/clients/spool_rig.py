"""A spool in a folder of its own: the real `dialtone spool` as a process, and a small daemon that takes messages."""

import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from tests.clients.tiny_core import Json, Refused, TinyCore

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 30.0
"""Against hanging; on a loaded machine a Python process alone takes seconds to start."""
AT = "2026-11-21T07:16:00.123Z"
STATUS = {"lines": [{"name": "sim", "imsi": "246030000000000", "imei": "861000000000001"}], "calls": []}


class Messages:
    """sms.* of a tiny core: keeps what it was given, each client_ref once. outcome: what becomes of new messages."""

    def __init__(self, core: TinyCore) -> None:
        self.core = core
        self.outcome: str | None = "sent"
        self.refusal: Refused | None = None
        self.by_ref: dict[str, Json] = {}
        self.kept: dict[str, Json] = {}
        core.handlers |= {"sms.send": self.send, "sms.get": self.get, "sms.list": self.page, "status": lambda _: STATUS}

    def send(self, params: Json) -> Json:
        if self.refusal is not None:
            raise self.refusal
        ref = params["client_ref"]
        request = {name: value for name, value in params.items() if name != "client_ref"}
        known = self.by_ref.get(ref)
        if known is not None:
            if known["request"] != request:
                raise Refused(-32021, "ref_taken", "This client_ref belongs to another message.")
            return known
        message_id = f"sms_{len(self.by_ref) + 1}"
        info = {"message_id": message_id, "client_ref": ref, "request": request, "state": "queued", "line": "sim"}
        info |= {"updated_at": AT, "sent_at": None, "number": params["to"], "smsc": "+37069900099", "parts": 1}
        self.by_ref[ref] = self.kept[message_id] = info
        if self.outcome is not None:
            asyncio.get_running_loop().call_soon(lambda: self.become(message_id, str(self.outcome)))
        return dict(info)

    def become(self, message_id: str, state: str, **more: Any) -> None:
        info = self.kept[message_id]
        info |= {"state": state, "reason": None, "network_text": None, "cms": None, "parts_sent": 0} | more
        if state in ("sent", "delivered"):
            info |= {"sent_at": AT, "parts_sent": info["parts"]}
        names = ("message_id", "client_ref", "state", "number", "reason", "network_text", "cms", "parts", "parts_sent")
        self.core.fact("sms.status", **{name: info[name] for name in names})

    def get(self, params: Json) -> Json:
        if params["message_id"] not in self.kept:
            raise Refused(-32004, "not_found", "no such message")
        return self.kept[params["message_id"]]

    def page(self, params: Json) -> Json:
        """Received messages, newest first."""
        received = [info for info in reversed(self.kept.values()) if info.get("direction") == "in"]
        ids = [info["message_id"] for info in received]
        start = ids.index(params["before"]) + 1 if "before" in params else 0
        page = received[start : start + params["limit"]]
        more = start + len(page) < len(received)
        return {"messages": page, "next": page[-1]["message_id"] if more else None}

    def receive(self, text: str | None = "Labas", *, tell: bool = True, **more: Any) -> str:
        """A message comes in; gives its id."""
        message_id = more.pop("message_id", None) or f"in_{len(self.kept) + 1}"
        event = {"message_id": message_id, "number": "+37060000000", "text": text, "data": None, "encoding": "gsm7"}
        event |= {"message_class": None, "parts": 1, "missing": [], "incomplete": False, "silent": False}
        event |= {"network_at": "2026-02-07T09:44:29+02:00"} | more
        kept = {"direction": "in", "smsc": "+37069900099", "created_at": AT, "line": "sim", "state": "received"}
        self.kept[message_id] = event | kept
        if tell:
            self.core.fact("sms.received", **event)
        return message_id

    def requests(self) -> list[Json]:
        """What sms.send took, each message once."""
        return [info["request"] for info in self.by_ref.values()]


class Rig:
    """The directories, the process and what stands beside them."""

    def __init__(self, folder: Path, core: TinyCore) -> None:
        self.folder = folder
        self.spool = folder / "sms"
        self.core = core
        self.messages = Messages(core)
        self.config = folder / "spool.toml"
        self.log = folder / "spool.log"
        self.handled = folder / "handled"
        self.child: asyncio.subprocess.Process | None = None
        self.prefix: list[str] = []
        self.configure()

    def configure(self, toml: str = "", *, handler: bool = True) -> None:
        script = self.folder / "handler"
        # A line in one write: whoever looks sees all of it or nothing.
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$(printf "%s|" "$@")" >> {self.handled}\n')
        script.chmod(0o755)
        event = f'eventhandler = "{script}"\n' if handler else ""
        base = f'root = "{self.spool}"\nsettle_s = 0.2\ndelaytime = 0.5\n'
        self.config.write_text(toml + "\n" + event + base if not toml.startswith("[") else event + base + toml)

    async def start(self, *, make_dirs: bool = True) -> None:
        words = [
            *self.prefix,
            sys.executable,
            "-m",
            "clients.cli.main",
            "spool",
            "--config",
            str(self.config),
            "--socket",
        ]
        words += [str(self.core.path), *(["--make-dirs"] if make_dirs else [])]
        environment = os.environ | {"TZ": "UTC"}
        with self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                *words, stdout=log, stderr=log, cwd=ROOT, env=environment, start_new_session=True
            )

    async def running(self, toml: str = "") -> None:
        """Started, and its events subscribed."""
        if toml:
            self.configure(toml)
        before = self.text(self.log).count("serving")
        await self.start()
        await self.until(lambda: self.text(self.log).count("serving") > before)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.child is not None
        if self.child.returncode is None:
            self.child.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            return await self.child.wait()

    async def kill(self) -> None:
        await self.stop(signal.SIGKILL)

    async def until(self, condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if condition():
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            there = "\n".join(f"{path.relative_to(self.spool)}" for path in sorted(self.spool.rglob("*")))
            raise AssertionError(f"it did not come to that; files:\n{there}\nlog:\n{self.text(self.log)}") from None

    def put(self, name: str, content: str | bytes) -> Path:
        """A file as a careful writer brings it: written elsewhere on the file system, then moved in."""
        aside = self.folder / "aside"
        aside.write_bytes(content if isinstance(content, bytes) else content.encode())
        target = self.spool / "outgoing" / name
        aside.rename(target)
        return target

    def files(self, folder: str) -> list[str]:
        """Names of visible files."""
        return sorted(path.name for path in (self.spool / folder).iterdir() if not path.name.startswith("."))

    def content(self, folder: str, name: str) -> bytes:
        return (self.spool / folder / name).read_bytes()

    async def arrived(self, folder: str, name: str) -> str:
        """The content of a file once it is there."""
        await self.until((self.spool / folder / name).exists)
        return self.content(folder, name).decode("latin-1")

    async def only_file(self, folder: str) -> bytes:
        """The content of the one file of a directory, once it is there."""
        await self.until(lambda: self.files(folder))
        (name,) = self.files(folder)
        return self.content(folder, name)

    async def accepted(self) -> None:
        """Until the ledger has the id of a message: the daemon has it before we do."""
        await self.until(self._accepted)

    def _accepted(self) -> bool:
        found = None
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(self.spool / ".dialtone/spool.db")) as ledger:
            found = ledger.execute("SELECT 1 FROM jobs WHERE message_id IS NOT NULL").fetchone()
        return found is not None

    def handler_runs(self) -> list[list[str]]:
        return [line.rstrip("|").split("|") for line in self.text(self.handled).splitlines()]

    @staticmethod
    def text(path: Path) -> str:
        return path.read_text(errors="replace") if path.exists() else ""


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="dt-") as folder:
        async with TinyCore(Path(folder) / "core.sock") as core:
            made = Rig(Path(folder), core)
            try:
                yield made
            finally:
                if made.child is not None:
                    await made.stop()  # a handler that runs ends with it
