"""What kind of link an interface is: by its driver (netlink), by sysfs, by its name."""

from pathlib import Path

from core.net.links import LinkSeen
from core.net.types import LinkKind

# ARPHRD_… of linux/if_arp.h.
_HARDWARE = {
    512: LinkKind.PPP,  # ARPHRD_PPP
    519: LinkKind.WWAN,  # ARPHRD_RAWIP: qmi_wwan with raw_ip
    768: LinkKind.TUNNEL,  # ARPHRD_TUNNEL
    776: LinkKind.TUNNEL,  # ARPHRD_SIT
    778: LinkKind.TUNNEL,  # ARPHRD_IPGRE
    65534: LinkKind.TUNNEL,  # ARPHRD_NONE: tun, WireGuard
}
_DRIVERS = {  # IFLA_INFO_KIND
    "wwan": LinkKind.WWAN,
    "rmnet": LinkKind.WWAN,
    "ppp": LinkKind.PPP,
    "wireguard": LinkKind.TUNNEL,
    "tun": LinkKind.TUNNEL,
    "vti": LinkKind.TUNNEL,
    "xfrm": LinkKind.TUNNEL,
    "gre": LinkKind.TUNNEL,
    "gretap": LinkKind.TUNNEL,
    "ipip": LinkKind.TUNNEL,
    "sit": LinkKind.TUNNEL,
    "vxlan": LinkKind.TUNNEL,
    "bridge": LinkKind.ETHERNET,
    "bond": LinkKind.ETHERNET,
    "team": LinkKind.ETHERNET,
    "vlan": LinkKind.ETHERNET,
    "macvlan": LinkKind.ETHERNET,
    "ipvlan": LinkKind.ETHERNET,
}
_NAMES = (  # as systemd.net-naming-scheme(7) and the kernel give them; "enx…" may be a modem's ECM, which is Ethernet
    ("wwan", LinkKind.WWAN),
    ("ww", LinkKind.WWAN),
    ("wlan", LinkKind.WIFI),
    ("wl", LinkKind.WIFI),
    ("ppp", LinkKind.PPP),
    ("wg", LinkKind.TUNNEL),
    ("tun", LinkKind.TUNNEL),
    ("tap", LinkKind.TUNNEL),
    ("eth", LinkKind.ETHERNET),
    ("en", LinkKind.ETHERNET),
    ("usb", LinkKind.ETHERNET),
)
_DEVTYPES = {"wlan": LinkKind.WIFI, "wwan": LinkKind.WWAN}  # DEVTYPE of the interface's uevent


def kind_of(seen: LinkSeen, sysfs: Path = Path("/sys")) -> LinkKind:
    """Sysfs is only a help: in a network namespace it may show another one's interfaces, hence the look at ifindex."""
    if seen.driver in _DRIVERS:
        return _DRIVERS[seen.driver]
    by_name = next((kind for start, kind in _NAMES if seen.name.startswith(start)), None)
    if seen.driver is not None:
        return by_name or LinkKind.OTHER  # "veth", "dummy": they are what their names say
    found = _by_sysfs(seen, sysfs / "class/net" / seen.name) or _HARDWARE.get(seen.hardware) or by_name
    return found or (LinkKind.ETHERNET if seen.hardware == 1 else LinkKind.OTHER)


def _by_sysfs(seen: LinkSeen, folder: Path) -> LinkKind | None:
    try:
        if int((folder / "ifindex").read_text()) != seen.index:
            return None
        if (folder / "wireless").exists() or (folder / "phy80211").exists():
            return LinkKind.WIFI
        uevent = (folder / "uevent").read_text()
    except (OSError, ValueError):
        return None
    devtype = next((line[8:] for line in uevent.splitlines() if line.startswith("DEVTYPE=")), "")
    return _DEVTYPES.get(devtype)
