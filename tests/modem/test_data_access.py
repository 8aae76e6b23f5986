"""What the internet connection is told of a line: access point, login and where the modem is."""

import pytest

from core.config import LineConfig
from core.line import LineData
from core.modem.carriers import Auth
from core.modem.data_access import line_data
from core.modem.packet_plan import Access
from core.modem.session import PortPaths

PATHS = PortPaths(at="/dev/a", voice="/dev/v", pcm="/dev/p")


def test_what_the_carriers_list_says_of_the_sim_counts_and_the_ports_as_they_are() -> None:
    access = Access("web.example", "ims", Auth.PAP, "me", "secret")
    found = line_data(LineConfig(usb_path="1-1.4"), access, PATHS, None)
    assert found == LineData(
        "web.example", "pap", "me", "secret", "1-1.4", (("at", "/dev/a"), ("voice", "/dev/v"), ("pcm", "/dev/p"))
    )
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("auth", "told"), [(Auth.NONE, "none"), (Auth.CHAP, "chap"), (Auth.PAP_OR_CHAP, "chap")]
)  # fmt: skip
def test_a_carrier_that_takes_both_logins_gets_the_one_that_keeps_the_password(auth: Auth, told: str) -> None:
    found = line_data(LineConfig(), Access("internet", None, auth), None, None)
    assert (found.auth, found.user, found.password, found.ports) == (told, None, None, ())


def test_before_the_sim_was_read_only_core_toml_can_say_it() -> None:
    assert line_data(LineConfig(), None, None, None).apn is None
    config = LineConfig(apn="private.example", apn_user="me", apn_password="secret")
    assert line_data(config, None, None, None) == LineData("private.example", "chap", "me", "secret")
    assert line_data(LineConfig(apn="x", apn_user="me", apn_auth="pap"), None, None, None).auth == "pap"
