"""Requests are data: nothing but what each key may hold gets through, and nothing runs for one that is refused."""

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.helper.context import Patterns, make_context
from core.helper.verbs import VERBS, Desk
from tests.helper.programs import calls, install
from tests.net.netns import until

PROGRAMS = (
    "ip",
    "wg",
    "wg-quick",
    "systemctl",
    "resolvectl",
    "resolvconf",
    "udhcpc",
    "dhclient",
    "busybox",
    "pppd",
    "chat",
)

KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
GOOD: dict[str, dict[str, object]] = {
    "usb_reset": {"path": "1-1.4"},
    "link": {"interface": "wwan0", "up": True, "mtu": 1400},
    "raw_ip": {"interface": "wwan0"},
    "address": {"interface": "wwan0", "address": "10.0.0.2/30", "add": True},
    "route": {"interface": "wwan0", "gateway": "10.0.0.1", "metric": 40, "halves": False, "add": True},
    "block_ipv6": {"add": True, "metric": 40},
    "dhcp": {"interface": "wwan0", "timeout_s": 5},
    "resolver": {"interface": "wwan0", "dns": ["9.9.9.9"], "set": True},
    "wg_status": {"interface": "wg0"},
    "wg_restart": {"interface": "wg0"},
    "wg_endpoint": {"interface": "wg0", "public_key": KEY, "endpoint": "192.0.2.1:51820"},
    "ppp_start": {
        "tty": "/dev/ttyUSB3", "apn": "web", "auth": "pap", "user": "a", "password": "b", "unit": 0, "timeout_s": 20
    },
    "ppp_stop": {"unit": 0},
    "recover": {},
    "state": {},
}  # fmt: skip

NOT_NAMES = [
    "", "-a", "--help", "wwan0 ", "wwan0\n", "wwan0;reboot", "wwan/../eth0", "wwan0$(x)", "wwan0\0", "..", ".",
    "wwan01234567890123", "wwan ö", "wwan%0", "wwan@0", "wwan:1", 0, True, None, ["wwan0"], {"a": 1}, 1.5,
]  # fmt: skip
NOT_ADDRESSES = [
    "", "10.0.0.2", "10.0.0.2/33", "10.0.0.2/-1", "10.0.0.2/30 dev eth0", "10.0.0.2/30\n", "010.0.0.2/30", "::1/64",
    "127.0.0.1/8", "0.0.0.0/0", "224.0.0.1/24", "255.255.255.255/32", "10.0.0.2/0", "10.0.0.2/4", 167772162, None, True,
]  # fmt: skip
NOT_HOSTS = [
    "", "10.0.0", "10.0.0.1/24", "10.0.0.1 dev eth0", "127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "a", 167772161, False,
    ["10.0.0.1"], "0.0.0.1", "255.255.255.255",
]  # fmt: skip
NOT_METRICS = [39, 60, 0, -40, 40.0, "40", True, None, 1 << 70]
WRONG: dict[str, list[object]] = {
    "path": ["", "1", "1-1.4/../..", "usb1", "1-1:1.0", "1-1\n", 11, None],
    "interface": NOT_NAMES,
    "up": [1, 0, "true", None, [], "yes"],
    "add": [1, 0, "true", None, [], "yes"],
    "set": [1, 0, "true", None],
    "halves": [1, 0, "true", None],
    "mtu": [575, 9001, "1400", 1400.0, True, None, -1],
    "address": NOT_ADDRESSES,
    "gateway": NOT_HOSTS,
    "metric": NOT_METRICS,
    "timeout_s": [0, -1, 0.5, 1e9, "5", None, True, [5]],
    "dns": [None, "9.9.9.9", ["9.9.9.9"] * 4, ["a"], [1], [["9.9.9.9"]], ["9.9.9.9\nsearch x"], {}, ["127.0.0.1"], []],
    "public_key": ["", KEY[:-1], KEY + "=", KEY[:-2] + "==", KEY[:-2] + "h=", KEY.replace("x", "-"), KEY + "\n", None],
    "endpoint": [
        "", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "host:1", "192.0.2.1:51820 x", "[::1:1", "::1:1",
        "0.0.0.0:1", "224.0.0.1:1", "[::]:1", "999.0.0.1:1", 1, None, "192.0.2.1:51820\n", "[fe80::1%eth0]:1",
    ],
    "tty": ["", "ttyUSB3", "/dev/tty USB3", "/dev/ttyUSB3\n", "/etc/passwd", "-detach", "/dev/../etc/x y", 3, None],
    "apn": ["", "a b", 'x"', "x'", "x\\c", "x\r", "x\nATD112", "^Z", "-x", "a" * 101, "ä", "x;", "x,1", 1, None],
    "auth": ["", "PAP", "eap", None, 1, ["pap"]],
    "user": ["", "a\nb", "a\0", "ä", "a" * 65, 1, None],
    "password": ["", "a\nb", "a\0", "ä", "a" * 65, 1, None],
    "unit": [-1, 10, "0", 0.0, True, None],
}  # fmt: skip


@contextmanager
def desk() -> Iterator[tuple[Desk, Path]]:
    """Programs are there, and each that is run writes that down."""
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        for program in PROGRAMS:
            install(folder, program, "print('[]')\n")
        (folder / "etc").mkdir()
        yield Desk(make_context(folder, Patterns(), folder / "state.json", str(folder))), folder


def ask(desk: Desk, verb: object, values: object) -> dict[str, object]:
    line = json.dumps({"verb": verb, **values} if isinstance(values, dict) else values).encode()
    return desk.answer(line)[1]


def test_the_table_of_good_requests_has_every_verb() -> None:
    assert set(GOOD) == set(VERBS)
    for verb, values in GOOD.items():
        assert set(values) == {*VERBS[verb].keys, *VERBS[verb].optional}


@pytest.mark.parametrize("verb", sorted(GOOD))
def test_a_value_that_is_none_is_refused_before_anything_runs(verb: str) -> None:
    with desk() as (one, folder):
        for key in GOOD[verb]:
            for wrong in WRONG[key]:
                if (verb, key, wrong) in (("route", "gateway", None),):
                    continue
                found = ask(one, verb, GOOD[verb] | {key: wrong})
                assert found.get("trouble") == "bad_request", (key, wrong, found)
        assert calls(folder) == []


@pytest.mark.parametrize("verb", sorted(GOOD))
def test_a_key_too_many_or_too_few_is_refused_before_anything_runs(verb: str) -> None:
    with desk() as (one, folder):
        for key in VERBS[verb].keys:
            fewer = {name: value for name, value in GOOD[verb].items() if name != key}
            assert ask(one, verb, fewer)["trouble"] == "bad_request", key
        for more in ("interfaces", "x", "", "Verb"):
            assert ask(one, verb, GOOD[verb] | {more: 1})["trouble"] == "bad_request", more
        assert calls(folder) == []


def test_a_login_needs_both_halves() -> None:
    with desk() as (one, _):
        for missing in ("user", "password"):
            fewer = {name: value for name, value in GOOD["ppp_start"].items() if name != missing}
            assert ask(one, "ppp_start", fewer)["trouble"] == "bad_request"


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise_or_run_anything(data: bytes) -> None:
    with desk() as (one, folder):
        assert one.answer(data + b"\n")[1]["trouble"] == "bad_request"
        assert calls(folder) == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_no_value_of_any_kind_makes_it_raise(verb: str, data: st.DataObject) -> None:
    with desk() as (one, _):
        key = data.draw(st.sampled_from(sorted(GOOD[verb]) or ["x"]))
        found = ask(one, verb, GOOD[verb] | {key: data.draw(anything)}) if verb != "usb_reset" else {"trouble": ""}
        assert "ok" in found or "trouble" in found


def test_a_mistake_of_ours_is_an_answer_without_details(capsys: pytest.CaptureFixture[str]) -> None:
    with desk() as (one, folder):
        install(folder, "ip", 'print(\'[{"ifname": "wwan0", "flags": 7}, 3]\')\n')
        assert ask(one, "link", GOOD["link"]).get("ok") or capsys.readouterr()
        install(folder, "ip", "print('{not json')\n")
        assert ask(one, "link", GOOD["link"])["trouble"] == "failed"


def runs(word: str) -> bool:
    """Whether a program that is not dead has it on its command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if word.encode() in entry.read_bytes():
                return True
    return False


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """Its child is told from that of another run by how long it sleeps."""
    from core.helper.programs import Programs
    from core.helper.refused import Refused

    long = f"61.{os.getpid()}"
    install(tmp_path, "slow", f"import subprocess\nsubprocess.run(['sleep', '{long}'])\n")
    with pytest.raises(Refused, match="longer than 0.5 s"):
        Programs(f"{tmp_path}:/usr/bin:/bin").run("slow", timeout_s=0.5)
    until(lambda: not runs(long), "the program's own program went on")  # what init inherits dies a moment later


def test_programs_have_a_fixed_environment_and_nothing_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.helper.programs import Programs

    monkeypatch.setenv("LD_PRELOAD_NOT", "x")
    monkeypatch.setenv("WG_QUICK_USERSPACE_IMPLEMENTATION", "/tmp/evil")
    install(tmp_path, "shows", "print(json.dumps(dict(os.environ)), sys.stdin.read() == '', os.getcwd())\n")
    ended = Programs(str(tmp_path)).run("shows")
    environment, empty, cwd = ended.out.rsplit(" ", 2)
    shown = set(json.loads(environment)) - {"LC_CTYPE"}  # which Python sets by itself
    assert shown == {"PATH", "LC_ALL"} and (empty, cwd.strip()) == ("True", "/")


def test_only_absolute_folders_are_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.helper.programs import Programs

    install(tmp_path, "tool", "")
    monkeypatch.chdir(tmp_path)
    assert Programs(".:").find("tool") is None and Programs(str(tmp_path)).find("tool") == f"{tmp_path}/tool"
