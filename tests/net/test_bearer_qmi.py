"""Data over QMI. Most tests run with the real qmicli, on a modem that speaks QMI on a pty, and the stand-in."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.net.bearers import qmi
from core.net.bearers.qmi import QmiBearer
from core.net.helper_client import HelperClient
from core.net.types import BearerFailed, BearerTrouble, BearerUp, DataAccess
from tests.net.helper_peer import helper_peer
from tests.net.modem_tree import ModemTree
from tests.net.namespaces import needs_namespaces, network
from tests.net.qmi_desk import NO_QMICLI, FakeQmicli, QmiDesk, RealQmicli, be_patient, qmi_desk
from tests.net.qmi_modem import QmiModem, qmi_proxy

ACCESS = DataAccess("internet")
UP = BearerUp("wwan0", "10.64.0.2/30", "10.64.0.1", ("10.64.0.1",), 1430)

_real = pytest.mark.skipif(NO_QMICLI is not None, reason=str(NO_QMICLI))


@pytest.fixture(params=[pytest.param(True, id="real", marks=_real), pytest.param(False, id="fake")])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[QmiDesk]:
    async with qmi_desk(tmp_path, real=request.param) as made:
        yield made


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[QmiDesk]:
    """With the real one where there is one: it is four times as quick, and that both say the same has its own test."""
    async with qmi_desk(tmp_path, real=NO_QMICLI is None) as made:
        yield made


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


@pytest.fixture
def quick_start(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than a second for a start that is never answered: how long it is isn't what is tested."""
    monkeypatch.setattr(qmi, "START_S", 0.6)


@pytest.fixture
def quick_release(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a release."""
    monkeypatch.setattr(qmi, "RELEASE_S", 1.2)


async def _fails(desk: QmiDesk, access: DataAccess = ACCESS) -> BearerFailed:
    with pytest.raises(BearerFailed) as failed:
        await desk.bearer().up(access)
    return failed.value


async def test_up_gives_what_the_network_gave_and_down_takes_all_of_it_back(both: QmiDesk) -> None:
    bearer = both.bearer()
    assert await bearer.up(ACCESS) == UP
    assert both.tree.raw_ip().read_text() == "Y\n"
    assert both.helper.links == {"wwan0": True}
    assert both.helper.addresses == {("wwan0", "10.64.0.2/30")}
    assert len(both.peer.clients) == len(both.peer.networks) == 1
    assert await bearer.alive()
    await bearer.renew()
    await bearer.down()
    assert both.is_clean()
    assert not await bearer.alive()


async def test_the_link_is_down_while_its_framing_changes_and_up_before_it_has_an_address(desk: QmiDesk) -> None:
    await desk.bearer().up(ACCESS)
    assert desk.helper.verbs() == ["raw_ip", "link", "address"]
    assert desk.helper.asked[1] == {"verb": "link", "interface": "wwan0", "up": True, "mtu": 1430}


async def test_up_again_releases_what_the_first_one_has(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    (first,) = desk.peer.clients
    await bearer.up(ACCESS)
    (second,) = desk.peer.clients
    assert first != second
    assert desk.peer.syncs == 0
    await bearer.down()
    assert desk.is_clean()


async def test_a_daemon_that_was_killed_has_its_ids_released_by_the_next_one(both: QmiDesk) -> None:
    await both.bearer().up(ACCESS)
    (first,) = both.peer.clients
    after = both.bearer()
    assert await after.up(ACCESS) == UP
    assert first not in both.peer.clients
    assert len(both.peer.clients) == 1
    assert both.peer.syncs == 0


async def test_a_daemon_that_was_killed_has_its_ids_released_by_a_down_too(desk: QmiDesk) -> None:
    await desk.bearer().up(ACCESS)
    await desk.bearer().down()
    assert not desk.peer.clients


async def test_ids_of_an_earlier_life_of_the_modem_are_not_touched(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    desk.tree.unplug()
    desk.peer.restart()
    assert not await bearer.alive()
    desk.tree.qmi(devnum=5)
    stranger = desk.peer
    assert not await bearer.alive()
    assert await bearer.up(ACCESS) == UP
    assert desk.tree.raw_ip().read_text() == "Y\n", "the kernel's end forgets it with each plug"
    assert len(stranger.clients) == 1
    await bearer.down()
    assert desk.is_clean()


async def test_an_id_that_the_modem_has_given_to_somebody_else_since_its_reset_is_left_alone(tmp_path: Path) -> None:
    async with qmi_desk(tmp_path, real=False) as desk:
        bearer = desk.bearer()
        await bearer.up(ACCESS)
        desk.tree.unplug()
        desk.tree.qmi(devnum=5)
        theirs = desk.peer.clients  # the same number, another life
        await desk.bearer().down()
        assert desk.peer.clients == theirs


async def test_a_modem_that_has_reset_without_leaving_the_bus_is_not_alive_and_up_begins_anew(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    desk.peer.restart()
    assert not await bearer.alive()
    assert await bearer.up(ACCESS) == UP
    await bearer.down()
    assert desk.is_clean()


async def test_a_link_whose_framing_is_lost_is_not_alive(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    desk.tree.raw_ip().write_text("N\n")
    assert not await bearer.alive()


@pytest.mark.parametrize(
    ("said", "alive"),
    [
        (["error: operation failed: Transaction timed out"], True),  # the next one is qmicli's own
        (["error: operation failed: Transaction timed out"] * 2, False),
        (["error: couldn't get packet service status: QMI protocol error (7): 'InvalidClientId'"], False),
        (["[/dev/cdc-wdm0] Connection status: 'suspended'"], True),  # by a call over GSM
        (["[/dev/cdc-wdm0] Connection status: 'disconnected'"], False),
    ],
)
async def test_one_answer_that_got_lost_ends_no_data_that_flow(
    desk: QmiDesk, tmp_path: Path, said: list[str], alive: bool
) -> None:
    await desk.bearer().up(ACCESS)
    program = tmp_path / "qmicli"
    words = "\n".join(f'[ $n = {number} ] && {{ echo "{text}"; exit {int("error" in text)}; }}'
                      for number, text in enumerate(said))  # fmt: skip
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *packet-service-status*) ;; *) exec {desk.peer.program} "$@";; esac\n'
        f'n=$(cat "$0.n" 2>/dev/null || echo 0); echo $((n + 1)) > "$0.n"\n{words}\nexec {desk.peer.program} "$@"\n'
    )
    program.chmod(0o755)
    helper, finder = HelperClient(desk.helper.socket), desk.tree.finder()
    bearer = QmiBearer(helper, finder, desk.state, program=str(program), proxy=False)
    await bearer.up(ACCESS)
    assert await bearer.alive() is alive


async def test_a_network_that_has_ended_is_not_alive(desk: QmiDesk) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    if isinstance(desk.peer, RealQmicli):
        desk.peer.modem.networks.clear()
    else:
        path = desk.tree.folder.parent / "modem/modem.json"
        path.write_text(path.read_text().replace('"networks": {"', '"was": {"'))
    assert not await bearer.alive()


@pytest.mark.parametrize(
    ("start", "trouble"),
    [
        ("apn", BearerTrouble.APN_REFUSED),
        ("login", BearerTrouble.APN_REFUSED),
        ("no_network", BearerTrouble.NO_NETWORK),
    ],
)
async def test_a_network_that_refuses_is_typed_and_leaves_nothing(
    desk: QmiDesk, start: str, trouble: BearerTrouble
) -> None:
    desk.peer.order(start=start)
    failed = await _fails(desk, DataAccess("internet", "chap", "someone", "hunter2"))
    assert failed.trouble is trouble
    assert "hunter2" not in failed.text
    assert desk.is_clean()


async def test_ids_that_nobody_released_are_cleared_once_and_the_start_tried_again(both: QmiDesk) -> None:
    both.peer.order(no_ids=True)
    bearer = both.bearer()
    assert await bearer.up(ACCESS) == UP
    assert both.peer.syncs == 1
    await bearer.down()
    assert both.is_clean()


async def test_a_call_that_somebody_left_standing_is_cleared_once(both: QmiDesk) -> None:
    both.peer.order(start="in_use")
    assert await both.bearer().up(ACCESS) == UP
    assert both.peer.syncs == 1


async def test_a_modem_that_insists_on_ethernet_frames_is_said_to(desk: QmiDesk) -> None:
    desk.peer.order(keeps_protocol=True)
    failed = await _fails(desk)
    assert failed.trouble is BearerTrouble.FAILED
    assert "802-3" in failed.text
    assert desk.is_clean()


async def test_without_settings_dhcp_is_asked_and_its_lease_renewed(desk: QmiDesk) -> None:
    desk.peer.order(settings=None)
    bearer = desk.bearer()
    up = await bearer.up(ACCESS)
    assert (up.address, up.gateway, up.mtu) == ("192.168.225.33/24", "192.168.225.1", 1420)
    assert desk.helper.addresses == {("wwan0", "192.168.225.33/24")}
    await bearer.down()
    assert desk.is_clean()


async def test_without_settings_and_dhcp_it_is_dhcp_that_is_silent(desk: QmiDesk) -> None:
    desk.peer.order(settings=None)
    desk.helper.refusals["dhcp"] = "dhcp_silent"
    assert (await _fails(desk)).trouble is BearerTrouble.DHCP_SILENT
    assert desk.is_clean()


async def test_no_modem_is_no_device(desk: QmiDesk) -> None:
    desk.tree.unplug()
    assert (await _fails(desk)).trouble is BearerTrouble.NO_DEVICE
    assert desk.is_clean()


@pytest.mark.parametrize(("trouble", "is_"), [("no_interface", BearerTrouble.NO_DEVICE), ("refused", "failed")])
async def test_a_helper_that_refuses_fails_the_start_and_leaves_no_id(desk: QmiDesk, trouble: str, is_: str) -> None:
    desk.helper.refusals["address"] = trouble
    assert (await _fails(desk)).trouble == is_
    del desk.helper.refusals["address"]
    assert not desk.peer.clients


async def test_without_a_helper_it_is_said_and_nothing_is_left(desk: QmiDesk, tmp_path: Path) -> None:
    desk.helper.socket = tmp_path / "nobody.sock"
    assert (await _fails(desk)).trouble is BearerTrouble.NO_HELPER
    assert not desk.peer.clients


async def test_without_qmicli_the_program_is_missing(desk: QmiDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert (await _fails(desk)).trouble is BearerTrouble.PROGRAM_MISSING


async def test_a_start_without_an_answer_is_ended_in_time_and_its_id_released(both: QmiDesk, quick_start: None) -> None:
    _mute_start(both)
    began_s = time.monotonic()
    failed = await _fails(both)
    assert failed.trouble is BearerTrouble.TIMEOUT
    assert time.monotonic() - began_s < 30
    assert both.is_clean()


async def test_a_modem_that_is_deaf_while_all_is_given_back_gets_it_back_later(
    desk: QmiDesk, quick_release: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = desk.bearer()
    await bearer.up(ACCESS)
    _mute(desk)
    began_s = time.monotonic()
    await bearer.down()
    assert time.monotonic() - began_s < 30
    assert not desk.helper.addresses
    _unmute(desk)
    be_patient(monkeypatch)
    await desk.bearer().down()
    assert desk.is_clean()


async def test_a_modem_that_is_mute_to_an_old_client_alone_forgets_all_of_them(
    desk: QmiDesk, quick_release: None
) -> None:
    """Firmware answers nothing to a client id that it does not know any more."""
    await desk.bearer().up(ACCESS)
    _mute_stop(desk)
    assert await desk.bearer().up(ACCESS) == UP
    assert desk.peer.syncs == 1 and len(desk.peer.clients) == len(desk.peer.networks) == 1


@pytest.mark.parametrize(
    "words",
    ["error: couldn't open the QmiDevice: Could not open: Device or resource busy", "Killed", ""],
)
async def test_ids_are_not_forgotten_when_the_modem_was_not_even_asked(
    desk: QmiDesk, tmp_path: Path, words: str
) -> None:
    await desk.bearer().up(ACCESS)
    program = tmp_path / "qmicli"
    program.write_text(f'#!/bin/sh\necho "{words}"\nexit 1\n')
    program.chmod(0o755)
    await QmiBearer(HelperClient(desk.helper.socket), desk.tree.finder(), desk.state, program=str(program)).down()
    assert desk.peer.clients
    await desk.bearer().down()
    assert not desk.peer.clients and not desk.peer.networks


async def test_what_the_network_is_asked_is_what_was_wanted(tmp_path: Path) -> None:
    """Quotes, blanks, commas and equal signs reach the modem as they are: the real parser, up to the QMI message."""
    if NO_QMICLI:
        pytest.skip(NO_QMICLI)
    logins = [("pap", "me", "a,b=c"), ("chap", "it's", 'say "no"'), ("pap", " blank ", "=,'"), ("none", "", "")]
    async with qmi_desk(tmp_path, real=True) as desk:
        assert isinstance(desk.peer, RealQmicli)
        for auth, user, password in logins:
            await desk.bearer().up(DataAccess("data.example.net", auth, user or None, password or None))
            code = {"none": 0, "pap": 1, "chap": 2}[auth]
            assert desk.peer.modem.started[-1] == ("data.example.net", user, password, code, 4)


@needs_namespaces
async def test_as_root_every_command_goes_through_the_proxy(tmp_path: Path) -> None:
    """Whose socket is of the network namespace, so that a whole one of our own stands in its place."""
    if NO_QMICLI:
        pytest.skip(NO_QMICLI)
    modem, tree, device = QmiModem(), ModemTree(tmp_path / "root"), tmp_path / "root/dev/cdc-wdm0"
    tree.qmi()
    device.symlink_to("/dev/null")  # a character device, as libqmi wants it; the proxy is who would open it
    async with helper_peer(tmp_path / "h.sock", tmp_path / "root/sys") as peer:
        with network() as net, net.host.inside(), qmi_proxy(modem) as asked:
            bearer = QmiBearer(HelperClient(peer.socket), tree.finder(), tmp_path / "state")
            assert await bearer.up(ACCESS) == UP
            assert await bearer.alive()
            await bearer.down()
    assert not modem.clients
    assert len(asked) == 8
    assert set(asked) <= {"/dev/null", str(device)}


async def test_each_command_of_ours_is_known_to_both_and_says_the_same(tmp_path: Path) -> None:
    """The stand-in's texts are those of the real one, run for run."""
    if NO_QMICLI:
        pytest.skip(NO_QMICLI)
    printed = {}
    for real in (True, False):
        folder = tmp_path / str(real)
        async with qmi_desk(folder, real=real) as desk:
            printed[real] = await _all_outputs(desk, str(folder))
    assert printed[True] == printed[False]


async def _all_outputs(desk: QmiDesk, folder: str) -> list[str]:
    """What the file of qmicli's output holds after each command: of a whole life, and of each way to fail."""
    bearer = desk.bearer()
    seen: list[str] = []
    run = bearer._qmicli._run

    async def noted(arguments: tuple[str, ...], timeout_s: float) -> tuple[int, str]:
        code, text = await run(arguments, timeout_s)
        lines = [line.replace(folder, "") for line in text.splitlines() if "-Warning **" not in line]
        seen.append(f"{code} " + "\n".join(sorted(lines)))
        return code, text

    bearer._qmicli._run = noted  # type: ignore[method-assign]
    await bearer.up(ACCESS)
    assert await bearer.alive()
    await bearer.down()
    for orders in ({"start": "apn"}, {"start": "in_use"}, {"no_ids": True}, {"settings": None}):
        desk.peer.order(start=None, **orders) if "start" not in orders else desk.peer.order(**orders)
        with contextlib.suppress(BearerFailed):
            await bearer.up(ACCESS)
    desk.peer.order(start=None)
    desk.peer.restart()
    await bearer.alive()
    await bearer.down()
    return seen


async def test_a_hung_qmicli_that_ignores_sigterm_is_killed(tmp_path: Path, quick_start: None) -> None:
    async with qmi_desk(tmp_path, real=False) as desk:
        desk.peer.order(stubborn=["wds-start-network"])
        began_s = time.monotonic()
        assert (await _fails(desk)).trouble is BearerTrouble.TIMEOUT
        assert time.monotonic() - began_s < 30
        assert desk.is_clean()


async def test_a_qmicli_that_dies_after_the_modem_gave_an_id_is_known_by_its_network(tmp_path: Path) -> None:
    async with qmi_desk(tmp_path, real=False) as desk:
        desk.peer.order(crash=["wds-start-network"])
        assert (await _fails(desk)).trouble is BearerTrouble.FAILED
        assert desk.is_clean()


async def test_no_command_line_shows_a_password_but_the_one_that_needs_it(tmp_path: Path) -> None:
    async with qmi_desk(tmp_path, real=False) as desk:
        assert isinstance(desk.peer, FakeQmicli)
        bearer = desk.bearer()
        await bearer.up(DataAccess("internet", "chap", "someone", "hunter2"))
        await bearer.alive()
        await bearer.down()
        assert any("--wds-stop-network=3767194112" in call for call in desk.peer.calls)
        shown = [call for call in desk.peer.calls if any("hunter2" in word for word in call)]
        assert len(shown) == 1
        assert any(word.startswith("--wds-start-network=") for word in shown[0])
        assert all("hunter2" not in path.read_text() for path in (desk.state / "net").iterdir())


async def test_two_lives_never_run_qmicli_at_the_same_time(tmp_path: Path) -> None:
    async with qmi_desk(tmp_path, real=False) as desk:
        desk.peer.order(slow_s={"wda-get-data-format": 0.3})
        first, second = desk.bearer(), desk.bearer()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first._qmicli.run(("--device", "/dev/cdc-wdm0", "--wda-get-data-format"), timeout_s=30))
            began_s = time.monotonic()
            await asyncio.sleep(0.05)
            await second._qmicli.run(("--device", "/dev/cdc-wdm0", "--wds-noop"), timeout_s=30)
        assert time.monotonic() - began_s > 0.3


def _mute_start(desk: QmiDesk) -> None:
    if isinstance(desk.peer, RealQmicli):
        desk.peer.order(mute={(0x01, 0x20)})
    else:
        desk.peer.order(hang=["wds-start-network"])


def _mute_stop(desk: QmiDesk) -> None:
    if isinstance(desk.peer, RealQmicli):
        desk.peer.order(mute={(0x01, 0x21)})
    else:
        desk.peer.order(hang=["wds-stop-network"])


def _mute(desk: QmiDesk) -> None:
    """Says nothing at all."""
    if isinstance(desk.peer, RealQmicli):
        desk.peer.order(mute={(0x01, 0x21), (0x00, 0x22), (0x00, 0x23)})
    else:
        desk.peer.order(stubborn=["wds-stop-network", "wds-noop"])


def _unmute(desk: QmiDesk) -> None:
    desk.peer.order(**({"mute": set()} if isinstance(desk.peer, RealQmicli) else {"stubborn": []}))
