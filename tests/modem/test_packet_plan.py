"""Which contexts are defined and activated: laws over all that a modem may have set, and the order of credentials."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import LineConfig
from core.modem import packet_plan
from core.modem.bringup_steps import LATE, Step, Stopwatch, at_most_s, late_steps, passing, sim_poll_s
from core.modem.carriers import Auth
from core.modem.lines_report import ContextDefinition
from core.modem.packet_plan import Access

SIMCOM = 'AT+CGAUTH={cid},{method},"{password}","{username}"'
APNS = st.sampled_from(["internet", "INTERNET", "ims", "web.example.net", "sos", ""])
CONTEXTS = st.lists(
    st.builds(ContextDefinition, st.integers(1, 8), st.sampled_from(["IP", "IPV6", "IPV4V6"]), APNS),
    unique_by=lambda context: context.cid,
)
ACCESSES = st.builds(
    Access, st.sampled_from(["internet", "web.example.net"]), st.sampled_from([None, "ims", "ims.example.net"])
)


def _applied(access: Access, defined: list[ContextDefinition]) -> list[ContextDefinition]:
    found = {context.cid: context for context in defined}
    for command in packet_plan.definitions(access, defined):
        match = re.fullmatch(r'AT\+CGDCONT=([0-9]+),"([A-Z0-9]+)","([^"]*)"', command.text)
        assert match is not None
        found[int(match[1])] = ContextDefinition(int(match[1]), match[2], match[3])
    return list(found.values())


@given(ACCESSES, CONTEXTS)
def test_afterwards_all_is_as_wanted_and_a_second_look_changes_nothing(
    access: Access, defined: list[ContextDefinition]
) -> None:
    after = {context.cid: context for context in _applied(access, defined)}
    data = after[packet_plan.DATA_CID]
    assert (data.kind, data.apn.lower()) == ("IPV4V6", access.apn)
    if access.ims_apn is not None:
        ims = after[packet_plan.ims_cid(list(after.values()), access.ims_apn)]
        assert (ims.kind, ims.apn.lower()) == ("IPV4V6", access.ims_apn)
        assert ims.cid != packet_plan.DATA_CID
    assert packet_plan.definitions(access, list(after.values())) == ()


@given(ACCESSES, CONTEXTS)
def test_contexts_of_others_are_left_alone(access: Access, defined: list[ContextDefinition]) -> None:
    after = _applied(access, defined)
    touched = {packet_plan.DATA_CID}
    if access.ims_apn is not None:
        touched.add(packet_plan.ims_cid(defined, access.ims_apn))
    assert [one for one in after if one.cid not in touched] == [one for one in defined if one.cid not in touched]


@given(st.dictionaries(st.integers(1, 8), st.booleans()), st.none() | st.integers(2, 8), st.booleans())
def test_only_what_is_wanted_and_not_active_is_activated(active: dict[int, bool], ims: int | None, data: bool) -> None:
    commands = [command.text for command in packet_plan.activations(active, ims=ims, data=data)]
    wanted = ([ims] if ims is not None else []) + ([1] if data else [])
    assert commands == [f"AT+CGACT=1,{cid}" for cid in wanted if not active.get(cid)]


def test_simcom_takes_the_password_before_the_user() -> None:
    access = Access("internet", None, Auth.PAP, "user", "secret")
    (command,) = packet_plan.authentication(access, SIMCOM, changed=False)
    assert command.text == 'AT+CGAUTH=1,1,"secret","user"'


def test_either_method_is_tried_as_such_then_chap_then_pap() -> None:
    access = Access("internet", None, Auth.PAP_OR_CHAP, "user", "secret")
    commands = packet_plan.authentication(access, SIMCOM, changed=True)
    assert [command.text[:13] for command in commands] == ["AT+CGAUTH=1,3", "AT+CGAUTH=1,2", "AT+CGAUTH=1,1"]


@pytest.mark.parametrize(("changed", "wanted"), [(True, ["AT+CGAUTH=1,0"]), (False, [])])
def test_credentials_of_an_older_apn_go_with_it(changed: bool, wanted: list[str]) -> None:
    commands = packet_plan.authentication(Access("internet", None), SIMCOM, changed=changed)
    assert [command.text for command in commands] == wanted


def test_a_family_without_cgauth_gets_none() -> None:
    assert packet_plan.authentication(Access("a", None, Auth.PAP, "u", "p"), None, changed=True) == ()


def test_credentials_stand_in_no_repr() -> None:
    assert "secret" not in repr(Access("internet", None, Auth.PAP, "user", "secret"))


def test_late_steps_are_those_that_have_something_to_do_in_their_order() -> None:
    assert late_steps(LineConfig(), ims=False) == (Step.NETWORK, Step.VOLTE)
    assert late_steps(LineConfig(lte_only=True, activate_data=True), ims=True) == LATE


@pytest.mark.parametrize("step", LATE)
def test_every_late_step_has_a_bound(step: Step) -> None:
    bound_s = at_most_s(step, LineConfig(network_wait_s=7.0))
    assert bound_s is not None
    assert (bound_s == 7.0) is (step is Step.NETWORK)


def test_a_sim_that_is_busy_is_asked_for_ever_but_slowly() -> None:
    assert passing("BUSY")
    assert passing(None)
    assert not passing("SIM PIN")
    assert sim_poll_s(0) == 1.0
    assert sim_poll_s(3600) == 5.0


def test_the_stopwatch_names_the_slowest_step() -> None:
    clock = iter((0.0, 1.5, 1.5, 1.75, 1.75, 2.25))
    watch = Stopwatch()
    assert watch.slowest is None
    for step in (Step.SIM, Step.SYNC, Step.SIM):
        with watch.timing(step, lambda: next(clock)):
            pass
    assert watch.slowest == (Step.SIM, 2.0)
    assert watch.total_s == 2.25
    assert watch.words() == "sim 2000 ms, sync 250 ms"
