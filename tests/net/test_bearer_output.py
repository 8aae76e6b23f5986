"""qmicli's words: what it is told, and what is read out of what it prints. Real output of 1.32.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.net.bearers import qmi_command, qmi_output
from core.net.types import BearerFailed, BearerTrouble, DataAccess

STARTED = """\
[/dev/cdc-wdm0] Network started
\tPacket data handle: '3767194112'
[/dev/cdc-wdm0] Client ID not released:
\tService: 'wds'
\t    CID: '20'
"""
SETTINGS = """\
[21 Nov 2026, 16:58:52] -Warning ** [/dev/pts/5] couldn't detect transport type of port: unexpected port subsystem
[/dev/cdc-wdm0] Current settings retrieved:
           IP Family: IPv4
        IPv4 address: 10.36.195.115
    IPv4 subnet mask: 255.255.255.248
IPv4 gateway address: 10.36.195.116
    IPv4 primary DNS: 10.177.0.34
  IPv4 secondary DNS: 10.177.0.210
                 MTU: 1430
             Domains: none
[/dev/cdc-wdm0] Client ID not released:
\tService: 'wds'
\t    CID: '20'
"""


def _failed(verbose: str, error: str = "(14): 'CallFailed'") -> str:
    reason = "call end reason (1): generic-unspecified\n"
    return f"error: couldn't start network: QMI protocol error {error}\n{reason}verbose call end reason {verbose}\n"


def test_ids_are_read_where_they_stand() -> None:
    assert qmi_output.client_id(STARTED) == 20
    assert qmi_output.data_handle(STARTED) == 3767194112
    assert qmi_output.client_id("error: couldn't create client for the 'wds' service") is None
    assert qmi_output.data_handle("") is None


def test_another_services_client_is_not_ours() -> None:
    assert qmi_output.client_id(STARTED.replace("'wds'", "'nas'")) is None


def test_settings_are_address_with_length_gateway_servers_and_mtu() -> None:
    found = qmi_output.settings(SETTINGS)
    assert found == qmi_output.QmiSettings(
        "10.36.195.115/29", "10.36.195.116", ("10.177.0.34", "10.177.0.210"), 1430
    )  # fmt: skip


def test_settings_without_an_address_are_none_and_without_the_rest_are_less() -> None:
    assert qmi_output.settings("[/dev/cdc-wdm0] Current settings retrieved:\n           IP Family: IPv4\n") is None
    assert qmi_output.settings("        IPv4 address: 0.0.0.0\n") is None
    found = qmi_output.settings("        IPv4 address: 10.1.2.3\n                 MTU: 0\n")
    assert found == qmi_output.QmiSettings("10.1.2.3/32", None, (), None)


@pytest.mark.parametrize(
    ("verbose", "trouble"),
    [
        ("(6,27): [3gpp] unknown-apn", BearerTrouble.APN_REFUSED),
        ("(6,29): [3gpp] authentication-failed", BearerTrouble.APN_REFUSED),
        ("(6,33): [3gpp] option-unsubscribed", BearerTrouble.APN_REFUSED),
        ("(7,31): [ppp] pap-failure", BearerTrouble.APN_REFUSED),
        ("(3,2001): [cm] no-service", BearerTrouble.NO_NETWORK),
        ("(3,1028): [cm] emm-detached", BearerTrouble.NO_NETWORK),
        ("(2,241): [internal] interface-in-use-config-match", BearerTrouble.FAILED),
        ("(6,38): [3gpp] network-failure", BearerTrouble.FAILED),
    ],
)
def test_why_a_network_does_not_start_is_typed_and_said(verbose: str, trouble: BearerTrouble) -> None:
    found, text = qmi_output.trouble(_failed(verbose))
    assert found is trouble
    assert verbose.partition(": ")[2] in text


def test_the_short_reason_serves_where_there_is_no_verbose_one() -> None:
    text = "error: couldn't start network: QMI protocol error (14): 'CallFailed'\n"
    text += "call end reason (1013): gsm-wcdma-unknown-apn\n"
    assert qmi_output.trouble(text)[0] is BearerTrouble.APN_REFUSED
    assert (
        qmi_output.trouble(text.replace("gsm-wcdma-unknown-apn", "generic-no-service"))[0] is BearerTrouble.NO_NETWORK
    )


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (
            "error: couldn't create QmiDevice: Couldn't query file info: Error when getting information for file "
            "“/dev/cdc-wdm0”: No such file or directory",
            BearerTrouble.NO_DEVICE,
        ),
        ("error: couldn't open the QmiDevice: Transaction timed out", BearerTrouble.TIMEOUT),
        ("error: couldn't open the QmiDevice: Cannot read from istream: connection broken", BearerTrouble.MODEM_RESET),
        ("error: operation failed: QMI protocol error (53): 'NetworkNotReady'", BearerTrouble.NO_NETWORK),
        ("error: couldn't open the QmiDevice: Could not open: Permission denied", BearerTrouble.FAILED),
        ("anything else", BearerTrouble.FAILED),
    ],
)
def test_what_keeps_a_command_from_being_done_is_typed(text: str, trouble: BearerTrouble) -> None:
    assert qmi_output.trouble(text)[0] is trouble


def test_ids_that_ran_out_and_a_call_that_stands_are_seen_as_left_behind() -> None:
    exhausted = "error: couldn't create client for the 'wds' service: QMI protocol error (5): 'ClientIdsExhausted'"
    assert qmi_output.stale(exhausted)
    assert "restart" in qmi_output.trouble(exhausted)[1]
    assert qmi_output.stale(_failed("(2,241): [internal] interface-in-use-config-match"))
    assert qmi_output.stale("error: couldn't start network: QMI protocol error (26): 'NoEffect'")
    assert not qmi_output.stale(_failed("(6,27): [3gpp] unknown-apn"))
    assert not qmi_output.stale("")


@given(st.text())
def test_no_output_makes_a_reader_fail_or_gets_into_a_text_for_people(text: str) -> None:
    for read in (qmi_output.client_id, qmi_output.data_handle, qmi_output.settings, qmi_output.status):
        read(text)
    assert qmi_output.trouble(f"secret {text}")[1].isprintable()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64))
def test_a_value_is_quoted_so_that_it_ends_where_it_ends(value: str) -> None:
    if "'" in value and '"' in value:
        with pytest.raises(BearerFailed):
            qmi_command.quoted(value)
        return
    quoted = qmi_command.quoted(value)
    assert quoted[0] == quoted[-1]
    assert quoted[0] not in quoted[1:-1]
    assert quoted[1:-1] == value


def test_a_password_is_in_no_text_for_people() -> None:
    access = DataAccess("internet", "pap", "me", "both ' and \"")
    with pytest.raises(BearerFailed) as failed:
        qmi_command.start_network(access, 20)
    assert "both '" not in failed.value.text
    assert "both" not in repr(access).replace("both=", "")
