"""What udhcpc, dhclient and pppd tell the script that they run: ours writes it down, and sets nothing."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def make_folder(places: tuple[Path, ...], prefix: str) -> Path:
    """Root's alone (0700), where programs may be run: Debian mounts /run noexec."""
    for place in places:
        if place.is_dir() and os.access(place, os.W_OK) and not os.statvfs(place).f_flag & os.ST_NOEXEC:
            return Path(tempfile.mkdtemp(prefix=f"dialtone-{prefix}-", dir=place))
    raise Refused(Trouble.FAILED, f"a program can be run in none of {', '.join(map(str, places))}")


@contextmanager
def folder_for(places: tuple[Path, ...], prefix: str) -> Iterator[Path]:
    folder = make_folder(places, prefix)
    try:
        yield folder
    finally:
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
