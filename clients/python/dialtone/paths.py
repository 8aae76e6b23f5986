"""Where the daemon's socket is."""

import os


def default_socket_path() -> str:
    """DIALTONE_SOCKET, else /run/dialtone/core.sock for root, else $XDG_RUNTIME_DIR/dialtone/core.sock."""
    if named := os.environ.get("DIALTONE_SOCKET"):
        return named
    if os.geteuid() == 0:
        return "/run/dialtone/core.sock"
    return os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "dialtone/core.sock")
