"""Where the modem's data interface is: by its place on the USB, whatever its names are by now."""

from pathlib import Path

import pytest

from core.config import NetConfig
from core.net.bearers import ModemDevice, make_bearer
from core.net.bearers.device import DataWay, DeviceFinder
from core.net.helper_client import HelperClient
from tests.net.modem_tree import USB_PATH, ModemTree


@pytest.fixture
def modem(tmp_path: Path) -> ModemTree:
    return ModemTree(tmp_path)


def test_a_qmi_modem_is_found_by_its_usb_path_with_card_and_control_device(modem: ModemTree) -> None:
    modem.qmi(index=1)
    found = modem.finder().find()
    assert found is not None
    assert (found.interface, found.control, found.driver) == ("wwan1", "/dev/cdc-wdm1", "qmi_wwan")
    assert found.way is DataWay.QMI


@pytest.mark.parametrize("driver", ["rndis_host", "cdc_ether"])
def test_a_modem_that_plays_network_card_is_one(modem: ModemTree, driver: str) -> None:
    modem.card(driver=driver)
    found = modem.finder().find()
    assert found is not None
    assert (found.interface, found.control, found.way) == ("usb0", None, DataWay.ECM)


def test_after_a_replug_it_is_another_life_under_other_names(modem: ModemTree) -> None:
    modem.qmi()
    finder = modem.finder()
    before = finder.find()
    modem.unplug()
    assert finder.find() is None
    modem.qmi(devnum=5, index=2)
    after = finder.find()
    assert before is not None
    assert after is not None
    assert after.interface == "wwan2"
    assert after.life != before.life


def test_a_reboot_is_another_life(modem: ModemTree) -> None:
    modem.qmi()
    before = modem.finder().find()
    (modem.folder / "proc/sys/kernel/random/boot_id").write_text("0ther\n")
    after = modem.finder().find()
    assert before is not None
    assert after is not None
    assert after.life != before.life


def test_without_a_usb_path_the_only_modem_is_taken_and_of_two_neither(modem: ModemTree) -> None:
    modem.qmi("1-1.4")
    assert modem.finder(None).find() is not None
    modem.qmi("1-1.3", devnum=6, index=1)
    assert modem.finder(None).find() is None
    named = modem.finder(None, interface="wwan1").find()
    assert named is not None
    assert named.control == "/dev/cdc-wdm1"
    by_control = modem.finder(None, control="/dev/cdc-wdm0").find()
    assert by_control is not None
    assert by_control.interface == "wwan0"


def test_somebody_elses_network_card_is_never_taken(modem: ModemTree) -> None:
    modem.tree.plug("1-2", vendor="0bda", product="8153", devnum=9)
    folder = modem.tree.interface("1-2", 0, "cdc_ether")
    (folder / "net/enx00e04c680001").mkdir(parents=True)
    assert modem.finder(None).find() is None


def test_what_the_configuration_names_wins(modem: ModemTree) -> None:
    modem.qmi()
    found = modem.finder(USB_PATH, interface="wwan7", control="/dev/cdc-wdm9").find()
    assert found is not None
    assert (found.interface, found.control) == ("wwan7", "/dev/cdc-wdm9")


def test_names_that_no_usb_device_has_are_believed(modem: ModemTree) -> None:
    found = modem.finder(None, interface="wwan0", control="/dev/cdc-wdm0").find()
    assert found is not None
    assert found.way is DataWay.QMI
    assert modem.finder(None).find() is None


def test_a_folder_of_ports_is_no_usb_path(modem: ModemTree) -> None:
    modem.qmi()
    assert modem.finder("/tmp/ports").find() is not None


def _make(modem: ModemTree, **config: object) -> str:
    net = NetConfig(**config)  # type: ignore[arg-type]
    device = ModemDevice(USB_PATH, {"voice": "/dev/ttyUSB3"}, modem.folder)
    return make_bearer(net, HelperClient("/none"), device=device, state_dir=modem.folder / "state").kind


def test_auto_is_qmi_with_a_control_device_and_ecm_with_a_network_card(tmp_path: Path) -> None:
    first, second = ModemTree(tmp_path / "one"), ModemTree(tmp_path / "two")
    first.qmi()
    second.card()
    assert _make(first) == "qmi"
    assert _make(second) == "ecm"
    assert _make(first, bearer="ppp") == "ppp"
    assert _make(second, bearer="qmi") == "qmi"
    with pytest.raises(ValueError, match="none"):
        _make(first, bearer="none")


def test_nothing_is_found_where_there_is_nothing() -> None:
    assert DeviceFinder(ModemDevice(None, {}, Path("/nonexistent"))).find() is None
