"""kill -9 of the helper at any point of any verb: what the next one undoes leaves the machine as it was before."""

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.helper.programs import PATH
from tests.helper.programs import install
from tests.helper.rig import HelperProcess, Station, helper_process, needs, needs_namespaces, small_station
from tests.helper.test_ppp import PPPD, modem
from tests.net.netns import until

pytestmark = [needs_namespaces, needs("chat")]

LONGEST_S = 0.15
"""Until the kill: some ten verbs, or the middle of the first."""


def verbs(rng: random.Random, helper: HelperProcess, port: str) -> list[Callable[[], object]]:
    """One after another until the helper is gone, in any order."""

    def way() -> dict[str, object]:
        gateway = rng.choice([None, "10.64.0.1", "10.64.0.3"])
        return {"interface": "wwan0", "gateway": gateway, "metric": rng.choice([40, 41]), "halves": rng.random() < 0.5}

    def dns() -> list[str]:
        return rng.sample(["10.64.0.1", "9.9.9.9", "1.1.1.1"], 2)

    return [
        lambda: helper.ask("raw_ip", interface="wwan0"),
        lambda: helper.ask("link", interface="wwan0", up=True, mtu=rng.choice([1280, 1400, 1500])),
        lambda: helper.ask("link", interface="wwan0", up=rng.random() < 0.7),
        lambda: helper.ask("address", interface="wwan0", address="10.64.0.2/24", add=rng.random() < 0.8),
        lambda: helper.ask("address", interface="wwan0", address="10.70.0.2/30", add=rng.random() < 0.8),
        lambda: helper.ask("route", add=rng.random() < 0.8, **way()),
        lambda: helper.ask("route", add=rng.random() < 0.8, **way()),
        lambda: helper.ask("block_ipv6", add=rng.random() < 0.8, metric=rng.choice([40, 41])),
        lambda: helper.ask("resolver", interface="wwan0", dns=dns(), set=rng.random() < 0.8),
        lambda: helper.ask("recover"),
        lambda: helper.ask("ppp_start", tty=port, apn="web", auth="none", unit=rng.randrange(2), timeout_s=10),
        lambda: helper.ask("ppp_stop", unit=rng.randrange(2)),
        lambda: helper.ask("dhcp", interface="wwan0", timeout_s=1),
    ]


def prepare(rng: random.Random, station: Station, helper: HelperProcess) -> None:
    """What other programs have made before: anything from nothing to a link in use."""
    station.host.ip("addr flush dev wwan0", "link set wwan0 down mtu 1500")
    if rng.random() < 0.5:
        station.host.ip("addr add 10.64.0.9/24 dev wwan0", f"link set wwan0 up mtu {rng.choice([1300, 1500])}")
        station.host.ip(f"route add default via 10.64.0.1 dev wwan0 metric {rng.choice([0, 40, 700])}")
    flag = helper.root / "sys/class/net/wwan0/qmi/raw_ip"
    flag.parent.mkdir(parents=True, exist_ok=True)
    flag.write_text(rng.choice(["N\n", "Y\n"]))
    helper.resolv_conf.unlink(missing_ok=True)
    kind = rng.choice(["file", "link", "none"])
    if kind == "file":
        helper.resolv_conf.write_text("search lan\nnameserver 192.168.77.1\n")
    elif kind == "link":
        helper.resolv_conf.symlink_to("../run/somebody/resolv.conf")


def seen(station: Station, helper: HelperProcess) -> dict[str, object]:
    etc = {}
    for name in sorted(os.listdir(helper.root / "etc")):
        file = helper.root / "etc" / name
        status = os.lstat(file)
        words = os.readlink(file) if file.is_symlink() else file.read_text()
        etc[name] = (words, status.st_mode, status.st_ino, status.st_mtime_ns)
    flag = (helper.root / "sys/class/net/wwan0/qmi/raw_ip").read_text()[:1]
    left = sorted(path.name for path in helper.folder.glob("dialtone-*"))
    return {"kernel": station.snapshot(), "etc": etc, "raw_ip": flag, "left": left, "pppd": helper.running("pppd")}


def kills(how_often: int, seed: int, folder: Path) -> None:
    install(folder, "pppd", PPPD)
    with small_station() as station, modem() as (port, _):
        options = ("--path", f"{folder}:{PATH}", "--tty", "/dev/pts/*")
        with helper_process(station.host, *options, start=False) as helper:
            for number in range(how_often):
                rng = random.Random(seed + number)
                prepare(rng, station, helper)
                before = seen(station, helper)
                helper.start()
                done = _until_killed(rng, helper, port)
                half = helper.state_file.read_text() if helper.state_file.exists() else "none"
                if rng.random() < 0.3:
                    said = helper.recover_by_hand().stdout
                else:
                    helper.start()
                    said = str(helper.must("recover"))
                    assert helper.stop() == 0
                told = f"seed {seed + number}: after {done}\nstate: {half}\nsaid: {said}\nlog: {helper.log[-2000:]}"
                until(lambda: not helper.running("pppd"), "pppd runs on")  # whose own child may end a moment after it
                now = seen(station, helper)
                assert now == before, "\n".join(
                    [told, "now:", *map(str, now.values()), "then:", *map(str, before.values())]
                )
                helper.log_file.write_text("")


def _until_killed(rng: random.Random, helper: HelperProcess, port: str) -> int:
    """How many verbs were begun."""
    done = [0]
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            done[0] += 1
            rng.choice(verbs(rng, helper, port))()

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(random.Random(rng.random()).uniform(0.0, LONGEST_S))
    helper.kill()
    ended.set()
    asking.join(30)
    assert not asking.is_alive()
    return done[0]


@pytest.mark.timeout(240)
def test_after_20_kills_at_any_point_everything_is_as_before(tmp_path: Path) -> None:
    kills(20, 1, tmp_path)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_after_200_kills_at_any_point_everything_is_as_before(tmp_path: Path) -> None:
    kills(200, random.SystemRandom().randrange(1 << 30), tmp_path)
