"""dhcp: asks once what the link may be given, and sets nothing of it. A server's words are data like a request's."""

import ipaddress
import re
from pathlib import Path

from core.helper import report
from core.helper.context import Context
from core.helper.links import LEAST_MTU, MOST_MTU
from core.helper.programs import Child
from core.helper.refused import Refused, Trouble
from core.helper.request import MOST_DNS, Request, host

LEAST_S, MOST_S = 1.0, 30.0
ASK_EVERY_S = 2
"""Between two requests (RFC 2131 §4.1 begins with 4 s, for Ethernets with many hosts; here there is one)."""


def dhcp(request: Request, context: Context) -> dict[str, object]:
    interface, timeout_s = request.interface(context.patterns.interfaces), request.seconds("timeout_s", LEAST_S, MOST_S)
    if not context.kernel.require(interface).up:
        raise Refused(Trouble.REFUSED, f"{interface} is down")
    with context.folders.made("dhcp") as folder:
        words = _command(context, interface, folder, timeout_s)
        with context.programs.child(words, cwd=folder) as child:
            child.wait(timeout_s, until=lambda: bool(report.told(folder)) or context.programs.stopped)
            found = report.told(folder)
            if not found:
                _say_why(child, interface, timeout_s, context)
    return lease_of(found, interface)


def _command(context: Context, interface: str, folder: Path, timeout_s: float) -> list[str]:
    script = str(report.write_script(folder))
    if program := _udhcpc(context):
        every_s = min(ASK_EVERY_S, int(timeout_s))
        asks = ["-t", str(int(timeout_s // every_s)), "-T", str(every_s), "-A", "1"]
        return [*program, "-f", "-q", "-n", "-i", interface, "-s", script, *asks, "-O", "mtu"]
    program = [context.programs.require("dhclient")]
    report.write_private(folder / "conf", "request subnet-mask, routers, domain-name-servers, interface-mtu;\n")
    files = ["-sf", script, "-cf", f"{folder}/conf", "-lf", f"{folder}/leases", "-pf", f"{folder}/pid"]
    return [*program, "-4", "-1", "-d", *files, interface]


def _udhcpc(context: Context) -> list[str]:
    """Debian's udhcpc, or the applet of its busybox (the one in the package busybox has it)."""
    if found := context.programs.find("udhcpc"):
        return [found]
    if (found := context.programs.find("busybox")) and "udhcpc" in context.programs.run(
        "busybox", "--list"
    ).out.split():
        return [found, "udhcpc"]
    return []


def _say_why(child: Child, interface: str, timeout_s: float, context: Context) -> None:
    if context.programs.stopped:
        raise Refused(Trouble.STOPPING, "the helper is being stopped")
    if context.kernel.link(interface) is None:
        raise Refused(Trouble.NO_INTERFACE, f"{interface} went away")
    raise Refused(Trouble.DHCP_SILENT, f"nobody gave {interface} an address within {timeout_s:g} s")


def lease_of(told: dict[str, str], interface: str) -> dict[str, object]:
    """What a DHCP client said in its words. Refused (failed) when that is no address of a host."""
    text = told.get("ip") or told.get("new_ip_address") or ""
    mask = told.get("mask") or told.get("subnet") or told.get("new_subnet_mask") or "32"
    try:
        address = ipaddress.IPv4Interface(f"{text}/{mask}")
    except ValueError:
        address = None
    if address is None or host(text) is None:
        raise Refused(Trouble.FAILED, f"what {interface} was given is no address of a host")
    gateways = _hosts(told.get("router") or told.get("new_routers") or "")
    mtu = _number(told.get("mtu") or told.get("new_interface_mtu") or "")
    return {
        "address": str(address),
        "gateway": gateways[0] if gateways else None,
        "dns": _hosts(told.get("dns") or told.get("new_domain_name_servers") or "")[:MOST_DNS],
        "mtu": mtu if mtu is not None and LEAST_MTU <= mtu <= MOST_MTU else None,
        "lease_s": _number(told.get("lease") or told.get("new_dhcp_lease_time") or ""),
    }


def _hosts(text: str) -> list[str]:
    return [str(found) for each in re.split(r"[\s,]+", text) if (found := host(each)) is not None]


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None
