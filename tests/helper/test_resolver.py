"""Name servers: by systemd-resolved, by resolvconf, and by the file, which comes back as it was, link or none."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.helper.programs import PATH
from tests.helper.programs import RESOLVCONF, RESOLVECTL, calls, install
from tests.helper.rig import HelperProcess, Station, helper_process, needs_namespaces, small_station

DNS = ["10.64.0.1", "9.9.9.9"]
OLD = "# mine\nsearch lan\nnameserver 192.168.77.1\noptions edns0\n"


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperProcess]:
    """Without resolvconf and resolvectl, whatever this machine has."""
    (tmp_path / "ip").symlink_to(_found("ip"))
    with helper_process(None, "--path", str(tmp_path)) as helper:
        yield helper


def _found(program: str) -> str:
    return next(place for folder in PATH.split(":") if os.access(place := f"{folder}/{program}", os.X_OK))


def servers(helper: HelperProcess) -> list[str]:
    lines = helper.resolv_conf.read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("nameserver")]


def set_ours(helper: HelperProcess, dns: list[str] = DNS, interface: str = "wwan0") -> None:
    helper.must("resolver", interface=interface, dns=dns, set=True)


def take_ours(helper: HelperProcess, interface: str = "wwan0") -> None:
    helper.must("resolver", interface=interface, dns=[], set=False)


def others(helper: HelperProcess) -> list[str]:
    return [name for name in os.listdir(helper.root / "etc") if name != "resolv.conf"]


def test_the_file_has_our_servers_and_then_is_the_very_same_as_before(helper: HelperProcess) -> None:
    helper.resolv_conf.write_text(OLD)
    helper.resolv_conf.chmod(0o640)
    before = os.lstat(helper.resolv_conf)
    for dns in (DNS, ["1.1.1.1"], DNS):
        set_ours(helper, dns)
        assert servers(helper) == dns
        assert {"search lan", "options edns0"} <= set(helper.resolv_conf.read_text().splitlines())
        assert helper.resolv_conf.stat().st_mode & 0o777 == 0o644
    assert helper.must("state")["resolver"] == {"by": "file", "interface": "wwan0", "dns": DNS}
    for _ in range(2):
        take_ours(helper)
    now = os.lstat(helper.resolv_conf)
    assert (now.st_ino, now.st_mode, now.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert helper.resolv_conf.read_text() == OLD and others(helper) == []


@pytest.mark.parametrize("target", ["../run/NetworkManager/resolv.conf", "nowhere/at/all"])
def test_a_symbolic_link_stays_one_and_its_target_is_not_written_to(helper: HelperProcess, target: str) -> None:
    behind = helper.root / "run/NetworkManager/resolv.conf"
    behind.parent.mkdir(parents=True)
    behind.write_text(OLD)
    helper.resolv_conf.symlink_to(target)
    set_ours(helper)
    assert servers(helper) == DNS and not helper.resolv_conf.is_symlink() and behind.read_text() == OLD
    helper.must("recover")
    assert os.readlink(helper.resolv_conf) == target and behind.read_text() == OLD and others(helper) == []


def test_where_there_was_no_file_there_is_none_afterwards(helper: HelperProcess) -> None:
    set_ours(helper)
    set_ours(helper, ["1.1.1.1"])
    assert servers(helper) == ["1.1.1.1"]
    take_ours(helper)
    assert not os.path.lexists(helper.resolv_conf) and others(helper) == []


@pytest.mark.parametrize("by_rename", [True, False])
def test_what_another_program_wrote_meanwhile_stays(helper: HelperProcess, by_rename: bool) -> None:
    helper.resolv_conf.write_text(OLD)
    set_ours(helper)
    if by_rename:
        (helper.root / "etc/new").write_text("nameserver 8.8.8.8\n")
        (helper.root / "etc/new").rename(helper.resolv_conf)
    else:
        with helper.resolv_conf.open("a") as file:
            file.write("nameserver 8.8.8.8\n")
    theirs = helper.resolv_conf.read_text()
    take_ours(helper)
    assert helper.resolv_conf.read_text() == theirs and others(helper) == []


def test_set_again_after_another_program_wrote_it_is_theirs_that_comes_back(helper: HelperProcess) -> None:
    helper.resolv_conf.write_text(OLD)
    set_ours(helper)
    helper.resolv_conf.write_text("nameserver 8.8.8.8\n")
    set_ours(helper)
    assert servers(helper) == DNS
    take_ours(helper)
    assert helper.resolv_conf.read_text() == "nameserver 8.8.8.8\n" and others(helper) == []


def test_after_a_power_cut_which_empties_run_the_old_file_comes_back(helper: HelperProcess) -> None:
    helper.resolv_conf.write_text(OLD)
    set_ours(helper)
    helper.kill()
    helper.state_file.unlink()
    helper.start()
    assert helper.resolv_conf.read_text() == OLD and others(helper) == []


def test_after_a_kill_it_goes_on_and_can_be_undone(helper: HelperProcess) -> None:
    helper.resolv_conf.write_text(OLD)
    set_ours(helper)
    helper.kill()
    helper.start()
    assert servers(helper) == DNS
    assert helper.must("recover")["undone"] == ["name servers of wwan0"]
    assert helper.resolv_conf.read_text() == OLD


def test_another_links_servers_stay_when_one_is_given_up(helper: HelperProcess) -> None:
    helper.resolv_conf.write_text(OLD)
    set_ours(helper, interface="usb0")
    take_ours(helper, interface="wwan0")
    assert servers(helper) == DNS
    set_ours(helper, ["1.1.1.1"], interface="wwan0")
    take_ours(helper, interface="wwan0")
    assert helper.resolv_conf.read_text() == OLD


def test_resolvconf_has_the_record_of_the_link_alone_and_first(tmp_path: Path) -> None:
    install(tmp_path, "resolvconf", RESOLVCONF)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}") as helper:
        order = helper.root / "etc/resolvconf/interface-order"
        order.parent.mkdir()
        order.write_text("# comment\nlo.inet6\ntun*\neth*\n")
        helper.resolv_conf.write_text(OLD)
        set_ours(helper)
        assert (tmp_path / "record.tun.wwan0.dialtone").read_text() == "nameserver 10.64.0.1\nnameserver 9.9.9.9\n"
        assert helper.resolv_conf.read_text() == OLD  # resolvconf's own business
        assert helper.must("state")["resolver"]["by"] == "resolvconf"
        assert helper.stop() == 0
    assert not list(tmp_path.glob("record.*"))
    assert [call[1] for call in calls(tmp_path)] == ["-a", "-d"]


@needs_namespaces
def test_systemd_resolved_gets_servers_and_all_names_for_the_link_and_has_its_own_back(tmp_path: Path) -> None:
    install(tmp_path, "resolvectl", RESOLVECTL)
    install(tmp_path, "resolvconf", RESOLVCONF)  # there, too, and not asked
    resolved = tmp_path / "resolved.json"
    was = {"dns": {"usb0": ["192.168.225.1"]}, "domain": {"usb0": ["lan"]}}
    resolved.write_text(json.dumps(was))
    with small_station() as station, helper_process(station.host, "--path", f"{tmp_path}:{PATH}") as helper:
        station.add_link("usb0", "cell1", "192.168.225.1/24")
        (helper.root / "run/systemd/resolve").mkdir(parents=True)
        set_ours(helper, interface="wwan0")
        now = json.loads(resolved.read_text())
        assert (now["dns"]["wwan0"], now["domain"]["wwan0"]) == (DNS, ["~."])
        set_ours(helper, ["1.1.1.1"], interface="usb0")
        now = json.loads(resolved.read_text())
        assert now["dns"] == {"usb0": ["1.1.1.1"]} and now["domain"] == {"usb0": ["~."]}  # wwan0's went
        set_ours(helper, ["8.8.8.8"], interface="usb0")
        helper.must("recover")
    assert json.loads(resolved.read_text()) == was
    assert {call[0] for call in calls(tmp_path)} == {"resolvectl"}


@needs_namespaces
def test_a_link_that_went_away_is_not_reverted(tmp_path: Path) -> None:
    install(tmp_path, "resolvectl", RESOLVECTL)
    with small_station() as station, helper_process(station.host, "--path", f"{tmp_path}:{PATH}") as helper:
        (helper.root / "run/systemd/resolve").mkdir(parents=True)
        set_ours(helper)
        station.host.ip("link del wwan0")
        assert helper.must("recover") == {"ok": True, "undone": [], "left": []}
    assert "revert" not in [call[1] for call in calls(tmp_path)]


@needs_namespaces
def test_a_daemon_that_cannot_be_asked_now_is_asked_again_later(tmp_path: Path, station_with: Station) -> None:
    install(tmp_path, "resolvectl", RESOLVECTL)
    with helper_process(station_with.host, "--path", f"{tmp_path}:{PATH}") as helper:
        (helper.root / "run/systemd/resolve").mkdir(parents=True)
        set_ours(helper)
        install(tmp_path, "resolvectl", "\nwrong('the bus is not there')\n")
        assert helper.must("recover")["left"] == ["name servers of wwan0: resolvectl: resolvectl: the bus is not there"]
        install(tmp_path, "resolvectl", RESOLVECTL)
        assert helper.must("recover")["undone"] == ["name servers of wwan0"]


@pytest.fixture
def station_with() -> Iterator[Station]:
    with small_station() as station:
        yield station


@needs_namespaces
def test_a_file_that_is_a_mount_point_is_written_in_place_and_back(tmp_path: Path) -> None:
    """Containers, and `ip netns exec` with /etc/netns: rename(2) says EBUSY there."""
    (tmp_path / "ip").symlink_to(_found("ip"))
    with small_station() as station, helper_process(station.host, "--path", str(tmp_path), start=False) as helper:
        (tmp_path / "mounted").write_text(OLD)
        helper.resolv_conf.touch()
        mount = [
            "unshare",
            "-m",
            "sh",
            "-c",
            f'mount --bind {tmp_path}/mounted {helper.resolv_conf} && exec "$@"',
            "sh",
        ]
        plain = helper.words
        helper.words = lambda *more: [*plain(*more)[:4], *mount, *plain(*more)[4:]]  # type: ignore[method-assign]
        helper.start()
        set_ours(helper)
        assert (tmp_path / "mounted").read_text().startswith("# dialtone-helper ")
        helper.must("recover")
        assert (tmp_path / "mounted").read_text() == OLD and others(helper) == []
