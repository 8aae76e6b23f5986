# mypy: ignore-errors
"""python-dbusmock's systemd, with what it lacks for restarts: RestartUnit, LoadUnit, Subscribe. A template for
`/usr/bin/python3 -m dbusmock --template`; parameters: command (run by each restart) and log (a line for each).

The file `<log>.answer` says how a restart ends: the result of JobRemoved (done, failed, …), "refused" (polkit),
"unknown" (no such unit) or "never". Without the file: done, or failed when the command failed.
"""

import subprocess
import threading
import time
from pathlib import Path

import dbus
from dbusmock.templates import systemd
from dbusmock.templates.systemd import *  # noqa: F403 - dbusmock takes the methods out of this module
from gi.repository import GLib

BUS_NAME, MAIN_OBJ, MAIN_IFACE, SYSTEM_BUS = systemd.BUS_NAME, systemd.MAIN_OBJ, systemd.MAIN_IFACE, True
ERRORS = {
    # src/core/dbus-util.c by sd-bus: a caller that did not allow interactive authorization is told the first.
    "refused": ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "Interactive authentication required."),
    "denied": ("org.freedesktop.DBus.Error.AccessDenied", "Permission denied"),
    "unknown": ("org.freedesktop.systemd1.NoSuchUnit", "Unit wg-quick@wg0.service not found."),
}


def load(mock, parameters):
    systemd.load(mock, parameters)
    mock.command = [str(word) for word in parameters.get("command", [])]
    mock.log_file = Path(str(parameters["log"]))
    mock.subscribed = False


@dbus.service.method(systemd.MAIN_IFACE, in_signature="", out_signature="")
def Subscribe(self):
    self.subscribed = True


@dbus.service.method(systemd.MAIN_IFACE, in_signature="", out_signature="")
def Unsubscribe(self):
    self.subscribed = False


@dbus.service.method(systemd.MAIN_IFACE, in_signature="s", out_signature="o")
def LoadUnit(self, name):
    if str(name) not in self.units:
        escaped = "".join(letter if letter.isalnum() else f"_{ord(letter):02x}" for letter in str(name))
        path = f"{systemd.PATH_PREFIX}/unit/{escaped}"  # the template's own AddMockUnit does not escape the @
        properties = {"Id": name, "Names": [name], "LoadState": "loaded", "ActiveState": "inactive"}
        self.AddObject(path, systemd.UNIT_IFACE, properties, [])
        self.units[str(name)] = path
    return self.units[str(name)]


@dbus.service.method(systemd.MAIN_IFACE, in_signature="ss", out_signature="o")
def RestartUnit(self, name, mode):
    answer_file = self.log_file.with_name(self.log_file.name + ".answer")
    answer = answer_file.read_text() if answer_file.exists() else ""
    with self.log_file.open("a") as log:
        log.write(f"{time.monotonic()} {name} {mode} {answer}\n")
    if answer in ERRORS:
        raise dbus.exceptions.DBusException(ERRORS[answer][1], name=ERRORS[answer][0])
    job_id = self.next_job_id
    self.next_job_id += 1
    job_path = f"{systemd.PATH_PREFIX}/job/{job_id}"

    def ended(result):
        if answer != "never":
            for signal, kinds, extra in (("JobNew", "uos", []), ("JobRemoved", "uoss", [result])):
                self.EmitSignal(systemd.MAIN_IFACE, signal, kinds, [job_id, job_path, name, *extra])

    def work():
        failed = bool(self.command) and subprocess.run(self.command, capture_output=True).returncode != 0
        GLib.idle_add(ended, answer or ("failed" if failed else "done"))

    threading.Thread(target=work, daemon=True).start()
    return job_path
