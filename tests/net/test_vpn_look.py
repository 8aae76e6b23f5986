"""Whether a VPN works, from what one look at it has found."""

import os

import pytest

from core.config import VpnConfig
from core.net.carrier import flags
from core.net.helper_client import WgPeer
from core.net.vpn_look import Handshake, Look, judge, nudged_address
from tests.net.namespaces import needs_namespaces, network

PINGED = VpnConfig(interface="wg0", ping="10.100.0.1", stale_s=180)
UNPINGED = VpnConfig(interface="wg0", stale_s=180)


def peer(*, keepalive_s: int | None = 25, handshake_unix_s: int = 1, allowed: tuple[str, ...] = ()) -> WgPeer:
    return WgPeer("key", "203.0.113.10:443", handshake_unix_s, 0, 0, keepalive_s, allowed)


def look(age_s: float | None, *, keepalive_s: int | None = 25, unanswered: bool = False, pinged: bool = False) -> Look:
    return Look(
        present=True, up=True, pinged=pinged, peer=peer(keepalive_s=keepalive_s), age_s=age_s, unanswered=unanswered
    )


def test_an_interface_that_is_not_there_or_not_up_does_not_work_whatever_it_answered() -> None:
    assert judge(Look(present=False), PINGED) == (False, "wg0 does not exist")
    assert judge(Look(present=True, up=False, ping_ms=1.0), PINGED) == (False, "wg0 is not up")


@pytest.mark.parametrize("age_s", [None, 5.0, 181.0, 1e6])
def test_an_answer_to_a_ping_is_proof_however_old_the_handshake(age_s: float | None) -> None:
    found = Look(present=True, up=True, ping_ms=12.3, peer=peer(), age_s=age_s)
    assert judge(found, PINGED) == (True, "10.100.0.1 answered in 12 ms")


def test_no_answer_is_a_failure_also_with_a_fresh_handshake_and_says_how_old_it_is() -> None:
    assert judge(look(5.0, pinged=True), PINGED) == (
        False,
        "10.100.0.1 does not answer; the last handshake was 5 s ago",
    )
    assert judge(look(None, pinged=True), PINGED) == (False, "10.100.0.1 does not answer; there was no handshake yet")
    assert judge(Look(present=True, up=True, pinged=True, trouble="-"), PINGED) == (False, "10.100.0.1 does not answer")


@pytest.mark.parametrize(
    ("age_s", "keepalive_s", "unanswered", "works"),
    [
        (180.0, 25, False, True),
        (180.5, 25, False, False),
        (None, 25, False, False),
        (1e6, None, False, True),  # nothing makes handshakes
        (1e6, 0, False, True),
        (None, None, False, True),
        (1e6, None, True, False),  # something was sent, and nothing came
        (10.0, None, True, True),
        (None, None, True, False),
    ],
)
def test_without_a_ping_the_age_counts_where_something_makes_handshakes(
    age_s: float | None, keepalive_s: int | None, unanswered: bool, works: bool
) -> None:
    assert judge(look(age_s, keepalive_s=keepalive_s, unanswered=unanswered), UNPINGED)[0] is works


def test_where_this_process_may_not_ping_the_age_counts_and_no_silence_is_made_of_it() -> None:
    assert judge(look(5.0), PINGED)[0] is True
    assert judge(look(500.0), PINGED) == (False, "the peer is silent; the last handshake was 500 s ago")


def test_where_nobody_can_tell_it_is_said_so() -> None:
    works, reason = judge(Look(present=True, up=True, trouble="dialtone-helper is not there"), UNPINGED)
    assert works and "not known" in reason and "dialtone-helper is not there" in reason


class Clocks:
    """Both as they are told, and one handshake as WireGuard tells it: by the time of day."""

    def __init__(self) -> None:
        self.now_s, self.unix_s = 100.0, 1_800_000_000.0
        self.handshake = Handshake(now_s=lambda: self.now_s, unix_s=lambda: self.unix_s)
        self._made = 0

    def shakes(self) -> None:
        self._made = int(self.unix_s)

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds
        self.unix_s += seconds

    def age_s(self) -> float | None:
        self.handshake.see(peer(handshake_unix_s=self._made))
        return self.handshake.age_s()


def test_the_age_of_a_handshake_is_what_has_passed_since_and_there_may_be_none() -> None:
    clocks = Clocks()
    assert clocks.age_s() is None
    clocks.shakes()
    clocks.pass_(20)
    assert clocks.age_s() == 20
    clocks.pass_(100)
    assert clocks.handshake.age_s() == 120 == clocks.age_s()  # also between two looks
    clocks.shakes()
    assert clocks.age_s() == 0
    clocks.handshake.forget()
    assert clocks.handshake.age_s() is None


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0, 300.0, -300.0])
def test_a_clock_that_is_set_makes_no_handshake_older_or_younger(step_s: float) -> None:
    clocks = Clocks()
    clocks.shakes()
    clocks.pass_(5)
    assert clocks.age_s() == 5
    clocks.unix_s += step_s
    clocks.pass_(30)
    assert clocks.age_s() == 35
    clocks.shakes()
    clocks.unix_s -= step_s  # set between a handshake and the look at it
    clocks.pass_(10)
    assert 0 <= (clocks.age_s() or 0) <= 10
    clocks.pass_(200)
    assert 200 <= (clocks.age_s() or 0) <= 210  # a dead VPN does not stay young


def test_of_a_handshake_from_before_the_first_look_the_time_of_day_is_believed_but_never_a_future() -> None:
    clocks = Clocks()
    clocks.shakes()
    clocks.pass_(1000)
    assert clocks.age_s() == 1000
    clocks = Clocks()
    clocks.shakes()
    clocks.unix_s -= 3600
    assert clocks.age_s() == 0
    clocks.pass_(50)
    assert clocks.age_s() == 50


@pytest.mark.parametrize(
    ("allowed", "wanted"),
    [
        (("10.100.0.0/24",), "10.100.0.1"),
        (("10.100.0.7/32",), "10.100.0.7"),
        (("fd00::/64", "10.1.0.0/16"), "10.1.0.1"),
        (("0.0.0.0/0", "::/0"), None),
        ((), None),
        (("nonsense",), None),
    ],
)
def test_something_can_be_sent_to_a_peer_that_has_an_address_of_its_own(
    allowed: tuple[str, ...], wanted: str | None
) -> None:
    assert nudged_address(peer(allowed=allowed)) == wanted
    assert nudged_address(None) is None


@needs_namespaces
def test_the_kernel_says_whether_an_interface_is_there_and_up() -> None:
    with network() as net, net.host.inside():
        assert (flags("eth0") or 0) & 1
        assert flags("wwan0") is not None and not (flags("wwan0") or 0) & 1
        assert flags(f"wg{os.getpid()}") is None
        assert flags("a-name-that-is-much-too-long") is None
