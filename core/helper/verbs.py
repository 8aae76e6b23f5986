"""The closed list of verbs: their keys, who waits for whom, and the answer to a request."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from core.helper import dhcp, links, ppp, resolver, routes, undo, usb, wireguard
from core.helper.context import Context
from core.helper.refused import Refused, Trouble
from core.helper.request import Request, bad, parse

LONG_AT_ONCE = 4
WAIT_S = 15.0
"""For those before it in its lane: longer than the longest of them that others wait for, a resetting USB device."""

LAST_WAIT_S = 5.0
"""At the end. What takes longer hangs, and is no reason to leave the traffic where it is."""

LEAVE_S = 2.0
"""At the end, for those that wait for a program, to end it. wg-quick is left to finish what it does."""

KERNEL, RESOLVER, USB = "kernel", "resolver", "usb"


@dataclass(frozen=True, slots=True)
class Verb:
    """lanes: of which one at a time is carried out; the others wait. Without, at once.

    alone: a key; a second long verb with the same value of it is refused as busy, not kept waiting.
    quiet: asked all the time, and changes nothing: only a failure is logged.
    """

    run: Callable[[Request, Context], dict[str, object]]
    keys: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    alone: str | None = None
    quiet: bool = False


_DIAL = ("tty", "apn", "auth", "unit", "timeout_s")

VERBS = {
    "usb_reset": Verb(usb.usb_reset, ("path",), lanes=(USB,)),
    "link": Verb(links.link, ("interface", "up"), ("mtu",), (KERNEL,)),
    "raw_ip": Verb(links.raw_ip, ("interface",), (), (KERNEL,)),
    "address": Verb(links.address, ("interface", "address", "add"), (), (KERNEL,)),
    "route": Verb(routes.route, ("interface", "gateway", "metric", "halves", "add"), (), (KERNEL,)),
    "block_ipv6": Verb(routes.block_ipv6, ("add", "metric"), (), (KERNEL,)),
    "resolver": Verb(resolver.resolver, ("interface", "dns", "set"), (), (RESOLVER,)),
    "dhcp": Verb(dhcp.dhcp, ("interface", "timeout_s"), alone="interface"),
    "wg_status": Verb(wireguard.wg_status, ("interface",), quiet=True),
    "wg_restart": Verb(wireguard.wg_restart, ("interface",), alone="interface"),
    "wg_endpoint": Verb(wireguard.wg_endpoint, ("interface", "public_key", "endpoint")),
    "ppp_start": Verb(ppp.ppp_start, _DIAL, ("user", "password"), alone="unit"),
    "ppp_stop": Verb(ppp.ppp_stop, ("unit",)),
    "recover": Verb(undo.recover, lanes=(KERNEL, RESOLVER)),
    "state": Verb(undo.state, quiet=True),
}


class Desk:
    """Carries out requests, from many threads."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._lanes = {lane: threading.Lock() for lane in (KERNEL, RESOLVER, USB)}
        self._long: set[tuple[str, str]] = set()
        self._long_lock = threading.Lock()

    def answer(self, line: bytes) -> tuple[str | None, dict[str, object]]:
        """The request for the log, without secrets (None: not worth it), and the answer. Never raises."""
        shown: str | None = f"a line of {len(line)} bytes"
        try:
            request = parse(line)
            shown = request.for_log()
            found = self._carry_out(request)
            return None if VERBS[request.verb].quiet else shown, {"ok": True} | found
        except Refused as refused:
            return shown, {"error": refused.text, "trouble": refused.trouble.value}
        except OSError as problem:
            return shown, {"error": problem.strerror or "the system refused", "trouble": Trouble.FAILED.value}
        except Exception as problem:  # a mistake of ours: the next request is served all the same
            traceback.print_exc()
            return shown, {"error": f"the helper failed: {type(problem).__name__}", "trouble": Trouble.FAILED.value}

    def undo(self) -> tuple[list[str], list[str]]:
        """All of it, at the end. What was begun meanwhile is refused. What was undone, and what could not be."""
        self.context.state.closing = self.context.programs.stopped = True
        with self._last((KERNEL, RESOLVER)):
            undone, left = undo.undo(self.context)
        with self._last((USB,)):
            undone += undo.put_modems_on(self.context)
        end = time.monotonic() + LEAVE_S
        while self._long and time.monotonic() < end:
            time.sleep(0.01)
        return undone, left

    def _carry_out(self, request: Request) -> dict[str, object]:
        verb = VERBS.get(request.verb)
        if verb is None:
            raise bad(f"the verbs are: {', '.join(sorted(VERBS))}")
        request.only(verb.keys, verb.optional)
        if self.context.state.closing:
            raise Refused(Trouble.STOPPING, "the helper is being stopped")
        with self._waiting(verb.lanes), self._alone(request, verb.alone):
            return verb.run(request, self.context)

    @contextmanager
    def _waiting(self, lanes: tuple[str, ...]) -> Iterator[None]:
        with ExitStack() as stack:
            for lane in lanes:
                if not self._lanes[lane].acquire(timeout=WAIT_S):
                    raise Refused(Trouble.BUSY, "an earlier request is still being carried out")
                stack.callback(self._lanes[lane].release)
            yield

    @contextmanager
    def _last(self, lanes: tuple[str, ...]) -> Iterator[None]:
        with ExitStack() as stack:
            for lane in lanes:
                if self._lanes[lane].acquire(timeout=LAST_WAIT_S):
                    stack.callback(self._lanes[lane].release)
            yield

    @contextmanager
    def _alone(self, request: Request, key: str | None) -> Iterator[None]:
        if key is None:
            yield
            return
        what = (key, request.for_key(key))
        with self._long_lock:
            if what in self._long or len(self._long) >= LONG_AT_ONCE:
                raise Refused(Trouble.BUSY, f"{request.verb}: an earlier request is still being carried out")
            self._long.add(what)
        try:
            yield
        finally:
            with self._long_lock:
                self._long.discard(what)
