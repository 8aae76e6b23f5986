"""ppp_start and ppp_stop: the real pppd as far as this machine has PPP, the real chat, and a pppd that stands in for a
kernel with PPP: it reads its options as the real one does, dials, runs the script and stays until it is told to end."""

import os
import pty
import shlex
import shutil
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.helper.ppp_words import Dial, command, secrets_file
from core.helper.programs import PATH
from tests.helper.programs import calls, install
from tests.helper.rig import HelperProcess, helper_process, needs
from tests.net.netns import until

PPPD = r"""
import shlex, signal, subprocess, time
tty, speed, *rest = words
takes_one = {"file", "connect", "logfd", "unit", "ip-up-script", "ip-down-script", "ipcp-max-configure",
             "ipcp-max-failure", "maxfail", "lcp-echo-interval", "lcp-echo-failure"}
given = {}
while rest:
    name = rest.pop(0)
    given[name] = rest.pop(0) if name in takes_one else True
if not {"noauth", "nodefaultroute", "nodetach", "nolock", "usepeerdns", "noipdefault"} <= set(given):
    wrong("more than an interface would be made")
status = os.stat(given["file"])
if status.st_mode & 0o777 != 0o600 or status.st_uid != os.getuid():
    wrong("others may read the options")
options = dict(line.split(None, 1) for line in map(str.strip, open(given["file"])) if " " in line)
port = os.open(tty, os.O_RDWR | os.O_NOCTTY)
if subprocess.run(["sh", "-c", given["connect"]], stdin=port, stdout=port).returncode:
    print("Connect script failed", file=sys.stderr)
    sys.exit(8)
if options.get("password") == '"wrong \\"word\\" \\\\"':
    print("PAP authentication failed", file=sys.stderr)
    sys.exit(19)
if options.get("user") == '"silent"':
    time.sleep(60)
with open(folder + "/up", "w") as file:
    json.dump(options, file)
new = {"IFNAME": "ppp" + given["unit"], "IPLOCAL": "10.1.2.3", "IPREMOTE": "10.64.64.64"}
if options.get("user") == '"second"':
    new["IFNAME"] = "ppp7"
new |= {"DNS1": "8.8.8.8", "DNS2": "no"}
subprocess.run([given["ip-up-script"], new["IFNAME"], tty, speed, "10.1.2.3", "10.64.64.64", ""], env=new, check=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
if options.get("user") == '"stubborn"':
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    time.sleep(60)
"""


@contextmanager
def modem(dial: bytes = b"\r\nCONNECT 115200\r\n") -> Iterator[tuple[str, list[bytes]]]:
    """A port, and what it was told; it answers OK, and `dial` to ATD."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    told: list[bytes] = []
    ended = threading.Event()

    def answer() -> None:
        line = b""
        os.set_blocking(master, False)
        while not ended.wait(0.01):
            try:
                line += os.read(master, 1024)
            except BlockingIOError:
                continue
            except OSError:
                return
            while b"\r" in line:
                one, _, line = line.partition(b"\r")
                told.append(one)
                os.write(master, dial if one.startswith(b"ATD") else b"\r\nOK\r\n" if one else b"")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield os.ttyname(slave), told
    finally:
        ended.set()
        thread.join(5)
        os.close(master)
        os.close(slave)


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperProcess]:
    install(tmp_path, "pppd", PPPD)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}", "--tty", "/dev/pts/*") as helper:
        yield helper
        if not helper.ended():
            helper.stop()


def dial(port: str, **changed: object) -> dict[str, object]:
    return {"tty": port, "apn": "internet.example", "auth": "none", "unit": 0, "timeout_s": 30} | changed


def no_pppd(folder: Path) -> bool:
    """At last: what a pppd was just starting when it was ended, which bears its name, ends a moment later."""
    until(lambda: not pppds(folder), "a pppd runs on")
    return True


def pppds(folder: Path) -> list[int]:
    """That run."""
    found = []
    for name in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{name}/cmdline").read_text().split("\0") if name.isdecimal() else []
        except OSError:
            continue
        found += [int(name)] if f"{folder}/pppd" in words else []
    return found


@needs("chat")
def test_it_dials_tells_the_addresses_and_stays_until_it_is_stopped(helper: HelperProcess, tmp_path: Path) -> None:
    with modem() as (port, told):
        found = helper.must("ppp_start", **dial(port))
        assert found == {
            "ok": True, "interface": "ppp0", "address": "10.1.2.3", "peer": "10.64.64.64", "dns": ["8.8.8.8"],
        }  # fmt: skip
        assert told[:3] == [b"AT", b'AT+CGDCONT=1,"IP","internet.example"', b"ATD*99***1#"]
        assert helper.must("state")["ppp"] == [{"unit": 0, "interface": "ppp0", "running": True}]
        assert helper.trouble("ppp_start", **dial(port)) == "busy"
        before = time.monotonic()
        helper.must("ppp_stop", unit=0)
        assert time.monotonic() - before < 20 and no_pppd(tmp_path)
        assert helper.must("state")["ppp"] == []
        helper.must("ppp_stop", unit=0)
        assert not list(helper.folder.glob("dialtone-*-ppp-*"))


@needs("chat")
def test_a_login_is_in_a_file_of_roots_own_while_it_is_needed_and_nowhere_else(
    helper: HelperProcess, tmp_path: Path
) -> None:
    secret = {"user": "anna", "password": 'p\\q "r s"'}
    with modem() as (port, _):
        helper.must("ppp_start", **dial(port, auth="chap", **secret))
        assert (
            tmp_path / "up"
        ).read_text() == '{"user": "\\"anna\\"", "password": "\\"p\\\\\\\\q \\\\\\"r s\\\\\\"\\""}'
        [pid] = pppds(tmp_path)
        shown = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text() + helper.log
        assert "anna" not in shown and "r s" not in shown and "r s" not in helper.state_file.read_text()
        [folder] = helper.folder.glob("dialtone-*-ppp-*")
        assert folder.stat().st_mode & 0o777 == 0o700 and not (folder / "options").exists()
    [call] = calls(tmp_path)
    assert "refuse-pap" in call and "refuse-chap" not in call


@needs("chat")
@pytest.mark.parametrize(
    ("answer", "changed", "trouble"),
    [
        (b"\r\nNO CARRIER\r\n", {}, "no_network"),
        (b"\r\nERROR\r\n", {}, "apn_refused"),
        (b"\r\nBUSY\r\n", {}, "no_network"),
        (b"\r\nCONNECT 115200\r\n", {"auth": "pap", "user": "anna", "password": 'wrong "word" \\'}, "apn_refused"),
        (b"\r\nCONNECT 115200\r\n", {"user": "silent", "timeout_s": 2}, "timeout"),
        (b"", {"timeout_s": 2}, "timeout"),
        (b"\r\nCONNECT 115200\r\n", {"user": "second"}, "busy"),
    ],
)
def test_why_there_is_no_data_has_a_word_and_nothing_stays(
    helper: HelperProcess, tmp_path: Path, answer: bytes, changed: dict[str, object], trouble: str
) -> None:
    with modem(answer) as (port, _):
        assert helper.trouble("ppp_start", **dial(port, **changed)) == trouble
    assert helper.must("state")["ppp"] == [] and no_pppd(tmp_path)
    assert not list(helper.folder.glob("dialtone-*-ppp-*"))


@needs("chat")
def test_a_dial_that_takes_long_can_be_stopped_and_keeps_nobody_waiting(helper: HelperProcess, tmp_path: Path) -> None:
    with modem(b"") as (port, told):
        found: list[str] = []
        dialling = threading.Thread(
            target=lambda: found.append(helper.trouble("ppp_start", **dial(port, timeout_s=60)))
        )
        dialling.start()
        until(lambda: any(line.startswith(b"ATD") for line in told), "it dials")
        helper.must("state")
        assert not found
        helper.must("ppp_stop", unit=0)
        dialling.join(30)
        assert found == ["stopping"] and no_pppd(tmp_path)


@needs("chat")
def test_a_kill_of_the_helper_leaves_a_pppd_that_is_found_again_and_ended(
    helper: HelperProcess, tmp_path: Path
) -> None:
    with modem() as (port, _):
        helper.must("ppp_start", **dial(port))
        helper.kill()
        [pid] = pppds(tmp_path)
        helper.start()
        assert helper.must("state")["ppp"] == [{"unit": 0, "interface": "ppp0", "running": True}]
        assert pppds(tmp_path) == [pid]
        assert helper.must("recover")["undone"] == ["ppp0"]
        assert no_pppd(tmp_path) and not list(helper.folder.glob("dialtone-*-ppp-*"))


@needs("chat")
def test_one_whose_pid_was_not_written_down_is_found_too(helper: HelperProcess, tmp_path: Path) -> None:
    with modem() as (port, _):
        helper.must("ppp_start", **dial(port))
        helper.kill()
        text = helper.state_file.read_text()
        [pid] = pppds(tmp_path)
        helper.state_file.write_text(text.replace(f'"pid": {pid}', '"pid": null'))
        helper.start()
        assert no_pppd(tmp_path) and helper.must("state")["ppp"] == []


@needs("chat")
def test_one_that_ends_by_itself_is_told_and_can_be_dialled_again(helper: HelperProcess, tmp_path: Path) -> None:
    with modem() as (port, _):
        helper.must("ppp_start", **dial(port))
        os.kill(pppds(tmp_path)[0], 9)
        until(lambda: helper.must("state")["ppp"] == [{"unit": 0, "interface": "ppp0", "running": False}], "it ended")
        helper.must("ppp_start", **dial(port))
        assert helper.stop() == 0
        assert no_pppd(tmp_path)


@needs("chat")
def test_one_that_does_not_want_to_end_is_ended_all_the_same(helper: HelperProcess, tmp_path: Path) -> None:
    with modem() as (port, _):
        helper.must("ppp_start", **dial(port, user="stubborn"))
        before = time.monotonic()
        helper.must("ppp_stop", unit=0)
        assert time.monotonic() - before < 20 and no_pppd(tmp_path)


def test_ports_outside_the_patterns_and_what_is_no_port_are_refused(helper: HelperProcess, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    asked = {"/dev/null": "not_allowed", "/dev/pts/../null": "not_allowed", "/dev/pts/9999": "no_device"}
    for port, trouble in asked.items():
        assert helper.trouble("ppp_start", **dial(port)) == trouble, port
    for port in ("/etc/passwd", str(link), "-detach", "/dev/x y", "/dev/ttyUSB3\n"):
        assert helper.trouble("ppp_start", **dial(port)) == "bad_request", port
    assert calls(tmp_path) == []


@needs("pppd")
def test_the_real_pppd_takes_every_one_of_our_options(tmp_path: Path) -> None:
    """It says 2 for an option it does not know, before it looks for the kernel's PPP (4) or the port (7)."""
    for auth in ("none", "pap", "chap"):
        login = Dial("/dev/null", "web", auth, "an na", 'p\\q "r')
        (tmp_path / auth).mkdir()
        (tmp_path / auth / "options").write_text(secrets_file(login))
        words = command(login, 0, tmp_path / auth, Path("/bin/true"), _place("pppd"), "/bin/false")
        done = subprocess.run([*words, "dryrun"], capture_output=True, text=True, timeout=20)
        assert done.returncode in (0, 4, 7), (done.returncode, done.stdout, done.stderr)
        wrong = subprocess.run([*words, "no-such-option"], capture_output=True, text=True, timeout=20)
        assert wrong.returncode == 2
        (tmp_path / auth / "options").write_text(secrets_file(login) + "no-such-option\n")
        assert subprocess.run([*words, "dryrun"], capture_output=True, timeout=20).returncode == 2


@needs("pppd")
@needs("chat")
@pytest.mark.skipif(Path("/dev/ppp").exists(), reason="this machine has PPP")
def test_the_real_pppd_on_a_kernel_without_ppp_is_no_device() -> None:
    with modem() as (port, _), helper_process(None, "--tty", "/dev/pts/*") as helper:
        found = helper.ask("ppp_start", **dial(port))
        assert found["trouble"] == "no_device" and "/dev/ppp" in found["error"]
        assert helper.must("state")["ppp"] == []


def _place(program: str) -> str:
    found = shutil.which(program, path=PATH)
    assert found is not None and shlex.quote(found) == found
    return found
