"""dhcp against a real dnsmasq, against nobody, and against servers that lie."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.helper.dhcp import lease_of
from core.helper.refused import Refused
from tests.helper.programs import DHCLIENT, calls, install
from tests.helper.rig import Station, helper_process, needs, needs_namespaces, small_station
from tests.net.netns import until

KNOWN = "56"
"""Of the last byte of the lease: dnsmasq gives out one address alone."""


@pytest.fixture
def station() -> Iterator[Station]:
    with small_station() as station:
        station.host.ip("link set wwan0 up")
        yield station


@contextmanager
def server(station: Station, folder: Path, *more: str) -> Iterator[None]:
    log = folder / "dnsmasq.log"
    station.far.popen(
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=cell0",
        "--bind-interfaces", f"--dhcp-range=10.64.0.{KNOWN},10.64.0.{KNOWN},255.255.255.0,600",
        f"--dhcp-leasefile={folder}/leases",
        f"--log-facility={log}", "--user=root", "--no-ping", f"--pid-file={folder}/pid", *more,
    )  # fmt: skip
    until(lambda: log.exists() and "DHCP, IP range" in log.read_text(), "dnsmasq serves")
    yield


@contextmanager
def only(*programs: str) -> Iterator[Path]:
    """A folder with ip and these."""
    with tempfile.TemporaryDirectory() as directory:
        for program in ("ip", *programs):
            found = shutil.which(program)
            assert found is not None
            (Path(directory) / program).symlink_to(os.path.realpath(found) if program != "udhcpc" else found)
        yield Path(directory)


@needs_namespaces
@needs("udhcpc")
def test_what_the_server_gives_is_told_and_nothing_of_it_is_set(station: Station, tmp_path: Path) -> None:
    options = ("--dhcp-option=option:mtu,1420", "--dhcp-option=option:dns-server,10.64.0.1,9.9.9.9")
    with server(station, tmp_path, *options), helper_process(station.host) as helper:
        before = station.snapshot()
        found = helper.must("dhcp", interface="wwan0", timeout_s=20)
        assert found == {
            "ok": True, "address": f"10.64.0.{KNOWN}/24", "gateway": "10.64.0.1",
            "dns": ["10.64.0.1", "9.9.9.9"], "mtu": 1420, "lease_s": 600,
        }  # fmt: skip
        assert station.snapshot() == before
        helper.must("address", interface="wwan0", address=found["address"], add=True)
        assert helper.must("dhcp", interface="wwan0", timeout_s=20) == found  # asked again before it ends
        assert os.listdir(helper.folder) and not list(helper.folder.glob("dialtone-*-dhcp-*"))


@needs_namespaces
@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_busybox_is_as_good(station: Station, tmp_path: Path) -> None:
    with (
        server(station, tmp_path),
        only("busybox") as folder,
        helper_process(station.host, "--path", str(folder)) as helper,
    ):
        assert helper.must("dhcp", interface="wwan0", timeout_s=20)["address"] == f"10.64.0.{KNOWN}/24"


@needs_namespaces
def test_dhclient_is_used_where_it_is_the_only_one(station: Station) -> None:
    with only() as folder:
        install(folder, "dhclient", DHCLIENT)
        with helper_process(station.host, "--path", str(folder)) as helper:
            found = helper.must("dhcp", interface="wwan0", timeout_s=20)
            assert (found["address"], found["dns"]) == ("10.64.0.77/24", ["10.64.0.1", "9.9.9.9"])
            assert (found["gateway"], found["mtu"], found["lease_s"]) == ("10.64.0.1", 1420, 3600)
        assert [call[0] for call in calls(folder)] == ["dhclient"]


@needs_namespaces
def test_without_any_dhcp_program_it_says_so(station: Station) -> None:
    with only() as folder, helper_process(station.host, "--path", str(folder)) as helper:
        assert helper.trouble("dhcp", interface="wwan0", timeout_s=5) == "program_missing"


@needs_namespaces
@needs("udhcpc")
def test_silence_ends_in_time(station: Station) -> None:
    with only() as folder:
        install(folder, "udhcpc", "import time\ntime.sleep(50)\n")  # the real one may give up by itself
        with helper_process(station.host, "--path", str(folder)) as helper:
            before = time.monotonic()
            assert helper.trouble("dhcp", interface="wwan0", timeout_s=1) == "dhcp_silent"
            assert 1 <= time.monotonic() - before < 30
            until(lambda: not any(f"{folder}/udhcpc" in words for words in helper.running("")), "it runs on")


@needs_namespaces
@needs("udhcpc")
def test_a_server_that_is_silent_keeps_no_other_request_waiting(station: Station) -> None:
    with helper_process(station.host) as helper:
        found: list[object] = []
        asking = threading.Thread(target=lambda: found.append(helper.ask("dhcp", interface="wwan0", timeout_s=30)))
        asking.start()
        until(lambda: bool(helper.running("udhcpc")), "udhcpc runs")
        helper.must("route", interface="wwan0", gateway=None, metric=40, halves=True, add=True)
        assert not found
        assert helper.trouble("dhcp", interface="wwan0", timeout_s=3) == "busy"  # one for each interface
        assert helper.stop() == 0
        asking.join(20)


@needs_namespaces
@needs("udhcpc")
def test_told_to_end_it_does_not_wait_for_a_server(station: Station) -> None:
    with helper_process(station.host) as helper:
        answers: list[object] = []
        asking = threading.Thread(
            target=lambda: answers.append(helper.ask("dhcp", interface="wwan0", timeout_s=30).get("trouble"))
        )
        asking.start()
        until(lambda: bool(helper.running("udhcpc")), "udhcpc runs")
        before = time.monotonic()
        assert helper.stop() == 0 and time.monotonic() - before < 20
        asking.join(20)
        until(lambda: not helper.running("udhcpc"), "udhcpc has ended")


@needs_namespaces
def test_a_link_that_is_down_or_gone_is_not_asked_over(station: Station) -> None:
    station.host.ip("link set wwan0 down")
    with helper_process(station.host) as helper:
        assert helper.trouble("dhcp", interface="wwan0", timeout_s=5) == "refused"
        assert helper.trouble("dhcp", interface="wwan1", timeout_s=5) == "no_interface"


GOOD = {"ip": "10.0.0.2", "mask": "30", "router": "10.0.0.1 10.0.0.9", "dns": "9.9.9.9", "mtu": "1400", "lease": "60"}


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"router": "127.0.0.1; reboot"}, {"gateway": None}),
        ({"router": "$(reboot) 10.0.0.9"}, {"gateway": "10.0.0.9"}),
        ({"dns": "127.0.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 1.2.3.4"}, {"dns": ["1.2.3.4"]}),
        ({"dns": "1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4"}, {"dns": ["1.1.1.1", "1.0.0.1", "8.8.8.8"]}),
        ({"mtu": "68"}, {"mtu": None}),
        ({"mtu": "65535"}, {"mtu": None}),
        ({"lease": "forever"}, {"lease_s": None}),
        ({"mask": "", "subnet": "255.255.255.0"}, {"address": "10.0.0.2/24"}),
    ],
)
def test_what_is_no_address_of_a_host_is_left_out(changed: dict[str, str], wanted: dict[str, object]) -> None:
    found = lease_of(GOOD | changed, "wwan0")
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("ip", ["", "127.0.0.1", "0.0.0.0", "224.1.1.1", "255.255.255.255", "10.0.0.2\n", "::1", "a"])
def test_a_lease_without_a_usable_address_is_none(ip: str) -> None:
    with pytest.raises(Refused):
        lease_of(GOOD | {"ip": ip}, "wwan0")


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=40)))
def test_no_words_of_a_server_make_anything_but_a_lease_or_a_refusal(changed: dict[str, str]) -> None:
    try:
        found = lease_of(GOOD | changed, "wwan0")
    except Refused:
        return
    assert set(found) == {"address", "gateway", "dns", "mtu", "lease_s"}
