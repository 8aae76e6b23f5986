"""`python -m tests.net.unprivileged INTERFACE [no-new-privileges]`: the prober as user nobody without a capability, as
in the unit. Prints one line of JSON. Runs inside a network namespace; loads everything before it gives root away."""

import asyncio
import ctypes
import json
import os
import socket
import sys

from core.config import NetConfig
from core.log import start_logging
from core.net.prober import Prober
from core.net.types import Link, LinkKind

NOBODY = 65534
_PR_SET_NO_NEW_PRIVS = 38


def drop(no_new_privileges: bool) -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if no_new_privileges:
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with open("/proc/self/status") as status:
        assert "CapEff:\t0000000000000000\n" in status.read()


async def main() -> None:
    interface = sys.argv[1]
    prober = Prober(NetConfig())
    link = Link(
        *(interface, socket.if_nametoindex(interface), LinkKind.ETHERNET, True, True),
        addresses=("192.168.77.10/24",),
        gateway="192.168.77.1",
        metric=100,
        dns=("192.168.77.1",),
    )
    loaded = await prober.probe(link, timeout_s=8)
    drop("no-new-privileges" in sys.argv)
    thorough = await prober.probe(link, timeout_s=8)
    again = await prober.probe(link, timeout_s=8)
    icmp = await prober.probe(link, timeout_s=5, thorough=False)
    looks = {"root": loaded, "thorough": thorough, "again": again, "icmp": icmp}
    told = {
        name: {"verdict": look.verdict, "detail": look.detail, "rtt_ms": look.rtt_ms} for name, look in looks.items()
    }
    print(json.dumps(told))


if __name__ == "__main__":
    start_logging("info")
    asyncio.run(main())
