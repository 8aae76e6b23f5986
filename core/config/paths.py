"""Where files and sockets are unless core.toml says otherwise."""

import os
from pathlib import Path

from core.config.media import MediaConfig


def default_config_path() -> Path:
    """/etc/dialtone/core.toml for root, the XDG counterpart for everyone else."""
    if os.geteuid() == 0:
        return Path("/etc/dialtone/core.toml")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "dialtone/core.toml"


def state_dir() -> Path:
    """Where the store and recordings live unless configured."""
    if os.geteuid() == 0:
        return Path("/var/lib/dialtone")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "dialtone"


def models_dir(media: MediaConfig) -> Path:
    """Where speech models lie: DIALTONE_MODELS, else [media] models_dir, else `models` in the state directory."""
    named = os.environ.get("DIALTONE_MODELS") or media.models_dir
    return Path(named) if named else state_dir() / "models"


def default_socket_path() -> Path:
    """DIALTONE_SOCKET, else /run/dialtone/core.sock for root, else below XDG_RUNTIME_DIR."""
    if named := os.environ.get("DIALTONE_SOCKET"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/run/dialtone/core.sock")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "dialtone/core.sock"
