"""wg_status, wg_restart, wg_endpoint: looks after a WireGuard interface that wg-quick made. No key but public ones ever
leaves this process."""

from core.helper.context import Context
from core.helper.refused import Refused, Trouble
from core.helper.request import Request

RESTART_S = 30.0

INTERFACE_FIELDS, PEER_FIELDS = 4, 8
"""Of a line of `wg show … dump` (wg(8)); the first line is the interface and holds its private key."""


def wg_status(request: Request, context: Context) -> dict[str, object]:
    interface = request.interface(context.patterns.vpns)
    found = context.kernel.link(interface)
    peers = _peers(context, interface)
    return {"up": found is not None and found.up and peers is not None, "peers": peers or []}


def wg_restart(request: Request, context: Context) -> dict[str, object]:
    """systemd does it where it runs, so that its unit stays true."""
    interface = request.interface(context.patterns.vpns)
    if (context.root / "run/systemd/system").is_dir():
        context.programs.must("systemctl", "restart", f"wg-quick@{interface}.service", timeout_s=RESTART_S)
        return {}
    for word in ("down", "up") if context.kernel.link(interface) is not None else ("up",):
        ended = context.programs.run("wg-quick", word, interface, timeout_s=RESTART_S / 2)
        if ended.code != 0:  # its words are not passed on: of a key that it can't read it prints the key
            raise Refused(Trouble.REFUSED, f"wg-quick {word} {interface} ended with {ended.code}; run it by hand")
    return {}


def wg_endpoint(request: Request, context: Context) -> dict[str, object]:
    """Only of a peer that is there: `wg set` would make one."""
    interface, key = request.interface(context.patterns.vpns), request.public_key("public_key")
    endpoint = request.endpoint("endpoint")
    peers = _peers(context, interface)
    if peers is None:
        raise Refused(Trouble.NO_INTERFACE, f"{interface} is no WireGuard interface")
    if key not in [peer["public_key"] for peer in peers]:
        raise Refused(Trouble.NO_PEER, f"{interface} has no such peer")
    context.programs.must("wg", "set", interface, "peer", key, "endpoint", endpoint)
    return {}


def _peers(context: Context, interface: str) -> list[dict[str, object]] | None:
    """None where it is no WireGuard interface. What wg says when it fails is not passed on: it could hold a key."""
    ended = context.programs.run("wg", "show", interface, "dump")
    return parse_dump(ended.out) if ended.code == 0 else None


def parse_dump(text: str) -> list[dict[str, object]]:
    """The private key (first line) and the preshared keys (second field) are dropped here."""
    return [_peer(fields) for line in text.splitlines()[1:] if len(fields := line.split("\t")) == PEER_FIELDS]


def _peer(fields: list[str]) -> dict[str, object]:
    public_key, _, endpoint, allowed, handshake, received, sent, keepalive = fields
    return {
        "public_key": public_key,
        "endpoint": None if endpoint == "(none)" else endpoint,
        "handshake_unix_s": _number(handshake),
        "rx_bytes": _number(received),
        "tx_bytes": _number(sent),
        "keepalive_s": None if keepalive == "off" else _number(keepalive),
        "allowed_ips": [] if allowed == "(none)" else allowed.split(","),
    }


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
