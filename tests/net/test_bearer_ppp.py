"""Data by PPP: the real chat dials the emulated modem; pppd itself as far as this machine has PPP."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.helper.ppp_words import Dial, chat_script
from core.helper.programs import PATH
from core.net.bearers import ModemDevice
from core.net.bearers.ppp import PppBearer
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess
from tests.helper.programs import install
from tests.helper.rig import HelperProcess, helper_process, needs
from tests.helper.test_ppp import PPPD
from tests.modem.line_desk import Emulator, emulator
from tests.net.helper_peer import HelperPeer, helper_peer
from tests.net.namespaces import needs_namespaces, network

ACCESS = DataAccess("internet.example", "chap", "someone", "hunter2")
NO_PPP = None if Path("/dev/ppp").exists() and os.geteuid() == 0 else "no /dev/ppp here: the kernel has no PPP"


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[Emulator]:
    async with emulator(tmp_path / "stick") as running:
        yield running


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[HelperPeer]:
    async with helper_peer(tmp_path / "h.sock") as made:
        yield made


def _bearer(socket: Path, port: str | None = None) -> PppBearer:
    return PppBearer(HelperClient(socket), ModemDevice("1-1.4", {"voice": "/dev/ttyUSB3"}), port)


# --- the real chat ---------------------------------------------------------------------------------------------------


def _chat(modem: Emulator, apn: str = "internet") -> subprocess.CompletedProcess[str]:
    """As pppd runs it: standard input and output are the port."""
    script = modem.folder / "script"
    script.write_text(chat_script(Dial("", apn, "none", None, None)))
    port = os.open(modem.folder / "if03", os.O_RDWR | os.O_NOCTTY)
    try:
        words = ["chat", "-s", "-S", "-v", "-f", str(script)]
        return subprocess.run(words, stdin=port, stdout=port, stderr=subprocess.PIPE, text=True, timeout=50)
    finally:
        os.close(port)


async def _chatted(modem: Emulator, apn: str = "internet") -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(_chat, modem, apn)


@needs("chat")
async def test_the_script_dials_the_emulated_modem_and_the_apn_is_the_first_contexts(modem: Emulator) -> None:
    done = await _chatted(modem, "data.example")
    assert done.returncode == 0, done.stderr
    assert "CONNECT" in done.stderr
    assert (modem.folder / "data").exists(), "there was a data call"
    status = await modem("modem.status")
    assert status["unknown_commands"] == []


@needs("chat")
@pytest.mark.parametrize(
    ("final", "word"), [("NO CARRIER", "NO CARRIER"), ("ERROR", "ERROR"), ("BUSY", "BUSY"), ("+CME ERROR: 30", "ERROR")]
)
async def test_a_dial_that_is_refused_ends_the_script_at_once(modem: Emulator, final: str, word: str) -> None:
    await modem("fault.set", kind="error_reply", command="D*99***1#", text=final)
    done = await _chatted(modem)
    assert done.returncode >= 4, "one of the ABORT strings"
    assert f"Failed ({word})" in done.stderr


@needs("chat")
async def test_a_modem_without_a_network_has_no_carrier(modem: Emulator) -> None:
    await modem("radio.set", registered=False)
    assert "Failed (NO CARRIER)" in (await _chatted(modem)).stderr


# --- the bearer, with the real helper and a pppd that stands in for a kernel with PPP ---------------------------------


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[HelperProcess]:
    install(tmp_path, "pppd", PPPD)
    with helper_process(None, "--path", f"{tmp_path}:{PATH}", "--tty", "/dev/pts/*") as made:
        yield made


@needs("chat")
async def test_up_dials_the_emulated_modem_through_the_helper_and_down_hangs_up(
    modem: Emulator, helper: HelperProcess
) -> None:
    bearer = _bearer(helper.socket, str(modem.folder / "if03"))
    assert (bearer.kind, bearer.interface) == ("ppp", "ppp0")
    found = await bearer.up(ACCESS)
    assert found == BearerUp("ppp0", "10.1.2.3/32", None, ("8.8.8.8",))
    assert helper.must("state")["ppp"][0]["running"]
    await bearer.renew()
    await bearer.down()
    assert helper.must("state")["ppp"] == []
    assert "hunter2" not in helper.log


@needs("chat")
async def test_what_a_killed_daemon_left_running_is_ended_by_the_next_up(
    modem: Emulator, helper: HelperProcess
) -> None:
    port = str(modem.folder / "if03")
    await _bearer(helper.socket, port).up(ACCESS)
    after = _bearer(helper.socket, port)
    assert (await after.up(ACCESS)).interface == "ppp0"
    await after.down()


@needs("chat")
async def test_a_modem_that_refuses_the_dial_is_typed_and_nothing_runs(modem: Emulator, helper: HelperProcess) -> None:
    await modem("fault.set", kind="error_reply", command="D*99***1#", text="ERROR")
    with pytest.raises(BearerFailed) as failed:
        await _bearer(helper.socket, str(modem.folder / "if03")).up(ACCESS)
    assert failed.value.trouble is BearerTrouble.APN_REFUSED
    assert helper.must("state")["ppp"] == []


# --- the bearer alone ------------------------------------------------------------------------------------------------


async def test_the_port_is_the_one_that_the_line_gave_up_unless_another_is_named(peer: HelperPeer) -> None:
    await _bearer(peer.socket).up(ACCESS)
    await _bearer(peer.socket, "/dev/ttyUSB9").up(ACCESS)
    dialled = [one["tty"] for one in peer.asked if one["verb"] == "ppp_start"]
    assert dialled == ["/dev/ttyUSB3", "/dev/ttyUSB9"]
    assert peer.asked[1]["auth"] == "chap"


async def test_without_a_port_there_is_no_device(peer: HelperPeer) -> None:
    with pytest.raises(BearerFailed) as failed:
        await PppBearer(HelperClient(peer.socket), None, None).up(ACCESS)
    assert failed.value.trouble is BearerTrouble.NO_DEVICE


@pytest.mark.parametrize("word", ["no_device", "apn_refused", "no_network", "timeout", "program_missing"])
async def test_why_pppd_has_no_data_is_said_in_the_helpers_word(peer: HelperPeer, word: str) -> None:
    peer.refusals["ppp_start"] = word
    with pytest.raises(BearerFailed) as failed:
        await _bearer(peer.socket).up(ACCESS)
    assert failed.value.trouble == word
    assert "hunter2" not in failed.value.text


async def test_a_dial_that_is_cancelled_is_stopped_by_down(peer: HelperPeer) -> None:
    peer.hold_s["ppp_start"] = 30.0
    bearer = _bearer(peer.socket)
    async with asyncio.TaskGroup() as tasks:
        dialling = tasks.create_task(bearer.up(ACCESS))
        async with asyncio.timeout(20):
            while not peer.ppp:  # noqa: ASYNC110 - the helper's side has no event
                await asyncio.sleep(0.005)
        dialling.cancel()
    await bearer.down()
    assert not peer.ppp
    peer.hold_s.clear()


@needs_namespaces
async def test_it_is_alive_while_its_interface_is(peer: HelperPeer) -> None:
    with network() as net:
        net.host.ip("link add ppp0 type veth peer name ppp0far", "link set ppp0 up", "link set ppp0far up")
        with net.host.inside():
            bearer = _bearer(peer.socket)
            assert not await bearer.alive()
            await bearer.up(ACCESS)
            async with asyncio.timeout(20):
                while not await bearer.alive():  # noqa: ASYNC110 - the kernel says it a moment later
                    await asyncio.sleep(0.01)
            net.host.ip("link del ppp0")
            assert not await bearer.alive()


# --- a real session --------------------------------------------------------------------------------------------------


@needs_namespaces
@pytest.mark.skipif(NO_PPP is not None, reason=str(NO_PPP))
@pytest.mark.skipif(shutil.which("pppd") is None, reason="pppd is not installed")
async def test_a_real_session_over_the_emulated_modem_passes_traffic(modem: Emulator) -> None:
    """pppd of the helper, chat, the emulator's data call, and at the network's end another pppd."""
    options = ("--tty", "/dev/pts/*", "--interface", "ppp*")
    with network() as net, helper_process(net.host, *options) as helper, net.host.inside():
        bearer = _bearer(helper.socket, str(modem.folder / "if03"))
        net.carrier.popen("sh", "-c", _SERVER.format(link=modem.folder / "data"))
        found = await bearer.up(DataAccess("internet"))
        assert found == BearerUp("ppp0", "10.64.64.2/32", None, ("10.64.64.1",))
        net.host.run("ping", "-c1", "-W20", "-I", "ppp0", "10.64.64.1")
        assert await bearer.alive()
        await bearer.down()
        assert not await bearer.alive()


_SERVER = (
    "while [ ! -e {link} ]; do sleep 0.05; done; exec pppd $(readlink -f {link}) 115200 10.64.64.1:10.64.64.2 noauth "
    "nodetach local nolock nodefaultroute passive noipv6 noccp novj ms-dns 10.64.64.1 unit 7"
)
