"""From what was seen to what it means."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.events import NetVerdict
from core.net.verdict import Icmp, Names, Part, Seen, Web, detail, final, judge

OK, DOWN, CAPTIVE, DNS_FAILED = NetVerdict.OK, NetVerdict.DOWN, NetVerdict.CAPTIVE, NetVerdict.DNS_FAILED


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(Icmp.ANSWERED, Names.ANSWERED, Web.NO_CONTENT), OK),
        (Seen(Icmp.SILENT, Names.ANSWERED, Web.NO_CONTENT, False), OK),  # ICMP is blocked
        (Seen(Icmp.IMPOSSIBLE, Names.ANSWERED, Web.NO_CONTENT, False), OK),
        (Seen(Icmp.ANSWERED, Names.ANSWERED, Web.SILENT), OK),  # the page's server alone is blocked
        (Seen(Icmp.ANSWERED, Names.SKIPPED, Web.SKIPPED), OK),
        (Seen(Icmp.SILENT, Names.ANSWERED, Web.SILENT, True), OK),
        (Seen(Icmp.IMPOSSIBLE, Names.ANSWERED, Web.SKIPPED, False), OK),  # nothing better could be asked
        (Seen(Icmp.ANSWERED, Names.ANSWERED, Web.PORTAL), CAPTIVE),
        (Seen(Icmp.SILENT, Names.FAILED, Web.PORTAL, False), CAPTIVE),
        (Seen(Icmp.ANSWERED, Names.FAILED, Web.SKIPPED), DNS_FAILED),
        (Seen(Icmp.SILENT, Names.FAILED, Web.NO_CONTENT, False), DNS_FAILED),
        (Seen(Icmp.SILENT, Names.FAILED, Web.SILENT, True), DNS_FAILED),
        (Seen(Icmp.SILENT, Names.FAILED, Web.SILENT, False), DOWN),
        (Seen(Icmp.SILENT, Names.ANSWERED, Web.SILENT, False), DOWN),  # the router knows the name by heart
        (Seen(Icmp.SILENT, Names.SKIPPED, Web.SKIPPED, False), DOWN),
        (Seen(Icmp.IMPOSSIBLE, Names.ANSWERED, Web.SILENT, False), DOWN),
    ],
)
def test_a_complete_look_has_its_verdict(seen: Seen, verdict: NetVerdict) -> None:
    assert judge(seen) is verdict
    assert final(seen) is verdict


@pytest.mark.parametrize(
    "seen",
    [
        Seen(),
        Seen(icmp=Icmp.ANSWERED),
        Seen(icmp=Icmp.ANSWERED, names=Names.ANSWERED),  # the page may yet be a portal's
        Seen(icmp=Icmp.ANSWERED, web=Web.NO_CONTENT),  # names may yet fail
        Seen(icmp=Icmp.SILENT, names=Names.ANSWERED, web=Web.SILENT),  # a connection may yet come
    ],
)
def test_nothing_is_said_while_it_may_still_change(seen: Seen) -> None:
    assert judge(seen) is None


seen = st.builds(
    Seen,
    icmp=st.none() | st.sampled_from(Icmp),
    names=st.none() | st.sampled_from(Names),
    web=st.none() | st.sampled_from(Web),
    tcp=st.none() | st.booleans(),
)


@given(seen, st.sampled_from(Icmp), st.sampled_from(Names), st.sampled_from(Web), st.booleans())
def test_a_verdict_that_was_given_early_is_the_one_at_the_end(
    early: Seen, icmp: Icmp, names: Names, web: Web, tcp: bool
) -> None:
    complete = replace(
        early,
        icmp=early.icmp or icmp,
        names=early.names or names,
        web=early.web or web,
        tcp=tcp if early.tcp is None else early.tcp,
    )
    if (verdict := judge(early)) is not None:
        assert judge(complete) is verdict
    assert judge(complete) is not None
    assert final(early) in (OK, DOWN, CAPTIVE, DNS_FAILED)


@given(seen, st.sampled_from(Part))
def test_a_part_that_could_not_be_asked_never_makes_a_link_worse(look: Seen, part: Part) -> None:
    field = {Part.ICMP: "icmp", Part.TCP: "tcp", Part.WEB: "web", Part.NAMES: "names"}[part]
    assume(getattr(look, field) is None)
    before = final(look)
    look.give_up(part)
    assert final(look) in (before, OK)


def test_the_detail_has_the_parts_in_one_order_and_an_end() -> None:
    texts = {Part.NAMES: "c", Part.TCP: "", Part.WEB: "b", Part.ICMP: "a"}
    assert detail(Seen(texts=texts)) == "a; b; c"
    assert len(detail(Seen(texts={Part.WEB: "x" * 5000}))) <= 400
