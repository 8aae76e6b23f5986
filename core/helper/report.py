"""What udhcpc, dhclient and pppd tell the script that they run: ours writes it down, and sets nothing."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from core.helper.refused import Refused, Trouble

TOLD = "told.json"
MOST_BYTES = 65536

_KEYS = (
    "ip", "mask", "subnet", "router", "dns", "mtu", "lease",  # busybox, networking/udhcp/README and common.c
    "new_ip_address", "new_subnet_mask", "new_routers", "new_domain_name_servers", "new_interface_mtu",
    "new_dhcp_lease_time",  # dhclient-script(8)
    "IFNAME", "IPLOCAL", "IPREMOTE", "DNS1", "DNS2",  # pppd(8), SCRIPTS
)  # fmt: skip

_SCRIPT = """#!{python} -IS
import json, os, sys
event = sys.argv[1] if len(sys.argv) == 2 else os.environ.get("reason", "up")
if event in ("deconfig", "leasefail", "nak", "PREINIT", "FAIL", "TIMEOUT", "EXPIRE", "STOP", "RELEASE", "MEDIUM"):
    sys.exit(1 if event == "TIMEOUT" else 0)
told = {{key: os.environ[key] for key in {keys} if key in os.environ}}
folder = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(os.path.join(folder, "told.new"), "w") as file:
    json.dump(told, file)
os.rename(os.path.join(folder, "told.new"), os.path.join(folder, "{name}"))
"""


class Folders:
    """Private ones (0700) for a program's files. owner: the folder of the state file, by which those of one helper are
    told from those of another; they are made there, or in /tmp where programs can't be run there (Debian mounts /run
    noexec)."""

    def __init__(self, owner: Path) -> None:
        self._places = (owner, Path("/tmp"))
        self._prefix = f"dialtone-{sha256(os.fsencode(owner.resolve())).hexdigest()[:8]}-"

    def make(self, what: str) -> Path:
        for place in self._places:
            if place.is_dir() and os.access(place, os.W_OK) and not os.statvfs(place).f_flag & os.ST_NOEXEC:
                return Path(tempfile.mkdtemp(prefix=f"{self._prefix}{what}-", dir=place))
        raise Refused(Trouble.FAILED, f"a program can be run in none of {', '.join(map(str, self._places))}")

    @contextmanager
    def made(self, what: str) -> Iterator[Path]:
        folder = self.make(what)
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)

    def sweep(self, used: set[str]) -> None:
        """What a kill left behind. Ours alone: anybody may make a folder in /tmp."""
        for place in self._places:
            for folder in place.glob(f"{self._prefix}*"):
                if str(folder) not in used and folder.lstat().st_uid == os.geteuid():
                    rmtree(folder, ignore_errors=True)


def write_script(folder: Path) -> Path:
    script = folder / "script"
    write_private(script, _SCRIPT.format(python=sys.executable, keys=_KEYS, name=TOLD), 0o700)
    return script


def write_private(file: Path, text: str, mode: int = 0o600) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)


def told(folder: Path) -> dict[str, str]:
    """Empty before the script has run."""
    try:
        with (folder / TOLD).open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
