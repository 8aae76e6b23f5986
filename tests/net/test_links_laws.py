"""Laws of the table of links: however the kernel's news come, the table is what a dump of the kernel is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.net.links import EVERYTHING, LOWER_HALF, UPPER_HALF, Hop, LinkTable, Message, Notes, Part, Route
from core.net.primary import PrimaryRule
from core.net.types import OUR_PROTOCOL, Links
from tests.net.kernel_model import Kernel, read

pytestmark = pytest.mark.timeout(240)

NAMES = ("eth0", "wlan0", "wwan0", "usb0")
RULE = PrimaryRule("auto", ("wwan*",))


def look(table: LinkTable) -> Links:
    return table.snapshot(table.choose(RULE, None, None, Notes()), Notes())


def fresh(kernel: Kernel) -> Links:
    table = LinkTable()
    read(kernel, table)
    return look(table)


@st.composite
def steps(draw: st.DrawFn, kernel: Kernel) -> list[Message]:
    """One thing that happens to the kernel, and its messages."""
    indexes = sorted(set(kernel.links) - {1})
    choices = ["link"]
    choices += (
        ["remove", "rename", "up", "up", "down", "carrier", "address", "route", "route", "replace"] if indexes else []
    )
    choices += ["unaddress"] if kernel.addresses else []
    choices += ["unroute"] if kernel.routes else []
    what = draw(st.sampled_from(choices))
    if what == "link":
        return kernel.add_link(draw(st.sampled_from(NAMES)))
    if what == "unaddress":
        return kernel.remove_address(draw(st.sampled_from(kernel.addresses)))
    if what == "unroute":
        return kernel.remove_route(draw(st.sampled_from(kernel.routes)))
    index = draw(st.sampled_from(indexes))
    if what in ("route", "replace"):
        route = Route(
            metric=draw(st.sampled_from((0, 40, 100, 600))),
            protocol=draw(st.sampled_from((3, 16, OUR_PROTOCOL))),
            hops=(Hop(index, draw(st.sampled_from((None, "192.0.2.1", "192.0.2.2")))),),
            destination=draw(st.sampled_from((EVERYTHING, EVERYTHING, LOWER_HALF, UPPER_HALF))),
        )
        return kernel.add_route(route) if what == "route" else kernel.replace_route(route)
    return {
        "remove": lambda: kernel.remove_link(index),
        "rename": lambda: kernel.rename(index, draw(st.sampled_from(NAMES))),
        "up": lambda: kernel.set_up(index, True),
        "down": lambda: kernel.set_up(index, False),
        "carrier": lambda: kernel.set_carrier(index, draw(st.booleans())),
        "address": lambda: kernel.add_address(index, draw(st.sampled_from(("192.0.2.9/24", "10.0.0.9/8")))),
    }[what]()


@given(st.data())
def test_after_any_history_the_news_alone_give_what_a_dump_gives(data: st.DataObject) -> None:
    kernel, table = Kernel(), LinkTable()
    read(kernel, table)
    for _ in range(data.draw(st.integers(1, 25))):
        for message in data.draw(steps(kernel)):
            table.apply(message)
    assert look(table) == fresh(kernel)


@given(st.data())
def test_a_dump_while_things_go_on_happening_loses_and_invents_nothing(data: st.DataObject) -> None:
    """The kernel dumps in pieces, and news come between them, in one order."""
    kernel, table = Kernel(), LinkTable()
    for _ in range(8):
        data.draw(steps(kernel))
    table.apply(Kernel().add_link("stale0")[0])  # from before an overflow; nobody says that it is gone
    for part in Part:
        table.begin(part)
        for message in dict(kernel.dump())[part]:
            table.apply(message)
        for news in data.draw(steps(kernel)):
            table.apply(news)
        table.end(part)
    assert look(table) == fresh(kernel)


@given(st.data())
def test_the_order_of_a_dump_does_not_matter(data: st.DataObject) -> None:
    kernel = Kernel()
    for _ in range(15):
        data.draw(steps(kernel))
    unique = {(route.destination, route.metric): route for route in kernel.routes}
    kernel.routes = list(unique.values())  # of equal metrics the kernel's own order decides
    table = LinkTable()
    messages = [message for _, found in kernel.dump() for message in found]
    for message in data.draw(st.permutations(messages)):
        table.apply(message)
    assert look(table) == fresh(kernel)


@given(st.data())
def test_a_main_link_is_never_forbidden_and_never_ours(data: st.DataObject) -> None:
    kernel, table = Kernel(), LinkTable()
    before = None
    for _ in range(data.draw(st.integers(1, 25))):
        for message in data.draw(steps(kernel)):
            table.apply(message)
        before = table.choose(RULE, before, "usb0", Notes())
        assert before is None or before.name in ("eth0", "wlan0")
        others = [
            kernel.links[hop.index].name for route in kernel.routes if route.protocol != OUR_PROTOCOL
            for hop in route.hops if route.destination == EVERYTHING
        ]  # fmt: skip
        if not {"eth0", "wlan0"} & set(others):
            continue
        assert before is not None and before.name in others
