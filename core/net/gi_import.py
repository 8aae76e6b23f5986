"""`gi` (PyGObject) for pydbus, also in a plain venv beside Debian's python3-gi.

PyGObject has no wheels, and building it needs a compiler and headers; Debian and Raspberry Pi OS have it as a package
for their own Python, in a folder that a venv does not see. Only the one package is taken from there: with the whole
folder on sys.path every other library of the system would come in as well.
"""

import importlib
import importlib.util
import sys
import sysconfig
import warnings
from importlib.machinery import PathFinder
from pathlib import Path

SYSTEM_FOLDERS = (Path("/usr/lib/python3/dist-packages"), Path("/usr/lib64/python3/site-packages"))
"""Where Debian's packages for Python are."""

_HOW = "install Debian's package python3-gi (apt install python3-gi), or the extra: pip install 'dialtone-core[dbus]'"


def import_gi(folders: tuple[Path, ...] = SYSTEM_FOLDERS) -> str | None:
    """Afterwards `from gi.repository import Gio, GLib` works; else what is missing, for people."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # PyGObject's importer is of the kind before exec_module
        if sys.modules.get("gi") is None:
            problem = _import(folders)
            if problem is not None:
                return problem
        try:
            importlib.import_module("gi.repository.Gio")
            importlib.import_module("gi.repository.GLib")
        except (ImportError, ValueError, AttributeError) as missing:
            return f"PyGObject finds no GLib ({missing}): install the package gir1.2-glib-2.0"
    return None


def _import(folders: tuple[Path, ...]) -> str | None:
    try:
        importlib.import_module("gi")
        return None
    except ImportError:
        sys.modules.pop("gi", None)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for folder in folders:
        if not (folder / "gi").is_dir():
            continue
        if not (folder / "gi" / f"_gi{suffix}").exists():
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            return (
                f"python3-gi of this system is not for Python {version}: use a venv of the system's own Python, or "
                "the extra: pip install 'dialtone-core[dbus]'"
            )
        spec = PathFinder.find_spec("gi", [str(folder)])
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules["gi"] = module
        try:
            spec.loader.exec_module(module)
            return None
        except ImportError as problem:
            sys.modules.pop("gi", None)
            return f"python3-gi can't be loaded ({problem})"
    return f"PyGObject is missing: {_HOW}"
