"""Programs of others that this machine may not have, as real executables in a folder of their own, first in PATH.

Each prints what the real one prints (systemd 252, rsync 3.2.7, wireguard-tools 1.0), and writes down how it was called.
"""

import json
import os
import sys
from pathlib import Path

SYSTEMCTL = """\
Id=dialtone-core.service
Description=Dialtone, the phone line
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
Result=success
NRestarts=2
MainPID=612
ActiveEnterTimestampMonotonic=1000000

Id=dialtone-spool.service
Description=Dialtone's spool directories
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled
Result=exit-code
NRestarts=5
MainPID=0
ActiveEnterTimestampMonotonic=0

Id=ssh.service
Description=ssh.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
Result=success
NRestarts=0
MainPID=0
ActiveEnterTimestampMonotonic=0
"""
ALL_WELL = "\n\n".join(block for block in SYSTEMCTL.split("\n\n") if "failed" not in block)
RSYNC = """
Number of files: 12 (reg: 9, dir: 3)
Number of created files: 2 (reg: 2)
Number of deleted files: 1 (reg: 1)
Number of regular files transferred: 1,002
Total file size: 1,234,567 bytes
Total transferred file size: 204,800 bytes
sent 205,000 bytes  received 300 bytes  410,600.00 bytes/sec
"""


class Programs:
    """A folder of stand-ins. env: what a process needs to find them before the real ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self._calls = folder / "calls"

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def add(self, name: str, out: str = "", *, code: int = 0, err: str = "", then: str = "") -> None:
        """then: Python lines that it runs before it ends. -ES: it begins as quickly as the real one."""
        path = self.folder / name
        path.write_text(
            f"#!{sys.executable} -ES\nimport json, os, sys, time\n"
            f"with open({str(self._calls)!r}, 'a') as log:\n    log.write(json.dumps(sys.argv) + '\\n')\n"
            f"sys.stdout.write({out!r})\nsys.stderr.write({err!r})\nsys.stdout.flush()\n{then}\nsys.exit({code})\n"
        )
        path.chmod(0o755)

    def calls(self, name: str) -> list[list[str]]:
        """Arguments of each call of this program."""
        if not self._calls.exists():
            return []
        every = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [words[1:] for words in every if Path(words[0]).name == name]


def entry(at_s: int, message: object, **fields: str) -> str:
    """One line of journalctl --output=json."""
    base = {"__CURSOR": f"s=1;i={at_s}", "__REALTIME_TIMESTAMP": str(at_s * 1_000_000), "MESSAGE": message}
    return json.dumps(base | fields)
