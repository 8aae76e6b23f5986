"""Reading sysfs: real directories and links, laid out as Linux does."""

from pathlib import Path

import pytest

from core.modem.usb import UsbModem
from core.modem.usb_roles import Role
from core.modem.usb_sysfs import SysfsScan
from tests.modem.usb_tree import SysfsTree, ttys


@pytest.fixture
def tree(tmp_path: Path) -> SysfsTree:
    return SysfsTree(tmp_path)


def scan(tree: SysfsTree) -> dict[str, UsbModem]:
    found = SysfsScan(str(tree.root), str(tree.dev)).scan()
    return {modem.path: modem for modem in found}


def test_a_stick_is_found_with_its_ports_by_interface(tree: SysfsTree) -> None:
    tree.plug("1-1.4", ttys=ttys(0), qmi=(5, 0))
    modem = scan(tree)["1-1.4"]
    assert (modem.vendor, modem.product, modem.serial, modem.plug) == ("1e0e", "9001", "0123456789ABCDEF", 4)
    assert modem.port(Role.AT) == str(tree.dev / "ttyUSB2")
    assert modem.port(Role.PCM) == str(tree.dev / "ttyUSB4")
    assert (modem.net, modem.qmi) == ("wwan0", str(tree.dev / "cdc-wdm0"))
    assert modem.drivers == {0: "option", 1: "option", 2: "option", 3: "option", 4: "option", 5: "qmi_wwan"}
    assert modem.complete


def test_two_sticks_with_one_serial_number_are_told_apart_by_where_they_are(tree: SysfsTree) -> None:
    tree.plug("1-1.3", devnum=4, ttys=ttys(5), qmi=(5, 1))
    tree.plug("1-1.4", devnum=5, ttys=ttys(0), qmi=(5, 0))
    found = scan(tree)
    assert found["1-1.3"].serial == found["1-1.4"].serial
    assert found["1-1.3"].port(Role.AT) == str(tree.dev / "ttyUSB7")
    assert found["1-1.4"].port(Role.AT) == str(tree.dev / "ttyUSB2")
    assert found["1-1.3"].net == "wwan1"


def test_interface_numbers_are_hexadecimal(tree: SysfsTree) -> None:
    tree.plug("2-1", product="902b", ttys={9: "ttyUSB0", 16: "ttyUSB1", 10: "ttyUSB2"})
    assert scan(tree)["2-1"].ports == {
        9: str(tree.dev / "ttyUSB0"),
        10: str(tree.dev / "ttyUSB2"),
        16: str(tree.dev / "ttyUSB1"),
    }


def test_ports_keep_their_roles_when_they_come_back_in_another_order(tree: SysfsTree) -> None:
    tree.plug("1-1.4", ttys={0: "ttyUSB9", 1: "ttyUSB3", 2: "ttyUSB10", 3: "ttyUSB1", 4: "ttyUSB0"})
    modem = scan(tree)["1-1.4"]
    assert modem.port(Role.AT) == str(tree.dev / "ttyUSB10")
    assert modem.port(Role.PCM) == str(tree.dev / "ttyUSB0")


def test_a_port_counts_only_when_its_device_node_is_there(tree: SysfsTree) -> None:
    tree.plug("1-1.4", ttys=ttys(0))
    (tree.dev / "ttyUSB4").unlink()
    modem = scan(tree)["1-1.4"]
    assert modem.port(Role.PCM) is None
    assert not modem.complete
    assert "interface 4" in modem.explain() and "/dev has no node" in modem.explain()


def test_a_stick_that_no_driver_took_is_found_without_ports_and_says_so(tree: SysfsTree) -> None:
    tree.plug("1-1.4")
    modem = scan(tree)["1-1.4"]
    assert modem.ports == {}
    assert "modprobe option" in modem.explain()


def test_rndis_has_its_serial_ports_after_the_network_function(tree: SysfsTree) -> None:
    device = tree.plug("1-1", product="9011", ttys=ttys(0, (2, 3, 4, 5, 6)))
    folder = tree.interface("1-1", 0, "rndis_host")
    (folder / "net" / "usb0").mkdir(parents=True)
    modem = scan(tree)["1-1"]
    assert device.is_dir()
    assert modem.port(Role.AT) == str(tree.dev / "ttyUSB2")
    assert modem.net == "usb0" and modem.drivers is not None and modem.drivers[0] == "rndis_host"
    assert "AT+CUSBPIDSWITCH=9001,1,1" in modem.explain() and "interface 4" in modem.explain()


def test_quectel_has_its_voice_on_the_nmea_port(tree: SysfsTree) -> None:
    tree.plug("3-2", vendor="2c7c", product="0125", ttys=ttys(0, (0, 1, 2, 3)), qmi=(4, 0))
    modem = scan(tree)["3-2"]
    assert modem.complete
    assert modem.port(Role.PCM) == modem.port(Role.NMEA) == str(tree.dev / "ttyUSB1")


def test_a_cdc_acm_port_counts_too(tree: SysfsTree) -> None:
    tree.plug("1-1", product="9025")
    (tree.interface("1-1", 2, "cdc_acm") / "tty" / "ttyACM0").mkdir(parents=True)
    (tree.dev / "ttyACM0").touch()
    assert scan(tree)["1-1"].ports == {2: str(tree.dev / "ttyACM0")}


def test_other_devices_hubs_and_half_gone_ones_are_left_out(tree: SysfsTree) -> None:
    tree.plug("usb1", vendor="1d6b", product="0002")
    tree.plug("1-1", vendor="046d", product="c31c")
    (tree.plug("1-2") / "idProduct").unlink()
    (tree.root / "bus/usb/devices/1-9").symlink_to(tree.root / "nowhere")
    assert scan(tree) == {}


def test_a_machine_without_usb_has_no_modems(tmp_path: Path) -> None:
    assert SysfsScan(str(tmp_path / "none"), str(tmp_path)).scan() == ()


def test_the_serial_number_is_read_once_a_plug_because_the_kernel_may_hold_it_back(tree: SysfsTree) -> None:
    device = tree.plug("1-1.4", serial="one")
    scanner = SysfsScan(str(tree.root), str(tree.dev))
    assert scanner.scan()[0].serial == "one"
    (device / "serial").write_text("two\n")
    assert scanner.scan()[0].serial == "one"
    (device / "devnum").write_text("9\n")
    assert scanner.scan()[0].serial == "two"
