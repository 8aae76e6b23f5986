"""Other people's message daemons on an emulated modem: smsd of smstools and gammu-smsd, for tests and comparisons.

Each runs in a folder of its own with the fastest settings that don't busy-wait, or with the defaults of its makers.
Nothing here reads their configuration of the machine, and no system service is touched.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

SQLITE_SCHEMA = Path("/usr/share/doc/gammu-smsd/examples/sqlite.sql")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STOP_S = 20.0
"""gammu-smsd ends only between two of its own sleeps."""


def missing(*commands: str) -> str | None:
    """Why these can't be run here, in words; None when they can."""
    package = {"smsd": "smstools", "gammu": "gammu", "gammu-smsd": "gammu-smsd", "gammu-smsd-inject": "gammu-smsd"}
    lacking = sorted({package[command] for command in commands if shutil.which(command, path=_PATH) is None})
    return f"not installed: {', '.join(lacking)} (tools/peers installs it)" if lacking else None


_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the daemon filed it. report: it is a status report. sender: without + where the daemon cuts it."""

    sender: str
    text: str
    report: bool = False


class Peer:
    """One daemon. start(), put() what it shall send, look at sent() and received(), stop() or kill() it."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, directory: Path, device: Path, *, fast: bool = True, reports: bool = True) -> None:
        """reports: it asks for one with each message that it sends."""
        self.directory = directory
        self.device = device
        self._fast = fast
        self._reports = reports
        self._process: subprocess.Popen[bytes] | None = None
        self._written = 0
        self.directory.mkdir(parents=True, exist_ok=True)
        self._prepare()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def start(self) -> None:
        """Returns at once; the daemon opens the port when it likes to."""
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self._command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env=os.environ | {"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            )  # fmt: skip

    async def stop(self) -> None:
        """As an administrator would; what doesn't end in time is killed."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to all of its processes at once, as a power cut would end them."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def cpu_s(self) -> float:
        """Processor time of its processes so far, also of those that have ended, children of children included."""
        return sum(sum(map(int, fields[11:15])) for _, fields in self._stats()) / _TICKS_PER_S

    def memory_bytes(self) -> int:
        """Proportional set size of all its processes."""
        return sum(kilobytes(pid, "smaps_rollup", "Pss:") for pid, _ in self._stats()) * 1024

    def rss_bytes(self) -> int:
        """Resident set size of all its processes; what they share is counted for each."""
        return sum(kilobytes(pid, "smaps_rollup", "Rss:") for pid, _ in self._stats()) * 1024

    def _stats(self) -> Iterator[tuple[int, list[str]]]:
        """Of each process in its session: pid, and the fields of proc(5) stat from `state` on."""
        session = None if self._process is None else str(self._process.pid)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if fields[3] == session:
                        yield int(entry.name), fields

    def _prepare(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def put(self, to: str, text: str, *, report: bool = False) -> None:
        raise NotImplementedError

    def sent(self) -> int:
        """How many messages (not parts) it filed as sent."""
        raise NotImplementedError

    def failed(self) -> int:
        raise NotImplementedError

    def received(self) -> list[Received]:
        raise NotImplementedError

    def received_count(self) -> int:
        """Without reading them."""
        raise NotImplementedError


class Smsd(Peer):
    """smsd of smstools 3, a spool of files."""

    needs = ("smsd",)
    _GLOBAL = "trust_outgoing = yes\nnotifier = yes\ndelaytime = 1\ndelaytime_mainprocess = 0\n"
    _MODEM = (
        "poll_faster = 1000\ndetect_message_routing = no\ndetect_unexpected_input = no\ncheck_network = 0\n"
        "status_signal_quality = no\ncheck_memory_method = 31\ncmgl_value = 4\nstartsleeptime = 0\n"
    )
    _FOLDERS = ("outgoing", "checked", "incoming", "failed", "sent", "report")

    def _prepare(self) -> None:
        for name in self._FOLDERS:
            (self.directory / name).mkdir(exist_ok=True)
        report = "yes" if self._reports else "no"
        folders = "".join(f"{name} = {self.directory / name}\n" for name in self._FOLDERS)
        (self.directory / "smsd.conf").write_text(
            f"devices = GSM1\n{folders}logfile = {self.directory / 'log'}\ninfofile = {self.directory / 'working'}\n"
            f"pidfile = {self.directory / 'pid'}\nautosplit = 3\nincoming_utf8 = yes\ndecode_unicode_text = yes\n"
            f"{self._GLOBAL if self._fast else ''}\n[GSM1]\ndevice = {self.device}\nincoming = yes\nreport = {report}\n"
            f"memory_start = 0\ninit = AT+CNMI=2,1,0,2,0\n{self._MODEM if self._fast else ''}"
        )

    def _command(self) -> list[str]:
        return ["smsd", f"-c{self.directory / 'smsd.conf'}", "-t"]

    def put(self, to: str, text: str, *, report: bool = False) -> None:
        self._written += 1
        head = f"To: {to.removeprefix('+')}\nAlphabet: UTF-8\n" + ("Report: yes\n" if report else "")
        draft = self.directory / f"draft{self._written:06d}"
        draft.write_text(f"{head}\n{text}")
        draft.replace(self.directory / "outgoing" / f"m{self._written:06d}")

    def sent(self) -> int:
        return _files(self.directory / "sent")

    def failed(self) -> int:
        return _files(self.directory / "failed")

    def received(self) -> list[Received]:
        return [*self._read("incoming", report=False), *self._read("report", report=True)]

    def received_count(self) -> int:
        """Without status reports."""
        return _files(self.directory / "incoming")

    def _read(self, folder: str, *, report: bool) -> Iterator[Received]:
        for file in sorted((self.directory / folder).iterdir()):
            head, _, body = file.read_bytes().partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\n") if ": " in line)
            coding = "utf-16-be" if fields.get("Alphabet", "").startswith("UCS2") else "utf-8"
            yield Received(fields.get("From", ""), body.decode(coding), report)


class GammuSmsd(Peer):
    """gammu-smsd with files or with SQLite. It sleeps 0.7 s a message, whatever one sets."""

    needs = ("gammu-smsd", "gammu-smsd-inject")

    def __init__(
        self, directory: Path, device: Path, *, fast: bool = True, reports: bool = True, sqlite: bool = False
    ) -> None:
        self._sqlite = sqlite
        super().__init__(directory, device, fast=fast, reports=reports)

    def _prepare(self) -> None:
        for name in ("inbox", "outbox", "sent", "error"):
            (self.directory / name).mkdir(exist_ok=True)
        fast = (
            "CommTimeout = 1\nReceiveFrequency = 1\nStatusFrequency = 0\nCheckSecurity = 0\nCheckBattery = 0\n"
            "CheckSignal = 0\nCheckNetwork = 0\n"
        )
        if self._sqlite:
            store = f"Service = sql\nDriver = sqlite3\nDBDir = {self.directory}\nDatabase = smsd.db\n"
            self._create_database()
        else:
            boxes = (("Inbox", "inbox"), ("Outbox", "outbox"), ("SentSMS", "sent"), ("ErrorSMS", "error"))
            paths = "".join(f"{name}Path = {self.directory / folder}/\n" for name, folder in boxes)
            store = f"Service = files\nInboxFormat = standard\n{paths}"
        (self.directory / "smsdrc").write_text(
            f"[gammu]\ndevice = {self.device}\nconnection = at\n\n[smsd]\n{store}LogFile = {self.directory / 'log'}\n"
            f"DebugLevel = 0\nDeliveryReport = {'sms' if self._reports else 'no'}\n{fast if self._fast else ''}"
        )

    def _create_database(self) -> None:
        path = self.directory / "smsd.db"
        if not path.exists():
            database = sqlite3.connect(path)
            database.executescript(SQLITE_SCHEMA.read_text())
            database.close()

    def _command(self) -> list[str]:
        return ["gammu-smsd", "-c", str(self.directory / "smsdrc")]

    def put(self, to: str, text: str, *, report: bool = False) -> None:
        """By gammu-smsd-inject, a process for each."""
        plain = text.isascii()
        command = ["gammu-smsd-inject", "-c", str(self.directory / "smsdrc"), "TEXT", to, "-text", text]
        command += ["-len", str(len(text)), *([] if plain else ["-unicode"]), *(["-report"] if report else [])]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PATH": _PATH, "LC_ALL": "C.UTF-8"})

    def sent(self) -> int:
        if self._sqlite:
            return self._count("SELECT COUNT(DISTINCT ID) FROM sentitems WHERE Status NOT LIKE 'SendingError%'")
        return _files(self.directory / "sent")

    def failed(self) -> int:
        if self._sqlite:
            return self._count("SELECT COUNT(DISTINCT ID) FROM sentitems WHERE Status LIKE 'SendingError%'")
        return _files(self.directory / "error")

    def received(self) -> list[Received]:
        """Parts of a long message are files, and rows, of their own. SQLite keeps reports beside what was sent."""
        if self._sqlite:
            reports = "SELECT DestinationNumber, 'Delivered' FROM sentitems WHERE Status = 'DeliveryOK'"
            messages = "SELECT SenderNumber, TextDecoded FROM inbox ORDER BY ID"
            return [
                *(Received(sender, text) for sender, text in self._rows(messages)),
                *(Received(sender, text, report=True) for sender, text in self._rows(reports)),
            ]
        found = [(file.name.split("_")[3], file.read_text()) for file in sorted(self._inbox())]
        return [Received(sender, text, report=text == "Delivered") for sender, text in found]

    def received_count(self) -> int:
        """Without reading them; files with the reports among them, rows without."""
        return self._count("SELECT COUNT(*) FROM inbox") if self._sqlite else sum(1 for _ in self._inbox())

    def _inbox(self) -> Iterator[Path]:
        """Without the empty files of nobody that it writes at each +CDSI."""
        return (file for file in (self.directory / "inbox").iterdir() if file.name.split("_")[3])

    def _count(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _rows(self, query: str) -> list[tuple[str, ...]]:
        database = sqlite3.connect(f"file:{self.directory / 'smsd.db'}?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()


def _files(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def kilobytes(pid: int, file: str, field: str) -> int:
    """One line of a file in /proc/<pid>; 0 when the process has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    return 0
