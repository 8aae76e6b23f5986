"""Which modem a line means, and what is said about those that won't do."""

import pytest

from core.modem.usb import UsbModem
from core.modem.usb_choice import (
    AmbiguousModem,
    NoSuchModem,
    UsbSelector,
    WrongComposition,
    choose,
    switch_ports,
)
from core.modem.usb_roles import COMPOSITIONS, SWITCH_TO_9001, Role, Use, composition_of, explain

PORTS = {number: f"/dev/ttyUSB{number}" for number in range(8)}


def stick(
    path: str, *, vendor: str = "1e0e", product: str = "9001", serial: str | None = "0123456789ABCDEF"
) -> UsbModem:
    return UsbModem(vendor, product, path, 1, serial, PORTS)


def test_the_only_modem_is_taken_without_being_named() -> None:
    assert choose([stick("1-1")], UsbSelector()).path == "1-1"


def test_of_two_the_usb_path_tells_which() -> None:
    sticks = [stick("1-1.3"), stick("1-1.4")]
    assert choose(sticks, UsbSelector(path="1-1.4")).path == "1-1.4"


def test_of_two_the_serial_number_tells_which_when_they_differ() -> None:
    sticks = [stick("1-1.3", serial="A"), stick("1-1.4", serial="B")]
    assert choose(sticks, UsbSelector(serial="B")).path == "1-1.4"


@pytest.mark.parametrize("selector", [UsbSelector(), UsbSelector(serial="0123456789ABCDEF")])
def test_a_choice_that_fits_two_names_both_paths(selector: UsbSelector) -> None:
    with pytest.raises(AmbiguousModem, match=r"1-1\.3 and 1-1\.4") as refusal:
        choose([stick("1-1.3"), stick("1-1.4")], selector)
    assert refusal.value.paths == ("1-1.3", "1-1.4")


def test_a_modem_for_calls_goes_before_one_that_would_have_to_be_switched() -> None:
    assert choose([stick("1-1", product="9011"), stick("1-2")], UsbSelector()).path == "1-2"


def test_a_line_for_one_family_passes_over_the_other() -> None:
    both = [stick("1-1"), stick("1-2", vendor="2c7c", product="0125")]
    assert choose(both, UsbSelector(products=frozenset({"2c7c:0125"}))).path == "1-2"


def test_a_line_for_one_family_does_not_mind_another_familys_composition() -> None:
    with pytest.raises(NoSuchModem):
        choose([stick("1-1", product="9011")], UsbSelector(products=frozenset({"2c7c:0125"})))
    with pytest.raises(WrongComposition):
        choose([stick("1-1", product="9011")], UsbSelector(products=frozenset({"1e0e:9001"})))


def test_a_modem_in_another_composition_is_explained_and_can_be_switched() -> None:
    with pytest.raises(WrongComposition, match="RNDIS") as refusal:
        choose([stick("1-1", product="9011")], UsbSelector())
    assert refusal.value.switchable
    assert SWITCH_TO_9001 in str(refusal.value)
    assert switch_ports(refusal.value.modem) == ("/dev/ttyUSB4", "/dev/ttyUSB5")


def test_of_several_that_will_not_do_the_one_that_can_be_switched_is_told() -> None:
    with pytest.raises(WrongComposition) as refusal:
        choose([stick("1-1", product="901e"), stick("1-2", product="9011")], UsbSelector())
    assert refusal.value.modem.path == "1-2"
    with pytest.raises(AmbiguousModem) as two:
        choose([stick("1-1", product="9018"), stick("1-2", product="9011")], UsbSelector())
    assert two.value.paths == ("1-1", "1-2")


def test_a_composition_without_a_map_is_tried_on_all_ports_but_the_first_which_is_diag() -> None:
    modem = stick("1-1", product="9025")
    assert switch_ports(modem) == tuple(f"/dev/ttyUSB{number}" for number in range(1, 8))


@pytest.mark.parametrize("product", ["901e", "1025", "9206"])
def test_what_can_not_be_used_is_never_offered_nor_switched(product: str) -> None:
    with pytest.raises(WrongComposition) as refusal:
        choose([stick("1-1", product=product)], UsbSelector())
    assert not refusal.value.switchable
    assert "AT+CUSBPIDSWITCH" not in str(refusal.value)
    assert switch_ports(refusal.value.modem) == ()


def test_nothing_fitting_says_what_there_is() -> None:
    with pytest.raises(NoSuchModem, match=r"usb path 9-9.*1-1"):
        choose([stick("1-1")], UsbSelector(path="9-9"))
    with pytest.raises(NoSuchModem, match="no SIMCom or Quectel device"):
        choose([], UsbSelector())


def test_what_the_manual_lists_can_be_switched_even_if_nobody_described_it() -> None:
    found = composition_of("1e0e", "902a")
    assert found is not None and found.use is Use.SWITCH
    assert SWITCH_TO_9001 in explain("1e0e", "902a")


def test_unknown_ids_are_said_to_be_unknown() -> None:
    assert composition_of("1e0e", "ffff") is None
    assert "unknown id 1e0e:ffff" in explain("1e0e", "ffff")
    assert "1e0e:9001" in explain("12d1", "1506")


def test_the_emulated_and_the_specified_roles_agree() -> None:
    roles = COMPOSITIONS[("1e0e", "9001")].roles
    assert roles == {Role.DIAG: 0, Role.NMEA: 1, Role.AT: 2, Role.VOICE: 3, Role.PCM: 4, Role.QMI: 5}


def test_each_composition_for_calls_has_all_that_calls_need_and_no_diag_among_them() -> None:
    for known in COMPOSITIONS.values():
        if known.use is Use.CALLS:
            assert {Role.AT, Role.VOICE, Role.PCM} <= known.roles.keys()
            used = {known.roles[role] for role in (Role.AT, Role.VOICE, Role.PCM)}
            assert known.roles[Role.DIAG] not in used


def test_all_ids_are_four_lower_case_digits() -> None:
    for vendor, product in COMPOSITIONS:
        assert len(vendor) == len(product) == 4
        assert (vendor + product).lower() == vendor + product and int(vendor + product, 16)
