"""Command lines of qmicli (libqmi-utils; checked with 1.32.2). Pure.

Not used, on purpose: --device-open-net. In 1.32.2 it replaces the other flags of opening, -p among them, so that two
programs read one control device and each takes the other's answers ("Transaction timed out"). The link-layer protocol
is set by --wda-set-data-format instead.
"""

from core.net.types import BearerFailed, BearerTrouble, DataAccess

KEEP = "--client-no-release-cid"


def opening(device: str, *, proxy: bool) -> tuple[str, ...]:
    """proxy: through qmi-proxy, which on Debian serves root alone. Explicitly QMI: nothing has to be guessed."""
    return ("--device", device, *(("--device-open-proxy",) if proxy else ()), "--device-open-qmi")


def get_data_format() -> tuple[str, ...]:
    return ("--wda-get-data-format",)


def set_raw_ip() -> tuple[str, ...]:
    return ("--wda-set-data-format=link-layer-protocol=raw-ip",)


def new_client() -> tuple[str, ...]:
    return ("--wds-noop", KEEP)


def release_all() -> tuple[str, ...]:
    """CTL sync: the modem forgets all client ids that were ever given out, whoever has them, and ends their calls."""
    return ("--wds-noop", "--device-open-sync")


def start_network(access: DataAccess, client: int) -> tuple[str, ...]:
    """BearerFailed when a value can't be said in qmicli's language."""
    wanted = [f"apn={quoted(access.apn)}", "ip-type=4"]
    if access.auth != "none":
        wanted.append(f"auth={access.auth.upper()}")
    if access.user:
        wanted.append(f"username={quoted(access.user)}")
    if access.password:
        wanted.append(f"password={quoted(access.password)}")
    return (f"--wds-start-network={','.join(wanted)}", f"--client-cid={client}", KEEP)


def get_settings(client: int) -> tuple[str, ...]:
    return ("--wds-get-current-settings", f"--client-cid={client}", KEEP)


def get_status(client: int) -> tuple[str, ...]:
    return ("--wds-get-packet-service-status", f"--client-cid={client}", KEEP)


def stop_network(client: int, handle: int) -> tuple[str, ...]:
    """Releases the client id, too, whatever becomes of the network."""
    return (f"--wds-stop-network={handle}", f"--client-cid={client}")


def release(client: int) -> tuple[str, ...]:
    """A network that this client has started ends with it."""
    return ("--wds-noop", f"--client-cid={client}")


def quoted(value: str) -> str:
    """As qmicli reads values: in one kind of quotes, without any escape."""
    for quote in "'\"":
        if quote not in value:
            return f"{quote}{value}{quote}"
    raise BearerFailed(BearerTrouble.FAILED, "qmicli can't be given a name or password with both kinds of quotes")
